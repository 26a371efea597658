//! Counts of hazards for small zooms: how many there are in a cell, by severity, category and whether they are open, and
//! the earliest deadline of those that are.
//!
//! Cells of one zoom are kept ([`CELL_ZOOM`]), in pages ([`super::count_pages`]); a tile adds up those of its own
//! ([`added_up`]). [`Deltas`] is what a change of hazards does to them, [`encode`] the tile. Keeping them is
//! `store::tile_counts`.

use std::collections::BTreeMap;

use fast_mvt::{MvtCoord, MvtGeomType, MvtLayerBuilder, MvtResult, MvtValueRef};
use sync_protocol::field::CATEGORIES;

use super::{COUNTED_ZOOM, HAZARD_COUNTS, Tile, severity};

/// The zoom whose cells are kept.
pub const CELL_ZOOM: u8 = 13;
/// A tile shows cells of a zoom that is so much deeper, but of a small zoom none deeper than is kept: 32 by 32, or 16 by 16.
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

/// What hazards of a cell are told apart by, as one number: 16 times the rank of the severity, twice the number of the
/// category from 1 on (0: none), and 1 where they are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(u8);

/// Kinds are less.
pub const KINDS: usize = 64;
/// What a rank of severity is multiplied by; twice the number of a category is less.
const OF_RANK: i64 = 16;

impl Kind {
    /// The kind of hazards of a rank of severity and a category of the protocol, or none.
    pub fn of(severity_rank: i64, category: &str, is_open: bool) -> Self {
        Self::numbered(severity_rank * OF_RANK + 2 * category_number(category) + i64::from(is_open))
    }

    /// The kind of a number.
    pub fn numbered(number: i64) -> Self {
        Self(u8::try_from(number).ok().filter(|number| usize::from(*number) < KINDS).unwrap_or_default())
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The rank of the severity.
    pub fn severity_rank(self) -> i64 {
        i64::from(self.0) / OF_RANK
    }

    /// One of the categories of the protocol, or empty.
    pub fn category(self) -> &'static str {
        let number = usize::from(self.0) % 16 / 2;
        number.checked_sub(1).and_then(|nth| CATEGORIES.get(nth)).copied().unwrap_or_default()
    }

    /// Whether they are open.
    pub const fn is_open(self) -> bool {
        self.0 % 2 == 1
    }
}

/// What hazards are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The zoom of the cell.
    pub level: u8,
    /// The Morton number of the cell among those of its zoom.
    pub cell: i64,
    /// What else they have in common.
    pub kind: Kind,
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
            let delta = self.0.entry(counted.key()).or_default();
            delta.amount += sign;
            let earliest = if sign > 0 { &mut delta.added_due_ms } else { &mut delta.removed_due_ms };
            *earliest = earliest.iter().copied().chain(due_ms).min();
        }
    }
}

impl Counted {
    /// What it is counted by.
    pub fn key(&self) -> Key {
        Key { level: CELL_ZOOM, cell: cell_of(self.place, CELL_ZOOM), kind: self.kind() }
    }

    fn kind(&self) -> Kind {
        Kind::of(self.severity_rank, self.category, self.is_open)
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

/// The zoom of the cells that a tile of counts shows.
pub fn shown_zoom(tile: Tile) -> u8 {
    let deeper = tile.zoom() + CELLS_DEEPER;
    if tile.zoom() <= COUNTED_ZOOM { deeper.min(CELL_ZOOM) } else { deeper }
}

/// Hazards of one cell that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// What they have in common.
    pub key: Key,
    /// How many they are.
    pub amount: i64,
    /// The earliest deadline of those that are open.
    pub due_ms: Option<i64>,
}

/// Adds counts up in the cells of a zoom that is not deeper than theirs; what they come to is in the order of cells and
/// kinds, as they are.
pub fn added_up(counts: impl IntoIterator<Item = Count>, level: u8) -> Vec<Count> {
    let mut sums = Vec::new();
    let mut of_cell: [Option<Count>; KINDS] = [None; KINDS];
    let mut last = None;
    for count in counts {
        let cell = count.key.cell >> (2 * u32::from(count.key.level.saturating_sub(level)));
        if last.replace(cell).is_some_and(|last| last != cell) {
            sums.extend(of_cell.iter_mut().filter_map(Option::take));
        }
        let Some(sum) = of_cell.get_mut(usize::from(count.key.kind.number())) else { continue };
        let due_ms = sum.and_then(|sum| sum.due_ms).into_iter().chain(count.due_ms).min();
        let amount = sum.map_or(0, |sum| sum.amount) + count.amount;
        *sum = Some(Count { key: Key { level, cell, ..count.key }, amount, due_ms });
    }
    sums.extend(of_cell.into_iter().flatten());
    sums
}

/// The tile of counts; none where there are none. All of them lie in the tile, in cells of one zoom, in their order.
///
/// # Errors
/// The encoder's, where a table of a layer overflows.
pub fn encode(tile: Tile, counts: &[Count]) -> MvtResult<Option<Vec<u8>>> {
    let Some(mut level) = counts.first().map(|count| count.key.level) else { return Ok(None) };
    let mut sums = added_up(counts.iter().copied(), level);
    while sums.len() > COUNTED_FEATURES && level > tile.zoom() {
        level -= 1;
        sums = added_up(counts.iter().copied(), level);
    }
    let mut layer = MvtLayerBuilder::new(HAZARD_COUNTS)?;
    for Count { key, amount, due_ms } in sums {
        let (x, y) = tile.middle(level, key.cell);
        let (kind, mut feature) = (key.kind, layer.feature_of(MvtGeomType::Point));
        feature.points([MvtCoord { x, y }])?;
        feature.tag_ref("severity", MvtValueRef::String(severity(kind.severity_rank())))?;
        feature.tag_ref("open", MvtValueRef::Bool(kind.is_open()))?;
        if !kind.category().is_empty() {
            feature.tag_ref("category", MvtValueRef::String(kind.category()))?;
        }
        feature.tag_ref("count", MvtValueRef::Int(amount))?;
        if let Some(due_ms) = due_ms {
            feature.tag_ref("due", MvtValueRef::Int(due_ms))?;
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
        assert_eq!(deltas.0.len(), 1);
        let expected = Delta { amount: 0, added_due_ms: Some(9), removed_due_ms: Some(5) };
        assert!(deltas.0.values().all(|delta| *delta == expected), "{deltas:?}");
    }

    #[test]
    fn closing_moves_a_hazard_and_takes_its_deadline_away() {
        let deltas = Deltas::of([(Some(&counted(Some(5), true)), Some(&counted(Some(5), false)))]);
        let of = |is_open: bool| deltas.0.iter().find(|(key, _)| key.kind.is_open() == is_open).unwrap().1;
        assert_eq!(*of(true), Delta { amount: -1, added_due_ms: None, removed_due_ms: Some(5) });
        assert_eq!(*of(false), Delta { amount: 1, ..Delta::default() });
    }

    #[test]
    fn a_category_that_the_protocol_does_not_have_is_counted_as_none() {
        let odd = Counted { category: category("odd"), ..counted(None, true) };
        assert_eq!(odd.key().kind.category(), "");
        assert_eq!(counted(None, true).key().kind.category(), "corridor");
    }

    #[test]
    fn no_small_zoom_shows_cells_that_are_deeper_than_those_that_are_kept() {
        assert_eq!(shown_zoom(Tile::new(14, 0, 0).unwrap()), 19);
        for zoom in 0..=COUNTED_ZOOM {
            assert_eq!(shown_zoom(Tile::new(zoom, 0, 0).unwrap()), (zoom + 5).min(CELL_ZOOM), "{zoom}");
        }
    }

    #[test]
    fn a_kind_is_a_number_of_its_own_and_is_read_back() {
        let mut kinds = BTreeMap::new();
        for severity_rank in 0..4 {
            for category in CATEGORIES.iter().chain(&[""]) {
                for is_open in [false, true] {
                    let kind = Kind::of(severity_rank, category, is_open);
                    let said = (kind.severity_rank(), kind.category(), kind.is_open());
                    assert_eq!(said, (severity_rank, *category, is_open));
                    assert_eq!(Kind::numbered(kind.number().into()), kind);
                    assert_eq!(kinds.insert(kind, said), None);
                }
            }
        }
    }

    #[test]
    fn counts_are_added_up_in_the_order_of_cells_and_kinds() {
        let count = |cell, is_open, amount, due_ms| {
            let key = Key { level: 13, cell, kind: Kind::of(3, "corridor", is_open) };
            Count { key, amount, due_ms }
        };
        let counts = [
            count(16, false, 1, None),
            count(16, true, 2, Some(9)),
            count(17, true, 3, Some(5)),
            count(32, true, 4, None),
        ];
        let up = |cell, is_open, amount, due_ms| {
            let count = count(cell, is_open, amount, due_ms);
            Count { key: Key { level: 11, ..count.key }, ..count }
        };
        assert_eq!(
            added_up(counts, 11),
            [up(1, false, 1, None), up(1, true, 5, Some(5)), up(2, true, 4, None)]
        );
        assert_eq!(added_up(counts, 13), counts);
        assert_eq!(added_up([], 5), []);
    }

    #[test]
    fn a_tile_of_counts_tells_what_they_have_in_common_and_the_earliest_deadline_of_a_cell() {
        let tile = Tile::of_place(counted(None, true).place, 5).unwrap();
        let key =
            Key { level: 12, cell: cell_of(counted(None, true).place, 12), ..counted(None, true).key() };
        let count = |amount, due_ms| Count { key, amount, due_ms };
        let closed = Count { key: Key { kind: counted(None, false).kind(), ..key }, amount: 4, due_ms: None };
        let bytes = encode(tile, &[count(2, Some(9)), closed, count(3, Some(5))]).unwrap().unwrap();
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
                        let key = Key { level: 10, cell, kind: Kind::of(severity_rank, category, is_open) };
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
