//! `GET|POST /v1/reports/work`, `GET /v1/reports/{number}`, `…/late`, `GET /v1/reports`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body, Paging, Parameters, one_of, page_size, period};
use crate::report::render::{CONTENT_SECURITY_POLICY, Format, render};
use crate::sync::SyncError;
use crate::sync::audit::Entry;
use crate::sync::listing::facts::Fact;
use crate::sync::reports::{self, Issued};

/// Which draft.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    from: Option<String>,
    to: Option<String>,
    /// `json` (default), `text`, `html` or `docx`.
    format: Option<String>,
}

fn format(name: Option<&str>) -> Result<Format, ApiError> {
    name.map_or(Ok(Format::Json), |name| {
        Format::parse(name).ok_or_else(|| one_of("format", Format::ALL.iter().map(|format| format.as_str())))
    })
}

/// A report as a reply: a page to look at, anything else a file of its media type.
fn reply(bytes: Vec<u8>, format: Format, name: &str) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(policy) = HeaderValue::from_str(&CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let shown = match format {
        Format::Docx => format!("attachment; filename=\"{name}.{}\"", format.extension()),
        Format::Text | Format::Json | Format::Html => "inline".to_owned(),
    };
    if let Ok(shown) = HeaderValue::from_str(&shown) {
        headers.insert(header::CONTENT_DISPOSITION, shown);
    }
    response
}

/// 工作报告草稿 A draft of the work report of these days.
#[utoipa::path(
    get, path = "/v1/reports/work", tag = "reports",
    params(Draft),
    responses((status = 200, description = "The report", content((Object = "application/json"), (String = "text/plain; charset=utf-8"), (String = "text/html; charset=utf-8"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")))),
)]
pub(super) async fn draft(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Draft>,
) -> Result<Response, ApiError> {
    let format = format(wanted.format.as_deref())?;
    let period = period(wanted.from.as_deref(), wanted.to.as_deref())?;
    let report = reports::draft(&shared.engine, &account.district, period).await?;
    let bytes = render(&report, format).map_err(SyncError::from)?;
    let detail = serde_json::json!({ "format": format.as_str(), "from": period.from, "to": period.to });
    let entry = Entry::of(account.person.id, "export.report", "", detail);
    shared.engine.audit_alone(&account.district, entry).await?;
    Ok(reply(bytes, format, &format!("draft-{}-{}", period.from, period.to)))
}

/// Which report to issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Issue {
    /// The first day, `2026-11-01`.
    #[schema(format = Date)]
    from: String,
    /// The last day, included.
    #[schema(format = Date)]
    to: String,
}

/// 签发工作报告 Issues the work report: numbered, frozen, kept.
///
/// Where nothing changed since the last one of the same days, the reply is that one.
#[utoipa::path(
    post, path = "/v1/reports/work", tag = "reports",
    request_body = Issue,
    responses((status = 200, description = "The report", body = Issued)),
)]
pub(super) async fn issue(
    State(shared): State<Shared>,
    account: Account,
    Body(wanted): Body<Issue>,
) -> Result<Json<Issued>, ApiError> {
    let period = period(Some(&wanted.from), Some(&wanted.to))?;
    Ok(Json(reports::issue(&shared.engine, &account.district, period, Some(account.person.id)).await?))
}

/// In which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    /// `json` (default), `text`, `html` or `docx`.
    format: Option<String>,
}

/// 报告文件 An issued report, byte for byte as it was issued.
#[utoipa::path(
    get, path = "/v1/reports/{number}", tag = "reports",
    params(Form),
    responses((status = 200, description = "The report", content((Object = "application/json"), (String = "text/plain; charset=utf-8"), (String = "text/html; charset=utf-8"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")))),
)]
pub(super) async fn one(
    State(shared): State<Shared>,
    account: Account,
    Path(number): Path<String>,
    Parameters(wanted): Parameters<Form>,
) -> Result<Response, ApiError> {
    let format = format(wanted.format.as_deref())?;
    let bytes = reports::file(&shared.engine, &account.district, &number, format).await?;
    let detail = serde_json::json!({ "format": format.as_str() });
    let entry = Entry::of(account.person.id, "export.report", number.as_str(), detail);
    shared.engine.audit_alone(&account.district, entry).await?;
    Ok(reply(bytes, format, &number))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reports {
    reports: Vec<Issued>,
    next: Option<String>,
}

/// 已签发报告 Issued reports, newest first.
#[utoipa::path(
    get, path = "/v1/reports", tag = "reports",
    params(Paging),
    responses((status = 200, description = "A page", body = Reports)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Paging>,
) -> Result<Json<Reports>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let page = reports::list(&shared.engine, &account.district, wanted.cursor.as_deref(), limit).await?;
    Ok(Json(Reports { reports: page.rows, next: page.next }))
}

/// 报告后补传
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Late {
    /// The report.
    number: String,
    /// How many rows in all.
    count: usize,
    /// Those of this page.
    rows: Vec<Fact>,
    next: Option<String>,
}

/// 报告后补传 What came for the days of a report since.
#[utoipa::path(
    get, path = "/v1/reports/{number}/late", tag = "reports",
    params(Paging),
    responses((status = 200, description = "A page", body = Late)),
)]
pub(super) async fn late(
    State(shared): State<Shared>,
    account: Account,
    Path(number): Path<String>,
    Parameters(wanted): Parameters<Paging>,
) -> Result<Json<Late>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let cursor = wanted.cursor.as_deref();
    let (count, page) = reports::late(&shared.engine, &account.district, &number, cursor, limit).await?;
    Ok(Json(Late { number, count, rows: page.rows, next: page.next }))
}
