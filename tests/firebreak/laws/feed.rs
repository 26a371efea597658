//! Law 7: feeds skip nothing. While many write, by one process or several, a phone that pulls all the time ends with
//! exactly the ledger, and hears the changes of each class in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::Class;
use firebreak::store::Page;
use firebreak::sync::ahead::{Ahead, Asked};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::seed;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::dice::Dice;
use sync_protocol::cbor;
use sync_protocol::exchange::RequestHeader;
use sync_protocol::exchange::encode_request;
use sync_protocol::field::severity_rank;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::limits::BUDGET_MIN;
use sync_protocol::operation::Operation;
use sync_protocol::view::View;
use tokio::sync::watch;

/// Records of what is read ahead, in bundles of fifty.
const RECORDS: u64 = 400;
const WRITERS: usize = 4;
const BUNDLES: usize = 25;
/// Each writer sends at most so many bundles for each pull of each reader.
const BUNDLES_PER_PULL: usize = 4;
/// Records that every writer acts on.
const SHARED: usize = 6;
/// Each writer sends at most so many bundles for each bundle file that is imported meanwhile.
const BUNDLES_PER_IMPORT: usize = 8;

/// How often something was done that writers must not outrun, and how many bundles each sends for each time.
type Beside = (watch::Receiver<usize>, usize);

/// Records as a phone holds them: the change and the view of each.
type Copy = BTreeMap<RecordId, (u64, Vec<u8>)>;

/// What a phone holds.
#[derive(Default)]
struct Held {
    copy: Copy,
    /// The last change of each class, worst first.
    last: [u64; Class::ALL.len()],
}

/// Syncs once, with a small budget, into what is held. Whether there is more.
async fn sync(phone: &mut Phone, held: &mut Held, budget: u64, bundles: &[Vec<u8>]) -> Result<bool> {
    let header = RequestHeader { budget: Some(budget), ..phone.header() };
    let reply = phone.client.sync(encode_request(&header, bundles)).await?;
    ensure!(reply.receipts().len() == bundles.len(), "{reply:?}");
    for item in reply.items() {
        let view = View::decode(item.view.as_bytes()).context("a view of another shape")?;
        let rank = usize::from(severity_rank(view.severity.as_deref()));
        let class = Class::ALL.len() - 1 - rank.min(Class::ALL.len() - 1);
        let last = &mut held.last[class];
        ensure!(item.change > *last, "{} of class {class} comes after {last}", item.change);
        *last = item.change;
        let known = held.copy.get(&item.record).map_or(0, |(change, _)| *change);
        ensure!(item.change >= known, "{} went back from {known} to {}", item.record, item.change);
        held.copy.insert(item.record, (item.change, item.view.as_bytes().to_vec()));
    }
    let epoch = phone.epoch.clone();
    phone.keep(&reply);
    ensure!(epoch.is_none() || epoch == phone.epoch, "nothing was restored, yet a new epoch began");
    Ok(reply.end().is_none_or(|end| end.more))
}

/// The whole ledger, as a new phone hears it.
async fn whole(server: &Server, by: &Server) -> Result<Copy> {
    let mut fresh = Phone::enrol(server).await?;
    fresh.client = fresh.client.at(&by.url);
    let mut held = Held::default();
    while sync(&mut fresh, &mut held, 1 << 20, &[]).await? {}
    Ok(held.copy)
}

fn compare(copy: &Copy, whole: &Copy) -> Result<()> {
    let missing = whole.keys().filter(|record| !copy.contains_key(record)).count();
    ensure!(copy == whole, "{missing} of {} records are missing, or others differ", whole.len());
    Ok(())
}

/// Pulls all the time, from these servers in turn, until nothing is written any more and nothing more is to be had.
/// Gives what it then holds, and how often it pulled.
async fn read(
    (mut phone, urls): (Phone, Vec<String>),
    budget: u64,
    pulled: watch::Sender<usize>,
    is_over: Arc<AtomicBool>,
) -> Result<(Copy, usize)> {
    let (mut held, mut pulls) = (Held::default(), 0_usize);
    loop {
        phone.client = phone.client.at(&urls[pulls % urls.len()]);
        let was_over = is_over.load(Ordering::SeqCst);
        let has_more = sync(&mut phone, &mut held, budget, &[]).await?;
        pulls += 1;
        pulled.send_replace(pulls);
        if was_over && !has_more {
            return Ok((held.copy, pulls));
        }
    }
}

/// What a writer did, and what it heard meanwhile.
struct Wrote {
    phone: Phone,
    held: Held,
    reports: Vec<Operation>,
}

impl Wrote {
    /// Syncs until nothing more is to be had, and holds the copy against the ledger.
    async fn end(mut self, whole: &Copy) -> Result<()> {
        ensure!(!self.held.copy.is_empty(), "a phone heard nothing while it wrote");
        while sync(&mut self.phone, &mut self.held, BUDGET_MIN, &[]).await? {}
        compare(&self.held.copy, whole)
    }
}

/// Reports hazards, and worsens or cures what it reported before, or what these reports are of.
///
/// What it hears meanwhile is read with what others hear that sync at the same time.
async fn write(
    mut phone: Phone,
    mut dice: Dice,
    mut reports: Vec<Operation>,
    mut beside: Vec<Beside>,
) -> Result<Wrote> {
    let mut held = Held::default();
    for number in 0..BUNDLES {
        // Others keep up, however slow the machine: so there are pulls and imports between the writes.
        for (times, bundles) in &mut beside {
            let _gone = times.wait_for(|times| *times * *bundles >= number).await;
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
        sync(&mut phone, &mut held, BUDGET_MIN, &[bundle]).await?;
    }
    Ok(Wrote { phone, held, reports })
}

/// Imports bundle files of a phone that reaches no server until others have written what they had to. Gives its reports.
async fn import(
    server: &Server,
    mut phone: Phone,
    shared: &[Operation],
    imported: watch::Sender<usize>,
    are_written: &AtomicBool,
) -> Result<Vec<Operation>> {
    let file = server.data().join("stick.bundles");
    let mut reports = Vec::new();
    let mut beside = 0;
    while !are_written.load(Ordering::SeqCst) {
        let mut operations = vec![phone.report("critical"), phone.report("general")];
        reports.extend(operations.clone());
        let known = &shared[beside % shared.len()];
        operations
            .push(phone.on(known.record, Kind::Observed, [head_of(known)]).with("severity", &"serious"));
        let mut bytes = Vec::new();
        cbor::write_byte_string(&mut bytes, &phone.seal(&operations));
        std::fs::write(&file, bytes)?;
        let path = file.to_str().context("a folder whose name is no text")?;
        let (taken, told) = server.command(&["import", "bundle", "--district", DISTRICT, path]).await?;
        ensure!(taken && told["taken"] == 1, "{told}");
        beside += 1;
        imported.send_replace(beside);
    }
    ensure!(beside >= BUNDLES / BUNDLES_PER_IMPORT, "only {beside} files were imported while others wrote");
    Ok(reports)
}

/// Readers of two budgets that pull from these servers in turn, with how often each has pulled.
async fn readers(
    server: &Server,
    urls: &[String],
    is_over: &Arc<AtomicBool>,
) -> Result<(tokio::task::JoinSet<Result<(Copy, usize)>>, Vec<Beside>)> {
    let (mut readers, mut watched) = (tokio::task::JoinSet::new(), Vec::new());
    for budget in [BUDGET_MIN, 64 << 10] {
        let (pulled, watching) = watch::channel(0);
        watched.push((watching, BUNDLES_PER_PULL));
        let phone = (Phone::enrol(server).await?, urls.to_vec());
        readers.spawn(read(phone, budget, pulled, Arc::clone(is_over)));
    }
    Ok((readers, watched))
}

async fn compare_readers(
    backend: Backend,
    mut readers: tokio::task::JoinSet<Result<(Copy, usize)>>,
    whole: &Copy,
) -> Result<()> {
    while let Some(reader) = readers.join_next().await {
        let (copy, pulls) = reader??;
        println!("{backend:?}: {} records after {pulls} pulls", copy.len());
        ensure!(pulls > BUNDLES / BUNDLES_PER_PULL, "the reader hardly pulled while others wrote");
        compare(&copy, whole)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_pulls_while_others_write_ends_with_exactly_the_ledger() -> Result<()> {
    let seed = seed("feed", 7);
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (readers, watched) = readers(&server, std::slice::from_ref(&server.url), &is_over).await?;
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..WRITERS {
            let dice = Dice::named(seed, &format!("writer {number}"));
            writers.spawn(write(Phone::enrol(&server).await?, dice, Vec::new(), watched.clone()));
        }
        let written = writers.join_all().await;
        is_over.store(true, Ordering::SeqCst);
        let whole = whole(&server, &server).await?;
        let checked = server.check().await?;
        ensure!(checked.get("records") == Some(&serde_json::json!(whole.len())), "{checked}");
        compare_readers(backend, readers, &whole).await?;
        for writer in written {
            writer?.end(&whole).await?;
        }
    }
    Ok(())
}

/// Of one process a single task writes a district; several are kept apart by the counter row alone. Several servers serve
/// one PostgreSQL; beside the one of a SQLite file there are commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_that_write_one_district_let_no_cursor_skip_a_change() -> Result<()> {
    let seed = seed("processes", 7);
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let second = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(server.beside().await?),
        };
        let servers: Vec<&Server> = std::iter::once(&server).chain(&second).collect();
        let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
        let mut first = Phone::enrol(&server).await?;
        let shared: Vec<Operation> = (0..SHARED).map(|_| first.report("general")).collect();
        let bundle = first.seal(&shared);
        ensure!(first.sync(&[bundle]).await?.receipts().len() == 1);

        let is_over = Arc::new(AtomicBool::new(false));
        let (readers, mut beside) = readers(&server, &urls, &is_over).await?;
        let (imported, importing) = watch::channel(0);
        beside.push((importing, BUNDLES_PER_IMPORT));
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..WRITERS {
            let dice = Dice::named(seed, &format!("writer {number}"));
            let mut phone = Phone::enrol(&server).await?;
            phone.client = phone.client.at(&urls[number % urls.len()]);
            writers.spawn(write(phone, dice, shared.clone(), beside.clone()));
        }
        let are_written = AtomicBool::new(false);
        let writing = async {
            let written = writers.join_all().await;
            are_written.store(true, Ordering::SeqCst);
            written
        };
        let stick = Phone::enrol(&server).await?;
        let (written, imported) =
            tokio::join!(writing, import(&server, stick, &shared, imported, &are_written));
        is_over.store(true, Ordering::SeqCst);

        let ledger = whole(&server, &server).await?;
        let mut reported: BTreeSet<RecordId> = imported?.iter().map(|report| report.record).collect();
        let mut wrote = Vec::new();
        for writer in written {
            let writer = writer?;
            reported.extend(writer.reports.iter().map(|report| report.record));
            wrote.push(writer);
        }
        ensure!(
            ledger.keys().copied().collect::<BTreeSet<_>>() == reported,
            "what has a receipt is not there"
        );
        let changes: BTreeSet<u64> = ledger.values().map(|(change, _)| *change).collect();
        ensure!(changes.len() == ledger.len(), "two records have one change number");
        for by in &servers {
            compare(&whole(&server, by).await?, &ledger)?;
        }
        compare_readers(backend, readers, &ledger).await?;
        for writer in wrote {
            writer.end(&ledger).await?;
        }
        server.check().await?;
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
