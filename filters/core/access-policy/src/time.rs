//! Unix time as Cedar reads it.

/// `YYYY-MM-DDThh:mm:ssZ`; nothing after the year 9999.
pub(crate) fn datetime(unix_seconds: u64) -> Option<String> {
    const DAY: u64 = 86_400;
    let (days, second) = (unix_seconds.checked_div(DAY)?, unix_seconds.checked_rem(DAY)?);
    let (year, month, day) = date(i64::try_from(days).ok()?)?;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    (year <= 9999).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// The Gregorian date of a day since 1970-01-01.
///
/// Years are taken to begin in March, so that a leap day is the last of its year, and are counted within cycles of 400
/// years, which all have the same number of days.
fn date(days: i64) -> Option<(i64, i64, i64)> {
    const CYCLE: i64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    let day = days.checked_add(719_468)?;
    let (cycle, of_cycle) = (day.div_euclid(CYCLE), day.rem_euclid(CYCLE));
    let leap_days = of_cycle / 1460 - of_cycle / 36_524 + of_cycle / 146_096;
    let year_of_cycle = (of_cycle - leap_days) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // Five months from March on have 153 days, and so have the next five.
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = cycle.checked_mul(400)?.checked_add(year_of_cycle)? + i64::from(month <= 2);
    Some((year, month, day_of_month))
}

#[cfg(test)]
mod tests {
    use super::{date, datetime};

    #[test]
    fn moments_are_written_as_cedar_reads_them() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_521_600, "2026-11-24T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(datetime(unix).as_deref(), Some(text));
        }
        assert_eq!(datetime(253_402_300_800), None);
        assert_eq!(datetime(u64::MAX), None);
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(date(days), Some((year, month, day)));
            let length = match month {
                2 => 28 + i64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
