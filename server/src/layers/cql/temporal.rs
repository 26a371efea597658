//! Conditions on columns that are times, by relations of times.
//!
//! A value is an instant, or a day: `T_DURING` is strictly within, `T_INTERSECTS` takes the ends in.

use cql2::Expr;
use jiff::civil::Date;

use super::FilterError;
use super::reader::Reader;
use super::values::{Constant, day, moment, value_for};
use crate::layers::predicate::{Comparison, Predicate};
use crate::layers::{Column, ColumnKind, Value};

impl Reader<'_> {
    pub(super) fn temporal(&mut self, op: &str, one: Expr, other: Expr) -> Result<Predicate, FilterError> {
        let (column, span, op) = match (one, other) {
            (Expr::Property { property }, span) => (self.column(&property)?, span, op),
            (span, Expr::Property { property }) => {
                let turned = match op {
                    "t_before" => "t_after",
                    "t_after" => "t_before",
                    "t_contains" => "t_during",
                    "t_equals" | "t_disjoint" | "t_intersects" => op,
                    _ => return Err(FilterError::Unsupported(op.to_owned())),
                };
                (self.column(&property)?, span, turned)
            }
            _ => return Err(FilterError::Unsupported(format!("{op} other than of a property and a time"))),
        };
        if !matches!(column.kind, ColumnKind::Time | ColumnKind::Day) {
            let property = column.name.to_owned();
            return Err(FilterError::WrongKind { property, wanted: "a property that is a time" });
        }
        let (from, to) = self.span(column, span)?;
        // An end that is open lies beyond every time that is known. Of one that is not known nothing holds, nor its opposite.
        let time = |at| if column.kind == ColumnKind::Day { Value::Day(at) } else { Value::Time(at) };
        let from = from.unwrap_or_else(|| time(i64::MIN));
        let to = to.unwrap_or_else(|| time(i64::MAX));
        let compare = |comparison, value: &Value| Predicate::Compare(column, comparison, value.clone());
        let met =
            || Predicate::And(vec![compare(Comparison::AtLeast, &from), compare(Comparison::AtMost, &to)]);
        Ok(match op {
            "t_before" => compare(Comparison::Less, &from),
            "t_after" => compare(Comparison::Greater, &to),
            "t_during" => {
                Predicate::And(vec![compare(Comparison::Greater, &from), compare(Comparison::Less, &to)])
            }
            "t_equals" if from == to => compare(Comparison::Equal, &from),
            // No moment is an interval.
            "t_equals" => compare(Comparison::Less, &time(i64::MIN)),
            "t_intersects" => met(),
            "t_disjoint" => Predicate::Not(Box::new(met())),
            _ => return Err(FilterError::Unsupported(op.to_owned())),
        })
    }

    /// The ends of a time, both included, as values of a column; none: it is open.
    fn span(
        &mut self,
        column: &'static Column,
        read: Expr,
    ) -> Result<(Option<Value>, Option<Value>), FilterError> {
        let Expr::Interval { interval } = read else {
            let constant = self.constant(read)?;
            let (first, last) = self.ends_for(column, &constant)?;
            return Ok((Some(first), Some(last)));
        };
        let mut ends = interval.into_iter().map(|end| match *end {
            Expr::Literal(text) if text == ".." => Ok(None),
            Expr::Literal(text) if text.len() == 10 => Ok(Some(Constant::Day(day(&text)?))),
            Expr::Literal(text) => Ok(Some(Constant::Moment(moment(&text)?))),
            other => self.constant(other).map(Some),
        });
        let (Some(from), Some(to), None) = (ends.next(), ends.next(), ends.next()) else {
            return Err(FilterError::BadValue("an INTERVAL of other than two ends".to_owned()));
        };
        let (from, to) = (from?, to?);
        drop(ends);
        let from = from.map(|end| self.ends_for(column, &end)).transpose()?.map(|(first, _)| first);
        let to = to.map(|end| self.ends_for(column, &end)).transpose()?.map(|(_, last)| last);
        Ok((from, to))
    }

    fn ends_for(&self, column: &'static Column, constant: &Constant) -> Result<(Value, Value), FilterError> {
        if let (ColumnKind::Time, Constant::Day(day)) = (column.kind, constant) {
            let (first, last) = self.ends(*day)?;
            return Ok((Value::Time(first), Value::Time(last)));
        }
        let value = value_for(column, constant)?;
        Ok((value.clone(), value))
    }

    /// The first and the last millisecond of a day.
    pub(super) fn ends(&self, day: Date) -> Result<(i64, i64), FilterError> {
        let start = |day: Date| {
            day.to_zoned_datetime(self.reading.zone.clone()).map(|at| at.timestamp().as_millisecond())
        };
        let next = day.tomorrow().and_then(start);
        match (start(day), next) {
            (Ok(first), Ok(next)) => Ok((first, next - 1)),
            _ => Err(FilterError::BadValue(day.to_string())),
        }
    }
}
