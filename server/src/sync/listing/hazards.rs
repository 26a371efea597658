//! The list of hazards: filters, pages worst first, one line a record.
//!
//! A list reads in two phases. First what had not changed since its first page was asked for, worst first; then
//! whatever changed meanwhile, oldest change first. So nothing that is there is skipped; a record that changes
//! while the list is read may come twice, the second time with its newer change.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_protocol::ids::{RecordId, sha256};
use sync_protocol::kind::RecordType;
use sync_protocol::operation::Position;
use sync_protocol::view::{Closure, State, View};
use utoipa::ToSchema;
use uuid::Uuid;

use super::cases::{self, CaseTold};
use super::{Calendar, Page, cursor, read_cursor};
use crate::domain::{self, Class, District, record_flags, state_number};
use crate::geometry::{Area, GeoBox};
use crate::report::figures::is_counted;
use crate::store::{CaseFilter, Condition, FactFilter, Order, RecordRow, StoreError, Transaction};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError, json};

/// Rows read at a time.
const BATCH: u32 = 100;
/// Rows that one page looks at, at most: a page may be short though there are more.
const LOOKED_AT: u32 = 5_000;
/// Ranges of keys that cover a box.
const RANGES: usize = 32;

/// Which types of record a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeFilter {
    /// Hazards, and records of which nothing says what they are.
    #[default]
    Hazard,
    /// Every type.
    All,
    /// One type that is no hazard.
    Other(RecordType),
}

/// What a list of hazards has.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Types.
    pub types: TypeFilter,
    /// In this state.
    pub state: Option<State>,
    /// Open or not.
    pub open: Option<bool>,
    /// Of this class.
    pub class: Option<Class>,
    /// Without their report, or with it.
    pub provisional: Option<bool>,
    /// With an open conflict, or without.
    pub conflict: Option<bool>,
    /// Of which operations are named that the ledger does not hold, or not.
    pub missing: Option<bool>,
    /// With a shown position in this box.
    pub bbox: Option<GeoBox>,
    /// Changed after this.
    pub since: Option<u64>,
    /// As a report counts it: neither void nor a duplicate.
    pub counted: Option<bool>,
    /// One of these units answers for it; none: any, or nobody.
    pub units: Option<Vec<Uuid>>,
    /// What is derived of it is so.
    pub fact: FactFilter,
    /// Its case is so.
    pub case: CaseFilter,
}

/// A position as JSON has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Place {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres, where known.
    pub accuracy_m: Option<f64>,
}

/// One line of the list.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in JSON")]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hazard {
    /// The record.
    pub id: String,
    /// 编号.
    pub number: Option<String>,
    /// What it is, where anything says so.
    pub record_type: Option<&'static str>,
    /// Where it stands.
    pub state: &'static str,
    /// The same in Chinese.
    pub state_zh: &'static str,
    /// The shown severity.
    pub severity: Option<String>,
    /// The class that orders the list.
    pub class: &'static str,
    /// Whether it counts as open.
    pub open: bool,
    /// Its report has not come.
    pub provisional: bool,
    /// It has an open conflict.
    pub conflict: bool,
    /// Operations of it are named that the ledger does not hold.
    pub missing: bool,
    /// `pending` or `final`, where it is closed.
    pub closure: Option<&'static str>,
    /// The shown position.
    pub position: Option<Place>,
    /// 隐患类别.
    #[schema(value_type = Option<String>)]
    pub category: Option<Value>,
    /// 隐患类型.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub hazard_type: Option<Value>,
    /// 乡镇.
    #[schema(value_type = Option<String>)]
    pub township: Option<Value>,
    /// 线路名称.
    #[schema(value_type = Option<String>)]
    pub line_name: Option<Value>,
    /// 发现时间.
    #[schema(value_type = Option<i64>)]
    pub found_at_ms: Option<Value>,
    /// Who must act on it and until when; none of what is no hazard or not derived yet.
    pub case: Option<CaseTold>,
    /// Server time of its first operation.
    pub received_ms: i64,
    /// Its change number.
    pub change: u64,
    /// SHA-256 of the stored view.
    pub view_sha256: String,
}

/// Where a page ended: phase, class, change, and the last change of the first phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct At(u8, i64, u64, u64);

impl At {
    const fn of(order: Order, through: u64) -> Self {
        match order {
            Order::WorstFirst { after: (class, change), .. } => Self(0, class, change, through),
            Order::ByChange { after } => Self(1, 0, after, through),
        }
    }

    const fn order(self) -> Order {
        match self {
            Self(0, class, change, through) => Order::WorstFirst { after: (class, change), through },
            Self(_, _, after, _) => Order::ByChange { after },
        }
    }
}

/// A page of the list.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    district: &District,
    filter: &Filter,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Hazard>, SyncError> {
    let calendar = Calendar::of(district);
    let conditions = filter.conditions();
    let mut transaction = engine.store.read().await?;
    let At(phase, class, change, through) = match from {
        Some(text) => read_cursor(text)?,
        None => At(0, -1, 0, transaction.lineage(district.key).await?.change),
    };
    let mut order = At(phase, class, change, through).order();
    let mut rows = Vec::new();
    let mut looked_at = 0;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = loop {
        let batch = transaction.list_records(district.key, &conditions, order, BATCH).await?;
        let read = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let mut full_at = None;
        for row in batch {
            let step = advanced(order, &row);
            if let Some(hazard) = filter.line(&row, &calendar) {
                if rows.len() >= wanted {
                    full_at = Some(order);
                    break;
                }
                rows.push(hazard);
            }
            order = step;
        }
        looked_at += read;
        if let Some(at) = full_at {
            break Some(At::of(at, through));
        }
        if read < BATCH {
            match order {
                Order::WorstFirst { .. } => order = Order::ByChange { after: through },
                Order::ByChange { .. } => break None,
            }
        } else if looked_at >= LOOKED_AT {
            break Some(At::of(order, through));
        }
    };
    tell_cases(&mut transaction, district, &mut rows, engine.clock.now_ms()).await?;
    Ok(Page { rows, next: next.map(|at| cursor(&at)) })
}

/// Adds who must act on each hazard and until when.
async fn tell_cases(
    transaction: &mut Transaction,
    district: &District,
    rows: &mut [Hazard],
    now_ms: i64,
) -> Result<(), StoreError> {
    let records: Vec<RecordId> = rows.iter().filter_map(|row| row.id.parse().ok()).collect();
    let mut cases = cases::of(transaction, district.key, &records, now_ms).await?;
    for row in rows {
        row.case = row.id.parse().ok().and_then(|record: RecordId| cases.remove(&record));
    }
    Ok(())
}

const fn advanced(order: Order, row: &RecordRow) -> Order {
    match order {
        Order::WorstFirst { through, .. } => Order::WorstFirst { after: (row.class, row.change), through },
        Order::ByChange { .. } => Order::ByChange { after: row.change },
    }
}

impl Filter {
    /// The same of what is seen alone.
    #[must_use]
    pub fn seen_by(self, sight: &Sight) -> Self {
        match sight {
            Sight::District => self,
            Sight::Units(units) => Self { units: Some(units.iter().copied().collect()), ..self },
        }
    }

    fn conditions(&self) -> Vec<Condition> {
        let flag =
            |bits, is_set| if is_set { Condition::FlagsSet(bits) } else { Condition::FlagsClear(bits) };
        let states = |open: bool| {
            let states = State::ALL.iter().filter(|state| state.is_open() == open);
            Condition::StateIn(states.map(|state| state_number(*state)).collect())
        };
        let types = match self.types {
            TypeFilter::Hazard => Some(Condition::FlagsClear(record_flags::NOT_HAZARD)),
            TypeFilter::All => None,
            TypeFilter::Other(_) => Some(Condition::FlagsSet(record_flags::NOT_HAZARD)),
        };
        [
            types,
            self.state.map(|state| Condition::StateIn(vec![state_number(state)])),
            self.open.map(states),
            self.class.map(Condition::Class),
            self.provisional.map(|is_set| flag(record_flags::PROVISIONAL, is_set)),
            self.conflict.map(|is_set| flag(record_flags::CONFLICT, is_set)),
            self.missing.map(|is_set| flag(record_flags::MISSING, is_set)),
            self.bbox.map(|bbox| Condition::PlaceIn(Area::of(&[bbox]).ranges(RANGES))),
            self.since.map(Condition::ChangedAfter),
            self.counted.map(|counted| {
                let states = State::ALL.iter().filter(|state| is_counted(**state) == counted);
                Condition::StateIn(states.map(|state| state_number(*state)).collect())
            }),
            self.units.clone().map(Condition::UnitIn),
            (!self.fact.is_empty()).then(|| Condition::Fact(self.fact.clone())),
            (!self.case.is_empty()).then(|| Condition::Case(self.case.clone())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The line of a row, where the filter's last word (the exact box, the type) lets it pass.
    fn line(&self, row: &RecordRow, calendar: &Calendar) -> Option<Hazard> {
        let view = View::decode(&row.view)?;
        if let TypeFilter::Other(record_type) = self.types
            && view.record_type != Some(record_type)
        {
            return None;
        }
        let position = shown_position(&view);
        if let Some(GeoBox([lat_min, lon_min, lat_max, lon_max])) = self.bbox {
            let at = position.as_ref()?;
            let is_inside =
                (lat_min..=lat_max).contains(&at.lat_e7) && (lon_min..=lon_max).contains(&at.lon_e7);
            if !is_inside {
                return None;
            }
        }
        Some(line(row, &view, position.as_ref(), calendar))
    }
}

pub(super) fn shown_position(view: &View) -> Option<Position> {
    view.shown("position")?.decode()
}

pub(super) fn line(row: &RecordRow, view: &View, position: Option<&Position>, calendar: &Calendar) -> Hazard {
    let shown = |field: &str| view.shown(field).filter(|value| !value.is_null()).map(json::from_raw);
    Hazard {
        id: row.record.to_string(),
        number: calendar.number(row.number, row.received_ms),
        record_type: view.record_type.map(RecordType::as_str),
        state: view.state.as_str(),
        state_zh: view.state.zh(),
        severity: domain::severity(view).map(str::to_owned),
        class: Class::from_number(row.class).map_or("", Class::as_str),
        open: view.state.is_open(),
        provisional: view.is_provisional,
        conflict: !view.conflicts.is_empty(),
        missing: view.awaited().next().is_some(),
        closure: view.closure.map(closure),
        position: position.map(place),
        category: shown("category"),
        hazard_type: shown("type"),
        township: shown("township"),
        line_name: shown("line_name"),
        found_at_ms: shown("found_at_ms"),
        case: None,
        received_ms: row.received_ms,
        change: row.change,
        view_sha256: hex::encode(sha256(&row.view)),
    }
}

pub(super) const fn closure(closure: Closure) -> &'static str {
    match closure {
        Closure::Pending => "pending",
        Closure::Final => "final",
    }
}

fn place(position: &Position) -> Place {
    let degrees = |e7: i64| f64::from(i32::try_from(e7).unwrap_or(i32::MAX)) / 1e7;
    let metres = |dm: u64| f64::from(u32::try_from(dm).unwrap_or(u32::MAX)) / 10.0;
    Place {
        lat: degrees(position.lat_e7),
        lon: degrees(position.lon_e7),
        accuracy_m: position.accuracy_dm.map(metres),
    }
}

/// The line of a record that was read.
pub fn of_row(row: &RecordRow, view: &View, district: &District) -> Hazard {
    line(row, view, shown_position(view).as_ref(), &Calendar::of(district))
}

/// The line of one record; none where there is none.
///
/// # Errors
/// The store's.
pub async fn one(
    engine: &Engine,
    district: &District,
    record: RecordId,
) -> Result<Option<Hazard>, SyncError> {
    let mut transaction = engine.store.read().await?;
    let row = transaction.records(district.key, &[record]).await?.remove(&record);
    Ok(row.and_then(|row| {
        let view = View::decode(&row.view)?;
        Some(of_row(&row, &view, district))
    }))
}
