//! The map as OGC API: tiles of its layers.

pub(super) mod tile_sets;
pub(super) mod tiles;

use axum::http::{HeaderMap, header};

use super::Shared;

/// The address by which this request reached the server, without a slash at its end: links lead back the same way.
fn base(shared: &Shared, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if shared.pin.is_some() { "https" } else { "http" };
    format!("{scheme}://{host}")
}
