//! Random numbers that can be asked for by row: a draw is a pure function of a key and a row number, with no
//! state to carry along. The key comes from names, so adding or moving a column changes no other column.
//!
//! Everything here defines the data. A change of any constant changes every dataset: raise `GENERATOR` then.

/// The version of the arithmetic behind every value. Part of each plan's fingerprint.
pub(crate) const GENERATOR: u32 = 1;

const STEP: u64 = 0xa076_1d64_78bd_642f;
const TWIST: u64 = 0xe703_7ed1_a0b4_28db;

/// What a column's draws are keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// Returns the key of a stream named by `parts`; `("ab", "c")` and `("a", "bc")` differ.
    pub(crate) fn of(seed: u64, version: u32, parts: &[&str]) -> Self {
        let mut hash = mix(seed ^ mix(u64::from(version) ^ mix(u64::from(GENERATOR))));
        for part in parts {
            for byte in part.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            hash = mix(hash ^ part.len() as u64);
        }
        Self(hash)
    }

    /// Returns the key of a second stream of the same column (nulls, the low half of a uuid).
    pub(crate) fn other(self, which: u64) -> Self {
        Self(mix(self.0 ^ mix(which.wrapping_add(0x5851_f42d_4c95_7f2d))))
    }

    /// Returns 64 random bits for this row.
    #[inline(always)]
    pub(crate) fn draw(self, row: u64) -> u64 {
        let a = row.wrapping_mul(STEP).wrapping_add(self.0);
        let product = u128::from(a) * u128::from(a ^ TWIST);
        (product >> 64) as u64 ^ product as u64
    }

    /// Returns a number in `0..span` for this row; `span` 0 gives 0. The bias is below `span / 2^64`.
    #[inline(always)]
    pub(crate) fn below(self, row: u64, span: u64) -> u64 {
        ((u128::from(self.draw(row)) * u128::from(span)) >> 64) as u64
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// Returns `value` with its bits thoroughly mixed; a bijection of 64-bit numbers.
#[inline(always)]
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A keyed bijection of `0..size`: unique values in random-looking order without remembering any of them.
#[derive(Debug, Clone)]
pub(crate) struct Bijection {
    size: u64,
    mask: u64,
    shift: u32,
    rounds: [(u64, u64); 4],
}

impl Bijection {
    pub(crate) fn new(key: Key, size: u64) -> Self {
        // At least two bits, so that the xor-shift below moves something.
        let bits = (64 - size.saturating_sub(1).leading_zeros()).max(2);
        let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let round = |n: u64| (key.draw(2 * n) | 1, key.draw(2 * n + 1));
        Self {
            size,
            mask,
            shift: bits.div_ceil(2),
            rounds: [round(0), round(1), round(2), round(3)],
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the place of `index`, which must be below `size`. Walks the power of two above `size` until it
    /// is back inside: two steps at the most on average.
    #[inline]
    pub(crate) fn place(&self, index: u64) -> u64 {
        debug_assert!(index < self.size, "a bijection is asked inside its domain");
        let mut x = index;
        loop {
            for (multiply, add) in self.rounds {
                x = x.wrapping_mul(multiply).wrapping_add(add) & self.mask;
                x ^= x >> self.shift;
            }
            if x < self.size {
                return x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bijection_visits_every_place_once() {
        for size in [1u64, 2, 3, 5, 10, 100, 257, 4_096, 10_000] {
            let bijection = Bijection::new(Key::of(1, 1, &["t", "c"]), size);
            let mut seen = vec![false; size as usize];
            for index in 0..size {
                let place = bijection.place(index) as usize;
                assert!(!seen[place], "size {size}: {place} twice");
                seen[place] = true;
            }
        }
    }

    #[test]
    fn keys_come_from_names_and_their_borders() {
        let key = |parts: &[&str]| Key::of(7, 1, parts);
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_ne!(Key::of(7, 1, &["a"]), Key::of(8, 1, &["a"]));
        assert_ne!(Key::of(7, 1, &["a"]), Key::of(7, 2, &["a"]));
    }

    #[test]
    fn columns_and_neighbouring_rows_are_independent() {
        // Pearson's chi-square over 16 x 16 cells: 255 expected, standard deviation 22.6.
        let keys: Vec<Key> = ["a", "b", "c", "d"]
            .iter()
            .map(|name| Key::of(42, 1, &["t", name]))
            .collect();
        let rows = 1u64 << 16;
        let chi = |pair: &dyn Fn(u64) -> (u64, u64)| {
            let mut cells = [0u32; 256];
            for row in 0..rows {
                let (x, y) = pair(row);
                cells[((x >> 60) << 4 | y >> 60) as usize] += 1;
            }
            let expected = rows as f64 / 256.0;
            cells
                .iter()
                .map(|&n| (f64::from(n) - expected).powi(2) / expected)
                .sum::<f64>()
        };
        for (i, a) in keys.iter().enumerate() {
            for lag in [1, 2, 7, 64] {
                let statistic = chi(&|row| (a.draw(row), a.draw(row + lag)));
                assert!(statistic < 360.0, "lag {lag}: {statistic}");
            }
            for b in &keys[i + 1..] {
                let statistic = chi(&|row| (a.draw(row), b.draw(row)));
                assert!(statistic < 360.0, "columns: {statistic}");
            }
        }
    }
}
