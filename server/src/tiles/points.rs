//! Hazards as points: what of each stands in a strip of the map, and the tile that is made of strips.
//!
//! Start at [`Point`].

use std::collections::HashMap;

use foldhash::fast::RandomState;
use geo::Geometry;

use super::counts::{Counted, Key, category};
use super::features::e7;
use super::point_layer::{Alike, PointLayer, Tag};
use super::strips::{self, Entry, Spot, Strip};
use super::{HAZARDS, SEVERITIES, Tile, severity};
use crate::geometry::place;
use crate::layers::{Feature, Layer, Value};

/// Between the fields of what is said alike.
const FIELD: char = '\u{1f}';
/// Characters of a text that a tile shows: longer ones are cut, here and nowhere else.
pub const TEXT_CHARACTERS: usize = 60;

/// The texts of a hazard as tiles show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    alike: String,
    number: String,
}

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

impl Point<'_> {
    /// Its texts as tiles show them.
    pub fn texts(&self) -> Texts {
        Texts { alike: self.alike(), number: plain(self.number).collect() }
    }

    /// It in a strip, with its texts; none where its place is not known.
    pub fn entry<'x>(&self, texts: &'x Texts) -> Option<Entry<'x>> {
        let spot = self.spot()?;
        Some(Entry { spot, due_ms: self.due_ms, alike: &texts.alike, number: &texts.number })
    }

    /// What many hazards say alike: severity, whether they are open, category, kind and state.
    fn alike(&self) -> String {
        let mut alike = format!("{}{FIELD}{}", self.severity_rank, u8::from(self.is_open));
        for text in [self.category, self.kind, self.state] {
            alike.push(FIELD);
            alike.extend(plain(text));
        }
        alike
    }

    /// Where it stands in the strips; nowhere where its place is not known.
    fn spot(&self) -> Option<Spot> {
        (self.place >= 0).then(|| Spot { place: self.place, id: self.id.max(0) })
    }
}

/// A text as tiles show it: cut, and on one line.
fn plain(text: &str) -> impl Iterator<Item = char> {
    text.chars().take(TEXT_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c })
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

    /// What it is counted by.
    pub fn key(&self) -> Key {
        let counted = Counted {
            place: self.place,
            severity_rank: self.severity_rank,
            category: category(self.category),
            is_open: self.is_open,
            due_ms: self.due_ms,
        };
        counted.key()
    }
}

/// The keys of a tile of hazards, each at its place.
const KEYS: [&str; 7] = ["severity", "open", "category", "kind", "state", "number", "due"];

impl<'t> Said<'t> {
    /// What the text of [`Point::alike`] says; none where it is none of ours.
    fn read(alike: &'t str) -> Option<Self> {
        let mut fields = alike.split(FIELD);
        let mut next = || fields.next();
        let (severity_rank, is_open) = (next()?.parse().ok()?, next()? == "1");
        Some(Self { severity_rank, is_open, category: next()?, kind: next()?, state: next()? })
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

/// The tile of hazards; none where there are none. Those that do not lie in it are left out.
pub fn encode<'t>(tile: Tile, points: impl IntoIterator<Item = Point<'t>>) -> Option<Vec<u8>> {
    let points: Vec<Point<'_>> = points.into_iter().collect();
    let texts: Vec<Texts> = points.iter().map(Point::texts).collect();
    let entries = points.iter().zip(&texts).filter_map(|(point, texts)| point.entry(texts));
    let strips = Strip::default().changed(&strips::come(entries));
    let strips: Vec<Vec<u8>> = strips.into_iter().map(|(_, strip)| strip).collect();
    encode_strips(tile, &strips, |_, _, _| true)?.bytes
}

/// A tile of strips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfStrips {
    /// Its bytes; none where there are no hazards.
    pub bytes: Option<Vec<u8>>,
    /// How many there are in it.
    pub amount: usize,
}

/// The tile of the hazards of strips, one or several in each value, as far as they lie in it and are shown: by the rank of
/// their severity, their category, and whether they are open. None where a strip is damaged.
pub fn encode_strips(
    tile: Tile,
    strips: &[Vec<u8>],
    shows: impl Fn(i64, &str, bool) -> bool,
) -> Option<OfStrips> {
    // A hazard takes half as many bytes in a feature as in its strip, or a bit more.
    let mut layer = PointLayer::with_room(strips.iter().map(Vec::len).sum::<usize>() * 2 / 3);
    // Strips say the same few things: each is read once.
    let mut known: HashMap<&str, Option<Alike>, RandomState> = HashMap::default();
    let (first, last) = tile.places();
    let mut amount = 0;
    for strip in Strip::all(strips) {
        let strip = strip?;
        let mut alikes: Vec<Option<Option<Alike>>> = vec![None; strip.texts.len()];
        for (nth, Entry { spot, due_ms, alike: text, number }) in strip.hazards {
            if spot.place < first || spot.place > last {
                continue;
            }
            let alike = alikes.get_mut(nth)?;
            if alike.is_none() {
                if !known.contains_key(text) {
                    let said = Said::read(text)?;
                    let is_shown = shows(said.severity_rank, said.category, said.is_open);
                    known.insert(text, is_shown.then(|| layer.alike(said.tags())));
                }
                *alike = known.get(text).cloned();
            }
            let Some(Some(alike)) = alike else { continue };
            amount += 1;
            layer.feature(u64::try_from(spot.id).ok(), tile.pixel(spot.place), alike, own(number, due_ms));
        }
    }
    Some(OfStrips { bytes: layer.tile(HAZARDS, &KEYS), amount })
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

    fn strips_of(points: &[Point<'_>]) -> Vec<Vec<u8>> {
        let texts: Vec<Texts> = points.iter().map(Point::texts).collect();
        let entries = points.iter().zip(&texts).filter_map(|(point, texts)| point.entry(texts));
        Strip::default().changed(&strips::come(entries)).into_iter().map(|(_, strip)| strip).collect()
    }

    #[test]
    fn strips_make_the_tile_of_the_hazards_that_they_were_made_of() {
        let bare = Point { due_ms: None, category: "", kind: "", number: "", is_open: false, ..point() };
        let again = Point { id: 4_212, due_ms: None, number: "FB-2026-000043", ..point() };
        let bare = Point { id: 4_213, ..bare };
        let beside = Point { place: Tile::of_place(point().place, 12).unwrap().places().1 + 1, ..point() };
        let tile = Tile::of_place(point().place, 12).unwrap();
        let made = encode_strips(
            tile,
            &strips_of(&[point(), bare.clone(), again.clone(), beside.clone()]),
            |_, _, _| true,
        );
        let expected = encode(tile, [point(), again, bare.clone()]);
        assert_eq!(made, Some(OfStrips { bytes: expected, amount: 3 }));
        let closed = encode_strips(tile, &strips_of(&[point(), bare.clone()]), |_, _, is_open| !is_open);
        assert_eq!(closed, Some(OfStrips { bytes: encode(tile, [bare]), amount: 1 }));
        let none = Some(OfStrips { bytes: None, amount: 0 });
        assert_eq!(encode_strips(tile, &strips_of(&[beside]), |_, _, _| true), none);
        assert_eq!(encode_strips(tile, &[], |_, _, _| true), none);
        assert_eq!(encode_strips(tile, &[b"no strip".to_vec()], |_, _, _| true), None);
    }

    #[test]
    fn text_that_would_break_what_is_said_alike_is_made_plain_and_long_text_is_cut() {
        let long = "树".repeat(TEXT_CHARACTERS + 1);
        let point = Point { kind: "a\u{1f}b\u{1e}\nc", number: &long, ..point() };
        let alike = point.alike();
        assert_eq!(Said::read(&alike).unwrap().kind, "a b  c");
        assert_eq!(point.texts().number, &long["树".len()..]);
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
    fn a_tile_holds_each_hazard_once_with_what_it_says() {
        let tile = Tile::of_place(point().place, 12).unwrap();
        let bytes = encode(tile, [point(), Point { id: 4_212, is_open: false, ..point() }]).unwrap();
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
