//! Hazards as points: the line of text that is kept of each for its tiles, and the tile that is made of lines.
//!
//! The line is made once, when the hazard is derived: a tile is then one range of an index read as one text, whatever the
//! database. Start at [`Point`].

use std::collections::HashMap;

use foldhash::fast::RandomState;
use geo::Geometry;

use super::counts::{Counted, DEEPEST, Key, category};
use super::features::e7;
use super::point_layer::{Alike, PointLayer, Tag};
use super::{HAZARDS, SEVERITIES, Tile, severity};
use crate::geometry::place;
use crate::layers::{Feature, Layer, Value};

/// Between the fields of a line.
const FIELD: char = '\u{1f}';
/// Between lines.
pub const LINE: char = '\u{1e}';
/// Characters of a text that a tile shows: longer ones are cut, here and nowhere else.
pub const TEXT_CHARACTERS: usize = 60;

/// What a tile shows of a hazard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point<'t> {
    /// Its number in its layer.
    pub id: i64,
    /// The key of its place.
    pub place: i64,
    /// The rank of its severity: an index of [`super::SEVERITIES`].
    pub severity_rank: i64,
    /// Whether it is open.
    pub is_open: bool,
    /// Its deadline, milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// 隐患类别; empty where it is not known, as are the others.
    pub category: &'t str,
    /// 隐患类型
    pub kind: &'t str,
    /// 状态
    pub state: &'t str,
    /// 编号
    pub number: &'t str,
}

/// Hexadecimal digits of an id at the beginning of a line, and of the place behind it.
const ID_DIGITS: usize = 14;
const PLACE_DIGITS: usize = 16;

impl Point<'_> {
    /// The line of it: id and place; what many hazards say alike; its deadline; its number. Lines of one place are in the
    /// order of their ids.
    pub fn line(&self) -> String {
        let (id, place, open) = (self.id.max(0), self.place.max(0), u8::from(self.is_open));
        let mut line = format!("{id:0ID_DIGITS$x}{place:0PLACE_DIGITS$x}{}{FIELD}{open}", self.severity_rank);
        let due = self.due_ms.map(|due| due.to_string()).unwrap_or_default();
        for text in [self.category, self.kind, self.state, due.as_str(), self.number] {
            line.push(FIELD);
            let plain = |c: char| if c.is_control() { ' ' } else { c };
            line.extend(text.chars().take(TEXT_CHARACTERS).map(plain));
        }
        line
    }
}

/// A line that is taken apart as far as each hazard differs from others.
struct Parts<'t> {
    id: i64,
    place: i64,
    /// What [`Said::read`] reads.
    alike: &'t str,
    due_ms: Option<i64>,
    number: &'t str,
}

impl<'t> Parts<'t> {
    /// None where it is no line of ours.
    fn of(line: &'t str) -> Option<Self> {
        let (id, rest) = line.split_at_checked(ID_DIGITS)?;
        let (place, rest) = rest.split_at_checked(PLACE_DIGITS)?;
        let (rest, number) = parted_at_last(rest)?;
        let (alike, due) = parted_at_last(rest)?;
        let whole = |digits| i64::from_str_radix(digits, 16).ok();
        Some(Self { id: whole(id)?, place: whole(place)?, alike, due_ms: due.parse().ok(), number })
    }
}

/// What stands before and behind the last [`FIELD`], which is near the end: a general search takes longer to begin than this
/// takes.
fn parted_at_last(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| char::from(byte) == FIELD)?;
    Some((text.get(..at)?, text.get(at + FIELD.len_utf8()..)?))
}

/// What many hazards say alike.
#[derive(Clone, Copy)]
struct Said<'t> {
    severity_rank: i64,
    is_open: bool,
    category: &'t str,
    kind: &'t str,
    state: &'t str,
}

impl<'t> Point<'t> {
    /// The hazard of a feature of its layer; none where it has no place.
    pub fn of(feature: &'t Feature) -> Option<Self> {
        let Some(Geometry::Point(at)) = &feature.geometry else { return None };
        let value = |name: &str| {
            let columns = Layer::Hazards.columns().iter();
            columns.zip(&feature.values).find(|(column, _)| column.name == name).map(|(_, value)| value)
        };
        let text = |name: &str| match value(name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let rank = SEVERITIES.iter().position(|known| *known == text("severity"));
        Some(Self {
            id: feature.id,
            place: place(e7(at.y()), e7(at.x())),
            severity_rank: rank.and_then(|rank| i64::try_from(rank).ok()).unwrap_or(0),
            is_open: value("open") == Some(&Value::Boolean(true)),
            due_ms: match value("due") {
                Some(Value::Time(due_ms)) => Some(*due_ms),
                _ => None,
            },
            category: text("category"),
            kind: text("kind"),
            state: text("state"),
            number: text("number"),
        })
    }

    /// What it is counted by in the deepest cells that are kept.
    pub fn key(&self) -> Key {
        let counted = Counted {
            place: self.place,
            severity_rank: self.severity_rank,
            category: category(self.category),
            is_open: self.is_open,
            due_ms: self.due_ms,
        };
        counted.key(DEEPEST)
    }
}

/// The keys of a tile of hazards, each at its place.
const KEYS: [&str; 7] = ["severity", "open", "category", "kind", "state", "number", "due"];

impl<'t> Said<'t> {
    /// What the middle of a line says; none where it is no line of ours.
    fn read(middle: &'t str) -> Option<Self> {
        let mut fields = middle.split(FIELD);
        let mut next = || fields.next();
        let (severity_rank, is_open) = (next()?.parse().ok()?, next()? == "1");
        Some(Self { severity_rank, is_open, category: next()?, kind: next()?, state: next()? })
    }

    fn of(point: &Point<'t>) -> Self {
        let Point { severity_rank, is_open, category, kind, state, .. } = *point;
        Self { severity_rank, is_open, category, kind, state }
    }

    /// What a tile says of it, by the places of [`KEYS`].
    fn tags(self) -> impl Iterator<Item = Tag<'t>> {
        let text = |key: u32, text: &'t str| (!text.is_empty()).then_some(Tag::Text(key, text));
        [
            Some(Tag::Text(0, severity(self.severity_rank))),
            Some(Tag::Truth(1, self.is_open)),
            text(2, self.category),
            text(3, self.kind),
            text(4, self.state),
        ]
        .into_iter()
        .flatten()
    }
}

/// What a tile says of one hazard alone, by the places of [`KEYS`].
fn own(number: &str, due_ms: Option<i64>) -> impl Iterator<Item = Tag<'_>> {
    let number = (!number.is_empty()).then_some(Tag::OwnText(5, number));
    number.into_iter().chain(due_ms.map(|due_ms| Tag::Whole(6, due_ms)))
}

/// The tile of hazards; none where there are none. Every hazard must lie in the tile.
pub fn encode<'t>(tile: Tile, points: impl IntoIterator<Item = Point<'t>>) -> Option<Vec<u8>> {
    let mut layer = PointLayer::default();
    for point in points {
        let (id, at) = (u64::try_from(point.id).ok(), tile.pixel(point.place));
        let alike = layer.alike(Said::of(&point).tags());
        layer.feature(id, at, &alike, own(point.number, point.due_ms));
    }
    layer.tile(HAZARDS, &KEYS)
}

/// The tile of the hazards of lines, [`LINE`] between them; what is no line of ours is left out.
pub fn encode_lines(tile: Tile, lines: &str) -> Option<Vec<u8>> {
    let mut layer = PointLayer::default();
    // Hazards of some thousand say the same few things: each is read once.
    let mut known: HashMap<&str, Option<Alike>, RandomState> = HashMap::default();
    for parts in lines.split(LINE).filter_map(Parts::of) {
        let alike =
            known.entry(parts.alike).or_insert_with(|| Some(layer.alike(Said::read(parts.alike)?.tags())));
        let Some(alike) = alike else { continue };
        let (id, at) = (u64::try_from(parts.id).ok(), tile.pixel(parts.place));
        layer.feature(id, at, alike, own(parts.number, parts.due_ms));
    }
    layer.tile(HAZARDS, &KEYS)
}

#[cfg(test)]
mod tests {
    use fast_mvt::{MvtGeometry, MvtReaderRef};

    use super::*;

    fn point() -> Point<'static> {
        Point {
            id: 4_211,
            place: place(299_800_000, 1_030_000_000),
            severity_rank: 3,
            is_open: true,
            due_ms: Some(1_790_000_000_000),
            category: "corridor",
            kind: "tree",
            state: "confirmed",
            number: "FB-2026-000042",
        }
    }

    #[test]
    fn lines_make_the_tile_of_the_hazards_that_they_were_made_of_without_what_is_no_line() {
        let bare = Point { due_ms: None, category: "", kind: "", number: "", is_open: false, ..point() };
        let again = Point { id: 4_212, due_ms: None, number: "FB-2026-000043", ..point() };
        let tile = Tile::of_place(point().place, 12).unwrap();
        let cut = again.line().split_off(1);
        let broken = ["", "x", "00000000000001\u{1f}zz", &point().line()[..20], &cut];
        let points = [point(), bare, again];
        let lines: Vec<String> = points.iter().map(Point::line).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(broken).collect();
        let made = encode_lines(tile, &lines.join(&LINE.to_string()));
        assert_eq!(made, encode(tile, points));
        assert_eq!(encode_lines(tile, &broken.join(&LINE.to_string())), None);
    }

    #[test]
    fn text_that_would_break_a_line_is_made_plain_and_long_text_is_cut() {
        let long = "树".repeat(TEXT_CHARACTERS + 1);
        let point = Point { kind: "a\u{1f}b\u{1e}\nc", number: &long, ..point() };
        let line = point.line();
        assert!(!line.contains(LINE));
        let parts = Parts::of(&line).unwrap();
        let said = Said::read(parts.alike).unwrap();
        assert_eq!((said.kind, parts.number), ("a b  c", &long["树".len()..]));
    }

    #[test]
    fn a_feature_of_the_layer_is_the_same_hazard_as_its_line() {
        let columns = Layer::Hazards.columns().iter();
        let values = columns.map(|column| match column.name {
            "severity" => Value::Text("critical".to_owned()),
            "open" => Value::Boolean(true),
            "due" => Value::Time(1_790_000_000_000),
            "category" => Value::Text("corridor".to_owned()),
            "kind" => Value::Text("tree".to_owned()),
            "state" => Value::Text("confirmed".to_owned()),
            "number" => Value::Text("FB-2026-000042".to_owned()),
            _ => Value::Null,
        });
        let geometry = Some(Geometry::Point(geo::Point::new(103.0, 29.98)));
        let feature = Feature { id: 4_211, record: None, geometry, values: values.collect() };
        assert_eq!(Point::of(&feature), Some(point()));
        assert_eq!(Point::of(&Feature { geometry: None, ..feature }), None);
    }

    #[test]
    fn lines_of_one_place_are_in_the_order_of_their_ids() {
        let line = |id| Point { id, ..point() }.line();
        assert!(line(9) < line(10) && line(255) < line(256) && line(1 << 52) < line((1 << 52) + 1));
    }

    #[test]
    fn a_tile_holds_each_hazard_once_with_what_it_says() {
        let tile = Tile::of_place(point().place, 12).unwrap();
        let bytes = encode(tile, [point(), Point { id: 5, is_open: false, ..point() }]).unwrap();
        let reader = MvtReaderRef::new(&bytes).unwrap();
        let layer = reader.layers().next().unwrap();
        assert_eq!((layer.name(), layer.features().count()), (HAZARDS, 2));
        let feature = layer.features().next().unwrap();
        let (x, y) = tile.pixel(point().place);
        assert_eq!(feature.geometry().unwrap(), MvtGeometry::Point((x, y).into()));
        assert_eq!(feature.id(), Some(4_211));
        let said: Vec<String> = feature
            .properties()
            .map(|pair| pair.unwrap())
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect();
        for part in ["critical", "true", "corridor", "tree", "confirmed", "FB-2026-000042", "1790000000000"] {
            assert!(said.iter().any(|pair| pair.contains(part)), "{part} in {said:?}");
        }
        assert_eq!(encode(tile, []), None);
    }
}
