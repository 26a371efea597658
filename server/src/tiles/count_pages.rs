//! Pages of counts: those of sixteen cells that lie together, in one value.
//!
//! Hazards that come to a district from everywhere change a count in nearly each of its cells. As a row for each cell and
//! kind they took more time than their hazards; as pages they are read, changed and written whole. Keeping them is
//! `store::tile_counts`. Start at [`Page`].
//!
//! Bytes, whole numbers big-endian, for each cell and kind in order: 64 times the number of the cell in its page, and the
//! kind (2); how many hazards (4); where they are open the earliest deadline (8).

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _};

use super::counts::{CELL_ZOOM, Count, Delta, Deltas, KINDS, Key, Kind};

/// The zoom whose cells are pages.
pub const PAGE_ZOOM: u8 = 11;
/// A page has two to the power of so many cells: two bits for each zoom between the two.
const CELL_BITS: u32 = 4;
/// Kinds are less than two to the power of so many.
const KIND_BITS: u32 = KINDS.trailing_zeros();
/// The deadline where none of the open ones has any.
const NO_DUE: i64 = i64::MAX;

/// What is kept of a cell and a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    /// The cell in its page, and the kind.
    key: u16,
    amount: u32,
    due_ms: Option<i64>,
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its Morton number among the cells of [`PAGE_ZOOM`].
    number: i64,
    kept: Vec<Kept>,
}

/// The page that a cell of [`CELL_ZOOM`] is in.
pub const fn page_of(cell: i64) -> i64 {
    cell >> CELL_BITS
}

/// The changes of each page.
pub fn by_page(deltas: &Deltas) -> BTreeMap<i64, Vec<(&Key, &Delta)>> {
    let mut pages: BTreeMap<i64, Vec<(&Key, &Delta)>> = BTreeMap::new();
    for (key, delta) in &deltas.0 {
        pages.entry(page_of(key.cell)).or_default().push((key, delta));
    }
    pages
}

impl Page {
    /// A page without hazards.
    pub const fn empty(number: i64) -> Self {
        Self { number, kept: Vec::new() }
    }

    /// Reads a page; none where it is damaged.
    pub fn read(number: i64, mut bytes: &[u8]) -> Option<Self> {
        let mut kept: Vec<Kept> = Vec::with_capacity(bytes.len() / (size_of::<u16>() + size_of::<u32>()));
        while !bytes.is_empty() {
            let (key, amount) = (bytes.try_get_u16().ok()?, bytes.try_get_u32().ok()?);
            let due_ms = if is_open(key) { Some(bytes.try_get_i64().ok()?) } else { None };
            let is_next = kept.last().is_none_or(|last| last.key < key);
            if !is_next || amount == 0 || u32::from(key) >> (CELL_BITS + KIND_BITS) > 0 {
                return None;
            }
            kept.push(Kept { key, amount, due_ms: due_ms.filter(|due_ms| *due_ms != NO_DUE) });
        }
        Some(Self { number, kept })
    }

    /// Its bytes; none where it has no hazards.
    pub fn written(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for kept in &self.kept {
            bytes.put_u16(kept.key);
            bytes.put_u32(kept.amount);
            if is_open(kept.key) {
                bytes.put_i64(kept.due_ms.unwrap_or(NO_DUE));
            }
        }
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Its number.
    pub const fn number(&self) -> i64 {
        self.number
    }

    /// How many hazards it has.
    pub fn amount(&self) -> i64 {
        self.kept.iter().map(|kept| i64::from(kept.amount)).sum()
    }

    /// What it counts, in the order of cells and kinds.
    pub fn counts(&self) -> impl Iterator<Item = Count> {
        let first = self.number << CELL_BITS;
        self.kept.iter().map(move |kept| Count {
            key: Key {
                level: CELL_ZOOM,
                cell: first + i64::from(kept.key >> KIND_BITS),
                kind: kind_of(kept.key),
            },
            amount: i64::from(kept.amount),
            due_ms: kept.due_ms,
        })
    }

    /// Puts in what is counted of a cell and a kind, whatever stood there.
    pub fn put(&mut self, key: &Key, amount: u32, due_ms: Option<i64>) {
        let kept = Kept { key: key_of(key), amount, due_ms };
        match self.at(kept.key) {
            Ok(at) => drop(self.kept.splice(at..=at, [kept])),
            Err(at) => self.kept.insert(at, kept),
        }
    }

    /// Follows a change: whether the earliest deadline is to be looked for, since the one that went may have been it. None
    /// where fewer hazards would be left than none, or more than can be counted: the page is not what its hazards were.
    pub fn change(&mut self, key: &Key, delta: &Delta) -> Option<bool> {
        let own = key_of(key);
        let found = self.at(own);
        let old = found.ok().and_then(|at| self.kept.get(at)).copied();
        let amount = old.map_or(0, |old| i64::from(old.amount)).checked_add(delta.amount)?;
        let amount = u32::try_from(amount).ok()?;
        if amount == 0 {
            found.map(|at| self.kept.remove(at)).ok();
            return Some(false);
        }
        let due_ms = old.and_then(|old| old.due_ms).into_iter().chain(delta.added_due_ms).min();
        self.put(key, amount, due_ms);
        // Where one came that is no later, it is the earliest.
        Some(delta.removed_due_ms.is_some_and(|removed_ms| {
            due_ms.is_none_or(|due_ms| due_ms >= removed_ms)
                && delta.added_due_ms.is_none_or(|added_ms| added_ms > removed_ms)
        }))
    }

    /// Sets the earliest deadline of a cell and a kind that are there.
    pub fn set_due(&mut self, key: &Key, due_ms: Option<i64>) {
        let at = self.at(key_of(key)).ok();
        if let Some(kept) = at.and_then(|at| self.kept.get_mut(at)) {
            kept.due_ms = due_ms;
        }
    }

    fn at(&self, key: u16) -> Result<usize, usize> {
        self.kept.binary_search_by_key(&key, |kept| kept.key)
    }
}

/// The number of a cell in its page, and its kind.
fn key_of(key: &Key) -> u16 {
    let cell = u16::try_from(key.cell & ((1 << CELL_BITS) - 1)).unwrap_or_default();
    (cell << KIND_BITS) | u16::from(key.kind.number())
}

fn kind_of(key: u16) -> Kind {
    Kind::numbered(i64::from(key & ((1 << KIND_BITS) - 1)))
}

const fn is_open(key: u16) -> bool {
    key % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: i64 = 77;

    fn key(cell: i64, is_open: bool) -> Key {
        Key { level: CELL_ZOOM, cell: (NUMBER << CELL_BITS) + cell, kind: Kind::of(3, "corridor", is_open) }
    }

    fn delta(amount: i64, added_due_ms: Option<i64>, removed_due_ms: Option<i64>) -> Delta {
        Delta { amount, added_due_ms, removed_due_ms }
    }

    fn counts(page: &Page) -> Vec<(Key, i64, Option<i64>)> {
        page.counts().map(|count| (count.key, count.amount, count.due_ms)).collect()
    }

    #[test]
    fn a_page_follows_what_comes_and_goes_in_the_order_of_its_cells() {
        let mut page = Page::empty(NUMBER);
        assert_eq!((page.written(), page.amount()), (None, 0));
        assert_eq!(page.change(&key(15, true), &delta(2, Some(9), None)), Some(false));
        assert_eq!(page.change(&key(0, false), &delta(7, None, None)), Some(false));
        assert_eq!(page.change(&key(15, true), &delta(1, None, None)), Some(false));
        assert_eq!(counts(&page), [(key(0, false), 7, None), (key(15, true), 3, Some(9))]);
        assert_eq!(page.amount(), 10);
        assert_eq!(Page::read(NUMBER, &page.written().unwrap()), Some(page.clone()));
        assert_eq!(page.change(&key(0, false), &delta(-7, None, None)), Some(false));
        assert_eq!(page.change(&key(15, true), &delta(-3, None, Some(9))), Some(false));
        assert_eq!(page, Page::empty(NUMBER));
    }

    #[test]
    fn an_earliest_deadline_is_looked_for_where_it_went_and_none_came_before_it() {
        for (changed, is_sought, left) in [
            (delta(-1, None, Some(5)), true, Some(5)),
            (delta(-1, None, Some(6)), false, Some(5)),
            (delta(0, Some(9), Some(5)), true, Some(5)),
            (delta(0, Some(5), Some(5)), false, Some(5)),
            (delta(0, Some(4), Some(5)), false, Some(4)),
            (delta(1, Some(7), None), false, Some(5)),
        ] {
            let mut page = Page::empty(NUMBER);
            page.put(&key(3, true), 4, Some(5));
            assert_eq!(page.change(&key(3, true), &changed), Some(is_sought), "{changed:?}");
            assert_eq!(counts(&page)[0].2, left, "{changed:?}");
            page.set_due(&key(3, true), None);
            page.set_due(&key(4, true), Some(1));
            assert_eq!(counts(&page), [(key(3, true), 4 + changed.amount, None)]);
            assert_eq!(Page::read(NUMBER, &page.written().unwrap()), Some(page));
        }
    }

    #[test]
    fn a_page_that_is_not_what_its_hazards_were_says_so() {
        let mut page = Page::empty(NUMBER);
        assert_eq!(page.change(&key(1, true), &delta(-1, None, None)), None);
        page.put(&key(1, true), u32::MAX, None);
        assert_eq!(page.change(&key(1, true), &delta(1, None, None)), None);
        assert_eq!(page.change(&key(1, true), &delta(i64::MAX, None, None)), None);
    }

    #[test]
    fn a_page_that_is_damaged_is_none() {
        let mut page = Page::empty(NUMBER);
        page.put(&key(1, false), 3, None);
        page.put(&key(2, true), 4, Some(5));
        let whole = page.written().unwrap();
        // A count of closed hazards has six bytes, and a page of one count is whole.
        let cut = (1..whole.len()).filter(|length| Page::read(NUMBER, &whole[..*length]).is_some());
        assert_eq!(cut.collect::<Vec<_>>(), [6]);
        let twice = [whole.as_slice(), whole.as_slice()].concat();
        let [mut none, mut beyond] = [whole.clone(), whole];
        none[5] = 0;
        beyond[0] = 4;
        for bytes in [twice, none, beyond] {
            assert_eq!(Page::read(NUMBER, &bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn changes_are_told_apart_by_page() {
        assert_eq!(CELL_BITS, 2 * u32::from(CELL_ZOOM - PAGE_ZOOM));
        let other = Key { cell: key(15, true).cell + 1, ..key(15, true) };
        let changes = [key(0, true), key(15, true), other].map(|key| (key, delta(1, None, None)));
        let deltas = Deltas(changes.into());
        let pages: Vec<(i64, usize)> =
            by_page(&deltas).into_iter().map(|(page, changes)| (page, changes.len())).collect();
        assert_eq!(pages, [(NUMBER, 2), (NUMBER + 1, 1)]);
    }
}
