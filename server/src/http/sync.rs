//! `POST /v1/sync`: size → carrier → frames → the engine → a streamed reply.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use sync_protocol::codes::Code;
use sync_protocol::exchange::{self, RequestHeader};
use sync_protocol::ids::{BundleHash, DeviceId};
use sync_protocol::limits;
use tokio::sync::mpsc;

use super::Shared;
use super::auth::{Presenter, Remembered, require_trusted};
use super::body::read_body;
use super::encoding::{Compressor, Encoding, accepted};
use super::error::{ApiError, DeviceError};
use crate::domain::Collection;
use crate::store::{Transaction, Visit};
use crate::sync::Engine;
use crate::sync::admit::{self, Admitted};
use crate::sync::ahead::{Ahead, Asked};
use crate::sync::cursor::Cursor;
use crate::sync::delivery::{self, Delivered, Delivery, Standing};
use crate::sync::pull::{self, Part, Parts, Question};
use crate::sync::rollback;

/// A CBOR sequence (RFC 8742).
pub(super) const MEDIA_TYPE: &str = "application/cbor-seq";

pub(super) async fn sync(
    State(shared): State<Shared>,
    Remembered(presenter): Remembered,
    request: Request,
) -> Result<Response, DeviceError> {
    let _slot =
        Arc::clone(&shared.sync_slots).try_acquire_owned().map_err(|_source| Code::TooManyRequests)?;
    let received_ms = shared.engine.clock.now_ms();
    let reply_encoding = accepted(request.headers());
    let device = presenter.device.id;
    let body = read_body(&shared.rooms, request).await?;
    let request = exchange::decode_request(&body.bytes)?;
    let header = request.header;
    let cursor = match &header.cursor {
        Some(cursor) => Cursor::decode(cursor, &shared.engine.keys, presenter.district.key)?,
        None => Cursor::default(),
    };
    let budget = budget(header.budget);
    let asked = Asked { changes: cursor.changes, budget };
    let broken = request.broken.map(|(bytes, code)| (bytes.to_vec(), code));
    let taken = take(&shared, &presenter, (&header, asked), &request.bundles, broken, received_ms).await?;
    drop(body);
    let mut reading = None;
    let standing = if let Some(standing) = taken.standing {
        standing
    } else {
        let reading = shared.engine.reading(&mut reading).await?;
        Standing::of(reading, presenter.district.key, device).await?
    };
    shared.engine.presenters.remember(presenter.district.key, &standing.presenter.device);
    require_trusted(&standing.presenter.device)?;
    let cursor = header.cursor.as_deref();
    let (cursor, lineage) =
        rollback::settle(&shared.engine, &presenter.district, cursor, standing.lineage, &mut reading).await?;
    let question = Question {
        claimed_sequence: header.head.map_or(0, |head| head.sequence),
        receipts: pull::in_order(&taken.receipts, &taken.order),
        refused: taken.refused,
        cursor,
        lineage,
        ahead: taken.ahead,
        areas: header.areas,
        collections: collections(&header.collections),
        budget,
        received_ms,
        district: presenter.district,
        presenter: standing.presenter,
    };
    Ok(reply(&shared, question, reading, reply_encoding).await?)
}

/// The budget of a reply: what the header names, or the nearer of the bounds.
fn budget(named: Option<u64>) -> u64 {
    named.unwrap_or(limits::BUDGET_DEFAULT).clamp(limits::BUDGET_MIN, limits::BUDGET_MAX)
}

/// What became of the bundles of a request.
#[derive(Default)]
struct Taken {
    receipts: delivery::Receipts,
    refused: Vec<exchange::Refused>,
    order: Vec<BundleHash>,
    standing: Option<Standing>,
    ahead: Ahead,
}

/// Opens and delivers the bundles of a request, a slice at a time: what is opened takes many times the room of its
/// bytes. The last slice carries what is the presenter's own.
async fn take(
    shared: &Shared,
    presenter: &Presenter,
    (header, asked): (&RequestHeader, Asked),
    bundles: &[&[u8]],
    mut broken: Option<(Vec<u8>, Code)>,
    received_ms: i64,
) -> Result<Taken, ApiError> {
    let mut taken = Taken::default();
    let mut left = bundles;
    loop {
        let (slice, rest) = left.split_at(slice_length(left));
        left = rest;
        let _room = shared.rooms.open(slice.iter().map(|bundle| bundle.len()).sum()).await?;
        let bundles = slice.iter().map(|bundle| bundle.to_vec()).collect();
        let broken = if left.is_empty() { broken.take() } else { None };
        let device = Some(&presenter.device);
        let mut admitted = admit::open(&shared.engine, &presenter.district, device, bundles, broken).await?;
        taken.refused.extend(admitted.refusals.iter().map(refused_frame));
        let mut delivery = delivery(presenter.device.id, &mut admitted, received_ms);
        if left.is_empty() {
            delivery.visit = Some(visit(presenter.device.id, header, received_ms));
            delivery.acknowledged = (presenter.device.holders(), header.acknowledged.clone());
            delivery.asked = Some(asked.clone());
        }
        let delivered = deliver(shared, presenter, delivery).await?;
        taken.order.extend(admitted.order);
        taken.receipts.extend(admitted.receipts);
        taken.receipts.extend(delivered.receipts);
        if left.is_empty() {
            taken.standing = delivered.standing;
            taken.ahead = delivered.ahead;
            return Ok(taken);
        }
    }
}

/// How many of the first bundles are opened together: no more than a large one has bytes.
fn slice_length(bundles: &[&[u8]]) -> usize {
    let mut bytes = 0;
    let fitting = bundles.iter().take_while(|bundle| {
        bytes += bundle.len();
        bytes <= limits::BUNDLE_BYTES
    });
    fitting.count().max(1).min(bundles.len())
}

fn delivery(device: DeviceId, admitted: &mut Admitted, received_ms: i64) -> Delivery {
    for refusal in &admitted.refusals {
        tracing::warn!(
            device.id = %device, code = refusal.code.as_str(),
            "a bundle carried by device {device} is refused: {}", refusal.code.en()
        );
        metrics::counter!("firebreak_refused_total", "code" => refusal.code.as_str()).increment(1);
    }
    let refused = admitted.refusals.iter().map(|refusal| {
        delivery::refused_row(refusal.bundle, refusal.code, &refusal.bytes, Some(device), received_ms)
    });
    Delivery {
        refused: refused.collect(),
        arrivals: std::mem::take(&mut admitted.arrivals),
        ..Delivery::default()
    }
}

/// What this contact says of the presenter and its clock.
fn visit(device: DeviceId, header: &RequestHeader, received_ms: i64) -> Visit {
    let uptime = header.sent.uptime_ms.and_then(|uptime| i64::try_from(uptime).ok());
    Visit {
        device,
        received_ms,
        clock_offset_ms: header.sent.wall_ms.saturating_sub(received_ms),
        claimed_sequence: header.head.map_or(0, |head| head.sequence),
        boot_offset_ms: header.sent.boot.zip(uptime.map(|uptime| received_ms.saturating_sub(uptime))),
    }
}

/// A contact that brings nothing is written with the next group; nobody waits for it.
async fn deliver(shared: &Shared, presenter: &Presenter, delivery: Delivery) -> Result<Delivered, ApiError> {
    let is_bare =
        delivery.arrivals.is_empty() && delivery.refused.is_empty() && delivery.acknowledged.1.is_empty();
    if is_bare {
        let (engine, district) = (Arc::clone(&shared.engine), presenter.district.clone());
        let delivery = Delivery { asked: None, ..delivery };
        tokio::spawn(async move {
            if let Err(error) = engine.deliver(&district, delivery).await {
                tracing::warn!(error = %error, "a contact was not noted: {error}");
            }
        });
        return Ok(Delivered {
            receipts: delivery::Receipts::new(),
            standing: None,
            ahead: Ahead::default(),
        });
    }
    Ok(shared.engine.deliver(&presenter.district, delivery).await?)
}

fn refused_frame(refusal: &admit::Refusal) -> exchange::Refused {
    exchange::Refused {
        en: refusal.code.en().to_owned(),
        zh: refusal.code.zh().to_owned(),
        code: refusal.code.as_str().to_owned(),
        bundle: refusal.bundle,
    }
}

/// Collections that the device knows and the server sends.
fn collections(named: &[String]) -> Vec<Collection> {
    if named.is_empty() {
        return vec![Collection::Records];
    }
    named
        .iter()
        .filter_map(|name| Collection::parse(name))
        .filter(|collection| !matches!(collection, Collection::Devices | Collection::Gone))
        .collect()
}

/// Writes a reply: at once where it is short, which most are, and otherwise while it is sent.
async fn reply(
    shared: &Shared,
    question: Question,
    reading: Option<Transaction>,
    encoding: Encoding,
) -> Result<Response, ApiError> {
    let (parts, waiting, filled) = Parts::channel();
    let mut writer = Box::pin(write(Arc::clone(&shared.engine), question, reading, parts));
    let compressor = Compressor::new(encoding).map_err(|_source| Code::Internal)?;
    let body = tokio::select! {
        () = filled.notified() => {
            tokio::spawn(writer);
            stream(waiting, compressor)
        }
        () = &mut writer => whole(waiting, compressor)?,
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(name) = encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}

async fn write(engine: Arc<Engine>, question: Question, reading: Option<Transaction>, parts: Parts) {
    if let Err(error) = pull::reply(engine, question, reading, parts).await {
        tracing::error!(error = %error, "a reply was cut short: {error}");
    }
}

/// A reply that is written, as one piece.
fn whole(mut waiting: mpsc::Receiver<Part>, mut compressor: Compressor) -> Result<Body, ApiError> {
    let mut written = Vec::new();
    while let Ok(part) = waiting.try_recv() {
        written.extend_from_slice(&part);
    }
    let failed = |_source| Code::Internal;
    let mut body = Vec::from(compressor.part(written.into()).map_err(failed)?);
    body.extend_from_slice(&compressor.finish().map_err(failed)?);
    Ok(Body::from(body))
}

/// A reply that is still being written, part by part.
fn stream(waiting: mpsc::Receiver<Part>, compressor: Compressor) -> Body {
    let compressed = (waiting, Some(compressor));
    Body::from_stream(futures::stream::unfold(compressed, |(mut waiting, compressor)| async {
        let mut compressor = compressor?;
        match waiting.recv().await {
            Some(part) => Some((compressor.part(part), (waiting, Some(compressor)))),
            None => Some((compressor.finish(), (waiting, None))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use sync_protocol::limits::{BUDGET_DEFAULT, BUDGET_MAX, BUDGET_MIN};

    use super::budget;

    #[test]
    fn a_budget_out_of_its_range_is_the_nearer_bound() {
        for (named, expected) in [
            (None, BUDGET_DEFAULT),
            (Some(0), BUDGET_MIN),
            (Some(BUDGET_MIN - 1), BUDGET_MIN),
            (Some(BUDGET_MIN), BUDGET_MIN),
            (Some(BUDGET_MIN + 1), BUDGET_MIN + 1),
            (Some(BUDGET_MAX - 1), BUDGET_MAX - 1),
            (Some(BUDGET_MAX), BUDGET_MAX),
            (Some(BUDGET_MAX + 1), BUDGET_MAX),
            (Some(u64::MAX), BUDGET_MAX),
        ] {
            assert_eq!(budget(named), expected, "{named:?}");
        }
    }
}
