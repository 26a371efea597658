//! How far apart the cursors of a reply may lie: what a broken connection costs a phone.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use sync_protocol::exchange::{AreaState, Frame, RequestHeader, encode_request};
use sync_protocol::limits::{BUDGET_MAX, FLUSH_BYTES};

/// Everything.
const WIDE: &str = "102,28,105,32";
/// Nothing of what is there.
const ELSEWHERE: &str = "103,40,104,40.1";

/// Frames that lie behind one cursor and go up to the next: how many, and their bytes with that cursor's.
#[derive(Debug)]
struct Span {
    frames: usize,
    bytes: usize,
}

/// Spans between the cursors of the feed, the last of them complete.
fn spans(reply: &SyncReply) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut span = Span { frames: 0, bytes: 0 };
    for frame in &reply.frames {
        let is_fed = matches!(frame, Frame::Item(_) | Frame::Leave(_) | Frame::Areas(_) | Frame::Cursor(_));
        if !is_fed {
            continue;
        }
        span = Span { frames: span.frames + 1, bytes: span.bytes + frame.encode().len() };
        if matches!(frame, Frame::Cursor(_)) {
            spans.push(std::mem::replace(&mut span, Span { frames: 0, bytes: 0 }));
        }
    }
    spans
}

/// No more than [`FLUSH_BYTES`] lie between two cursors, or one frame that is larger.
fn require_near(reply: &SyncReply, what: &str) -> Result<usize> {
    let spans = spans(reply);
    for span in &spans {
        ensure!(span.bytes <= FLUSH_BYTES || span.frames == 2, "{what}: {span:?} between two cursors");
    }
    Ok(spans.len())
}

async fn pull(phone: &mut Phone, areas: Option<&AreaState>) -> Result<SyncReply> {
    let header = RequestHeader { areas: areas.cloned(), budget: Some(BUDGET_MAX), ..phone.header() };
    let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
    ensure!(reply.end().is_some_and(|end| !end.more), "one reply holds all: {:?}", reply.end());
    phone.keep(&reply);
    Ok(reply)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_lie_no_further_apart_than_a_flush_whatever_the_size_of_items() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        let mut author = Phone::enrol(&server).await?;
        let mut reports = Vec::new();
        for nth in 0..400 {
            // From nothing to more than a flush by itself, in no order.
            let text = "长".repeat(nth * 577 % 1_301);
            reports.push(author.report("general").with("description", &text));
        }
        for reports in reports.chunks(100) {
            let bundle = author.seal(reports);
            ensure!(author.sync(&[bundle]).await?.receipts().len() == 1, "pushed");
        }
        let mut reader = Phone::enrol_for(&server, &person).await?;
        let whole = pull(&mut reader, None).await?;
        let large = whole.items().iter().filter(|item| item.view.as_bytes().len() > FLUSH_BYTES).count();
        ensure!(whole.items().len() >= 400 && large > 0, "{} items, {large} large", whole.items().len());
        ensure!(require_near(&whole, "all of it")? > 150, "too few cursors");

        // Everything leaves, and everything enters again.
        let mut areas = AreaState { version: 0, progress: None };
        for (area, is_entering) in [(ELSEWHERE, false), (WIDE, true)] {
            let set = ["area", "set", "--district", DISTRICT, "--person", &person, "--box", area];
            ensure!(server.command(&set).await?.0, "the area was not set");
            let change = pull(&mut reader, Some(&areas)).await?;
            let left = change.frames.iter().filter(|frame| matches!(frame, Frame::Leave(_))).count();
            let moved = if is_entering { change.items().len() } else { left };
            ensure!(moved >= 400, "{backend:?}: {moved} of 400 moved");
            require_near(&change, area)?;
            let version = change.frames.iter().rev().find_map(|frame| match frame {
                Frame::Areas(version) => Some(*version),
                _ => None,
            });
            areas.version = version.context("the change was not whole")?;
        }
    }
    Ok(())
}
