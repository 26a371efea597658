//! Pairs that are probably one hazard: what was derived, and what the office dismissed.

use sync_protocol::ids::{PersonId, RecordId};
use uuid::Uuid;

use super::inserts::insert_rows;
use super::rows::{KEYS, Keys as _};
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::DistrictKey;

/// A row of `proposals`: a pair that is probably one hazard, `record` < `other`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRow {
    /// The one.
    pub record: RecordId,
    /// The other.
    pub other: RecordId,
    /// How probable, 0 to 1000.
    pub score: i64,
    /// Millimetres between them.
    pub distance_mm: i64,
    /// JSON.
    pub reasons: String,
}

/// An open proposal in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenProposal {
    /// The worse class of the two hazards.
    pub class: i64,
    /// The proposal.
    pub row: ProposalRow,
}

/// Where a page of open proposals ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalAt {
    /// The worse class of the two hazards.
    pub class: i64,
    /// How probable.
    pub score: i64,
    /// The smaller id.
    pub record: RecordId,
    /// The greater id.
    pub other: RecordId,
}

impl ProposalAt {
    /// Before the first.
    pub const START: Self =
        Self { class: -1, score: 0, record: RecordId(Uuid::nil()), other: RecordId(Uuid::nil()) };
}

/// Both hazards are there and have not ended: states 11 to 14 are closed, void, duplicate, not ours.
const SELECT_OPEN: &str = "SELECT class, record, other, score, distance_mm, reasons FROM ( \
     SELECT CASE WHEN one.class < two.class THEN one.class ELSE two.class END AS class, proposals.record, \
     proposals.other, proposals.score, 0 - proposals.score AS unlikely, proposals.distance_mm, proposals.reasons \
     FROM proposals \
     JOIN records one ON one.district = proposals.district AND one.record = proposals.record \
     JOIN records two ON two.district = proposals.district AND two.record = proposals.other \
     WHERE proposals.district = $1 AND proposals.dismissed_ms IS NULL AND one.collection = 0 AND two.collection = 0 \
     AND one.state NOT BETWEEN 11 AND 14 AND two.state NOT BETWEEN 11 AND 14) AS open \
     WHERE (class, unlikely, record, other) > ($2, $3, $4, $5) \
     ORDER BY class, unlikely, record, other LIMIT $6 + 0";
const SELECT_PROPOSAL: &str = "SELECT score, distance_mm, reasons, dismissed_ms FROM proposals \
     WHERE district = $1 AND record = $2 AND other = $3";
const DISMISS: &str = "UPDATE proposals SET dismissed_by = $4, dismissed_ms = $5, dismissed_reason = $6 \
     WHERE district = $1 AND record = $2 AND other = $3 AND dismissed_ms IS NULL";
const CLEAR_DISMISSAL: &str = "UPDATE proposals SET dismissed_by = NULL, dismissed_ms = NULL, dismissed_reason = NULL \
     WHERE district = $1 AND record = $2 AND other = $3 AND dismissed_ms IS NOT NULL";

const DELETE_PROPOSALS: &str = "DELETE FROM proposals WHERE dismissed_by IS NULL AND district = ";

impl Transaction {
    /// Writes proposals; one that was dismissed stays so.
    pub async fn upsert_proposals(
        &mut self,
        district: DistrictKey,
        rows: &[ProposalRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "proposals (district, record, other, score, distance_mm, reasons) ",
            " ON CONFLICT (district, record, other) DO UPDATE SET score = excluded.score, \
             distance_mm = excluded.distance_mm, reasons = excluded.reasons",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.record.0)
                .push_bind(item.other.0)
                .push_bind(item.score)
                .push_bind(item.distance_mm)
                .push_bind(item.reasons.as_str())
        );
        Ok(())
    }

    /// Deletes the proposals of these records that nobody dismissed: they are about to be made anew.
    pub async fn delete_proposals(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<(), StoreError> {
        for column in ["record", "other"] {
            for chunk in records.chunks(KEYS) {
                each_backend!(self, connection => {
                    let mut query = sqlx::QueryBuilder::<Db>::new(DELETE_PROPOSALS);
                    query.push_bind(district.0).push(" AND ").push(column);
                    Db::push_ids(&mut query, chunk.iter().map(|record| record.0));
                    query.build().execute(connection).await?;
                });
            }
        }
        Ok(())
    }

    /// Open proposals after one: of the worst hazards first, and of these the likeliest.
    pub async fn open_proposals(
        &mut self,
        district: DistrictKey,
        after: ProposalAt,
        limit: u32,
    ) -> Result<Vec<OpenProposal>, StoreError> {
        type Row = (i64, Uuid, Uuid, i64, i64, String);
        let ProposalAt { class, score, record, other } = after;
        let limit = i64::from(limit);
        let rows = fetch_all!(self, Row, SELECT_OPEN, district.0, class, -score, record.0, other.0, limit);
        let open = |(class, record, other, score, distance_mm, reasons)| {
            let (record, other) = (RecordId(record), RecordId(other));
            OpenProposal { class, row: ProposalRow { record, other, score, distance_mm, reasons } }
        };
        Ok(rows.into_iter().map(open).collect())
    }

    /// One proposal, and whether it was dismissed.
    pub async fn proposal(
        &mut self,
        district: DistrictKey,
        (record, other): (RecordId, RecordId),
    ) -> Result<Option<(ProposalRow, bool)>, StoreError> {
        type Row = (i64, i64, String, Option<i64>);
        let row = fetch_optional!(self, Row, SELECT_PROPOSAL, district.0, record.0, other.0);
        Ok(row.map(|(score, distance_mm, reasons, dismissed_ms)| {
            (ProposalRow { record, other, score, distance_mm, reasons }, dismissed_ms.is_some())
        }))
    }

    /// Dismisses a proposal; none where it was already.
    pub async fn dismiss_proposal(
        &mut self,
        district: DistrictKey,
        (record, other): (RecordId, RecordId),
        by: PersonId,
        now_ms: i64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, DISMISS, district.0, record.0, other.0, by.0, now_ms, reason) > 0)
    }

    /// Takes a dismissal back.
    pub async fn clear_dismissal(
        &mut self,
        district: DistrictKey,
        (record, other): (RecordId, RecordId),
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, CLEAR_DISMISSAL, district.0, record.0, other.0) > 0)
    }
}
