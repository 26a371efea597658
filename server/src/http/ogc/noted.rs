//! That a map was read is told in the audit log: at most once an hour for an account and a layer, since programs that show
//! maps ask without end.

use std::collections::HashMap;
use std::sync::Mutex;

use sync_protocol::ids::PersonId;

use crate::domain::DistrictKey;
use crate::http::Shared;
use crate::http::auth::Account;
use crate::http::error::ApiError;
use crate::layers::Layer;
use crate::sync::audit::Entry;

/// How long one row of the log speaks for what follows.
const SPEAKS_FOR_MS: i64 = 3_600_000;
/// Accounts and layers that are remembered; beyond them those that were told of longest ago are told of again.
const REMEMBERED: usize = 10_000;

/// Who reads which layer.
type Reading = (DistrictKey, PersonId, Layer);

/// Of whom the log knows that they read which layer, and since when; of this process.
#[derive(Debug, Default)]
pub(in crate::http) struct Noted(Mutex<HashMap<Reading, i64>>);

impl Noted {
    /// Whether the log must be told of a reading now.
    fn is_due(&self, reading: Reading, now_ms: i64) -> bool {
        // A panic elsewhere leaves the map as it was.
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.get(&reading).is_some_and(|told_ms| now_ms - told_ms < SPEAKS_FOR_MS) {
            return false;
        }
        if known.len() >= REMEMBERED {
            known.retain(|_, told_ms| now_ms - *told_ms < SPEAKS_FOR_MS);
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(reading, now_ms);
        true
    }

    fn forget(&self, reading: Reading) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.remove(&reading);
    }
}

/// Tells the log that an account reads a layer, where it was not told within the hour.
///
/// # Errors
/// The store's: then nothing is to be shown.
pub(in crate::http) async fn note(shared: &Shared, account: &Account, layer: Layer) -> Result<(), ApiError> {
    let reading = (account.district.key, account.person.id, layer);
    if !shared.noted.is_due(reading, shared.engine.clock.now_ms()) {
        return Ok(());
    }
    let entry = Entry::of(account.person.id, "map.read", layer.name(), serde_json::json!({}));
    let told = shared.engine.audit_alone(&account.district, entry).await;
    if told.is_err() {
        shared.noted.forget(reading);
    }
    Ok(told?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_reading_is_told_of_once_an_hour_and_each_layer_by_itself() {
        let noted = Noted::default();
        let of = |layer| (DistrictKey(1), PersonId(Uuid::nil()), layer);
        assert!(noted.is_due(of(Layer::Hazards), 0));
        assert!(!noted.is_due(of(Layer::Hazards), SPEAKS_FOR_MS - 1));
        assert!(noted.is_due(of(Layer::Lines), 1));
        assert!(noted.is_due(of(Layer::Hazards), SPEAKS_FOR_MS));
        noted.forget(of(Layer::Lines));
        assert!(noted.is_due(of(Layer::Lines), 2));
    }
}
