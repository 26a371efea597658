//! Counts of hazards in cells, kept from the changes of `map_hazards`. What is counted by what is in `tiles::counts`.
//!
//! A sum follows by adding. An earliest deadline that went away is looked for again: of the deepest cells among their
//! hazards, of the others among the cells below them. Start at [`Transaction::keep_tile_counts`].

use super::rows::chunks;
use super::{Changed, Shown, StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::DistrictKey;
use crate::tiles::counts::{Count, Counted, DEEPEST, Deltas, Key, LEVELS, category};

/// The kind of a hazard (`tiles::counts::Key::kind`) as SQL says it, of columns behind a prefix.
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

const BUMP_VERSION: &str = "INSERT INTO map_versions (district, version) VALUES ($1, 1) \
     ON CONFLICT (district) DO UPDATE SET version = map_versions.version + 1";
const SELECT_VERSION: &str = "SELECT epoch, (SELECT version FROM map_versions v WHERE v.district = districts.district) \
     FROM districts WHERE district = $1";
const DELETE_EMPTY: &str = "DELETE FROM tile_counts WHERE district = $1 AND amount = 0";
const SELECT_KEPT: &str =
    "SELECT cell, kind, amount, due FROM tile_counts WHERE district = $1 AND level = $2 ORDER BY cell, kind";
const SELECT_CELLS: &str = "SELECT DISTINCT cell FROM tile_counts WHERE district = $1 AND level = $2";
const SELECT_RECOUNTED: &str = concat!(
    "SELECT place >> CAST($2 AS INTEGER), ",
    kind!(""),
    ", count(*), min(CASE WHEN open = 1 THEN due END) FROM map_hazards \
     WHERE district = $1 AND place >= 0 GROUP BY 1, 2 ORDER BY 1, 2"
);

const INSERT_COUNTS: &str = "INSERT INTO tile_counts (district, level, cell, kind, amount, due) SELECT ";
const OF_VALUES: &str = ", column1, column2, column3, column4 FROM (";
const ADD_COUNTS: &str = ") AS counts WHERE TRUE ON CONFLICT (district, level, cell, kind) DO UPDATE SET \
     amount = tile_counts.amount + excluded.amount, due = CASE \
     WHEN tile_counts.due IS NULL OR excluded.due < tile_counts.due THEN excluded.due ELSE tile_counts.due END";
const SET_DUES: &str =
    ") AS counts WHERE TRUE ON CONFLICT (district, level, cell, kind) DO UPDATE SET due = excluded.due";

/// Deadlines of keys (cell, kind, deadline that went) whose own may be the one that went: the lowest of the hazards in
/// cells of zoom 13, which are ranges of 2^36 places.
const DUE_OF_HAZARDS: &str = concat!(
    "SELECT c.cell, c.kind, CAST(0 AS BIGINT), (SELECT min(m.due) FROM map_hazards m \
     WHERE m.district = c.district AND m.place >= c.cell << 36 AND m.place < (c.cell + 1) << 36 AND ",
    kind!("m."),
    " = c.kind) FROM ("
);
/// The same of cells of which each has four by four in the level below it.
const DUE_OF_CELLS: &str = "SELECT c.cell, c.kind, CAST(0 AS BIGINT), (SELECT min(t.due) FROM tile_counts t \
     WHERE t.district = c.district AND t.level = c.level + 2 AND t.cell >= c.cell << 4 \
     AND t.cell < (c.cell + 1) << 4 AND t.kind = c.kind) FROM (";
const OF_KEYS: &str = ") AS keys CROSS JOIN tile_counts c WHERE c.cell = keys.column1 \
     AND c.kind = keys.column2 AND c.due >= keys.column3 AND c.district = ";

/// Cell, kind, how many, the earliest deadline.
pub(super) type CountTuple = (i64, i64, i64, Option<i64>);

pub(super) fn count(level: u8, (cell, kind, amount, due_ms): CountTuple) -> Count {
    Count { key: Key::of_kind(level, cell, kind), amount, due_ms }
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
        for level in LEVELS {
            let of_level = deltas.0.iter().filter(|(key, _)| key.level == level);
            let rows: Vec<CountTuple> = of_level
                .map(|(key, delta)| (key.cell, key.kind(), delta.amount, delta.added_due_ms))
                .collect();
            self.put_counts(district, level, &rows, ADD_COUNTS).await?;
            self.find_dues(district, level, deltas).await?;
        }
        if deltas.0.values().any(|delta| delta.amount < 0) {
            execute!(self, DELETE_EMPTY, district.0);
        }
        Ok(())
    }

    /// Writes counts of one zoom; what stands behind them says what becomes of those that are there.
    async fn put_counts(
        &mut self,
        district: DistrictKey,
        level: u8,
        rows: &[CountTuple],
        behind: &'static str,
    ) -> Result<(), StoreError> {
        for chunk in chunks(rows) {
            each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(INSERT_COUNTS);
                query.push_bind(district.0).push(", ").push_bind(i64::from(level)).push(OF_VALUES);
                query.push_values(chunk, |mut row, (cell, kind, amount, due_ms)| {
                    row.push_bind(*cell).push_bind(*kind).push_bind(*amount).push_bind(*due_ms);
                });
                query.push(behind).build().execute(connection).await?;
            });
        }
        Ok(())
    }

    /// Looks for the earliest deadlines of cells of a zoom where one went that may have been the earliest.
    async fn find_dues(
        &mut self,
        district: DistrictKey,
        level: u8,
        deltas: &Deltas,
    ) -> Result<(), StoreError> {
        let of_level = deltas.0.iter().filter(|(key, _)| key.level == level);
        let went = of_level.filter_map(|(key, delta)| {
            let removed_ms = delta.removed_due_ms?;
            // One that came is earlier than whatever is left.
            let is_sought = delta.added_due_ms.is_none_or(|added_ms| added_ms > removed_ms);
            is_sought.then(|| (key.cell, key.kind(), removed_ms))
        });
        let went: Vec<(i64, i64, i64)> = went.collect();
        let select = if level == DEEPEST { DUE_OF_HAZARDS } else { DUE_OF_CELLS };
        for chunk in chunks(&went) {
            let found: Vec<CountTuple> = each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(select);
                query.push_values(chunk, |mut row, (cell, kind, removed_ms)| {
                    row.push_bind(*cell).push_bind(*kind).push_bind(*removed_ms);
                });
                query.push(OF_KEYS).push_bind(district.0);
                query.push(" AND c.level = ").push_bind(i64::from(level));
                query.build_query_as().fetch_all(connection).await?
            });
            self.put_counts(district, level, &found, SET_DUES).await?;
        }
        Ok(())
    }

    /// The epoch of the district, and how often in it the hazards of the map were changed.
    pub async fn map_version(&mut self, district: DistrictKey) -> Result<(Vec<u8>, i64), StoreError> {
        let row = fetch_optional!(self, (Vec<u8>, Option<i64>), SELECT_VERSION, district.0);
        let (epoch, version) = row.ok_or(StoreError::Damaged("no such district"))?;
        Ok((epoch, version.unwrap_or(0)))
    }

    /// The cells of a zoom that hold a hazard, in no order.
    pub async fn hazard_cells(&mut self, district: DistrictKey, level: u8) -> Result<Vec<i64>, StoreError> {
        let rows = fetch_all!(self, (i64,), SELECT_CELLS, district.0, i64::from(level));
        Ok(rows.into_iter().map(|(cell,)| cell).collect())
    }

    /// The counts that are kept of the cells of a zoom, in the order of their keys.
    pub async fn kept_tile_counts(
        &mut self,
        district: DistrictKey,
        level: u8,
    ) -> Result<Vec<Count>, StoreError> {
        let rows = fetch_all!(self, CountTuple, SELECT_KEPT, district.0, i64::from(level));
        Ok(rows.into_iter().map(|row| count(level, row)).collect())
    }

    /// What the counts of the cells of a zoom come to by `map_hazards`, in the same order.
    pub async fn recounted_tile_counts(
        &mut self,
        district: DistrictKey,
        level: u8,
    ) -> Result<Vec<Count>, StoreError> {
        let up = 62 - 2 * i64::from(level);
        let rows = fetch_all!(self, CountTuple, SELECT_RECOUNTED, district.0, up);
        Ok(rows.into_iter().map(|row| count(level, row)).collect())
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
