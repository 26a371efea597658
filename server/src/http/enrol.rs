//! `POST /v1/enrol`: a new key becomes a device. What a code or certificate allows is decided in `sync::enrol`.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use sync_protocol::cbor;
use sync_protocol::codes::Code;
use sync_protocol::limits;

use super::Shared;
use super::error::DeviceError;
use crate::sync::enrol as enrolment;

pub(super) async fn enrol(
    State(shared): State<Shared>,
    request: Request,
) -> Result<impl IntoResponse, DeviceError> {
    let body = axum::body::to_bytes(request.into_body(), limits::ENROL_BODY_BYTES)
        .await
        .map_err(|_source| Code::BodyTooLarge)?;
    let reply = enrolment::enrol(&shared.engine, &body).await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], cbor::encode(&reply)))
}
