//! Whoever waited for a transaction may go away at any moment: a phone that hangs up, a server that stops.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use anyhow::{Result, ensure};
use firebreak::store::Store;
use firebreak_tests::server::Backend;

use super::behaviour::operation;
use super::open;

/// Connections that a store keeps of PostgreSQL for glances, and for writing.
const KEPT: usize = 6;
/// More than what it takes to connect and to begin.
const POLLS: usize = 12;
/// More than there are connections.
const GIVEN_UP: usize = 24;

/// Polls a future so many times, each time once it has something to say, and drops it.
async fn give_up(future: impl Future, polls: usize) {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Pending if left > 0 => Poll::Pending,
            Poll::Pending | Poll::Ready(_) => Poll::Ready(()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_nobody_waited_for_freezes_no_later_read() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        for polls in 1..=POLLS {
            let store = Store::open(&opened.server.settings().database()).await?;
            for _ in 0..GIVEN_UP {
                give_up(store.read(), polls).await;
            }
            let mut glances = Vec::new();
            for _ in 0..if backend == Backend::Postgres { KEPT } else { 1 } {
                let mut glance = store.glance().await?;
                let seen = glance.operation_counts(opened.district).await?;
                glances.push((glance, seen.0));
            }
            let mut writing = store.begin().await?;
            writing.insert_operations(opened.district, &[operation(polls)]).await?;
            writing.commit().await?;
            for (nth, (mut glance, before)) in glances.into_iter().enumerate() {
                let seen = glance.operation_counts(opened.district).await?.0;
                ensure!(
                    seen == before + 1,
                    "{backend:?}, {polls} polls: connection {nth} sees none of a commit"
                );
            }
            store.close().await;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_nobody_waited_for_is_open_no_longer() -> Result<()> {
    for backend in Backend::ALL {
        let opened = open(backend).await?;
        for polls in 1..=POLLS {
            let store = Store::open(&opened.server.settings().database()).await?;
            for _ in 0..GIVEN_UP {
                give_up(store.begin(), polls).await;
            }
            // PostgreSQL refuses this on a connection with a transaction open; the connections take turns.
            for _ in 0..KEPT {
                store.analyze_derived().await?;
            }
            store.close().await;
        }
    }
    Ok(())
}
