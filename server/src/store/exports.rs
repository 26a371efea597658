//! What files of the ledger say of its state.

use super::{StoreError, Transaction, fetch_optional, signed};
use crate::domain::DistrictKey;

/// The last operation of the record whose change is the last one that is not beyond.
const SELECT_MOMENT: &str = "SELECT coalesce((SELECT max(o.received_ms) FROM operations o \
     WHERE o.district = r.district AND o.record = r.record), r.received_ms) FROM records r \
     WHERE r.district = $1 AND r.change <= $2 ORDER BY r.change DESC LIMIT 1";

impl Transaction {
    /// When a change of the ledger came, milliseconds since 1970: the moment of the last record that it or one before it
    /// changed; 0 where there is none.
    pub async fn moment_of_change(&mut self, district: DistrictKey, change: u64) -> Result<i64, StoreError> {
        let row = fetch_optional!(self, (i64,), SELECT_MOMENT, district.0, signed(change));
        Ok(row.map_or(0, |(at_ms,)| at_ms))
    }
}
