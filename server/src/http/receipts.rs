//! `GET /v1/receipts/{bundle}`: the receipt of a bundle, byte for byte as first sent.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use sync_protocol::codes::Code;
use sync_protocol::ids::BundleHash;

use super::Shared;
use super::auth::Presenter;
use super::error::DeviceError;

pub(super) async fn receipt(
    State(shared): State<Shared>,
    presenter: Presenter,
    Path(bundle): Path<String>,
) -> Result<impl IntoResponse, DeviceError> {
    let bundle = hex::decode(bundle)
        .ok()
        .and_then(|bytes| BundleHash::try_from(bytes.as_slice()).ok())
        .ok_or(Code::BadParameter)?;
    let mut transaction = shared.engine.store.read().await?;
    let receipt = transaction.receipt(presenter.district.key, bundle).await?.ok_or(Code::NotFound)?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], receipt))
}
