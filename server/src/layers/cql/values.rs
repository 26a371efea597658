//! Values that a filter names, and the kinds that columns take.

use jiff::Timestamp;
use jiff::civil::Date;

use super::FilterError;
use crate::layers::predicate::{Comparison, Predicate};
use crate::layers::{Column, ColumnKind, Value};

/// A value that a filter names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Text(String),
    /// `CASEI` of a text.
    Caseless(String),
    Number(f64),
    Truth(bool),
    /// Milliseconds since 1970 UTC.
    Moment(i64),
    Day(Date),
}

pub(super) fn of_kind(column: &'static Column, kind: ColumnKind) -> Result<&'static Column, FilterError> {
    if column.kind == kind {
        Ok(column)
    } else {
        Err(FilterError::WrongKind { property: column.name.to_owned(), wanted: wanted(column.kind) })
    }
}

/// A value of the kind of a column.
pub(super) fn value_for(column: &Column, constant: &Constant) -> Result<Value, FilterError> {
    match (column.kind, constant) {
        (ColumnKind::Text, Constant::Text(text)) => Ok(Value::Text(text.clone())),
        (ColumnKind::Integer | ColumnKind::Real, Constant::Number(number)) => Ok(Value::Real(*number)),
        (ColumnKind::Boolean, Constant::Truth(truth)) => Ok(Value::Boolean(*truth)),
        (ColumnKind::Time, Constant::Moment(at_ms)) => Ok(Value::Time(*at_ms)),
        (ColumnKind::Day, Constant::Day(day)) => Ok(Value::Day(day_number(*day))),
        (kind, _) => Err(FilterError::WrongKind { property: column.name.to_owned(), wanted: wanted(kind) }),
    }
}

const fn wanted(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "a text, such as 'a'",
        ColumnKind::Integer | ColumnKind::Real => "a number",
        ColumnKind::Boolean => "TRUE or FALSE",
        ColumnKind::Time => "a TIMESTAMP('2026-11-30T08:00:00Z') or DATE('2026-11-30')",
        ColumnKind::Day => "a DATE('2026-11-30')",
    }
}

/// A day's number, counted from 1970-01-01.
fn day_number(day: Date) -> i64 {
    day.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24
}

/// A text as a database holds it.
pub(super) fn plain(text: String) -> Result<String, FilterError> {
    if text.contains('\0') { Err(FilterError::BadValue("a text with U+0000".to_owned())) } else { Ok(text) }
}

/// A moment to the millisecond (RFC 3339).
///
/// # Errors
/// [`FilterError::BadValue`], also where it is finer than that.
pub fn moment(text: &str) -> Result<i64, FilterError> {
    let at = text.parse::<Timestamp>().ok().filter(|at| at.subsec_nanosecond() % 1_000_000 == 0);
    at.map(Timestamp::as_millisecond).ok_or_else(|| FilterError::BadValue(text.to_owned()))
}

pub(super) fn day(text: &str) -> Result<Date, FilterError> {
    let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    day.ok_or_else(|| FilterError::BadValue(text.to_owned()))
}

/// The condition that a property is this, as a plain text says it: `?severity=critical`, `?open=true`,
/// `?found=2026-11-30T08:00:00Z`, `?day=2026-11-30`.
///
/// # Errors
/// [`FilterError::WrongKind`], [`FilterError::BadValue`].
pub fn property_is(column: &'static Column, text: &str) -> Result<Predicate, FilterError> {
    let wrong = || FilterError::WrongKind { property: column.name.to_owned(), wanted: wanted(column.kind) };
    let value = match column.kind {
        ColumnKind::Text => Value::Text(plain(text.to_owned())?),
        ColumnKind::Integer | ColumnKind::Real => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            Value::Real(number.ok_or_else(wrong)?)
        }
        ColumnKind::Boolean => match text {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            _ => return Err(wrong()),
        },
        ColumnKind::Time => Value::Time(moment(text)?),
        ColumnKind::Day => Value::Day(day_number(day(text)?)),
    };
    Ok(Predicate::Compare(column, Comparison::Equal, value))
}
