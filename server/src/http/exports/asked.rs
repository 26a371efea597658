//! What is asked of a file: the parameters of its address.

use jiff::tz::TimeZone;
use serde::Deserialize;
use sync_protocol::codes::Code;
use utoipa::IntoParams;

use super::super::Shared;
use super::super::auth::Account;
use super::super::error::ApiError;
use super::super::hazards::sides;
use super::super::parameters::{date, id, wrong};
use crate::exports::{Encoding, Format, Headings, Reference};
use crate::geometry::degrees;
use crate::sync::exports::filters::{BBOX, Filters};
use crate::sync::exports::{PhotosShown, Request, Subject, usual_headings};

/// What is overdue is looked at by the minute.
const MINUTE_MS: i64 = 60_000;

/// What a file has in it, and how it is written. Filters are those of `GET /v1/hazards`, where the layer has such a column.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Asked {
    /// `wgs84` (default), `cgcs2000`, `gcj02`, `bd09`, `epsg:3857`, `epsg:4491` to `epsg:4554`.
    datum: Option<String>,
    /// `zh` or `en`; else Chinese in csv, xlsx, kml and kmz, the names of columns elsewhere.
    headings: Option<String>,
    /// Of a shapefile: `utf-8` (default) or `gbk`.
    encoding: Option<String>,
    /// `lon_min,lat_min,lon_max,lat_max` in degrees, ends included; the first beyond the third across the 180th meridian.
    bbox: Option<String>,
    /// A state, such as `reported`, `ordered`, `disputed`, `held`, `closed`.
    state: Option<String>,
    /// Open or not; a dispute is open.
    open: Option<bool>,
    /// `critical`, `serious`, `general`, `none`.
    severity: Option<String>,
    /// 报告缺失: operations came and their report did not.
    provisional: Option<bool>,
    /// Something waits for a named person.
    conflict: Option<bool>,
    /// As a report counts it: neither void nor a duplicate.
    counted: Option<bool>,
    /// `line_body`, `corridor`, `forest_fire`, `fire_sighting`, several by commas, or `none`.
    category: Option<String>,
    /// 乡镇, by its name.
    township: Option<String>,
    line: Option<String>,
    found_from: Option<String>,
    found_to: Option<String>,
    overdue: Option<bool>,
    turn: Option<String>,
    unit: Option<String>,
    due_before: Option<i64>,
    major: Option<bool>,
    /// Of `hazards.kmz`: thumbnails of one photo of each hazard, 300 at most.
    thumbnails: Option<bool>,
    /// Of hazards: a change number, what changed after it. Of `not_patrolled`: since this local day, `YYYY-MM-DD`; else for 30 days.
    since: Option<String>,
    /// Operations of it are named that the ledger does not hold.
    missing: Option<bool>,
    /// Found by a supervisory inspection.
    supervised: Option<bool>,
    /// `hazard`, which is what files have.
    #[serde(rename = "type")]
    record_type: Option<String>,
}

impl Asked {
    /// All of a layer, written so.
    pub(in crate::http) fn written(
        datum: Option<String>,
        headings: Option<String>,
        encoding: Option<String>,
    ) -> Self {
        Self { datum, headings, encoding, ..Self::default() }
    }
}

/// What a name and its parameters ask for.
pub(super) fn request(
    shared: &Shared,
    account: &Account,
    name: &str,
    asked: &Asked,
) -> Result<Request, ApiError> {
    let bad = |detail: &str| ApiError::with(Code::BadParameter, detail);
    let (subject, format) = name.split_once('.').ok_or_else(|| ApiError::with(Code::NotFound, "export"))?;
    let subject = Subject::parse(subject).ok_or_else(|| ApiError::with(Code::NotFound, "layer"))?;
    let format = Format::parse(format).ok_or_else(|| ApiError::with(Code::NotFound, "format"))?;
    let headings = match asked.headings.as_deref() {
        None => usual_headings(format),
        Some(name) => Headings::parse(name).ok_or_else(|| bad("headings: zh, en"))?,
    };
    let reference: Reference = match asked.datum.as_deref() {
        None => Reference::Wgs84,
        Some(name) => name.parse().map_err(|error| bad(&format!("datum: {error}")))?,
    };
    let encoding = match asked.encoding.as_deref() {
        None => Encoding::default(),
        Some(_) if format != Format::Shapefile => return Err(bad("encoding: it belongs to shp")),
        Some(name) => Encoding::parse(name).ok_or_else(|| bad("encoding: utf-8, gbk"))?,
    };
    let zone = TimeZone::get(&account.district.time_zone).unwrap_or(TimeZone::UTC);
    let now_ms = shared.engine.clock.now_ms();
    let minute_ms = now_ms - now_ms.rem_euclid(MINUTE_MS);
    let filters = filters(asked)?;
    let selection = filters.selection(subject, &zone, minute_ms, account.sight.clone())?;
    let (filters, as_of_ms, sight) = (filters.query(), filters.as_of(minute_ms), account.sight.clone());
    let photos = if asked.thumbnails == Some(true) { PhotosShown::Thumbnails } else { PhotosShown::None };
    Ok(Request {
        subject,
        format,
        headings,
        reference,
        encoding,
        selection,
        sight,
        filters,
        as_of_ms,
        photos,
    })
}

fn filters(asked: &Asked) -> Result<Filters, ApiError> {
    let day = |name: &str, text: &Option<String>| text.as_deref().map(|text| date(name, text)).transpose();
    let within =
        asked.bbox.as_deref().map(|text| sides(text).ok_or_else(|| wrong("bbox", BBOX))).transpose()?;
    Ok(Filters {
        bbox: within.map(|sides| sides.map(degrees)),
        state: asked.state.clone(),
        open: asked.open,
        severity: asked.severity.clone(),
        provisional: asked.provisional,
        conflict: asked.conflict,
        counted: asked.counted,
        category: asked.category.clone(),
        township: asked.township.clone(),
        line: id("line", asked.line.as_deref())?,
        found_from: day("found_from", &asked.found_from)?,
        found_to: day("found_to", &asked.found_to)?,
        overdue: asked.overdue,
        turn: asked.turn.clone(),
        unit: id("unit", asked.unit.as_deref())?,
        due_before: asked.due_before,
        major: asked.major,
        since: asked.since.clone(),
        missing: asked.missing,
        supervised: asked.supervised,
        record_type: asked.record_type.clone(),
    })
}
