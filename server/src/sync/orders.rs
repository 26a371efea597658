//! Orders as the office reads and prints them: as they were issued, with where each stands now. They are issued by the
//! commands `order` and `reorder`: see [`super::commands`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use sync_protocol::ids::RecordId;
use sync_protocol::view::View;
use utoipa::ToSchema;
use uuid::Uuid;

use super::listing::{Names, Page, cursor, read_cursor};
use super::sight::Sight;
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::orders::{Sheet, Shown, Standing, deadline_words};
use crate::store::{OrderRow, StoreError, Transaction};

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct Order {
    /// Its key in addresses: year and number.
    pub order: String,
    /// Its number as people read it.
    pub number: String,
    /// `in_force`, `received`, `disputed`, `superseded`, `withdrawn` or `fulfilled`.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
    /// The order that took its place, and its number.
    pub superseded_by: Option<OrderNamed>,
    /// The hazard.
    pub record: String,
    /// The operation that orders.
    pub operation: String,
    /// The responsible unit, where it is a record.
    pub unit: Option<String>,
    /// Its name.
    pub unit_name: String,
    /// What is to be done.
    pub measures: String,
    /// The deadline that it gave; a later extension is on the hazard.
    pub deadline_ms: i64,
    /// When it was issued.
    pub issued_ms: i64,
    /// When it had been issued on paper, where it was entered later.
    pub ordered_ms: Option<i64>,
    /// By whom.
    pub issued_by: String,
    /// Their name.
    pub issued_by_name: Option<String>,
    /// What it showed of the hazard when it was issued.
    pub shown: OrderShown,
}

/// Another order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderNamed {
    /// Its key in addresses.
    pub order: String,
    /// Its number as people read it.
    pub number: String,
}

/// What an order showed of its hazard when it was issued. It never changes, but for what is redacted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderShown {
    /// 编号.
    pub number: String,
    /// The severity, in Chinese.
    pub severity: String,
    /// Texts of the hazard, by field.
    pub fields: BTreeMap<String, String>,
    /// What the deadline follows from, in Chinese.
    pub basis: String,
    /// Why it was issued, where it says so.
    pub reason: String,
    /// The number of the order whose place it takes.
    pub replaces: Option<String>,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct At(i64, i64);

/// What else is known of the hazards of some orders.
struct Behind {
    views: BTreeMap<RecordId, View>,
    /// Every order of theirs.
    numbers: BTreeMap<RecordId, BTreeMap<(i64, i64), String>>,
    names: Names,
}

impl Behind {
    async fn of(
        reading: &mut Transaction,
        district: DistrictKey,
        rows: &[OrderRow],
    ) -> Result<Self, StoreError> {
        let mut records: Vec<RecordId> = rows.iter().map(|row| row.record).collect();
        records.sort_unstable();
        records.dedup();
        let stored = reading.records(district, &records).await?;
        let view =
            |(record, row): (RecordId, crate::store::RecordRow)| Some((record, View::decode(&row.view)?));
        let views = stored.into_iter().filter_map(view).collect();
        let numbers = reading.order_numbers(district, &records).await?;
        let names = Names::of(reading, district, rows.iter().map(|row| row.issued_by)).await?;
        Ok(Self { views, numbers, names })
    }

    /// The next order on the same hazard.
    fn next(&self, row: &OrderRow) -> Option<OrderNamed> {
        let later = self.numbers.get(&row.record)?.range((row.year, row.ordinal)..).nth(1);
        later.map(|((year, ordinal), number)| OrderNamed {
            order: format!("{year}-{ordinal}"),
            number: number.clone(),
        })
    }

    fn standing(&self, row: &OrderRow) -> Standing {
        let nothing = View::default();
        Standing::of(self.views.get(&row.record).unwrap_or(&nothing), self.next(row).is_some())
    }

    fn told(&self, row: OrderRow) -> Order {
        let standing = self.standing(&row);
        let Shown { number, severity, fields, basis, reason, replaces, .. } = Shown::decode(&row.shown);
        Order {
            superseded_by: self.next(&row),
            state: standing.as_str(),
            state_zh: standing.zh(),
            order: format!("{}-{}", row.year, row.ordinal),
            number: row.number,
            record: row.record.to_string(),
            operation: row.operation.to_string(),
            unit: row.unit.map(|unit| unit.to_string()),
            unit_name: row.unit_name,
            measures: row.measures,
            deadline_ms: row.deadline_ms,
            issued_ms: row.issued_ms,
            ordered_ms: row.ordered_ms,
            issued_by: row.issued_by.to_string(),
            issued_by_name: self.names.get(row.issued_by),
            shown: OrderShown { number, severity, fields, basis, reason, replaces },
        }
    }
}

/// A page of orders, the newest first, as far as somebody sees their units; of one year, where it is named.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    (district, sight): (&District, &Sight),
    of: Option<i64>,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Order>, SyncError> {
    let units: Option<Vec<Uuid>> = match sight {
        Sight::District => None,
        Sight::Units(units) => Some(units.iter().copied().collect()),
    };
    let first = At(of.map_or(i64::MAX, |year| year.saturating_add(1)), 0);
    let At(year, ordinal) = from.map_or(Ok(first), read_cursor)?;
    let mut reading = engine.store.read().await?;
    let most = limit.saturating_add(1);
    let mut rows = reading.orders(district.key, units.as_deref(), (year, ordinal), most).await?;
    rows.retain(|row| of.is_none_or(|year| row.year == year));
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    let rows: Vec<OrderRow> = rows.into_iter().take(wanted).collect();
    let next = rows.last().filter(|_| has_more).map(|row| cursor(&At(row.year, row.ordinal)));
    let behind = Behind::of(&mut reading, district.key, &rows).await?;
    Ok(Page { rows: rows.into_iter().map(|row| behind.told(row)).collect(), next })
}

/// Orders about a hazard, the first one first, as far as somebody sees their units.
///
/// # Errors
/// The store's.
pub async fn of_record(
    engine: &Engine,
    district: &District,
    record: RecordId,
    sight: &Sight,
) -> Result<Vec<Order>, SyncError> {
    let mut reading = engine.store.read().await?;
    let mut rows = reading.orders_of(district.key, record).await?;
    rows.retain(|row| sight.sees(row.unit));
    let behind = Behind::of(&mut reading, district.key, &rows).await?;
    Ok(rows.into_iter().map(|row| behind.told(row)).collect())
}

/// `2026-17` as year and number.
fn key(order: &str) -> Result<(i64, i64), SyncError> {
    let read: Option<(i64, i64)> =
        order.split_once('-').and_then(|(year, ordinal)| Some((year.parse().ok()?, ordinal.parse().ok()?)));
    // An order has one address: `+2026-017` is none of its.
    let parts = read.filter(|(year, ordinal)| format!("{year}-{ordinal}") == order);
    parts.ok_or_else(|| {
        SyncError::RefusedFor(Code::BadParameter, "order: year and number, such as 2026-17".to_owned())
    })
}

async fn row(reading: &mut Transaction, district: &District, order: &str) -> Result<OrderRow, SyncError> {
    reading.order(district.key, key(order)?).await?.ok_or(SyncError::Refused(Code::NotFound))
}

/// One order, with the unit that it is for.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn one(
    engine: &Engine,
    district: &District,
    order: &str,
) -> Result<(Order, Option<Uuid>), SyncError> {
    let mut reading = engine.store.read().await?;
    let row = row(&mut reading, district, order).await?;
    let unit = row.unit;
    let behind = Behind::of(&mut reading, district.key, std::slice::from_ref(&row)).await?;
    Ok((behind.told(row), unit))
}

/// An order as it is printed: what it said when it was issued, and over it whether it holds still. `base` is how its
/// reader reaches this server.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn sheet(
    engine: &Arc<Engine>,
    district: &District,
    order: &str,
    base: &str,
) -> Result<Sheet, SyncError> {
    let mut reading = engine.store.read().await?;
    let row = row(&mut reading, district, order).await?;
    let behind = Behind::of(&mut reading, district.key, std::slice::from_ref(&row)).await?;
    drop(reading);
    let shown = Shown::decode(&row.shown);
    let zone = jiff::tz::TimeZone::get(&district.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let day = |at_ms: i64| {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        at.to_zoned_datetime(zone.clone()).strftime("%Y年%-m月%-d日").to_string()
    };
    let void = match (behind.next(&row), behind.standing(&row)) {
        (Some(next), _) => Some(format!("作废，由 {} 替代", next.number)),
        (None, Standing::Withdrawn) => Some("作废".to_owned()),
        (None, _) => None,
    };
    Ok(Sheet {
        hazard: shown.rows(),
        bureau: shown.bureau,
        unit: row.unit_name,
        measures: row.measures,
        deadline: deadline_words(row.deadline_ms, &zone),
        issued: day(row.ordered_ms.unwrap_or(row.issued_ms)),
        issued_by: shown.issued_by,
        address: format!("{base}/hazards/{}", row.record),
        number: row.number,
        entered: row.ordered_ms.map(|_| day(row.issued_ms)),
        replaces: shown.replaces.map(|number| (number, shown.reason)),
        void,
    })
}
