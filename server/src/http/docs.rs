//! `GET /docs`, `/docs/errors`: the API for people, made from the document that programs read; `/docs/guide`: the guide
//! of the office. No token is needed: nothing of any district is in them.

use axum::http::StatusCode;
use axum::response::Response;

use super::error::status_of;
use super::openapi;
use super::pages::page;
use crate::web;

pub(super) async fn docs() -> Response {
    page(StatusCode::OK, web::api(&openapi::document()))
}

pub(super) async fn guide() -> Response {
    page(StatusCode::OK, web::guide())
}

pub(super) async fn errors() -> Response {
    page(StatusCode::OK, web::errors(|code| status_of(code).as_u16()))
}
