//! `GET /docs`, `/docs/errors`: the API for people, made from the document that programs read; `/docs/guide`: the guide
//! of the office; `/docs/maps`: layers, columns and formats. No token is needed: nothing of any district is in them.

use axum::http::StatusCode;
use axum::response::Response;

use super::error::status_of;
use super::openapi;
use super::pages::{Anybody, page};
use crate::web;

pub(super) async fn docs(Anybody(viewer): Anybody) -> Response {
    page(StatusCode::OK, web::api(&openapi::document(), &viewer))
}

pub(super) async fn guide(Anybody(viewer): Anybody) -> Response {
    page(StatusCode::OK, web::guide(&viewer))
}

pub(super) async fn maps(Anybody(viewer): Anybody) -> Response {
    page(StatusCode::OK, web::maps_guide(&viewer))
}

pub(super) async fn errors(Anybody(viewer): Anybody) -> Response {
    page(StatusCode::OK, web::errors(|code| status_of(code).as_u16(), &viewer))
}
