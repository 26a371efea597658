//! Writing the ledger: the rows of a plan, many to a statement.

use std::collections::HashMap;

use sync_protocol::ids::{DeviceId, Identity, NoticeId, PersonId, PhotoHash, RecordId};

use super::rows::{Keys as _, RecordTuple, chunks, record_row};
use super::values::{
    ConflictRow, DispositionUpdate, OperationRow, PhotoRow, PlaceRow, QuarantineRow, RecordRow, RefusedRow,
    RunRow,
};
use super::{StoreError, Transaction, each_backend, execute, signed};
use crate::domain::DistrictKey;

/// Runs a multi-row statement: `$head` before the values, `$tail` after them.
macro_rules! insert_rows {
    ($transaction:expr, $rows:expr, $head:literal, $tail:literal, |$row:ident, $item:ident| $push:expr) => {
        for chunk in chunks($rows) {
            each_backend!(&mut *$transaction, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new($head);
                query.push_values(chunk.iter(), |mut $row, $item| { $push; });
                query.push($tail);
                query.build().execute(connection).await?;
            });
        }
    };
}

// PostgreSQL takes whole columns: one short text, prepared once, instead of thousands of parameters to parse and
// plan on each connection. SQLite has no arrays.
const OPERATIONS_BY_COLUMN: &str = "INSERT INTO operations (district, record, identity, operation, device, sequence, \
     disposition, flags, received_ms, bytes) SELECT $1, * FROM UNNEST($2::uuid[], $3::bytea[], $4::uuid[], $5::uuid[], \
     $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[])";
const RECORDS_BY_COLUMN: &str = "INSERT INTO records (district, record, collection, change, class, state, flags, number, \
     received_ms, place, place_since, view) SELECT $1, * FROM UNNEST($2::uuid[], $3::bigint[], $4::bigint[], \
     $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[]) \
     ON CONFLICT (district, record) DO UPDATE SET collection = excluded.collection, \
     change = excluded.change, class = excluded.class, state = excluded.state, flags = excluded.flags, \
     number = excluded.number, place = excluded.place, place_since = excluded.place_since, view = excluded.view";
const PHOTOS_BY_COLUMN: &str = "INSERT INTO photos (district, sha256, record, device, is_settled) \
     SELECT $1, * FROM UNNEST($2::bytea[], $3::uuid[], $4::uuid[], $5::bigint[]) \
     ON CONFLICT (district, record, sha256) DO UPDATE SET is_settled = \
     CASE WHEN photos.is_settled = 1 THEN 1 ELSE excluded.is_settled END";
/// Rows of one statement of columns.
const COLUMN_ROWS: usize = 1_024;

/// One column of many rows.
fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Refused bundles that a district keeps.
const REFUSED_KEPT: i64 = 400;
const FORGET_REFUSED: &str = "DELETE FROM refused WHERE district = $1 AND bundle IN (SELECT bundle FROM refused \
     WHERE district = $1 ORDER BY received_ms DESC, bundle LIMIT 1000000 OFFSET $2)";
const UPDATE_DISPOSITION: &str = "UPDATE operations SET disposition = $5 \
     WHERE district = $1 AND record = $2 AND identity >= $3 AND identity <= $4";
const OPEN_CONFLICT: &str = "INSERT INTO conflicts (district, record, subject, reason, opened_change, opened_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (district, record, subject, reason) DO NOTHING";
const CLOSE_CONFLICT: &str =
    "DELETE FROM conflicts WHERE district = $1 AND record = $2 AND subject = $3 AND reason = $4";
const ADD_NOTICE: &str = "INSERT INTO notices (district, person, notice, created_ms, body) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (district, person, notice) DO NOTHING";
const RELEASE: &str = "UPDATE quarantine SET released_by = $3, record = $4 \
     WHERE district = $1 AND identity = $2";
const WRITE_OFF: &str = "UPDATE quarantine SET released_by = $3, is_written_off = 1 \
     WHERE district = $1 AND identity = $2";
const DELETE_PHOTO: &str = "DELETE FROM photos WHERE district = $1 AND record = $2 AND sha256 = $3";
const ATTRIBUTE: &str = "UPDATE operations SET device = $4, sequence = $5 \
     WHERE district = $1 AND record = $2 AND identity = $3";
const DELETE_OPERATION: &str = "DELETE FROM operations WHERE district = $1 AND record = $2 AND identity = $3";

impl Transaction {
    /// The stored rows of these records.
    pub async fn records(
        &mut self,
        district: DistrictKey,
        ids: &[RecordId],
    ) -> Result<HashMap<RecordId, RecordRow>, StoreError> {
        let mut records = HashMap::new();
        for chunk in ids.chunks(1_024) {
            let rows: Vec<RecordTuple> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT record, collection, change, class, state, flags, number, received_ms, place, place_since, view \
                    FROM records WHERE district = ",
                    district, "record", chunk.iter().map(|key| key.0),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            records.extend(rows.into_iter().map(record_row).map(|row| (row.record, row)));
        }
        Ok(records)
    }

    /// Appends operations.
    pub async fn insert_operations(
        &mut self,
        district: DistrictKey,
        rows: &[OperationRow],
    ) -> Result<(), StoreError> {
        if let Self::Postgres(transaction) = self {
            for rows in rows.chunks(COLUMN_ROWS) {
                sqlx::query(OPERATIONS_BY_COLUMN)
                    .bind(district.0)
                    .bind(column(rows, |row| row.record.0))
                    .bind(column(rows, |row| &row.identity.0[..]))
                    .bind(column(rows, |row| row.operation.0))
                    .bind(column(rows, |row| row.device.0))
                    .bind(column(rows, |row| signed(row.sequence)))
                    .bind(column(rows, |row| row.disposition))
                    .bind(column(rows, |row| row.flags))
                    .bind(column(rows, |row| row.received_ms))
                    .bind(column(rows, |row| &row.bytes[..]))
                    .execute(&mut **transaction)
                    .await?;
            }
            return Ok(());
        }
        insert_rows!(
            self,
            rows,
            "INSERT INTO operations (district, record, identity, operation, device, sequence, disposition, flags, \
             received_ms, bytes) ",
            "",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(&item.identity.0[..])
                .push_bind(item.operation.0)
                .push_bind(item.device.0)
                .push_bind(signed(item.sequence))
                .push_bind(item.disposition)
                .push_bind(item.flags)
                .push_bind(item.received_ms)
                .push_bind(&item.bytes[..])
        );
        Ok(())
    }

    /// Writes records, new or changed.
    pub async fn upsert_records(
        &mut self,
        district: DistrictKey,
        rows: &[RecordRow],
    ) -> Result<(), StoreError> {
        if let Self::Postgres(transaction) = self {
            for rows in rows.chunks(COLUMN_ROWS) {
                sqlx::query(RECORDS_BY_COLUMN)
                    .bind(district.0)
                    .bind(column(rows, |row| row.record.0))
                    .bind(column(rows, |row| row.collection))
                    .bind(column(rows, |row| signed(row.change)))
                    .bind(column(rows, |row| row.class))
                    .bind(column(rows, |row| row.state))
                    .bind(column(rows, |row| row.flags))
                    .bind(column(rows, |row| signed(row.number)))
                    .bind(column(rows, |row| row.received_ms))
                    .bind(column(rows, |row| row.place))
                    .bind(column(rows, |row| signed(row.place_since)))
                    .bind(column(rows, |row| &row.view[..]))
                    .execute(&mut **transaction)
                    .await?;
            }
            return Ok(());
        }
        insert_rows!(
            self,
            rows,
            "INSERT INTO records (district, record, collection, change, class, state, flags, number, received_ms, \
             place, place_since, view) ",
            " ON CONFLICT (district, record) DO UPDATE SET collection = excluded.collection, \
             change = excluded.change, class = excluded.class, state = excluded.state, flags = excluded.flags, \
             number = excluded.number, place = excluded.place, place_since = excluded.place_since, view = excluded.view",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(item.collection)
                .push_bind(signed(item.change))
                .push_bind(item.class)
                .push_bind(item.state)
                .push_bind(item.flags)
                .push_bind(signed(item.number))
                .push_bind(item.received_ms)
                .push_bind(item.place)
                .push_bind(signed(item.place_since))
                .push_bind(&item.view[..])
        );
        Ok(())
    }

    /// Appends runs.
    pub async fn insert_runs(&mut self, district: DistrictKey, rows: &[RunRow]) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "INSERT INTO runs (district, bundle, device, first, last, previous, chain, members, proof, presenter, \
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

    /// Puts operations into quarantine; one that is there already stays as it is.
    pub async fn insert_quarantine(
        &mut self,
        district: DistrictKey,
        rows: &[QuarantineRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "INSERT INTO quarantine (district, identity, device, sequence, record, author, code, at, received_ms, \
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

    /// Keeps refused bundles, the newest of them.
    pub async fn insert_refused(
        &mut self,
        district: DistrictKey,
        rows: &[RefusedRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "INSERT INTO refused (district, bundle, code, presenter, received_ms, bytes) ",
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

    /// Notes where records were before they moved.
    pub async fn insert_places(
        &mut self,
        district: DistrictKey,
        rows: &[PlaceRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "INSERT INTO places (district, record, until_change, since_change, place) ",
            " ON CONFLICT (district, record, until_change) DO NOTHING",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(signed(item.until_change))
                .push_bind(signed(item.since_change))
                .push_bind(item.place)
        );
        Ok(())
    }

    /// Notes photos that were named or settled; a settled one stays settled.
    pub async fn upsert_photos(
        &mut self,
        district: DistrictKey,
        rows: &[PhotoRow],
    ) -> Result<(), StoreError> {
        if let Self::Postgres(transaction) = self {
            for rows in rows.chunks(COLUMN_ROWS) {
                sqlx::query(PHOTOS_BY_COLUMN)
                    .bind(district.0)
                    .bind(column(rows, |row| &row.sha256.0[..]))
                    .bind(column(rows, |row| row.record.0))
                    .bind(column(rows, |row| row.device.0))
                    .bind(column(rows, |row| i64::from(row.is_settled)))
                    .execute(&mut **transaction)
                    .await?;
            }
            return Ok(());
        }
        insert_rows!(
            self,
            rows,
            "INSERT INTO photos (district, sha256, record, device, is_settled) ",
            " ON CONFLICT (district, record, sha256) DO UPDATE SET is_settled = \
             CASE WHEN photos.is_settled = 1 THEN 1 ELSE excluded.is_settled END",
            |row, item| row
                .push_bind(district.0)
                .push_bind(&item.sha256.0[..])
                .push_bind(item.record.0)
                .push_bind(item.device.0)
                .push_bind(i64::from(item.is_settled))
        );
        Ok(())
    }

    /// Changes the disposition of a stored operation.
    pub async fn update_disposition(
        &mut self,
        district: DistrictKey,
        update: &DispositionUpdate,
    ) -> Result<(), StoreError> {
        let mut low = [0; 32];
        let mut high = [0xff; 32];
        for (index, byte) in update.head.0.iter().enumerate() {
            if let (Some(low), Some(high)) = (low.get_mut(index), high.get_mut(index)) {
                *low = *byte;
                *high = *byte;
            }
        }
        execute!(
            self,
            UPDATE_DISPOSITION,
            district.0,
            update.record.0,
            low.to_vec(),
            high.to_vec(),
            update.disposition
        );
        Ok(())
    }

    /// Opens a conflict; one that is open stays as old as it is.
    pub async fn open_conflict(
        &mut self,
        district: DistrictKey,
        conflict: &ConflictRow,
        change: u64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            OPEN_CONFLICT,
            district.0,
            conflict.record.0,
            conflict.subject.as_str(),
            conflict.reason.as_str(),
            signed(change),
            now_ms
        );
        Ok(())
    }

    /// Closes a conflict. What disagreed stays in the operations.
    pub async fn close_conflict(
        &mut self,
        district: DistrictKey,
        conflict: &ConflictRow,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            CLOSE_CONFLICT,
            district.0,
            conflict.record.0,
            conflict.subject.as_str(),
            conflict.reason.as_str()
        );
        Ok(())
    }

    /// Adds a notice; the same event twice is one notice.
    pub async fn add_notice(
        &mut self,
        district: DistrictKey,
        person: PersonId,
        notice: NoticeId,
        now_ms: i64,
        body: &[u8],
    ) -> Result<(), StoreError> {
        execute!(self, ADD_NOTICE, district.0, person.0, notice.0.to_vec(), now_ms, body);
        Ok(())
    }

    /// Adds to tallies.
    pub async fn add_tallies(
        &mut self,
        district: DistrictKey,
        tallies: &[(&str, i64)],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            tallies,
            "INSERT INTO tallies (district, name, amount) ",
            " ON CONFLICT (district, name) DO UPDATE SET amount = tallies.amount + excluded.amount",
            |row, item| row.push_bind(district.0).push_bind(item.0).push_bind(item.1)
        );
        Ok(())
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

    /// Takes an operation out of the folded set; it must be in quarantine by then.
    pub async fn remove_operation(
        &mut self,
        district: DistrictKey,
        record: RecordId,
        identity: Identity,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_OPERATION, district.0, record.0, identity.0.to_vec());
        Ok(())
    }

    /// Forgets a photo that nothing in the folded set names any more.
    pub async fn remove_photo(
        &mut self,
        district: DistrictKey,
        record: RecordId,
        photo: PhotoHash,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_PHOTO, district.0, record.0, photo.0.to_vec());
        Ok(())
    }

    /// Says of an operation that another run vouches for it.
    pub async fn attribute(
        &mut self,
        district: DistrictKey,
        (record, identity): (RecordId, Identity),
        (device, sequence): (DeviceId, u64),
    ) -> Result<(), StoreError> {
        let identity = identity.0.to_vec();
        execute!(self, ATTRIBUTE, district.0, record.0, identity, device.0, signed(sequence));
        Ok(())
    }
}
