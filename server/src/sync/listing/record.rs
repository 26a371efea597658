//! One record with everything behind it: what shows, what lost and why, who did what, what waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::ids::{PersonId, PhotoHash, RecordId};
use sync_protocol::kind::RecordType;
use sync_protocol::view::View;
use utoipa::ToSchema;

pub use super::fields::{Field, Why, Written, writes};
pub use super::operations::{Flag, Interval, Told};

use super::cases::{self, DeadlineTold};
use super::conflicts::{self, OpenConflict};
use super::evidence;
use super::hazards::{self, Hazard};
use super::operations::{self, Known};
use super::placement::{self, Placement};
use super::quarantine::{self, Quarantined};
use super::{By, Calendar, Names, fields};
use crate::domain::{self, Collection, District};
use crate::lifecycle::Case;
use crate::photos::pairs::Pair;
use crate::sync::{Engine, SyncError, derive};

/// A record.
#[derive(Debug, Serialize, ToSchema)]
pub struct Record {
    /// Its line in the list.
    #[serde(flatten)]
    pub line: Hazard,
    /// Where it stands on the grid, of a hazard.
    pub placement: Option<Placement>,
    /// Severity, with where it comes from.
    pub severities: Severities,
    /// Every field.
    pub fields: Vec<Field>,
    /// The lifecycle.
    pub lifecycle: Lifecycle,
    /// How its deadline came to be what it is.
    pub deadlines: Vec<DeadlineTold>,
    /// What waits for a named person.
    pub conflicts: Vec<OpenConflict>,
    /// Operations that no other names.
    pub heads: Vec<String>,
    /// Operations that others name and the server lacks.
    pub missing_heads: Vec<String>,
    /// Those of them that the office wrote off.
    pub given_up_heads: Vec<String>,
    /// Operations that their own author has withdrawn.
    pub withdrawn: Vec<String>,
    /// Photos.
    pub photos: Vec<Photo>,
    /// Each photo of after with the nearest one of before.
    pub pairs: Vec<Pair>,
    /// How many comments there are.
    pub comments: u64,
    /// How many track pieces there are.
    pub track_pieces: u64,
    /// Every operation behind it, as first received.
    pub operations: Vec<Told>,
    /// Quarantined operations that name it, released ones too.
    pub quarantined: Vec<Quarantined>,
}

/// Where the shown severity comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Severities {
    /// What shows.
    pub shown: Option<String>,
    /// The worst observation that counts in its field.
    #[schema(value_type = Option<String>)]
    pub observed: Option<Value>,
    /// The worst grading.
    #[schema(value_type = Option<String>)]
    pub graded: Option<Value>,
    /// Observations that no grading has seen.
    pub unanswered: Vec<By>,
}

/// The lifecycle.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lifecycle {
    /// Where it stands.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
    /// Cures and ends that still count.
    pub acts: Vec<Act>,
    /// Dangers that no later danger has seen.
    pub dangers: Vec<By>,
    /// Progress of the office.
    pub stage: Vec<Stage>,
    /// `pending` or `final`, where it is closed.
    pub closure: Option<&'static str>,
    /// Photos that the closure still waits for.
    pub pending_photos: Vec<String>,
}

/// A cure or an end.
#[derive(Debug, Serialize, ToSchema)]
pub struct Act {
    /// Who did what.
    #[serde(flatten)]
    pub by: By,
    /// What it amounts to by its own evidence.
    pub standing: &'static str,
    /// The same in Chinese.
    pub standing_zh: &'static str,
    /// Whether it had seen every danger that counts.
    pub sound: bool,
    /// Whether there are live cures that this end had not seen.
    pub has_unseen: bool,
    /// Whether a concurrent act on its path goes further.
    pub outranked: bool,
    /// Photos in its past that are neither verified nor written off.
    pub pending_photos: Vec<String>,
}

/// A step of progress.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stage {
    /// Who did what.
    #[serde(flatten)]
    pub by: By,
    /// The state that it leads to.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
}

/// A photo.
#[derive(Debug, Serialize, ToSchema)]
pub struct Photo {
    /// SHA-256 of the file.
    pub sha256: String,
    /// `named`, `verified` or `written_off`.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
    /// What it shows, where an operation says so.
    pub role: Option<String>,
    /// Its length, where an operation says so.
    pub bytes: Option<u64>,
    /// The device that is asked for it, while the server waits for it.
    pub device: Option<String>,
    /// Since when the server waits for it.
    pub since_ms: Option<i64>,
}

/// Quarantined operations told of with a record.
const QUARANTINED: u32 = 100;

/// A record of the district.
///
/// # Errors
/// [`Code::NotFound`], the store's.
pub async fn record(engine: &Arc<Engine>, district: &District, id: RecordId) -> Result<Record, SyncError> {
    let mut transaction = engine.store.read().await?;
    let key = district.key;
    let row = transaction.records(key, &[id]).await?.remove(&id);
    let row = row.filter(|row| row.collection == Collection::Records.number());
    let (row, view) = row
        .and_then(|row| {
            let view = View::decode(&row.view)?;
            Some((row, view))
        })
        .ok_or(SyncError::Refused(Code::NotFound))?;
    let stored = transaction.ledger_operations(key, id).await?;
    let mut known: Vec<Known> = stored.into_iter().filter_map(Known::of).collect();
    let mut said: Vec<_> = known.iter_mut().map(|known| (known.row.identity, &mut known.operation)).collect();
    operations::blank_redacted(&mut said);
    let rows = transaction.quarantine_of(key, id, quarantine::HEAD_BYTES, QUARANTINED).await?;
    let persons: BTreeSet<PersonId> = known
        .iter()
        .flat_map(|known| [known.operation.author, known.author()])
        .chain(rows.iter().filter_map(|row| row.author))
        .collect();
    let names = Names::of(&mut transaction, key, persons).await?;
    let past: Vec<_> = known.iter().map(Known::past_write).collect();
    let operations = operations::tell(&mut transaction, key, &known, &names).await?;
    let calendar = Calendar::of(district);
    let open = transaction.conflicts_of(key, id).await?;
    let asked = transaction.photos_asked_for(key, id).await?;
    let hashes: Vec<PhotoHash> = view.photos.keys().copied().collect();
    let files = transaction.photo_files(key, &hashes).await?;
    let number = calendar.number(row.number, row.received_ms);
    let position = hazards::shown_position(&view);
    let own = engine.own_device(district);
    let behind = transaction.past_operations(key, &[id]).await?.remove(&id).unwrap_or_default();
    let history = Case::of(id, &view, &derive::past(own, behind)).deadlines;
    let case = cases::of(&mut transaction, key, &[id], engine.clock.now_ms()).await?.remove(&id);
    drop(transaction);
    let is_hazard = matches!(view.record_type, None | Some(RecordType::Hazard));
    let placement = if is_hazard { Some(placement::of(engine, district, &row, &view).await?) } else { None };
    Ok(Record {
        line: Hazard { case, ..hazards::line(&row, &view, position.as_ref(), &calendar) },
        placement,
        severities: severities(&view, &names),
        fields: fields::fields(&view, &past, &names),
        lifecycle: lifecycle(&view, &names),
        deadlines: history.iter().map(|step| cases::step(step, &names)).collect(),
        conflicts: open
            .iter()
            .map(|listed| conflicts::told(listed, Some(&view), number.clone(), &names))
            .collect(),
        heads: view.heads.iter().map(ToString::to_string).collect(),
        missing_heads: view.awaited().map(ToString::to_string).collect(),
        given_up_heads: view.given_up.iter().map(ToString::to_string).collect(),
        withdrawn: view.withdrawn.iter().map(ToString::to_string).collect(),
        photos: evidence::photos(&view, &asked),
        pairs: evidence::pairs(&view, &known, &files),
        comments: view.comments,
        track_pieces: view.track_pieces,
        operations,
        quarantined: rows.iter().map(|row| quarantine::told(row, &names)).collect(),
    })
}

fn severities(view: &View, names: &Names) -> Severities {
    let value =
        |field: &str| view.shown(field).filter(|value| !value.is_null()).map(crate::sync::json::from_raw);
    Severities {
        shown: domain::severity(view).map(str::to_owned),
        observed: value("severity"),
        graded: value("graded_severity"),
        unanswered: view.unanswered.iter().filter_map(|index| By::writer(view, *index, names)).collect(),
    }
}

fn lifecycle(view: &View, names: &Names) -> Lifecycle {
    let acts: Vec<Act> = view
        .acts
        .iter()
        .filter_map(|act| {
            Some(Act {
                by: By::writer(view, act.writer, names)?,
                standing: act.standing.as_str(),
                standing_zh: act.standing.zh(),
                sound: act.is_sound,
                has_unseen: act.has_unseen,
                outranked: act.is_outranked,
                pending_photos: act.pending.iter().map(ToString::to_string).collect(),
            })
        })
        .collect();
    let stage = view.stage.iter().filter_map(|stage| {
        let by = By::writer(view, stage.writer, names)?;
        Some(Stage { by, state: stage.state.as_str(), state_zh: stage.state.zh() })
    });
    let pending: BTreeSet<String> = match view.closure {
        None => BTreeSet::new(),
        Some(_) => acts.iter().flat_map(|act| act.pending_photos.iter().cloned()).collect(),
    };
    Lifecycle {
        state: view.state.as_str(),
        state_zh: view.state.zh(),
        dangers: view.dangers.iter().filter_map(|index| By::writer(view, *index, names)).collect(),
        stage: stage.collect(),
        closure: view.closure.map(hazards::closure),
        pending_photos: pending.into_iter().collect(),
        acts,
    }
}
