//! `GET /v1/events`: what somebody should hear of, as server-sent events; `GET|PUT /v1/danger`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sync_protocol::codes::Code;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::Account;
use super::error::ApiError;
use super::parameters::{Body as JsonBody, Parameters};
use super::policy::{self, Row};
use super::readers::ReadersPlace;
use crate::sync::deadlines::{self, DangerTold};
use crate::sync::sessions::Lasting;
use crate::sync::visitors;
use crate::sync::{Engine, SyncError, events};

/// Events of one read.
const READ: u32 = 100;
/// A line without meaning is sent so often, so that a dead connection is noticed. Who reads is looked at again then too:
/// what another process changed of them ends the stream after so long at the latest, what this one changed at once.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader is let go after so long and comes back by itself with the number of the last event that it had.
const LONGEST: Duration = Duration::from_hours(1);
/// Parts that wait for a slow reader.
const WAITING: usize = 4;

/// Where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// The number of the last event that the reader had; the header `Last-Event-ID` wins.
    after: Option<u64>,
    /// `true`: what is there, and then the end; absent: without end.
    once: Option<bool>,
}

/// 事件流 Events as they are noticed: deadlines near, pass and are ignored; conflicts age; devices are silent.
///
/// `text/event-stream`: `id` is the number to resume from, by `Last-Event-ID`. Kept 90 days.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(From),
    responses((status = 200, description = "Events without end", content((String = "text/event-stream")))),
    extensions(("x-codes" = json!(["too-many-requests"]))),
)]
pub(super) async fn stream(
    State(shared): State<Shared>,
    account: Account,
    Parameters(from): Parameters<From>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let row = policy::row_of(&parts)?;
    let last = match parts.headers.get("last-event-id") {
        None => from.after.unwrap_or(0),
        Some(text) => {
            let number = text.to_str().ok().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| ApiError::with(Code::BadParameter, "last-event-id"))?
        }
    };
    let end = if from.once == Some(true) { End::WhenRead } else { End::Never };
    let place = shared.readers.enter((account.district.key, account.person.id))?;
    let (parts, ready) = mpsc::channel(WAITING);
    let stream = Stream { engine: Arc::clone(&shared.engine), lasting: shared.lasting, account, row, place };
    tokio::spawn(async move {
        let sent = tokio::time::timeout(LONGEST, stream.send((last, end), &parts)).await;
        if let Ok(Err(error)) = sent {
            tracing::error!(error = %error, "a stream of events ended: {error}");
        }
    });
    let body = Body::from_stream(futures::stream::unfold(ready, |mut ready| async move {
        ready.recv().await.map(|part| (Ok::<Bytes, std::io::Error>(part), ready))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// When a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// When what was there has been read.
    WhenRead,
    /// When its reader goes.
    Never,
}

/// A stream of events and whose it is.
struct Stream {
    engine: Arc<Engine>,
    lasting: Lasting,
    account: Account,
    /// What lets its reader in.
    row: &'static Row,
    place: ReadersPlace,
}

impl Stream {
    /// Whether its reader would be let in now as they were, and sees the same district.
    ///
    /// # Errors
    /// The store's.
    async fn is_let_in(&self) -> Result<bool, SyncError> {
        let (account, district) = (&self.account, &self.account.district);
        let held = (district, account.token.as_ref(), account.session.as_ref());
        match visitors::again(&self.engine, self.lasting, held).await {
            Ok(visitor) => Ok(visitor.district.key == district.key
                && visitor.person.id == account.person.id
                && Account::admitted(visitor, self.row).is_ok()),
            Err(SyncError::Refused(_) | SyncError::RefusedFor(..)) => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// Sends what is there, then what comes, until the reader goes, or is let in no more, or gives way.
    async fn send(&self, (mut last, end): (u64, End), parts: &mpsc::Sender<Bytes>) -> Result<(), SyncError> {
        loop {
            // Before the look: what is told or changed between it and the wait is not missed.
            let (told, changed) = (self.engine.told.notified(), self.engine.admission.notified());
            if !self.is_let_in().await? {
                return Ok(());
            }
            let events = events::after(&self.engine, &self.account.district, last, READ).await?;
            if events.is_empty() {
                if end == End::WhenRead {
                    return Ok(());
                }
                tokio::select! {
                    () = told => continue,
                    () = changed => continue,
                    () = self.place.gives_way.notified() => return Ok(()),
                    () = parts.closed() => return Ok(()),
                    () = tokio::time::sleep(HEARTBEAT) => {}
                }
                if parts.send(Bytes::from_static(b":\n\n")).await.is_err() {
                    return Ok(());
                }
            }
            for event in events {
                last = event.sequence;
                let (id, kind) = (event.sequence, event.kind);
                let text = format!("id: {id}\nevent: {kind}\ndata: {}\n\n", event.body);
                tokio::select! {
                    sent = parts.send(Bytes::from(text)) => if sent.is_err() { return Ok(()) },
                    () = self.place.gives_way.notified() => return Ok(()),
                }
            }
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dangers {
    dangers: Vec<DangerTold>,
}

/// 火险等级 Fire-danger levels as they were set, the newest first.
#[utoipa::path(
    get, path = "/v1/danger", tag = "rules",
    responses((status = 200, description = "The levels", body = Dangers)),
)]
pub(super) async fn dangers(
    State(shared): State<Shared>,
    account: Account,
) -> Result<Json<Dangers>, ApiError> {
    Ok(Json(Dangers { dangers: deadlines::dangers(&shared.engine, &account.district).await? }))
}

/// A level to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDanger {
    /// 1 to 5: green, blue, yellow, orange, red.
    level: i64,
    /// Name of a township or county; absent: the whole district.
    area: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DangerSet {
    /// Deadlines that it tightened.
    tightened: u64,
}

/// 设定火险等级 Sets the fire-danger level from now on; deadlines that it tightens are tightened at once.
#[utoipa::path(
    put, path = "/v1/danger", tag = "rules",
    request_body = NewDanger,
    responses((status = 200, description = "What it tightened", body = DangerSet)),
)]
pub(super) async fn set_danger(
    State(shared): State<Shared>,
    account: Account,
    JsonBody(new): JsonBody<NewDanger>,
) -> Result<Json<DangerSet>, ApiError> {
    let wanted = (new.area.as_deref().unwrap_or_default(), new.level);
    let tightened =
        deadlines::set_danger(&shared.engine, &account.district, wanted, account.person.id).await?;
    Ok(Json(DangerSet { tightened }))
}
