//! `/audit`, `/audit/head`: who did what; the head of the chain as a sheet to print.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Shared;
use super::super::audit::{Asked, Wanted, asked};
use super::super::error::ApiError;
use super::super::parameters::Parameters;
use super::{PageError, ROWS, Viewer, page, shown};
use crate::orders;
use crate::sync::audit::{self, Chain};
use crate::sync::listing::Calendar;
use crate::sync::people;
use crate::web::audit::{self as web, AuditShown, HeadShown, Which};

pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, PageError> {
    let (engine, district, from) = (&shared.engine, &account.district, wanted.cursor.as_deref());
    let filter = wanted.filter()?;
    let chain = asked(&account, wanted.chain.as_deref())?;
    let rows = match chain {
        Asked::District => audit::page(engine, district, &filter, from, ROWS).await?,
        Asked::Deployment => audit::deployment_page(engine, Some(district), &filter, from, ROWS).await?,
    };
    let people = people::list(engine, district).await?;
    let audit_shown = AuditShown {
        page: rows,
        filter,
        people,
        chain: match chain {
            Asked::District => Which::District,
            Asked::Deployment => Which::Accounts,
        },
        chains: match asked(&account, Some("deployment")) {
            Ok(_) => vec![Which::District, Which::Accounts],
            Err(_forbidden) => vec![Which::District],
        },
    };
    Ok(page(StatusCode::OK, web::audit(&audit_shown, &shown(&account), &Calendar::of(district))))
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
