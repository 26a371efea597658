//! `POST /v1/sync`: size → carrier → frames → the engine → a streamed reply.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures::StreamExt as _;
use sync_protocol::codes::Code;
use sync_protocol::exchange::{self, RequestHeader};
use sync_protocol::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Shared;
use super::auth::Presenter;
use super::error::{ApiError, DeviceError};
use crate::domain::Collection;
use crate::store::{Transaction, Visit};
use crate::sync::admit::{self, Admitted};
use crate::sync::cursor::Cursor;
use crate::sync::group::{self, Delivered, Delivery, Standing};
use crate::sync::pull::{self, Question};
use crate::sync::rollback;

/// A CBOR sequence (RFC 8742).
pub(super) const MEDIA_TYPE: &str = "application/cbor-seq";
/// Parts of a reply that wait for a slow phone.
const PARTS_WAITING: usize = 4;

/// The encodings that bodies may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

pub(super) async fn sync(
    State(shared): State<Shared>,
    presenter: Presenter,
    request: Request,
) -> Result<Response, DeviceError> {
    let _slot =
        Arc::clone(&shared.sync_slots).try_acquire_owned().map_err(|_source| Code::TooManyRequests)?;
    let received_ms = shared.engine.clock.now_ms();
    let reply_encoding = accepted(request.headers());
    let device = presenter.row.device.id;
    let body = read_body(&shared, request).await?;
    let request = exchange::decode_request(&body.bytes)?;
    let header = request.header;
    if let Some(cursor) = &header.cursor {
        Cursor::decode(cursor, &shared.engine.keys, presenter.district.key)?;
    }
    let bundles: Vec<Vec<u8>> = request.bundles.into_iter().map(<[u8]>::to_vec).collect();
    let broken = request.broken.map(|(bytes, code)| (bytes.to_vec(), code));
    let mut admitted =
        admit::open(&shared.engine, &presenter.district, Some(&presenter.row.device), bundles, broken)
            .await?;
    let refused = admitted.refusals.iter().map(refused_frame).collect();
    let delivery = delivery(&presenter, &header, &mut admitted, received_ms);
    let mut receipts = std::mem::take(&mut admitted.receipts);
    let delivered = deliver(&shared, &presenter, delivery).await?;
    receipts.extend(delivered.receipts);
    drop(body);
    let mut reading = None;
    let standing = if let Some(standing) = delivered.standing {
        standing
    } else {
        let reading = shared.engine.reading(&mut reading).await?;
        Standing::of(reading, presenter.district.key, device).await?
    };
    let cursor = header.cursor.as_deref();
    let (cursor, lineage) =
        rollback::settle(&shared.engine, &presenter.district, cursor, standing.lineage, &mut reading).await?;
    let question = Question {
        claimed_sequence: header.head.map_or(0, |head| head.sequence),
        receipts: pull::in_order(&receipts, &admitted.order),
        refused,
        cursor,
        lineage,
        areas: header.areas,
        collections: collections(&header.collections),
        budget: header.budget.unwrap_or(limits::BUDGET_DEFAULT).clamp(limits::BUDGET_MIN, limits::BUDGET_MAX),
        received_ms,
        district: presenter.district,
        presenter: standing.presenter,
    };
    Ok(stream(&shared, question, reading, reply_encoding))
}

fn delivery(
    presenter: &Presenter,
    header: &RequestHeader,
    admitted: &mut Admitted,
    received_ms: i64,
) -> Delivery {
    let device = presenter.row.device.id;
    for refusal in &admitted.refusals {
        tracing::warn!(
            device.id = %device, code = refusal.code.as_str(),
            "a bundle carried by device {device} is refused: {}", refusal.code.en()
        );
        metrics::counter!("firebreak_refused_total", "code" => refusal.code.as_str()).increment(1);
    }
    let uptime = header.sent.uptime_ms.and_then(|uptime| i64::try_from(uptime).ok());
    Delivery {
        arrivals: std::mem::take(&mut admitted.arrivals),
        refused: admitted
            .refusals
            .iter()
            .map(|refusal| {
                group::refused_row(refusal.bundle, refusal.code, &refusal.bytes, Some(device), received_ms)
            })
            .collect(),
        visit: Some(Visit {
            device,
            received_ms,
            clock_offset_ms: header.sent.wall_ms.saturating_sub(received_ms),
            claimed_sequence: header.head.map_or(0, |head| head.sequence),
            boot_offset_ms: header.sent.boot.zip(uptime.map(|uptime| received_ms.saturating_sub(uptime))),
        }),
        acknowledged: (presenter.row.device.holders(), header.acknowledged.clone()),
    }
}

/// A contact that brings nothing is written with the next group; nobody waits for it.
async fn deliver(shared: &Shared, presenter: &Presenter, delivery: Delivery) -> Result<Delivered, ApiError> {
    let is_bare =
        delivery.arrivals.is_empty() && delivery.refused.is_empty() && delivery.acknowledged.1.is_empty();
    if is_bare {
        let (engine, district) = (Arc::clone(&shared.engine), presenter.district.clone());
        tokio::spawn(async move {
            if let Err(error) = engine.deliver(&district, delivery).await {
                tracing::warn!(error = %error, "a contact was not noted: {error}");
            }
        });
        return Ok(Delivered { receipts: group::Receipts::new(), standing: None });
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

/// A body in memory, and the room that it takes up until its bundles are committed.
struct Held {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Room for request bodies: what all requests together may hold. What came and what it was decompressed to have
/// rooms of their own, so that nobody waits for room while holding what another waits for.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    arrived: Arc<Semaphore>,
    decompressed: Arc<Semaphore>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        let room = || Arc::new(Semaphore::new(limits::DECODED_BODY_BYTES / KIB + 1));
        Self { arrived: room(), decompressed: room() }
    }
}

const KIB: usize = 1 << 10;
/// Less than this is decompressed sooner than it is handed to another thread.
const LITTLE_BYTES: usize = 128 << 10;
/// A body is expected to grow by so much; one that grows more is decompressed again with the whole limit's room.
const USUAL_GROWTH: usize = 8;

async fn read_body(shared: &Shared, request: Request) -> Result<Held, ApiError> {
    let encoding = match request.headers().get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Encoding::Identity,
        Some(b"gzip") => Encoding::Gzip,
        Some(b"zstd") => Encoding::Zstd,
        Some(_) => return Err(Code::EncodingUnsupported.into()),
    };
    let named = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let most = named.unwrap_or(limits::UNNAMED_BODY_BYTES).min(limits::BODY_BYTES);
    let room = take_room(&shared.rooms.arrived, most).await?;
    let body = collect(request.into_body(), most).await?;
    if encoding == Encoding::Identity {
        return Ok(Held { bytes: body.to_vec(), _room: room });
    }
    for bound in [body.len().saturating_mul(USUAL_GROWTH), limits::DECODED_BODY_BYTES] {
        let bound = bound.min(limits::DECODED_BODY_BYTES);
        let decoded_room = take_room(&shared.rooms.decompressed, bound).await?;
        let encoded = body.clone();
        let decode = move || decompress(&encoded, encoding, bound);
        let decoded = if bound < LITTLE_BYTES {
            decode()
        } else {
            tokio::task::spawn_blocking(decode).await.map_err(|_source| Code::Internal)?
        };
        match decoded {
            Ok(bytes) => return Ok(Held { bytes, _room: decoded_room }),
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

/// Decompresses up to a bound and not a byte more, whatever the body promises. A body that is cut gives what comes
/// out of what there is; whether that is whole bundles shows then.
fn decompress(body: &[u8], encoding: Encoding, bound: usize) -> Result<Vec<u8>, Code> {
    let take = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoded = Vec::new();
    let read = match encoding {
        Encoding::Identity => return Ok(body.to_vec()),
        Encoding::Gzip => read_all(flate2::read::MultiGzDecoder::new(body).take(take), &mut decoded),
        Encoding::Zstd => zstd::stream::read::Decoder::with_buffer(body)
            .and_then(|decoder| read_all(decoder.take(take), &mut decoded)),
    };
    match read {
        _ if decoded.len() > bound => Err(Code::DecodedBodyTooLarge),
        Ok(()) => Ok(decoded),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(decoded),
        Err(_broken) => Err(Code::EncodingBroken),
    }
}

/// Reads to the end; what came before an error stays.
fn read_all(mut reader: impl std::io::Read, into: &mut Vec<u8>) -> std::io::Result<()> {
    let mut piece = vec![0; DECODED_PIECE];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(()),
            read => into.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// Bytes decompressed at a time.
const DECODED_PIECE: usize = 32 << 10;

/// The encoding of the reply: zstd before gzip where the device takes both.
fn accepted(headers: &HeaderMap) -> Encoding {
    let accepts = |name: &str| {
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|part| {
                let mut words = part.split(';').map(str::trim);
                words.next() == Some(name) && !words.any(|word| word == "q=0")
            })
        })
    };
    if accepts("zstd") {
        Encoding::Zstd
    } else if accepts("gzip") {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

fn stream(shared: &Shared, question: Question, reading: Option<Transaction>, encoding: Encoding) -> Response {
    let (parts, waiting) = mpsc::channel(PARTS_WAITING);
    let engine = Arc::clone(&shared.engine);
    tokio::spawn(async move {
        if let Err(error) = pull::reply(engine, question, reading, parts).await {
            tracing::error!(error = %error, "a reply was cut short: {error}");
        }
    });
    let compressed = (waiting, Compressor::new(encoding).ok());
    let body = Body::from_stream(futures::stream::unfold(compressed, |(mut waiting, compressor)| async {
        let mut compressor = compressor?;
        match waiting.recv().await {
            Some(part) => Some((compressor.part(part), (waiting, Some(compressor)))),
            None => Some((compressor.finish(), (waiting, None))),
        }
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    match encoding {
        Encoding::Identity => {}
        Encoding::Gzip => drop(headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))),
        Encoding::Zstd => drop(headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"))),
    }
    response
}

/// Compresses part by part; what was given is decodable as soon as it arrives.
enum Compressor {
    Identity,
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

const ZSTD_LEVEL: i32 = 3;

impl Compressor {
    fn new(encoding: Encoding) -> std::io::Result<Self> {
        Ok(match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Gzip => {
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()))
            }
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    fn part(&mut self, part: Bytes) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Identity => part,
            Self::Gzip(encoder) => {
                encoder.write_all(&part)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut()).into()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&part)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut()).into()
            }
        })
    }

    fn finish(self) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Identity => Bytes::new(),
            Self::Gzip(encoder) => encoder.finish()?.into(),
            Self::Zstd(encoder) => encoder.finish()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = vec![0; limits::DECODED_BODY_BYTES + 1];
        let zstd = zstd::stream::encode_all(zeros.as_slice(), 1).unwrap();
        let limit = limits::DECODED_BODY_BYTES;
        assert_eq!(decompress(&zstd, Encoding::Zstd, limit), Err(Code::DecodedBodyTooLarge));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(decompress(&gzip, Encoding::Gzip, limit), Err(Code::DecodedBodyTooLarge));
        // A bomb that is cut is one as far as it bursts; what is cut before that is what came out of it.
        let half = &gzip[..gzip.len() / 2];
        assert_eq!(decompress(half, Encoding::Gzip, limit / 4), Err(Code::DecodedBodyTooLarge));
        let cut = decompress(half, Encoding::Gzip, limit).unwrap();
        assert!(cut.len() > limit / 4 && cut.len() < limit, "{}", cut.len());
        let exact = zstd::stream::encode_all(&zeros[1..], 1).unwrap();
        assert_eq!(decompress(&exact, Encoding::Zstd, limit).map(|body| body.len()), Ok(limit));
    }

    #[test]
    fn the_reply_is_encoded_as_the_device_takes_it() {
        for (value, expected) in [
            ("gzip, zstd", Encoding::Zstd),
            ("gzip;q=1.0, zstd;q=0", Encoding::Gzip),
            ("br", Encoding::Identity),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepted(&headers), expected, "{value}");
        }
    }
}
