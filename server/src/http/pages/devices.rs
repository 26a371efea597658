//! Phones: the list, one with what it owes and what waits of it, what is done about it; the QR that enrols one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::super::auth::Signed;
use super::super::devices as api;
use super::super::error::ApiError;
use super::super::parameters::{Body, Parameters, wrong};
use super::super::people::{self, CodeFor};
use super::{Onward, PageError, ROWS, Viewer, page, see_other, shown};
use crate::store::QuarantinePart;
use crate::sync::listing::devices::DeviceFilter;
use crate::sync::listing::{Calendar, devices, quarantine};
use crate::sync::office::Act;
use crate::sync::{review, trust};
use crate::web::{self, lists};

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let rows = devices::page(&shared.engine, district, DeviceFilter::default(), from.cursor.as_deref(), ROWS)
        .await?;
    Ok(page(StatusCode::OK, lists::devices(&rows, &shown(&account), &Calendar::of(district))))
}

pub(in crate::http) async fn one(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(id): Path<String>,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let id = api::parse(&id)?;
    let device = devices::one(engine, district, id).await?;
    let waiting = quarantine::Wanted { part: QuarantinePart::Waiting, since_ms: None, device: Some(id) };
    let rows = quarantine::page(engine, district, waiting, from.cursor.as_deref(), ROWS).await?;
    Ok(page(StatusCode::OK, web::device(&device, &rows, &shown(&account), &Calendar::of(district))))
}

const WHOLE: &str = "一个整数 (a whole number)";

/// What the page of a device may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Manage {
    act: String,
    name: Option<String>,
    sequence: Option<String>,
    reason: Option<String>,
}

pub(in crate::http) async fn manage(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    form: Result<Signed<Manage>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let (engine, district, author) = (&shared.engine, &account.district, account.person.id);
    let by = account.actor();
    let device = api::parse(&id)?;
    match form.act.as_str() {
        "rename" => devices::rename(engine, district, device, &form.name.unwrap_or_default(), by).await?,
        "lose" => drop(engine.act(district, Act::Lose { device, by }).await?),
        "give-up" => {
            let through = form.sequence.unwrap_or_default();
            let through = through.trim().parse().map_err(|_source| wrong("sequence", WHOLE))?;
            let given_up = api::GivenUp { through, reason: form.reason.unwrap_or_default() };
            drop(api::give_up(State(shared), account, Path(id), Body(given_up)).await?);
        }
        "revoke" => {
            let trusted = match form.sequence.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
                None => None,
                Some(text) => {
                    let bad = |_source| wrong("sequence", WHOLE);
                    Some(trust::point_at(engine, district, device, (text.parse().map_err(bad)?, None)).await?)
                }
            };
            engine.act(district, Act::Revoke { device, trusted, author }).await?;
        }
        act => {
            let decision = api::decision(act, form.reason.as_deref())?;
            review::review(engine, district, device, &decision, author).await?;
        }
    }
    Ok(see_other(&format!("/devices/{device}")))
}

pub(in crate::http) async fn enrol_code(
    State(shared): State<Shared>,
    form: Result<Signed<CodeFor>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, wanted) = form?;
    let viewer = shown(&account);
    let calendar = Calendar::of(&account.district);
    let Json(code) = people::enrol_code(State(shared), account, Body(wanted)).await?;
    Ok(page(StatusCode::OK, web::enrol_code(&code, &viewer, &calendar)))
}
