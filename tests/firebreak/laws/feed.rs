//! Law 7: feeds skip nothing. While many write, a phone that pulls all the time ends with exactly the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use firebreak::domain::Class;
use firebreak::store::Page;
use firebreak::sync::ahead::{Ahead, Asked};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::seed;
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use sync_protocol::exchange::RequestHeader;
use sync_protocol::exchange::encode_request;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::limits::BUDGET_MIN;
use sync_protocol::operation::Operation;
use tokio::sync::watch;

/// Records of what is read ahead, in bundles of fifty.
const RECORDS: u64 = 400;
const WRITERS: usize = 4;
const BUNDLES: usize = 25;
/// Each writer sends at most so many bundles for each pull of each reader.
const BUNDLES_PER_PULL: usize = 4;

/// Records as a phone holds them: the change and the view of each.
type Copy = BTreeMap<RecordId, (u64, Vec<u8>)>;

/// Syncs once, with a small budget, into a copy. Whether there is more.
async fn sync(phone: &mut Phone, copy: &mut Copy, budget: u64, bundles: &[Vec<u8>]) -> Result<bool> {
    let header = RequestHeader { budget: Some(budget), ..phone.header() };
    let reply = phone.client.sync(encode_request(&header, bundles)).await?;
    ensure!(reply.receipts().len() == bundles.len(), "{reply:?}");
    for item in reply.items() {
        let known = copy.get(&item.record).map_or(0, |(change, _)| *change);
        ensure!(item.change >= known, "{} went back from {known} to {}", item.record, item.change);
        copy.insert(item.record, (item.change, item.view.as_bytes().to_vec()));
    }
    phone.keep(&reply);
    Ok(reply.end().is_none_or(|end| end.more))
}

/// Syncs until nothing more is to be had, and holds the copy against the ledger.
async fn end(phone: &mut Phone, mut copy: Copy, whole: &Copy) -> Result<()> {
    while sync(phone, &mut copy, BUDGET_MIN, &[]).await? {}
    let missing = whole.keys().filter(|record| !copy.contains_key(record)).count();
    ensure!(copy == *whole, "{missing} of {} records are missing, or others differ", whole.len());
    Ok(())
}

/// Reports hazards, and worsens or cures what it reported before.
///
/// What it hears meanwhile is read with what others hear that sync at the same time.
async fn write(
    mut phone: Phone,
    mut dice: Dice,
    mut pulls: Vec<watch::Receiver<usize>>,
) -> Result<(Phone, Copy)> {
    let (mut reports, mut copy) = (Vec::new(), Copy::new());
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
        sync(&mut phone, &mut copy, BUDGET_MIN, &[bundle]).await?;
    }
    Ok((phone, copy))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_pulls_while_others_write_ends_with_exactly_the_ledger() -> Result<()> {
    let seed = seed("feed", 7);
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut readers = tokio::task::JoinSet::new();
        let mut watched = Vec::new();
        for budget in [BUDGET_MIN, 64 << 10] {
            let (mut reader, is_over) = (Phone::enrol(&server).await?, Arc::clone(&is_over));
            let (pulled, watching) = watch::channel(0);
            watched.push(watching);
            readers.spawn(async move {
                let (mut copy, mut pulls) = (BTreeMap::new(), 0_usize);
                loop {
                    let was_over = is_over.load(Ordering::SeqCst);
                    let has_more = sync(&mut reader, &mut copy, budget, &[]).await?;
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
        let written = writers.join_all().await;
        is_over.store(true, Ordering::SeqCst);
        let mut fresh = Phone::enrol(&server).await?;
        let mut whole = BTreeMap::new();
        while sync(&mut fresh, &mut whole, 1 << 20, &[]).await? {}
        let checked = server.check().await?;
        ensure!(checked.get("records") == Some(&serde_json::json!(whole.len())), "{checked}");
        while let Some(reader) = readers.join_next().await {
            let (copy, pulls) = reader??;
            println!("{backend:?}: {} records after {pulls} pulls", copy.len());
            ensure!(pulls > BUNDLES / BUNDLES_PER_PULL, "the reader hardly pulled while others wrote");
            let missing = whole.keys().filter(|record| !copy.contains_key(record)).count();
            ensure!(copy == whole, "{missing} of {} records are missing, or others differ", whole.len());
        }
        for writer in written {
            let (mut phone, copy) = writer?;
            ensure!(!copy.is_empty(), "a phone heard nothing while it wrote");
            end(&mut phone, copy, &whole).await?;
        }
    }
    Ok(())
}

/// Phones that stand apart, near each other and alike are told what each would read by itself; those that are alone read
/// by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_for_many_phones_is_what_each_would_read() -> Result<()> {
    let seed = seed("ahead", 7);
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let mut dice = Dice::named(seed, "ahead");
        for _ in 0..RECORDS / 50 {
            let severities = (0..50).map(|_| dice.word(&["critical", "serious", "general"]));
            let reports: Vec<Operation> = severities.map(|severity| phone.report(severity)).collect();
            let bundle = phone.seal(&reports);
            ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1);
        }
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(&server.district).await?.key;
        let mut reading = engine.store.glance().await?;
        let lineage = reading.lineage(district).await?;
        let (mut told, mut untold) = (0, 0);
        for _ in 0..100 {
            let mut change =
                || [0, 0, 150, 151, dice.below(RECORDS + 1), u64::MAX][dice.index(6)].min(lineage.change);
            let asked: Vec<Asked> = (0..6)
                .map(|_| Asked { changes: std::array::from_fn(|_| change()), budget: BUDGET_MIN })
                .collect();
            let ahead =
                Ahead::read(&mut reading, district, &lineage, &asked.iter().collect::<Vec<_>>()).await?;
            ensure!(ahead.stretch(0, 0, lineage.change + 1).is_none(), "of another reply");
            for (class, after) in asked.iter().flat_map(|asked| asked.changes.iter().copied().enumerate()) {
                let Some(stretch) = ahead.stretch(class, after, lineage.change) else {
                    untold += 1;
                    continue;
                };
                told += 1;
                let number = Class::ALL[class].number();
                let page = Page { class: number, after, through: lineage.change, limit: 1_000 };
                let (rows, own) = (stretch.behind(after), reading.feed(district, page).await?);
                ensure!(own.starts_with(rows), "class {class} after {after}");
                ensure!(stretch.is_last() == (own.len() == rows.len()), "class {class} after {after} ends");
                ensure!(stretch.is_last() || !rows.is_empty(), "class {class} after {after} goes on");
            }
        }
        let alone =
            Ahead::read(&mut reading, district, &lineage, &[&Asked { changes: [0; 4], budget: BUDGET_MIN }]);
        ensure!(alone.await?.stretch(0, 0, lineage.change).is_none(), "one phone reads by itself");
        println!("{backend:?}: {told} told, {untold} left to read by themselves");
        ensure!(told > 100 && untold > 100, "{told} told, {untold} not");
    }
    Ok(())
}
