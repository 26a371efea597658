//! Districts and their counter row, epochs and incarnations.

use sync_protocol::ids::DistrictId;
use uuid::Uuid;

use super::{StoreError, Transaction, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::{Class, District, DistrictKey};

/// What the counter row gave to a write that took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The last change number before this write; those up to `last` are its own.
    pub before: u64,
    /// The last change number reserved.
    pub last: u64,
    /// The last 编号 given.
    pub number: u64,
}

/// Where a district's feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The last change number.
    pub change: u64,
    /// The epoch.
    pub epoch: Vec<u8>,
    /// Tags of the last incarnations, newest first.
    pub tags: Vec<[u8; 4]>,
    /// The newest change of each class of records, worst first.
    pub newest: [u64; Class::ALL.len()],
}

/// The counter row is the first statement of every write: it orders writers and numbers on both databases.
const TAKE_COUNTER: &str =
    "UPDATE districts SET change = change + $2 WHERE district = $1 RETURNING change, number";
const COUNT_REDACTION: &str = "UPDATE districts SET redactions = redactions + 1 WHERE district = $1";
const SELECT_REDACTIONS: &str = "SELECT redactions FROM districts WHERE district = $1";
const SET_NUMBER: &str = "UPDATE districts SET number = $2 WHERE district = $1";
const SELECT_LINEAGE: &str = "SELECT change, epoch, lineage, \
     (SELECT coalesce(max(change), 0) FROM records WHERE district = $1 AND class = 0), \
     (SELECT coalesce(max(change), 0) FROM records WHERE district = $1 AND class = 1), \
     (SELECT coalesce(max(change), 0) FROM records WHERE district = $1 AND class = 2), \
     (SELECT coalesce(max(change), 0) FROM records WHERE district = $1 AND class = 3) \
     FROM districts WHERE district = $1";
const SET_LINEAGE: &str = "UPDATE districts SET lineage = $2 WHERE district = $1";
const SET_EPOCH: &str = "UPDATE districts SET epoch = $2 WHERE district = $1";
const INSERT_DISTRICT: &str = "INSERT INTO districts (district, id, code, name, time_zone, change, number, epoch, lineage) \
     VALUES ((SELECT coalesce(max(district), 0) + 1 FROM districts), $1, $2, $3, $4, 0, 0, $5, $6) RETURNING district";
const SELECT_DISTRICTS: &str = "SELECT district, id, code, name, time_zone FROM districts ORDER BY district";
const INSERT_EPOCH: &str =
    "INSERT INTO epochs (district, epoch, parent, forked_at, started_ms) VALUES ($1, $2, $3, $4, $5)";
const SELECT_EPOCH_AT: &str =
    "SELECT started_ms FROM epochs WHERE district = $1 AND forked_at = $2 AND parent IS NOT NULL LIMIT 1";
const SELECT_RESTORES: &str = "SELECT forked_at, started_ms FROM epochs \
     WHERE district = $1 AND parent IS NOT NULL ORDER BY started_ms, forked_at";
const INSERT_INCARNATION: &str = "INSERT INTO incarnations (district, ordinal, tag, start_change) \
     SELECT $1, coalesce(max(ordinal), 0) + 1, $2, $3 FROM incarnations WHERE district = $1";
const SELECT_INCARNATIONS: &str =
    "SELECT tag, start_change FROM incarnations WHERE district = $1 ORDER BY ordinal";
const SELECT_DEPLOYMENT: &str = "SELECT deployment FROM deployment";
const INSERT_DEPLOYMENT: &str = "INSERT INTO deployment (deployment) VALUES ($1)";

/// Tags that a district's row keeps.
const TAGS_KEPT: usize = 4;

/// A restore from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Restore {
    /// The change up to which the histories before and after it are the same.
    pub from_change: u64,
    /// When a device proved it.
    pub proved_ms: i64,
}

impl Transaction {
    /// Takes the district's counter row and reserves change numbers. Everything read after it in this
    /// transaction is what the last writer left.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where there is no such district.
    pub async fn take_counter(&mut self, district: DistrictKey, changes: u64) -> Result<Counter, StoreError> {
        let row = fetch_optional!(self, (i64, i64), TAKE_COUNTER, district.0, signed(changes));
        let (last, number) = row.ok_or(StoreError::Damaged("no such district"))?;
        let last = unsigned(last);
        Ok(Counter { before: last - changes, last, number: unsigned(number) })
    }

    /// Counts a redaction of a text.
    pub async fn count_redaction(&mut self, district: DistrictKey) -> Result<(), StoreError> {
        execute!(self, COUNT_REDACTION, district.0);
        Ok(())
    }

    /// Redactions of texts so far.
    pub async fn redactions(&mut self, district: DistrictKey) -> Result<i64, StoreError> {
        let row = fetch_optional!(self, (i64,), SELECT_REDACTIONS, district.0);
        row.map(|(redactions,)| redactions).ok_or(StoreError::Damaged("no such district"))
    }

    /// Stores the last 编号 given.
    pub async fn set_number(&mut self, district: DistrictKey, number: u64) -> Result<(), StoreError> {
        execute!(self, SET_NUMBER, district.0, signed(number));
        Ok(())
    }

    /// Reads where the feed stands.
    pub async fn lineage(&mut self, district: DistrictKey) -> Result<Lineage, StoreError> {
        type Row = (i64, Vec<u8>, Vec<u8>, i64, i64, i64, i64);
        let row = fetch_optional!(self, Row, SELECT_LINEAGE, district.0);
        let (change, epoch, tags, critical, serious, general, other) =
            row.ok_or(StoreError::Damaged("no such district"))?;
        let tags = tags.as_chunks::<4>().0.to_vec();
        let newest = [critical, serious, general, other].map(unsigned);
        Ok(Lineage { change: unsigned(change), epoch, tags, newest })
    }

    /// Begins an incarnation: another start of a server on this district.
    pub async fn begin_incarnation(&mut self, district: DistrictKey, tag: [u8; 4]) -> Result<(), StoreError> {
        let lineage = self.lineage(district).await?;
        execute!(self, INSERT_INCARNATION, district.0, tag.to_vec(), signed(lineage.change));
        let tags: Vec<u8> = std::iter::once(tag).chain(lineage.tags).take(TAGS_KEPT).flatten().collect();
        execute!(self, SET_LINEAGE, district.0, tags);
        Ok(())
    }

    /// Every incarnation, oldest first: its tag and the change number it started at.
    pub async fn incarnations(&mut self, district: DistrictKey) -> Result<Vec<([u8; 4], u64)>, StoreError> {
        let rows = fetch_all!(self, (Vec<u8>, i64), SELECT_INCARNATIONS, district.0);
        rows.into_iter()
            .map(|(tag, start)| {
                let tag = tag.first_chunk::<4>().ok_or(StoreError::Damaged("incarnation tag"))?;
                Ok((*tag, unsigned(start)))
            })
            .collect()
    }

    /// Begins an epoch: the server was restored, and devices must re-offer what no backup holds.
    pub async fn begin_epoch(
        &mut self,
        district: DistrictKey,
        epoch: [u8; 16],
        forked_at: u64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let parent = self.lineage(district).await?.epoch;
        execute!(self, INSERT_EPOCH, district.0, epoch.to_vec(), parent, signed(forked_at), now_ms);
        execute!(self, SET_EPOCH, district.0, epoch.to_vec());
        Ok(())
    }

    /// Whether an epoch was begun at this fork already.
    pub async fn epochs_forked_at(&mut self, district: DistrictKey, fork: u64) -> Result<bool, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_EPOCH_AT, district.0, signed(fork)).is_some())
    }

    /// Restores from a backup that devices have proved, oldest first.
    pub async fn restores(&mut self, district: DistrictKey) -> Result<Vec<Restore>, StoreError> {
        let rows = fetch_all!(self, (i64, i64), SELECT_RESTORES, district.0);
        let restore = |(forked_at, proved_ms)| Restore { from_change: unsigned(forked_at), proved_ms };
        Ok(rows.into_iter().map(restore).collect())
    }

    /// Adds a district and gives its key.
    pub async fn add_district(
        &mut self,
        id: DistrictId,
        code: &str,
        name: &str,
        time_zone: &str,
        epoch: [u8; 16],
    ) -> Result<DistrictKey, StoreError> {
        let row = fetch_optional!(
            self,
            (i64,),
            INSERT_DISTRICT,
            id.0,
            code,
            name,
            time_zone,
            epoch.to_vec(),
            Vec::<u8>::new()
        );
        row.map(|(key,)| DistrictKey(key)).ok_or(StoreError::Damaged("no key was given"))
    }

    /// Every district.
    pub async fn districts(&mut self) -> Result<Vec<District>, StoreError> {
        let rows = fetch_all!(self, (i64, Uuid, String, String, String), SELECT_DISTRICTS);
        Ok(rows
            .into_iter()
            .map(|(key, id, code, name, time_zone)| District {
                key: DistrictKey(key),
                id: DistrictId(id),
                code,
                name,
                time_zone,
            })
            .collect())
    }

    /// The deployment that this database belongs to, set on first use.
    pub async fn deployment(&mut self, ours: Uuid) -> Result<Uuid, StoreError> {
        if let Some((deployment,)) = fetch_optional!(self, (Uuid,), SELECT_DEPLOYMENT) {
            return Ok(deployment);
        }
        execute!(self, INSERT_DEPLOYMENT, ours);
        Ok(ours)
    }
}
