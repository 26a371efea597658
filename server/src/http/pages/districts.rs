//! The districts of an account: their totals, and another one to look at.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sync_protocol::codes::Code;

use super::super::Shared;
use super::super::auth::Signed;
use super::super::districts as api;
use super::super::error::ApiError;
use super::{PageError, Viewer, page, see_other, shown};
use crate::sync::choices;
use crate::sync::listing::totals;
use crate::web;

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
) -> Result<Response, PageError> {
    let mut districts = Vec::new();
    for choice in api::choices(&shared, &account).await? {
        let sight = choice.sight(&shared.engine).await?;
        districts.push(web::DistrictShown {
            totals: totals::totals(&shared.engine, &choice.district, &sight).await?,
            is_chosen: choice.district.key == account.district.key,
            code: choice.district.code,
            name: choice.district.name,
        });
    }
    Ok(page(StatusCode::OK, web::districts(&districts, &shown(&account))))
}

/// Another district.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Chosen {
    district: String,
}

pub(in crate::http) async fn choose(
    State(shared): State<Shared>,
    form: Result<Signed<Chosen>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let session = account.session.as_ref().ok_or(Code::BadParameter)?;
    choices::choose(&shared.engine, session, &form.district).await?;
    Ok(see_other("/"))
}
