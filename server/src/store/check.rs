//! Reading the ledger whole, page by page, to prove it.

use std::collections::BTreeMap;

use sync_protocol::ids::{BundleHash, Chain, DeviceId, Identity, PhotoHash, RecordId};
use uuid::Uuid;

use super::rows::{KEYS, Keys as _};
use super::runs::{identities, identity_of};
use super::{StoreError, Transaction, each_backend, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// A record as stored.
#[derive(Clone, Debug)]
pub struct CheckedRecord {
    /// The record.
    pub record: RecordId,
    /// The number of its collection.
    pub collection: i64,
    /// The number of its class.
    pub class: i64,
    /// The number of its state.
    pub state: i64,
    /// Bits of [`crate::domain::record_flags`].
    pub flags: i64,
    /// The change that it was written with.
    pub change: u64,
    /// Its place, as a key.
    pub place: Option<i64>,
    /// The unit that answers for it.
    pub unit: Option<Uuid>,
    /// The encoded view.
    pub view: Vec<u8>,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug)]
pub struct CheckedPlace {
    /// Its identity.
    pub identity: Identity,
    /// The device that recorded it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
}

/// A run as stored.
#[derive(Clone, Debug)]
pub struct CheckedRun {
    /// SHA-256 of its bundle.
    pub bundle: BundleHash,
    /// The device that signed it.
    pub device: DeviceId,
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// The chain before it; none where what is stored is no hash.
    pub previous: Option<Chain>,
    /// The chain after it, likewise.
    pub chain: Option<Chain>,
    /// The identities of its operations, in order; of a copy, none.
    pub members: Vec<Identity>,
    /// It is another signature of a run that is known.
    pub is_copy: bool,
    /// Protected header and signature.
    pub proof: Vec<u8>,
    /// The encoded receipt.
    pub receipt: Vec<u8>,
}

/// A device as stored.
#[derive(Clone, Copy, Debug)]
pub struct CheckedDevice {
    /// The device.
    pub device: DeviceId,
    /// It is revoked.
    pub is_revoked: bool,
    /// The highest sequence received from it.
    pub head_sequence: u64,
}

type RunTuple = (Vec<u8>, Uuid, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>, i64, Vec<u8>, Vec<u8>);

fn run(
    (bundle, device, first, last, previous, chain, members, is_copy, proof, receipt): RunTuple,
) -> Option<CheckedRun> {
    Some(CheckedRun {
        bundle: BundleHash::try_from(bundle.as_slice()).ok()?,
        device: DeviceId(device),
        first: unsigned(first),
        last: unsigned(last),
        previous: Chain::try_from(previous.as_slice()).ok(),
        chain: Chain::try_from(chain.as_slice()).ok(),
        members: identities(&members),
        is_copy: is_copy != 0,
        proof,
        receipt,
    })
}

const SELECT_RECORDS: &str = "SELECT record, collection, class, state, flags, change, place, unit, view FROM records \
     WHERE district = $1 AND record > $2 ORDER BY record LIMIT $3 + 0";
const COUNT_OPERATIONS: &str = "SELECT count(*) FROM operations WHERE district = $1";
const COUNT_QUARANTINE: &str = "SELECT count(*) FROM quarantine WHERE district = $1";
const SELECT_RELEASED: &str = "SELECT identity, released_by, record FROM quarantine \
     WHERE district = $1 AND released_by IS NOT NULL";
// Releases are made by hand: there are few.
const COUNT_RELEASED: &str = "SELECT o.disposition, count(*) FROM quarantine q JOIN operations o \
     ON o.district = q.district AND o.record = q.record AND o.identity = q.released_by \
     WHERE q.district = $1 AND q.released_by IS NOT NULL GROUP BY o.disposition";
const SELECT_CHANGE: &str = "SELECT change FROM districts WHERE district = $1";
const COUNT_CONFLICTS: &str = "SELECT count(*) FROM conflicts WHERE district = $1";
const COUNT_PHOTOS: &str = "SELECT count(*) FROM photos WHERE district = $1";
const SELECT_QUARANTINE: &str = "SELECT identity, device, sequence, bytes FROM quarantine \
     WHERE district = $1 AND identity > $2 ORDER BY identity LIMIT $3 + 0";
const SELECT_PLACES: &str = "SELECT record, identity, device, sequence FROM operations \
     WHERE district = $1 AND (record, identity) > ($2, $3) ORDER BY record, identity LIMIT $4 + 0";
const SELECT_SIGNERS: &str =
    "SELECT DISTINCT device FROM runs WHERE district = $1 AND is_copy = 0 ORDER BY device";
const SELECT_RUNS: &str = "SELECT bundle, device, first, last, previous, chain, members, is_copy, proof, receipt FROM runs \
     WHERE district = $1 AND device = $2 AND is_copy = 0 AND (last, bundle) > ($3, $4) \
     ORDER BY last, bundle LIMIT $5 + 0";
const SELECT_COPIES: &str = "SELECT bundle, device, first, last, previous, chain, members, is_copy, proof, receipt FROM runs \
     WHERE district = $1 AND is_copy = 1 AND bundle > $2 ORDER BY bundle LIMIT $3 + 0";
const COUNT_LONE_COPIES: &str = "SELECT count(*) FROM runs AS copied WHERE copied.district = $1 AND copied.is_copy = 1 \
     AND NOT EXISTS (SELECT 1 FROM runs AS own WHERE own.district = copied.district AND own.device = copied.device \
     AND own.is_copy = 0 AND own.last = copied.last AND own.first = copied.first \
     AND own.previous = copied.previous AND own.chain = copied.chain)";
const SELECT_DEVICES: &str = "SELECT device, CAST(CASE WHEN status = 'revoked' THEN 1 ELSE 0 END AS BIGINT), \
     head_sequence FROM devices WHERE district = $1 ORDER BY device";
const SELECT_TALLIES: &str = "SELECT name, amount FROM tallies WHERE district = $1 ORDER BY name";

impl Transaction {
    /// Records after a record, ascending.
    pub async fn records_after(
        &mut self,
        district: DistrictKey,
        after: RecordId,
        limit: u32,
    ) -> Result<Vec<CheckedRecord>, StoreError> {
        type Row = (Uuid, i64, i64, i64, i64, i64, Option<i64>, Option<Uuid>, Vec<u8>);
        let rows = fetch_all!(self, Row, SELECT_RECORDS, district.0, after.0, i64::from(limit));
        let record = |(record, collection, class, state, flags, change, place, unit, view): Row| {
            let (record, change) = (RecordId(record), unsigned(change));
            CheckedRecord { record, collection, class, state, flags, change, place, unit, view }
        };
        Ok(rows.into_iter().map(record).collect())
    }

    /// Open conflicts of these records: subject and reason of each.
    pub async fn checked_conflicts(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, Vec<(String, String)>>, StoreError> {
        let mut conflicts: BTreeMap<RecordId, Vec<(String, String)>> = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<(Uuid, String, String)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT record, subject, reason FROM conflicts WHERE district = ",
                    district, "record", chunk.iter().map(|key| key.0),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            for (record, subject, reason) in rows {
                conflicts.entry(RecordId(record)).or_default().push((subject, reason));
            }
        }
        Ok(conflicts)
    }

    /// Photos that these records name, and whether nobody waits for their files any more.
    pub async fn checked_photos(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, BTreeMap<PhotoHash, bool>>, StoreError> {
        let mut photos: BTreeMap<RecordId, BTreeMap<PhotoHash, bool>> = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<(Uuid, Vec<u8>, i64)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT record, sha256, is_settled FROM photos WHERE district = ",
                    district, "record", chunk.iter().map(|key| key.0),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            for (record, sha256, is_settled) in rows {
                let sha256 = PhotoHash::try_from(sha256.as_slice())
                    .map_err(|_source| StoreError::Damaged("photo hash"))?;
                photos.entry(RecordId(record)).or_default().insert(sha256, is_settled != 0);
            }
        }
        Ok(photos)
    }

    /// Rows of conflicts and of photos in all.
    pub async fn beside_counts(&mut self, district: DistrictKey) -> Result<(u64, u64), StoreError> {
        let conflicts =
            fetch_optional!(self, (i64,), COUNT_CONFLICTS, district.0).map_or(0, |(count,)| count);
        let photos = fetch_optional!(self, (i64,), COUNT_PHOTOS, district.0).map_or(0, |(count,)| count);
        Ok((unsigned(conflicts), unsigned(photos)))
    }

    /// The last change of the district.
    pub async fn last_change(&mut self, district: DistrictKey) -> Result<u64, StoreError> {
        let row = fetch_optional!(self, (i64,), SELECT_CHANGE, district.0);
        Ok(row.map_or(0, |(change,)| unsigned(change)))
    }

    /// Operations in quarantine behind an identity, ascending, released ones as well, with their bytes.
    pub async fn quarantine_after(
        &mut self,
        district: DistrictKey,
        after: Identity,
        limit: u32,
    ) -> Result<Vec<(CheckedPlace, Vec<u8>)>, StoreError> {
        type Row = (Vec<u8>, Uuid, i64, Vec<u8>);
        let (after, limit) = (after.0.to_vec(), i64::from(limit));
        fetch_all!(self, Row, SELECT_QUARANTINE, district.0, after, limit)
            .into_iter()
            .map(|(identity, device, sequence, bytes)| {
                let (identity, device) = (identity_of(&identity)?, DeviceId(device));
                Ok((CheckedPlace { identity, device, sequence: unsigned(sequence) }, bytes))
            })
            .collect()
    }

    /// Folded operations behind an operation of a record, ascending, without their bytes.
    pub async fn operations_after(
        &mut self,
        district: DistrictKey,
        (record, identity): (RecordId, Identity),
        limit: u32,
    ) -> Result<Vec<(RecordId, CheckedPlace)>, StoreError> {
        type Row = (Uuid, Vec<u8>, Uuid, i64);
        let (record, identity, limit) = (record.0, identity.0.to_vec(), i64::from(limit));
        fetch_all!(self, Row, SELECT_PLACES, district.0, record, identity, limit)
            .into_iter()
            .map(|(record, identity, device, sequence)| {
                let (identity, device) = (identity_of(&identity)?, DeviceId(device));
                Ok((RecordId(record), CheckedPlace { identity, device, sequence: unsigned(sequence) }))
            })
            .collect()
    }

    /// Devices that signed a run.
    pub async fn signers(&mut self, district: DistrictKey) -> Result<Vec<DeviceId>, StoreError> {
        let rows = fetch_all!(self, (Uuid,), SELECT_SIGNERS, district.0);
        Ok(rows.into_iter().map(|(device,)| DeviceId(device)).collect())
    }

    /// Runs of a device behind a run, by their last sequence, without copies.
    pub async fn checked_runs(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        (last, bundle): (u64, BundleHash),
        limit: u32,
    ) -> Result<Vec<CheckedRun>, StoreError> {
        let (last, bundle, limit) = (signed(last), bundle.0.to_vec(), i64::from(limit));
        let rows = fetch_all!(self, RunTuple, SELECT_RUNS, district.0, device.0, last, bundle, limit);
        rows.into_iter().map(|row| run(row).ok_or(StoreError::Damaged("run"))).collect()
    }

    /// Runs that are another signature of a known run, behind a bundle.
    pub async fn checked_copies(
        &mut self,
        district: DistrictKey,
        after: BundleHash,
        limit: u32,
    ) -> Result<Vec<CheckedRun>, StoreError> {
        let (after, limit) = (after.0.to_vec(), i64::from(limit));
        let rows = fetch_all!(self, RunTuple, SELECT_COPIES, district.0, after, limit);
        rows.into_iter().map(|row| run(row).ok_or(StoreError::Damaged("run"))).collect()
    }

    /// Copies whose run is not known.
    pub async fn lone_copies(&mut self, district: DistrictKey) -> Result<u64, StoreError> {
        let row = fetch_optional!(self, (i64,), COUNT_LONE_COPIES, district.0);
        Ok(row.map_or(0, |(count,)| unsigned(count)))
    }

    /// Every device of the district.
    pub async fn checked_devices(&mut self, district: DistrictKey) -> Result<Vec<CheckedDevice>, StoreError> {
        let rows = fetch_all!(self, (Uuid, i64, i64), SELECT_DEVICES, district.0);
        let device = |(device, is_revoked, head): (Uuid, i64, i64)| CheckedDevice {
            device: DeviceId(device),
            is_revoked: is_revoked != 0,
            head_sequence: unsigned(head),
        };
        Ok(rows.into_iter().map(device).collect())
    }

    /// How many operations are stored, in quarantine or out of it.
    pub async fn operation_counts(&mut self, district: DistrictKey) -> Result<(u64, u64), StoreError> {
        let applied = fetch_optional!(self, (i64,), COUNT_OPERATIONS, district.0).map_or(0, |(count,)| count);
        let held = fetch_optional!(self, (i64,), COUNT_QUARANTINE, district.0).map_or(0, |(count,)| count);
        Ok((unsigned(applied), unsigned(held)))
    }

    /// Released operations: identity, identity of the release, record.
    pub async fn released(
        &mut self,
        district: DistrictKey,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>, Option<RecordId>)>, StoreError> {
        let rows = fetch_all!(self, (Vec<u8>, Vec<u8>, Option<Uuid>), SELECT_RELEASED, district.0);
        Ok(rows.into_iter().map(|(identity, by, record)| (identity, by, record.map(RecordId))).collect())
    }

    /// How many released operations have which disposition: that of their release.
    pub async fn released_counts(&mut self, district: DistrictKey) -> Result<Vec<(i64, i64)>, StoreError> {
        Ok(fetch_all!(self, (i64, i64), COUNT_RELEASED, district.0))
    }

    /// Every tally of the district.
    pub async fn tallies(&mut self, district: DistrictKey) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(fetch_all!(self, (String, i64), SELECT_TALLIES, district.0))
    }
}
