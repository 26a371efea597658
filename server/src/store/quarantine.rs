//! Operations in quarantine, and bundles that were refused.

use std::collections::{HashMap, HashSet};

use sync_protocol::ids::{Identity, RecordId};

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _};
use super::runs::{collect_identities, identity_of};
use super::values::{QuarantineRow, RefusedRow};
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional, signed};
use crate::domain::DistrictKey;

/// What is known of an operation in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Why it is there.
    pub code: String,
    /// It took effect by a release.
    pub is_released: bool,
}

/// Refused bundles that a district keeps.
pub const REFUSED_KEPT: i64 = 400;
const FORGET_REFUSED: &str = "DELETE FROM refused WHERE district = $1 AND bundle IN (SELECT bundle FROM refused \
     WHERE district = $1 ORDER BY received_ms DESC, bundle LIMIT 1000000 OFFSET $2 + 0)";
const RELEASE: &str = "UPDATE quarantine SET released_by = $3, record = $4 \
     WHERE district = $1 AND identity = $2";
const WRITE_OFF: &str = "UPDATE quarantine SET released_by = $3, is_written_off = 1 \
     WHERE district = $1 AND identity = $2";
const REDACT: &str = "UPDATE quarantine SET is_redacted = 1 WHERE district = $1 AND identity = $2";
const SELECT_WAITING: &str =
    "SELECT identity FROM quarantine WHERE district = $1 AND code = $2 AND released_by IS NULL";
const SELECT_QUARANTINED: &str =
    "SELECT bytes, released_by FROM quarantine WHERE district = $1 AND identity = $2";
const SELECT_ANY_QUARANTINE: &str = "SELECT sequence FROM quarantine WHERE district = $1 LIMIT 1";
const DELETE_QUARANTINED: &str = "DELETE FROM quarantine WHERE district = $1 AND identity = $2";

impl Transaction {
    /// Puts operations into quarantine; one that is there already stays as it is.
    pub async fn insert_quarantine(
        &mut self,
        district: DistrictKey,
        rows: &[QuarantineRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "quarantine (district, identity, device, sequence, record, author, code, at, received_ms, \
             bytes) ",
            " ON CONFLICT (district, identity) DO NOTHING",
            |row, item| row
                .push_bind(district.0)
                .push_bind(&item.identity.0[..])
                .push_bind(item.device.0)
                .push_bind(signed(item.sequence))
                .push_bind(item.record.map(|record| record.0))
                .push_bind(item.author.map(|author| author.0))
                .push_bind(item.code)
                .push_bind(item.at.as_str())
                .push_bind(item.received_ms)
                .push_bind(&item.bytes[..])
        );
        Ok(())
    }

    /// Which of these operations are in quarantine, released or not, each with its code.
    pub async fn known_quarantined(
        &mut self,
        district: DistrictKey,
        candidates: &[Identity],
    ) -> Result<HashMap<Identity, Quarantined>, StoreError> {
        let mut known = HashMap::new();
        for chunk in candidates.chunks(KEYS) {
            let rows: Vec<(Vec<u8>, String, Option<Vec<u8>>)> = each_backend!(self, connection => {
                let mut query = Db::by_hashes(
                    "SELECT identity, code, released_by FROM quarantine WHERE district = ",
                    district, "identity", chunk.iter().map(|key| &key.0[..]),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            for (identity, code, released_by) in rows {
                let is_released = released_by.is_some();
                known.insert(identity_of(&identity)?, Quarantined { code, is_released });
            }
        }
        Ok(known)
    }

    /// Operations that wait in quarantine for one reason.
    pub async fn waiting(
        &mut self,
        district: DistrictKey,
        code: &str,
    ) -> Result<HashSet<Identity>, StoreError> {
        let mut waiting = HashSet::new();
        collect_identities(fetch_all!(self, (Vec<u8>,), SELECT_WAITING, district.0, code), &mut waiting)?;
        Ok(waiting)
    }

    /// A quarantined operation: its bytes, and the release that let it take effect.
    pub async fn quarantined(
        &mut self,
        district: DistrictKey,
        identity: Identity,
    ) -> Result<Option<(Vec<u8>, Option<Vec<u8>>)>, StoreError> {
        type Row = (Vec<u8>, Option<Vec<u8>>);
        Ok(fetch_optional!(self, Row, SELECT_QUARANTINED, district.0, identity.0.to_vec()))
    }

    /// Whether anything was ever quarantined.
    pub async fn has_quarantine(&mut self, district: DistrictKey) -> Result<bool, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_ANY_QUARANTINE, district.0).is_some())
    }

    /// Marks a quarantined operation as released on a record.
    pub async fn mark_released(
        &mut self,
        district: DistrictKey,
        quarantined: Identity,
        release: Identity,
        record: RecordId,
    ) -> Result<(), StoreError> {
        let (quarantined, release) = (quarantined.0.to_vec(), release.0.to_vec());
        execute!(self, RELEASE, district.0, quarantined, release, record.0);
        Ok(())
    }

    /// Marks a quarantined operation as written off.
    pub async fn mark_written_off(
        &mut self,
        district: DistrictKey,
        quarantined: Identity,
        decision: Identity,
    ) -> Result<(), StoreError> {
        execute!(self, WRITE_OFF, district.0, quarantined.0.to_vec(), decision.0.to_vec());
        Ok(())
    }

    /// Shows a quarantined operation's bytes no more.
    pub async fn mark_quarantine_redacted(
        &mut self,
        district: DistrictKey,
        quarantined: Identity,
    ) -> Result<(), StoreError> {
        execute!(self, REDACT, district.0, quarantined.0.to_vec());
        Ok(())
    }

    /// Takes an operation out of quarantine; it must be in the folded set by the end of the transaction.
    pub async fn remove_quarantined(
        &mut self,
        district: DistrictKey,
        identity: Identity,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_QUARANTINED, district.0, identity.0.to_vec());
        Ok(())
    }

    /// Keeps refused bundles, the newest of them.
    pub async fn insert_refused(
        &mut self,
        district: DistrictKey,
        rows: &[RefusedRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "refused (district, bundle, code, presenter, received_ms, bytes) ",
            " ON CONFLICT (district, bundle) DO NOTHING",
            |row, item| row
                .push_bind(district.0)
                .push_bind(&item.bundle.0[..])
                .push_bind(item.code)
                .push_bind(item.presenter.map(|device| device.0))
                .push_bind(item.received_ms)
                .push_bind(item.bytes.as_slice())
        );
        if !rows.is_empty() {
            execute!(self, FORGET_REFUSED, district.0, REFUSED_KEPT);
        }
        Ok(())
    }
}
