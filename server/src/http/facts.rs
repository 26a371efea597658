//! `GET /v1/patrols`, `/v1/works`, `/v1/inspections`, `/v1/activities`, `/v1/stretches`: the rows behind a report.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sync_protocol::ids::PersonId;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Parameters, day, id, one_of, page_size, period};
use crate::report::rows::StretchKind;
use crate::store::{FactFilter, FactType};
use crate::sync::listing::facts::{self, Fact, LengthFilter, LineLength, Part, Voltage};

/// Filters of the lists.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    from: Option<String>,
    to: Option<String>,
    /// The type of the work or activity.
    #[serde(rename = "type")]
    subtype: Option<String>,
    /// 乡镇, by its name.
    township: Option<String>,
    line: Option<String>,
    person: Option<String>,
    /// On a known stretch of a line, or not.
    placed: Option<bool>,
    /// Of substations: `110` or `other`.
    voltage: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Facts {
    rows: Vec<Fact>,
    next: Option<String>,
}

async fn list(
    shared: &Shared,
    account: &Account,
    fact_type: FactType,
    wanted: Wanted,
) -> Result<Json<Facts>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let voltage = match wanted.voltage.as_deref() {
        None => None,
        Some("110") => Some(Voltage::Kv110),
        Some("other") => Some(Voltage::Other),
        Some(_) => return Err(one_of("voltage", ["110", "other"])),
    };
    let filter = FactFilter {
        from_day: day("from", wanted.from.as_deref())?,
        to_day: day("to", wanted.to.as_deref())?,
        subtypes: wanted.subtype.into_iter().collect(),
        township: wanted.township,
        line: id("line", wanted.line.as_deref())?,
        person: id("person", wanted.person.as_deref())?.map(PersonId),
        is_placed: wanted.placed,
        ..FactFilter::default()
    };
    let (engine, district) = (&shared.engine, &account.district);
    let cursor = wanted.cursor.as_deref();
    let page = facts::page(engine, district, fact_type, &filter, voltage, cursor, limit).await?;
    Ok(Json(Facts { rows: page.rows, next: page.next }))
}

/// 巡线记录 Patrols that a report counts, by day.
#[utoipa::path(
    get, path = "/v1/patrols", tag = "facts",
    params(Wanted),
    responses((status = 200, description = "A page", body = Facts)),
)]
pub(super) async fn patrols(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Facts>, ApiError> {
    list(&shared, &account, FactType::Patrol, wanted).await
}

/// 工程记录 Works that a report counts, by day.
#[utoipa::path(
    get, path = "/v1/works", tag = "facts",
    params(Wanted),
    responses((status = 200, description = "A page", body = Facts)),
)]
pub(super) async fn works(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Facts>, ApiError> {
    list(&shared, &account, FactType::Work, wanted).await
}

/// 督查记录 Inspections that a report counts, by day.
#[utoipa::path(
    get, path = "/v1/inspections", tag = "facts",
    params(Wanted),
    responses((status = 200, description = "A page", body = Facts)),
)]
pub(super) async fn inspections(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Facts>, ApiError> {
    list(&shared, &account, FactType::Inspection, wanted).await
}

/// 宣传记录 Activities that a report counts, by day.
#[utoipa::path(
    get, path = "/v1/activities", tag = "facts",
    params(Wanted),
    responses((status = 200, description = "A page", body = Facts)),
)]
pub(super) async fn activities(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Facts>, ApiError> {
    list(&shared, &account, FactType::Activity, wanted).await
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Lengths {
    /// `patrol`, `corridor_felling`, `fuel_clearance` or `covered_conversion`; needed.
    kind: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// Lines with so many metres of it.
    at_least_m: Option<u32>,
    /// `true`: conversions on no known stretch in a last row.
    unplaced: Option<bool>,
    /// `false`: what of every line in force was not walked or done.
    done: Option<bool>,
    person: Option<String>,
    line: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lengths)]
pub(super) struct Lines {
    rows: Vec<LineLength>,
    next: Option<String>,
}

/// Millimetres of a metre.
const MM_PER_M: i64 = 1_000;

/// 线路里程 What was walked or done along each line, each millimetre once.
///
/// `kind`, `from` and `to` are needed.
#[utoipa::path(
    get, path = "/v1/stretches", tag = "facts",
    params(Lengths),
    responses((status = 200, description = "A page", body = Lines)),
)]
pub(super) async fn stretches(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Lengths>,
) -> Result<Json<Lines>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let kind = wanted.kind.as_deref().and_then(StretchKind::parse);
    let filter = LengthFilter {
        part: if wanted.done.unwrap_or(true) { Part::Done } else { Part::NotDone },
        kind: kind.ok_or_else(|| one_of("kind", StretchKind::ALL.iter().map(|kind| kind.as_str())))?,
        period: period(wanted.from.as_deref(), wanted.to.as_deref())?,
        at_least_mm: i64::from(wanted.at_least_m.unwrap_or(0)) * MM_PER_M,
        person: id("person", wanted.person.as_deref())?.map(PersonId),
        line: id("line", wanted.line.as_deref())?,
        with_unplaced: wanted.unplaced.unwrap_or(false),
    };
    let cursor = wanted.cursor.as_deref();
    let page = facts::lengths(&shared.engine, &account.district, filter, cursor, limit).await?;
    Ok(Json(Lines { rows: page.rows, next: page.next }))
}
