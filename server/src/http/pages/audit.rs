//! `/audit`, `/audit/head`: who did what; the head of the chain as a sheet to print.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Shared;
use super::super::audit::Wanted;
use super::super::error::ApiError;
use super::super::parameters::Parameters;
use super::{PageError, ROWS, Viewer, page, shown};
use crate::orders;
use crate::sync::audit::{self, Chain};
use crate::sync::listing::Calendar;
use crate::sync::people;
use crate::web::audit::{self as web, HeadShown};

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let filter = wanted.filter()?;
    let rows = audit::page(engine, district, &filter, wanted.cursor.as_deref(), ROWS).await?;
    let people = people::list(engine, district).await?;
    Ok(page(StatusCode::OK, web::audit(&rows, &filter, &people, &shown(&account), &Calendar::of(district))))
}

pub(in crate::http) async fn head(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
) -> Result<Response, PageError> {
    let district = &account.district;
    let link = audit::head(&shared.engine, Chain::District(district)).await?;
    let svg = orders::code_svg(&web::kept(&district.code, link)).map_err(ApiError::from)?;
    let now_ms = shared.engine.clock.now_ms();
    let head = HeadShown { link, district: &district.code, svg: &svg, now_ms };
    Ok(page(StatusCode::OK, web::head(&head, &shown(&account), &Calendar::of(district))))
}
