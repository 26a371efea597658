//! Conditions of a filter, one by one: what stands on each side, and whether the column takes it.

use cql2::Expr;

use super::values::{Constant, day, moment, of_kind, plain, value_for};
use super::{FILTER_TERMS, FilterError, GEOMETRY, Reading};
use crate::layers::predicate::{Comparison, PATTERN_RUNS, Pattern, Predicate};
use crate::layers::{Column, ColumnKind, Value};

/// Reads expressions of one filter.
pub(super) struct Reader<'a> {
    pub(super) reading: Reading<'a>,
    terms: usize,
}

/// A side of a comparison.
enum Side {
    Column(&'static Column),
    /// `CASEI` of a column.
    Caseless(&'static Column),
    Constant(Constant),
}

impl<'a> Reader<'a> {
    pub(super) const fn new(reading: Reading<'a>) -> Self {
        Self { reading, terms: 0 }
    }
}

impl Reader<'_> {
    pub(super) fn counted(&mut self) -> Result<(), FilterError> {
        self.terms += 1;
        if self.terms > FILTER_TERMS { Err(FilterError::TooManyTerms) } else { Ok(()) }
    }

    pub(super) fn condition(&mut self, read: Expr) -> Result<Predicate, FilterError> {
        self.counted()?;
        match read {
            Expr::Bool(holds) => Ok(Predicate::Always(holds)),
            Expr::Property { property } => {
                let column = self.column(&property)?;
                self.compared(column, Comparison::Equal, &Constant::Truth(true))
            }
            Expr::Operation { op, args } => self.operation(&op, args.into_iter().map(|it| *it).collect()),
            other => Err(FilterError::Unsupported(format!("{} as a condition", kind_of(&other)))),
        }
    }

    fn operation(&mut self, op: &str, mut args: Vec<Expr>) -> Result<Predicate, FilterError> {
        match (op, args.as_mut_slice()) {
            ("and", _) => Ok(Predicate::And(self.conditions(args)?)),
            ("or", _) => Ok(Predicate::Or(self.conditions(args)?)),
            ("not", [one]) => Ok(Predicate::Not(Box::new(self.condition(taken(one))?))),
            ("=" | "<>" | "<" | "<=" | ">" | ">=", [left, right]) => {
                self.comparison(op, taken(left), taken(right))
            }
            ("like", [value, pattern]) => self.like(taken(value), taken(pattern)),
            ("between", [value, least, most]) => self.between(taken(value), taken(least), taken(most)),
            ("in", [value, list]) => self.within(taken(value), taken(list)),
            ("isNull", [Expr::Property { property }]) if property == GEOMETRY => Ok(Predicate::IsNowhere),
            ("isNull", [Expr::Property { property }]) => Ok(Predicate::IsNull(self.column(property)?)),
            ("s_intersects", [one, other]) => self.intersects(taken(one), taken(other)),
            ("s_disjoint", [one, other]) => {
                Ok(Predicate::Not(Box::new(self.intersects(taken(one), taken(other))?)))
            }
            (op, [one, other]) if op.starts_with("t_") => self.temporal(op, taken(one), taken(other)),
            _ => Err(FilterError::Unsupported(op.to_owned())),
        }
    }

    fn conditions(&mut self, args: Vec<Expr>) -> Result<Vec<Predicate>, FilterError> {
        args.into_iter().map(|one| self.condition(one)).collect()
    }

    pub(super) fn column(&self, name: &str) -> Result<&'static Column, FilterError> {
        let found = self.reading.layer.columns().iter().find(|column| column.name == name);
        found.ok_or_else(|| FilterError::UnknownProperty(name.to_owned()))
    }

    fn side(&mut self, read: Expr) -> Result<Side, FilterError> {
        match read {
            Expr::Property { property } => Ok(Side::Column(self.column(&property)?)),
            Expr::Operation { op, mut args } if op == "casei" => match args.as_mut_slice() {
                [one] => match taken(one) {
                    Expr::Property { property } => {
                        let column = self.column(&property)?;
                        of_kind(column, ColumnKind::Text).map(Side::Caseless)
                    }
                    Expr::Literal(text) if has_foreign_case(&text) => {
                        Err(FilterError::Unsupported("CASEI of letters with case beyond a to z".to_owned()))
                    }
                    Expr::Literal(text) => Ok(Side::Constant(Constant::Caseless(plain(text)?))),
                    other => Err(FilterError::Unsupported(format!("CASEI of {}", kind_of(&other)))),
                },
                _ => Err(FilterError::Unsupported("CASEI of several values".to_owned())),
            },
            other => self.constant(other).map(Side::Constant),
        }
    }

    pub(super) fn constant(&mut self, read: Expr) -> Result<Constant, FilterError> {
        self.counted()?;
        match read {
            Expr::Literal(text) => Ok(Constant::Text(plain(text)?)),
            Expr::Float(number) if number.is_finite() => Ok(Constant::Number(number)),
            Expr::Float(number) => Err(FilterError::BadValue(number.to_string())),
            Expr::Bool(truth) => Ok(Constant::Truth(truth)),
            Expr::Timestamp { timestamp } => match *timestamp {
                Expr::Literal(text) => moment(&text).map(Constant::Moment),
                other => Err(FilterError::Unsupported(format!("TIMESTAMP of {}", kind_of(&other)))),
            },
            Expr::Date { date } => match *date {
                Expr::Literal(text) => day(&text).map(Constant::Day),
                other => Err(FilterError::Unsupported(format!("DATE of {}", kind_of(&other)))),
            },
            other => Err(FilterError::Unsupported(format!("{} as a value", kind_of(&other)))),
        }
    }

    fn comparison(&mut self, op: &str, left: Expr, right: Expr) -> Result<Predicate, FilterError> {
        let comparison = match op {
            "=" => Comparison::Equal,
            "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::Greater,
            _ => Comparison::AtLeast,
        };
        match (self.side(left)?, self.side(right)?) {
            (Side::Column(column), Side::Constant(constant)) => self.compared(column, comparison, &constant),
            (Side::Constant(constant), Side::Column(column)) => {
                self.compared(column, comparison.turned(), &constant)
            }
            (Side::Caseless(column), Side::Constant(Constant::Caseless(text)))
            | (Side::Constant(Constant::Caseless(text)), Side::Caseless(column)) => {
                let equal = Predicate::EqualCaseless(column, text);
                match comparison {
                    Comparison::Equal => Ok(equal),
                    Comparison::NotEqual => Ok(Predicate::Not(Box::new(equal))),
                    Comparison::Less | Comparison::AtMost | Comparison::Greater | Comparison::AtLeast => {
                        Err(FilterError::Unsupported(format!("CASEI with {op}")))
                    }
                }
            }
            _ => Err(FilterError::Unsupported(format!("{op} other than of a property and a value"))),
        }
    }

    /// A column compared with a value; a moment compared with a day is compared with its ends.
    pub(super) fn compared(
        &self,
        column: &'static Column,
        comparison: Comparison,
        constant: &Constant,
    ) -> Result<Predicate, FilterError> {
        if column.kind == ColumnKind::Boolean
            && !matches!(comparison, Comparison::Equal | Comparison::NotEqual)
        {
            return Err(FilterError::Unsupported(format!("{}: an order of true and false", column.name)));
        }
        let compare = |comparison, value| Predicate::Compare(column, comparison, value);
        if let (ColumnKind::Time, Constant::Day(day)) = (column.kind, constant) {
            let (first, last) = self.ends(*day)?;
            let within = Predicate::Between(column, Value::Time(first), Value::Time(last));
            return Ok(match comparison {
                Comparison::Equal => within,
                Comparison::NotEqual => Predicate::Not(Box::new(within)),
                Comparison::Less | Comparison::AtLeast => compare(comparison, Value::Time(first)),
                Comparison::AtMost | Comparison::Greater => compare(comparison, Value::Time(last)),
            });
        }
        Ok(compare(comparison, value_for(column, constant)?))
    }

    fn like(&mut self, value: Expr, pattern: Expr) -> Result<Predicate, FilterError> {
        let (column, text, is_caseless) = match (self.side(value)?, self.side(pattern)?) {
            (Side::Column(column), Side::Constant(Constant::Text(text))) => (column, text, false),
            (Side::Caseless(column), Side::Constant(Constant::Caseless(text))) => (column, text, true),
            _ => return Err(FilterError::Unsupported("LIKE other than of a property and a text".to_owned())),
        };
        let pattern = Pattern::parse(&text, is_caseless);
        let pattern = pattern.ok_or_else(|| {
            FilterError::BadValue(format!("a pattern that ends in \\ or has more than {PATTERN_RUNS} %"))
        })?;
        of_kind(column, ColumnKind::Text).map(|column| Predicate::Like(column, pattern))
    }

    fn between(&mut self, value: Expr, least: Expr, most: Expr) -> Result<Predicate, FilterError> {
        match (self.side(value)?, self.constant(least)?, self.constant(most)?) {
            (Side::Column(column), least, most) => {
                // Days as bounds of moments are not values but ends: two comparisons say it.
                if let (ColumnKind::Time, Constant::Day(_), _) | (ColumnKind::Time, _, Constant::Day(_)) =
                    (column.kind, &least, &most)
                {
                    return Ok(Predicate::And(vec![
                        self.compared(column, Comparison::AtLeast, &least)?,
                        self.compared(column, Comparison::AtMost, &most)?,
                    ]));
                }
                if matches!(column.kind, ColumnKind::Boolean) {
                    return Err(FilterError::Unsupported(format!("{}: BETWEEN", column.name)));
                }
                Ok(Predicate::Between(column, value_for(column, &least)?, value_for(column, &most)?))
            }
            _ => Err(FilterError::Unsupported("BETWEEN other than of a property".to_owned())),
        }
    }

    fn within(&mut self, value: Expr, list: Expr) -> Result<Predicate, FilterError> {
        let Expr::Array(list) = list else {
            return Err(FilterError::Unsupported("IN other than a list".to_owned()));
        };
        let side = self.side(value)?;
        let wanted = list.into_iter().map(|one| self.side(*one)).collect::<Result<Vec<_>, _>>()?;
        match side {
            Side::Column(column) => {
                let values = wanted.into_iter().map(|wanted| match wanted {
                    Side::Constant(constant) => value_for(column, &constant),
                    Side::Column(_) | Side::Caseless(_) => {
                        Err(FilterError::Unsupported("a property in a list".to_owned()))
                    }
                });
                Ok(Predicate::In(column, values.collect::<Result<_, _>>()?))
            }
            Side::Caseless(column) => {
                let equal = wanted.into_iter().map(|wanted| match wanted {
                    Side::Constant(Constant::Caseless(text)) => Ok(Predicate::EqualCaseless(column, text)),
                    _ => Err(FilterError::WrongKind {
                        property: column.name.to_owned(),
                        wanted: "CASEI of a text",
                    }),
                });
                Ok(Predicate::Or(equal.collect::<Result<_, _>>()?))
            }
            Side::Constant(_) => Err(FilterError::Unsupported("IN other than of a property".to_owned())),
        }
    }
}

/// Whether a letter beyond ASCII has another case: the databases fold those of ASCII alone.
fn has_foreign_case(text: &str) -> bool {
    text.chars().any(|c| !c.is_ascii() && (c.is_uppercase() || c.is_lowercase()))
}

/// A part of an expression, for good.
fn taken(read: &mut Expr) -> Expr {
    std::mem::replace(read, Expr::Null)
}

/// What an expression is, in words.
pub(super) fn kind_of(read: &Expr) -> String {
    match read {
        Expr::Operation { op, .. } => op.clone(),
        Expr::Interval { .. } => "INTERVAL".to_owned(),
        Expr::Timestamp { .. } => "TIMESTAMP".to_owned(),
        Expr::Date { .. } => "DATE".to_owned(),
        Expr::Property { property } => format!("the property {property}"),
        Expr::BBox { .. } => "BBOX".to_owned(),
        Expr::Float(_) => "a number".to_owned(),
        Expr::Literal(_) => "a text".to_owned(),
        Expr::Bool(_) => "TRUE or FALSE".to_owned(),
        Expr::Array(_) => "a list".to_owned(),
        Expr::Geometry(_) => "a geometry".to_owned(),
        Expr::Null => "NULL".to_owned(),
    }
}
