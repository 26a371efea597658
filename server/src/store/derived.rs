//! What is derived beside the records: how far it follows the ledger, and its rows. What they mean and how they come
//! to be is in `sync::derive`; the report reads them with queries of its own.

use std::collections::{BTreeSet, HashMap};

use sync_protocol::ids::{DeviceId, PersonId, RecordId};
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _, RecordTuple, padded, record_row};
use super::{RecordRow, StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use super::{signed, unsigned};
use crate::domain::DistrictKey;

/// How far what is derived follows the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Every record as of this change is derived.
    pub through: u64,
    /// By which reference data and which rules of ours.
    pub basis: String,
}

/// A row of `facts`: what the work report counts of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRow {
    /// The record.
    pub record: RecordId,
    /// 0 hazard, 1 patrol, 2 work, 3 inspection, 4 activity.
    pub record_type: i64,
    /// The local day on which it was found or done, counted from 1970-01-01.
    pub day: i64,
    /// Category of a hazard, type of a work or an activity; empty where not said.
    pub subtype: String,
    /// The number of its state.
    pub state: i64,
    /// Bits of `domain::record_flags`.
    pub flags: i64,
    /// The township, by hand or by position; empty where not known.
    pub township: String,
    /// The line, by hand or by position.
    pub line: Option<Uuid>,
    /// The author of its opening operation.
    pub person: Option<PersonId>,
    /// It was found by a supervisory inspection.
    pub is_supervised: bool,
    /// Whole numbers and the project of what is no hazard: JSON.
    pub amounts: String,
}

/// A row of `stretches`: what was walked or worked on along a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StretchRow {
    /// Of what was walked: the number under which maps show it.
    pub id: Option<i64>,
    /// The patrol or work.
    pub record: RecordId,
    /// The line.
    pub line: Uuid,
    /// 0 patrol, 1 corridor felling, 2 fuel clearance, 3 covered conversion.
    pub kind: i64,
    /// The local day, counted from 1970-01-01.
    pub day: i64,
    /// Millimetres along the line, included.
    pub from_mm: i64,
    /// Millimetres along the line, excluded.
    pub to_mm: i64,
    /// Who.
    pub person: Option<PersonId>,
}

const SELECT_DERIVATION: &str = "SELECT through_change, basis FROM derivations WHERE district = $1";
const SET_DERIVATION: &str = "INSERT INTO derivations (district, through_change, basis) VALUES ($1, $2, $3) \
     ON CONFLICT (district) DO UPDATE SET through_change = excluded.through_change, basis = excluded.basis";
const SELECT_NEXT: &str =
    "SELECT min(change) FROM records WHERE district = $1 AND class = $2 AND change > $3";
const SELECT_CHANGED: &str = "SELECT record, collection, change, class, state, flags, number, received_ms, place, \
     place_since, unit, view FROM records WHERE district = $1 AND class = $2 AND change > $3 AND change <= $4";
const SELECT_TAKEN: &str = "SELECT id FROM stretches WHERE id IS NOT NULL AND district = ";
const SELECT_STRETCH: &str = "SELECT id FROM stretches WHERE district = $1 AND id = $2";
const DELETE_DISMISSED: &str = "DELETE FROM proposals WHERE district = $1 AND (record = $2 OR other = $2)";

impl Transaction {
    /// How far what is derived follows the ledger; the beginning, where nothing was derived yet.
    pub async fn derivation(&mut self, district: DistrictKey) -> Result<Derivation, StoreError> {
        let row = fetch_optional!(self, (i64, String), SELECT_DERIVATION, district.0);
        Ok(row.map_or_else(Derivation::default, |(through, basis)| Derivation {
            through: unsigned(through),
            basis,
        }))
    }

    /// Notes how far what is derived follows the ledger.
    pub async fn set_derivation(
        &mut self,
        district: DistrictKey,
        derivation: &Derivation,
    ) -> Result<(), StoreError> {
        let through = signed(derivation.through);
        execute!(self, SET_DERIVATION, district.0, through, derivation.basis.as_str());
        Ok(())
    }

    /// The first change of a record of this class after this one.
    pub async fn next_change(
        &mut self,
        district: DistrictKey,
        class: i64,
        after: u64,
    ) -> Result<Option<u64>, StoreError> {
        let row = fetch_optional!(self, (Option<i64>,), SELECT_NEXT, district.0, class, signed(after));
        Ok(row.and_then(|(change,)| change).map(unsigned))
    }

    /// Records of a class that changed after `after`, up to `through`.
    pub async fn changed(
        &mut self,
        district: DistrictKey,
        class: i64,
        (after, through): (u64, u64),
    ) -> Result<Vec<RecordRow>, StoreError> {
        let (after, through) = (signed(after), signed(through));
        let rows = fetch_all!(self, RecordTuple, SELECT_CHANGED, district.0, class, after, through);
        Ok(rows.into_iter().map(record_row).collect())
    }

    /// The devices that opened these records.
    pub async fn openers(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<HashMap<RecordId, DeviceId>, StoreError> {
        let mut openers = HashMap::new();
        for chunk in records.chunks(KEYS) {
            let rows: Vec<(Uuid, Uuid, Uuid)> = each_backend!(self, connection => {
                let mut query = Db::by_ids(
                    "SELECT record, operation, device FROM operations WHERE district = ",
                    district, "record", chunk.iter().map(|key| key.0),
                );
                query.build_query_as().fetch_all(connection).await?
            });
            let opening = rows.into_iter().filter(|(record, operation, _)| record == operation);
            openers.extend(opening.map(|(record, _, device)| (RecordId(record), DeviceId(device))));
        }
        Ok(openers)
    }

    /// Writes what the report counts.
    pub async fn upsert_facts(&mut self, district: DistrictKey, rows: &[FactRow]) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "facts (district, record, record_type, day, subtype, state, flags, township, line, person, \
             is_supervised, amounts) ",
            " ON CONFLICT (district, record) DO UPDATE SET record_type = excluded.record_type, day = excluded.day, \
             subtype = excluded.subtype, state = excluded.state, flags = excluded.flags, \
             township = excluded.township, line = excluded.line, person = excluded.person, \
             is_supervised = excluded.is_supervised, amounts = excluded.amounts",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(item.record_type)
                .push_bind(item.day)
                .push_bind(item.subtype.as_str())
                .push_bind(item.state)
                .push_bind(item.flags)
                .push_bind(item.township.as_str())
                .push_bind(item.line)
                .push_bind(item.person.map(|person| person.0))
                .push_bind(i64::from(item.is_supervised))
                .push_bind(item.amounts.as_str())
        );
        Ok(())
    }

    /// Writes stretches; those that their records had before must be deleted first.
    pub async fn insert_stretches(
        &mut self,
        district: DistrictKey,
        rows: &[StretchRow],
    ) -> Result<(), StoreError> {
        let rows = self.with_free_ids(district, rows).await?;
        insert_rows!(
            self,
            &rows,
            "stretches (district, record, line, kind, day, from_mm, to_mm, person, id) ",
            " ON CONFLICT (district, record, line, kind, day, from_mm) DO UPDATE SET to_mm = excluded.to_mm",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(item.line)
                .push_bind(item.kind)
                .push_bind(item.day)
                .push_bind(item.from_mm)
                .push_bind(item.to_mm)
                .push_bind(item.person.map(|person| person.0))
                .push_bind(item.id)
        );
        Ok(())
    }

    async fn has_stretch(&mut self, district: DistrictKey, id: i64) -> Result<bool, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_STRETCH, district.0, id).is_some())
    }

    /// The same rows; where an id is taken, with the next that is free.
    async fn with_free_ids(
        &mut self,
        district: DistrictKey,
        rows: &[StretchRow],
    ) -> Result<Vec<StretchRow>, StoreError> {
        let mut rows = rows.to_vec();
        let mut taken = BTreeSet::new();
        let wanted: Vec<i64> = rows.iter().filter_map(|row| row.id).collect();
        for chunk in wanted.chunks(KEYS) {
            let found: Vec<(i64,)> = each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_TAKEN);
                query.push_bind(district.0).push(" AND id IN (");
                let mut list = query.separated(", ");
                for id in padded(chunk) {
                    list.push_bind(id);
                }
                query.push(")");
                query.build_query_as().fetch_all(connection).await?
            });
            taken.extend(found.into_iter().map(|(id,)| id));
        }
        for id in rows.iter_mut().filter_map(|row| row.id.as_mut()) {
            let wanted = *id;
            while !taken.insert(*id) || (*id != wanted && self.has_stretch(district, *id).await?) {
                *id += 1;
            }
        }
        Ok(rows)
    }

    /// Deletes the stretches of these records.
    pub async fn delete_stretches(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        self.delete_of("DELETE FROM stretches WHERE district = ", district, records).await
    }

    /// Deletes where these records stand.
    pub async fn delete_placements(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        self.delete_of("DELETE FROM placements WHERE district = ", district, records).await
    }

    /// Deletes everything derived of records that are gone.
    pub async fn delete_derived(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        self.delete_placements(district, records).await?;
        self.delete_of("DELETE FROM facts WHERE district = ", district, records).await?;
        self.delete_traits(district, records).await?;
        self.delete_cases(district, records).await?;
        self.delete_stretches(district, records).await?;
        for record in records {
            execute!(self, DELETE_DISMISSED, district.0, record.0);
        }
        Ok(())
    }

    pub(super) async fn delete_of(
        &mut self,
        delete: &'static str,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        for chunk in records.chunks(KEYS) {
            each_backend!(self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(delete);
                query.push_bind(district.0).push(" AND record");
                Db::push_ids(&mut query, chunk.iter().map(|record| record.0));
                query.build().execute(connection).await?;
            });
        }
        Ok(())
    }
}
