//! `GET /v1/hazards`, `/v1/hazards/{record}`; `POST /v1/hazards/{record}/restore`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use sync_protocol::enrolment::percent_encoded;
use sync_protocol::field::CATEGORIES;
use sync_protocol::ids::{Head, Identity, RecordId};
use sync_protocol::kind::RecordType;
use sync_protocol::view::State as LifeState;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::commands;
use super::conditional::{OfHeads, heads_tag};
use super::error::ApiError;
use super::parameters::{Body, IfMatch, Parameters, UUID, day, id, one_of, page_size, wrong};
use crate::domain::{Class, Role};
use crate::geometry::GeoBox;
pub(super) use crate::geometry::sides;
use crate::store::{CaseFilter, FactFilter};
use crate::sync::decide;
use crate::sync::exports::filters::{BBOX, SEVERITIES, require_order};
use crate::sync::listing::hazards::{self, Filter, Hazard, TypeFilter};
use crate::sync::listing::record::{self, Record};

/// Filters of the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// A state, such as `reported`, `ordered`, `disputed`, `held`, `closed`.
    state: Option<String>,
    /// Open or not; a dispute is open.
    open: Option<bool>,
    /// `critical`, `serious`, `general`, `none`.
    severity: Option<String>,
    /// `hazard` (default; also records of which nothing says yet what they are), `all`, `patrol`, `work`, `inspection`, `activity`.
    #[serde(rename = "type")]
    record_type: Option<String>,
    /// 报告缺失: operations came and their report did not.
    provisional: Option<bool>,
    /// Something waits for a named person.
    conflict: Option<bool>,
    /// Operations of it are named that the ledger does not hold.
    missing: Option<bool>,
    /// `lon_min,lat_min,lon_max,lat_max` in degrees, ends included.
    bbox: Option<String>,
    /// A change number: what changed after it.
    since: Option<u64>,
    /// As a report counts it: neither void nor a duplicate.
    counted: Option<bool>,
    /// `line_body`, `corridor`, `forest_fire`, `fire_sighting`, several by commas, or `none`.
    category: Option<String>,
    found_from: Option<String>,
    found_to: Option<String>,
    /// 乡镇, by its name.
    township: Option<String>,
    line: Option<String>,
    /// Found by a supervisory inspection.
    supervised: Option<bool>,
    overdue: Option<bool>,
    turn: Option<String>,
    unit: Option<String>,
    due_before: Option<i64>,
    major: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Wanted {
    /// Where the list goes on.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The filters as a query string, without page and cursor. Only for filters that were read: those are plain.
    pub(super) fn query(&self) -> String {
        let text = |name: &str, value: Option<String>| value.map(|value| format!("{name}={value}"));
        [
            text("state", self.state.clone()),
            text("open", self.open.map(|open| open.to_string())),
            text("severity", self.severity.clone()),
            text("type", self.record_type.clone()),
            text("provisional", self.provisional.map(|provisional| provisional.to_string())),
            text("conflict", self.conflict.map(|conflict| conflict.to_string())),
            text("missing", self.missing.map(|missing| missing.to_string())),
            text("bbox", self.bbox.as_ref().map(|bbox| bbox.replace(' ', ""))),
            text("since", self.since.map(|since| since.to_string())),
            text("counted", self.counted.map(|counted| counted.to_string())),
            text("category", self.category.clone()),
            text("found_from", self.found_from.clone()),
            text("found_to", self.found_to.clone()),
            text("township", self.township.as_deref().map(percent_encoded)),
            text("line", self.line.clone()),
            text("supervised", self.supervised.map(|supervised| supervised.to_string())),
            text("overdue", self.overdue.map(|overdue| overdue.to_string())),
            text("turn", self.turn.clone()),
            text("unit", self.unit.clone()),
            text("due_before", self.due_before.map(|at_ms| at_ms.to_string())),
            text("major", self.major.map(|major| major.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("&")
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hazards {
    hazards: Vec<Hazard>,
    next: Option<String>,
}

/// 隐患列表 Hazards, worst class first, then the oldest change.
///
/// A list never skips what is there: a record that changes while the pages are read comes at the end with its newer change, and so may come twice.
#[utoipa::path(
    get, path = "/v1/hazards", tag = "hazards",
    params(Wanted),
    responses((status = 200, description = "A page", body = Hazards)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Hazards>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let filter = filter(&wanted, shared.engine.clock.now_ms())?.seen_by(&account.sight);
    let page =
        hazards::page(&shared.engine, &account.district, &filter, wanted.cursor.as_deref(), limit).await?;
    Ok(Json(Hazards { hazards: page.rows, next: page.next }))
}

/// 隐患详情 One record with everything behind it.
///
/// The entity tag is its heads and a hash of the reply: send it in `If-Match` with a command.
#[utoipa::path(
    get, path = "/v1/hazards/{record}", tag = "hazards",
    responses((status = 200, description = "The record", body = Record)),
)]
pub(super) async fn one(
    State(shared): State<Shared>,
    account: Account,
    Path(record): Path<String>,
) -> Result<Response, ApiError> {
    let record = parse(&record)?;
    account.must_see(&shared, record).await?;
    let record = record::record(&shared.engine, &account.district, record).await?;
    let heads = heads_tag(record.heads.iter()).map(|heads| Extension(OfHeads(heads)));
    Ok((heads, Json(record)).into_response())
}

/// Which value to restore.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    /// Identity or head of the operation that wrote it.
    operation: String,
    /// The field, such as `township`.
    #[schema(min_length = 1)]
    field: String,
    /// The heads of the record as it was read, hexadecimal; absent: whatever is there.
    heads: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Restored {
    /// The operation that was written, by its identity.
    operation: Option<String>,
}

/// 恢复填写值 Makes the value that an operation wrote the record's again.
///
/// Written as an operation `restored`. With `heads` or `If-Match`: refused where the record's heads are others.
#[utoipa::path(
    post, path = "/v1/hazards/{record}/restore", tag = "hazards",
    request_body = Restore,
    responses((status = 200, description = "The operation that was written", body = Restored)),
    extensions(("x-codes" = json!(["conflict-closed", "moved-on"]))),
)]
pub(super) async fn restore(
    State(shared): State<Shared>,
    account: Account,
    Path(record): Path<String>,
    if_match: IfMatch,
    Body(wanted): Body<Restore>,
) -> Result<Json<Restored>, ApiError> {
    let record = parse(&record)?;
    let bytes = hex::decode(&wanted.operation).unwrap_or_default();
    let head = Head::try_from(bytes.as_slice())
        .or_else(|_source| Identity::try_from(bytes.as_slice()).map(|identity| identity.head()))
        .map_err(|_source| {
            wrong("operation", "32 或 64 个十六进制数字 (a head or an identity, hexadecimal)")
        })?;
    commands::require_leader_for(&account, &wanted.field)?;
    let (heads, stale) = if_match.or(wanted.heads.as_deref().map(commands::heads).transpose()?)?;
    let restored = decide::restore(
        &shared.engine, &account.district, record, head, &wanted.field, heads, account.person.id,
    );
    let operation = restored.await.map_err(|error| stale.told(error))?.map(|identity| identity.to_string());
    Ok(Json(Restored { operation }))
}

pub(super) fn parse(record: &str) -> Result<RecordId, ApiError> {
    record.parse().map_err(|_source| wrong("record", UUID))
}

/// What `type` may be.
const TYPES: [&str; 6] = ["hazard", "all", "patrol", "work", "inspection", "activity"];

pub(super) fn filter(wanted: &Wanted, now_ms: i64) -> Result<Filter, ApiError> {
    if wanted.since.is_some_and(|change| i64::try_from(change).is_err()) {
        return Err(wrong("since", "a change number"));
    }
    let types = match wanted.record_type.as_deref() {
        None | Some("hazard") => TypeFilter::Hazard,
        Some("all") => TypeFilter::All,
        Some(name) => TypeFilter::Other(RecordType::parse(name).ok_or_else(|| one_of("type", TYPES))?),
    };
    let state = wanted.state.as_deref().map(|name| {
        LifeState::parse(name)
            .ok_or_else(|| one_of("state", LifeState::ALL.iter().map(|state| state.as_str())))
    });
    let class = wanted.severity.as_deref().map(|name| match name {
        "none" => Ok(Class::Other),
        "other" => Err(one_of("severity", SEVERITIES)),
        name => Class::parse(name).ok_or_else(|| one_of("severity", SEVERITIES)),
    });
    let bbox = wanted.bbox.as_deref().map(|text| GeoBox::in_degrees(text).ok_or_else(|| wrong("bbox", BBOX)));
    Ok(Filter {
        types,
        state: state.transpose()?,
        open: wanted.open,
        class: class.transpose()?,
        provisional: wanted.provisional,
        conflict: wanted.conflict,
        missing: wanted.missing,
        bbox: bbox.transpose()?,
        since: wanted.since,
        counted: wanted.counted,
        units: None,
        fact: fact(wanted)?,
        case: case(wanted, now_ms)?,
    })
}

/// What is asked of cases; overdue is looked at from now.
fn case(wanted: &Wanted, now_ms: i64) -> Result<CaseFilter, ApiError> {
    let role = wanted.turn.as_deref().map(|name| {
        Role::parse(name).ok_or_else(|| one_of("turn", Role::ALL.iter().map(|role| role.as_str())))
    });
    Ok(CaseFilter {
        turn: role.transpose()?.map(Role::number),
        units: id("unit", wanted.unit.as_deref())?.map(|unit| vec![unit]),
        due_before_ms: wanted.due_before,
        overdue_at_ms: wanted.overdue.filter(|overdue| *overdue).map(|_| now_ms),
        not_overdue_at_ms: wanted.overdue.filter(|overdue| !*overdue).map(|_| now_ms),
        major: wanted.major,
    })
}

/// What is asked of what is derived.
fn fact(wanted: &Wanted) -> Result<FactFilter, ApiError> {
    let mut filter = FactFilter {
        from_day: day("found_from", wanted.found_from.as_deref())?,
        to_day: day("found_to", wanted.found_to.as_deref())?,
        township: wanted.township.clone(),
        line: id("line", wanted.line.as_deref())?,
        is_supervised: wanted.supervised,
        ..FactFilter::default()
    };
    require_order(filter.from_day, filter.to_day)?;
    match wanted.category.as_deref() {
        None => {}
        Some("none") => filter.not_subtypes = CATEGORIES.iter().map(|name| (*name).to_owned()).collect(),
        Some(names) => {
            for name in names.split(',') {
                let known = CATEGORIES.iter().find(|known| **known == name);
                let known =
                    known.ok_or_else(|| one_of("category", CATEGORIES.iter().copied().chain(["none"])))?;
                filter.subtypes.push((*known).to_owned());
            }
        }
    }
    Ok(filter)
}
