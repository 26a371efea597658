//! `/units`, `/units/{unit}`: the tree; adding, changing, retiring.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sync_protocol::codes::Code;
use uuid::Uuid;

use super::super::Shared;
use super::super::auth::{Account, Signed};
use super::super::error::{ApiError, status_of};
use super::super::parameters::{Body, Parameters, UUID, one_of, wrong};
use super::super::units as api;
use super::{Numbered, PageError, Viewer, page, see_other, shown};
use crate::sync::listing::Calendar;
use crate::sync::units::{self, UnitWritten};
use crate::web::Wrong;
use crate::web::units::{self as web, UnitFilled};

/// A form of these pages.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct UnitForm {
    act: String,
    name: String,
    kind: String,
    contact: String,
    phone: String,
    parent: String,
}

impl From<UnitForm> for UnitFilled {
    fn from(form: UnitForm) -> Self {
        let UnitForm { act: _, name, kind, contact, phone, parent } = form;
        Self { name, kind, contact, phone, parent }
    }
}

fn written(filled: &UnitFilled) -> Result<UnitWritten, ApiError> {
    let parent = match filled.parent.as_str() {
        "" => None,
        text => Some(Uuid::parse_str(text).map_err(|_source| wrong("parent", UUID))?),
    };
    let plain = |text: &str| text.trim().to_owned();
    Ok(UnitWritten {
        name: plain(&filled.name),
        kind: filled.kind.clone(),
        contact: plain(&filled.contact),
        phone: plain(&filled.phone),
        parent,
    })
}

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(which): Parameters<Numbered>,
) -> Result<Response, PageError> {
    listed(&shared, &account, &which, &UnitFilled::default(), None).await
}

async fn listed(
    shared: &Shared,
    account: &Account,
    which: &Numbered,
    filled: &UnitFilled,
    error: Option<ApiError>,
) -> Result<Response, PageError> {
    let all = units::list(&shared.engine, &account.district).await?;
    let tree = web::tree(&all);
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let wrong = error.map(Wrong::from);
    Ok(page(status, web::units(which.of(&tree), &all, filled, wrong.as_ref(), &shown(account))))
}

pub(in crate::http) async fn add(
    State(shared): State<Shared>,
    form: Result<Signed<UnitForm>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let filled = UnitFilled::from(form);
    let made = match written(&filled) {
        Ok(unit) => api::add(State(shared.clone()), account.clone(), Body(unit)).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(Json(written)) => Ok(see_other(&format!("/units/{}", written.unit))),
        Err(error) => listed(&shared, &account, &Numbered::default(), &filled, Some(error)).await,
    }
}

pub(in crate::http) async fn one(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(unit): Path<String>,
) -> Result<Response, PageError> {
    told(&shared, &account, &unit, None, None).await
}

async fn told(
    shared: &Shared,
    account: &Account,
    unit: &str,
    filled: Option<UnitFilled>,
    error: Option<ApiError>,
) -> Result<Response, PageError> {
    let id = api::parse(unit)?.to_string();
    let all = units::list(&shared.engine, &account.district).await?;
    let unit = all.iter().find(|known| known.unit == id).ok_or(Code::NotFound)?;
    let there = || UnitFilled {
        name: unit.name.clone(),
        kind: unit.kind.to_owned(),
        contact: unit.contact.clone(),
        phone: unit.phone.clone(),
        parent: unit.parent.clone().unwrap_or_default(),
    };
    let filled = filled.unwrap_or_else(there);
    let status = error.as_ref().map_or(StatusCode::OK, |error| status_of(error.code));
    let wrong = error.map(Wrong::from);
    let (viewer, calendar) = (shown(account), Calendar::of(&account.district));
    Ok(page(status, web::unit(unit, &all, &filled, wrong.as_ref(), &viewer, &calendar)))
}

pub(in crate::http) async fn manage(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    form: Result<Signed<UnitForm>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let (state, path) = (State(shared.clone()), Path(id.clone()));
    let mut typed = None;
    let done = match form.act.as_str() {
        "change" => {
            let filled = typed.insert(UnitFilled::from(form));
            match written(filled) {
                Ok(unit) => api::change(state, account.clone(), path, Body(unit)).await.map(drop),
                Err(error) => Err(error),
            }
        }
        "retire" => api::retire(state, account.clone(), path).await.map(drop),
        _ => Err(one_of("act", ["change", "retire"])),
    };
    match done {
        Ok(()) => Ok(see_other(&format!("/units/{}", api::parse(&id)?))),
        // The parent that is not there is told with the form; the unit itself has no page.
        Err(error) => told(&shared, &account, &id, typed, Some(error)).await,
    }
}
