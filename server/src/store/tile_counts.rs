//! Counts of hazards in cells, kept from the changes of `map_hazards`. What is counted by what is in `tiles::counts`, what
//! stands in a page of them in `tiles::count_pages`.
//!
//! A sum follows by adding. An earliest deadline that went away is looked for among the hazards of its cell. Start at
//! [`Transaction::keep_tile_counts`].

use std::collections::BTreeMap;

use super::inserts::{chunks, insert_rows};
use super::{Changed, Shown, StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::DistrictKey;
use crate::tiles::count_pages::{Page, by_page, page_of};
use crate::tiles::counts::{CELL_ZOOM, Count, Counted, Deltas, Key, Kind, category};

/// The kind of a hazard (`tiles::counts::Kind`) as SQL says it, of columns behind a prefix.
macro_rules! kind {
    ($prefix:literal) => {
        concat!(
            "(",
            $prefix,
            "severity_rank * 16 + CASE ",
            $prefix,
            "category WHEN 'line_body' THEN 2 WHEN 'corridor' THEN 4 WHEN 'forest_fire' THEN 6 \
             WHEN 'fire_sighting' THEN 8 ELSE 0 END + ",
            $prefix,
            "open)"
        )
    };
}
pub(super) use kind;

const BUMP_VERSION: &str = "UPDATE districts SET map_version = map_version + 1 WHERE district = $1";
const SELECT_VERSION: &str = "SELECT epoch, map_version FROM districts WHERE district = $1";
const SELECT_PAGES: &str = "SELECT page, amount, counts FROM tile_counts WHERE district = $1 ORDER BY page";
const SELECT_SOME_PAGES: &str = "SELECT p.page, p.amount, p.counts FROM (";
const OF_NUMBERS: &str =
    ") AS numbers CROSS JOIN tile_counts p WHERE p.page = numbers.column1 AND p.district = ";
const DELETE_PAGE: &str = "DELETE FROM tile_counts WHERE district = $1 AND page = $2";
const DELETE_PAGES: &str = "DELETE FROM tile_counts WHERE district = $1";
const SELECT_PAGE_NUMBERS: &str = "SELECT page FROM tile_counts WHERE district = $1";
const SELECT_RECOUNTED: &str = concat!(
    "SELECT place >> CAST($2 AS INTEGER), ",
    kind!(""),
    ", count(*), min(CASE WHEN open = 1 THEN due END) FROM map_hazards \
     WHERE district = $1 AND place >= 0 GROUP BY 1, 2 ORDER BY 1, 2"
);
/// The earliest deadlines of cells and kinds of open hazards: cells are ranges of 2^36 places.
const SELECT_DUES: &str = concat!(
    "SELECT keys.column1, keys.column2, (SELECT min(m.due) FROM map_hazards m \
     WHERE m.place >= keys.column1 << 36 AND m.place < (keys.column1 + 1) << 36 AND ",
    kind!("m."),
    " = keys.column2 AND m.district = "
);
const OF_KEYS: &str = ") FROM (";

/// Cell, kind, how many, the earliest deadline.
pub(super) type CountTuple = (i64, i64, i64, Option<i64>);

/// Number, how many hazards, bytes.
pub(super) type PageTuple = (i64, i64, Vec<u8>);

pub(super) fn count(level: u8, (cell, kind, amount, due_ms): CountTuple) -> Count {
    Count { key: Key { level, cell, kind: Kind::numbered(kind) }, amount, due_ms }
}

/// Reads pages; none where one is damaged.
pub(super) fn pages(rows: Vec<PageTuple>) -> Option<BTreeMap<i64, Page>> {
    let read = rows.into_iter().map(|(number, amount, bytes)| {
        let page = Page::read(number, &bytes).filter(|page| page.amount() == amount)?;
        Some((number, page))
    });
    read.collect()
}

impl From<&[Changed]> for Deltas {
    fn from(changes: &[Changed]) -> Self {
        let counted = |shown: &Option<Shown>| shown.as_ref().map(counted);
        let changes: Vec<(Option<Counted>, Option<Counted>)> =
            changes.iter().map(|change| (counted(&change.old), counted(&change.new))).collect();
        Self::of(changes.iter().map(|(old, new)| (old.as_ref(), new.as_ref())))
    }
}

fn counted(shown: &Shown) -> Counted {
    Counted {
        place: shown.place,
        severity_rank: shown.severity_rank,
        category: category(shown.category.as_deref().unwrap_or_default()),
        is_open: shown.open,
        due_ms: shown.due,
    }
}

impl Transaction {
    /// Follows changes of `map_hazards`, which stand in it already, and makes every tile of the district another. The
    /// transaction holds the counter row.
    pub async fn keep_tile_counts(
        &mut self,
        district: DistrictKey,
        deltas: &Deltas,
    ) -> Result<(), StoreError> {
        execute!(self, BUMP_VERSION, district.0);
        let changes = by_page(deltas);
        let numbers: Vec<i64> = changes.keys().copied().collect();
        let Some(mut pages) = self.pages_of(district, &numbers).await? else {
            return self.mend_counts(district).await;
        };
        let mut sought: Vec<Key> = Vec::new();
        for (number, changes) in changes {
            let page = pages.entry(number).or_insert_with(|| Page::empty(number));
            for (key, delta) in changes {
                match page.change(key, delta) {
                    Some(true) => sought.push(*key),
                    Some(false) => {}
                    None => return self.mend_counts(district).await,
                }
            }
        }
        for found in self.dues_of(district, &sought).await? {
            if let Some(page) = pages.get_mut(&page_of(found.0.cell)) {
                page.set_due(&found.0, found.1);
            }
        }
        self.put_pages(district, pages.values()).await
    }

    async fn mend_counts(&mut self, district: DistrictKey) -> Result<(), StoreError> {
        tracing::error!(district = district.0, "counts of the map are not what they were: all are made anew");
        self.refill_counts(district).await
    }

    /// Makes the counts of a district from its hazards, whatever stood there.
    pub(super) async fn refill_counts(&mut self, district: DistrictKey) -> Result<(), StoreError> {
        execute!(self, DELETE_PAGES, district.0);
        let mut pages: BTreeMap<i64, Page> = BTreeMap::new();
        for Count { key, amount, due_ms } in self.recounted_tile_counts(district).await? {
            let number = page_of(key.cell);
            let page = pages.entry(number).or_insert_with(|| Page::empty(number));
            page.put(&key, u32::try_from(amount).unwrap_or(u32::MAX), due_ms);
        }
        self.put_pages(district, pages.values()).await
    }

    /// Pages by their numbers, as far as they are there; none where one is damaged.
    async fn pages_of(
        &mut self,
        district: DistrictKey,
        numbers: &[i64],
    ) -> Result<Option<BTreeMap<i64, Page>>, StoreError> {
        let mut rows: Vec<PageTuple> = Vec::with_capacity(numbers.len());
        for chunk in chunks(numbers) {
            rows.extend(each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_SOME_PAGES);
                query.push_values(chunk, |mut row, number| {
                    row.push_bind(*number);
                });
                query.push(OF_NUMBERS).push_bind(district.0);
                query.build_query_as::<PageTuple>().fetch_all(connection).await?
            }));
        }
        Ok(pages(rows))
    }

    /// Writes pages; those without hazards are taken away.
    async fn put_pages(
        &mut self,
        district: DistrictKey,
        pages: impl Iterator<Item = &Page>,
    ) -> Result<(), StoreError> {
        let mut written: Vec<PageTuple> = Vec::new();
        for page in pages {
            match page.written() {
                Some(bytes) => written.push((page.number(), page.amount(), bytes)),
                None => drop(execute!(self, DELETE_PAGE, district.0, page.number())),
            }
        }
        insert_rows!(
            self,
            &written,
            "tile_counts (district, page, amount, counts) ",
            " ON CONFLICT (district, page) DO UPDATE SET amount = excluded.amount, counts = excluded.counts",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.0)
                .push_bind(item.1)
                .push_bind(item.2.as_slice())
        );
        Ok(())
    }

    /// The earliest deadlines of the hazards that are counted under these keys.
    async fn dues_of(
        &mut self,
        district: DistrictKey,
        keys: &[Key],
    ) -> Result<Vec<(Key, Option<i64>)>, StoreError> {
        let mut dues = Vec::with_capacity(keys.len());
        for chunk in chunks(keys) {
            let rows: Vec<(i64, i64, Option<i64>)> = each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_DUES);
                query.push_bind(district.0).push(OF_KEYS);
                query.push_values(chunk, |mut row, key| {
                    row.push_bind(key.cell).push_bind(i64::from(key.kind.number()));
                });
                query.push(") AS keys").build_query_as().fetch_all(connection).await?
            });
            dues.extend(rows.into_iter().map(|(cell, kind, due_ms)| {
                (Key { level: CELL_ZOOM, cell, kind: Kind::numbered(kind) }, due_ms)
            }));
        }
        Ok(dues)
    }

    /// The epoch of the district, and how often in it the hazards of the map were changed.
    pub async fn map_version(&mut self, district: DistrictKey) -> Result<(Vec<u8>, i64), StoreError> {
        let row = fetch_optional!(self, (Vec<u8>, i64), SELECT_VERSION, district.0);
        row.ok_or(StoreError::Damaged("no such district"))
    }

    /// The numbers of the pages that hold a hazard, in no order: cells of `tiles::count_pages::PAGE_ZOOM`.
    pub async fn hazard_pages(&mut self, district: DistrictKey) -> Result<Vec<i64>, StoreError> {
        let rows = fetch_all!(self, (i64,), SELECT_PAGE_NUMBERS, district.0);
        Ok(rows.into_iter().map(|(page,)| page).collect())
    }

    /// The counts that are kept, in the order of their keys; none where a page is damaged.
    pub async fn kept_tile_counts(
        &mut self,
        district: DistrictKey,
    ) -> Result<Option<Vec<Count>>, StoreError> {
        let pages = pages(fetch_all!(self, PageTuple, SELECT_PAGES, district.0));
        Ok(pages.map(|pages| pages.values().flat_map(Page::counts).collect()))
    }

    /// What they come to by `map_hazards`, in the same order.
    pub async fn recounted_tile_counts(&mut self, district: DistrictKey) -> Result<Vec<Count>, StoreError> {
        let up = 62 - 2 * i64::from(CELL_ZOOM);
        let rows = fetch_all!(self, CountTuple, SELECT_RECOUNTED, district.0, up);
        Ok(rows.into_iter().map(|row| count(CELL_ZOOM, row)).collect())
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::field::CATEGORIES;

    #[test]
    fn the_categories_that_sql_counts_by_are_those_of_the_protocol() {
        let sql = kind!("");
        for (number, name) in (1..).zip(CATEGORIES) {
            assert!(sql.contains(&format!("WHEN '{name}' THEN {} ", 2 * number)), "{sql}");
        }
        assert_eq!(sql.matches("WHEN").count(), CATEGORIES.len());
    }
}
