//! Draws blocks of typed values: each kernel fills one column of a block from row numbers and earlier columns.
//! A program is a list of kernels in an order in which everything is ready when it is needed.

use crate::calendar::Timeline;
use crate::distribution::{Alias, Cells, Zipf};
use crate::draw::{Bijection, Key};
use crate::expr::{NULL, Program};
use crate::wide::{Work, widest};
use std::hint::select_unpredictable;
use std::sync::Arc;

/// Rows drawn at a time: a block of twenty columns stays in the nearest cache.
pub(crate) const BLOCK: usize = 128;

/// One column of a block.
pub(crate) type Lane = [i64; BLOCK];

/// Where a lane stands in a block. Lane 0 holds the row numbers.
pub(crate) type Slot = usize;

/// A step of a program: fills the lane after those of all steps before it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The lane of row numbers this step works for: the table's own, or those of another table's rows.
    pub(crate) rows: Slot,
    pub(crate) kernel: Kernel,
    /// Chance of null, of 2^32.
    pub(crate) null: Option<(Key, u64)>,
    /// A lane whose nulls this one takes over.
    pub(crate) null_from: Option<Slot>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kernel {
    /// `start + step * row`.
    Affine {
        start: i64,
        step: i64,
    },
    /// `row % count`.
    Cycle {
        count: u64,
    },
    /// The value at the index that another lane holds.
    Values {
        index: Slot,
        values: Arc<[i64]>,
    },
    Uniform {
        key: Key,
        low: i64,
        span: u64,
    },
    Alias {
        key: Key,
        table: Arc<Alias>,
    },
    Cells {
        key: Key,
        table: Arc<Cells>,
    },
    Zipf {
        key: Key,
        table: Arc<Zipf>,
    },
    Unique {
        bijection: Bijection,
        low: i64,
    },
    Chance {
        key: Key,
        threshold: u64,
    },
    Day {
        timeline: Arc<Timeline>,
    },
    Time {
        key: Key,
        timeline: Arc<Timeline>,
    },
    Expr {
        program: Program,
        arguments: Vec<Slot>,
    },
    /// Row numbers with the version that each row has reached by a day.
    Version {
        key: Key,
        period: u64,
        day: u64,
    },
    /// The day on which each row reached the version that it has by a day.
    Changed {
        key: Key,
        period: u64,
        day: u64,
        first: i64,
    },
    Walk {
        key: Key,
        entity: Slot,
        step: Slot,
        base: Slot,
        swing: u64,
    },
}

/// Lanes of one block of rows.
#[derive(Debug)]
pub(crate) struct Block {
    lanes: Vec<Lane>,
    /// Lanes a kernel needs for itself, kept from block to block.
    day_hint: Vec<usize>,
}

impl Block {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            lanes: vec![[0; BLOCK]; nodes + 1],
            day_hint: vec![0; nodes],
        }
    }

    #[inline(always)]
    pub(crate) fn lane(&self, slot: Slot) -> &Lane {
        &self.lanes[slot]
    }

    /// Draws the rows from `start` on. Always a whole block: a caller that wants fewer uses the first ones.
    pub(crate) fn fill(&mut self, nodes: &[Node], start: u64) {
        widest(Fill {
            block: self,
            nodes,
            start,
        });
    }

    #[inline(always)]
    fn draw(&mut self, nodes: &[Node], start: u64) {
        for (index, row) in self.lanes[0].iter_mut().enumerate() {
            *row = start.wrapping_add(index as u64) as i64;
        }
        for (index, node) in nodes.iter().enumerate() {
            let (before, after) = self.lanes.split_at_mut(index + 1);
            let out = &mut after[0];
            node.kernel
                .fill(&before[node.rows], before, out, &mut self.day_hint[index]);
            if let Some((key, threshold)) = node.null {
                for (value, &row) in out.iter_mut().zip(&before[node.rows]) {
                    *value = select_unpredictable(key.draw(row as u64) >> 32 < threshold, NULL, *value);
                }
            }
            if let Some(from) = node.null_from {
                for (value, &other) in out.iter_mut().zip(&before[from]) {
                    *value = if other == NULL { NULL } else { *value };
                }
            }
        }
    }
}

struct Fill<'a> {
    block: &'a mut Block,
    nodes: &'a [Node],
    start: u64,
}

impl Work for Fill<'_> {
    type Done = ();

    #[inline(always)]
    fn run(self) {
        self.block.draw(self.nodes, self.start);
    }
}

/// Fills a lane from row numbers, one by one. Not a function: what is drawn must be compiled together with the loop, for
/// the same machine.
macro_rules! each {
    ($rows:expr, $out:expr, |$row:ident| $value:expr) => {
        for (out, &row) in $out.iter_mut().zip($rows) {
            let $row = row as u64;
            *out = $value;
        }
    };
}

/// Returns the day that all these rows fall on, if it is one; most blocks of a large table lie within a day.
#[inline(always)]
fn one_day(timeline: &Timeline, rows: &Lane, hint: &mut usize) -> Option<usize> {
    *hint = timeline.day_index(rows[0] as u64, *hint);
    let day = timeline.rows_of(*hint);
    let within = rows.iter().fold(true, |all, row| all & day.contains(&(*row as u64)));
    within.then_some(*hint)
}

impl Kernel {
    #[inline(always)]
    fn fill(&self, rows: &Lane, lanes: &[Lane], out: &mut Lane, hint: &mut usize) {
        match self {
            Self::Affine { start, step } => {
                each!(rows, out, |row| start.wrapping_add(step.wrapping_mul(row as i64)));
            }
            Self::Cycle { count: 1 } => out.fill(0),
            Self::Cycle { count } => each!(rows, out, |row| (row % count) as i64),
            Self::Values { index, values } => {
                for (out, &index) in out.iter_mut().zip(&lanes[*index]) {
                    let value = values[(index as usize).min(values.len() - 1)];
                    *out = select_unpredictable(index == NULL, NULL, value);
                }
            }
            Self::Uniform { key, low, span } => {
                each!(rows, out, |row| low.wrapping_add(key.below(row, *span) as i64));
            }
            Self::Alias { key, table } => {
                // What stays the same is taken out of the loop by hand: for all the compiler knows, it may lie in `out`.
                let (key, slots) = (*key, table.slots());
                each!(rows, out, |row| Alias::pick(slots, key.draw(row)) as i64);
            }
            Self::Cells { key, table } => {
                let (key, cells) = (*key, table.edges());
                each!(rows, out, |row| Cells::pick(cells, key.draw(row)));
            }
            Self::Zipf { key, table } => {
                let (key, ranks, scatter) = (*key, table.ranks.edges(), table.scatter);
                each!(rows, out, |row| scatter.place(Cells::pick(ranks, key.draw(row))) as i64);
            }
            Self::Unique { bijection, low } => {
                // Rows past the table's end share the block but not the domain; their values are never used.
                let size = bijection.size();
                each!(rows, out, |row| {
                    if row < size {
                        low.wrapping_add(bijection.place(row) as i64)
                    } else {
                        *low
                    }
                });
            }
            Self::Chance { key, threshold } => {
                each!(rows, out, |row| i64::from(key.draw(row) >> 32 < *threshold));
            }
            Self::Day { timeline } => match one_day(timeline, rows, hint) {
                Some(day) => out.fill(timeline.first + day as i64),
                None => {
                    let mut day = *hint;
                    each!(rows, out, |row| {
                        day = timeline.day_index(row, day);
                        timeline.first + day as i64
                    });
                    *hint = day;
                }
            },
            Self::Time { key, timeline } => match one_day(timeline, rows, hint) {
                Some(day) => {
                    let midnight = (timeline.first + day as i64) * 86_400;
                    let hours = timeline.hours(day);
                    each!(rows, out, |row| midnight + hours.second(row, key.draw(row)));
                }
                None => {
                    let mut day = *hint;
                    each!(rows, out, |row| {
                        day = timeline.day_index(row, day);
                        (timeline.first + day as i64) * 86_400 + timeline.hours(day).second(row, key.draw(row))
                    });
                    *hint = day;
                }
            },
            Self::Expr { program, arguments } => {
                let arguments: Vec<&Lane> = arguments.iter().map(|slot| &lanes[*slot]).collect();
                let same = |lane: &&Lane| lane.iter().all(|value| *value == lane[0]);
                if program.is_blind_to_rows() && arguments.iter().all(same) {
                    // One value for all, such as what follows from a day.
                    let firsts: Vec<&[i64; 1]> = arguments.iter().filter_map(|lane| lane.first_chunk()).collect();
                    let mut one = [0];
                    program.run(&[0], &firsts, &mut one);
                    out.fill(one[0]);
                } else {
                    program.run(rows, &arguments, out);
                }
            }
            Self::Version { key, period, day } => each!(rows, out, |row| {
                let phase = key.below(row, *period);
                (row | ((day + phase) / period) << 44) as i64
            }),
            Self::Changed {
                key,
                period,
                day,
                first,
            } => each!(rows, out, |row| {
                let phase = key.below(row, *period);
                let reached = (day + phase) / period * period;
                first + reached.saturating_sub(phase) as i64
            }),
            Self::Walk {
                key,
                entity,
                step,
                base,
                swing,
            } => {
                let lanes = lanes[*entity].iter().zip(&lanes[*step]).zip(&lanes[*base]);
                for (out, ((&entity, &step), &base)) in out.iter_mut().zip(lanes) {
                    *out = if entity == NULL || step == NULL || base == NULL {
                        NULL
                    } else {
                        walk(*key, entity as u64, step as u64, base, *swing)
                    };
                }
            }
        }
    }
}

/// Returns `base` moved by at most `swing` (of 2^16) up or down. Neighbouring steps are near each other: four
/// octaves of noise on coarser and coarser lattices, each linear between its lattice points.
fn walk(key: Key, entity: u64, step: u64, base: i64, swing: u64) -> i64 {
    let mut sum = 0i64;
    for (octave, weight) in [(0u32, 1i64), (2, 2), (4, 4), (6, 9)] {
        let lattice = step >> octave;
        let within = (step & ((1 << octave) - 1)) as i64;
        let point = |at: u64| {
            let place = entity
                .wrapping_mul(0x9e37_79b9)
                .wrapping_add(at)
                .wrapping_mul(8)
                .wrapping_add(u64::from(octave));
            (key.draw(place) >> 48) as i64 - 32_768
        };
        let (low, high) = (point(lattice), point(lattice.wrapping_add(1)));
        sum += weight * (low + (((high - low) * within) >> octave));
    }
    // `sum / 16` is within 15 bits and a sign.
    let factor = i128::from(swing) * i128::from(sum / 16);
    let moved = i128::from(base) + i128::from(base) * factor / (1 << 31);
    i64::try_from(moved).unwrap_or(if moved > 0 { i64::MAX } else { i64::MIN + 1 })
}
