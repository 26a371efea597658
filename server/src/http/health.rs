//! `/healthz`, `/readyz`, `/metrics`: for operators and their monitors, without a token.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Shared;
use super::error::ApiError;

/// The process answers.
pub(super) async fn healthy() -> &'static str {
    "ok\n"
}

/// The store answers.
pub(super) async fn ready(State(shared): State<Shared>) -> Result<&'static str, ApiError> {
    let mut transaction = shared.engine.store.read().await?;
    transaction.districts().await?;
    Ok("ready\n")
}

pub(super) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.metrics.render())
}
