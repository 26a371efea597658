//! The office's pages for a browser: `/`, lists, one record, one device, districts. Signing in is in [`super::sign_in`].
//!
//! A page takes a browser's session, or an office token from the `Authorization` header. A form of ours says the
//! session's own token beside the cookie, so that no other site can send one.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Deserialize;
use sync_protocol::codes::Code;

use super::Shared;
use super::auth::{self, Account, Signed};
use super::devices as api_devices;
use super::error::{ApiError, status_of};
use super::hazards::{self as api, Wanted};
use super::parameters::{Parameters, date};
use super::policy::{self, MANAGE, Scope};
use super::sign_in;
use crate::report::period::Period;
use crate::report::rows::StretchKind;
use crate::store::QuarantinePart;
use crate::sync::admin::{self, Reach};
use crate::sync::listing::devices::DeviceFilter;
use crate::sync::listing::facts::{self, LengthFilter, Part};
use crate::sync::listing::hazards::Filter;
use crate::sync::listing::{Calendar, conflicts, devices, hazards, placement, quarantine, record, totals};
use crate::sync::office::Act;
use crate::sync::sessions::{self, Sight};
use crate::sync::{SyncError, grid::listing as grid, proposals, reports};
use crate::sync::{review, trust};
use crate::web::sign_in::Wrong;
use crate::web::{self, lists};

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

impl FromRequestParts<Shared> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let is_first_visit = !auth::has_token(parts);
        match Account::from_request_parts(parts, shared).await {
            Ok(account) => Ok(Self(account)),
            Err(error) if matches!(error.code, Code::Unauthenticated | Code::Forbidden) => {
                Err(asked((!is_first_visit).then_some(error.code)))
            }
            Err(error) => Err(problem(error.code)),
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
        problem(self.0.code)
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
    page(status, web::sign_in::login(wrong.map(|code| Wrong { code, detail: None }).as_ref()))
}

fn problem(code: Code) -> Response {
    page(status_of(code), web::problem(code, &web::Viewer::default()))
}

/// Who looks at a page, with the pages that they may see.
fn shown(account: &Account) -> web::Viewer {
    let sees_district = account.sight == Sight::District;
    let may = |path: &&'static str| {
        let row = policy::TABLE.iter().find(|row| row.method == "GET" && row.path == *path);
        row.is_some_and(|row| {
            account.require(row.roles).is_ok() && (sees_district || row.scope == Scope::OwnUnit)
        })
    };
    web::Viewer {
        district: account.district.name.clone(),
        name: account.person.name.clone(),
        csrf: account.session.as_ref().map(|session| session.csrf.clone()).unwrap_or_default(),
        paths: web::Tab::paths().filter(may).collect(),
        sees_district,
        manages: account.require(MANAGE).is_ok(),
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
            devices::silent(engine, district, web::SILENT_HOURS, SILENT_SHOWN).await?
        } else {
            Vec::new()
        },
        restored_ms: totals::restored_ms(engine, district).await?,
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

pub(super) async fn hazard(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let record = api::parse(&id)?;
    account.must_see(&shared, record).await?;
    let record = record::record(&shared.engine, district, record).await?;
    Ok(page(StatusCode::OK, web::record(&record, &shown(&account), &Calendar::of(district))))
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

pub(super) async fn device_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let district = &account.district;
    let rows = devices::page(&shared.engine, district, DeviceFilter::default(), from.cursor.as_deref(), ROWS)
        .await?;
    Ok(page(StatusCode::OK, lists::devices(&rows, &shown(&account), &Calendar::of(district))))
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

pub(super) async fn device(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
    Path(id): Path<String>,
    Parameters(from): Parameters<Onward>,
) -> Result<Response, PageError> {
    let (engine, district) = (&shared.engine, &account.district);
    let id = api_devices::parse(&id)?;
    let device = devices::one(engine, district, id).await?;
    let waiting = quarantine::Wanted { part: QuarantinePart::Waiting, since_ms: None, device: Some(id) };
    let rows = quarantine::page(engine, district, waiting, from.cursor.as_deref(), ROWS).await?;
    Ok(page(StatusCode::OK, web::device(&device, &rows, &shown(&account), &Calendar::of(district))))
}

/// What the page of a device may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manage {
    act: String,
    name: Option<String>,
    sequence: Option<String>,
    reason: Option<String>,
}

pub(super) async fn manage_device(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    form: Result<Signed<Manage>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let (engine, district, author) = (&shared.engine, &account.district, account.person.id);
    let by = account.actor();
    let device = api_devices::parse(&id)?;
    match form.act.as_str() {
        "rename" => devices::rename(engine, district, device, &form.name.unwrap_or_default(), by).await?,
        "lose" => drop(engine.act(district, Act::Lose { device, by }).await?),
        "revoke" => {
            let trusted = match form.sequence.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
                None => None,
                Some(text) => {
                    let bad = |_source| ApiError::with(Code::BadParameter, "sequence");
                    Some(trust::point_at(engine, district, device, text.parse().map_err(bad)?).await?)
                }
            };
            engine.act(district, Act::Revoke { device, trusted, author }).await?;
        }
        act => {
            let decision = api_devices::decision(act, form.reason.as_deref())?;
            review::review(engine, district, device, &decision, author).await?;
        }
    }
    Ok(see_other(&format!("/devices/{device}")))
}

/// Whose phone a code enrols.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeFor {
    person: String,
}

pub(super) async fn enrol_code(
    State(shared): State<Shared>,
    form: Result<Signed<CodeFor>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let person = form.person.parse().map_err(|_source| ApiError::with(Code::BadParameter, "person"))?;
    let reach = Reach { address: None, pin: shared.pin.as_deref() };
    let (engine, district) = (&shared.engine, &account.district);
    let code = admin::enrol_code(engine, district, person, reach, account.actor()).await?;
    let calendar = Calendar::of(&account.district);
    Ok(page(StatusCode::OK, web::enrol_code(&code, &shown(&account), &calendar)))
}

pub(super) async fn district_list(
    State(shared): State<Shared>,
    Viewer(account): Viewer,
) -> Result<Response, PageError> {
    let mut districts = Vec::new();
    for choice in super::districts::choices(&shared, &account).await? {
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
pub(super) struct Chosen {
    district: String,
}

pub(super) async fn choose_district(
    State(shared): State<Shared>,
    form: Result<Signed<Chosen>, ApiError>,
) -> Result<Response, PageError> {
    let Signed(account, form) = form?;
    let session = account.session.as_ref().ok_or(Code::BadParameter)?;
    sessions::choose(&shared.engine, session, &form.district).await?;
    Ok(see_other("/"))
}

/// After a form that was taken: the page to look at.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
