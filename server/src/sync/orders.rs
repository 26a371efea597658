//! Orders as the office reads and prints them. They are issued by the command `order`: see [`super::commands`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::RecordId;
use sync_protocol::view::View;
use utoipa::ToSchema;
use uuid::Uuid;

use super::listing::{Calendar, Names, Page, cursor, read_cursor};
use super::sessions::Sight;
use super::{Engine, SyncError};
use crate::domain::District;
use crate::orders::{Sheet, deadline_words};
use crate::store::OrderRow;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct Order {
    /// Its key in addresses: year and number.
    pub order: String,
    /// Its number as people read it.
    pub number: String,
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
    /// By whom.
    pub issued_by: String,
    /// Their name.
    pub issued_by_name: Option<String>,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct At(i64, i64);

fn told(row: OrderRow, names: &Names) -> Order {
    Order {
        order: format!("{}-{}", row.year, row.ordinal),
        number: row.number,
        record: row.record.to_string(),
        operation: row.operation.to_string(),
        unit: row.unit.map(|unit| unit.to_string()),
        unit_name: row.unit_name,
        measures: row.measures,
        deadline_ms: row.deadline_ms,
        issued_ms: row.issued_ms,
        issued_by: row.issued_by.to_string(),
        issued_by_name: names.get(row.issued_by),
    }
}

/// A page of orders, the newest first; of one year, where it is named.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    district: &District,
    of: Option<i64>,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Order>, SyncError> {
    let first = At(of.map_or(i64::MAX, |year| year.saturating_add(1)), 0);
    let At(year, ordinal) = from.map_or(Ok(first), read_cursor)?;
    let mut reading = engine.store.read().await?;
    let mut rows = reading.orders(district.key, (year, ordinal), limit.saturating_add(1)).await?;
    rows.retain(|row| of.is_none_or(|year| row.year == year));
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    let rows: Vec<OrderRow> = rows.into_iter().take(wanted).collect();
    let next = rows.last().filter(|_| has_more).map(|row| cursor(&At(row.year, row.ordinal)));
    let persons: BTreeSet<_> = rows.iter().map(|row| row.issued_by).collect();
    let names = Names::of(&mut reading, district.key, persons).await?;
    Ok(Page { rows: rows.into_iter().map(|row| told(row, &names)).collect(), next })
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
    let names = Names::of(&mut reading, district.key, rows.iter().map(|row| row.issued_by)).await?;
    Ok(rows.into_iter().map(|row| told(row, &names)).collect())
}

/// `2026-17` as year and number.
fn key(order: &str) -> Result<(i64, i64), SyncError> {
    let parts =
        order.split_once('-').and_then(|(year, ordinal)| Some((year.parse().ok()?, ordinal.parse().ok()?)));
    parts.ok_or_else(|| {
        SyncError::RefusedFor(Code::BadParameter, "order: year and number, such as 2026-17".to_owned())
    })
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
    let row = reading.order(district.key, key(order)?).await?.ok_or(SyncError::Refused(Code::NotFound))?;
    let names = Names::of(&mut reading, district.key, [row.issued_by]).await?;
    let unit = row.unit;
    Ok((told(row, &names), unit))
}

/// An order as it is printed; `base` is how its reader reaches this server.
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
    let row = reading.order(district.key, key(order)?).await?.ok_or(SyncError::Refused(Code::NotFound))?;
    let record = reading.records(district.key, &[row.record]).await?.remove(&row.record);
    let names = Names::of(&mut reading, district.key, [row.issued_by]).await?;
    drop(reading);
    let calendar = Calendar::of(district);
    let view = record.as_ref().and_then(|record| View::decode(&record.view)).unwrap_or_default();
    let number = record.and_then(|record| calendar.number(record.number, record.received_ms));
    let zone = jiff::tz::TimeZone::get(&district.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let issued = jiff::Timestamp::from_millisecond(row.issued_ms).unwrap_or_default();
    let text = |name: &str| view.shown(name).and_then(Raw::as_text).unwrap_or_default().to_owned();
    let severity = view.severity.as_deref().map(|term| crate::rules::Severity::of_term(term).zh());
    let between = [text("structure_from"), text("structure_to")].join(" — ");
    let place = [text("county"), text("township"), text("village")].concat();
    let hazard = [
        ("隐患编号", number.unwrap_or_default()),
        ("隐患等级", severity.unwrap_or_default().to_owned()),
        ("地点", place),
        ("线路名称", text("line_name")),
        ("杆号", between.trim_matches([' ', '—']).to_owned()),
        ("隐患描述", text("description")),
    ];
    Ok(Sheet {
        bureau: district.name.clone(),
        unit: row.unit_name,
        hazard: hazard.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        measures: row.measures,
        deadline: deadline_words(row.deadline_ms, &zone),
        issued: issued.to_zoned_datetime(zone).strftime("%Y年%-m月%-d日").to_string(),
        issued_by: names.get(row.issued_by).unwrap_or_default(),
        address: format!("{base}/hazards/{}", row.record),
        number: row.number,
    })
}
