//! Many rows at once, step by step: each row grows in a cell of its own, so one row never waits for another's length,
//! and each step is one plain loop. At the end the rows are moved together.

use super::steps::{SLACK, Step, Tail, pick, put, put_fixed};
use crate::digits::{self, Dates};
use crate::expr::NULL;
use crate::kernel::{Block, Slot};

/// Rows at a time: few enough that what is written of their cells stays in the nearest cache.
const ROWS: usize = 64;
/// Longer rows gain nothing from this.
const LONGEST: usize = 4_000;

/// Room for some rows side by side.
#[derive(Debug)]
pub(crate) struct Cells {
    bytes: Vec<u8>,
    stride: usize,
    ends: [u16; ROWS],
    together: Vec<u8>,
}

impl Cells {
    /// Returns room for rows that are at most so long; nothing for very long ones.
    pub(super) fn new(longest: usize) -> Option<Self> {
        let stride = longest + SLACK;
        (longest <= LONGEST).then(|| Self {
            bytes: vec![0; ROWS * stride],
            stride,
            ends: [0; ROWS],
            together: vec![0; ROWS * longest + stride],
        })
    }

    /// Writes the first `count` rows of a block.
    pub(super) fn write(&mut self, steps: &[(Slot, Step)], block: &Block, count: usize, out: &mut impl FnMut(&[u8])) {
        for start in (0..count).step_by(ROWS) {
            let rows = ROWS.min(count - start);
            self.ends = [0; ROWS];
            self.steps(steps, block, start, rows);
            let end = self.join(rows);
            out(&self.together[..end]);
        }
    }

    fn steps(&mut self, mut steps: &[(Slot, Step)], block: &Block, start: usize, rows: usize) {
        let dates = Dates::new();
        while let Some(((slot, step), rest)) = steps.split_first() {
            steps = rest;
            let lane = &block.lane(*slot)[start..start + rows];
            match step {
                Step::W16(texts) => self.each(lane, |out, at, value| put_fixed(out, at, pick(texts, value))),
                Step::W32(texts) => self.each(lane, |out, at, value| put_fixed(out, at, pick(texts, value))),
                Step::W64(texts) => self.each(lane, |out, at, value| put_fixed(out, at, pick(texts, value))),
                Step::Texts(texts) => {
                    self.each(lane, |out, at, value| put(out, at, pick::<Box<[u8]>>(texts, value)));
                }
                Step::Integer(tail) => self.integers(lane, tail),
                // The scale of money, known to the compiler.
                Step::Decimal { scale: 2, mark, tail } => self.each(lane, |out, at, value| {
                    let end = digits::decimal(out, at, value, 2, *mark);
                    put_fixed(out, end, tail)
                }),
                Step::Decimal { scale, mark, tail } => self.each(lane, |out, at, value| {
                    let end = digits::decimal(out, at, value, *scale, *mark);
                    put_fixed(out, end, tail)
                }),
                Step::Date(tail) => self.each(lane, |out, at, value| {
                    let end = dates.date(out, at, there(value));
                    put_fixed(out, end, tail)
                }),
                Step::Timestamp(tail) => self.timestamps(lane, dates, tail),
                Step::Uuid(high, low, tail) => self.each(lane, |out, at, value| {
                    let end = digits::uuid(out, at, high.draw(value as u64), low.draw(value as u64));
                    put_fixed(out, end, tail)
                }),
                Step::Other(body, tail) => self.each(lane, |out, at, value| {
                    let end = body.put(there(value), out, at);
                    put_fixed(out, end, tail)
                }),
                Step::Literal(text) => self.each(lane, |out, at, _| put_fixed(out, at, text)),
                Step::Long(text) => self.each(lane, |out, at, _| put(out, at, text)),
                Step::Unless(null, over) => {
                    // What is inside is written for every row, and where there is nothing, the null over it.
                    let before = self.ends;
                    let (inside, rest) = steps.split_at(*over);
                    self.steps(inside, block, start, rows);
                    for ((end, before), value) in self.ends.iter_mut().zip(before).zip(lane) {
                        *end = if *value == NULL { before } else { *end };
                    }
                    self.each(lane, |out, at, value| {
                        let length = if value == NULL { usize::from(null[31]) } else { 0 };
                        put_fixed(out, at, null);
                        at + length
                    });
                    steps = rest;
                }
            }
        }
    }

    /// Lets each row grow by what `put` writes at its end.
    #[inline(always)]
    fn each(&mut self, lane: &[i64], mut put: impl FnMut(&mut [u8], usize, i64) -> usize) {
        let cells = self.bytes.chunks_exact_mut(self.stride);
        for ((cell, end), value) in cells.zip(&mut self.ends).zip(lane) {
            *end = put(cell, usize::from(*end), *value) as u16;
        }
    }

    fn integers(&mut self, lane: &[i64], tail: &Tail) {
        let whole = |out: &mut [u8], at: usize, value: i64| {
            let end = digits::signed(out, at, value);
            put_fixed(out, end, tail)
        };
        let first = lane[0];
        if lane.iter().all(|value| *value == first) {
            // The same in all rows, such as the day of a fact.
            let mut text = [0; 64];
            let end = whole(&mut text, 0, first);
            return self.each(lane, |out, at, _| {
                out[at..at + 64].copy_from_slice(&text);
                at + end
            });
        }
        let rising = lane.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 1);
        if rising && first >= 100 {
            // Numbers in a row have all but the last two digits in common, a hundred at a time.
            let (mut hundred, mut text, mut length) = (-1, [0; 24], 0);
            return self.each(lane, |out, at, value| {
                if value / 100 != hundred {
                    hundred = value / 100;
                    length = digits::signed(&mut text, 0, hundred);
                }
                out[at..at + 24].copy_from_slice(&text);
                let end = digits::two(out, at + length, (value % 100) as u32);
                put_fixed(out, end, tail)
            });
        }
        self.each(lane, whole);
    }

    fn timestamps(&mut self, lane: &[i64], dates: Dates, tail: &Tail) {
        let midnight = there(lane[0]).div_euclid(86_400) * 86_400;
        if lane.iter().all(|value| (value.wrapping_sub(midnight) as u64) < 86_400) {
            let mut day = [0; 16];
            let length = dates.date(&mut day, 0, midnight / 86_400);
            if length == 10 {
                return self.each(lane, |out, at, value| {
                    out[at..at + 16].copy_from_slice(&day);
                    let end = digits::clock(out, at + 10, b' ', (value - midnight) as u32);
                    put_fixed(out, end, tail)
                });
            }
        }
        self.each(lane, |out, at, value| {
            let end = dates.timestamp(out, at, there(value));
            put_fixed(out, end, tail)
        });
    }

    /// Moves the rows together and returns where they end.
    fn join(&mut self, rows: usize) -> usize {
        // All copies of one length, the longest: a length of its own for each row would be guessed wrong.
        const CHUNK: usize = 64;
        let longest = usize::from(self.ends[..rows].iter().copied().max().unwrap_or(0)).next_multiple_of(CHUNK);
        let mut at = 0;
        for (cell, end) in self.bytes.chunks_exact(self.stride).zip(&self.ends[..rows]) {
            let to = self.together[at..at + longest].chunks_exact_mut(CHUNK);
            for (to, from) in to.zip(cell[..longest].chunks_exact(CHUNK)) {
                to.copy_from_slice(from);
            }
            at += usize::from(*end);
        }
        at
    }
}

/// Returns a value that can be written quickly where there is none.
#[inline(always)]
fn there(value: i64) -> i64 {
    if value == NULL { 0 } else { value }
}
