//! A row as a list of short steps, each a copy of fixed size or a number: what stays the same from row to row is
//! merged into what stands before or after it, so that there are as few steps as can be.

use crate::digits::{self, Dates, NUMBER, Pattern};
use crate::draw::Key;
use crate::expr::NULL;
use crate::kernel::{BLOCK, Block, Slot};

/// Room behind the end of a row that fixed-size copies may scribble on.
pub(super) const SLACK: usize = 128;

/// A short text copied whole, with its length in the last byte.
pub(super) type Short = [u8; 32];
/// What comes after a value: mostly a delimiter, or a key and its quotes.
pub(super) type Tail = [u8; 16];

/// A part of a row before merging.
#[derive(Debug)]
pub(super) enum Item {
    Literal(Vec<u8>),
    /// The text at the place that a lane holds; the last one stands for null.
    Texts(Slot, Vec<Vec<u8>>),
    Value(Slot, Body),
    /// Instead of what is inside, the first text where the lane is null.
    Unless(Slot, Vec<u8>, Vec<Item>),
}

/// How a value is written.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Integer,
    Decimal {
        scale: u8,
        mark: u8,
    },
    Date,
    Timestamp,
    Pattern {
        pattern: Pattern,
        days: bool,
    },
    /// The keys of both halves.
    Uuid(Key, Key),
    Padded(u8),
    Letters(u8),
}

/// The steps of a row, or of one field.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<(Slot, Step)>,
    longest: usize,
}

#[derive(Debug)]
pub(super) enum Step {
    Literal(Short),
    Long(Box<[u8]>),
    W16(Box<[[u8; 16]]>),
    W32(Box<[[u8; 32]]>),
    W64(Box<[[u8; 64]]>),
    Texts(Box<[Box<[u8]>]>),
    Integer(Tail),
    Decimal {
        scale: u8,
        mark: u8,
        tail: Tail,
    },
    Date(Tail),
    Timestamp(Tail),
    Uuid(Key, Key, Tail),
    Other(Box<Body>, Tail),
    /// Where the lane is null, this text instead of so many steps.
    Unless(Short, usize),
}

impl Program {
    pub(super) fn new(items: Vec<Item>) -> Self {
        let mut merged = Merged::default();
        items.into_iter().for_each(|item| merged.add(item));
        let mut longest = 0;
        let mut steps = Vec::new();
        for open in merged.open {
            let (slot, step, length) = open.close();
            longest += length;
            steps.push((slot, step));
        }
        Self { steps, longest }
    }

    pub(super) fn steps(&self) -> &[(Slot, Step)] {
        &self.steps
    }

    /// The most bytes that these steps write.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Writes one row into `out` from `at` on and returns where it ends. `out` must be `SLACK` longer than the
    /// longest row.
    #[inline(always)]
    pub(super) fn put(&self, block: &Block, row: usize, out: &mut [u8], mut at: usize, dates: Dates) -> usize {
        // Tells the compiler what it needs to leave out a check for each step.
        let row = row & (BLOCK - 1);
        let mut next = 0;
        while let Some((slot, step)) = self.steps.get(next) {
            let value = block.lane(*slot)[row];
            next += 1;
            at = match step {
                Step::W16(texts) => put_fixed(out, at, pick(texts, value)),
                Step::W32(texts) => put_fixed(out, at, pick(texts, value)),
                Step::W64(texts) => put_fixed(out, at, pick(texts, value)),
                Step::Texts(texts) => put(out, at, pick::<Box<[u8]>>(texts, value)),
                Step::Integer(tail) => {
                    let end = digits::signed(out, at, value);
                    put_fixed(out, end, tail)
                }
                Step::Decimal { scale, mark, tail } => {
                    let end = digits::decimal(out, at, value, *scale, *mark);
                    put_fixed(out, end, tail)
                }
                Step::Date(tail) => {
                    let end = dates.date(out, at, value);
                    put_fixed(out, end, tail)
                }
                Step::Timestamp(tail) => {
                    let end = dates.timestamp(out, at, value);
                    put_fixed(out, end, tail)
                }
                Step::Uuid(high, low, tail) => {
                    let mut hex = [0; 32];
                    let bits = digits::uuid_bits(high.draw(value as u64), low.draw(value as u64));
                    digits::hexadecimal(&bits, &mut hex);
                    let end = digits::uuid(out, at, &hex);
                    put_fixed(out, end, tail)
                }
                Step::Other(body, tail) => {
                    let end = body.put(value, out, at);
                    put_fixed(out, end, tail)
                }
                Step::Literal(text) => put_fixed(out, at, text),
                Step::Long(text) => put(out, at, text),
                Step::Unless(null, over) => {
                    if value == NULL {
                        next += over;
                        put_fixed(out, at, null)
                    } else {
                        at
                    }
                }
            };
        }
        at
    }
}

/// Null is the most negative number, so as an unsigned one it is past the end: the last entry.
#[inline(always)]
pub(super) fn pick<T>(texts: &[T], code: i64) -> &T {
    &texts[(code as usize).min(texts.len() - 1)]
}

#[inline(always)]
pub(super) fn put_fixed<const N: usize>(out: &mut [u8], at: usize, text: &[u8; N]) -> usize {
    out[at..at + N].copy_from_slice(text);
    at + usize::from(text[N - 1])
}

#[inline(always)]
pub(super) fn put(out: &mut [u8], at: usize, text: &[u8]) -> usize {
    out[at..at + text.len()].copy_from_slice(text);
    at + text.len()
}

fn fixed<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut entry = [0u8; N];
    entry[..text.len()].copy_from_slice(text);
    entry[N - 1] = text.len() as u8;
    entry
}

impl Body {
    /// Writes what is not common enough for a step of its own.
    pub(super) fn put(&self, value: i64, out: &mut [u8], at: usize) -> usize {
        match self {
            Self::Pattern { pattern, days } => {
                pattern.write(out, at, if *days { value.saturating_mul(86_400) } else { value })
            }
            Self::Padded(width) => digits::padded(out, at, value.unsigned_abs(), *width),
            Self::Letters(width) => digits::letters(out, at, value as u64, *width),
            Self::Integer | Self::Decimal { .. } | Self::Date | Self::Timestamp | Self::Uuid(..) => {
                unreachable!("a step of its own")
            }
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Integer | Self::Decimal { .. } | Self::Padded(_) => NUMBER + 8,
            Self::Date | Self::Timestamp | Self::Uuid(..) => 40,
            Self::Pattern { .. } => 160,
            Self::Letters(width) => usize::from(*width),
        }
    }
}

/// A step that can still take in what comes after it.
enum Open {
    Literal(Vec<u8>),
    Texts(Slot, Vec<Vec<u8>>),
    Value(Slot, Body, Vec<u8>),
    Unless(Slot, Vec<u8>, usize),
}

#[derive(Default)]
struct Merged {
    open: Vec<Open>,
    /// Nothing may be merged into steps before this one: they are passed over where something is null.
    closed: usize,
}

/// Whether texts may grow this long for what is merged into them: larger copies cost more than another step.
fn fits(texts: &[Vec<u8>], more: usize) -> bool {
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
    longest + more < 32 || (longest >= 32 && longest + more < 64) || longest >= 64
}

impl Merged {
    fn add(&mut self, item: Item) {
        match item {
            Item::Literal(text) if text.is_empty() => {}
            Item::Literal(text) => self.literal(text),
            Item::Texts(slot, mut texts) => {
                if self.open.len() > self.closed
                    && let Some(Open::Literal(before)) = self.open.last()
                    && fits(&texts, before.len())
                {
                    texts
                        .iter_mut()
                        .for_each(|text| drop(text.splice(0..0, before.iter().copied())));
                    self.open.pop();
                }
                self.open.push(Open::Texts(slot, texts));
            }
            Item::Value(slot, body) => self.open.push(Open::Value(slot, body, Vec::new())),
            Item::Unless(slot, null, inside) => {
                let at = self.open.len();
                self.open.push(Open::Unless(slot, null, 0));
                self.closed = self.open.len();
                inside.into_iter().for_each(|item| self.add(item));
                self.closed = self.open.len();
                let passed = self.closed - at - 1;
                if let Open::Unless(_, _, over) = &mut self.open[at] {
                    *over = passed;
                }
            }
        }
    }

    fn literal(&mut self, text: Vec<u8>) {
        if self.open.len() > self.closed {
            match self.open.last_mut() {
                Some(Open::Literal(before)) => return before.extend(text),
                Some(Open::Texts(_, texts)) if fits(texts, text.len()) => {
                    return texts.iter_mut().for_each(|before| before.extend(&text));
                }
                Some(Open::Value(_, _, tail)) if tail.len() + text.len() < 16 => return tail.extend(text),
                _ => {}
            }
        }
        self.open.push(Open::Literal(text));
    }
}

impl Open {
    /// Returns the step, its lane, and the most that it writes.
    fn close(self) -> (Slot, Step, usize) {
        match self {
            Self::Literal(text) if text.len() < 32 => (0, Step::Literal(fixed(&text)), text.len()),
            Self::Literal(text) => {
                let length = text.len();
                (0, Step::Long(text.into()), length)
            }
            Self::Texts(slot, texts) => {
                let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
                let texts = texts.iter();
                let step = match longest {
                    0..16 => Step::W16(texts.map(|text| fixed(text)).collect()),
                    16..32 => Step::W32(texts.map(|text| fixed(text)).collect()),
                    32..64 => Step::W64(texts.map(|text| fixed(text)).collect()),
                    _ => Step::Texts(texts.map(|text| text.as_slice().into()).collect()),
                };
                (slot, step, longest)
            }
            Self::Value(slot, body, tail) => {
                let longest = body.longest() + tail.len();
                let tail = fixed(&tail);
                let step = match body {
                    Body::Integer => Step::Integer(tail),
                    Body::Decimal { scale, mark } => Step::Decimal { scale, mark, tail },
                    Body::Date => Step::Date(tail),
                    Body::Timestamp => Step::Timestamp(tail),
                    Body::Uuid(high, low) => Step::Uuid(high, low, tail),
                    body => Step::Other(Box::new(body), tail),
                };
                (slot, step, longest)
            }
            Self::Unless(slot, null, over) => {
                let length = null.len();
                (slot, Step::Unless(fixed(&null), over), length)
            }
        }
    }
}
