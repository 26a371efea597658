//! Deciding about everything that waits of one device: after a revocation, or when a phone's owner is known after all.
//!
//! Each operation is decided as if it were alone, and told so: one that cannot be released keeps none of the others.

use std::sync::Arc;

use serde::Serialize;
use sync_protocol::codes::Code;
use sync_protocol::ids::{DeviceId, Identity, PersonId};
use utoipa::ToSchema;

use super::office::Act;
use super::{Engine, SyncError};
use crate::domain::District;
use crate::store::QuarantinePart;

/// Operations that one request decides.
const AT_ONCE: u32 = 500;

/// What becomes of what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It takes effect.
    Release,
    /// It never does, for this reason.
    WriteOff(String),
}

/// What became of one operation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reviewed {
    /// The quarantined operation.
    pub identity: String,
    /// The decision that was written.
    pub operation: Option<String>,
    /// Why none was.
    pub code: Option<&'static str>,
}

/// Decides about what waits of a device, oldest first. Says whether more waits that was not looked at.
///
/// # Errors
/// [`Code::NotFound`] of the device, the store's.
pub async fn review(
    engine: &Arc<Engine>,
    district: &District,
    device: DeviceId,
    decision: &Decision,
    author: PersonId,
) -> Result<(Vec<Reviewed>, bool), SyncError> {
    let mut transaction = engine.store.read().await?;
    if transaction.device(district.key, device).await?.is_none() {
        return Err(SyncError::RefusedFor(Code::NotFound, format!("device {device}")));
    }
    let which = (QuarantinePart::Waiting, Some(device));
    let waiting = transaction.list_quarantine(district.key, which, None, 0, AT_ONCE + 1).await?;
    drop(transaction);
    let most = usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
    let mut reviewed = Vec::with_capacity(waiting.len().min(most));
    for row in waiting.iter().take(most) {
        reviewed.push(decide(engine, district, row.identity, decision, author).await?);
    }
    Ok((reviewed, waiting.len() > most))
}

async fn decide(
    engine: &Arc<Engine>,
    district: &District,
    identity: Identity,
    decision: &Decision,
    author: PersonId,
) -> Result<Reviewed, SyncError> {
    let act = match decision {
        Decision::Release => Act::Release { identity, author },
        Decision::WriteOff(reason) => Act::WriteOff { identity, reason: reason.clone(), author },
    };
    let (operation, code) = match engine.act(district, act).await {
        Ok(outcome) => (outcome.operation.map(|operation| operation.to_string()), None),
        Err(SyncError::Refused(code) | SyncError::RefusedFor(code, _)) => (None, Some(code.as_str())),
        Err(failed) => return Err(failed),
    };
    Ok(Reviewed { identity: identity.to_string(), operation, code })
}
