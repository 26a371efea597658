//! What features are asked for: a condition on the columns and the geometry of one layer.
//!
//! Pure. A condition has three outcomes, as in SQL: it holds, it does not, or nothing can be said because a value is not
//! known; `NOT` of the last is again the last, and a feature is given where the condition holds. There are two
//! interpreters, which a test holds equal: [`Predicate::holds`] here and the SQL of `store::predicates`. Reading a
//! condition out of a text is in `http::ogc`. Start at [`Predicate`].

use std::cmp::Ordering;

use geo::{BoundingRect as _, Geometry, Intersects as _, Rect};

use super::{Column, ColumnKind, Feature, Layer, Value};
use crate::geometry::around;

/// A condition on a feature of one layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Holds always or never.
    Always(bool),
    /// All of them hold.
    And(Vec<Self>),
    /// One of them holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The value of a column stands so to another of its kind; texts by their bytes, numbers of either kind together.
    Compare(&'static Column, Comparison, Value),
    /// The text of a column is so.
    Like(&'static Column, Pattern),
    /// The text of a column is this one, upper and lower case of ASCII being the same.
    EqualCaseless(&'static Column, String),
    /// The value of a column is one of these.
    In(&'static Column, Vec<Value>),
    /// The value of a column is no less than the first and no more than the second.
    Between(&'static Column, Value, Value),
    /// The value of a column is not known.
    IsNull(&'static Column),
    /// The feature has no place.
    IsNowhere,
    /// The geometry meets this one, degrees, longitude before latitude.
    Intersects(Box<Geometry<f64>>),
}

/// How one value stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Equal,
    /// Another.
    NotEqual,
    /// Less.
    Less,
    /// Less or the same.
    AtMost,
    /// More.
    Greater,
    /// More or the same.
    AtLeast,
}

impl Comparison {
    /// Whether values in this order stand so.
    pub const fn is_met_by(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    /// The same said from the other side: `5 < x` is `x > 5`.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    /// As SQL writes it.
    pub const fn as_sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Any characters, none too.
    Any,
    /// One character, whichever.
    One,
    /// This character.
    Just(char),
}

/// What a text must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Whether upper and lower case of ASCII are the same; then every [`Piece::Just`] is in lower case.
    is_caseless: bool,
    /// No [`Piece::Any`] follows another.
    pieces: Vec<Piece>,
}

/// Runs of any characters in a pattern: each may multiply the work of a match.
pub const PATTERN_RUNS: usize = 8;

impl Pattern {
    /// Of a text in which `%` stands for any characters, `_` for one and `\` takes the meaning from the next character.
    /// None where a `\` takes it from nothing, or where there are more than [`PATTERN_RUNS`] runs of any characters.
    pub fn parse(text: &str, is_caseless: bool) -> Option<Self> {
        let mut pieces = Vec::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let piece = match character {
                '%' => Piece::Any,
                '_' => Piece::One,
                '\\' => Piece::Just(characters.next()?),
                other => Piece::Just(other),
            };
            let piece = match piece {
                Piece::Just(character) if is_caseless => Piece::Just(character.to_ascii_lowercase()),
                other => other,
            };
            if !(piece == Piece::Any && pieces.last() == Some(&Piece::Any)) {
                pieces.push(piece);
            }
        }
        let runs = pieces.iter().filter(|piece| **piece == Piece::Any).count();
        (runs <= PATTERN_RUNS).then_some(Self { is_caseless, pieces })
    }

    /// Whether upper and lower case of ASCII are the same.
    pub const fn is_caseless(&self) -> bool {
        self.is_caseless
    }

    /// Its pieces; where case does not matter, in lower case.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether a text looks like it.
    pub fn matches(&self, text: &str) -> bool {
        let lowered = |c: char| if self.is_caseless { c.to_ascii_lowercase() } else { c };
        let text: Vec<char> = text.chars().map(lowered).collect();
        let (mut at, mut piece) = (0, 0);
        // Where the last run of any characters stands, and how far it reaches.
        let mut run: Option<(usize, usize)> = None;
        while let Some(character) = text.get(at) {
            match self.pieces.get(piece) {
                Some(Piece::Any) => {
                    run = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(Piece::One) => {}
                Some(Piece::Just(wanted)) if wanted == character => {}
                Some(Piece::Just(_)) | None => {
                    let Some((of, reach)) = run else { return false };
                    run = Some((of, reach + 1));
                    (piece, at) = (of + 1, reach + 1);
                    continue;
                }
            }
            piece += 1;
            at += 1;
        }
        self.pieces.get(piece..).is_some_and(|rest| rest.iter().all(|piece| *piece == Piece::Any))
    }
}

impl Predicate {
    /// Whether it holds of a feature of the layer that it was made for.
    pub fn holds(&self, layer: Layer, feature: &Feature) -> bool {
        self.outcome(layer, feature) == Some(true)
    }

    /// Whether it holds; none where nothing can be said.
    fn outcome(&self, layer: Layer, feature: &Feature) -> Option<bool> {
        let value = |column: &Column| value_of(layer, feature, column);
        match self {
            Self::Always(holds) => Some(*holds),
            Self::And(all) => all_of(all.iter().map(|one| one.outcome(layer, feature))),
            Self::Or(all) => {
                all_of(all.iter().map(|one| one.outcome(layer, feature).map(|it| !it))).map(|it| !it)
            }
            Self::Not(one) => one.outcome(layer, feature).map(|holds| !holds),
            Self::Compare(column, comparison, wanted) => {
                order(value(column), wanted).map(|order| comparison.is_met_by(order))
            }
            Self::Like(column, pattern) => text(value(column)).map(|text| pattern.matches(text)),
            Self::EqualCaseless(column, wanted) => {
                text(value(column)).map(|text| text.eq_ignore_ascii_case(wanted))
            }
            Self::In(column, wanted) => {
                let value = value(column);
                let outcomes = wanted.iter().map(|wanted| order(value, wanted).map(Ordering::is_ne));
                all_of(outcomes).map(|none| !none)
            }
            Self::Between(column, least, most) => {
                let value = value(column);
                let outcomes =
                    [order(value, least).map(Ordering::is_ge), order(value, most).map(Ordering::is_le)];
                all_of(outcomes)
            }
            Self::IsNull(column) => Some(matches!(value(column), Value::Null)),
            Self::IsNowhere => Some(feature.geometry.is_none()),
            Self::Intersects(wanted) => feature.geometry.as_ref().map(|own| own.intersects(&**wanted)),
        }
    }

    /// A box in degrees, longitude before latitude, that meets the geometry of every feature of which it holds; none:
    /// there is no such box but all of the earth.
    pub fn bounds(&self) -> Option<Rect<f64>> {
        match self {
            Self::Intersects(geometry) => geometry.bounding_rect(),
            // Of two boxes that a point must both lie in, either does.
            Self::And(all) => {
                all.iter().filter_map(Self::bounds).min_by(|a, b| area(*a).total_cmp(&area(*b)))
            }
            Self::Or(all) => {
                let boxes = all.iter().map(Self::bounds).collect::<Option<Vec<_>>>()?;
                boxes.into_iter().reduce(around)
            }
            Self::Always(_)
            | Self::Not(_)
            | Self::Compare(..)
            | Self::Like(..)
            | Self::EqualCaseless(..)
            | Self::In(..)
            | Self::Between(..)
            | Self::IsNull(_)
            | Self::IsNowhere => None,
        }
    }
}

fn area(of: Rect<f64>) -> f64 {
    of.width() * of.height()
}

/// False where one is; otherwise not known where one is not; otherwise true.
fn all_of(outcomes: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for outcome in outcomes {
        match outcome {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

fn value_of<'a>(layer: Layer, feature: &'a Feature, column: &Column) -> &'a Value {
    let at = layer.columns().iter().position(|own| own.name == column.name);
    at.and_then(|at| feature.values.get(at)).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Null
        | Value::Integer(_)
        | Value::Real(_)
        | Value::Boolean(_)
        | Value::Time(_)
        | Value::Day(_) => None,
    }
}

/// How two values of a kind stand to each other; none where one is not known, or where they are of different kinds.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) | (Value::Day(left), Value::Day(right)) => {
            Some(left.cmp(right))
        }
        _ => real(left)?.partial_cmp(&real(right)?),
    }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Real(number) => Some(*number),
        Value::Integer(number) => Some(nearest(*number)),
        Value::Null | Value::Text(_) | Value::Boolean(_) | Value::Time(_) | Value::Day(_) => None,
    }
}

/// The nearest number: beyond 2^53 some whole numbers have none of their own, in SQL as here.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "rounds to the nearest, which is what is asked for"
)]
const fn nearest(number: i64) -> f64 {
    number as f64
}

impl Value {
    /// Whether a column of this kind can be compared with it.
    pub const fn fits(&self, kind: ColumnKind) -> bool {
        match kind {
            ColumnKind::Text => matches!(self, Self::Text(_)),
            ColumnKind::Integer | ColumnKind::Real => matches!(self, Self::Integer(_) | Self::Real(_)),
            ColumnKind::Boolean => matches!(self, Self::Boolean(_)),
            ColumnKind::Time => matches!(self, Self::Time(_)),
            ColumnKind::Day => matches!(self, Self::Day(_)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> &'static Column {
        Layer::Regions.columns().iter().find(|column| column.name == name).unwrap()
    }

    fn region(name: Option<&str>) -> Feature {
        let name = name.map_or(Value::Null, |name| Value::Text(name.to_owned()));
        let values = vec![Value::Null, name, Value::Text("county".to_owned()), Value::Null];
        Feature { id: 1, record: None, geometry: None, values }
    }

    fn is_a() -> Predicate {
        Predicate::Compare(column("name"), Comparison::Equal, Value::Text("A".to_owned()))
    }

    #[test]
    fn of_a_value_that_is_not_known_neither_a_condition_nor_its_opposite_holds() {
        let not = |one: Predicate| Predicate::Not(Box::new(one));
        let (known, unknown) = (region(Some("B")), region(None));
        let holds = |one: &Predicate, of: &Feature| one.holds(Layer::Regions, of);
        assert!(!holds(&is_a(), &known) && holds(&not(is_a()), &known));
        assert!(!holds(&is_a(), &unknown) && !holds(&not(is_a()), &unknown));
        assert!(holds(&Predicate::IsNull(column("name")), &unknown));
        // What another part decides is decided.
        assert!(holds(&Predicate::Or(vec![is_a(), Predicate::Always(true)]), &unknown));
        assert!(holds(&not(Predicate::And(vec![is_a(), Predicate::Always(false)])), &unknown));
        assert!(!holds(&not(Predicate::Or(vec![is_a(), Predicate::Always(false)])), &unknown));
        assert!(!holds(&not(Predicate::Intersects(Box::new(geo::Point::new(0.0, 0.0).into()))), &known));
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, is_caseless, text, is_match) in [
            ("", false, "", true),
            ("", false, "a", false),
            ("%", false, "", true),
            ("a%", false, "abc", true),
            ("%c", false, "abcabc", true),
            ("a%b%c", false, "aXbXbXc", true),
            ("a%b%c", false, "aXcXb", false),
            ("_", false, "线", true),
            ("_", false, "线路", false),
            ("青%线", false, "青杠岭一线", true),
            ("A%", false, "abc", false),
            ("A%", true, "abc", true),
            (r"10\%", false, "10%", true),
            (r"10\%", false, "10x", false),
            (r"\\", false, r"\", true),
            ("a__", false, "ab", false),
            ("%%%", false, "x", true),
        ] {
            let parsed = Pattern::parse(pattern, is_caseless).unwrap();
            assert_eq!(parsed.matches(text), is_match, "{pattern:?} {text:?}");
        }
        assert_eq!(Pattern::parse(r"a\", false), None);
        assert!(Pattern::parse(&"%a".repeat(PATTERN_RUNS), false).is_some());
        assert_eq!(Pattern::parse(&"%a".repeat(PATTERN_RUNS + 1), false), None);
    }

    #[test]
    fn the_bounds_of_a_condition_hold_all_that_it_can_hold_of() {
        let meets = |x: f64| Predicate::Intersects(Box::new(Rect::new((x, 0.0), (x + 1.0, 1.0)).into()));
        assert_eq!(is_a().bounds(), None);
        assert_eq!(
            Predicate::And(vec![is_a(), meets(1.0)]).bounds(),
            Some(Rect::new((1.0, 0.0), (2.0, 1.0)))
        );
        let either = Predicate::Or(vec![meets(1.0), meets(5.0)]);
        assert_eq!(either.bounds(), Some(Rect::new((1.0, 0.0), (6.0, 1.0))));
        assert_eq!(Predicate::Or(vec![meets(1.0), is_a()]).bounds(), None);
        assert_eq!(Predicate::Not(Box::new(meets(1.0))).bounds(), None);
    }
}
