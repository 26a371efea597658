//! What the layers above rely on, whichever database is below.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use firebreak::store::{OperationRow, Page, QuarantineRow, RecordRow};
use firebreak_tests::server::Backend;
use sync_protocol::ids::{DeviceId, Identity, OperationId, RecordId};
use uuid::Uuid;

use super::open;

/// Numbers of rows around the lengths of statements and of lists of keys.
const COUNTS: [usize; 13] = [0, 1, 2, 3, 255, 256, 257, 600, 1_023, 1_024, 1_025, 4_096, 4_097];
/// The ends of what a column of numbers holds.
const NUMBERS: [i64; 4] = [0, -1, i64::MIN, i64::MAX];

fn number(nth: usize) -> i64 {
    NUMBERS[nth % NUMBERS.len()]
}

fn record_of(nth: usize) -> RecordId {
    RecordId(Uuid::from_u128(u128::try_from(nth).unwrap_or_default() + 1))
}

/// Bytes of every length, the empty ones among them.
fn bytes_of(nth: usize) -> Bytes {
    (0..nth % 300).map(|at| u8::try_from((at + nth) % 256).unwrap_or_default()).collect::<Vec<_>>().into()
}

pub(super) fn operation(nth: usize) -> OperationRow {
    let bytes = bytes_of(nth);
    OperationRow {
        record: record_of(nth),
        identity: Identity::of(&nth.to_be_bytes()),
        operation: OperationId(record_of(nth).0),
        device: DeviceId(Uuid::max()),
        sequence: u64::try_from(nth).unwrap_or_default(),
        disposition: number(nth),
        flags: number(nth + 1),
        received_ms: number(nth + 2),
        bytes,
    }
}

fn record(nth: usize) -> RecordRow {
    RecordRow {
        record: record_of(nth),
        collection: 1,
        change: u64::try_from(nth).unwrap_or_default() + 1,
        class: i64::try_from(nth % 4).unwrap_or_default(),
        state: number(nth),
        flags: number(nth + 3),
        number: u64::try_from(nth).unwrap_or_default(),
        received_ms: number(nth + 2),
        place: (!nth.is_multiple_of(3)).then_some(i64::try_from(nth).unwrap_or_default() << 41),
        place_since: 1,
        unit: (!nth.is_multiple_of(2)).then_some(Uuid::max()),
        view: bytes_of(nth + 7),
    }
}

#[tokio::test]
async fn rows_of_any_number_come_back_as_they_were_written() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        for count in COUNTS {
            let operations: Vec<OperationRow> = (0..count).map(operation).collect();
            let records: Vec<RecordRow> = (0..count).map(record).collect();
            let ids: Vec<RecordId> = (0..count).map(record_of).collect();
            let mut writing = opened.store.begin().await?;
            writing.insert_operations(opened.district, &operations).await?;
            writing.insert_records(opened.district, &records).await?;
            let sets = writing.operation_sets(opened.district, &ids).await?;
            let read: BTreeMap<RecordId, (Identity, Vec<u8>, i64)> = sets
                .into_iter()
                .flat_map(|(record, set)| set.into_iter().map(move |it| (record, it)))
                .map(|(record, it)| (record, (it.identity, it.bytes, it.disposition)))
                .collect();
            let written =
                operations.iter().map(|it| (it.record, (it.identity, it.bytes.to_vec(), it.disposition)));
            ensure!(read == written.collect(), "{backend:?}: {count} operations came back as others");
            let mut read: Vec<RecordRow> =
                writing.records(opened.district, &ids).await?.into_values().collect();
            read.sort_by_key(|row| row.record);
            ensure!(read == records, "{backend:?}: {count} records came back as others");
            writing.rollback().await?;
        }
        let left = opened.store.read().await?.operation_counts(opened.district).await?;
        ensure!(left == (0, 0), "{backend:?}: {left:?} after everything was undone");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_done_since_a_savepoint_is_undone_alone() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        let mut writing = opened.store.begin().await?;
        writing.insert_operations(opened.district, &[operation(1)]).await?;
        writing.savepoint().await?;
        writing.insert_operations(opened.district, &[operation(2)]).await?;
        // A statement that fails spoils nothing of what lies before the savepoint.
        ensure!(
            writing.insert_operations(opened.district, &[operation(2)]).await.is_err(),
            "{backend:?}: twice"
        );
        writing.rollback_to_savepoint().await?;
        writing.savepoint().await?;
        writing.insert_operations(opened.district, &[operation(3)]).await?;
        writing.release().await?;
        writing.commit().await?;
        let mut unheard = opened.store.begin().await?;
        unheard.insert_operations(opened.district, &[operation(4)]).await?;
        drop(unheard);
        let ids: Vec<RecordId> = (1..5).map(record_of).collect();
        let sets = opened.store.read().await?.operation_sets(opened.district, &ids).await?;
        let kept: Vec<RecordId> = sets.into_keys().collect();
        ensure!(kept == [record_of(1), record_of(3)], "{backend:?}: {kept:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_the_counter_second_waits_and_goes_on_from_there() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        let mut first = opened.store.begin().await?;
        let one = first.take_counter(opened.district, 5).await?;
        let (store, district) = (opened.store.clone(), opened.district);
        let (asked, asks) = tokio::sync::oneshot::channel();
        let second = tokio::spawn(async move {
            let _told = asked.send(());
            let mut second = store.begin().await?;
            let other = second.take_counter(district, 3).await?;
            second.commit().await?;
            anyhow::Ok(other)
        });
        asks.await?;
        first.commit().await?;
        let other = second.await??;
        ensure!(one.last - one.before == 5, "{backend:?}: {one:?}");
        ensure!((other.before, other.last) == (one.last, one.last + 3), "{backend:?}: {one:?}, {other:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was_and_a_glance_sees_what_is_newest() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        let mut snapshot = opened.store.read().await?;
        ensure!(snapshot.operation_counts(opened.district).await? == (0, 0), "{backend:?}: it begins");
        let mut writing = opened.store.begin().await?;
        writing.insert_operations(opened.district, &[operation(1)]).await?;
        writing.commit().await?;
        ensure!(snapshot.operation_counts(opened.district).await? == (0, 0), "{backend:?}: it moved");
        let newest = opened.store.glance().await?.operation_counts(opened.district).await?;
        ensure!(newest == (1, 0), "{backend:?}: {newest:?}");
    }
    Ok(())
}

#[tokio::test]
async fn pages_of_a_feed_give_every_change_of_a_class_once_and_in_order() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        let records: Vec<RecordRow> = (0..700).map(record).collect();
        let mut writing = opened.store.begin().await?;
        // In no order of their changes.
        let (later, sooner) = records.split_at(350);
        writing.insert_records(opened.district, sooner).await?;
        writing.insert_records(opened.district, later).await?;
        writing.commit().await?;
        let mut reading = opened.store.read().await?;
        for class in 0..4 {
            let (mut after, through) = (100, 600);
            let mut seen = Vec::new();
            loop {
                let page = Page { class, after, through, limit: 7 };
                let rows = reading.feed(opened.district, page).await?;
                let Some(last) = rows.last() else { break };
                after = last.change;
                seen.extend(rows.iter().map(|row| row.change));
            }
            let is_wanted = |row: &&RecordRow| row.class == class && (101..=600).contains(&row.change);
            let wanted: Vec<u64> = records.iter().filter(is_wanted).map(|row| row.change).collect();
            ensure!(seen == wanted, "{backend:?}: class {class}: {seen:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn quarantine_keeps_the_first_of_an_identity_with_any_text_and_without_a_record() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        let identity = Identity::of(b"one");
        let row = |bytes: &'static [u8]| QuarantineRow {
            identity,
            device: DeviceId(Uuid::nil()),
            sequence: 1,
            record: None,
            author: None,
            code: "latitude-range",
            at: "纬度 🔥 '\"\\;--".to_owned(),
            received_ms: i64::MIN,
            bytes: Bytes::from_static(bytes),
        };
        let mut writing = opened.store.begin().await?;
        writing.insert_quarantine(opened.district, &[row(b"")]).await?;
        writing.insert_quarantine(opened.district, &[row(b"another"), row(b"a third")]).await?;
        let (bytes, released) =
            writing.quarantined(opened.district, identity).await?.context("it is gone")?;
        ensure!(bytes.is_empty() && released.is_none(), "{backend:?}: {bytes:?}");
        // However many are asked for, those that are there come back.
        let mut asked: Vec<Identity> = (0..2_500_u32).map(|nth| Identity::of(&nth.to_be_bytes())).collect();
        asked.push(identity);
        let known = writing.known_quarantined(opened.district, &asked).await?;
        let known: BTreeSet<Identity> = known.into_keys().collect();
        ensure!(known == BTreeSet::from([identity]), "{backend:?}: {known:?}");
        writing.commit().await?;
    }
    Ok(())
}
