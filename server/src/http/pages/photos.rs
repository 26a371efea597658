//! `/photos`: photos that records name and that have not come. Bringing one, or writing it off, is on the hazard's page.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Shared;
use super::super::parameters::Parameters;
use super::{Onward, PageError, ROWS, Viewer, page, shown};
use crate::sync::listing::Calendar;
use crate::sync::photos::serving;
use crate::web::photos as web;

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let rows = serving::outstanding(&shared.engine, district, from.cursor.as_deref(), ROWS).await?;
    Ok(page(StatusCode::OK, web::photos(&rows, &shown(&account), &Calendar::of(district))))
}
