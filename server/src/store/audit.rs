//! The audit log: rows are added and read, never changed.

use super::{StoreError, Transaction, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::audit::{AuditHash, Link, Row};
use crate::domain::DistrictKey;

const ADD_HEAD: &str = "INSERT INTO audit_heads (district, sequence, hash) VALUES ($1, 0, $2) \
     ON CONFLICT (district) DO NOTHING";
const TAKE_HEAD: &str =
    "UPDATE audit_heads SET sequence = sequence WHERE district = $1 RETURNING sequence, hash";
const SET_HEAD: &str = "UPDATE audit_heads SET sequence = $2, hash = $3 WHERE district = $1";
const SELECT_HEAD: &str = "SELECT sequence, hash FROM audit_heads WHERE district = $1";
const INSERT_ROW: &str = "INSERT INTO audit (district, sequence, at_ms, actor, action, object, detail, previous, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const SELECT_AFTER: &str = "SELECT sequence, at_ms, actor, action, object, detail, previous, hash FROM audit \
     WHERE district = $1 AND sequence > $2 ORDER BY sequence LIMIT $3 + 0";
const SELECT_BEFORE: &str = "SELECT sequence, at_ms, actor, action, object, detail, previous, hash FROM audit \
     WHERE district = $1 AND sequence < $2 AND sequence >= $3 \
     AND (CAST($4 AS TEXT) = '' OR actor = $4) \
     AND (CAST($5 AS TEXT) = '' OR substr(action, 1, length(CAST($5 AS TEXT))) = $5) \
     ORDER BY sequence DESC LIMIT $6 + 0";

type Tuple = (i64, i64, String, String, String, String, Vec<u8>, Vec<u8>);

/// A hash as stored: one of another length was tampered with, and is no hash of anything.
fn hash(bytes: &[u8]) -> AuditHash {
    AuditHash(<[u8; 32]>::try_from(bytes).unwrap_or([0xff; 32]))
}

fn row((sequence, at_ms, actor, action, object, detail, previous, own): Tuple) -> Row {
    let (previous, hash) = (hash(&previous), hash(&own));
    Row { sequence: unsigned(sequence), at_ms, actor, action, object, detail, previous, hash }
}

impl Transaction {
    /// Takes the end of a chain: nobody else writes to it until this transaction ends.
    pub async fn take_audit_head(&mut self, district: DistrictKey) -> Result<Link, StoreError> {
        let link = |(sequence, own): (i64, Vec<u8>)| Link { sequence: unsigned(sequence), hash: hash(&own) };
        if let Some(head) = fetch_optional!(self, (i64, Vec<u8>), TAKE_HEAD, district.0) {
            return Ok(link(head));
        }
        execute!(self, ADD_HEAD, district.0, AuditHash::START.0.to_vec());
        let head = fetch_optional!(self, (i64, Vec<u8>), TAKE_HEAD, district.0);
        head.map(link).ok_or(StoreError::Damaged("the head of the audit log"))
    }

    /// Adds a row to the end of a chain that was taken.
    pub async fn add_audit_row(&mut self, district: DistrictKey, row: &Row) -> Result<(), StoreError> {
        execute!(
            self,
            INSERT_ROW,
            district.0,
            signed(row.sequence),
            row.at_ms,
            row.actor.as_str(),
            row.action.as_str(),
            row.object.as_str(),
            row.detail.as_str(),
            row.previous.0.to_vec(),
            row.hash.0.to_vec()
        );
        execute!(self, SET_HEAD, district.0, signed(row.sequence), row.hash.0.to_vec());
        Ok(())
    }

    /// Where a chain stands.
    pub async fn audit_head(&mut self, district: DistrictKey) -> Result<Link, StoreError> {
        let head = fetch_optional!(self, (i64, Vec<u8>), SELECT_HEAD, district.0);
        Ok(head
            .map_or(Link::START, |(sequence, own)| Link { sequence: unsigned(sequence), hash: hash(&own) }))
    }

    /// Rows behind a sequence, or from the first one on, ascending.
    pub async fn audit_rows_after(
        &mut self,
        district: DistrictKey,
        sequence: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let after = sequence.map_or(i64::MIN, signed);
        let rows = fetch_all!(self, Tuple, SELECT_AFTER, district.0, after, i64::from(limit));
        Ok(rows.into_iter().map(row).collect())
    }

    /// Rows from the first sequence up to, and without, the second, the newest first: who, and what their action begins
    /// with; either may be empty.
    pub async fn audit_rows_before(
        &mut self,
        district: DistrictKey,
        (down_to, before): (u64, u64),
        (actor, action): (&str, &str),
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let (down_to, before) = (signed(down_to), signed(before));
        let limit = i64::from(limit);
        let rows = fetch_all!(self, Tuple, SELECT_BEFORE, district.0, before, down_to, actor, action, limit);
        Ok(rows.into_iter().map(row).collect())
    }
}
