//! Times as names of files say them.
//!
//! ```text
//! 0001                      a number of a frame
//! 24h  30min  2d            since the beginning
//! 00d06h30m                 the same, as IncuCyte writes it
//! 2021y08m06d_11h39m        a date and a time of day
//! ```

use std::collections::BTreeSet;

use crate::screen::Time;

/// What a text says of a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Written {
    /// The number of a frame.
    Frame(i64),
    /// Hours since some beginning.
    Hours(f64),
}

/// What a text says of a time, if it says one.
pub(super) fn written(text: &str) -> Option<Written> {
    if let Ok(frame) = text.parse() {
        return Some(Written::Frame(frame));
    }
    let mut numbers = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        numbers.push((number.parse::<i64>().ok()?, unit.to_ascii_lowercase()));
        rest = behind.strip_prefix('_').unwrap_or(behind);
    }
    let units: Vec<(i64, &str)> = numbers.iter().map(|(number, unit)| (*number, unit.as_str())).collect();
    let hours = match units[..] {
        [(days, "d"), (hours, "h"), (minutes, "m")] => (days * 24 + hours) as f64 + minutes as f64 / 60.0,
        [(year, "y"), (month, "m"), (day, "d"), (hours, "h"), (minutes, "m")] => {
            (days_since_1970(year, month, day)? * 24 + hours) as f64 + minutes as f64 / 60.0
        }
        [(hours, "h" | "hr" | "hrs")] => hours as f64,
        [(minutes, "min")] => minutes as f64 / 60.0,
        [(days, "d")] => (days * 24) as f64,
        _ => return None,
    };
    Some(Written::Hours(hours))
}

/// The times of images; none where all of them show one time. Hours count from the first image on.
pub(super) fn of(texts: &[Option<String>]) -> Vec<Option<Time>> {
    let each: Vec<Option<Written>> = texts.iter().map(|text| written(text.as_deref()?)).collect();
    let frames: BTreeSet<i64> = each
        .iter()
        .flatten()
        .filter_map(|time| match time {
            Written::Frame(frame) => Some(*frame),
            Written::Hours(_) => None,
        })
        .collect();
    let mut hours: Vec<f64> = each
        .iter()
        .flatten()
        .filter_map(|time| match time {
            Written::Frame(_) => None,
            Written::Hours(hours) => Some(*hours),
        })
        .collect();
    hours.sort_by(f64::total_cmp);
    hours.dedup();
    if frames.len() + hours.len() < 2 {
        return vec![None; texts.len()];
    }
    let first = hours.first().copied().unwrap_or(0.0);
    // A date is no duration; what began at 0 keeps its hours.
    let start = if first > 24.0 * 365.0 { first } else { 0.0 };
    let time = |time: Written| match time {
        Written::Frame(frame) => Time { frame, hours: None },
        Written::Hours(own) => {
            Time { frame: hours.partition_point(|&hours| hours < own) as i64, hours: Some(own - start) }
        }
    };
    each.into_iter().map(|one| one.map(time)).collect()
}

/// Days since 1 January 1970, in the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=2200).contains(&year) {
        return None;
    }
    // Years that begin in March, so that the day of the leap year is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(days - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_frames_or_hours() {
        let check = |text: &str, expected: Option<Written>| assert_eq!(written(text), expected, "{text}");
        check("0012", Some(Written::Frame(12)));
        check("00d06h30m", Some(Written::Hours(6.5)));
        check("03d00h00m", Some(Written::Hours(72.0)));
        check("24h", Some(Written::Hours(24.0)));
        check("30min", Some(Written::Hours(0.5)));
        // date -d 1970-01-02T01:00Z, and 2021-08-06T11:39Z, in hours: 1628249940 s / 3600.
        check("1970y01m02d_01h00m", Some(Written::Hours(25.0)));
        check("2021y08m06d_11h39m", Some(Written::Hours(1_628_249_940.0 / 3600.0)));
        for text in ["", "x", "1x", "2021y13m06d_11h39m", "d1"] {
            check(text, None);
        }
    }

    #[test]
    fn images_of_one_time_have_none() {
        let texts = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(of(&texts(&["1", "1"])), [None, None]);
        let frames = |written: &[&str]| {
            of(&texts(written)).into_iter().map(|time| time.map(|time| (time.frame, time.hours))).collect::<Vec<_>>()
        };
        assert_eq!(frames(&["3", "1"]), [Some((3, None)), Some((1, None))]);
        assert_eq!(frames(&["00d06h00m", "00d00h00m"]), [Some((1, Some(6.0))), Some((0, Some(0.0)))]);
        assert_eq!(
            frames(&["2021y08m06d_11h30m", "2021y08m07d_11h30m"]),
            [Some((0, Some(0.0))), Some((1, Some(24.0)))]
        );
    }
}
