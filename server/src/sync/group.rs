//! Group commit: bundles from many devices share one transaction and its sync of the log.
//!
//! One task a district takes what waits, takes the counter row, reads, plans and applies the whole group. Where
//! that fails, it is undone and each bundle is tried behind a savepoint of its own, so that one bad bundle costs
//! only itself. Replies are sent after the commit.
//!
//! What a person at a desk waits for makes a group of its own, before the bundles that wait, and while desks are busy the
//! groups of bundles are small: so a command waits for one short group. The two take turns: neither can starve the other.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use sync_protocol::codes::Code;
use sync_protocol::ids::{BundleHash, DeviceId, NoticeId, PersonId};
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::delivery::{Delivered, Delivery, Receipts, Standing};
use super::office::{self, Act, ActOutcome};
use super::{Engine, SyncError};
use crate::domain::District;
use crate::reconcile::Arrival;
use crate::store::{Lineage, PresenterRow, RefusedRow, StoreError, Transaction, Visit};

/// Jobs that may wait for one district. Beyond it a request is answered 429, before anything is read of it.
const QUEUE: usize = 4_096;
/// Operations of one group: bounds its memory and how long it holds the lock.
const GROUP_OPERATIONS: usize = 4_000;
/// The same while desks are busy: what one of them waits for at most, about 50 ms on two cores.
const GROUP_OPERATIONS_BESIDE_DESKS: usize = 1_000;
/// Desks are busy for so long after they asked for something.
const DESK_TIME: Duration = Duration::from_secs(10);
/// Jobs of one group.
const GROUP_JOBS: usize = 512;

type DeliveryReply = oneshot::Sender<Result<Delivered, SyncError>>;

#[derive(Debug)]
enum Job {
    Delivery(Delivery, DeliveryReply),
    Act(Box<Act>, oneshot::Sender<Result<ActOutcome, SyncError>>),
}

/// The way to a district's writing task.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Bundles, and what the server does of its own accord.
    jobs: mpsc::Sender<Job>,
    /// What somebody at a desk waits for.
    desks: mpsc::Sender<Job>,
}

/// What waits for a district's writing task.
struct Waiting {
    jobs: mpsc::Receiver<Job>,
    desks: mpsc::Receiver<Job>,
    /// A job that did not fit into the last group.
    held_over: Option<Job>,
    /// When something was last asked for at a desk.
    desk_asked: Option<Instant>,
    /// The last group was that of desks.
    was_of_desks: bool,
}

impl Engine {
    async fn writer(self: &Arc<Self>, district: &District) -> Writer {
        let mut writers = self.writers.lock().await;
        writers.retain(|_, writer| !writer.jobs.is_closed());
        writers
            .entry(district.key)
            .or_insert_with(|| {
                let (jobs, of_jobs) = mpsc::channel(QUEUE);
                let (desks, of_desks) = mpsc::channel(QUEUE);
                tokio::spawn(write(Arc::clone(self), district.clone(), Waiting::new(of_jobs, of_desks)));
                Writer { jobs, desks }
            })
            .clone()
    }

    /// Writes a delivery with whatever else waits, and gives its receipts after the commit.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] where too much waits already; the store's.
    pub async fn deliver(
        self: &Arc<Self>,
        district: &District,
        delivery: Delivery,
    ) -> Result<Delivered, SyncError> {
        let (reply, answer) = oneshot::channel();
        let writer = self.writer(district).await;
        writer.jobs.try_send(Job::Delivery(delivery, reply)).map_err(|error| unqueued(&error))?;
        answer.await.map_err(|_source| SyncError::Gone)?
    }

    /// Writes an office's or the server's own operation, and answers after the commit.
    ///
    /// # Errors
    /// As [`Engine::deliver`], and where the act does not fit the state it was made from.
    pub async fn act(self: &Arc<Self>, district: &District, act: Act) -> Result<ActOutcome, SyncError> {
        let (reply, answer) = oneshot::channel();
        let writer = self.writer(district).await;
        let lane = if act.is_from_a_desk() { &writer.desks } else { &writer.jobs };
        lane.try_send(Job::Act(Box::new(act), reply)).map_err(|error| unqueued(&error))?;
        answer.await.map_err(|_source| SyncError::Gone)?
    }
}

async fn write(engine: Arc<Engine>, district: District, mut waiting: Waiting) {
    while let Some(jobs) = waiting.group().await {
        Box::pin(supervised(commit(&engine, &district, jobs))).await;
    }
}

impl Waiting {
    const fn new(jobs: mpsc::Receiver<Job>, desks: mpsc::Receiver<Job>) -> Self {
        Self { jobs, desks, held_over: None, desk_asked: None, was_of_desks: false }
    }

    /// The jobs of the next group, as soon as there is one; none when nobody can ask for anything any more.
    async fn group(&mut self) -> Option<Vec<Job>> {
        let mut group = Vec::with_capacity(GROUP_JOBS);
        if !self.was_of_desks {
            self.take_desks(&mut group);
        }
        if group.is_empty() {
            self.take_jobs(&mut group);
        }
        if group.is_empty() {
            tokio::select! {
                biased;
                Some(job) = self.desks.recv() => {
                    group.push(job);
                    self.take_desks(&mut group);
                }
                Some(job) = self.jobs.recv() => {
                    self.held_over = Some(job);
                    self.take_jobs(&mut group);
                }
                else => return None,
            }
        }
        Some(group)
    }

    /// Takes what waits at desks.
    fn take_desks(&mut self, group: &mut Vec<Job>) {
        while group.len() < GROUP_JOBS
            && let Ok(job) = self.desks.try_recv()
        {
            group.push(job);
        }
        if !group.is_empty() {
            self.desk_asked = Some(Instant::now());
        }
        self.was_of_desks = !group.is_empty();
    }

    /// Takes bundles that wait, and what the server does of its own accord.
    fn take_jobs(&mut self, group: &mut Vec<Job>) {
        let is_busy = self.desk_asked.is_some_and(|asked| asked.elapsed() < DESK_TIME);
        let most = if is_busy { GROUP_OPERATIONS_BESIDE_DESKS } else { GROUP_OPERATIONS };
        let mut size = 0;
        while group.len() < GROUP_JOBS
            && let Some(job) = self.held_over.take().or_else(|| self.jobs.try_recv().ok())
        {
            size += weight(&job);
            // One that is larger alone is a group.
            if size > most && !group.is_empty() {
                self.held_over = Some(job);
                break;
            }
            group.push(job);
        }
        self.was_of_desks = false;
    }
}

/// Runs a group to its end, whatever that is: a panic costs its jobs, which are answered `internal` since their
/// senders are gone, and not the district. What was not committed is rolled back as its transaction is dropped.
async fn supervised(group: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(group).catch_unwind().await {
        let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(panic = %words, "a group panicked and was not written: {words}");
        metrics::counter!("firebreak_group_panics_total").increment(1);
    }
}

/// What a sender is told whose job could not be queued.
fn unqueued(error: &mpsc::error::TrySendError<Job>) -> SyncError {
    match error {
        mpsc::error::TrySendError::Full(_) => SyncError::Refused(Code::TooManyRequests),
        mpsc::error::TrySendError::Closed(_) => SyncError::Gone,
    }
}

fn weight(job: &Job) -> usize {
    match job {
        Job::Delivery(delivery, _) => delivery.arrivals.iter().map(|arrival| arrival.operations.len()).sum(),
        Job::Act(..) => 1,
    }
}

/// One job on its way through a group.
enum Done {
    Delivery(Vec<BundleHash>, Option<DeviceId>, DeliveryReply),
    Act(Result<ActOutcome, SyncError>, oneshot::Sender<Result<ActOutcome, SyncError>>),
}

async fn commit(engine: &Arc<Engine>, district: &District, jobs: Vec<Job>) {
    let started = Instant::now();
    let mut deliveries = Vec::new();
    let mut acts = Vec::new();
    for job in jobs {
        match job {
            Job::Delivery(delivery, reply) => deliveries.push((delivery, reply)),
            Job::Act(act, reply) => acts.push((act, reply)),
        }
    }
    let bundles: usize = deliveries.iter().map(|(delivery, _)| delivery.arrivals.len()).sum();
    let mut done = Vec::with_capacity(deliveries.len() + acts.len());
    let mut arrivals = Vec::with_capacity(bundles);
    let mut aside = Vec::with_capacity(deliveries.len());
    for (delivery, reply) in deliveries {
        let hashes = delivery.arrivals.iter().map(|arrival| arrival.bundle).collect();
        let presenter = delivery.visit.as_ref().map(|visit| visit.device);
        done.push(Done::Delivery(hashes, presenter, reply));
        arrivals.extend(delivery.arrivals);
        aside.push((delivery.refused, delivery.visit, delivery.acknowledged));
    }
    match write_group(engine, district, arrivals, &aside, acts).await {
        Ok(Written { receipts, presenters, lineage, acted }) => {
            done.extend(acted.into_iter().map(|(result, reply)| Done::Act(result, reply)));
            let seconds = started.elapsed().as_secs_f64();
            metrics::counter!("firebreak_groups_total").increment(1);
            metrics::counter!("firebreak_bundles_total").increment(u64::try_from(bundles).unwrap_or(0));
            metrics::histogram!("firebreak_group_seconds").record(seconds);
            answer(done, &receipts, presenters, &lineage);
        }
        Err((error, acted)) => {
            done.extend(acted.into_iter().map(|reply| Done::Act(Err(SyncError::Gone), reply)));
            fail(done, &error);
        }
    }
}

fn answer(
    done: Vec<Done>,
    receipts: &Receipts,
    mut presenters: BTreeMap<DeviceId, PresenterRow>,
    lineage: &Lineage,
) {
    for job in done {
        // A client that went away asks again and gets the same receipts.
        match job {
            Done::Delivery(bundles, presenter, reply) => {
                let has_bundles = !bundles.is_empty();
                let receipts: Receipts = bundles
                    .into_iter()
                    .filter_map(|bundle| Some((bundle, receipts.get(&bundle)?.clone())))
                    .collect();
                let presenter = presenter.and_then(|device| presenters.remove(&device));
                let standing = presenter.map(|presenter| Standing { presenter, lineage: lineage.clone() });
                // Where nothing that it brought could be written, its sender is to try again.
                let has_failed = has_bundles && receipts.is_empty();
                let delivered = Delivered { receipts, standing };
                let answer = if has_failed { Err(SyncError::Refused(Code::Internal)) } else { Ok(delivered) };
                let _gone = reply.send(answer);
            }
            Done::Act(result, reply) => {
                let _gone = reply.send(result);
            }
        }
    }
}

fn fail(done: Vec<Done>, error: &SyncError) {
    tracing::error!(error = %error, jobs = done.len(), "a group was not written: {error}");
    let code = match error {
        SyncError::Store(StoreError::Full(_)) => Code::StorageFull,
        SyncError::Store(StoreError::Unavailable(_)) => Code::StorageUnavailable,
        _ => Code::Internal,
    };
    for job in done {
        match job {
            Done::Delivery(_, _, reply) => drop(reply.send(Err(SyncError::Refused(code)))),
            Done::Act(_, reply) => drop(reply.send(Err(SyncError::Refused(code)))),
        }
    }
}

type ActReply = oneshot::Sender<Result<ActOutcome, SyncError>>;
/// What a delivery wants written beside its bundles.
pub(super) type Aside = (Vec<RefusedRow>, Option<Visit>, (Vec<PersonId>, Vec<NoticeId>));
type Acted = Vec<(Result<ActOutcome, SyncError>, ActReply)>;

/// What a group wrote, and how its presenters stand after it.
struct Written {
    receipts: Receipts,
    presenters: BTreeMap<DeviceId, PresenterRow>,
    lineage: Lineage,
    acted: Acted,
}

async fn write_group(
    engine: &Arc<Engine>,
    district: &District,
    arrivals: Vec<Arrival>,
    aside: &[Aside],
    acts: Vec<(Box<Act>, ActReply)>,
) -> Result<Written, (SyncError, Vec<ActReply>)> {
    let mut acted = Vec::new();
    let mut pending: Vec<(Box<Act>, Option<ActReply>)> =
        acts.into_iter().map(|(act, reply)| (act, Some(reply))).collect();
    let result: Result<Written, SyncError> = async {
        let now_ms = engine.clock.now_ms();
        let (mut transaction, receipts) = match write_whole(engine, district, &arrivals, aside, now_ms).await
        {
            Err(error) if !is_of_all(&error) && arrivals.len() + aside.len() > 1 => {
                let bundles = arrivals.len();
                tracing::warn!(error = %error, bundles, "a group failed; its parts are tried one by one");
                write_parts(engine, district, &arrivals, aside, now_ms).await?
            }
            written => written?,
        };
        let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms };
        for (act, reply) in &mut pending {
            batch.transaction.savepoint().await?;
            let result = office::perform(&mut batch, act).await;
            match &result {
                Ok(_) => batch.transaction.release().await?,
                Err(error) if is_of_all(error) => return Err(result.err().unwrap_or(SyncError::Gone)),
                Err(_) => batch.transaction.rollback_to_savepoint().await?,
            }
            acted.push((result, reply.take()));
        }
        // Read here, once for all, what each reply would read by itself.
        let visits = aside.iter().filter_map(|(_, visit, _)| visit.as_ref());
        let devices: Vec<DeviceId> = visits.map(|visit| visit.device).collect();
        let presenters = transaction.presenters(district.key, &devices).await?;
        let lineage = transaction.lineage(district.key).await?;
        transaction.commit().await?;
        engine.written.notify_one();
        engine.photos.committed();
        engine.exports.committed();
        // What a group was made of is many small pieces: nobody waits while they are freed.
        tokio::task::spawn_blocking(move || drop(arrivals));
        Ok(Written { receipts, presenters, lineage, acted: Vec::new() })
    }
    .await;
    let acted: Acted = acted.into_iter().filter_map(|(result, reply)| Some((result, reply?))).collect();
    match result {
        Ok(written) => Ok(Written { acted, ..written }),
        Err(error) => {
            let unheard = pending.into_iter().filter_map(|(_, reply)| reply);
            Err((error, unheard.chain(acted.into_iter().map(|(_, reply)| reply)).collect()))
        }
    }
}

/// Writes all bundles and what stands beside them, without a savepoint.
async fn write_whole(
    engine: &Arc<Engine>,
    district: &District,
    arrivals: &[Arrival],
    aside: &[Aside],
    now_ms: i64,
) -> Result<(Transaction, Receipts), SyncError> {
    let mut transaction = engine.store.begin().await?;
    let changes = arrivals.iter().map(|arrival| arrival.operations.len()).sum::<usize>();
    let changes = u64::try_from(changes).unwrap_or(u64::MAX);
    let counter = transaction.take_counter(district.key, changes).await?;
    let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms };
    let receipts = batch.write_whole(arrivals, &counter).await?;
    batch.write_aside(aside).await?;
    Ok((transaction, receipts))
}

/// Writes each part behind a savepoint of its own.
async fn write_parts(
    engine: &Arc<Engine>,
    district: &District,
    arrivals: &[Arrival],
    aside: &[Aside],
    now_ms: i64,
) -> Result<(Transaction, Receipts), SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms };
    let receipts = batch.write_one_by_one(arrivals).await?;
    for aside in aside.chunks(1) {
        batch.transaction.savepoint().await?;
        match batch.write_aside(aside).await {
            Ok(()) => batch.transaction.release().await?,
            Err(error) if is_of_all(&error) => return Err(error),
            Err(error) => {
                tracing::error!(error = %error, "a contact could not be noted: {error}");
                batch.transaction.rollback_to_savepoint().await?;
            }
        }
    }
    Ok((transaction, receipts))
}

/// Whether an error would meet every bundle alike.
pub(super) const fn is_of_all(error: &SyncError) -> bool {
    matches!(error, SyncError::Store(StoreError::Full(_) | StoreError::Unavailable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::office::SERVER_AUTHOR;

    fn act(device: u128) -> Job {
        let (reply, _answer) = oneshot::channel();
        let device = DeviceId(uuid::Uuid::from_u128(device));
        Job::Act(Box::new(Act::Revoke { device, trusted: None, author: SERVER_AUTHOR }), reply)
    }

    fn delivery() -> Job {
        let (reply, _answer) = oneshot::channel();
        Job::Delivery(Delivery::default(), reply)
    }

    fn is_act(job: &Job) -> bool {
        matches!(job, Job::Act(..))
    }

    #[tokio::test]
    async fn what_a_desk_waits_for_comes_before_the_bundles_and_takes_turns_with_them() {
        let (jobs, of_jobs) = mpsc::channel(QUEUE);
        let (desks, of_desks) = mpsc::channel(QUEUE);
        let mut waiting = Waiting::new(of_jobs, of_desks);
        for nth in 0..3 {
            jobs.try_send(delivery()).expect("there is room");
            desks.try_send(act(nth)).expect("there is room");
        }
        let first = waiting.group().await.expect("jobs wait");
        assert!(first.len() == 3 && first.iter().all(is_act), "{first:?}");
        desks.try_send(act(4)).expect("there is room");
        let second = waiting.group().await.expect("jobs wait");
        assert!(second.len() == 3 && !second.iter().any(is_act), "{second:?}");
        jobs.try_send(delivery()).expect("there is room");
        let third = waiting.group().await.expect("jobs wait");
        assert!(third.len() == 1 && third.iter().all(is_act), "{third:?}");
        assert!(waiting.group().await.is_some_and(|group| !group.iter().any(is_act)));
        drop((jobs, desks));
        assert!(waiting.group().await.is_none());
    }

    #[tokio::test]
    async fn a_group_that_panics_is_answered_and_the_next_goes_on() {
        let (reply, answer) = oneshot::channel::<Result<Delivered, SyncError>>();
        let job = Done::Delivery(Vec::new(), None, reply);
        supervised(async move {
            let _held = job;
            panic!("a plan that cannot be");
        })
        .await;
        // The receiver hears that the task is gone, which is answered `internal`.
        assert!(answer.await.is_err());
        let (reply, answer) = oneshot::channel();
        supervised(async move { fail(vec![Done::Delivery(Vec::new(), None, reply)], &SyncError::Gone) })
            .await;
        assert!(matches!(answer.await, Ok(Err(SyncError::Refused(Code::Internal)))));
    }
}
