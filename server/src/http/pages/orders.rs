//! `/orders`: rectification orders by year. Printing one is the API's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::super::parameters::{Parameters, wrong};
use super::{PageError, ROWS, Viewer, page, shown};
use crate::sync::listing::Calendar;
use crate::sync::orders;
use crate::web::orders as web;

/// Which orders; of a form left empty, those of every year.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    year: Option<String>,
    cursor: Option<String>,
}

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, PageError> {
    let year = wanted.year.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let bad = |_source| wrong("year", "2026");
    let year: Option<i64> = year.map(str::parse).transpose().map_err(bad)?;
    let seen = (&account.district, &account.sight);
    let rows = orders::page(&shared.engine, seen, year, wanted.cursor.as_deref(), ROWS).await?;
    Ok(page(StatusCode::OK, web::orders(&rows, year, &shown(&account), &Calendar::of(&account.district))))
}
