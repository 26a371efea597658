//! Deadlines that tighten while hazards wait: a season begins, a fire-danger level is raised, rules are set.
//!
//! A scan looks at the open hazards of a district once a day and after whatever may tighten: where the rules give an
//! earlier deadline than people were told, an operation of the server says so, with the version of the rules. A deadline
//! that people were told is never lengthened. Start at [`scan`]; setting levels is [`set_danger`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::Entry;
use super::commands::judged;
use super::derive::{self, Context};
use super::office::{Act, SERVER_AUTHOR};
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::rules::Rules;
use crate::rules::deadline::Deadline;
use crate::store::{CaseRow, DangerRow, ReferenceKind, ReferenceVersion, Transaction};

/// Hazards that a scan reads at a time.
const PAGE: u32 = 200;
/// Versions of the rules that are looked through for those of a time.
const VERSIONS: u32 = 100;
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
/// [`Code::BadParameter`] where there is no such level or area.
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
    require_known(engine, district, area.trim()).await?;
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

/// Names of areas that are looked through, and that a refusal says.
const AREAS: u32 = 10_000;
const AREAS_SAID: usize = 40;

/// An area is a region that was imported, or a township or county of which there are hazards: a level for another name
/// would tighten nothing, and nobody would know.
async fn require_known(engine: &Arc<Engine>, district: &District, area: &str) -> Result<(), SyncError> {
    if area.is_empty() {
        return Ok(());
    }
    let grid = engine.grid(district).await?;
    let mut known: BTreeSet<String> = grid.regions().map(|(_, region)| region.name.clone()).collect();
    if !known.contains(area) {
        known.extend(engine.store.read().await?.areas_of_hazards(district.key, AREAS).await?);
    }
    if known.contains(area) {
        return Ok(());
    }
    let said: Vec<String> = known.into_iter().take(AREAS_SAID).collect();
    let said = if said.is_empty() { "—".to_owned() } else { said.join("、") };
    let what = format!("area: 没有这个区域 (there is no such area); 已知区域 (known): {said}");
    Err(SyncError::RefusedFor(Code::BadParameter, what))
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
/// What was raised while no server looked is found too: it counts from the day on which it was raised, and tightens what
/// people had been told by then.
///
/// # Errors
/// The store's.
pub async fn scan(engine: &Arc<Engine>, district: &District) -> Result<u64, SyncError> {
    let basis = basis(engine, district).await?;
    let mut after = RecordId(Uuid::nil());
    let mut tightened = 0;
    loop {
        let Looked { last, acts, dues } = look(engine, district, after).await?;
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
        match last {
            Some(last) => after = last,
            None => break,
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

/// What a look at a page of open hazards came to.
struct Looked {
    /// The last of them; none: there are no more.
    last: Option<RecordId>,
    /// Deadlines that are tightened.
    acts: Vec<Act>,
    /// Hazards that nobody was told a deadline of, with the one of the rules.
    dues: Vec<CaseRow>,
}

async fn look(engine: &Arc<Engine>, district: &District, after: RecordId) -> Result<Looked, SyncError> {
    let context = Context::of(engine, district).await?;
    let now_ms = engine.clock.now_ms();
    let mut reading = engine.store.read().await?;
    let mut rules = Versions::of(&mut reading, district).await?;
    let records = reading.open_cases(district.key, after, PAGE).await?;
    let is_full = records.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    let mut looked =
        Looked { last: records.last().copied().filter(|_| is_full), acts: Vec::new(), dues: Vec::new() };
    for record in records {
        let judged = match judged(&mut reading, district, &context, record, now_ms).await {
            Ok(judged) => judged,
            // It went since the page was read.
            Err(SyncError::Refused(Code::NotFound)) => continue,
            Err(error) => return Err(error),
        };
        let (row, view, case) = (&judged.row, &judged.view, &judged.case);
        let Some(told) = case.deadline_ms.zip(case.told_ms) else {
            looked.dues.push(derive::row_of(row, view, case));
            continue;
        };
        let then = rules.at(&mut reading, district, told.1, context.rules()).await?;
        // Rules that were set since are no reason to find that something had been overdue before it was.
        if then.version() != context.rules_version() && told.0 <= now_ms {
            continue;
        }
        let since_ms = rules.since_ms(&then, context.rules_version());
        let deadline = derive::tightened(&context, (&then, since_ms), (row, view, case), None, now_ms);
        if let Some(deadline) = deadline {
            looked.acts.push(tightening(record, &deadline, view.heads.clone(), context.zone()));
        }
    }
    Ok(looked)
}

/// The rules that were in force at a time.
struct Versions {
    /// When each was set, the newest first.
    versions: Vec<ReferenceVersion>,
    read: BTreeMap<String, Arc<Rules>>,
}

impl Versions {
    async fn of(reading: &mut Transaction, district: &District) -> Result<Self, SyncError> {
        let versions = reading.reference_versions(district.key, ReferenceKind::Rules, VERSIONS).await?;
        Ok(Self { versions, read: BTreeMap::new() })
    }

    /// When these were set, where they are others than those of a time.
    fn since_ms(&self, then: &Rules, now: &str) -> Option<i64> {
        let set = self.versions.iter().find(|version| version.version == now);
        set.map(|version| version.imported_ms).filter(|_| then.version() != now)
    }

    /// Those of a moment; `now`: the ones in force, which stand in for what cannot be read any more.
    async fn at(
        &mut self,
        reading: &mut Transaction,
        district: &District,
        at_ms: i64,
        now: &Arc<Rules>,
    ) -> Result<Arc<Rules>, SyncError> {
        let then = self.versions.iter().find(|version| version.imported_ms <= at_ms);
        let version =
            then.map_or_else(|| Rules::standard().version(), |then| then.version.as_str()).to_owned();
        if version == now.version() {
            return Ok(Arc::clone(now));
        }
        if let Some(known) = self.read.get(&version) {
            return Ok(Arc::clone(known));
        }
        let source = reading.rules_of_version(district.key, &version).await?;
        let rules = match source {
            Some((_, source)) => Rules::parse(&source).map_or_else(|_unreadable| Arc::clone(now), Arc::new),
            None => Arc::new(Rules::standard().clone()),
        };
        self.read.insert(version, Arc::clone(&rules));
        Ok(rules)
    }
}

fn tightening(record: RecordId, deadline: &Deadline, heads: Vec<Head>, zone: &TimeZone) -> Act {
    let reason = deadline.reasons.last().map(|reason| reason.zh(zone)).unwrap_or_default();
    let fields = Fields::from([
        ("deadline_ms", Raw::of(&deadline.at_ms)),
        ("rule_version", Raw::of(&deadline.rules)),
        ("reason", Raw::of(&reason)),
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
