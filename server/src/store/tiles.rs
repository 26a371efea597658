//! What a tile of hazards is made of: the lines of its hazards as one text, or their counts.
//!
//! A line (`tiles::points`) was made when its hazard was derived, and an index holds them by place: a tile without a filter
//! is one range of that index, and one row of an answer. Start at [`TileFilter`].

use uuid::Uuid;

use super::tile_counts::{CountTuple, count, kind};
use super::{StoreError, Transaction, each_backend, fetch_all};
use crate::domain::DistrictKey;
use crate::tiles::Tile;
use crate::tiles::counts::{Count, DEEPEST, Key, WIDEST, category_number, levels};
use crate::tiles::points::LINE;

/// Which hazards a tile shows. Each part narrows; none of them: every hazard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TileFilter {
    /// Those that one of these units answers for.
    pub units: Option<Vec<Uuid>>,
    /// Of one of these ranks of severity.
    pub severity_ranks: Option<Vec<i64>>,
    /// Of one of these categories; the empty one: of none that the protocol has.
    pub categories: Option<Vec<String>>,
    /// Open or not.
    pub is_open: Option<bool>,
}

/// What a tile of hazards is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileLines {
    /// What [`Transaction::map_version`] says, of the same moment.
    pub version: (Vec<u8>, i64),
    /// How many they are.
    pub amount: i64,
    /// One behind the other.
    pub text: String,
}

const SELECT_LINES: &str = "SELECT (SELECT d.epoch FROM districts d WHERE d.district = lines.district), \
     (SELECT v.version FROM map_versions v WHERE v.district = lines.district), amount, text \
     FROM (SELECT CAST(";
const OF_LINES: &str = " AS BIGINT) AS district, count(*) AS amount, string_agg(tile, ";
const OF_PLACES: &str = ") AS text FROM (SELECT tile FROM map_hazards WHERE district = ";
/// All of them, where the counts that are kept say that they are not too many: SQLite then takes a row from the index to
/// the text in a third less time, since it need neither count nor order them on the way. The index has their order.
const SELECT_ALL_LINES: &str = "SELECT (SELECT d.epoch FROM districts d WHERE d.district = $1), \
     (SELECT v.version FROM map_versions v WHERE v.district = $1), \
     (SELECT coalesce(sum(amount), 0) FROM tile_counts WHERE district = $1 AND level = $4 AND cell >= $5 AND cell <= $6), \
     count(*), string_agg(tile, $8) \
     FROM map_hazards INDEXED BY map_hazards_tile WHERE district = $1 AND place >= $2 AND place <= $3 AND \
     (SELECT coalesce(sum(amount), 0) FROM tile_counts WHERE district = $1 AND level = $4 AND cell >= $5 AND cell <= $6) <= $7";
/// Bits of the key of a place.
const PLACE_BITS: u8 = 62;
/// The counts that are kept of these cells say how many hazards a tile has at most.
const fn counted_level(tile: Tile) -> u8 {
    if tile.zoom() > WIDEST { DEEPEST } else { WIDEST }
}

const SELECT_GROUPS: &str = "SELECT place >> CAST(";
const OF_GROUPS: &str = concat!(
    " AS INTEGER), ",
    kind!(""),
    ", count(*), min(CASE WHEN open = 1 THEN due END) FROM map_hazards WHERE district = "
);
const SELECT_COUNTS: &str = "SELECT cell >> CAST($5 AS INTEGER), kind, CAST(sum(amount) AS BIGINT), min(due) \
     FROM tile_counts WHERE district = $1 AND level = $2 AND cell >= $3 AND cell <= $4 \
     GROUP BY 1, 2 ORDER BY 1, 2";

/// Appends what a filter asks of `map_hazards`.
macro_rules! push_filter {
    ($query:expr, $filter:expr) => {{
        let filter: &TileFilter = $filter;
        if let Some(units) = &filter.units {
            // A list may be empty: then nothing is seen.
            $query.push(" AND unit_id IS NOT NULL");
            <Db as super::rows::Keys>::push_ids($query.push(" AND unit_id"), units.iter().copied());
        }
        if let Some(ranks) = &filter.severity_ranks {
            $query.push(" AND severity_rank IN (-1");
            for rank in ranks {
                $query.push(", ").push_bind(*rank);
            }
            $query.push(")");
        }
        if let Some(categories) = &filter.categories {
            $query.push(concat!(" AND ", kind!(""), " % 16 / 2 IN (-1"));
            for name in categories {
                $query.push(", ").push_bind(category_number(name));
            }
            $query.push(")");
        }
        if let Some(is_open) = filter.is_open {
            $query.push(" AND open = ").push_bind(i64::from(is_open));
        }
    }};
}

impl Transaction {
    /// The lines of the hazards in a tile, by place and id, [`LINE`] between them, at most so many.
    pub async fn tile_lines(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        filter: &TileFilter,
        limit: u32,
    ) -> Result<TileLines, StoreError> {
        type Row = (Option<Vec<u8>>, Option<i64>, i64, Option<String>);
        let (first, last) = tile.places();
        if *filter == TileFilter::default()
            && let Some(lines) = self.all_tile_lines(district, tile, limit).await?
        {
            return Ok(lines);
        }
        let (epoch, version, amount, text): Row = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_LINES);
            query.push_bind(district.0).push(OF_LINES).push_bind(LINE.to_string()).push(OF_PLACES).push_bind(district.0);
            query.push(" AND place >= ").push_bind(first).push(" AND place <= ").push_bind(last);
            push_filter!(query, filter);
            query.push(" ORDER BY place, tile LIMIT 0 + ").push_bind(i64::from(limit)).push(") AS shown) AS lines");
            query.build_query_as().fetch_one(connection).await?
        });
        let epoch = epoch.ok_or(StoreError::Damaged("no such district"))?;
        Ok(TileLines { version: (epoch, version.unwrap_or(0)), amount, text: text.unwrap_or_default() })
    }

    /// The same without a filter, of SQLite alone; none where there may be more.
    async fn all_tile_lines(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        limit: u32,
    ) -> Result<Option<TileLines>, StoreError> {
        type Row = (Option<Vec<u8>>, Option<i64>, i64, i64, Option<String>);
        let Self::Sqlite(connection) = self else { return Ok(None) };
        let (first, last) = tile.places();
        let level = counted_level(tile);
        let up = PLACE_BITS - 2 * level;
        let (epoch, version, most, amount, text): Row = sqlx::query_as(SELECT_ALL_LINES)
            .bind(district.0)
            .bind(first)
            .bind(last)
            .bind(i64::from(level))
            .bind(first >> up)
            .bind(last >> up)
            .bind(i64::from(limit))
            .bind(LINE.to_string())
            .fetch_one(&mut **connection)
            .await?;
        let epoch = epoch.ok_or(StoreError::Damaged("no such district"))?;
        let version = (epoch, version.unwrap_or(0));
        let is_whole = most <= i64::from(limit);
        Ok(is_whole.then(|| TileLines { version, amount, text: text.unwrap_or_default() }))
    }

    /// The hazards in a tile counted in the cells that it shows, from the hazards themselves.
    pub async fn tile_groups(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        filter: &TileFilter,
    ) -> Result<Vec<Count>, StoreError> {
        let (shown, _) = levels(tile);
        let (first, last) = tile.places();
        let rows = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_GROUPS);
            query.push_bind(62 - 2 * i64::from(shown)).push(OF_GROUPS).push_bind(district.0);
            query.push(" AND place >= ").push_bind(first).push(" AND place <= ").push_bind(last);
            push_filter!(query, filter);
            query.push(" GROUP BY 1, 2 ORDER BY 1, 2");
            query.build_query_as().fetch_all(connection).await?
        });
        Ok(rows.into_iter().map(|row| count(shown, row)).collect())
    }

    /// The same of a small zoom, from the counts that are kept.
    pub async fn tile_counts(&mut self, district: DistrictKey, tile: Tile) -> Result<Vec<Count>, StoreError> {
        let (shown, kept) = levels(tile);
        let (first, last) = tile.cells(kept);
        let up = 2 * i64::from(kept - shown);
        let rows = fetch_all!(self, CountTuple, SELECT_COUNTS, district.0, i64::from(kept), first, last, up);
        Ok(rows.into_iter().map(|row| count(shown, row)).collect())
    }
}

impl TileFilter {
    /// Whether hazards of this key are shown, of whatever unit.
    pub fn shows(&self, key: &Key) -> bool {
        self.severity_ranks.as_ref().is_none_or(|ranks| ranks.contains(&key.severity_rank))
            && self.categories.as_ref().is_none_or(|names| names.iter().any(|name| name == key.category))
            && self.is_open.is_none_or(|is_open| is_open == key.is_open)
    }
}
