//! Where a hazard stands on the grid, in words: computed from the record and the grid as they are now, so that it is
//! never behind the record that it is told with.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use sync_protocol::ids::RecordId;
use sync_protocol::view::View;
use utoipa::ToSchema;
use uuid::Uuid;

use super::hazards::Hazard;
use crate::domain::{self, District};
use crate::rules::clearance::{Reason, Suggestion};
use crate::rules::voltage::Assumption;
use crate::store::RecordRow;
use crate::sync::derive::{Context, Note, placement, township, worse};
use crate::sync::{Engine, SyncError};

/// Where a hazard stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Placement {
    /// The township that it is counted in: as it was written, else that of its position; none where neither is known.
    pub township: Option<String>,
    /// The line; none where none is in reach.
    pub line: Option<LineOf>,
    /// Metres to the second-best line, and which.
    pub rival: Option<Rival>,
    /// The inspector named the line.
    pub named_by_hand: bool,
    /// `certain`, `probable`, `doubtful` or `none`.
    pub certainty: &'static str,
    /// The same in Chinese.
    pub certainty_zh: &'static str,
    /// What the office should look at.
    pub notes: Vec<Words>,
    /// What the measured clearance suggests.
    pub suggestion: Option<Suggested>,
}

/// A place on a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineOf {
    /// The line.
    pub id: String,
    /// Its id where it came from.
    pub external_id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its voltage as it was given.
    pub voltage: Option<String>,
    /// The class of voltage that rules go by.
    pub class: Option<String>,
    /// What was assumed to read the voltage.
    pub assumptions: Vec<Words>,
    /// The span, counted from 1 along the line.
    pub span: i64,
    /// 小号侧
    pub structure_from: Option<String>,
    /// 大号侧
    pub structure_to: Option<String>,
    /// Metres along the line.
    pub chainage_m: f64,
    /// Metres beside it.
    pub offset_m: f64,
    /// Looking along ascending chainage: `left`, `on`, `right`.
    pub side: &'static str,
    /// The same in Chinese.
    pub side_zh: &'static str,
    /// Inside the protection zone; none where the zone of the voltage is not known.
    pub in_zone: Option<bool>,
}

/// The second-best line.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rival {
    /// The line.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Metres to it.
    pub offset_m: f64,
}

/// A code with its words.
#[derive(Debug, Serialize, ToSchema)]
pub struct Words {
    /// The code.
    pub code: &'static str,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What the rules suggest.
#[derive(Debug, Serialize, ToSchema)]
pub struct Suggested {
    /// The severity.
    pub severity: &'static str,
    /// The same in Chinese.
    pub severity_zh: &'static str,
    /// The worse of it and of what shows: a suggestion never lowers.
    pub worse: &'static str,
    /// Why.
    pub reasons: Vec<Why>,
    /// The version of the rules.
    pub rules: String,
}

/// A reason.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestionReason)]
pub struct Why {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// Where a record stands now.
///
/// # Errors
/// The store's.
pub(super) async fn of(
    engine: &Arc<Engine>,
    district: &District,
    row: &RecordRow,
    view: &View,
) -> Result<Placement, SyncError> {
    let context = Context::of(engine, district).await?;
    Ok(told(&context, row, view))
}

/// The records of lines of a list.
pub fn records<'h>(hazards: impl IntoIterator<Item = &'h Hazard>) -> Vec<RecordId> {
    hazards.into_iter().filter_map(|hazard| Uuid::parse_str(&hazard.id).ok()).map(RecordId).collect()
}

/// Where hazards of a list stand now, by the id of their record.
///
/// # Errors
/// The store's.
pub async fn of_lines(
    engine: &Arc<Engine>,
    district: &District,
    records: Vec<RecordId>,
) -> Result<HashMap<String, Placement>, SyncError> {
    let context = Context::of(engine, district).await?;
    let rows = engine.store.read().await?.records(district.key, &records).await?;
    let placed = rows.into_iter().filter_map(|(record, row)| {
        let view = View::decode(&row.view)?;
        Some((record.to_string(), told(&context, &row, &view)))
    });
    Ok(placed.collect())
}

fn told(context: &Context, row: &RecordRow, view: &View) -> Placement {
    let township = Some(township(context, row, view)).filter(|township| !township.is_empty());
    let row = placement(context, row, view);
    let (certainty, certainty_zh) = certainty(row.on_line.as_ref().map_or(0, |at| at.certainty));
    let rival = row.on_line.as_ref().and_then(|at| at.rival);
    let suggestion = row.reasons.as_deref().and_then(|text| serde_json::from_str::<Suggestion>(text).ok());
    let line = row.on_line.as_ref().and_then(|at| {
        let line = context.line(at.line)?;
        let (side, side_zh) = side(at.side);
        Some(LineOf {
            id: line.record.to_string(),
            external_id: line.view.external_id.clone(),
            name: line.view.name.clone(),
            voltage: line.view.voltage.clone(),
            class: line.view.class.clone(),
            assumptions: line.view.assumptions.iter().filter_map(|code| assumption(code)).collect(),
            span: at.span + 1,
            structure_from: at.structure_from.clone(),
            structure_to: at.structure_to.clone(),
            chainage_m: metres(at.chainage_mm),
            offset_m: metres(at.offset_mm),
            side,
            side_zh,
            in_zone: at.in_zone,
        })
    });
    Placement {
        township,
        line,
        rival: rival.map(|(line, offset_mm)| Rival {
            id: line.to_string(),
            name: context.line(line).and_then(|line| line.view.name.clone()),
            offset_m: metres(offset_mm),
        }),
        named_by_hand: row.is_named,
        certainty,
        certainty_zh,
        notes: row.notes.split(' ').filter_map(Note::parse).map(note).collect(),
        suggestion: suggestion.map(|suggestion| suggested(view, suggestion)),
    }
}

fn suggested(view: &View, suggestion: Suggestion) -> Suggested {
    let worst = worse(domain::severity(view), Some(suggestion.severity.as_str()));
    Suggested {
        severity: suggestion.severity.as_str(),
        severity_zh: suggestion.severity.zh(),
        worse: worst.unwrap_or(suggestion.severity).as_str(),
        reasons: suggestion.reasons.iter().map(why).collect(),
        rules: suggestion.rules,
    }
}

fn why(reason: &Reason) -> Why {
    Why { zh: reason.zh(), en: reason.en() }
}

fn note(note: Note) -> Words {
    Words { code: note.code(), zh: note.zh().to_owned(), en: note.en().to_owned() }
}

fn assumption(code: &str) -> Option<Words> {
    let known = Assumption::ALL.iter().find(|known| known.code() == code)?;
    Some(Words { code: known.code(), zh: known.zh().to_owned(), en: known.en().to_owned() })
}

const fn certainty(number: i64) -> (&'static str, &'static str) {
    match number {
        3 => ("certain", "确定"),
        2 => ("probable", "很可能"),
        1 => ("doubtful", "存疑"),
        _ => ("none", "不在线路附近"),
    }
}

const fn side(number: i64) -> (&'static str, &'static str) {
    match number {
        ..=-1 => ("left", "左侧"),
        0 => ("on", "线上"),
        1.. => ("right", "右侧"),
    }
}

fn metres(mm: i64) -> f64 {
    // A line is shorter than 2^31 mm in no province; the fraction keeps the millimetres.
    let (whole, rest) = (mm / 1_000, mm % 1_000);
    f64::from(i32::try_from(whole).unwrap_or(i32::MAX))
        + f64::from(i32::try_from(rest).unwrap_or(0)) / 1_000.0
}
