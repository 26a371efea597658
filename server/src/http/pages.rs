//! The office's pages for a browser: `/`, lists, one record, sign-in and sign-out.
//!
//! A page takes the office token from the `Authorization` header or from a cookie that no script and no other
//! site can use. Pages only read: whatever changes the ledger takes the header, so no form can be forged. Another
//! site's form or link signs nobody in or out either: what a victim then enters would go to a stranger's account.

use axum::Form;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Deserialize;
use sync_protocol::codes::Code;

use super::Shared;
use super::auth::{self, Account, COOKIE};
use super::error::{ApiError, status_of};
use super::hazards::{self as api, Wanted};
use super::parameters::{Parameters, date};
use super::policy::OFFICE;
use crate::report::period::Period;
use crate::report::rows::StretchKind;
use crate::store::QuarantinePart;
use crate::sync::listing::devices::DeviceFilter;
use crate::sync::listing::facts::{self, LengthFilter, Part};
use crate::sync::listing::hazards::Filter;
use crate::sync::listing::{Calendar, conflicts, devices, hazards, placement, quarantine, record, totals};
use crate::sync::{SyncError, grid::listing as grid, proposals, reports};
use crate::web::{self, lists};

/// Rows of a page's table.
const ROWS: u32 = 50;
/// Lines are shown with what was not walked of them for so many days.
const UNWALKED_DAYS: i64 = 30;
/// Rows of a table of the first page.
const WORST: u32 = 10;

/// An account that looks at pages; without one there is only the form that asks for a token.
#[derive(Debug)]
pub(super) struct Viewer(Account);

impl FromRequestParts<Shared> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let is_first_visit = !auth::has_token(parts);
        match Account::from_request_parts(parts, shared).await {
            Ok(account) if account.person.roles.has_any(OFFICE) => Ok(Self(account)),
            Ok(_) => Err(asked(Some(Code::Forbidden))),
            Err(error) if error.code == Code::Unauthenticated => {
                Err(asked((!is_first_visit).then_some(Code::Unauthenticated)))
            }
            Err(error) => Err(problem(error.code, "")),
        }
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
        problem(self.0.code, "")
    }
}

/// A page may load our own style sheet and send our own forms: nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

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

fn asked(wrong: Option<Code>) -> Response {
    page(wrong.map_or(StatusCode::UNAUTHORIZED, status_of), web::login(wrong))
}

fn problem(code: Code, district: &str) -> Response {
    page(status_of(code), web::problem(code, district))
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

pub(super) async fn overview(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Parameters(entry): Parameters<Entry>,
    viewer: Result<Viewer, Response>,
) -> Result<Response, PageError> {
    if let Some(token) = entry.token {
        if !is_own(&headers) {
            return Ok(asked(Some(Code::Forbidden)));
        }
        return Ok(enter(&shared, &token).await);
    }
    let account = match viewer {
        Ok(Viewer(account)) => account,
        Err(asked) => return Ok(asked),
    };
    let (engine, district) = (&shared.engine, &account.district);
    let open = Filter { open: Some(true), ..Filter::default() };
    let worst = hazards::page(engine, district, &open, None, WORST).await?.rows;
    let overview = web::Overview {
        totals: totals::totals(engine, district).await?,
        placed: placement::of_lines(engine, district, placement::records(&worst)).await?,
        worst,
        conflicts: conflicts::page(engine, district, None, WORST).await?.rows,
        silent: devices::silent(engine, district, web::SILENT_HOURS, usize::try_from(WORST).unwrap_or(10))
            .await?,
        restored_ms: totals::restored_ms(engine, district).await?,
        now_ms: engine.clock.now_ms(),
    };
    Ok(page(StatusCode::OK, web::overview(&overview, &district.name, &Calendar::of(district))))
}

pub(super) async fn hazard_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, PageError> {
    let filter = api::filter(&wanted, shared.engine.clock.now_ms())?;
    let district = &account.district;
    let rows = hazards::page(&shared.engine, district, &filter, wanted.cursor(), ROWS).await?;
    let placed = placement::of_lines(&shared.engine, district, placement::records(&rows.rows)).await?;
    let text = lists::hazards(&rows, &placed, &wanted.query(), &district.name, &Calendar::of(district));
    Ok(page(StatusCode::OK, text))
}

pub(super) async fn hazard(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let record = record::record(&shared.engine, district, api::parse(&id)?).await?;
    Ok(page(StatusCode::OK, web::record(&record, &district.name, &Calendar::of(district))))
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
    Ok(page(StatusCode::OK, lists::conflicts(&rows, &district.name, &Calendar::of(district))))
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
    Ok(page(StatusCode::OK, web::proposals(&rows, &placed, &district.name, &Calendar::of(district))))
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
    let shown = web::GridShown {
        overview: grid::overview(engine, district).await?,
        lines: grid::lines(engine, district, grid::Which::InForce, ROWS, cursor).await?,
        unwalked_mm: unwalked.into_iter().filter_map(|row| Some((row.line?, row.length_mm))).collect(),
        since,
    };
    Ok(page(StatusCode::OK, web::grid(&shown, &district.name, &Calendar::of(district))))
}

pub(super) async fn device_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let rows = devices::page(&shared.engine, district, DeviceFilter::default(), from.cursor.as_deref(), ROWS)
        .await?;
    Ok(page(StatusCode::OK, lists::devices(&rows, &district.name, &Calendar::of(district))))
}

pub(super) async fn quarantine_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let cursor = from.cursor.as_deref();
    let rows = quarantine::page(&shared.engine, district, QuarantinePart::Whole, None, cursor, ROWS).await?;
    Ok(page(StatusCode::OK, lists::quarantine(&rows, &district.name, &Calendar::of(district))))
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
    let shown = web::Reports {
        period,
        draft: reports::draft(engine, district, period).await?,
        issued: reports::list(engine, district, None, ROWS).await?.rows,
    };
    Ok(page(StatusCode::OK, web::reports(&shown, &district.name, &Calendar::of(district))))
}

pub(super) async fn login_form() -> Response {
    page(StatusCode::OK, web::login(None))
}

/// The form of the sign-in page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    token: String,
}

pub(super) async fn login(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    if is_own(&headers) { enter(&shared, &form.token).await } else { asked(Some(Code::Forbidden)) }
}

pub(super) async fn logout(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if is_own(&headers) { entered(&shared, "", "; Max-Age=0") } else { asked(Some(Code::Forbidden)) }
}

/// Whether a request was made by a page of ours, by a person's own hand, or by no browser at all. Browsers say
/// where a request comes from; those too old for `Sec-Fetch-Site` say it by `Origin` when they send a form.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    from.is_some_and(|(_, from)| Some(from) == host)
}

/// Puts a token that is valid into the cookie.
async fn enter(shared: &Shared, token: &str) -> Response {
    let token = token.trim();
    match auth::account(shared, token).await {
        Ok(account) if account.person.roles.has_any(OFFICE) => entered(shared, token, ""),
        Ok(_) => asked(Some(Code::Forbidden)),
        Err(error) => asked(Some(error.code)),
    }
}

fn entered(shared: &Shared, token: &str, more: &str) -> Response {
    let secure = if shared.pin.is_some() { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    // A token that was read is plain ASCII: only a damaged one is no header value.
    let Ok(cookie) = HeaderValue::from_str(&cookie) else { return asked(Some(Code::Unauthenticated)) };
    let to_start = [(header::LOCATION, HeaderValue::from_static("/")), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, to_start, [(header::CACHE_CONTROL, "no-store")]).into_response()
}
