//! A bundle file that came by hand: taken as if its phone had sent it, without one to reply to.

use std::sync::Arc;

use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::{BundleHash, sha256};

use super::audit::{Actor, Entry};
use super::delivery::{self, Delivery, Receipts};
use super::{Engine, SyncError, admit};
use crate::domain::District;

/// What became of a file's bundles.
#[derive(Debug)]
pub struct Imported {
    /// Receipts of bundles that were new.
    pub taken: Receipts,
    /// Receipts of bundles that were known.
    pub known: Receipts,
    /// Bundles that were refused, and are kept all the same.
    pub refused: Vec<(BundleHash, Code)>,
}

/// Takes the bundles of a file.
///
/// # Errors
/// Where it is no bundle file; the store's.
pub async fn import(engine: &Arc<Engine>, district: &District, file: &[u8]) -> Result<Imported, SyncError> {
    let admitted = admit::open_file(engine, district, file).await?;
    let now_ms = engine.clock.now_ms();
    let row = |refusal: &admit::Refusal| {
        delivery::refused_row(refusal.bundle, refusal.code, &refusal.bytes, None, now_ms)
    };
    let delivery = Delivery {
        arrivals: admitted.arrivals,
        refused: admitted.refusals.iter().map(row).collect(),
        ..Delivery::default()
    };
    let taken = engine.deliver(district, delivery).await?.receipts;
    let refused: Vec<_> = admitted.refusals.iter().map(|refusal| (refusal.bundle, refusal.code)).collect();
    let detail = json!({ "taken": taken.len(), "known": admitted.receipts.len(), "refused": refused.len() });
    let entry = Entry::by(Actor::Operator, "import.bundle", hex::encode(sha256(file)), detail);
    engine.audit_alone(district, entry).await?;
    let (new, known, bad) = (taken.len(), admitted.receipts.len(), refused.len());
    tracing::info!(
        "a bundle file was imported into district {}: {new} bundles taken, {known} known, {bad} refused",
        district.code
    );
    Ok(Imported { taken, known: admitted.receipts, refused })
}
