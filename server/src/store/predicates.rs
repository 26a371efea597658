//! Conditions of [`crate::layers::predicate`] as SQL with bound values, over `map_hazards` and `map_states`.
//!
//! The second interpreter of a condition: where [`is_exact`] it is true of the same rows as `Predicate::holds`; where a
//! geometry is no box, the rows are those within its bounds, and whoever reads them asks `holds` as well. Negations are
//! pushed down to what they negate, so that a row is never left out by an estimate that was turned around.
//!
//! Start at [`push_predicate`].

use geo::{BoundingRect as _, Geometry, Rect};
use sqlx::{Database, Postgres, QueryBuilder, Sqlite};
use uuid::Uuid;

use crate::layers::predicate::{Comparison, Pattern, Piece, Predicate};
use crate::layers::{Column, ColumnKind, Value};

/// Whether the SQL of a condition is true of the rows of which it holds and of no others.
pub fn is_exact(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::And(all) | Predicate::Or(all) => all.iter().all(is_exact),
        Predicate::Not(one) => is_exact(one),
        Predicate::Intersects(geometry) => matches!(**geometry, Geometry::Rect(_)),
        Predicate::Always(_)
        | Predicate::Compare(..)
        | Predicate::Like(..)
        | Predicate::EqualCaseless(..)
        | Predicate::In(..)
        | Predicate::Between(..)
        | Predicate::IsNull(_)
        | Predicate::IsNowhere => true,
    }
}

/// What the databases say differently, and how each is given values.
pub(super) trait Dialect: Database + Sized {
    /// The record's id as text, lower case with hyphens.
    const RECORD_TEXT: &'static str;
    /// Behind a text that is compared: by its bytes, not by a language.
    const BY_BYTES: &'static str;
    /// Between a text and its pattern.
    const LIKE: &'static str;
    /// Behind a pattern.
    const ESCAPE: &'static str;

    /// A pattern as the database reads it.
    fn pattern(pattern: &Pattern) -> String;
    fn text(query: &mut QueryBuilder<Self>, text: String);
    fn whole(query: &mut QueryBuilder<Self>, number: i64);
    fn real(query: &mut QueryBuilder<Self>, number: f64);
    fn id(query: &mut QueryBuilder<Self>, id: Uuid);
}

macro_rules! dialect {
    ($database:ty, $($rest:item)*) => {
        impl Dialect for $database {
            $($rest)*

            fn text(query: &mut QueryBuilder<Self>, text: String) {
                query.push_bind(text);
            }

            fn whole(query: &mut QueryBuilder<Self>, number: i64) {
                query.push_bind(number);
            }

            fn real(query: &mut QueryBuilder<Self>, number: f64) {
                query.push_bind(number);
            }

            fn id(query: &mut QueryBuilder<Self>, id: Uuid) {
                query.push_bind(id);
            }
        }
    };
}

dialect! {
    Sqlite,
    const RECORD_TEXT: &'static str = "lower(substr(hex(record), 1, 8) || '-' || substr(hex(record), 9, 4) || '-' || \
         substr(hex(record), 13, 4) || '-' || substr(hex(record), 17, 4) || '-' || substr(hex(record), 21))";
    const BY_BYTES: &'static str = "";
    // LIKE takes upper and lower case for the same, GLOB does not.
    const LIKE: &'static str = " GLOB ";
    const ESCAPE: &'static str = "";

    fn pattern(pattern: &Pattern) -> String {
        let pieces = pattern.pieces().iter().map(|piece| match piece {
            Piece::Any => "*".to_owned(),
            Piece::One => "?".to_owned(),
            Piece::Just(special @ ('*' | '?' | '[')) => format!("[{special}]"),
            Piece::Just(other) => other.to_string(),
        });
        pieces.collect()
    }
}

dialect! {
    Postgres,
    const RECORD_TEXT: &'static str = "CAST(record AS TEXT)";
    const BY_BYTES: &'static str = " COLLATE \"C\"";
    const LIKE: &'static str = " LIKE ";
    const ESCAPE: &'static str = " ESCAPE '!'";

    fn pattern(pattern: &Pattern) -> String {
        let pieces = pattern.pieces().iter().map(|piece| match piece {
            Piece::Any => "%".to_owned(),
            Piece::One => "_".to_owned(),
            Piece::Just(special @ ('%' | '_' | '!')) => format!("!{special}"),
            Piece::Just(other) => other.to_string(),
        });
        pieces.collect()
    }
}

/// Appends a condition in parentheses to a query of `map_hazards` or `map_states`.
pub(super) fn push_predicate<DB: Dialect>(query: &mut QueryBuilder<DB>, predicate: &Predicate) {
    push(query, predicate, Outcome::Holds);
}

/// What the SQL must be true of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Every row of which the condition holds.
    Holds,
    /// Every row of which it is known not to hold.
    Fails,
}

impl Outcome {
    const fn turned(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
        }
    }
}

fn push<DB: Dialect>(query: &mut QueryBuilder<DB>, predicate: &Predicate, wanted: Outcome) {
    match (predicate, wanted) {
        (Predicate::Not(one), wanted) => push(query, one, wanted.turned()),
        (Predicate::And(all), Outcome::Holds) | (Predicate::Or(all), Outcome::Fails) => {
            joined(query, all, wanted, " AND ", "1 = 1");
        }
        (Predicate::And(all), Outcome::Fails) | (Predicate::Or(all), Outcome::Holds) => {
            joined(query, all, wanted, " OR ", "1 = 0");
        }
        (Predicate::Intersects(geometry), wanted) => meets(query, geometry, wanted),
        (leaf, Outcome::Holds) => {
            query.push("(");
            push_leaf(query, leaf);
            query.push(")");
        }
        (leaf, Outcome::Fails) => {
            query.push("NOT (");
            push_leaf(query, leaf);
            query.push(")");
        }
    }
}

fn joined<DB: Dialect>(
    query: &mut QueryBuilder<DB>,
    all: &[Predicate],
    wanted: Outcome,
    word: &str,
    nothing: &str,
) {
    query.push("(");
    for (at, one) in all.iter().enumerate() {
        if at > 0 {
            query.push(word);
        }
        push(query, one, wanted);
    }
    if all.is_empty() {
        query.push(nothing);
    }
    query.push(")");
}

fn meets<DB: Dialect>(query: &mut QueryBuilder<DB>, geometry: &Geometry<f64>, wanted: Outcome) {
    match (geometry, geometry.bounding_rect(), wanted) {
        (Geometry::Rect(within), _, Outcome::Holds) => push_box(query, *within),
        (Geometry::Rect(within), _, Outcome::Fails) => {
            query.push("NOT ");
            push_box(query, *within);
        }
        (_, Some(bounds), Outcome::Holds) => push_box(query, bounds),
        // An empty geometry is met by none, and what lies within the bounds of another may yet miss it.
        (_, None, _) | (_, _, Outcome::Fails) => drop(query.push("(lat_e7 IS NOT NULL)")),
    }
}

/// Positions are degrees × 1e7 in whole numbers; the quotient is the same number that a feature has.
fn push_box<DB: Dialect>(query: &mut QueryBuilder<DB>, within: Rect<f64>) {
    let sides = [("lon_e7", within.min().x, within.max().x), ("lat_e7", within.min().y, within.max().y)];
    query.push("(");
    for (at, (column, least, most)) in sides.into_iter().enumerate() {
        query.push(if at == 0 { "" } else { " AND " });
        query.push(format_args!(
            "CAST({column} AS DOUBLE PRECISION) / CAST(10000000 AS DOUBLE PRECISION) BETWEEN "
        ));
        DB::real(query, least);
        query.push(" AND ");
        DB::real(query, most);
    }
    query.push(")");
}

fn push_leaf<DB: Dialect>(query: &mut QueryBuilder<DB>, leaf: &Predicate) {
    match leaf {
        Predicate::Always(holds) => drop(query.push(if *holds { "1 = 1" } else { "1 = 0" })),
        Predicate::Compare(column, comparison, value) => {
            if let (Held::Record, Some(id), Comparison::Equal) = (held(column), id_of(value), comparison) {
                query.push("record = ");
                return DB::id(query, id);
            }
            push_column(query, column);
            query.push(" ").push(comparison.as_sql()).push(" ");
            push_value(query, value);
        }
        Predicate::Like(column, pattern) => {
            push_folded(query, column, pattern.is_caseless());
            query.push(DB::LIKE);
            DB::text(query, DB::pattern(pattern));
            query.push(DB::ESCAPE);
        }
        Predicate::EqualCaseless(column, text) => {
            push_folded(query, column, true);
            query.push(" = ");
            DB::text(query, text.to_ascii_lowercase());
        }
        Predicate::In(_, values) if values.is_empty() => drop(query.push("1 = 0")),
        Predicate::In(column, values) => {
            push_column(query, column);
            for (at, value) in values.iter().enumerate() {
                query.push(if at == 0 { " IN (" } else { ", " });
                push_value(query, value);
            }
            query.push(")");
        }
        Predicate::Between(column, least, most) => {
            push_column(query, column);
            query.push(" BETWEEN ");
            push_value(query, least);
            query.push(" AND ");
            push_value(query, most);
        }
        Predicate::IsNull(column) => {
            push_column(query, column);
            query.push(" IS NULL");
        }
        Predicate::IsNowhere => drop(query.push("lat_e7 IS NULL")),
        // Of several conditions, and of geometries, see `push`.
        Predicate::And(_) | Predicate::Or(_) | Predicate::Not(_) | Predicate::Intersects(_) => {}
    }
}

/// How a table holds a column.
enum Held {
    /// As the id of its record.
    Record,
    /// As text.
    Text,
    /// In thousandths, by this name.
    Thousandths(&'static str),
    /// As a whole number that is compared as one: times, days, yes or no.
    Whole,
    /// As a whole number that is compared with any.
    Number,
}

fn held(column: &Column) -> Held {
    match (column.name, column.kind) {
        ("uuid", _) => Held::Record,
        ("voltage_kv", _) => Held::Thousandths("voltage_v"),
        ("chainage_m", _) => Held::Thousandths("chainage_mm"),
        ("offset_m", _) => Held::Thousandths("offset_mm"),
        ("accuracy_m", _) => Held::Thousandths("accuracy_mm"),
        (_, ColumnKind::Text) => Held::Text,
        (_, ColumnKind::Boolean | ColumnKind::Time | ColumnKind::Day) => Held::Whole,
        (_, ColumnKind::Integer | ColumnKind::Real) => Held::Number,
    }
}

fn push_column<DB: Dialect>(query: &mut QueryBuilder<DB>, column: &Column) {
    match held(column) {
        Held::Record => query.push(DB::RECORD_TEXT).push(DB::BY_BYTES),
        Held::Text => query.push(column.name).push(DB::BY_BYTES),
        Held::Thousandths(name) => {
            query.push(format_args!("CAST({name} AS DOUBLE PRECISION) / CAST(1000 AS DOUBLE PRECISION)"))
        }
        Held::Whole => query.push(column.name),
        Held::Number => query.push(format_args!("CAST({} AS DOUBLE PRECISION)", column.name)),
    };
}

/// A text with the letters of ASCII in lower case where case does not matter: both databases fold those alone, by the
/// order of bytes.
fn push_folded<DB: Dialect>(query: &mut QueryBuilder<DB>, column: &Column, is_caseless: bool) {
    query.push(if is_caseless { "lower(" } else { "(" });
    push_column(query, column);
    query.push(")");
}

fn push_value<DB: Dialect>(query: &mut QueryBuilder<DB>, value: &Value) {
    match value {
        Value::Null => drop(query.push("NULL")),
        Value::Text(text) => DB::text(query, text.clone()),
        Value::Integer(number) => {
            query.push("CAST(");
            DB::whole(query, *number);
            query.push(" AS DOUBLE PRECISION)");
        }
        Value::Real(number) => DB::real(query, *number),
        Value::Boolean(truth) => DB::whole(query, i64::from(*truth)),
        Value::Time(number) | Value::Day(number) => DB::whole(query, *number),
    }
}

/// The id that a text is, written as ids are.
fn id_of(value: &Value) -> Option<Uuid> {
    let Value::Text(text) = value else { return None };
    Uuid::parse_str(text).ok().filter(|id| id.to_string() == *text)
}
