//! Reading what is derived for reports: facts and stretches of a period, and lists of them for the office.
//!
//! Written elsewhere, by what follows the ledger. Rules of counting are in `report`.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::view::State;
use uuid::Uuid;

use super::{StoreError, Transaction, each_backend, fetch_all, fetch_optional, signed};
use crate::domain::{DistrictKey, record_flags, state_number};
use crate::report::rows::{Category, Deed, Hazards, Rows, Stretch, StretchKind};

/// What a fact is about: `facts.record_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactType {
    /// 隐患
    Hazard,
    /// 巡线
    Patrol,
    /// 工程作业
    Work,
    /// 督导检查
    Inspection,
    /// 活动
    Activity,
}

impl FactType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Hazard, Self::Patrol, Self::Work, Self::Inspection, Self::Activity];

    /// Its number in the store.
    pub const fn number(self) -> i64 {
        match self {
            Self::Hazard => 0,
            Self::Patrol => 1,
            Self::Work => 2,
            Self::Inspection => 3,
            Self::Activity => 4,
        }
    }

    /// Its name, as a record type has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hazard => "hazard",
            Self::Patrol => "patrol",
            Self::Work => "work",
            Self::Inspection => "inspection",
            Self::Activity => "activity",
        }
    }
}

/// A fact of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactListed {
    /// The record.
    pub record: RecordId,
    /// What it is.
    pub fact_type: FactType,
    /// Its local day, counted from 1970-01-01.
    pub day: i64,
    /// Category, or type.
    pub subtype: String,
    /// Its township.
    pub township: String,
    /// Its line.
    pub line: Option<Uuid>,
    /// Who recorded it.
    pub person: Option<PersonId>,
    /// Amounts, project and voltage: JSON.
    pub amounts: String,
    /// It has stretches on lines.
    pub is_placed: bool,
}

/// Which facts: what is none is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactFilter {
    /// On this day or later.
    pub from_day: Option<i64>,
    /// On this day or earlier.
    pub to_day: Option<i64>,
    /// Of one of these categories or types; an empty one is that of facts without any.
    pub subtypes: Vec<String>,
    /// None of these categories or types.
    pub not_subtypes: Vec<String>,
    /// Of this township.
    pub township: Option<String>,
    /// On this line.
    pub line: Option<Uuid>,
    /// Recorded by this person.
    pub person: Option<PersonId>,
    /// Found by a supervisory inspection, or not.
    pub is_supervised: Option<bool>,
    /// With stretches on lines, or without.
    pub is_placed: Option<bool>,
}

impl FactFilter {
    /// Whether it asks anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A stretch with the record it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StretchListed {
    /// The record.
    pub record: RecordId,
    /// The stretch.
    pub stretch: Stretch,
}

const SELECT_AREAS: &str = "SELECT township FROM facts WHERE district = $1 AND township <> '' \
     UNION SELECT county FROM map_hazards WHERE district = $1 AND county IS NOT NULL ORDER BY 1 LIMIT $2 + 0";
const SELECT_HAZARDS: &str = "SELECT subtype, state, flags, township, line, is_supervised, \
     CAST(count(*) AS BIGINT) FROM facts \
     WHERE district = $1 AND record_type = 0 AND day >= $2 AND day <= $3 \
     GROUP BY subtype, state, flags, township, line, is_supervised";
const SELECT_DEEDS: &str = "SELECT record_type, subtype, amounts, CAST(CASE WHEN EXISTS (SELECT 1 FROM stretches \
     WHERE stretches.district = facts.district AND stretches.record = facts.record) THEN 1 ELSE 0 END AS BIGINT) \
     FROM facts WHERE district = $1 AND record_type IN (2, 3, 4) AND day >= $2 AND day <= $3";
const SELECT_STRETCHES: &str = "SELECT record, line, kind, from_mm, to_mm FROM stretches \
     WHERE district = $1 AND kind IN (0, 1, 2, 3) AND day >= $2 AND day <= $3";
const SELECT_STRETCHES_OF: &str =
    "SELECT record, line, kind, from_mm, to_mm FROM stretches WHERE district = ";
const SELECT_RECORDS: &str = "SELECT record FROM facts WHERE district = $1 AND record_type IN (0, 1, 2, 3, 4) \
     AND day >= $2 AND day <= $3 UNION SELECT record FROM stretches \
     WHERE district = $1 AND kind IN (0, 1, 2, 3) AND day >= $2 AND day <= $3";
/// Of what is no hazard: a hazard that is closed later was counted, a patrol that grew was not.
const SELECT_CHANGED_DEEDS: &str = "SELECT facts.record FROM facts \
     JOIN records ON records.district = facts.district AND records.record = facts.record \
     WHERE facts.district = $1 AND facts.record_type IN (1, 2, 3, 4) AND facts.day >= $2 AND facts.day <= $3 \
     AND records.change > $4 UNION SELECT stretches.record FROM stretches \
     JOIN records ON records.district = stretches.district AND records.record = stretches.record \
     WHERE stretches.district = $1 AND stretches.kind IN (0, 1, 2, 3) AND stretches.day >= $2 AND stretches.day <= $3 \
     AND records.change > $4";
const SELECT_FACTS: &str = "SELECT record, record_type, day, subtype, township, line, person, amounts, \
     CAST(CASE WHEN EXISTS (SELECT 1 FROM stretches WHERE stretches.district = facts.district \
     AND stretches.record = facts.record) THEN 1 ELSE 0 END AS BIGINT) FROM facts WHERE district = ";
const COUNT_WAITING: &str = "SELECT CAST(count(*) AS BIGINT) FROM quarantine \
     WHERE district = $1 AND received_ms >= $2 AND released_by IS NULL";

type FactTuple = (Uuid, i64, i64, String, String, Option<Uuid>, Option<Uuid>, String, i64);

fn fact_listed(row: FactTuple) -> Result<FactListed, StoreError> {
    let (record, fact_type, day, subtype, township, line, person, amounts, is_placed) = row;
    Ok(FactListed {
        record: RecordId(record),
        fact_type: FactType::ALL
            .into_iter()
            .find(|known| known.number() == fact_type)
            .ok_or(StoreError::Damaged("type of a fact"))?,
        day,
        subtype,
        township,
        line,
        person: person.map(PersonId),
        amounts,
        is_placed: is_placed != 0,
    })
}

fn state_of(number: i64) -> Result<State, StoreError> {
    let known = State::ALL.iter().copied().find(|state| state_number(*state) == number);
    known.ok_or(StoreError::Damaged("state of a fact"))
}

/// A deed of its columns. Amounts that are no whole numbers are none.
pub fn deed(subtype: String, amounts: &str, is_placed: bool) -> Result<Deed, StoreError> {
    let amounts: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(amounts).map_err(|_source| StoreError::Damaged("amounts of a fact"))?;
    let text = |name: &str| amounts.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Ok(Deed {
        subtype,
        project: text("project"),
        voltage: text("voltage"),
        amounts: amounts.iter().filter_map(|(name, value)| Some((name.clone(), value.as_i64()?))).collect(),
        is_placed,
    })
}

fn stretch(
    (record, line, kind, from_mm, to_mm): (Uuid, Uuid, i64, i64, i64),
) -> Result<StretchListed, StoreError> {
    let kind = StretchKind::from_number(kind).ok_or(StoreError::Damaged("kind of a stretch"))?;
    Ok(StretchListed { record: RecordId(record), stretch: Stretch { line, kind, from_mm, to_mm } })
}

/// Appends what a filter asks of `facts` to a query that has its district and type already.
macro_rules! push_filter {
    ($query:expr, $filter:expr) => {
        if let Some(day) = $filter.from_day {
            $query.push(" AND day >= ").push_bind(day);
        }
        if let Some(day) = $filter.to_day {
            $query.push(" AND day <= ").push_bind(day);
        }
        for (subtypes, word) in
            [(&$filter.subtypes, " AND subtype IN ("), (&$filter.not_subtypes, " AND subtype NOT IN (")]
        {
            if !subtypes.is_empty() {
                $query.push(word);
                let mut list = $query.separated(", ");
                for subtype in subtypes {
                    list.push_bind(subtype.clone());
                }
                $query.push(")");
            }
        }
        if let Some(township) = &$filter.township {
            $query.push(" AND township = ").push_bind(township.clone());
        }
        if let Some(line) = $filter.line {
            $query.push(" AND line = ").push_bind(line);
        }
        if let Some(person) = $filter.person {
            $query.push(" AND person = ").push_bind(person.0);
        }
        if let Some(is_supervised) = $filter.is_supervised {
            $query.push(" AND is_supervised = ").push_bind(i64::from(is_supervised));
        }
        if let Some(is_placed) = $filter.is_placed {
            $query.push(if is_placed { " AND EXISTS" } else { " AND NOT EXISTS" });
            $query.push(
                " (SELECT 1 FROM stretches WHERE stretches.district = facts.district \
                 AND stretches.record = facts.record)",
            );
        }
    };
}
pub(super) use push_filter;

impl Transaction {
    /// Names of the townships and counties that hazards lie in, ascending.
    pub async fn areas_of_hazards(
        &mut self,
        district: DistrictKey,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let rows = fetch_all!(self, (String,), SELECT_AREAS, district.0, i64::from(limit));
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Everything that a report counts of these days, both included.
    pub async fn report_rows(
        &mut self,
        district: DistrictKey,
        (from_day, to_day): (i64, i64),
    ) -> Result<Rows, StoreError> {
        type HazardTuple = (String, i64, i64, String, Option<Uuid>, i64, i64);
        let mut rows = Rows::default();
        for row in fetch_all!(self, HazardTuple, SELECT_HAZARDS, district.0, from_day, to_day) {
            let (category, state, flags, township, line, is_supervised, count) = row;
            rows.hazards.push(Hazards {
                category: Category::of(&category),
                state: state_of(state)?,
                is_provisional: flags & record_flags::PROVISIONAL != 0,
                is_supervised: is_supervised != 0,
                township,
                line,
                count,
            });
        }
        let deeds = fetch_all!(self, (i64, String, String, i64), SELECT_DEEDS, district.0, from_day, to_day);
        for (record_type, subtype, amounts, is_placed) in deeds {
            let deed = deed(subtype, &amounts, is_placed != 0)?;
            match record_type {
                2 => rows.works.push(deed),
                3 => rows.inspections.push(deed),
                _ => rows.activities.push(deed),
            }
        }
        let stretches =
            fetch_all!(self, (Uuid, Uuid, i64, i64, i64), SELECT_STRETCHES, district.0, from_day, to_day);
        for row in stretches {
            rows.stretches.push(stretch(row)?.stretch);
        }
        Ok(rows)
    }

    /// Stretches of a kind of these days, of one person or line where they are asked for, by line.
    pub async fn stretches_of(
        &mut self,
        district: DistrictKey,
        kind: StretchKind,
        (from_day, to_day): (i64, i64),
        (person, line): (Option<PersonId>, Option<Uuid>),
    ) -> Result<Vec<StretchListed>, StoreError> {
        let rows: Vec<(Uuid, Uuid, i64, i64, i64)> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_STRETCHES_OF);
            query.push_bind(district.0).push(" AND kind = ").push_bind(kind.number());
            query.push(" AND day >= ").push_bind(from_day).push(" AND day <= ").push_bind(to_day);
            if let Some(person) = person {
                query.push(" AND person = ").push_bind(person.0);
            }
            if let Some(line) = line {
                query.push(" AND line = ").push_bind(line);
            }
            query.push(" ORDER BY line, from_mm, to_mm, record");
            query.build_query_as().fetch_all(connection).await?
        });
        rows.into_iter().map(stretch).collect()
    }

    /// Records that a report counts of these days, ascending: those of these days, and those walked or worked on then.
    pub async fn report_records(
        &mut self,
        district: DistrictKey,
        (from_day, to_day): (i64, i64),
    ) -> Result<Vec<RecordId>, StoreError> {
        let rows = fetch_all!(self, (Uuid,), SELECT_RECORDS, district.0, from_day, to_day);
        let mut records: Vec<RecordId> = rows.into_iter().map(|(record,)| RecordId(record)).collect();
        records.sort_unstable();
        Ok(records)
    }

    /// Patrols, works, inspections and activities of these days that changed after this change.
    pub async fn deeds_changed(
        &mut self,
        district: DistrictKey,
        (from_day, to_day): (i64, i64),
        after: u64,
    ) -> Result<BTreeSet<RecordId>, StoreError> {
        let after = signed(after);
        let rows = fetch_all!(self, (Uuid,), SELECT_CHANGED_DEEDS, district.0, from_day, to_day, after);
        Ok(rows.into_iter().map(|(record,)| RecordId(record)).collect())
    }

    /// A page of facts of a type, by day, then by record.
    pub async fn list_facts(
        &mut self,
        district: DistrictKey,
        fact_type: FactType,
        filter: &FactFilter,
        after: Option<(i64, RecordId)>,
        limit: u32,
    ) -> Result<Vec<FactListed>, StoreError> {
        let rows: Vec<FactTuple> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_FACTS);
            query.push_bind(district.0).push(" AND record_type = ").push_bind(fact_type.number());
            push_filter!(query, filter);
            if let Some((day, record)) = after {
                query.push(" AND (day, record) > (").push_bind(day).push(", ").push_bind(record.0).push(")");
            }
            query.push(" ORDER BY day, record LIMIT 0 + ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(connection).await?
        });
        rows.into_iter().map(fact_listed).collect()
    }

    /// The facts of these records, in their order; a record without one is left out.
    pub async fn facts_of(
        &mut self,
        district: DistrictKey,
        records: &[RecordId],
    ) -> Result<Vec<FactListed>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<FactTuple> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_FACTS);
            query.push_bind(district.0).push(" AND record IN (");
            let mut list = query.separated(", ");
            for record in records {
                list.push_bind(record.0);
            }
            query.push(") ORDER BY record");
            query.build_query_as().fetch_all(connection).await?
        });
        rows.into_iter().map(fact_listed).collect()
    }

    /// Operations in quarantine that came at or after this moment and wait for a decision.
    pub async fn quarantine_waiting_since(
        &mut self,
        district: DistrictKey,
        since_ms: i64,
    ) -> Result<i64, StoreError> {
        let row = fetch_optional!(self, (i64,), COUNT_WAITING, district.0, since_ms);
        Ok(row.map_or(0, |(count,)| count))
    }
}
