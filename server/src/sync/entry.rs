//! What the office enters for what no device made: works, inspections, activities, findings, patrols recorded as GPX.
//!
//! Each is the operation that a phone would have sent, signed by the server's device, of a record of its own. A client may
//! give the record's id: entered again, it is the same record. What an entry must say is `validate::entry`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{PersonId, RecordId, sha256};
use sync_protocol::kind::{Kind, RecordType};
use sync_protocol::limits;
use sync_protocol::named::Fields;
use sync_protocol::operation::Operation;
use sync_protocol::view::View;
use uuid::Uuid;

use super::audit::{self, Actor};
use super::derive::EARLIEST_MS;
use super::office::{Act, new_id};
use super::{Engine, SyncError};
use crate::domain::District;
use crate::geometry::{Fix, read_gpx};
use crate::store::LedgerOperation;
use crate::validate::entry::{EntryFault, check_entry};

impl From<EntryFault> for SyncError {
    fn from(fault: EntryFault) -> Self {
        bad(fault.to_string())
    }
}

fn bad(what: impl Into<String>) -> SyncError {
    SyncError::RefusedFor(Code::BadParameter, what.into())
}

/// What is entered.
#[derive(Clone, Debug)]
pub struct Entry {
    /// One of [`crate::validate::entry::ENTRIES`].
    pub kind: Kind,
    /// The record's id, where the client gives one.
    pub id: Option<Uuid>,
    /// What it says.
    pub fields: Fields,
    /// Whose entry it is.
    pub author: PersonId,
}

/// What an entry came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The record.
    pub record: RecordId,
    /// Whether it was made now; else it was there already.
    pub is_new: bool,
}

/// Enters a work, an inspection, an activity or a finding.
///
/// # Errors
/// [`Code::BadParameter`] in the words of the field; also where the id belongs to a record that says something else.
pub async fn enter(engine: &Arc<Engine>, district: &District, entry: Entry) -> Result<Entered, SyncError> {
    check_entry(entry.kind, &entry.fields)?;
    if let Some(inspection) = entry.fields.get("inspection").filter(|value| !value.is_null()) {
        require_inspection(engine, district, inspection).await?;
    }
    let record = RecordId(entry.id.unwrap_or_else(|| new_id(engine.clock.now_ms())));
    open(engine, district, record, entry.kind, entry.fields, entry.author).await
}

/// A finding names an inspection of the ledger.
async fn require_inspection(
    engine: &Arc<Engine>,
    district: &District,
    inspection: &Raw,
) -> Result<(), SyncError> {
    let missing = || bad("inspection: 没有这次督导检查 (there is no such inspection)");
    let id =
        inspection.as_byte_string().and_then(|bytes| Uuid::from_slice(bytes).ok()).ok_or_else(missing)?;
    let record = RecordId(id);
    let row = engine.store.read().await?.records(district.key, &[record]).await?.remove(&record);
    let view = row.filter(|row| !row.is_gone()).and_then(|row| View::decode(&row.view));
    let is_inspection = view.is_some_and(|view| view.record_type == Some(RecordType::Inspection));
    if is_inspection { Ok(()) } else { Err(missing()) }
}

/// Opens a record by an operation of the office; one that is there and says the same is left as it is.
async fn open(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
    kind: Kind,
    fields: Fields,
    author: PersonId,
) -> Result<Entered, SyncError> {
    if opened(engine, district, record, kind, &fields).await? {
        return Ok(Entered { record, is_new: false });
    }
    let made_from = Some(Vec::new());
    let act = Act::Operation { kind, record, fields: fields.clone(), photos: Vec::new(), author, made_from };
    match engine.act(district, act).await {
        Ok(_) => Ok(Entered { record, is_new: true }),
        // Somebody entered it between the look and the lock.
        Err(SyncError::Refused(Code::ConflictClosed))
            if opened(engine, district, record, kind, &fields).await? =>
        {
            Ok(Entered { record, is_new: false })
        }
        Err(error) => Err(error),
    }
}

/// Whether the record was opened by this entry already.
///
/// # Errors
/// [`Code::BadParameter`] where it was opened by something else.
async fn opened(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
    kind: Kind,
    fields: &Fields,
) -> Result<bool, SyncError> {
    let operations = operations(engine, district, record).await?;
    if operations.is_empty() {
        return Ok(false);
    }
    let is_same =
        operations.iter().filter_map(|stored| Operation::decode(&stored.bytes).ok()).any(|operation| {
            operation.kind.known() == Some(kind) && operation.id.0 == record.0 && operation.fields == *fields
        });
    if is_same {
        Ok(true)
    } else {
        Err(bad("id: 该编号已被其他内容使用 (the id belongs to a record that says something else)"))
    }
}

async fn operations(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
) -> Result<Vec<LedgerOperation>, SyncError> {
    Ok(engine.store.read().await?.ledger_operations(district.key, record).await?)
}

/// A patrol that was recorded as GPX.
#[derive(Clone, Debug)]
pub struct GpxPatrol<'a> {
    /// The file.
    pub file: &'a [u8],
    /// The record's id, where the client gives one; else it follows from the file and the person.
    pub id: Option<Uuid>,
    /// Who walked.
    pub person: PersonId,
    /// When it began, where the file has no times, milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// Who handed it in; none: the command line.
    pub entered_by: Option<PersonId>,
}

/// What a GPX file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpxEntered {
    /// The patrol.
    pub record: RecordId,
    /// Whether it was made now, or completed; else it was there whole.
    pub is_new: bool,
    /// Points of its track.
    pub points: usize,
    /// Points without a position on earth, left out.
    pub damaged: usize,
}

/// Enters a patrol: started, pieces of its track, finished. A file that was entered in part is completed.
///
/// # Errors
/// [`Code::BadParameter`] where the file is no track, or the person is not known.
pub async fn enter_gpx(
    engine: &Arc<Engine>,
    district: &District,
    patrol: GpxPatrol<'_>,
) -> Result<GpxEntered, SyncError> {
    let track = read_gpx(patrol.file).map_err(|fault| bad(format!("GPX: {fault}")))?;
    let known = engine.store.read().await?.person(district.key, patrol.person).await?;
    known.ok_or_else(|| bad("person: 没有这个人 (there is no such person)"))?;
    let times = track.fixes.iter().filter_map(believed);
    let started_ms = patrol.started_ms.or_else(|| times.clone().min());
    let finished_ms = times.max().or(started_ms);
    let started_ms = started_ms.ok_or_else(|| {
        bad("started_ms: 文件没有可信的时间，请填写开始时间 (the file has no times to believe: say when it began)")
    })?;
    let record = RecordId(patrol.id.unwrap_or_else(|| patrol_id(district, &patrol)));
    let fields = Fields::from([("source", Raw::of(&"GPX")), ("started_at_ms", Raw::of(&started_ms))]);
    let author = patrol.person;
    let mut is_new = open(engine, district, record, Kind::PatrolStarted, fields, author).await?.is_new;
    let there = pieces(&operations(engine, district, record).await?);
    for (number, fixes) in (1_i64..).zip(track.fixes.chunks(limits::TRACK_POINTS)) {
        if there.contains(&number) {
            continue;
        }
        is_new = true;
        let points: Vec<Vec<Option<i64>>> =
            fixes.iter().map(|fix| point(fix, believed(fix).unwrap_or(started_ms))).collect();
        let fields = Fields::from([("piece", Raw::of(&number)), ("points", Raw::of(&points))]);
        act(engine, district, record, Kind::PatrolTrack, fields, author).await?;
    }
    if !there.contains(&FINISHED) {
        is_new = true;
        let finished = Raw::of(&finished_ms.unwrap_or(started_ms));
        let mut fields = Fields::from([("finished_at_ms", finished)]);
        if let Some(by) = patrol.entered_by {
            fields.insert("source", Raw::of(&format!("GPX {by}")));
        }
        act(engine, district, record, Kind::PatrolFinished, fields, author).await?;
    }
    if is_new {
        // Its operations are in the name of whoever walked: who handed the file in is told here.
        let by = patrol.entered_by.map_or(Actor::Operator, Actor::Person);
        let detail = json!({ "person": patrol.person.to_string(), "points": track.fixes.len() });
        let entry = audit::Entry::by(by, "import.gpx", record.to_string(), detail);
        engine.audit_alone(district, entry).await?;
    }
    Ok(GpxEntered { record, is_new, points: track.fixes.len(), damaged: track.damaged })
}

/// The time of a fix, unless it lies so early that its clock was never set.
fn believed(fix: &Fix) -> Option<i64> {
    fix.time_ms.filter(|time_ms| *time_ms >= EARLIEST_MS)
}

/// Stands among the numbers of pieces for the end of a patrol.
const FINISHED: i64 = 0;

/// Numbers of the pieces that are there; [`FINISHED`] where the patrol is finished.
fn pieces(operations: &[LedgerOperation]) -> BTreeSet<i64> {
    let operations = operations.iter().filter_map(|stored| Operation::decode(&stored.bytes).ok());
    operations
        .filter_map(|operation| match operation.kind.known()? {
            Kind::PatrolTrack => i64::try_from(operation.fields.get("piece")?.as_integer()?).ok(),
            Kind::PatrolFinished => Some(FINISHED),
            _ => None,
        })
        .collect()
}

/// A track point: latitude, longitude, time, accuracy.
fn point(fix: &Fix, time_ms: i64) -> Vec<Option<i64>> {
    let place = [Some(fix.lat_e7), Some(fix.lon_e7), Some(time_ms)];
    place.into_iter().chain(fix.accuracy_dm.map(Some)).collect()
}

/// The id of a patrol that follows from what was walked, so that the same file is one patrol.
fn patrol_id(district: &District, patrol: &GpxPatrol<'_>) -> Uuid {
    let mut bytes = district.id.0.into_bytes().to_vec();
    bytes.extend(patrol.person.0.into_bytes());
    bytes.extend(sha256(patrol.file));
    let hash = sha256(&bytes);
    Uuid::new_v8(hash.first_chunk::<16>().copied().unwrap_or_default())
}

async fn act(
    engine: &Arc<Engine>,
    district: &District,
    record: RecordId,
    kind: Kind,
    fields: Fields,
    author: PersonId,
) -> Result<(), SyncError> {
    let act = Act::Operation { kind, record, fields, photos: Vec::new(), author, made_from: None };
    engine.act(district, act).await.map(drop)
}
