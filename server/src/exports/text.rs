//! Values as texts: times, days, numbers.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Headings, Outline};
use crate::layers::{Column, Value};

/// A moment in UTC: `2026-11-26T04:30:00Z`; milliseconds where it has some. Empty beyond the calendar.
pub(super) fn utc(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_beyond| String::new(), |at| at.to_string())
}

/// A moment in local time with its offset: `2026-11-26T12:30:00+08:00`. Empty beyond the calendar.
pub(super) fn local(zone: &TimeZone, at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(
        |_beyond| String::new(),
        |at| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    )
}

/// A local day counted from 1970-01-01; none beyond the calendar.
pub(super) fn date(day: i64) -> Option<Date> {
    let epoch = Date::new(1970, 1, 1).ok()?;
    epoch.checked_add(jiff::Span::new().try_days(day).ok()?).ok()
}

/// A local day as `2026-11-26`. Empty beyond the calendar.
pub(super) fn day(day: i64) -> String {
    date(day).map_or_else(String::new, |date| date.to_string())
}

/// A value for a reader who sees only texts; none where it is not known.
pub(super) fn shown(outline: &Outline, column: &Column, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(outline.text(column, text).to_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(match (outline.headings, truth) {
            (Headings::Zh, true) => "是".to_owned(),
            (Headings::Zh, false) => "否".to_owned(),
            (Headings::En, truth) => truth.to_string(),
        }),
        Value::Time(at_ms) => Some(local(&outline.about.zone, *at_ms)),
        Value::Day(number) => Some(day(*number)),
    }
}

/// The beginning of a text that takes at most so many bytes, cut between characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_and_in_local_time() {
        assert_eq!(utc(1_795_667_400_000), "2026-11-26T04:30:00Z");
        assert_eq!(utc(i64::MAX), "");
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(local(&zone, 1_795_667_400_000), "2026-11-26T12:30:00+08:00");
        assert_eq!(
            (day(0).as_str(), day(-1).as_str(), day(i64::MAX).as_str()),
            ("1970-01-01", "1969-12-31", "")
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (bytes, expected) in [(0, ""), (2, ""), (3, "线"), (5, "线"), (6, "线路"), (99, "线路")] {
            assert_eq!(cut("线路", bytes), expected, "{bytes}");
        }
    }
}
