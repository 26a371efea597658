//! Law 7 where records move: a phone keeps no record that has left its areas, whenever it moved.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use sync_protocol::exchange::{AreaState, Frame, FrameReader, RequestHeader, encode_request};
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::operation::{Operation, Position};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// West, south, east and north, degrees.
const SOUTH: &str = "103,29,104,29.1";
const NORTH: &str = "103,30,104,30.1";
const IN_THE_SOUTH: i64 = 290_000_500;
const IN_THE_NORTH: i64 = 300_000_500;
const ELSEWHERE: i64 = 320_000_000;

fn at(lat_e7: i64) -> Position {
    Position { lat_e7, lon_e7: 1_035_000_000, ..Position::default() }
}

async fn set_area(server: &Server, person: &str, area: &str) -> Result<()> {
    let set = ["area", "set", "--district", DISTRICT, "--person", person, "--box", area];
    ensure!(server.command(&set).await?.0, "the area was not set");
    Ok(())
}

async fn push(phone: &mut Phone, operation: &Operation) -> Result<()> {
    let bundle = phone.seal(std::slice::from_ref(operation));
    let reply = phone.sync(&[bundle]).await?;
    ensure!(reply.receipts().len() == 1, "{reply:?}");
    Ok(())
}

fn leaves(frames: &[Frame], record: RecordId) -> bool {
    frames.iter().any(|frame| matches!(frame, Frame::Leave(left) if *left == record))
}

fn holds(reply: &SyncReply, record: RecordId) -> bool {
    reply.items().iter().any(|item| item.record == record)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_place_becomes_known_outside_the_areas_leaves() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        set_area(&server, &person, NORTH).await?;
        let (mut writer, mut reader) =
            (Phone::enrol(&server).await?, Phone::enrol_for(&server, &person).await?);
        let mut report = writer.report("general");
        report.fields.remove("position");
        push(&mut writer, &report).await?;
        let reply = reader.sync::<Vec<u8>>(&[]).await?;
        ensure!(holds(&reply, report.record), "what has no place goes to everybody: {reply:?}");
        let placed = writer.on(report.record, Kind::Observed, [head_of(&report)]);
        let placed = placed.with("position", &at(IN_THE_SOUTH));
        push(&mut writer, &placed).await?;
        let reply = reader.sync::<Vec<u8>>(&[]).await?;
        ensure!(leaves(&reply.frames, report.record) && !holds(&reply, report.record), "{reply:?}");
        // What becomes unknown again goes to everybody again, and leaves once more.
        let unknown = writer.on(report.record, Kind::Corrected, [head_of(&placed)]);
        let unknown = unknown.with("position", &None::<Position>);
        push(&mut writer, &unknown).await?;
        let reply = reader.sync::<Vec<u8>>(&[]).await?;
        ensure!(holds(&reply, report.record), "{reply:?}");
        let again = writer.on(report.record, Kind::Observed, [head_of(&unknown)]);
        push(&mut writer, &again.with("position", &at(IN_THE_SOUTH))).await?;
        let reply = reader.sync::<Vec<u8>>(&[]).await?;
        ensure!(leaves(&reply.frames, report.record), "{reply:?}");
        server.check().await?;
    }
    Ok(())
}

/// Pulls, and keeps the version of the areas.
async fn pull(phone: &mut Phone, areas: &mut AreaState) -> Result<SyncReply> {
    let header = RequestHeader { areas: Some(areas.clone()), ..phone.header() };
    let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
    phone.keep(&reply);
    keep(areas, &reply);
    Ok(reply)
}

fn keep(areas: &mut AreaState, reply: &SyncReply) {
    for frame in &reply.frames {
        if let Frame::Areas(version) = frame {
            areas.version = *version;
        }
    }
}

/// A reply that is read no faster than its reader asks for it.
struct Slow {
    stream: tokio::net::TcpStream,
    raw: Vec<u8>,
}

impl Slow {
    async fn ask(server: &Server, phone: &Phone, body: &[u8]) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4_096)?;
        let mut stream = socket.connect(server.address()?).await?;
        let head = format!(
            "POST /v1/sync HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            phone.token(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        Ok(Self { stream, raw: Vec::new() })
    }

    async fn read(&mut self, at_least: usize) -> Result<()> {
        let mut part = vec![0; 64 << 10];
        while self.raw.len() < at_least {
            let read = self.stream.read(&mut part).await?;
            if read == 0 {
                break;
            }
            self.raw.extend_from_slice(part.get(..read).unwrap_or_default());
        }
        Ok(())
    }

    async fn frames(mut self) -> Result<Vec<Frame>> {
        self.read(usize::MAX).await?;
        let begins = self.raw.windows(4).position(|four| four == b"\r\n\r\n").context("no headers")?;
        let body = self.raw.get(begins + 4..).unwrap_or_default();
        FrameReader::new().push(body).map_err(|code| anyhow::anyhow!("{code}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_moves_while_a_change_of_areas_is_sent_leaves() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        set_area(&server, &person, SOUTH).await?;
        let (mut writer, mut reader) =
            (Phone::enrol(&server).await?, Phone::enrol_for(&server, &person).await?);
        let report = writer.report("general").with("position", &at(IN_THE_SOUTH));
        push(&mut writer, &report).await?;
        // The north has more than the buffers between server and phone hold, and is scanned first.
        for _ in 0..3 {
            let text = "杉木距导线不足".repeat(180);
            let many: Vec<Operation> = (0..900)
                .map(|_| {
                    writer.report("general").with("position", &at(IN_THE_NORTH)).with("description", &text)
                })
                .collect();
            let bundle = writer.seal(&many);
            ensure!(writer.sync(&[bundle]).await?.receipts().len() == 1, "the north was not taken");
        }
        let mut areas = AreaState { version: 0, progress: None };
        while pull(&mut reader, &mut areas).await?.end().is_some_and(|end| end.more) {}
        ensure!(areas.version > 0, "{areas:?}");
        set_area(&server, &person, NORTH).await?;
        let budget = Some(limits::BUDGET_MAX);
        let header = RequestHeader { budget, areas: Some(areas.clone()), ..reader.header() };
        let mut slow = Slow::ask(&server, &reader, &encode_request::<Vec<u8>>(&header, &[])).await?;
        slow.read(32 << 10).await?;
        let moved = writer.on(report.record, Kind::Observed, [head_of(&report)]);
        push(&mut writer, &moved.with("position", &at(ELSEWHERE))).await?;
        let frames = slow.frames().await?;
        ensure!(frames.iter().any(|frame| matches!(frame, Frame::Areas(_))), "the change was not whole");
        let reply = SyncReply { status: 200, frames, bytes: 0 };
        reader.keep(&reply);
        keep(&mut areas, &reply);
        let next = pull(&mut reader, &mut areas).await?;
        ensure!(
            leaves(&reply.frames, report.record) || leaves(&next.frames, report.record),
            "{backend:?}: the phone keeps a record that is neither in its old areas nor in its new ones"
        );
        ensure!(!holds(&next, report.record), "{next:?}");
    }
    Ok(())
}
