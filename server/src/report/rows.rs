//! What figures are counted from: rows of the derived tables as far as a report needs them.
//!
//! Their order says nothing. Nothing is counted here.

use std::collections::BTreeMap;

use sync_protocol::view::State;
use uuid::Uuid;

/// 隐患类别, as a report counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// 本体隐患
    LineBody,
    /// 通道隐患
    Corridor,
    /// 森林火险隐患
    ForestFire,
    /// 火情
    FireSighting,
    /// None is stated, or one that this version does not know.
    Unsorted,
}

impl Category {
    /// Of the field `category`.
    pub fn of(name: &str) -> Self {
        match name {
            "line_body" => Self::LineBody,
            "corridor" => Self::Corridor,
            "forest_fire" => Self::ForestFire,
            "fire_sighting" => Self::FireSighting,
            _ => Self::Unsorted,
        }
    }
}

/// Hazards of one period that are alike in all that a report asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazards {
    /// Their category.
    pub category: Category,
    /// Where they stand.
    pub state: State,
    /// Their report has not come.
    pub is_provisional: bool,
    /// Found by a supervisory inspection.
    pub is_supervised: bool,
    /// Their township; empty where none is known.
    pub township: String,
    /// Their line.
    pub line: Option<Uuid>,
    /// How many.
    pub count: i64,
}

/// A record that is no hazard and no patrol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deed {
    /// Type of work or of activity; empty where none is stated.
    pub subtype: String,
    /// Its project.
    pub project: Option<String>,
    /// Voltage, as it was written.
    pub voltage: Option<String>,
    /// Whole numbers by field name.
    pub amounts: BTreeMap<String, i64>,
    /// It has stretches on lines.
    pub is_placed: bool,
}

impl Deed {
    /// An amount; 0 where it is not stated.
    pub fn amount(&self, name: &str) -> i64 {
        self.amounts.get(name).copied().unwrap_or(0)
    }

    /// 工程量; a deed of which none is stated is one.
    pub fn quantity(&self) -> i64 {
        self.amounts.get("quantity").copied().unwrap_or(1)
    }
}

/// What was done on a stretch of a line. Its number in the store is `stretches.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StretchKind {
    /// 巡线
    Patrol,
    /// 通道砍伐
    Felling,
    /// 易燃物清理
    Clearance,
    /// 绝缘化改造
    Conversion,
}

impl StretchKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Patrol, Self::Felling, Self::Clearance, Self::Conversion];

    /// Its number in the store.
    pub const fn number(self) -> i64 {
        match self {
            Self::Patrol => 0,
            Self::Felling => 1,
            Self::Clearance => 2,
            Self::Conversion => 3,
        }
    }

    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patrol => "patrol",
            Self::Felling => "corridor_felling",
            Self::Clearance => "fuel_clearance",
            Self::Conversion => "covered_conversion",
        }
    }

    /// The kind of a number in the store.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A stretch of a line, millimetres of chainage, `from_mm` < `to_mm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The line.
    pub line: Uuid,
    /// What was done.
    pub kind: StretchKind,
    /// Where it begins.
    pub from_mm: i64,
    /// Where it ends.
    pub to_mm: i64,
}

/// Everything of one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Hazards, alike ones together.
    pub hazards: Vec<Hazards>,
    /// Works.
    pub works: Vec<Deed>,
    /// Supervisory inspections.
    pub inspections: Vec<Deed>,
    /// Activities.
    pub activities: Vec<Deed>,
    /// Stretches.
    pub stretches: Vec<Stretch>,
}
