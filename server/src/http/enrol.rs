//! `POST /v1/enrol`: a new key becomes a device. What a code or certificate allows is decided in `sync::enrol`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use sync_protocol::cbor;

use super::error::DeviceError;
use super::Shared;
use crate::sync::enrol as enrolment;

pub(super) async fn enrol(
    State(shared): State<Shared>,
    body: Bytes,
) -> Result<impl IntoResponse, DeviceError> {
    let reply = enrolment::enrol(&shared.engine, &body).await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], cbor::encode(&reply)))
}
