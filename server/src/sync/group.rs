//! Group commit: bundles from many devices share one transaction and its sync of the log.
//!
//! One task a district takes what waits, takes the counter row, reads, plans and applies the whole group. Where
//! that fails, it is undone and each bundle is tried behind a savepoint of its own, so that one bad bundle costs
//! only itself. Replies are sent after the commit; what they are made from is read beside the next group.
//! Which jobs make a group is in `sync::waiting`.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use sync_protocol::codes::Code;
use sync_protocol::ids::{BundleHash, DeviceId, NoticeId, PersonId};
use tokio::sync::oneshot;

use super::ahead::{Ahead, Asked};
use super::batch::Batch;
use super::delivery::{Delivered, Receipts, Standing};
use super::news::News;
use super::office::{self, Act, ActOutcome};
use super::waiting::{DeliveryReply, Job};
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::reconcile::Arrival;
use crate::store::{RefusedRow, StoreError, Transaction, Visit};

/// Writes the jobs of a group and answers each.
pub(super) async fn run(engine: &Arc<Engine>, district: &District, jobs: Vec<Job>) {
    Box::pin(supervised(commit(engine, district, jobs))).await;
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

/// A delivery on its way through a group.
struct Done {
    bundles: Vec<BundleHash>,
    presenter: Option<DeviceId>,
    asked: Option<Asked>,
    reply: DeliveryReply,
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
    let mut done = Vec::with_capacity(deliveries.len());
    let mut arrivals = Vec::with_capacity(bundles);
    let mut aside = Vec::with_capacity(deliveries.len());
    for (delivery, reply) in deliveries {
        let bundles = delivery.arrivals.iter().map(|arrival| arrival.bundle).collect();
        let presenter = delivery.visit.as_ref().map(|visit| visit.device);
        done.push(Done { bundles, presenter, asked: delivery.asked, reply });
        arrivals.extend(delivery.arrivals);
        aside.push((delivery.refused, delivery.visit, delivery.acknowledged));
    }
    match write_group(engine, district, arrivals, &aside, acts).await {
        Ok(Written { receipts, acted }) => {
            for (result, reply) in acted {
                let _gone = reply.send(result);
            }
            let seconds = started.elapsed().as_secs_f64();
            metrics::counter!("firebreak_groups_total").increment(1);
            metrics::counter!("firebreak_bundles_total").increment(u64::try_from(bundles).unwrap_or(0));
            metrics::histogram!("firebreak_group_seconds").record(seconds);
            if !done.is_empty() {
                tokio::spawn(answer(Arc::clone(engine), district.key, done, receipts));
            }
        }
        Err((error, acted)) => {
            let jobs = done.len() + acted.len();
            if error.is_of_a_stop() {
                tracing::info!(jobs, "a group of {jobs} jobs was not written: the server stops");
            } else {
                tracing::error!(error = %error, jobs, "a group was not written: {error}");
            }
            fail(done.into_iter().map(|delivery| delivery.reply), &error);
            fail(acted, &error);
        }
    }
}

/// Answers deliveries that were written: how all their presenters stand is read at once, and what they hear first. Where
/// it cannot be read, each reads its own and is told why it cannot.
async fn answer(engine: Arc<Engine>, district: DistrictKey, done: Vec<Done>, receipts: Receipts) {
    let (mut standings, ahead) = standings(&engine, district, &done).await;
    for Done { bundles, presenter, asked, reply } in done {
        let has_bundles = !bundles.is_empty();
        let receipts: Receipts =
            bundles.into_iter().filter_map(|bundle| Some((bundle, receipts.get(&bundle)?.clone()))).collect();
        let standing = presenter.and_then(|device| standings.remove(&device));
        // Where nothing that it brought could be written, its sender is to try again.
        let has_failed = has_bundles && receipts.is_empty();
        let ahead = asked.map(|asked| ahead.of(&asked)).unwrap_or_default();
        let delivered = Delivered { receipts, standing, ahead };
        let answer = if has_failed { Err(SyncError::Refused(Code::Internal)) } else { Ok(delivered) };
        // A client that went away asks again and gets the same receipts.
        let _gone = reply.send(answer);
    }
}

/// How presenters stand after the group, and what of the feed they hear first; nothing where that cannot be read.
async fn standings(
    engine: &Engine,
    district: DistrictKey,
    done: &[Done],
) -> (BTreeMap<DeviceId, Standing>, Ahead) {
    let devices: Vec<DeviceId> = done.iter().filter_map(|delivery| delivery.presenter).collect();
    let asked: Vec<&Asked> = done.iter().filter_map(|delivery| delivery.asked.as_ref()).collect();
    let unread = |error: &StoreError| tracing::warn!(error = %error, "presenters could not be read: {error}");
    let read = async {
        let mut reading = engine.store.glance().await?;
        let standings = Standing::of_all(&mut reading, district, &devices).await?;
        let ahead = match standings.values().next() {
            Some(standing) => Ahead::read(&mut reading, district, &standing.lineage, &asked).await,
            None => Ok(Ahead::default()),
        };
        Ok((standings, ahead.inspect_err(unread).unwrap_or_default()))
    };
    let read = read.await;
    read.inspect_err(unread).unwrap_or_default()
}

fn fail<T>(waiting: impl IntoIterator<Item = oneshot::Sender<Result<T, SyncError>>>, error: &SyncError) {
    let code = match error {
        SyncError::Store(StoreError::Full(_)) => Code::StorageFull,
        SyncError::Store(StoreError::Unavailable(_)) => Code::StorageUnavailable,
        _ => Code::Internal,
    };
    for reply in waiting {
        let _gone = reply.send(Err(SyncError::Refused(code)));
    }
}

type ActReply = oneshot::Sender<Result<ActOutcome, SyncError>>;
/// What a delivery wants written beside its bundles.
pub(super) type Aside = (Vec<RefusedRow>, Option<Visit>, (Vec<PersonId>, Vec<NoticeId>));
type Acted = Vec<(Result<ActOutcome, SyncError>, ActReply)>;

/// What a group wrote.
struct Written {
    receipts: Receipts,
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
        let (mut transaction, receipts, news) =
            match write_whole(engine, district, &arrivals, aside, now_ms).await {
                Err(error) if !is_of_all(&error) && arrivals.len() + aside.len() > 1 => {
                    let bundles = arrivals.len();
                    tracing::warn!(error = %error, bundles, "a group failed; its parts are tried one by one");
                    write_parts(engine, district, &arrivals, aside, now_ms).await?
                }
                written => written?,
            };
        let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms, news };
        for (act, reply) in &mut pending {
            batch.transaction.savepoint().await?;
            let mark = batch.news.mark();
            let result = office::perform(&mut batch, act).await;
            match &result {
                Ok(outcome) => {
                    batch.transaction.release().await?;
                    batch.news.acted(act, outcome);
                }
                Err(error) if is_of_all(error) => return Err(result.err().unwrap_or(SyncError::Gone)),
                Err(_) => {
                    batch.transaction.rollback_to_savepoint().await?;
                    batch.news.forget_since(mark);
                }
            }
            acted.push((result, reply.take()));
        }
        let news = batch.news;
        transaction.commit().await?;
        news.tell(engine);
        engine.written.notify_one();
        // What a group was made of is many small pieces: nobody waits while they are freed.
        tokio::task::spawn_blocking(move || drop(arrivals));
        Ok(Written { receipts, acted: Vec::new() })
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
) -> Result<(Transaction, Receipts, News), SyncError> {
    let mut transaction = engine.store.begin().await?;
    let changes = arrivals.iter().map(|arrival| arrival.operations.len()).sum::<usize>();
    let changes = u64::try_from(changes).unwrap_or(u64::MAX);
    let counter = transaction.take_counter(district.key, changes).await?;
    let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms, news: News::default() };
    let receipts = batch.write_whole(arrivals, &counter).await?;
    batch.write_aside(aside).await?;
    let news = batch.news;
    Ok((transaction, receipts, news))
}

/// Writes each part behind a savepoint of its own.
async fn write_parts(
    engine: &Arc<Engine>,
    district: &District,
    arrivals: &[Arrival],
    aside: &[Aside],
    now_ms: i64,
) -> Result<(Transaction, Receipts, News), SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms, news: News::default() };
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
    let news = batch.news;
    Ok((transaction, receipts, news))
}

/// Whether an error would meet every bundle alike.
pub(super) const fn is_of_all(error: &SyncError) -> bool {
    matches!(error, SyncError::Store(StoreError::Full(_) | StoreError::Unavailable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_that_panics_is_answered_and_the_next_goes_on() {
        let (reply, answer) = oneshot::channel::<Result<Delivered, SyncError>>();
        let job = Done { bundles: Vec::new(), presenter: None, asked: None, reply };
        supervised(async move {
            let _held = job;
            panic!("a plan that cannot be");
        })
        .await;
        // The receiver hears that the task is gone, which is answered `internal`.
        assert!(answer.await.is_err());
        let (reply, answer) = oneshot::channel::<Result<Delivered, SyncError>>();
        supervised(async move { fail([reply], &SyncError::Gone) }).await;
        assert!(matches!(answer.await, Ok(Err(SyncError::Refused(Code::Internal)))));
    }
}
