//! What a tile of hazards is made of: strips of them, hazards by themselves where a filter leaves few, or their counts.
//!
//! Strips are kept in [`super::tile_strips`]. Start at [`TileFilter`].

use uuid::Uuid;

use super::tile_counts::{PageTuple, count, kind, pages};
use super::{StoreError, Transaction, each_backend, fetch_all};
use crate::domain::DistrictKey;
use crate::tiles::Tile;
use crate::tiles::count_pages::{PAGE_ZOOM, Page};
use crate::tiles::counts::{Count, Key, added_up, category, category_number, shown_zoom};
use crate::tiles::points::Point;
use crate::tiles::strips::{HAZARD_BYTES, Spot};

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

/// What the tile of all hazards is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileStrips {
    /// What [`Transaction::map_version`] says, of the same moment.
    pub version: (Vec<u8>, i64),
    /// Strips that hold them, in their order, one or several in each value; of the first and the last, hazards may lie outside.
    pub strips: Vec<Vec<u8>>,
}

impl TileStrips {
    fn of_a_district(self) -> Result<Self, StoreError> {
        if self.version.0.is_empty() {
            return Err(StoreError::Damaged("no such district"));
        }
        Ok(self)
    }
}

/// The keys of the first and the last spot of a tile.
fn keys(tile: Tile) -> [[u8; 16]; 2] {
    let (first, last) = tile.places();
    [Spot { place: first, id: 0 }.key(), Spot { place: last, id: i64::MAX }.key()]
}

/// A hazard of a tile that is made of hazards by themselves.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TileHazard {
    id: i64,
    place: i64,
    severity_rank: i64,
    open: i64,
    due: Option<i64>,
    category: Option<String>,
    kind: Option<String>,
    state: String,
    number: Option<String>,
}

impl TileHazard {
    /// What a tile shows of it.
    pub fn point(&self) -> Point<'_> {
        Point {
            id: self.id,
            place: self.place,
            severity_rank: self.severity_rank,
            is_open: self.open != 0,
            due_ms: self.due,
            category: self.category.as_deref().unwrap_or_default(),
            kind: self.kind.as_deref().unwrap_or_default(),
            state: &self.state,
            number: self.number.as_deref().unwrap_or_default(),
        }
    }

    /// Where it stands.
    pub(super) const fn spot(&self) -> Spot {
        Spot { place: self.place, id: self.id }
    }
}

/// What [`TileHazard`] is read from.
macro_rules! select_hazards {
    ($where:literal) => {
        concat!(
            "SELECT id, place, severity_rank, open, due, category, kind, state, number FROM map_hazards WHERE district = ",
            $where
        )
    };
}
pub(super) use select_hazards;

/// Strips from the one that holds the first spot to the one that holds the last, in their order, as a table.
macro_rules! strips_between {
    ($guard:literal, $limit:literal) => {
        concat!(
            "(SELECT strip FROM tile_strips WHERE district = $1 AND first <= $3 \
              AND first >= coalesce((SELECT s.first FROM tile_strips s WHERE s.district = $1 AND s.first <= $2 \
               ORDER BY s.first DESC LIMIT 1), $2)",
            $guard,
            " ORDER BY first",
            $limit,
            ") AS strips"
        )
    };
}
/// What [`Transaction::map_version`] says, how many strips stand in a value, and the value. PostgreSQL sends each strip as a
/// row: to put them together would take it as long again. SQLite's driver takes longer for a row than it takes SQLite to
/// join it to the others.
const SELECT_SOME_STRIPS: &str = concat!(
    "SELECT d.epoch, d.map_version, CAST(1 AS BIGINT), strips.strip FROM districts d LEFT JOIN ",
    strips_between!("", " LIMIT 0 + $4"),
    " ON TRUE WHERE d.district = $1"
);
const SELECT_SOME_STRIPS_JOINED: &str = concat!(
    "SELECT d.epoch, d.map_version, joined.amount, joined.strip FROM districts d \
     CROSS JOIN (SELECT count(*) AS amount, string_agg(strip, x'') AS strip FROM ",
    strips_between!("", " LIMIT 0 + $4"),
    ") AS joined WHERE d.district = $1"
);

/// The same version, how many hazards the counts that are kept say, and the strips where they are not too many.
macro_rules! select_strips {
    ($strip:literal, $limit:literal) => {
        concat!(
            "WITH counted AS MATERIALIZED (SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) AS amount \
              FROM tile_counts WHERE district = $1 AND page >= $4 AND page <= $5) \
             SELECT d.epoch, d.map_version, (SELECT amount FROM counted), NULL FROM districts d WHERE d.district = $1 \
             UNION ALL SELECT NULL, NULL, NULL, ",
            $strip,
            " FROM ",
            strips_between!(" AND (SELECT amount FROM counted) <= $6", $limit)
        )
    };
}
/// There are no more strips than hazards, beside the one that begins before the tile and one whose first hazard is gone, and
/// with it what it had in the tile; that so many are enough lets PostgreSQL read them in order, where it would gather and
/// sort them.
const SELECT_STRIPS: &str = select_strips!("strip", " LIMIT 2 + $6");
const SELECT_STRIPS_JOINED: &str = select_strips!("string_agg(strip, x'')", "");
/// Strips that are read before it is asked how many hazards a tile has.
const SOME_STRIPS: i64 = 64;
/// Bits of the key of a place.
const PLACE_BITS: u8 = 62;
const COUNT_HAZARDS: &str = "SELECT count(*) FROM (SELECT 1 FROM map_hazards WHERE district = ";
const SELECT_HAZARDS: &str = select_hazards!("");

const SELECT_GROUPS: &str = "SELECT place >> CAST(";
const OF_GROUPS: &str = concat!(
    " AS INTEGER), ",
    kind!(""),
    ", count(*), min(CASE WHEN open = 1 THEN due END) FROM map_hazards WHERE district = "
);
const SELECT_PAGES: &str = "SELECT page, amount, counts FROM tile_counts \
     WHERE district = $1 AND page >= $2 AND page <= $3 ORDER BY page";

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
    /// The strips of a tile; none where it may have more hazards than so many.
    pub async fn tile_strips(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        most: u32,
    ) -> Result<Option<TileStrips>, StoreError> {
        type Row = (Option<Vec<u8>>, Option<i64>, Option<i64>, Option<Vec<u8>>);
        // What is counted of larger cells says little of a tile that is smaller than they are, and most of those have few
        // hazards: their strips say so by themselves.
        if tile.zoom() > PAGE_ZOOM
            && let Some(strips) = self.some_strips(district, tile, most).await?
        {
            return Ok(Some(strips));
        }
        let (first, last) = tile.places();
        let up = PLACE_BITS - 2 * PAGE_ZOOM;
        let [from, to] = keys(tile);
        let select = match self {
            Self::Sqlite(_) => SELECT_STRIPS_JOINED,
            Self::Postgres(_) => SELECT_STRIPS,
        };
        let (page, last_page, most) = (first >> up, last >> up, i64::from(most));
        let rows =
            fetch_all!(self, Row, select, district.0, from.as_slice(), to.as_slice(), page, last_page, most);
        let mut strips = TileStrips { version: (Vec::new(), 0), strips: Vec::with_capacity(rows.len()) };
        for (epoch, version, amount, strip) in rows {
            if amount.is_some_and(|amount| amount > most) {
                return Ok(None);
            }
            if let Some(version) = epoch.zip(version) {
                strips.version = version;
            }
            strips.strips.extend(strip);
        }
        strips.of_a_district().map(Some)
    }

    /// The strips of a tile; none where they are many, or long enough to have more hazards than so many.
    async fn some_strips(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        most: u32,
    ) -> Result<Option<TileStrips>, StoreError> {
        type Row = (Vec<u8>, i64, i64, Option<Vec<u8>>);
        let [from, to] = keys(tile);
        let select = match self {
            Self::Sqlite(_) => SELECT_SOME_STRIPS_JOINED,
            Self::Postgres(_) => SELECT_SOME_STRIPS,
        };
        let rows = fetch_all!(self, Row, select, district.0, from.as_slice(), to.as_slice(), SOME_STRIPS);
        let mut strips = TileStrips { version: (Vec::new(), 0), strips: Vec::with_capacity(rows.len()) };
        let mut read = 0;
        for (epoch, version, amount, strip) in rows {
            strips.version = (epoch, version);
            strips.strips.extend(strip);
            read += amount;
        }
        let bytes: usize = strips.strips.iter().map(Vec::len).sum();
        let is_some =
            read < SOME_STRIPS && bytes / HAZARD_BYTES <= usize::try_from(most).unwrap_or(usize::MAX);
        is_some.then(|| strips.of_a_district()).transpose()
    }

    /// Whether a tile has no more hazards than so many.
    pub async fn has_few_hazards(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        filter: &TileFilter,
        most: u32,
    ) -> Result<bool, StoreError> {
        let (first, last) = tile.places();
        let (amount,): (i64,) = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(COUNT_HAZARDS);
            query.push_bind(district.0).push(" AND place >= ").push_bind(first);
            query.push(" AND place <= ").push_bind(last);
            push_filter!(query, filter);
            query.push(" LIMIT 1 + ").push_bind(i64::from(most)).push(") AS found");
            query.build_query_as().fetch_one(connection).await?
        });
        Ok(amount <= i64::from(most))
    }

    /// The hazards in a tile by place and id, at most so many.
    pub async fn tile_hazards(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        filter: &TileFilter,
        limit: u32,
    ) -> Result<Vec<TileHazard>, StoreError> {
        let (first, last) = tile.places();
        Ok(each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_HAZARDS);
            query.push_bind(district.0).push(" AND place >= ").push_bind(first);
            query.push(" AND place <= ").push_bind(last);
            push_filter!(query, filter);
            query.push(" ORDER BY place, id LIMIT 0 + ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(connection).await?
        }))
    }

    /// The hazards in a tile counted in the cells that it shows, from the hazards themselves.
    pub async fn tile_groups(
        &mut self,
        district: DistrictKey,
        tile: Tile,
        filter: &TileFilter,
    ) -> Result<Vec<Count>, StoreError> {
        let shown = shown_zoom(tile);
        let (first, last) = tile.places();
        let rows = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_GROUPS);
            query.push_bind(i64::from(PLACE_BITS) - 2 * i64::from(shown)).push(OF_GROUPS).push_bind(district.0);
            query.push(" AND place >= ").push_bind(first).push(" AND place <= ").push_bind(last);
            push_filter!(query, filter);
            query.push(" GROUP BY 1, 2 ORDER BY 1, 2");
            query.build_query_as().fetch_all(connection).await?
        });
        Ok(rows.into_iter().map(|row| count(shown, row)).collect())
    }

    /// The same of a small zoom, from the counts that are kept.
    pub async fn tile_counts(&mut self, district: DistrictKey, tile: Tile) -> Result<Vec<Count>, StoreError> {
        let (first, last) = tile.cells(PAGE_ZOOM);
        let pages = pages(fetch_all!(self, PageTuple, SELECT_PAGES, district.0, first, last));
        let pages = pages.ok_or(StoreError::Damaged("a page of counts of the map"))?;
        Ok(added_up(pages.values().flat_map(Page::counts), shown_zoom(tile)))
    }
}

impl TileFilter {
    /// Whether hazards that say this are shown, of whatever unit.
    pub fn shows(&self, severity_rank: i64, said: &str, is_open: bool) -> bool {
        self.severity_ranks.as_ref().is_none_or(|ranks| ranks.contains(&severity_rank))
            && self.categories.as_ref().is_none_or(|names| names.iter().any(|name| name == category(said)))
            && self.is_open.is_none_or(|shown| shown == is_open)
    }

    /// Whether hazards that are counted under this key are shown, of whatever unit.
    pub fn shows_key(&self, key: &Key) -> bool {
        self.shows(key.kind.severity_rank(), key.kind.category(), key.kind.is_open())
    }
}
