//! Reading a request's body into memory, within the room that all requests share.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt as _;
use sync_protocol::codes::Code;
use sync_protocol::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::encoding::{Encoding, decompress};
use super::error::ApiError;

/// A body in memory, and the room that it takes up until its bundles are committed.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Room for requests: what all together may hold. What came, what it was decompressed to, and what is opened have
/// rooms of their own, taken in this order, so that nobody waits for room while holding what another waits for.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    arrived: Arc<Semaphore>,
    decompressed: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        let room = |bytes: usize| Arc::new(Semaphore::new(bytes / KIB + 1));
        Self {
            arrived: room(2 * limits::BODY_BYTES),
            decompressed: room(limits::DECODED_BODY_BYTES),
            opened: room(OPENED_BYTES),
        }
    }

    /// Room for so many bytes of bundles that are opened: an opened bundle takes many times the room of its bytes.
    /// One that is too large to be opened is let through: it is refused by its size.
    pub(super) async fn open(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        take_room(&self.opened, bytes.min(OPENED_BYTES)).await
    }
}

const KIB: usize = 1 << 10;
/// Bytes of bundles that are opened at a time.
const OPENED_BYTES: usize = limits::BUNDLE_BYTES + limits::BUNDLE_BYTES / 2;
/// Less than this is decompressed sooner than it is handed to another thread.
const LITTLE_BYTES: usize = 128 << 10;
/// A body is expected to grow by so much; one that grows more is decompressed again with the whole limit's room.
const USUAL_GROWTH: usize = 8;

pub(super) async fn read_body(rooms: &Rooms, request: Request) -> Result<Held, ApiError> {
    let encoding = Encoding::of_body(request.headers())?;
    let named = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let most = named.unwrap_or(limits::UNNAMED_BODY_BYTES).min(limits::BODY_BYTES);
    let room = take_room(&rooms.arrived, most).await?;
    let body = collect(request.into_body(), most).await?;
    if encoding == Encoding::Identity {
        return Ok(Held { bytes: body, _room: room });
    }
    for bound in [body.len().saturating_mul(USUAL_GROWTH), limits::DECODED_BODY_BYTES] {
        let bound = bound.min(limits::DECODED_BODY_BYTES);
        let decoded_room = take_room(&rooms.decompressed, bound).await?;
        let encoded = body.clone();
        let decode = move || decompress(&encoded, encoding, bound);
        let decoded = if bound < LITTLE_BYTES {
            decode()
        } else {
            tokio::task::spawn_blocking(decode).await.map_err(|_source| Code::Internal)?
        };
        match decoded {
            Ok(bytes) => return Ok(Held { bytes: bytes.into(), _room: decoded_room }),
            Err(Code::DecodedBodyTooLarge) if bound < limits::DECODED_BODY_BYTES => {}
            Err(code) => return Err(code.into()),
        }
    }
    Err(Code::DecodedBodyTooLarge.into())
}

/// Reads a body up to a limit. One that is larger is read on for a while and thrown away, so that its sender is
/// listening when it is told; one that is cut is taken as far as it came.
async fn collect(body: Body, most: usize) -> Result<Bytes, Code> {
    let mut parts = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut beyond = 0;
    while let Some(Ok(part)) = parts.next().await {
        if beyond > 0 || bytes.len() + part.len() > most {
            bytes = Vec::new();
            beyond += part.len();
            if beyond > limits::BODY_BYTES {
                break;
            }
        } else {
            bytes.extend_from_slice(&part);
        }
    }
    if beyond > 0 { Err(Code::BodyTooLarge) } else { Ok(bytes.into()) }
}

async fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let kib = u32::try_from(bytes / KIB + 1).map_err(|_source| Code::BodyTooLarge)?;
    Arc::clone(room).acquire_many_owned(kib).await.map_err(|_source| Code::Internal.into())
}
