//! Deadlines that tighten while hazards wait: a season begins, a fire-danger level is raised, rules are set.
//!
//! A scan looks at the open hazards of a district once a day and after whatever may tighten: where the rules give an
//! earlier deadline than people were told, an operation of the server says so, with the version of the rules. A deadline
//! that people were told is never lengthened. Start at [`scan`]; setting levels is [`set_danger`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, PersonId, RecordId};
use sync_protocol::kind::Kind;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::Entry;
use super::commands::judged;
use super::derive::{self, Context};
use super::office::{Act, SERVER_AUTHOR};
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::rules::deadline::Deadline;
use crate::store::DangerRow;

/// Hazards that a scan reads at a time.
const PAGE: u32 = 200;
/// The levels of fire danger (domain §4).
const LEVELS: std::ops::RangeInclusive<i64> = 1..=5;
/// Characters of an area's name.
const AREA_CHARACTERS: usize = 100;

/// What the last scan of each district was made by.
#[derive(Debug, Default)]
pub struct Scanned(Mutex<HashMap<DistrictKey, String>>);

impl Scanned {
    fn is_of(&self, district: DistrictKey, basis: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&district).is_some_and(|known| known == basis)
    }

    fn note(&self, district: DistrictKey, basis: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(district, basis);
    }
}

/// A fire-danger level.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DangerTold {
    /// Name of the area; none: the whole district.
    pub area: Option<String>,
    /// 1 to 5.
    pub level: i64,
    /// Its colour in Chinese.
    pub zh: &'static str,
    /// Since when.
    pub since_ms: i64,
    /// Who set it.
    pub set_by: String,
}

/// Green, blue, yellow, orange, red.
const fn colour(level: i64) -> &'static str {
    match level {
        1 => "绿色",
        2 => "蓝色",
        3 => "黄色",
        4 => "橙色",
        _ => "红色",
    }
}

/// Every level that was set, the newest first.
///
/// # Errors
/// The store's.
pub async fn dangers(engine: &Engine, district: &District) -> Result<Vec<DangerTold>, SyncError> {
    let rows = engine.store.read().await?.dangers(district.key).await?;
    let told = rows.into_iter().rev().map(|row| DangerTold {
        area: Some(row.area).filter(|area| !area.is_empty()),
        level: row.level,
        zh: colour(row.level),
        since_ms: row.since_ms,
        set_by: row.set_by.to_string(),
    });
    Ok(told.collect())
}

/// Sets the level of an area from now on, and tightens what it tightens. Gives how many deadlines that were.
///
/// # Errors
/// [`Code::BadParameter`] where there is no such level.
pub async fn set_danger(
    engine: &Arc<Engine>,
    district: &District,
    (area, level): (&str, i64),
    set_by: PersonId,
) -> Result<u64, SyncError> {
    let is_good = area.chars().count() <= AREA_CHARACTERS && !area.chars().any(char::is_control);
    if !LEVELS.contains(&level) || !is_good {
        let what = if is_good {
            format!("level: {} to {}", LEVELS.start(), LEVELS.end())
        } else {
            format!("area: at most {AREA_CHARACTERS} characters, none of them a control character")
        };
        return Err(SyncError::RefusedFor(Code::BadParameter, what));
    }
    let since_ms = engine.clock.now_ms();
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let row = DangerRow { area: area.trim().to_owned(), since_ms, level, set_by };
    transaction.set_danger(district.key, &row).await?;
    let detail = json!({ "level": level });
    engine
        .audit(&mut transaction, district, Entry::of(set_by, "danger.set", row.area.clone(), detail))
        .await?;
    transaction.commit().await?;
    scan(engine, district).await
}

/// Scans a district unless the last scan was made on the same day by the same rules and levels.
///
/// # Errors
/// The store's.
pub async fn scan_when_due(engine: &Arc<Engine>, district: &District) -> Result<u64, SyncError> {
    let basis = basis(engine, district).await?;
    if engine.scanned.is_of(district.key, &basis) { Ok(0) } else { scan(engine, district).await }
}

async fn basis(engine: &Arc<Engine>, district: &District) -> Result<String, SyncError> {
    let context = Context::of(engine, district).await?;
    let danger = engine.store.read().await?.last_danger(district.key).await?;
    let now = jiff::Timestamp::from_millisecond(engine.clock.now_ms()).unwrap_or_default();
    let day = now.to_zoned_datetime(context.zone().clone()).date();
    Ok(format!("{day} {danger} {}", context.rules_version()))
}

/// Looks at every open hazard of a district, a page at a time. Gives how many deadlines were tightened.
///
/// # Errors
/// The store's.
pub async fn scan(engine: &Arc<Engine>, district: &District) -> Result<u64, SyncError> {
    let basis = basis(engine, district).await?;
    let mut after = RecordId(Uuid::nil());
    let mut tightened = 0;
    loop {
        let context = Context::of(engine, district).await?;
        let now_ms = engine.clock.now_ms();
        let mut reading = engine.store.read().await?;
        let records = reading.open_cases(district.key, after, PAGE).await?;
        let mut acts = Vec::new();
        let mut dues = Vec::new();
        for record in &records {
            let judged = match judged(&mut reading, district, &context, *record, now_ms).await {
                Ok(judged) => judged,
                // It went since the page was read.
                Err(SyncError::Refused(Code::NotFound)) => continue,
                Err(error) => return Err(error),
            };
            let (row, view, case) = (&judged.row, &judged.view, &judged.case);
            if case.deadline_ms.is_none() {
                dues.push(derive::row_of(row, view, case));
                continue;
            }
            let deadline = derive::deadline_of(&context, row, view, case, None, now_ms);
            // What has passed already is overdue, and no earlier one helps.
            let is_ahead = case.deadline_ms.is_some_and(|told| told > now_ms);
            if let Some(deadline) = deadline.filter(|deadline| deadline.is_tightened && is_ahead) {
                acts.push(tightening(*record, &deadline, view.heads.clone(), context.zone()));
            }
        }
        drop(reading);
        for act in acts {
            match engine.act(district, act).await {
                Ok(_) => tightened += 1,
                // It moved on meanwhile: the next scan looks again.
                Err(SyncError::Refused(Code::ConflictClosed)) => {}
                Err(error) => return Err(error),
            }
        }
        if !dues.is_empty() {
            let mut transaction = engine.store.begin().await?;
            transaction.take_counter(district.key, 0).await?;
            transaction.move_dues(district.key, &dues).await?;
            transaction.commit().await?;
        }
        match records.last() {
            Some(last) if records.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) => after = *last,
            Some(_) | None => break,
        }
    }
    engine.scanned.note(district.key, basis);
    if tightened > 0 {
        tracing::info!(
            deadlines = tightened,
            "{tightened} deadlines of district {} were tightened",
            district.code
        );
    }
    Ok(tightened)
}

fn tightening(record: RecordId, deadline: &Deadline, heads: Vec<Head>, zone: &TimeZone) -> Act {
    let reason = deadline.reasons.last().map(|reason| reason.zh(zone)).unwrap_or_default();
    let fields = BTreeMap::from([
        ("deadline_ms".to_owned(), Raw::of(&deadline.at_ms)),
        ("rule_version".to_owned(), Raw::of(&deadline.rules)),
        ("reason".to_owned(), Raw::of(&reason)),
    ]);
    Act::Operation {
        kind: Kind::DeadlineTightened,
        record,
        fields,
        photos: Vec::new(),
        author: SERVER_AUTHOR,
        made_from: Some(heads),
    }
}
