//! Conformance of the store: the same statements and the same behaviour on both databases, without a server before them.

mod behaviour;
mod given_up;
mod statements;

use anyhow::{Context as _, Result};
use firebreak::domain::DistrictKey;
use firebreak::store::Store;
use firebreak_tests::server::{Backend, Server};
use tempfile::TempDir;

/// A store with one district, and what keeps its files.
struct Opened {
    store: Store,
    district: DistrictKey,
    server: Server,
}

async fn open(backend: Backend) -> Result<Opened> {
    let server = Server::prepare(backend, TempDir::with_prefix("firebreak-store")?).await?;
    let store = Store::open(&server.settings().database()).await?;
    let mut reading = store.read().await?;
    let district = reading.districts().await?.first().context("no district")?.key;
    drop(reading);
    Ok(Opened { store, district, server })
}
