//! Counts of hazards for small zooms: how many there are in a cell, by severity, category and whether they are open, and
//! the earliest deadline of those that are.
//!
//! Cells of two zooms are kept ([`LEVELS`]); a tile adds up those of the next deeper one. [`Deltas`] is what a change of
//! hazards does to them, [`encode`] the tile. Keeping them is `store::tile_counts`.

use std::collections::BTreeMap;

use fast_mvt::{MvtCoord, MvtGeomType, MvtLayerBuilder, MvtResult, MvtValueRef};
use sync_protocol::field::CATEGORIES;

use super::{COUNTED_ZOOM, HAZARD_COUNTS, Tile, severity};

/// The zooms whose cells are kept, deepest first: each but the first is made of the one before it.
pub const LEVELS: [u8; 2] = [DEEPEST, WIDEST];
/// The deepest of them.
pub const DEEPEST: u8 = 13;
/// The one whose cells are the widest.
pub const WIDEST: u8 = 11;
/// A tile shows cells of a zoom that is so much deeper, but of a small zoom none that is not kept: 32 by 32, or 16 by 16.
const CELLS_DEEPER: u8 = 5;
/// Features of a tile of counts, at most: where there are more, its cells are taken together by fours. They take 38
/// bytes each at most, so that no tile of counts has more than 100 KB.
pub const COUNTED_FEATURES: usize = 2_600;

/// What is counted of a hazard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The key of its place; -1: none is known, and no tile shows it.
    pub place: i64,
    /// The rank of its severity.
    pub severity_rank: i64,
    /// What it is counted by ([`category`]).
    pub category: &'static str,
    /// Whether it is open.
    pub is_open: bool,
    /// Its deadline, milliseconds since 1970.
    pub due_ms: Option<i64>,
}

/// What hazards are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The zoom of the cell.
    pub level: u8,
    /// The Morton number of the cell among those of its zoom.
    pub cell: i64,
    /// The rank of the severity.
    pub severity_rank: i64,
    /// One of the categories of the protocol, or empty.
    pub category: &'static str,
    /// Whether they are open.
    pub is_open: bool,
}

/// What a change does to the hazards of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// How many more there are.
    pub amount: i64,
    /// The earliest deadline that came.
    pub added_due_ms: Option<i64>,
    /// The earliest deadline that went: where it was the key's own, that must be looked for again.
    pub removed_due_ms: Option<i64>,
}

/// What changes of hazards do to the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deltas(pub BTreeMap<Key, Delta>);

impl Deltas {
    /// Of hazards that became others, came, or went: as they were, and as they are.
    pub fn of<'c>(changes: impl IntoIterator<Item = (Option<&'c Counted>, Option<&'c Counted>)>) -> Self {
        let mut deltas = Self::default();
        for (old, new) in changes {
            deltas.change(old, new);
        }
        deltas.0.retain(|_, delta| *delta != Delta::default());
        deltas
    }

    fn change(&mut self, old: Option<&Counted>, new: Option<&Counted>) {
        if old == new {
            return;
        }
        for (counted, sign) in [(old, -1), (new, 1)] {
            let Some(counted) = counted.filter(|counted| counted.place >= 0) else { continue };
            let due_ms = counted.due_ms.filter(|_| counted.is_open);
            for level in LEVELS {
                let delta = self.0.entry(counted.key(level)).or_default();
                delta.amount += sign;
                let earliest = if sign > 0 { &mut delta.added_due_ms } else { &mut delta.removed_due_ms };
                *earliest = earliest.iter().copied().chain(due_ms).min();
            }
        }
    }
}

impl Counted {
    /// What it is counted by in the cells of a zoom.
    pub fn key(&self, level: u8) -> Key {
        Key {
            level,
            cell: cell_of(self.place, level),
            severity_rank: self.severity_rank,
            category: self.category,
            is_open: self.is_open,
        }
    }
}

/// What a rank of severity is multiplied by in the number of a kind; twice the number of a category is less.
const OF_RANK: i64 = 16;

impl Key {
    /// What hazards of a cell are told apart by, as one number: 16 times the rank, twice the number of the category from 1
    /// on (0: none), and 1 where they are open.
    pub fn kind(&self) -> i64 {
        self.severity_rank * OF_RANK + 2 * category_number(self.category) + i64::from(self.is_open)
    }

    /// The key of a cell and a kind.
    pub fn of_kind(level: u8, cell: i64, kind: i64) -> Self {
        let category = usize::try_from(kind % OF_RANK / 2).ok().and_then(|number| number.checked_sub(1));
        Self {
            level,
            cell,
            severity_rank: kind / OF_RANK,
            category: category.and_then(|nth| CATEGORIES.get(nth)).copied().unwrap_or_default(),
            is_open: kind % 2 == 1,
        }
    }
}

/// The cell of a zoom that a place is in.
fn cell_of(place: i64, level: u8) -> i64 {
    place >> (62 - 2 * u32::from(level.min(31)))
}

/// The category that a hazard is counted by: one of the protocol's, or empty.
pub fn category(said: &str) -> &'static str {
    CATEGORIES.iter().find(|known| **known == said).copied().unwrap_or_default()
}

/// The number of a category of the protocol, from 1 on; 0 of any other.
pub fn category_number(name: &str) -> i64 {
    (1..).zip(CATEGORIES).find(|(_, known)| **known == name).map_or(0, |(number, _)| number)
}

/// The zoom of the cells that a tile of counts shows, and the kept one that they are added up from.
pub fn levels(tile: Tile) -> (u8, u8) {
    let deeper = tile.zoom() + CELLS_DEEPER;
    let shown = if tile.zoom() <= COUNTED_ZOOM { deeper.min(DEEPEST) } else { deeper };
    let kept = LEVELS.into_iter().filter(|level| *level >= shown).min();
    (shown, kept.unwrap_or(shown))
}

/// Hazards of one cell that are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// What they have in common.
    pub key: Key,
    /// How many they are.
    pub amount: i64,
    /// The earliest deadline of those that are open.
    pub due_ms: Option<i64>,
}

/// Adds counts up in the cells of a zoom that is not deeper than theirs.
fn added_up(counts: &[Count], level: u8) -> BTreeMap<Key, (i64, Option<i64>)> {
    let mut sums: BTreeMap<Key, (i64, Option<i64>)> = BTreeMap::new();
    for count in counts {
        let up = 2 * u32::from(count.key.level.saturating_sub(level));
        let key = Key { level, cell: count.key.cell >> up, ..count.key };
        let sum = sums.entry(key).or_default();
        sum.0 += count.amount;
        sum.1 = sum.1.into_iter().chain(count.due_ms).min();
    }
    sums
}

/// The tile of counts; none where there are none. All of them lie in the tile, in cells of one zoom.
///
/// # Errors
/// The encoder's, where a table of a layer overflows.
pub fn encode(tile: Tile, counts: &[Count]) -> MvtResult<Option<Vec<u8>>> {
    let Some(mut level) = counts.first().map(|count| count.key.level) else { return Ok(None) };
    let mut sums = added_up(counts, level);
    while sums.len() > COUNTED_FEATURES && level > tile.zoom() {
        level -= 1;
        sums = added_up(counts, level);
    }
    let mut layer = MvtLayerBuilder::new(HAZARD_COUNTS)?;
    for (key, (amount, due_ms)) in &sums {
        let (x, y) = tile.middle(level, key.cell);
        let mut feature = layer.feature_of(MvtGeomType::Point);
        feature.points([MvtCoord { x, y }])?;
        feature.tag_ref("severity", MvtValueRef::String(severity(key.severity_rank)))?;
        feature.tag_ref("open", MvtValueRef::Bool(key.is_open))?;
        if !key.category.is_empty() {
            feature.tag_ref("category", MvtValueRef::String(key.category))?;
        }
        feature.tag_ref("count", MvtValueRef::Int(*amount))?;
        if let Some(due_ms) = due_ms {
            feature.tag_ref("due", MvtValueRef::Int(*due_ms))?;
        }
        layer = feature.end();
    }
    Ok(Some(layer.encode()))
}

#[cfg(test)]
mod tests {
    use fast_mvt::MvtReaderRef;

    use super::*;
    use crate::geometry::place;

    fn counted(due_ms: Option<i64>, is_open: bool) -> Counted {
        let place = place(299_800_000, 1_030_000_000);
        Counted { place, severity_rank: 3, category: "corridor", is_open, due_ms }
    }

    #[test]
    fn a_hazard_that_stays_what_it_is_changes_nothing() {
        let (same, nowhere) = (counted(Some(5), true), Counted { place: -1, ..counted(None, true) });
        let deltas = Deltas::of([(Some(&same), Some(&same)), (None, Some(&nowhere))]);
        assert_eq!(deltas, Deltas::default());
        let bare = counted(None, true);
        assert_eq!(Deltas::of([(None, Some(&bare)), (Some(&bare), None)]), Deltas::default());
    }

    #[test]
    fn a_deadline_that_moves_leaves_the_amount_and_says_which_went() {
        let deltas = Deltas::of([(Some(&counted(Some(5), true)), Some(&counted(Some(9), true)))]);
        assert_eq!(deltas.0.len(), LEVELS.len());
        let expected = Delta { amount: 0, added_due_ms: Some(9), removed_due_ms: Some(5) };
        assert!(deltas.0.values().all(|delta| *delta == expected), "{deltas:?}");
    }

    #[test]
    fn closing_moves_a_hazard_and_takes_its_deadline_away() {
        let deltas = Deltas::of([(Some(&counted(Some(5), true)), Some(&counted(Some(5), false)))]);
        let of = |is_open: bool| deltas.0.iter().find(|(key, _)| key.is_open == is_open).unwrap().1;
        assert_eq!(*of(true), Delta { amount: -1, added_due_ms: None, removed_due_ms: Some(5) });
        assert_eq!(*of(false), Delta { amount: 1, ..Delta::default() });
    }

    #[test]
    fn a_category_that_the_protocol_does_not_have_is_counted_as_none() {
        let odd = Counted { category: category("odd"), ..counted(None, true) };
        assert_eq!(odd.key(8).category, "");
        assert_eq!(counted(None, true).key(8).category, "corridor");
    }

    #[test]
    fn each_zoom_of_counts_has_kept_cells_at_least_as_deep_as_it_shows() {
        assert_eq!(levels(Tile::new(14, 0, 0).unwrap()).0, 19);
        for zoom in 0..=COUNTED_ZOOM {
            let (shown, kept) = levels(Tile::new(zoom, 0, 0).unwrap());
            let is_kept = kept >= shown && LEVELS.contains(&kept);
            assert!(shown == (zoom + 5).min(13) && is_kept, "{zoom}: {shown} {kept}");
        }
    }

    #[test]
    fn a_kind_is_a_number_of_its_own_and_is_read_back() {
        let mut kinds = BTreeMap::new();
        for severity_rank in 0..4 {
            for category in CATEGORIES.iter().chain(&[""]) {
                for is_open in [false, true] {
                    let key = Key { level: 11, cell: 7, severity_rank, category, is_open };
                    assert_eq!(Key::of_kind(11, 7, key.kind()), key);
                    assert_eq!(kinds.insert(key.kind(), key), None);
                }
            }
        }
    }

    #[test]
    fn a_tile_of_counts_tells_what_they_have_in_common_and_the_earliest_deadline_of_a_cell() {
        let tile = Tile::of_place(counted(None, true).place, 5).unwrap();
        let key = counted(None, true).key(12);
        let count = |amount, due_ms| Count { key, amount, due_ms };
        let closed = Count { key: counted(None, false).key(12), amount: 4, due_ms: None };
        let bytes = encode(tile, &[count(2, Some(9)), count(3, Some(5)), closed]).unwrap().unwrap();
        let reader = MvtReaderRef::new(&bytes).unwrap();
        let layer = reader.layers().next().unwrap();
        let said = layer.features().map(|feature| {
            let tags = feature.properties().map(Result::unwrap);
            tags.map(|(key, value)| (key.to_owned(), format!("{value:?}"))).collect::<BTreeMap<_, _>>()
        });
        let told = |open: bool, count: i64, due_ms: Option<i64>| {
            let known = [
                ("severity", Some(MvtValueRef::String("critical"))),
                ("open", Some(MvtValueRef::Bool(open))),
                ("category", Some(MvtValueRef::String("corridor"))),
                ("count", Some(MvtValueRef::Int(count))),
                ("due", due_ms.map(MvtValueRef::Int)),
            ];
            let tags =
                known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), format!("{:?}", value?))));
            tags.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(said.collect::<Vec<_>>(), [told(false, 4, None), told(true, 5, Some(5))]);
    }

    #[test]
    fn a_tile_of_counts_never_has_more_than_its_bytes_and_loses_no_hazard() {
        let tile = Tile::new(5, 25, 13).unwrap();
        let (first, last) = tile.cells(10);
        let mut counts = Vec::new();
        for cell in first..=last {
            for severity_rank in 0..4 {
                for category in CATEGORIES.iter().chain(&[""]) {
                    for is_open in [false, true] {
                        let key = Key { level: 10, cell, severity_rank, category, is_open };
                        let due_ms = is_open.then_some(1_790_000_000_000 + cell);
                        counts.push(Count { key, amount: 24 + cell % 7, due_ms });
                    }
                }
            }
        }
        let bytes = encode(tile, &counts).unwrap().unwrap();
        assert!(bytes.len() <= 100_000, "{} bytes", bytes.len());
        let reader = MvtReaderRef::new(&bytes).unwrap();
        let layer = reader.layers().next().unwrap();
        assert!(layer.features().count() <= COUNTED_FEATURES);
        let sum: i64 = layer
            .features()
            .flat_map(|feature| feature.properties().map(Result::unwrap).collect::<Vec<_>>())
            .filter(|(key, _)| *key == "count")
            .map(|(_, value)| match value {
                MvtValueRef::Int(count) => count,
                other => panic!("{other:?}"),
            })
            .sum();
        assert_eq!(sum, counts.iter().map(|count| count.amount).sum::<i64>());
    }
}
