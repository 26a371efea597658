//! The tables of a report: by township, by line, by type of activity. Sorted by what they name, never by arrival.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::figures::{is_counted, lengths};
use super::rows::{Category, Deed, Hazards, Rows, StretchKind};

/// Hazards of a township or of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Found {
    /// 本体隐患
    pub line_body: i64,
    /// 通道隐患
    pub corridor: i64,
    /// 森林火险隐患
    pub forest_fire: i64,
    /// 火情
    pub fire_sighting: i64,
    /// Of no known category.
    pub unsorted: i64,
    /// Of all these: open.
    pub open: i64,
}

impl Found {
    fn add(&mut self, hazards: &Hazards) {
        let column = match hazards.category {
            Category::LineBody => &mut self.line_body,
            Category::Corridor => &mut self.corridor,
            Category::ForestFire => &mut self.forest_fire,
            Category::FireSighting => &mut self.fire_sighting,
            Category::Unsorted => &mut self.unsorted,
        };
        *column += hazards.count;
        if hazards.state.is_open() {
            self.open += hazards.count;
        }
    }

    /// 共: on lines and in corridors.
    pub const fn on_lines(&self) -> i64 {
        self.line_body + self.corridor
    }
}

/// A row of the table by township.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TownshipRow {
    /// Its name; empty where none is known.
    pub township: String,
    /// What was found.
    #[serde(flatten)]
    pub found: Found,
}

/// A row of the table by line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct LineRow {
    /// The line; none: hazards on no known line.
    pub line: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// What was found.
    #[serde(flatten)]
    pub found: Found,
    /// Walked, each millimetre once.
    pub walked_mm: i64,
    /// Felled.
    pub felled_mm: i64,
    /// Cleared of fuel.
    pub cleared_mm: i64,
    /// Converted to covered conductor.
    pub converted_mm: i64,
}

/// A row of the table of activities.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ActivityRow {
    /// 活动类型, as it was written.
    pub activity_type: String,
    /// How many.
    pub count: i64,
    /// 场次
    pub sessions: i64,
    /// 人次
    pub people: i64,
    /// 份
    pub material: i64,
    /// 户
    pub households: i64,
    /// 家
    pub enterprises: i64,
    /// 件
    pub cases: i64,
    /// 分
    pub amount_fen: i64,
}

/// By township.
pub fn by_township(rows: &Rows) -> Vec<TownshipRow> {
    let mut by_township: BTreeMap<&str, Found> = BTreeMap::new();
    for hazards in rows.hazards.iter().filter(|hazards| is_counted(hazards.state)) {
        by_township.entry(&hazards.township).or_default().add(hazards);
    }
    let row = |(township, found): (&str, Found)| TownshipRow { township: township.to_owned(), found };
    by_township.into_iter().map(row).collect()
}

/// By line. A line whose name is not known is named by its id.
pub fn by_line(rows: &Rows, names: &BTreeMap<Uuid, String>) -> Vec<LineRow> {
    let mut by_line: BTreeMap<Option<Uuid>, LineRow> = BTreeMap::new();
    let empty = |line: Option<Uuid>| LineRow {
        line,
        name: line
            .map(|line| names.get(&line).cloned().unwrap_or_else(|| line.to_string()))
            .unwrap_or_default(),
        found: Found::default(),
        walked_mm: 0,
        felled_mm: 0,
        cleared_mm: 0,
        converted_mm: 0,
    };
    for hazards in rows.hazards.iter().filter(|hazards| is_counted(hazards.state)) {
        by_line.entry(hazards.line).or_insert_with(|| empty(hazards.line)).found.add(hazards);
    }
    for ((kind, line), length_mm) in lengths(&rows.stretches) {
        let row = by_line.entry(Some(line)).or_insert_with(|| empty(Some(line)));
        match kind {
            StretchKind::Patrol => row.walked_mm = length_mm,
            StretchKind::Felling => row.felled_mm = length_mm,
            StretchKind::Clearance => row.cleared_mm = length_mm,
            StretchKind::Conversion => row.converted_mm = length_mm,
        }
    }
    let mut sorted: Vec<LineRow> = by_line.into_values().collect();
    sorted.sort_by(|a, b| (a.line.is_none(), &a.name, a.line).cmp(&(b.line.is_none(), &b.name, b.line)));
    sorted
}

/// By type of activity.
pub fn by_activity(activities: &[Deed]) -> Vec<ActivityRow> {
    let mut by_type: BTreeMap<&str, ActivityRow> = BTreeMap::new();
    for activity in activities {
        let row = by_type.entry(&activity.subtype).or_insert_with(|| ActivityRow {
            activity_type: activity.subtype.clone(),
            count: 0,
            sessions: 0,
            people: 0,
            material: 0,
            households: 0,
            enterprises: 0,
            cases: 0,
            amount_fen: 0,
        });
        row.count += 1;
        row.sessions += activity.amount("sessions");
        row.people += activity.amount("people");
        row.material += activity.amount("material");
        row.households += activity.amount("households");
        row.enterprises += activity.amount("enterprises");
        row.cases += activity.amount("cases");
        row.amount_fen += activity.amount("amount_fen");
    }
    by_type.into_values().collect()
}
