//! `GET /v1/orders`, `GET /v1/orders/{order}`, `…/{order}/html`, `…/{order}/docx`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_protocol::codes::Code;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Parameters, page_size};
use crate::orders::{CONTENT_SECURITY_POLICY, PrintError, Sheet};
use crate::sync::audit::Entry;
use crate::sync::orders::{self, Order};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

impl From<PrintError> for ApiError {
    fn from(error: PrintError) -> Self {
        tracing::error!(error = %error, "an order could not be printed: {error}");
        Code::Internal.into()
    }
}

/// Which orders are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// 年份: the local year in which they were issued; absent: every year.
    year: Option<i64>,
    /// Rows of a page.
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Orders {
    orders: Vec<Order>,
    next: Option<String>,
}

/// 整改通知书列表 Orders, the newest first. To units, their own.
#[utoipa::path(
    get, path = "/v1/orders", tag = "orders",
    params(Wanted),
    responses((status = 200, description = "A page of orders", body = Orders)),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    account: Account,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Orders>, ApiError> {
    let limit = page_size(wanted.limit)?;
    let seen = (&account.district, &account.sight);
    let page = orders::page(&shared.engine, seen, wanted.year, wanted.cursor.as_deref(), limit).await?;
    Ok(Json(Orders { orders: page.rows, next: page.next }))
}

/// 整改通知书 One order.
#[utoipa::path(
    get, path = "/v1/orders/{order}", tag = "orders",
    responses((status = 200, description = "The order", body = Order)),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn one(
    State(shared): State<Shared>,
    account: Account,
    Path(order): Path<String>,
) -> Result<Json<Order>, ApiError> {
    Ok(Json(seen(&shared, &account, &order).await?))
}

/// An order, where the account may be shown it: of a unit's people, those to their unit and to the ones below it.
async fn seen(shared: &Shared, account: &Account, order: &str) -> Result<Order, ApiError> {
    let (order, unit) = orders::one(&shared.engine, &account.district, order).await?;
    if account.sight.sees(unit) { Ok(order) } else { Err(Code::NotFound.into()) }
}

/// An order as it is printed. That it is given away is noted first.
async fn sheet(
    shared: &Shared,
    account: &Account,
    (order, form): (&str, &'static str),
    headers: &HeaderMap,
) -> Result<Sheet, ApiError> {
    let seen = seen(shared, account, order).await?;
    let detail = json!({ "format": form });
    let entry = Entry::of(account.person.id, "export.order", seen.number, detail);
    shared.engine.audit_alone(&account.district, entry).await?;
    Ok(orders::sheet(&shared.engine, &account.district, order, &shared.base(headers)).await?)
}

/// 整改通知书（打印页） An order as a page to print, with its receipt slip.
#[utoipa::path(
    get, path = "/v1/orders/{order}/html", tag = "orders",
    responses((status = 200, description = "The page", content((String = "text/html; charset=utf-8")))),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn html(
    State(shared): State<Shared>,
    account: Account,
    Path(order): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let page = sheet(&shared, &account, (&order, "html"), &headers).await?.html()?;
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// 整改通知书（文档） An order as a document, with its receipt slip.
#[utoipa::path(
    get, path = "/v1/orders/{order}/docx", tag = "orders",
    responses((status = 200, description = "The document", content((Vec<u8> = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")))),
    extensions(("x-codes" = json!(["not-found"]))),
)]
pub(super) async fn docx(
    State(shared): State<Shared>,
    account: Account,
    Path(order): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let sheet = sheet(&shared, &account, (&order, "docx"), &headers).await?;
    let bytes = sheet.docx()?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(DOCX));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let plain: String = order.chars().filter(|c| c.is_ascii_digit() || *c == '-').collect();
    if let Ok(shown) = HeaderValue::from_str(&format!("attachment; filename=\"order-{plain}.docx\"")) {
        headers.insert(header::CONTENT_DISPOSITION, shown);
    }
    Ok(response)
}
