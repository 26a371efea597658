//! The days that a report covers: local to the district, both ends included.

use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The longest period of one report, in days: ten years.
pub const DAYS_MAX: i64 = 3_660;

/// Days of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Period {
    /// The first day.
    pub from: Date,
    /// The last day, included.
    pub to: Date,
}

/// Why days are no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The last day lies before the first.
    #[error("the last day lies before the first: {from} to {to}")]
    Backwards {
        /// The first day.
        from: Date,
        /// The last day.
        to: Date,
    },
    /// More than [`DAYS_MAX`] days.
    #[error("at most {DAYS_MAX} days at a time, not {0}")]
    TooLong(i64),
    /// The period before it would begin before the calendar does.
    #[error("the calendar has no period before it")]
    OutOfCalendar,
}

impl Period {
    /// From the first to the last day.
    ///
    /// # Errors
    /// [`PeriodError`].
    pub fn new(from: Date, to: Date) -> Result<Self, PeriodError> {
        if to < from {
            return Err(PeriodError::Backwards { from, to });
        }
        let period = Self { from, to };
        if period.days() > DAYS_MAX {
            return Err(PeriodError::TooLong(period.days()));
        }
        period.before()?;
        Ok(period)
    }

    /// How many days it has.
    pub fn days(&self) -> i64 {
        day_number(self.to) - day_number(self.from) + 1
    }

    /// As many days, the last of which is the day before this period.
    ///
    /// # Errors
    /// [`PeriodError::OutOfCalendar`].
    pub fn before(&self) -> Result<Self, PeriodError> {
        let back = |days: i64| {
            let span = Span::new().try_days(days).map_err(|_source| PeriodError::OutOfCalendar)?;
            self.from.checked_sub(span).map_err(|_source| PeriodError::OutOfCalendar)
        };
        Ok(Self { from: back(self.days())?, to: back(1)? })
    }

    /// The numbers of its first and last day, counted from 1970-01-01, as the derived tables have them.
    pub fn numbers(&self) -> (i64, i64) {
        (day_number(self.from), day_number(self.to))
    }
}

/// A day's number, counted from 1970-01-01.
pub fn day_number(date: Date) -> i64 {
    let days = date.since(jiff::civil::date(1970, 1, 1)).map(|span| span.get_days());
    days.map_or(i64::MIN, i64::from)
}

/// The day of a number; none outside the calendar.
pub fn day_of(number: i64) -> Option<Date> {
    jiff::civil::date(1970, 1, 1).checked_add(Span::new().try_days(number).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn both_ends_are_of_the_period_and_the_one_before_is_as_long() {
        let november = Period::new(date(2026, 11, 1), date(2026, 11, 30)).unwrap();
        assert_eq!(november.days(), 30);
        assert_eq!(november.before(), Ok(Period { from: date(2026, 10, 2), to: date(2026, 10, 31) }));
        let one = Period::new(date(2024, 3, 1), date(2024, 3, 1)).unwrap();
        assert_eq!((one.days(), one.before().unwrap().to), (1, date(2024, 2, 29)));
        assert_eq!(one.numbers(), (19_783, 19_783));
        assert_eq!(day_of(19_783), Some(date(2024, 3, 1)));
    }

    #[test]
    fn days_that_are_no_period_are_refused() {
        let (a, b) = (date(2026, 1, 2), date(2026, 1, 1));
        assert_eq!(Period::new(a, b), Err(PeriodError::Backwards { from: a, to: b }));
        let most = day_of(day_number(b) + DAYS_MAX - 1).unwrap();
        assert!(Period::new(b, most).is_ok());
        assert_eq!(Period::new(b, most.tomorrow().unwrap()), Err(PeriodError::TooLong(DAYS_MAX + 1)));
        let first = jiff::civil::Date::MIN;
        assert_eq!(Period::new(first, first), Err(PeriodError::OutOfCalendar));
    }
}
