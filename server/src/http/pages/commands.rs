//! `/hazards/{record}/commands/{command}`: the form of a command, and giving it. Which command is possible and what it
//! needs is told by the API's own handler, and so it is given.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::ids::RecordId;

use super::super::Shared;
use super::super::auth::Account;
use super::super::commands as api;
use super::super::error::{ApiError, status_of};
use super::super::hazards::parse;
use super::super::parameters::{Body, IfMatch, date, one_of, wrong};
use super::super::policy;
use super::sent::Sent;
use super::{PageError, Viewer, page, see_other, shown};
use crate::lifecycle::Command;
use crate::sync::commands::Offered;
use crate::sync::listing::record;
use crate::sync::units;
use crate::web::Wrong;
use crate::web::commands::{self as web, CommandShown, Typed};
use crate::web::evidence;

/// The heads of a hazard, and every command on it with what stands against it; nothing of what is no hazard, or where
/// the account gives no commands.
pub(in crate::http) async fn offered(
    shared: &Shared,
    account: &Account,
    record: RecordId,
) -> Result<(Vec<String>, Vec<Offered>), ApiError> {
    let path = "/v1/hazards/{record}/commands";
    let row = policy::TABLE.iter().find(|row| (row.method, row.path) == ("GET", path));
    if !row.is_some_and(|row| account.may(row)) {
        return Ok((Vec::new(), Vec::new()));
    }
    match api::offered(State(shared.clone()), account.clone(), Path(record.to_string())).await {
        Ok(Json(api::Commands { heads, commands })) => Ok((heads, commands)),
        Err(error) if error.code == Code::NotFound => Ok((Vec::new(), Vec::new())),
        Err(error) => Err(error),
    }
}

pub(in crate::http) async fn form(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path((record, command)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let record = parse(&record)?;
    account.must_see(&shared, record).await?;
    told(&shared, &account, record, command_of(&command)?, &BTreeMap::new(), None).await
}

/// A command by its name.
///
/// # Errors
/// `not-found`.
fn command_of(name: &str) -> Result<Command, ApiError> {
    Command::parse(name).ok_or(Code::NotFound.into())
}

async fn told(
    shared: &Shared,
    account: &Account,
    record: RecordId,
    command: Command,
    filled: &BTreeMap<String, String>,
    error: Option<ApiError>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let (heads, offered) = offered(shared, account, record).await?;
    let offered = offered.into_iter().find(|offered| offered.command == command.as_str());
    let offered = offered.ok_or(Code::NotFound)?;
    let hazard = record::record(engine, district, record).await?;
    let units = if command.issues_order() { units::list(engine, district).await? } else { Vec::new() };
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let command_shown = CommandShown {
        hazard: &hazard,
        command,
        offered: &offered,
        heads: &heads,
        units: &units,
        filled,
        wrong: error.map(Wrong::from),
    };
    Ok(page(status, web::command(&command_shown, &shown(account))))
}

pub(in crate::http) async fn give(
    State(shared): State<Shared>,
    Path((record, command)): Path<(String, String)>,
    form: Result<Sent, ApiError>,
) -> Result<Response, PageError> {
    let Sent { account, fields: mut form, refused } = form?;
    let (id, command) = (parse(&record)?, command_of(&command)?);
    account.must_see(&shared, id).await?;
    let heads = form.remove("heads").unwrap_or_default();
    let heads: Vec<String> = heads.split_whitespace().map(str::to_owned).collect();
    form.retain(|_, text| !text.trim().is_empty());
    let done = match refused {
        Some(error) => Err(error),
        None => done(&shared, &account, (id, command), (&form, heads)).await,
    };
    match done {
        Ok(()) => Ok(see_other(&format!("/hazards/{id}?done={}", command.as_str()))),
        Err(error) if is_about_the_form(error.code) => {
            told(&shared, &account, id, command, &form, Some(error)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the command that a form is.
async fn done(
    shared: &Shared,
    account: &Account,
    (id, command): (RecordId, Command),
    (form, heads): (&BTreeMap<String, String>, Vec<String>),
) -> Result<(), ApiError> {
    let fields = said(shared, account, form).await?;
    let heads = Some(heads).filter(|heads| !heads.is_empty());
    let given = api::Given { fields, photos: photos(command, form)?, heads, beside: false };
    let path = Path((id.to_string(), command.as_str().to_owned()));
    let state = State(shared.clone());
    api::command(state, account.clone(), path, IfMatch(None), Body(given)).await.map(drop)
}

/// The photos that a form names.
fn photos(command: Command, form: &BTreeMap<String, String>) -> Result<Vec<api::NamedPhoto>, ApiError> {
    let roles = evidence::roles(command);
    let role = match form.get(evidence::ROLE) {
        Some(said) => roles
            .iter()
            .find(|role| *role == said)
            .ok_or_else(|| one_of(evidence::ROLE, roles.iter().copied()))?,
        None => roles.first().unwrap_or(&""),
    };
    let chosen = form.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(evidence::CHOSEN)?, bytes)));
    chosen
        .map(|(hash, bytes)| {
            let bytes =
                bytes.parse().map_err(|_source| wrong(evidence::CHOSEN, "字节数 (a number of bytes)"))?;
            Ok(api::NamedPhoto { sha256: hash.to_owned(), bytes, role: (*role).to_owned() })
        })
        .collect()
}

/// Whether the form is shown again with what was typed, and what is wrong with it.
const fn is_about_the_form(code: Code) -> bool {
    matches!(
        code,
        Code::BadParameter
            | Code::CommandRefused
            | Code::MovedOn
            | Code::Forbidden
            | Code::PhotoFileTooLarge
            | Code::PhotoNotImage
            | Code::PhotoTooManyPixels
            | Code::PhotoRedacted
            | Code::PhotosUnnamed
            | Code::TooManyRequests
            | Code::BodyTooLarge
    )
}

/// What a form says, as the API takes it. A unit that was chosen brings its name.
async fn said(
    shared: &Shared,
    account: &Account,
    form: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, ApiError> {
    let zone = TimeZone::get(&account.district.time_zone).unwrap_or(TimeZone::UTC);
    let mut fields = BTreeMap::new();
    for (name, text) in form {
        if name.starts_with(evidence::CHOSEN) || name == evidence::ROLE {
            continue;
        }
        // A text that is to be redacted is named by its operation and its field.
        if web::typed(name) == Some(Typed::Said)
            && let Some((operation, field)) = text.trim().split_once('.')
        {
            fields.insert("field".to_owned(), field.into());
            fields.insert(name.clone(), operation.into());
            continue;
        }
        fields.insert(name.clone(), value(name, text.trim(), &zone)?);
    }
    if let Some(id) = form.get("responsible_unit_id") {
        let units = units::list(&shared.engine, &account.district).await?;
        if let Some(unit) = units.into_iter().find(|unit| unit.unit == id.trim()) {
            fields.insert("responsible_unit".to_owned(), unit.name.into());
        }
    }
    Ok(fields)
}

/// A field as it was typed.
///
/// # Errors
/// `bad-parameter` with the field's name and what it takes.
fn value(name: &str, text: &str, zone: &TimeZone) -> Result<Value, ApiError> {
    let bad = |takes: &str| wrong(name, takes);
    Ok(match web::typed(name).ok_or_else(|| bad("不在表单中 (no form asks for it)"))? {
        Typed::Text | Typed::Term(_) | Typed::Unit | Typed::Photo | Typed::Missing => text.into(),
        Typed::Said => return Err(bad("操作编码.字段 (an operation, a point, a field)")),
        Typed::Place => {
            place(text).ok_or_else(|| bad("纬度, 经度，例如 29.98, 103.01 (latitude, longitude)"))?
        }
        Typed::Truth => (text == "true").into(),
        Typed::Day => end_of_day(date(name, text)?, zone)?.into(),
        Typed::Minute => {
            let at: DateTime = text.parse().map_err(|_source| bad("2026-11-30T18:00"))?;
            let at = zone.to_timestamp(at).map_err(|_source| bad("2026-11-30T18:00"))?;
            at.as_millisecond().into()
        }
        Typed::Decimal(digits) => {
            scaled(text, digits).ok_or_else(|| bad("数字，小数位过多或格式不对 (a decimal number)"))?.into()
        }
        // The address of a page ends with the id of what is on it.
        Typed::Record => text.trim_end_matches('/').rsplit('/').next().unwrap_or(text).into(),
    })
}

/// A place in degrees: latitude, longitude.
fn place(text: &str) -> Option<Value> {
    let (lat, lon) = text.split_once([',', '，', ' '])?;
    let within = |text: &str, most: i64| scaled(text, 7).filter(|e7| e7.abs() <= most);
    let (lat, lon) = (within(lat, 900_000_000)?, within(lon, 1_800_000_000)?);
    Some(json!({ "lat_e7": lat, "lon_e7": lon }))
}

/// The end of a local day: its 24:00.
pub(super) fn end_of_day(day: Date, zone: &TimeZone) -> Result<i64, ApiError> {
    let midnight = day.tomorrow().map(|next| next.to_datetime(Time::midnight()));
    let next = midnight.ok().and_then(|midnight| zone.to_timestamp(midnight).ok());
    let next = next.ok_or_else(|| wrong("day", &format!("{day} 超出范围 (out of range)")))?;
    Ok(next.as_millisecond())
}

/// Digits of a number that is typed, at most.
const DIGITS: usize = 15;

/// A decimal number times ten to the power of `digits`, exactly; none where it has more digits behind its point.
pub(super) fn scaled(text: &str, digits: u32) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let width = usize::try_from(digits).ok()?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(part) || part.len() > width || whole.len() > DIGITS {
        return None;
    }
    let number: i64 = format!("{whole}{part:0<width$}").parse().ok()?;
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_scaled_exactly_and_what_is_none_is_refused() {
        for (text, digits, expected) in [
            ("4.2", 1, Some(42)),
            ("4", 1, Some(40)),
            ("-0.5", 1, Some(-5)),
            ("3200.05", 2, Some(320_005)),
            ("103.0000001", 7, Some(1_030_000_001)),
            ("4.25", 1, None),
            ("", 1, None),
            (".5", 1, None),
            ("1e3", 1, None),
            ("四", 1, None),
            ("9999999999999999", 0, None),
        ] {
            assert_eq!(scaled(text, digits), expected, "{text}");
        }
    }

    #[test]
    fn what_was_typed_becomes_what_the_api_takes() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let id = "01a205c1-dafd-73ff-92d0-580ee805956c";
        for (name, text, expected) in [
            ("severity", "serious", Value::from("serious")),
            ("major", "true", Value::from(true)),
            // The end of 26 December in Shanghai.
            ("deadline_ms", "2026-12-26", Value::from(1_798_300_800_000_i64)),
            ("verified_at_ms", "2026-12-27T00:00", Value::from(1_798_300_800_000_i64)),
            ("measured_dm", "4.5", Value::from(45)),
            ("funds_fen", "1000", Value::from(100_000)),
            ("position", "29.98, 103.0100001", json!({"lat_e7": 299_800_000, "lon_e7": 1_030_100_001})),
            ("duplicate_of", &format!("https://firebreak.example/hazards/{id}"), Value::from(id)),
        ] {
            assert_eq!(value(name, text, &zone).unwrap(), expected, "{name}");
        }
        for (name, text) in
            [("deadline_ms", "tomorrow"), ("measured_dm", "x"), ("position", "91,2"), ("nonsense", "1")]
        {
            let error = value(name, text, &zone).unwrap_err();
            assert_eq!(error.code, Code::BadParameter, "{name}");
        }
    }
}
