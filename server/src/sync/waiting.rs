//! Who waits for a district's writing task, and which of them make the next group. How a group is written is in
//! `sync::group`.
//!
//! What a person at a desk waits for makes a group of its own, before the bundles that wait, and while desks are busy the
//! groups of bundles are small: so a command waits for one short group. The two take turns: neither can starve the other.
//! Where a crowd of phones syncs at once, a group is half of it (`sync::crowd`).

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use sync_protocol::codes::Code;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::crowd::{Crowd, Load};
use super::delivery::{Delivered, Delivery};
use super::office::{Act, ActOutcome};
use super::{Engine, SyncError, group};
use crate::domain::District;
use crate::store::Store;

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

pub(super) type DeliveryReply = oneshot::Sender<Result<Delivered, SyncError>>;

/// What is asked of a writing task.
#[derive(Debug)]
pub(super) enum Job {
    Delivery(Box<Delivery>, DeliveryReply),
    Act(Box<Act>, oneshot::Sender<Result<ActOutcome, SyncError>>),
}

/// The way to a district's writing task.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// Bundles, and what the server does of its own accord.
    jobs: mpsc::Sender<Job>,
    /// What somebody at a desk waits for.
    desks: mpsc::Sender<Job>,
    /// The bundles that are in hand.
    crowd: Arc<Crowd>,
}

/// What waits for a district's writing task.
struct Waiting {
    jobs: mpsc::Receiver<Job>,
    desks: mpsc::Receiver<Job>,
    crowd: Arc<Crowd>,
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
                let waiting = Waiting::new(of_jobs, of_desks);
                let crowd = Arc::clone(&waiting.crowd);
                let work = write(Arc::downgrade(self), district.clone(), waiting);
                match &self.store {
                    Store::Sqlite { .. } => on_own_thread(&district.code, work),
                    // Its answers come by sockets, which the runtime's workers look after.
                    Store::Postgres { .. } => drop(tokio::spawn(work)),
                }
                Writer { jobs, desks, crowd }
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
        let Writer { jobs, crowd, .. } = self.writer(district).await;
        let job = Job::Delivery(Box::new(delivery), reply);
        let load = Load::of(weight(&job));
        let _in_hand = crowd.comes(load);
        jobs.try_send(job).map_err(|error| {
            crowd.taken(load);
            unqueued(&error)
        })?;
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

/// Runs a writing task on a thread of its own. It gives the database some twenty-five statements for a group, for which
/// everybody waits: the kernel lets it go on as soon as the database has answered, where the runtime's workers first end
/// what they do.
fn on_own_thread(district: &str, work: impl Future<Output = ()> + Send + 'static) {
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name(format!("writer {district}"));
    // Where there is no thread to be had, its jobs are refused as the way to it is closed; the next request tries again.
    if let Err(error) = thread.spawn(move || runtime.block_on(work)) {
        tracing::error!(error = %error, "the writer of district {district} has no thread: {error}");
    }
}

/// Writes groups until the engine is gone.
async fn write(engine: Weak<Engine>, district: District, mut waiting: Waiting) {
    while let Some(jobs) = waiting.group().await {
        let Some(engine) = engine.upgrade() else { return };
        group::run(&engine, &district, jobs).await;
    }
}

impl Waiting {
    fn new(jobs: mpsc::Receiver<Job>, desks: mpsc::Receiver<Job>) -> Self {
        let crowd = Arc::default();
        Self { jobs, desks, crowd, held_over: None, desk_asked: None, was_of_desks: false }
    }

    /// The jobs of the next group, as soon as there is one; none when nobody can ask for anything any more.
    async fn group(&mut self) -> Option<Vec<Job>> {
        let mut group = Vec::with_capacity(GROUP_JOBS);
        if !self.was_of_desks {
            self.take_desks(&mut group);
        }
        if group.is_empty() && self.held_over.is_none() && self.jobs.is_empty() {
            tokio::select! {
                biased;
                Some(job) = self.desks.recv() => {
                    group.push(job);
                    self.take_desks(&mut group);
                }
                Some(job) = self.jobs.recv() => self.held_over = Some(job),
                else => return None,
            }
        }
        if group.is_empty() {
            self.take_half(&mut group).await;
        }
        Some(group)
    }

    /// Takes bundles that wait: half of a crowd, unless somebody asks for something at a desk while it gathers.
    async fn take_half(&mut self, group: &mut Vec<Job>) {
        let half = self.crowd.half().filter(|_| !self.are_desks_busy());
        if let Some(deliveries) = half {
            tokio::select! {
                biased;
                Some(job) = self.desks.recv() => {
                    group.push(job);
                    return self.take_desks(group);
                }
                () = self.crowd.gathered(Load { deliveries, operations: GROUP_OPERATIONS }) => {}
            }
        }
        self.take_jobs(group, half.unwrap_or(GROUP_JOBS).min(GROUP_JOBS));
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

    fn are_desks_busy(&self) -> bool {
        self.desk_asked.is_some_and(|asked| asked.elapsed() < DESK_TIME)
    }

    /// Takes so many at most of the bundles that wait, and of what the server does of its own accord.
    fn take_jobs(&mut self, group: &mut Vec<Job>, jobs: usize) {
        let most = if self.are_desks_busy() { GROUP_OPERATIONS_BESIDE_DESKS } else { GROUP_OPERATIONS };
        let mut size = 0;
        let mut taken = Load::default();
        while group.len() < jobs
            && let Some(job) = self.held_over.take().or_else(|| self.jobs.try_recv().ok())
        {
            let weight = weight(&job);
            size += weight;
            // One that is larger alone is a group.
            if size > most && !group.is_empty() {
                self.held_over = Some(job);
                break;
            }
            if matches!(job, Job::Delivery(..)) {
                taken.add(Load::of(weight));
            }
            group.push(job);
        }
        self.crowd.taken(taken);
        self.was_of_desks = false;
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

#[cfg(test)]
mod tests {
    use futures::poll;
    use sync_protocol::ids::DeviceId;

    use super::*;
    use crate::sync::office::SERVER_AUTHOR;

    fn act(device: u128) -> Job {
        let (reply, _answer) = oneshot::channel();
        let device = DeviceId(uuid::Uuid::from_u128(device));
        Job::Act(Box::new(Act::Revoke { device, trusted: None, author: SERVER_AUTHOR }), reply)
    }

    fn delivery() -> Job {
        let (reply, _answer) = oneshot::channel();
        Job::Delivery(Box::default(), reply)
    }

    fn is_act(job: &Job) -> bool {
        matches!(job, Job::Act(..))
    }

    fn waiting() -> (mpsc::Sender<Job>, mpsc::Sender<Job>, Waiting) {
        let (jobs, of_jobs) = mpsc::channel(QUEUE);
        let (desks, of_desks) = mpsc::channel(QUEUE);
        (jobs, desks, Waiting::new(of_jobs, of_desks))
    }

    #[tokio::test]
    async fn a_group_is_half_of_a_crowd_and_a_desk_does_not_wait_until_it_has_gathered() {
        let (jobs, desks, mut waiting) = waiting();
        let crowd = Arc::clone(&waiting.crowd);
        let come = |deliveries: usize| -> Vec<_> {
            let comes = |_| {
                jobs.try_send(delivery()).expect("there is room");
                crowd.comes(Load::of(1))
            };
            (0..deliveries).map(comes).collect()
        };
        let in_hand = come(40);
        for _ in 0..2 {
            let group = waiting.group().await.expect("jobs wait");
            assert_eq!(group.len(), 20);
        }
        // All of them come again; the first of them are not a half yet.
        drop(in_hand);
        let mut in_hand = come(19);
        let mut group = Box::pin(waiting.group());
        assert!(poll!(&mut group).is_pending());
        in_hand.extend(come(1));
        assert_eq!(group.await.expect("jobs wait").len(), 20);
        in_hand.extend(come(1));
        let mut group = Box::pin(waiting.group());
        assert!(poll!(&mut group).is_pending());
        desks.try_send(act(1)).expect("there is room");
        assert!(group.await.is_some_and(|group| group.len() == 1 && group.iter().all(is_act)));
    }

    #[tokio::test]
    async fn what_a_desk_waits_for_comes_before_the_bundles_and_takes_turns_with_them() {
        let (jobs, desks, mut waiting) = waiting();
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
}
