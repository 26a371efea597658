//! Runs: the signed headers of bundles, and the operations they carried.

use std::collections::{BTreeMap, HashMap, HashSet};

use sync_protocol::ids::{BundleHash, Chain, DeviceId, Identity, RecordId};
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _};
use super::values::RunRow;
use super::{StoreError, Transaction, each_backend, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// Where a run lies in its device's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpan {
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// The chain before `first`.
    pub previous: Chain,
    /// The chain after `last`.
    pub chain: Chain,
    /// The identities of its operations, in order.
    pub members: Vec<Identity>,
}

impl RunSpan {
    /// Whether it is the same run: the chain says what lies between.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        (self.first, self.last, self.previous, self.chain)
            == (other.first, other.last, other.previous, other.chain)
    }
}

/// An operation as stored, with what the fold said of it last.
#[derive(Clone, Debug)]
pub struct StoredOperation {
    /// Its identity.
    pub identity: Identity,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The number of its disposition.
    pub disposition: i64,
}

const SELECT_RECEIPT: &str = "SELECT receipt FROM runs WHERE district = $1 AND bundle = $2";
// The index leaves copies out: however often a run is signed again, it is read once.
const SELECT_SPANS: &str = "SELECT first, last, previous, chain, members FROM runs WHERE district = $1 \
     AND device = $2 AND is_copy = 0 AND last >= $3 AND first <= $4 ORDER BY last, first";
const SELECT_RANGES: &str = "SELECT first, last FROM runs \
     WHERE district = $1 AND device = $2 AND is_copy = 0 AND last > $3 ORDER BY first, last";

impl Transaction {
    /// Appends runs.
    pub async fn insert_runs(&mut self, district: DistrictKey, rows: &[RunRow]) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "runs (district, bundle, device, first, last, previous, chain, members, proof, presenter, \
             received_ms, receipt, is_copy) ",
            "",
            |row, item| row
                .push_bind(district.0)
                .push_bind(&item.bundle.0[..])
                .push_bind(item.device.0)
                .push_bind(signed(item.first))
                .push_bind(signed(item.last))
                .push_bind(&item.previous.0[..])
                .push_bind(&item.chain.0[..])
                .push_bind(item.members.as_slice())
                .push_bind(item.proof.as_slice())
                .push_bind(item.presenter.map(|device| device.0))
                .push_bind(item.received_ms)
                .push_bind(item.receipt.as_slice())
                .push_bind(i64::from(item.is_copy))
        );
        Ok(())
    }

    /// Receipts of bundles that were taken before.
    pub async fn receipts(
        &mut self,
        district: DistrictKey,
        bundles: &[BundleHash],
    ) -> Result<HashMap<BundleHash, Vec<u8>>, StoreError> {
        let mut receipts = HashMap::new();
        for chunk in bundles.chunks(KEYS) {
            let rows: Vec<(Vec<u8>, Vec<u8>)> = each_backend!(self, connection => {
                let mut query = Db::by_hashes(
                    "SELECT bundle, receipt FROM runs WHERE district = ",
                    district, "bundle", chunk.iter().map(|key| &key.0[..]),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            for (bundle, receipt) in rows {
                let bundle = BundleHash::try_from(bundle.as_slice())
                    .map_err(|_source| StoreError::Damaged("bundle hash"))?;
                receipts.insert(bundle, receipt);
            }
        }
        Ok(receipts)
    }

    /// The receipt of one bundle.
    pub async fn receipt(
        &mut self,
        district: DistrictKey,
        bundle: BundleHash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row = fetch_optional!(self, (Vec<u8>,), SELECT_RECEIPT, district.0, bundle.0.to_vec());
        Ok(row.map(|(receipt,)| receipt))
    }

    /// Runs of a device that touch these sequences, each once.
    pub async fn run_spans(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        (from, through): (u64, u64),
    ) -> Result<Vec<RunSpan>, StoreError> {
        type Row = (i64, i64, Vec<u8>, Vec<u8>, Vec<u8>);
        let rows = fetch_all!(self, Row, SELECT_SPANS, district.0, device.0, signed(from), signed(through));
        rows.into_iter()
            .map(|(first, last, previous, chain, members)| {
                let hash = |bytes: &[u8]| {
                    Chain::try_from(bytes).map_err(|_source| StoreError::Damaged("chain hash"))
                };
                Ok(RunSpan {
                    first: unsigned(first),
                    last: unsigned(last),
                    previous: hash(&previous)?,
                    chain: hash(&chain)?,
                    members: identities(&members),
                })
            })
            .collect()
    }

    /// Closed ranges of sequences held beyond `after`, ascending by first.
    pub async fn held_ranges(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        after: u64,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let rows = fetch_all!(self, (i64, i64), SELECT_RANGES, district.0, device.0, signed(after));
        Ok(rows.into_iter().map(|(first, last)| (unsigned(first), unsigned(last))).collect())
    }

    /// Which of these operations are stored already, applied or quarantined.
    pub async fn known_operations(
        &mut self,
        district: DistrictKey,
        candidates: &[(RecordId, Identity)],
    ) -> Result<HashSet<Identity>, StoreError> {
        let mut known = HashSet::new();
        for chunk in candidates.chunks(KEYS / 2) {
            let rows: Vec<(Vec<u8>,)> = each_backend!(self, connection => {
                let mut query = Db::by_operations("SELECT identity FROM operations WHERE district = ", district, chunk);
                query.build_query_as().fetch_all(connection).await?
            });
            collect_identities(rows, &mut known)?;
        }
        Ok(known)
    }

    /// Which of these operation ids are used by operations that open no record.
    pub async fn used_operation_ids(
        &mut self,
        district: DistrictKey,
        ids: &[Uuid],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let mut used = HashSet::new();
        for chunk in ids.chunks(KEYS) {
            let rows: Vec<(Uuid,)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT operation FROM operations WHERE operation <> record AND district = ",
                    district, "operation", chunk.iter().copied(),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            used.extend(rows.into_iter().map(|(id,)| id));
        }
        Ok(used)
    }

    /// Every operation of these records.
    pub async fn operation_sets(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, Vec<StoredOperation>>, StoreError> {
        let mut sets: BTreeMap<RecordId, Vec<StoredOperation>> = BTreeMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<(Uuid, Vec<u8>, Vec<u8>, i64)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT record, identity, bytes, disposition FROM operations WHERE district = ",
                    district, "record", chunk.iter().map(|key| key.0),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            for (record, identity, bytes, disposition) in rows {
                let identity = identity_of(&identity)?;
                sets.entry(RecordId(record)).or_default().push(StoredOperation {
                    identity,
                    bytes,
                    disposition,
                });
            }
        }
        Ok(sets)
    }
}

/// An operation with where it came from.
#[derive(Clone, Debug)]
pub struct PlacedOperation {
    /// The record.
    pub record: RecordId,
    /// Its identity.
    pub identity: Identity,
    /// Its sequence at its device.
    pub sequence: u64,
    /// The number of its disposition.
    pub disposition: i64,
    /// Server time of first receipt.
    pub received_ms: i64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A run with who signed it, as far as it says who vouches for an operation.
#[derive(Clone, Debug)]
pub struct SignedRun {
    /// SHA-256 of its bundle.
    pub bundle: BundleHash,
    /// The device that signed it.
    pub device: DeviceId,
    /// First sequence.
    pub first: u64,
    /// The identities of its operations, in order.
    pub members: Vec<Identity>,
}

const SELECT_OF_DEVICE: &str = "SELECT record, identity, sequence, disposition, received_ms, bytes \
     FROM operations WHERE district = $1 AND device = $2 AND (record, identity) > ($3, $4) \
     ORDER BY record, identity LIMIT $5 + 0";
const SELECT_RUNS: &str = "SELECT bundle, device, first, members FROM runs \
     WHERE district = $1 AND bundle > $2 ORDER BY bundle LIMIT $3 + 0";

impl Transaction {
    /// A page of the folded operations of a device, by record and identity, behind these. All pages read the whole
    /// ledger: for revocations alone.
    pub async fn operations_of_device(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        (record, identity): (RecordId, Identity),
        limit: u32,
    ) -> Result<Vec<PlacedOperation>, StoreError> {
        type Row = (Uuid, Vec<u8>, i64, i64, i64, Vec<u8>);
        let (record, identity, limit) = (record.0, identity.0.to_vec(), i64::from(limit));
        fetch_all!(self, Row, SELECT_OF_DEVICE, district.0, device.0, record, identity, limit)
            .into_iter()
            .map(|(record, identity, sequence, disposition, received_ms, bytes)| {
                Ok(PlacedOperation {
                    record: RecordId(record),
                    identity: identity_of(&identity)?,
                    sequence: unsigned(sequence),
                    disposition,
                    received_ms,
                    bytes,
                })
            })
            .collect()
    }

    /// A page of every run of the district, in the order of their bundles' hashes.
    pub async fn runs_after(
        &mut self,
        district: DistrictKey,
        after: BundleHash,
        limit: u32,
    ) -> Result<Vec<SignedRun>, StoreError> {
        type Row = (Vec<u8>, Uuid, i64, Vec<u8>);
        let after = after.0.to_vec();
        fetch_all!(self, Row, SELECT_RUNS, district.0, after, i64::from(limit))
            .into_iter()
            .map(|(bundle, device, first, members)| {
                let bundle = BundleHash::try_from(bundle.as_slice())
                    .map_err(|_source| StoreError::Damaged("bundle hash"))?;
                let (device, first) = (DeviceId(device), unsigned(first));
                Ok(SignedRun { bundle, device, first, members: identities(&members) })
            })
            .collect()
    }
}

pub(super) fn collect_identities(
    rows: Vec<(Vec<u8>,)>,
    into: &mut HashSet<Identity>,
) -> Result<(), StoreError> {
    for (identity,) in rows {
        into.insert(identity_of(&identity)?);
    }
    Ok(())
}

pub(super) fn identities(members: &[u8]) -> Vec<Identity> {
    members.as_chunks::<32>().0.iter().map(|bytes| Identity(*bytes)).collect()
}

pub(super) fn identity_of(bytes: &[u8]) -> Result<Identity, StoreError> {
    Identity::try_from(bytes).map_err(|_source| StoreError::Damaged("identity"))
}
