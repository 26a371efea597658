//! The office's pages for a browser: what they share, `/`, lists, one record; a noun a file below. Signing in is in
//! [`super::sign_in`].
//!
//! A page takes a browser's session, or an office token from the `Authorization` header. A form of ours says the
//! session's own token beside the cookie, so that no other site can send one. What a form changes goes through the
//! handler of the API's own route: the same guards, limits and rows of the audit log.

pub(super) mod account;
pub(super) mod audit;
pub(super) mod commands;
pub(super) mod devices;
pub(super) mod districts;
pub(super) mod maps;
pub(super) mod orders;
pub(super) mod people;
pub(super) mod photos;
pub(super) mod sent;
pub(super) mod units;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Deserialize;
use sync_protocol::codes::Code;

use super::Shared;
use super::auth::{self, Account};
use super::error::{ApiError, status_of};
use super::hazards::{self as api, Wanted};
use super::parameters::{Parameters, date};
use super::policy;
use super::sign_in;
use crate::lifecycle::Command;
use crate::report::period::Period;
use crate::report::rows::StretchKind;
use crate::store::QuarantinePart;
use crate::sync::listing::devices as phones;
use crate::sync::listing::facts::{self, LengthFilter, Part};
use crate::sync::listing::hazards::Filter;
use crate::sync::listing::{Calendar, conflicts, hazards, placement, quarantine, record, totals};
use crate::sync::orders as sync_orders;
use crate::sync::sight::Sight;
use crate::sync::{SyncError, backups, grid::listing as grid, proposals, reports};
use crate::web::{self, Wrong, lists};

/// Rows of a page's table.
const ROWS: u32 = 50;
/// Lines are shown with what was not walked of them for so many days.
const UNWALKED_DAYS: i64 = 30;
/// Rows of a table of the first page.
const WORST: u32 = 10;
/// Devices of the table of silent ones.
const SILENT_SHOWN: usize = 10;

/// An account that looks at pages; without one there is only the form that asks for a token.
#[derive(Debug)]
pub(super) struct Viewer(Account);

/// Which page of a list whose pages are numbered.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbered {
    page: Option<usize>,
}

impl Numbered {
    /// The rows of the page that was asked for, with its number and how many there are. Behind the last one is the last.
    fn of<'r, T>(&self, rows: &'r [T]) -> (&'r [T], (usize, usize)) {
        let pages = rows.len().div_ceil(NUMBERED_ROWS).max(1);
        let at = self.page.unwrap_or(1).clamp(1, pages);
        let from = (at - 1) * NUMBERED_ROWS;
        let to = rows.len().min(from + NUMBERED_ROWS);
        (rows.get(from..to).unwrap_or_default(), (at, pages))
    }
}

/// Rows of a page of such a list.
const NUMBERED_ROWS: usize = 200;

impl FromRequestParts<Shared> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let is_first_visit = !auth::has_token(parts);
        match Account::at_the_door(parts, shared).await {
            Ok((account, None)) => Ok(Self(account)),
            Ok((account, Some(kept_out))) => Err(refused(kept_out, Some(&shown(&account)))),
            Err(error) if matches!(error.code, Code::Unauthenticated | Code::Forbidden) => {
                Err(asked((!is_first_visit).then_some(error.code)))
            }
            Err(error) => Err(refused(error, None)),
        }
    }
}

/// Whoever reads a page that is open to everybody: with their navigation where they are signed in.
#[derive(Debug)]
pub(super) struct Anybody(pub(super) web::Viewer);

impl FromRequestParts<Shared> for Anybody {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Self::Rejection> {
        let account = Account::at_the_door(parts, shared).await;
        Ok(Self(account.map(|(account, _)| shown(&account)).unwrap_or_default()))
    }
}

/// Why a page could not be made; shown as a page.
#[derive(Debug)]
pub(super) struct PageError(ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        refused(self.0, None)
    }
}

/// A page may load our own style sheet and thumbnails and send our own forms: nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn page(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // With `no-referrer` a browser says of our own forms that they come from nowhere.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, text).into_response()
}

/// A page on which nobody is signed in asks for it.
pub(super) fn asked(wrong: Option<Code>) -> Response {
    let status = wrong.map_or(StatusCode::UNAUTHORIZED, status_of);
    page(status, web::sign_in::login(wrong.map(Wrong::from).as_ref()))
}

/// Why something was not done, as a page; for a viewer, with what they may see instead.
fn refused(error: ApiError, viewer: Option<&web::Viewer>) -> Response {
    let status = status_of(error.code);
    page(status, web::problem(&error.into(), viewer))
}

/// A page for an account that was let in.
pub(super) fn shown_page(account: &Account, text: impl FnOnce(&web::Viewer) -> String) -> Response {
    page(StatusCode::OK, text(&shown(account)))
}

/// Who looks at a page, with the routes that let them in.
pub(super) fn shown(account: &Account) -> web::Viewer {
    let routes = policy::TABLE.iter().filter(|row| account.may(row)).map(|row| (row.method, row.path));
    web::Viewer {
        district: account.district.name.clone(),
        name: account.person.name.clone(),
        csrf: account.session.as_ref().map(|session| session.csrf.clone()).unwrap_or_default(),
        routes: routes.collect(),
    }
}

/// `?token=` once: it is put into the cookie and taken out of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    token: Option<String>,
}

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], web::STYLE)
}

pub(super) async fn icon() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "max-age=86400"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    (headers, web::ICON)
}

pub(super) async fn overview(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Parameters(entry): Parameters<Entry>,
    viewer: Result<Viewer, Response>,
) -> Result<Response, PageError> {
    if let Some(token) = entry.token {
        return Ok(sign_in::with_token(&shared, &headers, &token).await);
    }
    let account = match viewer {
        Ok(Viewer(account)) => account,
        Err(asked) => return Ok(asked),
    };
    let (engine, district) = (&shared.engine, &account.district);
    let sees_district = account.sight == Sight::District;
    let open = Filter { open: Some(true), ..Filter::default() }.seen_by(&account.sight);
    let worst = hazards::page(engine, district, &open, None, WORST).await?.rows;
    let overview = web::Overview {
        totals: totals::totals(engine, district, &account.sight).await?,
        placed: placement::of_lines(engine, district, placement::records(&worst)).await?,
        worst,
        conflicts: if sees_district {
            conflicts::page(engine, district, None, WORST).await?.rows
        } else {
            Vec::new()
        },
        silent: if sees_district {
            phones::silent(engine, district, web::SILENT_HOURS, SILENT_SHOWN).await?
        } else {
            Vec::new()
        },
        restored_ms: totals::restored_ms(engine, district).await?,
        backed_up_ms: backups::last_verified_ms(engine, district).await?,
        now_ms: engine.clock.now_ms(),
    };
    Ok(page(StatusCode::OK, web::overview(&overview, &shown(&account), &Calendar::of(district))))
}

pub(super) async fn hazard_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, PageError> {
    let filter = api::filter(&wanted, shared.engine.clock.now_ms())?.seen_by(&account.sight);
    let district = &account.district;
    let rows = hazards::page(&shared.engine, district, &filter, wanted.cursor(), ROWS).await?;
    let placed = placement::of_lines(&shared.engine, district, placement::records(&rows.rows)).await?;
    let text = lists::hazards(&rows, &placed, &wanted.query(), &shown(&account), &Calendar::of(district));
    Ok(page(StatusCode::OK, text))
}

/// What the page of a hazard is told of what was done just now.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    done: Option<String>,
}

pub(super) async fn hazard(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(id): Path<String>,
    Parameters(told): Parameters<Done>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let id = api::parse(&id)?;
    account.must_see(&shared, id).await?;
    let record = record::record(engine, district, id).await?;
    let viewer = shown(&account);
    let beside = web::Beside {
        offered: commands::offered(&shared, &account, id).await?.1,
        orders: sync_orders::of_record(engine, district, id, &account.sight).await?,
        done: told.done.as_deref().and_then(Command::parse),
    };
    Ok(page(StatusCode::OK, web::record(&record, &beside, &viewer, &Calendar::of(district))))
}

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Onward {
    cursor: Option<String>,
}

pub(super) async fn conflict_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let rows = conflicts::page(&shared.engine, district, from.cursor.as_deref(), ROWS).await?;
    Ok(page(StatusCode::OK, lists::conflicts(&rows, &shown(&account), &Calendar::of(district))))
}

pub(super) async fn proposal_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let rows = proposals::page(engine, district, from.cursor.as_deref(), ROWS).await?;
    let both = placement::records(rows.rows.iter().flat_map(|proposal| &proposal.hazards));
    let placed = placement::of_lines(engine, district, both).await?;
    Ok(page(StatusCode::OK, web::proposals(&rows, &placed, &shown(&account), &Calendar::of(district))))
}

/// Since when lines may not have been walked; none: for [`UNWALKED_DAYS`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    since: Option<String>,
    cursor: Option<String>,
}

pub(super) async fn grid_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(wanted): Parameters<Since>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let cursor = wanted.cursor.as_deref();
    let today = reports::today(engine, district)?;
    let since = match wanted.since {
        Some(text) => date("since", &text)?,
        None => today.saturating_sub(jiff::Span::new().days(UNWALKED_DAYS)),
    };
    let filter = LengthFilter {
        part: Part::NotDone,
        kind: StretchKind::Patrol,
        period: Period::new(since, today).map_err(SyncError::from)?,
        person: None,
        line: None,
        at_least_mm: 0,
        with_unplaced: false,
    };
    // Both lists go by the record of the line, so that what is left of a page of lines is on the first page of lengths.
    let unwalked = facts::lengths(engine, district, filter, cursor, ROWS).await?.rows;
    let grid_shown = web::GridShown {
        overview: grid::overview(engine, district).await?,
        lines: grid::lines(engine, district, grid::Which::InForce, ROWS, cursor).await?,
        unwalked_mm: unwalked.into_iter().filter_map(|row| Some((row.line?, row.length_mm))).collect(),
        since,
    };
    Ok(page(StatusCode::OK, web::grid(&grid_shown, &shown(&account), &Calendar::of(district))))
}

pub(super) async fn quarantine_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let cursor = from.cursor.as_deref();
    let whole = quarantine::Wanted { part: QuarantinePart::Whole, since_ms: None, device: None };
    let rows = quarantine::page(&shared.engine, district, whole, cursor, ROWS).await?;
    Ok(page(StatusCode::OK, lists::quarantine(&rows, &shown(&account), &Calendar::of(district))))
}

/// The days of a report; none: this month.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Days {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn report_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(days): Parameters<Days>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let today = reports::today(engine, district)?;
    let or = |name, text: Option<String>, else_: Date| text.map_or(Ok(else_), |text| date(name, &text));
    let to = or("to", days.to, today)?;
    let from = or("from", days.from, to.first_of_month())?;
    let period = Period::new(from, to).map_err(SyncError::from)?;
    let reports_shown = web::Reports {
        period,
        draft: reports::draft(engine, district, period).await?,
        issued: reports::list(engine, district, None, ROWS).await?.rows,
    };
    Ok(page(StatusCode::OK, web::reports(&reports_shown, &shown(&account), &Calendar::of(district))))
}

/// After a form that was taken: the page to look at.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
