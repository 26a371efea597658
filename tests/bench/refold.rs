//! `refold`: ten thousand operations on one record that arrive in reverse order, against a thousand.
//!
//! Each had seen the one before, so that none can be folded onto what is there until the first has come. What is
//! printed is the cost of one operation; a ratio of 1 is linear. The fold alone is measured against ten records of a thousand
//! operations, one after the other: as many operations in as much memory, or what is compared is the processor's caches.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use sync_protocol::fold;
use sync_protocol::ids::Identity;
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Identified, Operation};
use sync_protocol::view::View;

use crate::crew;
use crate::figure::{Figures, number};

const FEW: usize = 1_000;
const MANY: usize = 10_000;
/// Stories of each length, sent through HTTP.
const ROUNDS: usize = 5;
/// Folds of each. The fastest counts: whatever else runs interrupts some.
const FOLDS: usize = 5;

/// Measures the fold alone, and the whole way through HTTP.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    Figures::say("refold");
    let server = Server::start(Backend::Sqlite).await?;
    let mut phones = crew::enrol(&server, 2 * ROUNDS).await?;
    let (mut few, mut many) = (Vec::new(), Vec::new());
    let (mut few_http, mut many_http) = (Vec::new(), Vec::new());
    for pair in phones.chunks_mut(2) {
        let [first, second] = pair else { continue };
        for (phone, count, folds, requests) in
            [(first, FEW, &mut few, &mut few_http), (second, MANY, &mut many, &mut many_http)]
        {
            let story = reversed(phone, count);
            let others = (1..MANY / count).map(|_| reversed(phone, count));
            let stories: Vec<Vec<Operation>> = std::iter::once(story.clone()).chain(others).collect();
            for _ in 0..FOLDS {
                folds.push(folded(&stories)?);
            }
            requests.push(sent(phone, &story).await?);
        }
    }
    let each = |times: &mut Vec<Duration>, count| {
        crate::figure::quantile(times, 0).as_secs_f64() * 1e6 / number(count)
    };
    let (one, ten) = (each(&mut many, MANY), each(&mut few, MANY));
    figures.print("refold", one, "us/operation", one / ten, "10_records_of_1000_operations");
    let (few, many) = (each(&mut few_http, FEW), each(&mut many_http, MANY));
    figures.print("refold_http", many, "us/operation", many / few, "1000_operations");
    Ok(())
}

/// A report and what followed on it, the last first.
fn reversed(phone: &mut Phone, count: usize) -> Vec<Operation> {
    let mut story = vec![phone.report("general")];
    while let (Some(last), true) = (story.last(), story.len() < count) {
        let (record, head) = (last.record, head_of(last));
        let height = i64::try_from(story.len()).unwrap_or_default();
        story.push(phone.on(record, Kind::Observed, [head]).with("tree_height_dm", &height));
    }
    story.reverse();
    story
}

/// How long the fold of these records takes.
fn folded(stories: &[Vec<Operation>]) -> Result<Duration> {
    let identified = |operation: &Operation| Identified {
        identity: Identity::of(&operation.encode()),
        operation: operation.clone(),
    };
    let sets: Vec<Vec<Identified>> =
        stories.iter().map(|story| story.iter().map(identified).collect()).collect();
    let began = Instant::now();
    let views: Vec<View> = sets.iter().map(|set| fold::fold(set)).collect();
    let took = began.elapsed();
    let is_whole = |view: &View| !view.is_provisional && view.missing.is_empty();
    ensure!(views.iter().all(is_whole), "a story was not folded whole");
    Ok(took)
}

/// One request that carries the story in bundles of a thousand.
async fn sent(phone: &mut Phone, story: &[Operation]) -> Result<Duration> {
    let bundles: Vec<Vec<u8>> = story.chunks(1_000).map(|part| phone.seal(part)).collect();
    let body = crew::gzip(&crew::request(phone, &bundles))?;
    let began = Instant::now();
    crew::post(&phone.client, body).await?;
    Ok(began.elapsed())
}
