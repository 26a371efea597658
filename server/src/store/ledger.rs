//! Writing the ledger: the rows of a plan, many to a statement.

use std::collections::HashMap;

use sync_protocol::ids::{DeviceId, Identity, RecordId};

use super::inserts::insert_rows;
use super::rows::{COLUMN_ROWS, Keys as _, RecordTuple, column, record_row};
use super::values::{ConflictRow, DispositionUpdate, OperationRow, PlaceRow, RecordRow};
use super::{StoreError, Transaction, each_backend, execute, signed};
use crate::domain::DistrictKey;

// PostgreSQL takes whole columns: one short text, prepared once, instead of thousands of parameters to parse and
// plan on each connection. SQLite has no arrays.
const OPERATIONS_BY_COLUMN: &str = "INSERT INTO operations (district, record, identity, operation, device, sequence, \
     disposition, flags, received_ms, bytes) SELECT $1, * FROM UNNEST($2::uuid[], $3::bytea[], $4::uuid[], $5::uuid[], \
     $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[])";
const RECORDS_BY_COLUMN: &str = "INSERT INTO records (district, record, collection, change, class, state, flags, number, \
     received_ms, place, place_since, unit, view) SELECT $1, * FROM UNNEST($2::uuid[], $3::bigint[], $4::bigint[], \
     $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::uuid[], $13::bytea[]) \
     ON CONFLICT (district, record) DO UPDATE SET collection = excluded.collection, \
     change = excluded.change, class = excluded.class, state = excluded.state, flags = excluded.flags, \
     number = excluded.number, place = excluded.place, place_since = excluded.place_since, unit = excluded.unit, view = excluded.view";

const REPLACE_RECORD: &str = " ON CONFLICT (district, record) DO UPDATE SET collection = excluded.collection, \
     change = excluded.change, class = excluded.class, state = excluded.state, flags = excluded.flags, \
     number = excluded.number, place = excluded.place, place_since = excluded.place_since, unit = excluded.unit, view = excluded.view";
const UPDATE_DISPOSITION: &str = "UPDATE operations SET disposition = $5 \
     WHERE district = $1 AND record = $2 AND identity >= $3 AND identity <= $4";
const OPEN_CONFLICT: &str = "INSERT INTO conflicts (district, record, subject, reason, opened_change, opened_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (district, record, subject, reason) DO NOTHING";
const CLOSE_CONFLICT: &str =
    "DELETE FROM conflicts WHERE district = $1 AND record = $2 AND subject = $3 AND reason = $4";
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
                    "SELECT record, collection, change, class, state, flags, number, received_ms, place, place_since, unit, view \
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
            "operations (district, record, identity, operation, device, sequence, disposition, flags, \
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
        self.put_records(district, rows, REPLACE_RECORD).await
    }

    /// Writes records that are new: SQLite need not keep the pages as they were for one that is not.
    pub async fn insert_records(
        &mut self,
        district: DistrictKey,
        rows: &[RecordRow],
    ) -> Result<(), StoreError> {
        self.put_records(district, rows, "").await
    }

    async fn put_records(
        &mut self,
        district: DistrictKey,
        rows: &[RecordRow],
        replace: &'static str,
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
                    .bind(column(rows, |row| row.unit))
                    .bind(column(rows, |row| &row.view[..]))
                    .execute(&mut **transaction)
                    .await?;
            }
            return Ok(());
        }
        insert_rows!(
            self,
            rows,
            "records (district, record, collection, change, class, state, flags, number, received_ms, \
             place, place_since, unit, view) ",
            replace,
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
                .push_bind(item.unit)
                .push_bind(&item.view[..])
        );
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
            "places (district, record, until_change, since_change, place) ",
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

    /// Adds to tallies.
    pub async fn add_tallies(
        &mut self,
        district: DistrictKey,
        tallies: &[(&str, i64)],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            tallies,
            "tallies (district, name, amount) ",
            " ON CONFLICT (district, name) DO UPDATE SET amount = tallies.amount + excluded.amount",
            |row, item| row.push_bind(district.0).push_bind(item.0).push_bind(item.1)
        );
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
