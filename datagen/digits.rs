//! Writes numbers, dates and uuids as text into a slice, without formatting machinery: eight digits at a time in
//! one machine word, four from a table each. Callers give a slice long enough; the writers return how much they used.

use crate::calendar::civil;
use std::sync::OnceLock;

/// The longest text any number here can take.
pub(crate) const NUMBER: usize = 24;

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The four decimal digits of each number below 10^4 as bytes 0 to 9, most significant first in memory.
static FOURS: [u32; 10_000] = {
    let mut table = [0; 10_000];
    let mut number = 0;
    while number < table.len() {
        let n = number as u32;
        table[number] = (n / 1_000) | ((n / 100 % 10) << 8) | ((n / 10 % 10) << 16) | ((n % 10) << 24);
        number += 1;
    }
    table
};

/// Returns the eight decimal digits of a number below 10^8 as bytes 0 to 9, most significant first in memory.
#[inline(always)]
fn eight(number: u32) -> u64 {
    let (high, low) = (number / 10_000, number % 10_000);
    u64::from(FOURS[high as usize]) | u64::from(FOURS[low as usize]) << 32
}

#[inline(always)]
fn put8(out: &mut [u8], at: usize, word: u64) {
    out[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// Writes a number without sign; returns where it ends.
#[inline(always)]
pub(crate) fn unsigned(out: &mut [u8], at: usize, number: u64) -> usize {
    if number < 100_000_000 {
        return medium(out, at, number as u32);
    }
    unsigned_long(out, at, number)
}

/// Writes a number below 10^8; returns where it ends.
#[inline(always)]
pub(crate) fn medium(out: &mut [u8], at: usize, number: u32) -> usize {
    let word = eight(number);
    // The bit of the last digit is set so that one digit stays, also for 0.
    let skip = (word | 1 << 56).trailing_zeros() & 0x38;
    put8(out, at, (word | ZEROS) >> skip);
    at + 8 - (skip / 8) as usize
}

#[inline]
fn unsigned_long(out: &mut [u8], at: usize, number: u64) -> usize {
    let at = unsigned(out, at, number / 100_000_000);
    put8(out, at, eight((number % 100_000_000) as u32) | ZEROS);
    at + 8
}

/// Writes a number below 10^4; returns where it ends.
#[inline(always)]
pub(crate) fn short(out: &mut [u8], at: usize, number: u32) -> usize {
    let word = FOURS[number as usize];
    let skip = (word | 1 << 24).trailing_zeros() & 0x18;
    out[at..at + 4].copy_from_slice(&((word | ZEROS as u32) >> skip).to_le_bytes());
    at + 4 - (skip / 8) as usize
}

/// Writes a number with sign; returns where it ends.
#[inline(always)]
pub(crate) fn signed(out: &mut [u8], at: usize, number: i64) -> usize {
    out[at] = b'-';
    unsigned(out, at + usize::from(number < 0), number.unsigned_abs())
}

/// Writes a number of `scale` decimals; returns where it ends.
#[inline(always)]
pub(crate) fn decimal(out: &mut [u8], at: usize, units: i64, scale: u8, mark: u8) -> usize {
    out[at] = b'-';
    let at = at + usize::from(units < 0);
    let units = units.unsigned_abs();
    if scale == 2 {
        if units < 100_000_000 {
            return cents(out, at, units as u32, mark);
        }
        let at = unsigned(out, at, units / 100);
        let word = u32::from(mark) | pair((units % 100) as u32) << 8;
        out[at..at + 4].copy_from_slice(&word.to_le_bytes());
        return at + 3;
    }
    if scale == 0 {
        return unsigned(out, at, units);
    }
    let power = 10u64.pow(u32::from(scale));
    let at = unsigned(out, at, units / power);
    out[at] = mark;
    padded(out, at + 1, units % power, scale)
}

/// Writes a number of cents below 10^8 with two decimals; returns where it ends.
#[inline(always)]
pub(crate) fn cents(out: &mut [u8], at: usize, cents: u32, mark: u8) -> usize {
    // All digits at once; those after the point are moved behind it.
    let word = eight(cents);
    let skip = (word | 1 << 40).trailing_zeros() & 0x38;
    let word = word | ZEROS;
    put8(out, at, word >> skip);
    let end = at + 6 - (skip / 8) as usize;
    let decimals = ((word >> 40) as u32 & 0x00ff_ff00) | u32::from(mark);
    out[end..end + 4].copy_from_slice(&decimals.to_le_bytes());
    end + 3
}

/// Writes a number with leading zeros up to `width`, or longer when it needs more; returns where it ends.
#[inline]
pub(crate) fn padded(out: &mut [u8], at: usize, number: u64, width: u8) -> usize {
    let width = usize::from(width);
    if width <= 8 && number < 100_000_000 {
        let word = eight(number as u32);
        let used = 8 - ((word | 1 << 56).trailing_zeros() / 8) as usize;
        let keep = width.max(used);
        put8(out, at, (word | ZEROS) >> (8 * (8 - keep)));
        return at + keep;
    }
    let mut text = [0u8; NUMBER];
    let length = unsigned(&mut text, 0, number);
    let zeros = width.saturating_sub(length);
    out[at..at + zeros].fill(b'0');
    out[at + zeros..at + zeros + length].copy_from_slice(&text[..length]);
    at + zeros + length
}

/// Returns the two digits of a number below 100 as text, the first one lowest.
#[inline(always)]
const fn pair(number: u32) -> u32 {
    let tens = (number * 103) >> 10;
    0x3030 | tens | (number - 10 * tens) << 8
}

/// Writes two digits of a number below 100; returns where they end.
#[inline(always)]
pub(crate) fn two(out: &mut [u8], at: usize, number: u32) -> usize {
    out[at..at + 2].copy_from_slice(&(pair(number) as u16).to_le_bytes());
    at + 2
}

/// Writes base-26 capital letters; returns where they end.
pub(crate) fn letters(out: &mut [u8], at: usize, mut number: u64, width: u8) -> usize {
    let width = usize::from(width);
    for place in (0..width).rev() {
        out[at + place] = b'A' + (number % 26) as u8;
        number /= 26;
    }
    at + width
}

const FIRST_DAY: i64 = -25_567;
const DAYS: usize = 73_049;

/// `YYYY-MM-DD` of each day from 1900 to 2099, made once.
fn days() -> &'static [[u8; 16]] {
    static TABLE: OnceLock<Vec<[u8; 16]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        (0..DAYS as i64)
            .map(|index| {
                let mut text = [0u8; 16];
                iso(&mut text, 0, FIRST_DAY + index);
                text
            })
            .collect()
    })
}

/// A writer of dates that has its table at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    table: &'static [[u8; 16]],
}

impl Dates {
    pub(crate) fn new() -> Self {
        Self { table: days() }
    }

    /// Writes `YYYY-MM-DD`; returns where it ends. Uses up to 16 bytes of the slice.
    #[inline(always)]
    pub(crate) fn date(self, out: &mut [u8], at: usize, day: i64) -> usize {
        match self.table.get((day - FIRST_DAY) as usize) {
            Some(text) => {
                out[at..at + 16].copy_from_slice(text);
                at + 10
            }
            None => iso(out, at, day),
        }
    }

    /// Writes `YYYY-MM-DD HH:MM:SS`; returns where it ends.
    #[inline(always)]
    pub(crate) fn timestamp(self, out: &mut [u8], at: usize, seconds: i64) -> usize {
        let at = self.date(out, at, seconds.div_euclid(86_400));
        out[at] = b' ';
        clock(out, at + 1, seconds.rem_euclid(86_400) as u32)
    }
}

fn iso(out: &mut [u8], at: usize, day: i64) -> usize {
    let (year, month, of_month) = civil(day.clamp(-3_000_000, 3_000_000));
    let at = padded(out, at, year.unsigned_abs(), 4);
    out[at] = b'-';
    let at = padded(out, at + 1, u64::from(month), 2);
    out[at] = b'-';
    padded(out, at + 1, u64::from(of_month), 2)
}

/// `HH:MM:` of each minute of a day, with room for the seconds.
static MINUTES: [u64; 1_440] = {
    let mut table = [0; 1_440];
    let mut minute = 0;
    while minute < table.len() {
        let (hours, minutes) = (pair(minute as u32 / 60) as u64, pair(minute as u32 % 60) as u64);
        let colon = b':' as u64;
        table[minute] = hours | colon << 16 | minutes << 24 | colon << 40;
        minute += 1;
    }
    table
};

/// Writes `HH:MM:SS` of a second of the day; returns where it ends.
#[inline(always)]
pub(crate) fn clock(out: &mut [u8], at: usize, second: u32) -> usize {
    let minute = second / 60;
    let digits = pair(second - 60 * minute);
    put8(out, at, MINUTES[minute as usize] | u64::from(digits) << 48);
    at + 8
}

/// Makes a uuid of version 4 of 128 random bits.
#[inline(always)]
pub(crate) fn uuid_bits(high: u64, low: u64) -> [u8; 16] {
    let high = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// Writes the two hexadecimal digits of each byte.
#[inline(always)]
pub(crate) fn hexadecimal(bytes: &[u8], digits: &mut [u8]) {
    // `a` stands 39 behind what would follow `9`.
    let digit = |nibble: u8| nibble + if nibble > 9 { b'0' + 39 } else { b'0' };
    for (digits, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *digits = [digit(byte >> 4), digit(byte & 15)];
    }
}

/// Writes a uuid of which all digits are there; returns where it ends.
#[inline(always)]
pub(crate) fn uuid(out: &mut [u8], at: usize, digits: &[u8; 32]) -> usize {
    let text: &mut [u8; 36] = (&mut out[at..at + 36]).try_into().expect("so long a slice");
    // xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx
    text[..8].copy_from_slice(&digits[..8]);
    text[9..13].copy_from_slice(&digits[8..12]);
    text[14..18].copy_from_slice(&digits[12..16]);
    text[19..23].copy_from_slice(&digits[16..20]);
    text[24..].copy_from_slice(&digits[20..]);
    for place in [8, 13, 18, 23] {
        text[place] = b'-';
    }
    at + 36
}

/// A date pattern of the user's: YYYY, MM, DD, HH, MI, SS, and anything else as itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Byte(u8),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Self {
        const TOKENS: &[(&str, Token)] = &[
            ("YYYY", Token::Year),
            ("MM", Token::Month),
            ("DD", Token::Day),
            ("HH24", Token::Hour),
            ("HH", Token::Hour),
            ("MI", Token::Minute),
            ("SS", Token::Second),
        ];
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(&byte) = rest.as_bytes().first() {
            match TOKENS.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, token)) => {
                    tokens.push(*token);
                    rest = &rest[name.len()..];
                }
                None if byte.is_ascii() => {
                    tokens.push(Token::Byte(byte));
                    rest = &rest[1..];
                }
                None => {
                    let length = rest.chars().next().map_or(1, char::len_utf8);
                    tokens.extend(rest.as_bytes()[..length].iter().map(|b| Token::Byte(*b)));
                    rest = &rest[length..];
                }
            }
        }
        Self(tokens)
    }

    pub(crate) fn write(&self, out: &mut [u8], mut at: usize, seconds: i64) -> usize {
        let (year, month, day) = civil(seconds.div_euclid(86_400).clamp(-3_000_000, 3_000_000));
        let second = seconds.rem_euclid(86_400) as u64;
        for token in &self.0 {
            at = match token {
                Token::Year => padded(out, at, year.unsigned_abs(), 4),
                Token::Month => padded(out, at, u64::from(month), 2),
                Token::Day => padded(out, at, u64::from(day), 2),
                Token::Hour => padded(out, at, second / 3_600, 2),
                Token::Minute => padded(out, at, second / 60 % 60, 2),
                Token::Second => padded(out, at, second % 60, 2),
                Token::Byte(byte) => {
                    out[at] = *byte;
                    at + 1
                }
            };
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_date;
    use proptest::prelude::*;

    fn text(write: impl Fn(&mut [u8], usize) -> usize) -> String {
        let mut out = [b'~'; 80];
        let end = write(&mut out, 3);
        assert_eq!(&out[..3], b"~~~");
        String::from_utf8(out[3..end].to_vec()).expect("ASCII")
    }

    proptest! {
        #[test]
        fn numbers_agree_with_the_standard_library(n: i64, small in 0u64..1_000_000_000_000, width in 1u8..18, scale in 0u8..10) {
            prop_assert_eq!(text(|o, a| signed(o, a, n)), n.to_string());
            prop_assert_eq!(text(|o, a| unsigned(o, a, small)), small.to_string());
            prop_assert_eq!(text(|o, a| padded(o, a, small, width)), format!("{small:0w$}", w = usize::from(width)));
            let power = 10i128.pow(u32::from(scale));
            let sign = if n < 0 { "-" } else { "" };
            let whole = i128::from(n).abs() / power;
            let rest = i128::from(n).abs() % power;
            let expected = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0w$}", w = usize::from(scale)) };
            prop_assert_eq!(text(|o, a| decimal(o, a, n, scale, b'.')), expected);
        }

        #[test]
        fn numbers_known_to_be_small_are_written_alike(short in 0u32..10_000, medium in 0u32..100_000_000, second in 0u32..86_400) {
            prop_assert_eq!(text(|o, a| super::short(o, a, short)), short.to_string());
            prop_assert_eq!(text(|o, a| super::medium(o, a, medium)), medium.to_string());
            let cents = format!("{},{:02}", medium / 100, medium % 100);
            prop_assert_eq!(text(|o, a| super::cents(o, a, medium, b',')), cents);
            let clock = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
            prop_assert_eq!(text(|o, a| super::clock(o, a, second)), clock);
        }

        #[test]
        fn uuids_are_their_bits_in_hexadecimal(high: u64, low: u64) {
            let h = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
            let l = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
            let plain = format!("{h:016x}{l:016x}");
            let expected = format!("{}-{}-{}-{}-{}", &plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]);
            let mut digits = [0; 32];
            hexadecimal(&uuid_bits(high, low), &mut digits);
            prop_assert_eq!(text(|o, a| uuid(o, a, &digits)), expected);
        }
    }

    #[test]
    fn dates_and_times() {
        let day = parse_date("2024-02-29").expect("a date");
        let dates = Dates::new();
        assert_eq!(text(|o, a| dates.date(o, a, day)), "2024-02-29");
        assert_eq!(
            text(|o, a| dates.timestamp(o, a, day * 86_400 + 86_399)),
            "2024-02-29 23:59:59"
        );
        assert_eq!(
            text(|o, a| dates.timestamp(o, a, day * 86_400 + 3_725)),
            "2024-02-29 01:02:05"
        );
        assert_eq!(text(|o, a| dates.date(o, a, FIRST_DAY - 1)), "1899-12-31");
        let pattern = Pattern::parse("MM/DD/YYYY HH:MI:SS");
        assert_eq!(
            text(|o, a| pattern.write(o, a, day * 86_400 + 3_725)),
            "02/29/2024 01:02:05"
        );
    }
}
