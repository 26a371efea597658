//! A compressed reply that is cut: the phone loses what came after the cut, and nothing else.
//!
//! The request is written by hand and the reply read from the bytes that passed, so that the test knows which parts of the
//! reply passed whole: each part that the server flushes is a chunk of HTTP.

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::Phone;
use firebreak_tests::proxy::{Fault, Proxy};
use firebreak_tests::server::{Backend, Server};
use sync_protocol::exchange::{Frame, FrameReader};
use sync_protocol::ids::RecordId;
use sync_protocol::limits::FLUSH_BYTES;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{cuts_of, ends_whole, items, kept, three_hundred};

/// Bytes of a compressed reply between two cuts.
const STEP: usize = 256;
/// The chunk that ends a reply.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const NOTHING: [&[u8]; 0] = [];

/// What undoes the compression of a reply as it arrives.
enum Decoder {
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

impl Decoder {
    fn of(encoding: &str) -> Result<Self> {
        Ok(match encoding {
            "gzip" => Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
            _ => Self::Zstd(zstd::stream::write::Decoder::new(Vec::new())?),
        })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Gzip(decoder) => {
                decoder.write_all(bytes)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
            Self::Zstd(decoder) => {
                decoder.write_all(bytes)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
        })
    }
}

/// A reply, as far as it came.
#[derive(Default)]
struct Heard {
    reply: SyncReply,
    /// How many frames had come with each part that came whole.
    parts: Vec<usize>,
}

impl Heard {
    /// Reads the bytes of a reply; what is cut off is missing.
    fn of(bytes: &[u8], encoding: &str) -> Result<Self> {
        let mut heard = Self::default();
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(heard) };
        let headers = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        for wanted in [format!("content-encoding: {encoding}"), "transfer-encoding: chunked".to_owned()] {
            ensure!(headers.contains(&wanted), "{headers} lacks {wanted}");
        }
        let (mut decoder, mut reader) = (Decoder::of(encoding)?, FrameReader::new());
        let mut rest = &bytes[end + 4..];
        while let Ok(httparse::Status::Complete((start, length))) = httparse::parse_chunk_size(rest) {
            let length = usize::try_from(length)?;
            let chunk = &rest[start..rest.len().min(start + length)];
            if length == 0 {
                break;
            }
            let frames = reader.push(&decoder.push(chunk)?).ok().context("no frames")?;
            heard.reply.frames.extend(frames);
            if chunk.len() < length {
                break;
            }
            heard.parts.push(heard.reply.frames.len());
            rest = rest.get(start + length + 2..).unwrap_or_default();
        }
        Ok(heard)
    }
}

/// Syncs without a bundle and gives the bytes of the reply as far as they came.
async fn ask(proxy: &Proxy, phone: &Phone, encoding: &str) -> Result<Vec<u8>> {
    let address = proxy.url.trim_start_matches("http://");
    let body = phone.request(&NOTHING);
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\naccept-encoding: {encoding}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        phone.token(),
        body.len()
    );
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(&[head.into_bytes(), body].concat()).await?;
    let mut bytes = Vec::new();
    let _cut = socket.read_to_end(&mut bytes).await;
    Ok(bytes)
}

async fn cut_everywhere(encoding: &str) -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let proxy = Proxy::start(server.address()?).await?;
    three_hundred(&server).await?;
    let mut reader = Phone::enrol(&server).await?;
    let bytes = ask(&proxy, &reader, encoding).await?;
    let whole = Heard::of(&bytes, encoding)?;
    ensure!(whole.reply.end().is_some_and(|end| !end.more), "one reply holds all");
    let all: BTreeSet<RecordId> = items(&whole.reply)?.into_iter().map(|(record, _)| record).collect();
    ensure!(all.len() >= 300, "{} records", all.len());
    let plain: usize = whole.reply.frames.iter().map(|frame| frame.encode().len()).sum();
    ensure!(bytes.len() < plain / 2, "{} bytes of {plain}: it is hardly compressed", bytes.len());
    ensure!(whole.parts.len() * 2 * FLUSH_BYTES >= plain, "{} parts of {plain} bytes", whole.parts.len());
    let cursors = whole.reply.frames.iter().filter(|frame| matches!(frame, Frame::Cursor(_))).count();
    ensure!(cursors > 10, "there are hardly any cursors: {cursors}");

    let (mut cuts, mut lost, mut ended) = (0, 0, 0);
    for at in cuts_of(bytes.len(), STEP) {
        (reader.cursor, reader.epoch) = (None, None);
        proxy.set(Fault::CutReply(at));
        let passed = ask(&proxy, &reader, encoding).await?;
        // Its clock compresses to a byte more or less: the last cuts may lie behind all of it.
        ensure!(
            passed.len() == at || passed.ends_with(LAST_CHUNK),
            "cut at {at}: {} bytes passed",
            passed.len()
        );
        let heard = Heard::of(&passed, encoding)?;
        ended += usize::from(ends_whole(&heard.reply, &whole.reply).with_context(|| format!("cut at {at}"))?);
        ensure!(whole.parts.starts_with(&heard.parts), "cut at {at}: {:?} {:?}", heard.parts, whole.parts);
        // What came in whole parts is there to the last frame, and ends with a cursor.
        let frames = &whole.reply.frames[..heard.parts.last().copied().unwrap_or(0)];
        let item = |frame: &Frame| if let Frame::Item(item) = frame { Some(item.record) } else { None };
        let came: BTreeSet<RecordId> = frames.iter().filter_map(item).collect();
        let safe = kept(&heard.reply);
        ensure!(safe.is_superset(&came), "cut at {at}: {} records of {} are left", safe.len(), came.len());
        lost += heard.reply.items().len() - safe.len();

        reader.keep(&heard.reply);
        let rest = reader.sync(&NOTHING).await?;
        let rest: BTreeSet<RecordId> = items(&rest)?.into_iter().map(|(record, _)| record).collect();
        ensure!(rest.is_disjoint(&safe), "cut at {at}: what lay before the cursor came again");
        ensure!(safe.union(&rest).copied().collect::<BTreeSet<_>>() == all, "cut at {at}: the feed skipped");
        cuts += 1;
    }
    println!(
        "{encoding}: {cuts} cuts of {} bytes, {plain} before, {ended} behind the end; {lost} records came after a cursor",
        bytes.len()
    );
    ensure!(cuts - ended > 20 && ended > 0, "only {cuts} cuts, {ended} behind the end");
    Ok(())
}

#[tokio::test]
async fn a_gzip_reply_that_is_cut_loses_only_what_came_after_the_cut() -> Result<()> {
    cut_everywhere("gzip").await
}

#[tokio::test]
async fn a_zstd_reply_that_is_cut_loses_only_what_came_after_the_cut() -> Result<()> {
    cut_everywhere("zstd").await
}
