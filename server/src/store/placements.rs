//! Where hazards stand on the grid, as derived. What it means is in `sync::derive`; nothing is decided here.

use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::inserts::insert_rows;
use super::{StoreError, Transaction};
use crate::domain::DistrictKey;

/// A row of `placements`: where a hazard stands on the grid, and what its measured clearance suggests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacementRow {
    /// The hazard.
    pub record: RecordId,
    /// Where on a line, where it is on one.
    pub on_line: Option<OnLine>,
    /// Whether the inspector named the line.
    pub is_named: bool,
    /// Codes of what the office should look at, joined by spaces.
    pub notes: String,
    /// The suggested severity.
    pub suggested: Option<String>,
    /// Why: JSON.
    pub reasons: Option<String>,
}

/// A place on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnLine {
    /// The line.
    pub line: Uuid,
    /// The span, counted from 0 along the line.
    pub span: i64,
    /// The number of the structure at its lower end, where it has one.
    pub structure_from: Option<String>,
    /// The number of the structure at its higher end.
    pub structure_to: Option<String>,
    /// Millimetres along the line.
    pub chainage_mm: i64,
    /// Millimetres beside it.
    pub offset_mm: i64,
    /// Looking along ascending chainage: -1 left, 0 on it, 1 right.
    pub side: i64,
    /// Inside the protection zone of its voltage; none where the zone is not known.
    pub in_zone: Option<bool>,
    /// 1 doubtful, 2 probable, 3 certain.
    pub certainty: i64,
    /// The second-best line, and millimetres to it.
    pub rival: Option<(Uuid, i64)>,
}

impl Transaction {
    /// Writes where hazards stand.
    pub async fn upsert_placements(
        &mut self,
        district: DistrictKey,
        rows: &[PlacementRow],
    ) -> Result<(), StoreError> {
        insert_rows!(
            self,
            rows,
            "placements (district, record, line, span, structure_from, structure_to, chainage_mm, \
             offset_mm, side, in_zone, certainty, rival, rival_offset_mm, is_named, notes, suggested, reasons) ",
            " ON CONFLICT (district, record) DO UPDATE SET line = excluded.line, span = excluded.span, \
             structure_from = excluded.structure_from, structure_to = excluded.structure_to, \
             chainage_mm = excluded.chainage_mm, offset_mm = excluded.offset_mm, side = excluded.side, \
             in_zone = excluded.in_zone, certainty = excluded.certainty, rival = excluded.rival, \
             rival_offset_mm = excluded.rival_offset_mm, is_named = excluded.is_named, notes = excluded.notes, \
             suggested = excluded.suggested, reasons = excluded.reasons",
            |row, item| {
                let at = item.on_line.as_ref();
                let rival = at.and_then(|at| at.rival);
                row.push_bind(district.0)
                    .push_bind(item.record.0)
                    .push_bind(at.map(|at| at.line))
                    .push_bind(at.map(|at| at.span))
                    .push_bind(at.and_then(|at| at.structure_from.as_deref()))
                    .push_bind(at.and_then(|at| at.structure_to.as_deref()))
                    .push_bind(at.map(|at| at.chainage_mm))
                    .push_bind(at.map(|at| at.offset_mm))
                    .push_bind(at.map(|at| at.side))
                    .push_bind(at.and_then(|at| at.in_zone).map(i64::from))
                    .push_bind(at.map_or(0, |at| at.certainty))
                    .push_bind(rival.map(|(line, _)| line))
                    .push_bind(rival.map(|(_, offset_mm)| offset_mm))
                    .push_bind(i64::from(item.is_named))
                    .push_bind(item.notes.as_str())
                    .push_bind(item.suggested.as_deref())
                    .push_bind(item.reasons.as_deref())
            }
        );
        Ok(())
    }
}
