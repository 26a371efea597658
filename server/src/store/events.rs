//! The outbox of events: what is told, in order, each once; and who is to be told of.

use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{StoreError, Transaction, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::DistrictKey;

/// Something that an event may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The hazard or device.
    pub subject: Uuid,
    /// The moment that the event is about.
    pub basis: i64,
    /// A number that its words need: the role whose turn it is, or severity; -1 where there is none.
    pub number: i64,
    /// A word that its words need: the subject of a conflict.
    pub word: String,
}

/// An event as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its place in the order.
    pub sequence: u64,
    /// What sort.
    pub kind: String,
    /// When it was noticed.
    pub at_ms: i64,
    /// JSON.
    pub body: String,
}

type Tuple = (Uuid, i64, i64, String);

const SELECT_DUE: &str = "SELECT record, due_ms, coalesce(turn, -1), '' FROM cases WHERE district = $1 AND is_open = 1 \
     AND severity >= $2 AND severity <= $3 AND due_ms > $4 AND due_ms <= $5 AND NOT EXISTS (SELECT 1 FROM event_keys \
     WHERE event_keys.district = cases.district AND event_keys.kind = $6 AND event_keys.subject = cases.record \
     AND event_keys.basis = cases.due_ms) ORDER BY due_ms, record LIMIT $7 + 0";
const SELECT_IGNORED: &str = "SELECT record, due_ms, coalesce(turn, -1), '' FROM cases WHERE district = $1 AND is_open = 1 \
     AND due_ms <= $2 AND since_ms <= $2 AND NOT EXISTS (SELECT 1 FROM event_keys \
     WHERE event_keys.district = cases.district AND event_keys.kind = $3 AND event_keys.subject = cases.record \
     AND event_keys.basis = cases.due_ms) ORDER BY due_ms, record LIMIT $4 + 0";
const SELECT_CONFLICTS: &str = "SELECT record, opened_change, CAST(-1 AS BIGINT), subject FROM conflicts \
     WHERE district = $1 AND opened_ms <= $2 AND NOT EXISTS (SELECT 1 FROM event_keys \
     WHERE event_keys.district = conflicts.district AND event_keys.kind = $3 AND event_keys.subject = conflicts.record \
     AND event_keys.basis = conflicts.opened_change) ORDER BY opened_change, record LIMIT $4 + 0";
const SELECT_SILENT: &str = "SELECT device, coalesce(contact_ms, enrolled_ms), CAST(-1 AS BIGINT), '' FROM devices \
     WHERE district = $1 AND status = 'active' AND client <> 'firebreak server' \
     AND coalesce(contact_ms, enrolled_ms) <= $2 AND NOT EXISTS (SELECT 1 FROM event_keys \
     WHERE event_keys.district = devices.district AND event_keys.kind = $3 AND event_keys.subject = devices.device \
     AND event_keys.basis = coalesce(devices.contact_ms, devices.enrolled_ms)) ORDER BY device LIMIT $4 + 0";
const SELECT_LAST: &str = "SELECT CAST(coalesce(max(sequence), 0) AS BIGINT) FROM events WHERE district = $1";
const INSERT_KEY: &str = "INSERT INTO event_keys (district, kind, subject, basis) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (district, kind, subject, basis) DO NOTHING";
const INSERT_EVENT: &str =
    "INSERT INTO events (district, sequence, kind, at_ms, body) VALUES ($1, $2, $3, $4, $5)";
const SELECT_EVENTS: &str = "SELECT sequence, kind, at_ms, body FROM events WHERE district = $1 AND sequence > $2 \
     ORDER BY sequence LIMIT $3 + 0";
/// The last one stays, so that no number is given twice.
const DELETE_OLD: &str = "DELETE FROM events WHERE district = $1 AND at_ms < $2 \
     AND sequence < (SELECT max(sequence) FROM events WHERE district = $1)";
const SELECT_OPEN: &str = "SELECT record FROM cases WHERE district = $1 AND is_open = 1 AND record > $2 \
     ORDER BY record LIMIT $3 + 0";
const MOVE_DUE: &str =
    "UPDATE cases SET due_ms = $3 WHERE district = $1 AND record = $2 AND notified_ms IS NULL";

fn candidate((subject, basis, number, word): Tuple) -> Candidate {
    Candidate { subject, basis, number, word }
}

/// What waits for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// An open hazard that was due, and on which nobody has acted since.
    Ignored,
    /// A conflict that is open.
    Conflict,
    /// A device in use that was not heard of.
    Silent,
}

impl Transaction {
    /// Open hazards of these severities that are due after one moment and not after another, and were not told of.
    pub async fn due_untold(
        &mut self,
        district: DistrictKey,
        (least, most): (i64, i64),
        (after_ms, through_ms): (i64, i64),
        kind: &str,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let limit = i64::from(limit);
        let rows =
            fetch_all!(self, Tuple, SELECT_DUE, district.0, least, most, after_ms, through_ms, kind, limit);
        Ok(rows.into_iter().map(candidate).collect())
    }

    /// What has waited since before a moment and was not told of.
    pub async fn untold(
        &mut self,
        district: DistrictKey,
        what: Waiting,
        before_ms: i64,
        kind: &str,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let select = match what {
            Waiting::Ignored => SELECT_IGNORED,
            Waiting::Conflict => SELECT_CONFLICTS,
            Waiting::Silent => SELECT_SILENT,
        };
        let rows = fetch_all!(self, Tuple, select, district.0, before_ms, kind, i64::from(limit));
        Ok(rows.into_iter().map(candidate).collect())
    }

    /// The number of the last event; 0 where there was none.
    pub async fn last_event(&mut self, district: DistrictKey) -> Result<u64, StoreError> {
        Ok(fetch_optional!(self, (i64,), SELECT_LAST, district.0).map_or(0, |(last,)| unsigned(last)))
    }

    /// Notes that something was told; false where it was already.
    pub async fn note_told(
        &mut self,
        district: DistrictKey,
        kind: &str,
        subject: Uuid,
        basis: i64,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, INSERT_KEY, district.0, kind, subject, basis) == 1)
    }

    /// Adds an event.
    pub async fn add_event(&mut self, district: DistrictKey, event: &EventRow) -> Result<(), StoreError> {
        let sequence = signed(event.sequence);
        let (kind, body) = (event.kind.as_str(), event.body.as_str());
        execute!(self, INSERT_EVENT, district.0, sequence, kind, event.at_ms, body);
        Ok(())
    }

    /// Events after this number.
    pub async fn events_after(
        &mut self,
        district: DistrictKey,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let (after, limit) = (signed(after), i64::from(limit));
        let rows = fetch_all!(self, (i64, String, i64, String), SELECT_EVENTS, district.0, after, limit);
        let row =
            |(sequence, kind, at_ms, body)| EventRow { sequence: unsigned(sequence), kind, at_ms, body };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Deletes events that were noticed before a moment, all but the last one.
    pub async fn delete_events(&mut self, district: DistrictKey, before_ms: i64) -> Result<(), StoreError> {
        execute!(self, DELETE_OLD, district.0, before_ms);
        Ok(())
    }

    /// Open hazards by record, after this one.
    pub async fn open_cases(
        &mut self,
        district: DistrictKey,
        after: RecordId,
        limit: u32,
    ) -> Result<Vec<RecordId>, StoreError> {
        let rows = fetch_all!(self, (Uuid,), SELECT_OPEN, district.0, after.0, i64::from(limit));
        Ok(rows.into_iter().map(|(record,)| RecordId(record)).collect())
    }

    /// Moves the due moments of hazards whose deadline nobody was told yet.
    pub async fn move_dues(
        &mut self,
        district: DistrictKey,
        rows: &[super::CaseRow],
    ) -> Result<(), StoreError> {
        for row in rows {
            execute!(self, MOVE_DUE, district.0, row.record.0, row.due_ms);
        }
        Ok(())
    }
}
