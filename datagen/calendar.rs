//! Days and how rows spread over them: civil dates without a clock or a time zone, and the timeline that gives
//! each row of a table its day, so that the rows of one day are one contiguous range.

/// Returns the day number (1970-01-01 is 0) of a civil date.
pub(crate) fn day_number(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns year, month and day of a day number.
pub(crate) fn civil(day: i64) -> (i64, u32, u32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day_of_month = (of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_month)
}

/// Returns 1 for Monday to 7 for Sunday.
pub(crate) fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// Returns the ISO 8601 week of the year.
pub(crate) fn iso_week(day: i64) -> i64 {
    let thursday = day - weekday(day) + 4;
    let (year, _, _) = civil(thursday);
    (thursday - day_number(year, 1, 1)) / 7 + 1
}

/// Returns the day number of `YYYY-MM-DD`, or nothing when it is not a date.
pub fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let (year, month, day) = (number(&text[0..4])?, number(&text[5..7])?, number(&text[8..10])?);
    if !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let number = day_number(i64::from(year), month, day);
    (civil(number) == (i64::from(year), month, day)).then_some(number)
}

/// Returns a day number as `YYYY-MM-DD`.
pub fn format_date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The shape of a dataset's time: its first and last day, and how busy each day is.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// First day, as a day number.
    pub first: i64,
    /// Last day, as a day number.
    pub last: i64,
    /// Weights of Monday to Sunday.
    pub weekdays: [f64; 7],
    /// Weights of January to December.
    pub months: [f64; 12],
    /// Growth per year: 0.1 is ten per cent.
    pub growth: f64,
    /// Weights of the 24 hours of a day.
    pub hours: [f64; 24],
}

impl Calendar {
    pub(crate) fn days(&self) -> u64 {
        (self.last - self.first + 1).max(0) as u64
    }

    fn weight(&self, day: i64) -> f64 {
        let (_, month, _) = civil(day);
        let years = (day - self.first) as f64 / 365.25;
        self.weekdays[(weekday(day) - 1) as usize]
            * self.months[month as usize - 1]
            * (1.0 + self.growth * years).max(0.0)
    }
}

/// The rows of one table laid along a calendar.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    pub(crate) first: i64,
    /// Where each day's rows begin; one entry more than there are days.
    starts: Vec<u64>,
    /// `2^64 / rows of the day`, to divide by multiplying.
    inverses: Vec<u64>,
    /// Second of the day at each of `CELLS + 1` equally likely places.
    seconds: Box<[u32; CELLS + 1]>,
}

const CELL_BITS: u32 = 11;
const CELLS: usize = 1 << CELL_BITS;

impl Timeline {
    pub(crate) fn new(calendar: &Calendar, rows: u64) -> Self {
        let days = calendar.days() as usize;
        // Weights become integers before they are summed: the same sums on every machine.
        let weights: Vec<u64> = (0..days)
            .map(|d| (calendar.weight(calendar.first + d as i64) * 1_048_576.0) as u64)
            .collect();
        let total: u128 = weights.iter().map(|&w| u128::from(w)).sum::<u128>().max(1);
        let mut starts = Vec::with_capacity(days + 1);
        let mut sum = 0u128;
        starts.push(0);
        for weight in weights {
            sum += u128::from(weight);
            starts.push((sum * u128::from(rows) / total) as u64);
        }
        if let Some(last) = starts.last_mut() {
            *last = rows;
        }
        let inverses = starts
            .windows(2)
            .map(|pair| u64::MAX / (pair[1] - pair[0]).max(1))
            .collect();
        Self {
            first: calendar.first,
            starts,
            inverses,
            seconds: second_cells(&calendar.hours),
        }
    }

    pub(crate) fn days(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the rows of a day given by its index from the first day.
    pub(crate) fn rows_of(&self, index: usize) -> std::ops::Range<u64> {
        self.starts[index]..self.starts[index + 1]
    }

    /// Returns the index of the day a row falls on. `hint` is a day index that is often right or one too low.
    #[inline(always)]
    pub(crate) fn day_index(&self, row: u64, hint: usize) -> usize {
        if row >= self.starts[hint] && row < self.starts[hint + 1] {
            return hint;
        }
        self.search(row)
    }

    #[cold]
    fn search(&self, row: u64) -> usize {
        (self.starts.partition_point(|&start| start <= row).max(1) - 1).min(self.days().max(1) - 1)
    }

    /// Returns how the rows of a day lie in it; the day is given by its index from the first one.
    #[inline(always)]
    pub(crate) fn hours(&self, index: usize) -> Hours<'_> {
        Hours {
            start: self.starts[index],
            inverse: self.inverses[index],
            seconds: &self.seconds,
        }
    }
}

/// The rows of one day within the day: rising, and dense where the hours are busy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hours<'a> {
    start: u64,
    inverse: u64,
    seconds: &'a [u32; CELLS + 1],
}

impl Hours<'_> {
    /// Returns the second of the day of a row.
    #[inline(always)]
    pub(crate) fn second(self, row: u64, jitter: u64) -> i64 {
        let position = (row - self.start).min((1 << 40) - 1) << 24 | jitter >> 40;
        let place = ((u128::from(position) * u128::from(self.inverse)) >> 64) as u64;
        let place = place.min((1 << 24) - 1);
        let cell = (place >> (24 - CELL_BITS)) as usize;
        let within = place & ((1 << (24 - CELL_BITS)) - 1);
        let low = u64::from(self.seconds[cell]);
        let high = u64::from(self.seconds[cell + 1]);
        (low + (((high - low) * within) >> (24 - CELL_BITS))) as i64
    }
}

fn second_cells(hours: &[f64; 24]) -> Box<[u32; CELLS + 1]> {
    let weights: Vec<u64> = hours.iter().map(|w| (w * 1_048_576.0) as u64).collect();
    let total = weights.iter().sum::<u64>().max(1);
    let mut cells = Box::new([0; CELLS + 1]);
    let (mut hour, mut before) = (0, 0u64);
    for (index, cell) in cells.iter_mut().enumerate() {
        let target = u64::try_from(u128::from(total) * index as u128 / CELLS as u128).expect("below the total");
        while hour < 23 && before + weights[hour] <= target {
            before += weights[hour];
            hour += 1;
        }
        let second = hour as u64 * 3_600 + (target - before) * 3_600 / weights[hour].max(1);
        *cell = second.min(86_399) as u32;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        let mut hours = [1.0; 24];
        hours[12] = 9.0;
        Calendar {
            first: parse_date("2020-01-01").expect("a date"),
            last: parse_date("2024-12-31").expect("a date"),
            weekdays: [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0],
            months: [1.0; 12],
            growth: 0.1,
            hours,
        }
    }

    #[test]
    fn civil_dates_and_day_numbers_are_inverse() {
        for day in -200_000..200_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(day_number(year, month, of_month), day);
        }
        assert_eq!(format_date(0), "1970-01-01");
        assert_eq!(parse_date("2024-02-29").map(format_date).as_deref(), Some("2024-02-29"));
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(weekday(parse_date("2026-11-21").expect("a date")), 6);
        assert_eq!(iso_week(parse_date("2021-01-03").expect("a date")), 53);
    }

    #[test]
    fn every_row_falls_on_one_day_and_the_days_cover_all_rows() {
        for rows in [0, 1, 7, 10_000, 10_000_000_000] {
            let timeline = Timeline::new(&calendar(), rows);
            assert_eq!(timeline.days(), 1_827);
            let mut next = 0;
            for index in 0..timeline.days() {
                let range = timeline.rows_of(index);
                assert_eq!(range.start, next);
                next = range.end;
                if !range.is_empty() {
                    assert_eq!(timeline.day_index(range.start, 0), index);
                    assert_eq!(timeline.day_index(range.end - 1, 5), index);
                    assert_ne!(weekday(timeline.first + index as i64), 7, "nothing happens on a Sunday");
                }
            }
            assert_eq!(next, rows);
        }
    }

    #[test]
    fn seconds_rise_within_a_day_and_follow_the_hours() {
        let timeline = Timeline::new(&calendar(), 2_000_000);
        let range = timeline.rows_of(100);
        let index = timeline.day_index(range.start, 0);
        let seconds: Vec<i64> = range.clone().map(|row| timeline.hours(index).second(row, 0)).collect();
        assert!(seconds.is_sorted());
        let noon = seconds.iter().filter(|s| **s / 3_600 == 12).count() as f64;
        let share = noon / seconds.len() as f64;
        assert!((share - 9.0 / 32.0).abs() < 0.02, "{share}");
    }
}
