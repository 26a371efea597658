//! Law 7: feeds skip nothing. While many write, a phone that pulls all the time ends with exactly the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::seed;
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use sync_protocol::exchange::RequestHeader;
use sync_protocol::exchange::encode_request;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use tokio::sync::watch;

const WRITERS: usize = 4;
const BUNDLES: usize = 25;
/// Each writer sends at most so many bundles for each pull of each reader.
const BUNDLES_PER_PULL: usize = 4;

/// Pulls once, with a small budget, into a copy. Whether there is more.
async fn pull(phone: &mut Phone, copy: &mut BTreeMap<RecordId, (u64, Vec<u8>)>, budget: u64) -> Result<bool> {
    let header = RequestHeader { budget: Some(budget), ..phone.header() };
    let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
    for item in reply.items() {
        let known = copy.get(&item.record).map_or(0, |(change, _)| *change);
        ensure!(item.change >= known, "{} went back from {known} to {}", item.record, item.change);
        copy.insert(item.record, (item.change, item.view.as_bytes().to_vec()));
    }
    phone.keep(&reply);
    Ok(reply.end().is_none_or(|end| end.more))
}

/// Reports hazards, and worsens or cures what it reported before.
async fn write(mut phone: Phone, mut dice: Dice, mut pulls: Vec<watch::Receiver<usize>>) -> Result<()> {
    let mut reports = Vec::new();
    for number in 0..BUNDLES {
        // Readers keep up, however slow the machine: so there are pulls between the writes.
        for pulls in &mut pulls {
            let _gone = pulls.wait_for(|pulls| *pulls * BUNDLES_PER_PULL >= number).await;
        }
        let mut operations = Vec::new();
        for _ in 0..=dice.index(4) {
            let report = phone.report(dice.word(&["critical", "serious", "general"]));
            let earlier = dice.pick(&reports).cloned();
            reports.push(report.clone());
            operations.push(report);
            if let Some(earlier) = earlier {
                let kind = dice.pick(&[Kind::Observed, Kind::Rectified]).copied().unwrap_or(Kind::Observed);
                let act = phone.on(earlier.record, kind, [head_of(&earlier)]);
                operations.push(act.with("severity", &dice.word(&["critical", "serious", "general"])));
            }
        }
        let bundle = phone.seal(&operations);
        let reply = phone.client.sync(phone.request(&[bundle])).await?;
        ensure!(reply.receipts().len() == 1, "{reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_pulls_while_others_write_ends_with_exactly_the_ledger() -> Result<()> {
    let seed = seed("feed", 7);
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut readers = tokio::task::JoinSet::new();
        let mut watched = Vec::new();
        for budget in [sync_protocol::limits::BUDGET_MIN, 64 << 10] {
            let (mut reader, is_over) = (Phone::enrol(&server).await?, Arc::clone(&is_over));
            let (pulled, watching) = watch::channel(0);
            watched.push(watching);
            readers.spawn(async move {
                let (mut copy, mut pulls) = (BTreeMap::new(), 0_usize);
                loop {
                    let was_over = is_over.load(Ordering::SeqCst);
                    let has_more = pull(&mut reader, &mut copy, budget).await?;
                    pulls += 1;
                    pulled.send_replace(pulls);
                    if was_over && !has_more {
                        return Ok::<_, anyhow::Error>((copy, pulls));
                    }
                }
            });
        }
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..WRITERS {
            let dice = Dice::named(seed, &format!("writer {number}"));
            writers.spawn(write(Phone::enrol(&server).await?, dice, watched.clone()));
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
        is_over.store(true, Ordering::SeqCst);
        let mut fresh = Phone::enrol(&server).await?;
        let mut whole = BTreeMap::new();
        while pull(&mut fresh, &mut whole, 1 << 20).await? {}
        let checked = server.check().await?;
        ensure!(checked.get("records") == Some(&serde_json::json!(whole.len())), "{checked}");
        while let Some(reader) = readers.join_next().await {
            let (copy, pulls) = reader??;
            println!("{backend:?}: {} records after {pulls} pulls", copy.len());
            ensure!(pulls > BUNDLES / BUNDLES_PER_PULL, "the reader hardly pulled while others wrote");
            let missing = whole.keys().filter(|record| !copy.contains_key(record)).count();
            ensure!(copy == whole, "{missing} of {} records are missing, or others differ", whole.len());
        }
    }
    Ok(())
}
