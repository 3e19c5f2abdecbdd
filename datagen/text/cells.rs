//! Many rows at once, step by step: each row grows in a cell of its own, so one row never waits for another's length,
//! and each step is one plain loop. At the end the rows are moved together.

use super::steps::{SLACK, Step, Tail, pick, put, put_fixed};
use crate::digits::{self, Dates};
use crate::draw::Key;
use crate::expr::NULL;
use crate::kernel::{Block, Slot};
use crate::wide::{Work, widest};
use std::hint::select_unpredictable;

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

/// Lets each row grow by what is written at its end. Not a function: what is written must be compiled together with
/// the loop, for the same machine.
macro_rules! each {
    ($cells:expr, $lane:expr, |$out:ident, $at:ident, $value:pat_param| $put:expr) => {{
        let cells = $cells.bytes.chunks_exact_mut($cells.stride);
        for ((cell, end), value) in cells.zip(&mut $cells.ends).zip($lane) {
            let ($out, $at, $value): (&mut [u8], usize, i64) = (cell, usize::from(*end), *value);
            *end = $put as u16;
        }
    }};
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
            let end = widest(Join { cells: self, rows });
            out(&self.together[..end]);
        }
    }

    fn steps(&mut self, steps: &[(Slot, Step)], block: &Block, start: usize, rows: usize) {
        widest(Grow {
            cells: self,
            steps,
            block,
            start,
            rows,
        });
    }

    #[inline(always)]
    fn grow(&mut self, mut steps: &[(Slot, Step)], block: &Block, start: usize, rows: usize) {
        let dates = Dates::new();
        while let Some(((slot, step), rest)) = steps.split_first() {
            steps = rest;
            let lane = &block.lane(*slot)[start..start + rows];
            match step {
                Step::W16(texts) => self.texts(lane, texts),
                Step::W32(texts) => self.texts(lane, texts),
                Step::W64(texts) => self.texts(lane, texts),
                Step::Texts(texts) => {
                    each!(self, lane, |out, at, value| put(
                        out,
                        at,
                        pick::<Box<[u8]>>(texts, value)
                    ));
                }
                Step::Integer(tail) => self.integers(lane, tail),
                Step::Decimal { scale: 2, mark, tail } if most(lane) < 100_000_000 => {
                    each!(self, lane, |out, at, value| {
                        let end = digits::cents(out, at, value as u32, *mark);
                        put_fixed(out, end, tail)
                    });
                }
                Step::Decimal { scale, mark, tail } => each!(self, lane, |out, at, value| {
                    let end = digits::decimal(out, at, value, *scale, *mark);
                    put_fixed(out, end, tail)
                }),
                Step::Date(tail) => each!(self, lane, |out, at, value| {
                    let end = dates.date(out, at, there(value));
                    put_fixed(out, end, tail)
                }),
                Step::Timestamp(tail) => self.timestamps(lane, dates, tail),
                Step::Uuid(high, low, tail) => self.uuids(lane, (*high, *low), tail),
                Step::Other(body, tail) => each!(self, lane, |out, at, value| {
                    let end = body.put(there(value), out, at);
                    put_fixed(out, end, tail)
                }),
                Step::Literal(text) => each!(self, lane, |out, at, _| put_fixed(out, at, text)),
                Step::Long(text) => each!(self, lane, |out, at, _| put(out, at, text)),
                Step::Unless(null, over) => {
                    // What is inside is written for every row, and where there is nothing, the null over it.
                    let before = self.ends;
                    let (inside, rest) = steps.split_at(*over);
                    self.steps(inside, block, start, rows);
                    for ((end, before), value) in self.ends.iter_mut().zip(before).zip(lane) {
                        *end = select_unpredictable(*value == NULL, before, *end);
                    }
                    each!(self, lane, |out, at, value| {
                        let length = if value == NULL { usize::from(null[31]) } else { 0 };
                        put_fixed(out, at, null);
                        at + length
                    });
                    steps = rest;
                }
            }
        }
    }

    #[inline(always)]
    fn texts<const N: usize>(&mut self, lane: &[i64], texts: &[[u8; N]]) {
        each!(self, lane, |out, at, value| put_fixed(out, at, pick(texts, value)));
    }

    #[inline(always)]
    fn integers(&mut self, lane: &[i64], tail: &Tail) {
        let first = lane[0];
        if lane.iter().all(|value| *value == first) {
            // The same in all rows, such as the day of a fact.
            let mut text = [0; 64];
            let end = whole(&mut text, 0, first, tail);
            return each!(self, lane, |out, at, _| {
                out[at..at + 64].copy_from_slice(&text);
                at + end
            });
        }
        let rising = lane.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 1);
        if rising && first >= 100 {
            // Numbers in a row have all but the last two digits in common, a hundred at a time.
            let (mut hundred, mut text, mut length) = (-1, [0; 24], 0);
            return each!(self, lane, |out, at, value| {
                if value / 100 != hundred {
                    hundred = value / 100;
                    length = digits::signed(&mut text, 0, hundred);
                }
                out[at..at + 24].copy_from_slice(&text);
                let end = digits::two(out, at + length, (value % 100) as u32);
                put_fixed(out, end, tail)
            });
        }
        match most(lane) {
            0..10_000 => each!(self, lane, |out, at, value| {
                let end = digits::short(out, at, value as u32);
                put_fixed(out, end, tail)
            }),
            10_000..100_000_000 => each!(self, lane, |out, at, value| {
                let end = digits::medium(out, at, value as u32);
                put_fixed(out, end, tail)
            }),
            _ => each!(self, lane, |out, at, value| whole(out, at, value, tail)),
        }
    }

    #[inline(always)]
    fn uuids(&mut self, lane: &[i64], (high, low): (Key, Key), tail: &Tail) {
        let mut bits = [[0; 16]; ROWS];
        for (bits, row) in bits.iter_mut().zip(lane) {
            *bits = digits::uuid_bits(high.draw(*row as u64), low.draw(*row as u64));
        }
        // The digits of all rows at once: the compiler does many in one go.
        let mut hex = [[0; 32]; ROWS];
        digits::hexadecimal(bits.as_flattened(), hex.as_flattened_mut());
        let mut hex = hex.iter();
        each!(self, lane, |out, at, _| {
            let end = digits::uuid(out, at, hex.next().expect("one for each row"));
            put_fixed(out, end, tail)
        });
    }

    #[inline(always)]
    fn timestamps(&mut self, lane: &[i64], dates: Dates, tail: &Tail) {
        let midnight = there(lane[0]).div_euclid(86_400) * 86_400;
        if lane.iter().all(|value| (value.wrapping_sub(midnight) as u64) < 86_400) {
            let mut day = [0; 16];
            let length = dates.date(&mut day, 0, midnight / 86_400);
            if length == 10 {
                day[10] = b' ';
                return each!(self, lane, |out, at, value| {
                    out[at..at + 16].copy_from_slice(&day);
                    let end = digits::clock(out, at + 11, (value - midnight) as u32);
                    put_fixed(out, end, tail)
                });
            }
        }
        each!(self, lane, |out, at, value| {
            let end = dates.timestamp(out, at, there(value));
            put_fixed(out, end, tail)
        });
    }

    /// Moves the rows together and returns where they end.
    #[inline(always)]
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

/// Returns a number that no value is above; a large one where some are negative or null.
#[inline(always)]
fn most(lane: &[i64]) -> u64 {
    lane.iter().fold(0, |bits, value| bits | *value as u64)
}

/// Writes a whole number and what comes after it.
#[inline(always)]
fn whole(out: &mut [u8], at: usize, value: i64, tail: &Tail) -> usize {
    let end = digits::signed(out, at, value);
    put_fixed(out, end, tail)
}

struct Grow<'a> {
    cells: &'a mut Cells,
    steps: &'a [(Slot, Step)],
    block: &'a Block,
    start: usize,
    rows: usize,
}

impl Work for Grow<'_> {
    type Done = ();

    #[inline(always)]
    fn run(self) {
        self.cells.grow(self.steps, self.block, self.start, self.rows);
    }
}

struct Join<'a> {
    cells: &'a mut Cells,
    rows: usize,
}

impl Work for Join<'_> {
    type Done = usize;

    #[inline(always)]
    fn run(self) -> usize {
        self.cells.join(self.rows)
    }
}

/// Returns a value that can be written quickly where there is none.
#[inline(always)]
fn there(value: i64) -> i64 {
    if value == NULL { 0 } else { value }
}
