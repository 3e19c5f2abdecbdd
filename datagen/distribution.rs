//! Distributions that cost the same for every draw: an alias table for weighted choices, and tables of equally
//! likely cells, linear inside a cell, for everything with a quantile function.
//!
//! The tables are built with `+ - * /` and square roots only, whose results IEEE 754 fixes, so they are equal on
//! every machine; the platform's `exp` and `ln` are not. The resolution of a tail is one cell: 1/2048.

use crate::draw::Key;
use std::hint::select_unpredictable;

const CELL_BITS: u32 = 11;
/// Number of cells of a table.
pub(crate) const CELLS: usize = 1 << CELL_BITS;

/// A weighted choice among `0..n` by one draw (Vose's alias method in integers).
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    /// Chance (of 2^32) to stay in the slot, and where to go otherwise.
    slots: Vec<(u32, u32)>,
}

impl Alias {
    /// Builds the table; `weights` has at least one positive entry and no negative one.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let count = weights.len();
        let total: f64 = weights.iter().sum();
        let mut share: Vec<f64> = weights.iter().map(|w| w / total * count as f64).collect();
        let mut slots = vec![(u32::MAX, 0u32); count];
        for (index, slot) in slots.iter_mut().enumerate() {
            slot.1 = index as u32;
        }
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..count).partition(|&i| share[i] < 1.0);
        while let (Some(&less), Some(&more)) = (small.last(), large.last()) {
            small.pop();
            slots[less] = ((share[less] * 4_294_967_296.0) as u32, more as u32);
            share[more] -= 1.0 - share[less];
            if share[more] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        // A weight of zero must never be chosen, not even through rounding at the very end.
        for index in small {
            if weights[index] == 0.0 {
                let heaviest = (0..count)
                    .max_by(|&a, &b| weights[a].total_cmp(&weights[b]))
                    .unwrap_or(0);
                slots[index] = (0, heaviest as u32);
            }
        }
        Self { slots }
    }

    pub(crate) fn slots(&self) -> &[(u32, u32)] {
        &self.slots
    }

    #[inline(always)]
    pub(crate) fn pick(slots: &[(u32, u32)], draw: u64) -> usize {
        let slot = (((draw >> 32) * slots.len() as u64) >> 32) as usize;
        let (stay, other) = slots[slot];
        select_unpredictable((draw as u32) < stay, slot, other as usize)
    }
}

/// A continuous distribution as a table of equally likely cells, in integer units.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    edges: Box<Edges>,
}

type Edges = [i64; CELLS + 1];

impl Cells {
    /// Builds the table from a quantile function; `quantile` gets a probability strictly between 0 and 1.
    pub(crate) fn new(low: i64, high: i64, quantile: impl Fn(f64) -> f64) -> Self {
        let mut edges = Box::new([0i64; CELLS + 1]);
        for (index, edge) in edges.iter_mut().enumerate() {
            // The outermost edges stand half a cell from certainty: tails end, and nothing is infinite.
            let p = (index as f64).clamp(0.5, CELLS as f64 - 0.5) / CELLS as f64;
            let value = quantile(p);
            let rounded = if value >= 0.0 {
                (value + 0.5) as i64
            } else {
                -((0.5 - value) as i64)
            };
            *edge = rounded.clamp(low, high);
        }
        Self { edges }
    }

    pub(crate) fn edges(&self) -> &Edges {
        &self.edges
    }

    #[inline(always)]
    pub(crate) fn pick(edges: &Edges, draw: u64) -> i64 {
        let cell = (draw >> (64 - CELL_BITS)) as usize;
        let within = (draw >> (32 - CELL_BITS)) & 0xffff_ffff;
        // The mask says to the compiler what the shift already ensures.
        let low = edges[cell & (CELLS - 1)];
        let high = edges[(cell & (CELLS - 1)) + 1];
        let width = high.wrapping_sub(low) as u64;
        low.wrapping_add(((u128::from(width) * u128::from(within)) >> 32) as i64)
    }
}

/// A skewed choice among `0..count`: rank `k` is chosen in proportion to `1 / (k + 1)^exponent`, and ranks are
/// scattered over the range so that the popular ones are not the first ones.
#[derive(Debug, Clone)]
pub(crate) struct Zipf {
    /// Ranks, with `RANK_BITS` fractional bits.
    pub(crate) ranks: Cells,
    pub(crate) scatter: Scatter,
}

/// Where each rank lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scatter {
    count: u64,
    multiply: u64,
    /// `multiply / count` as a fraction of 2^64, rounded up; 0 when `count` has more than 32 bits.
    fraction: u64,
    add: u64,
}

/// Ranks carry this many fractional bits inside the cell table.
const RANK_BITS: u32 = 22;

impl Zipf {
    pub(crate) fn new(key: Key, count: u64, exponent: f64) -> Self {
        let mut multiply = (key.draw(0) % count.max(1)) | 1;
        while gcd(multiply, count.max(1)) != 1 {
            multiply += 2;
        }
        Self {
            ranks: rank_cells(count, exponent),
            scatter: Scatter {
                count: count.max(1),
                multiply,
                fraction: match u32::try_from(count) {
                    Ok(0..=1) | Err(_) => 0,
                    Ok(count) => ((u128::from(multiply % u64::from(count)) << 64).div_ceil(u128::from(count))) as u64,
                },
                add: key.draw(1) % count.max(1),
            },
        }
    }
}

impl Scatter {
    #[inline(always)]
    pub(crate) fn place(self, rank: i64) -> u64 {
        let rank = ((rank >> RANK_BITS) as u64).min(self.count - 1);
        if self.fraction != 0 {
            // The remainder of `rank * multiply` by `count` without a division: the fraction of a turn, times the
            // count. Exact because the error of the fraction stays below `count^2 / 2^64 < 1`.
            let place = ((u128::from(rank.wrapping_mul(self.fraction)) * u128::from(self.count)) >> 64) as u64;
            let moved = place + self.add;
            moved.min(moved.wrapping_sub(self.count))
        } else {
            ((u128::from(rank) * u128::from(self.multiply) + u128::from(self.add)) % u128::from(self.count)) as u64
        }
    }
}

fn rank_cells(count: u64, exponent: f64) -> Cells {
    // The head is summed exactly, the tail is an integral.
    let head = count.min(4_096);
    let mut sums = Vec::with_capacity(head as usize + 1);
    let mut sum = 0.0;
    sums.push(0.0);
    for rank in 0..head {
        sum += exp(-exponent * ln(rank as f64 + 1.0));
        sums.push(sum);
    }
    // From rank x on, the weight up to y is the integral of t^-exponent from x + 1/2 to y + 1/2.
    let from = head as f64 + 0.5;
    let integral = |y: f64| {
        if (exponent - 1.0).abs() < 1e-9 {
            ln((y + 0.5) / from)
        } else {
            (exp((1.0 - exponent) * ln(y + 0.5)) - exp((1.0 - exponent) * ln(from))) / (1.0 - exponent)
        }
    };
    let total = sum + if count > head { integral(count as f64) } else { 0.0 };
    let inverse = |weight: f64| {
        if (exponent - 1.0).abs() < 1e-9 {
            from * exp(weight) - 0.5
        } else {
            exp(ln(weight * (1.0 - exponent) + exp((1.0 - exponent) * ln(from))) / (1.0 - exponent)) - 0.5
        }
    };
    let scale = (1u64 << RANK_BITS) as f64;
    let limit = i64::try_from(u128::from(count) << RANK_BITS).unwrap_or(i64::MAX) - 1;
    Cells::new(0, limit.max(0), |p| {
        let target = p * total;
        let position = if target < sum {
            let rank = sums.partition_point(|&s| s <= target).max(1) - 1;
            rank as f64 + (target - sums[rank]) / (sums[rank + 1] - sums[rank])
        } else {
            inverse(target - sum)
        };
        position * scale
    })
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns the natural logarithm of a positive number, equal on every machine.
pub(crate) fn ln(x: f64) -> f64 {
    let mut bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1_023;
    bits = (bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000;
    let mut mantissa = f64::from_bits(bits);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)); |z| < 0.1716, so eleven terms are enough.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let mut sum = 0.0;
    for term in (0..12).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    2.0 * z * sum + exponent as f64 * std::f64::consts::LN_2
}

/// Returns e to the power of `x`, equal on every machine.
pub(crate) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let x = x.min(700.0);
    let halves = (x / std::f64::consts::LN_2 + if x >= 0.0 { 0.5 } else { -0.5 }) as i64;
    let rest = x - halves as f64 * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for term in (1..16).rev() {
        sum = 1.0 + rest / f64::from(term) * sum;
    }
    sum * f64::from_bits(((halves + 1_023) as u64) << 52)
}

/// Returns the standard normal quantile (a rational approximation with relative error below 1.2e-9).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    let tail = |q: f64| {
        (((((C[0] * q + C[1]) * q + C[2]) * q + C[3]) * q + C[4]) * q + C[5])
            / ((((D[0] * q + D[1]) * q + D[2]) * q + D[3]) * q + 1.0)
    };
    if p < 0.024_25 {
        tail((-2.0 * ln(p)).sqrt())
    } else if p > 1.0 - 0.024_25 {
        -tail((-2.0 * ln(1.0 - p)).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        (((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5]) * q
            / (((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::of(3, 1, &["t", "c"])
    }

    #[test]
    fn logarithm_and_exponential_agree_with_the_platform() {
        for step in 1..2_000 {
            let x = f64::from(step) * 0.37;
            assert!((ln(x) - x.ln()).abs() < 1e-12, "{x}");
            let y = f64::from(step - 1_000) * 0.11;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-12, "{y}");
        }
    }

    #[test]
    fn the_normal_quantile_has_its_known_values() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_985),
            (0.01, -2.326_347_874),
            (0.999, 3.090_232_306),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-7, "{p}");
        }
    }

    #[test]
    fn weighted_choices_follow_their_weights_and_zero_is_never_chosen() {
        let weights = [5.0, 0.0, 3.0, 1.0, 1.0];
        let alias = Alias::new(&weights);
        let mut counts = [0u32; 5];
        for row in 0..100_000 {
            counts[Alias::pick(alias.slots(), key().draw(row))] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, weight) in counts.iter().zip(weights) {
            assert!(
                (f64::from(*count) / 100_000.0 - weight / 10.0).abs() < 0.01,
                "{counts:?}"
            );
        }
    }

    #[test]
    fn the_head_of_a_zipf_distribution_agrees_with_theory() {
        for (count, exponent) in [(1_000u64, 1.0), (100_000, 0.8), (1_000_000, 1.2)] {
            let cells = rank_cells(count, exponent);
            let mut head = [0u32; 4];
            let draws = 400_000;
            for row in 0..draws {
                let rank = Cells::pick(cells.edges(), key().draw(row)) >> RANK_BITS;
                assert!((rank as u64) < count);
                if rank < 4 {
                    head[rank as usize] += 1;
                }
            }
            let total: f64 = (1..=count).map(|k| (k as f64).powf(-exponent)).sum();
            for (rank, seen) in head.iter().enumerate() {
                let expected = ((rank + 1) as f64).powf(-exponent) / total;
                let share = f64::from(*seen) / draws as f64;
                // One cell is 1/2048, and four standard deviations of so many draws are 0.0022.
                assert!(
                    (share - expected).abs() < 1.0 / 2_048.0 + 0.0022,
                    "{count} {exponent} {rank}: {share} {expected}"
                );
            }
        }
    }

    #[test]
    fn every_thing_can_be_chosen_and_ranks_never_meet() {
        for count in [2u64, 3, 7, 100, 4_096, 65_537] {
            let Scatter { fraction, multiply, .. } = Zipf::new(key(), count, 0.7).scatter;
            let mut seen = vec![false; count as usize];
            for rank in 0..count {
                let place = ((u128::from(rank.wrapping_mul(fraction)) * u128::from(count)) >> 64) as u64;
                assert_eq!(
                    place,
                    (u128::from(rank) * u128::from(multiply) % u128::from(count)) as u64
                );
                assert!(!std::mem::replace(&mut seen[place as usize], true));
            }
        }
    }

    #[test]
    fn skewed_choices_stay_inside_any_count() {
        for count in [1u64, 2, 3, 10, 5_000_000_000, 100_000_000_000] {
            let zipf = Zipf::new(key(), count, 1.0);
            for row in 0..1_000 {
                assert!(zipf.scatter.place(Cells::pick(zipf.ranks.edges(), key().draw(row))) < count);
            }
        }
    }
}
