//! The rules of the bureau: what a voltage means, how dangerous a measured clearance is, when a hazard must be gone.
//!
//! Pure. The figures are data: a TOML text ([`DEFAULT`] where a district has set none), read by [`Rules::parse`],
//! each row with the mark of its source and the days on which it is in force. Start at [`clearance`] and
//! [`deadline`]; [`voltage`] reads what people and maps call a voltage. Not here: where a district's rules are kept.

pub mod clearance;
pub mod deadline;
mod parse;
pub mod season;
pub mod voltage;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use parse::{RulesError, TEXT_BYTES};

/// The text of the rules that are in force where none were set.
pub const DEFAULT: &str = include_str!("default.toml");

#[expect(clippy::expect_used, reason = "the text is part of the program, and a test parses it")]
static STANDARD: LazyLock<Rules> =
    LazyLock::new(|| Rules::parse(DEFAULT).expect("the rules of the program are valid"));

/// How dangerous a hazard is. The order is by danger: `Critical` is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// 一般
    General,
    /// 严重
    Serious,
    /// 危急
    Critical,
}

impl Severity {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Serious => "serious",
            Self::Critical => "critical",
        }
    }

    /// The severity of a name on the wire; a name that is not known ranks as critical, as it does in the fold.
    pub fn of_term(term: &str) -> Self {
        match term {
            "general" => Self::General,
            "serious" => Self::Serious,
            _ => Self::Critical,
        }
    }

    /// Its Chinese name.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::General => "一般",
            Self::Serious => "严重",
            Self::Critical => "危急",
        }
    }
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Read in a published source.
    V,
    /// Recalled practice.
    R,
    /// Proposed by this project.
    #[serde(rename = "ours")]
    Ours,
}

/// Which network a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// 配网
    Distribution,
    /// 输电
    Transmission,
}

/// What grows below a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// 林区
    Forest,
    /// 街道、非林区
    Street,
    /// 果树、经济作物
    Fruit,
}

/// Whether a conductor is insulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conductor {
    /// 裸导线
    Bare,
    /// 绝缘导线
    Covered,
}

/// Which distance a minimum is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Vertical, at maximum sag.
    Vertical,
    /// Net, at maximum swing.
    Net,
}

/// The days on which a row is in force, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The first day.
    pub from: Date,
    /// The last day; none: until it is replaced.
    pub to: Option<Date>,
}

impl Effective {
    /// Whether a day is among them.
    pub fn holds(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }
}

/// A voltage class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its key in the tables: `35-110`.
    pub key: String,
    /// Its Chinese name.
    pub zh: String,
    /// Its English name.
    pub en: String,
    /// The lowest voltage of it, volts.
    pub from_v: u32,
    /// The highest, volts.
    pub to_v: u32,
    /// The only voltages of it that are believed, volts; empty: any.
    pub nominal_v: Vec<u32>,
    /// The network that its lines belong to.
    pub network: Network,
}

/// Figures by voltage class, decimetres, with their source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByClass {
    /// The figures by key of class.
    pub figures_dm: BTreeMap<String, u32>,
    /// Where they come from.
    pub mark: Mark,
    /// The name of the source.
    pub source: String,
    /// When they are in force.
    pub effective: Effective,
}

/// One row of the clearance tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimum {
    /// Which distance.
    pub measure: Measure,
    /// For which land cover.
    pub cover: Cover,
    /// For which conductor.
    pub conductor: Conductor,
    /// The figures.
    pub by_class: ByClass,
}

/// How long a hazard may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Exact hours.
    Hours(u32),
    /// Days that end at 24:00 local.
    Days(u32),
}

/// One row of the deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Of which severity.
    pub severity: Severity,
    /// For lines of which network; none: of any.
    pub network: Option<Network>,
    /// How long.
    pub period: Period,
    /// Where it comes from.
    pub mark: Mark,
}

/// The terms of a major hazard, days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Major {
    /// By default.
    pub days: u32,
    /// At most.
    pub most_days: u32,
    /// On-site acceptance after the deadline.
    pub acceptance_days: u32,
    /// Where they come from.
    pub mark: Mark,
}

/// What tightens a deadline in forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A fire season of this risk.
    Season(season::Risk),
    /// A fire-danger level of this or above, 1 to 5.
    Danger(u8),
}

/// One row of the tightenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tightening {
    /// When it applies.
    pub when: When,
    /// Days for a serious hazard.
    pub serious_days: u32,
    /// Days for a general one.
    pub general_days: u32,
    /// Where it comes from.
    pub mark: Mark,
}

/// Valid rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    version: String,
    /// What a bureau calls them.
    pub title: String,
    /// Voltage classes, ascending and apart.
    pub classes: Vec<Class>,
    /// The key of the class that an unknown voltage is graded by; none: it is not graded.
    pub unknown_class: Option<String>,
    /// Protection zones, each side, from the edge conductor.
    pub zones: Vec<ByClass>,
    /// Hazard types that clearances are for.
    pub types: Vec<String>,
    /// The land cover assumed where none was recorded.
    pub unknown_cover: Cover,
    /// The conductor assumed where none was recorded.
    pub unknown_conductor: Conductor,
    /// Clearances.
    pub minima: Vec<Minimum>,
    /// How far beyond the minimum a distance is serious.
    pub bands: Vec<ByClass>,
    /// What a tree is that could reach a conductor whose height nobody measured; none: nothing.
    pub fall_in_unknown: Option<Severity>,
    /// Deadlines.
    pub terms: Vec<Term>,
    /// Terms of major hazards.
    pub major: Major,
    /// Fire seasons.
    pub seasons: Vec<season::Window>,
    /// Tightenings.
    pub tightenings: Vec<Tightening>,
}

impl Rules {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// The key at fault and why.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        parse::parse(text)
    }

    /// The rules that are in force where none were set.
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// The SHA-256 of the text, hexadecimal.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The class of a key.
    pub fn class(&self, key: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.key == key)
    }

    /// The width of the protection zone of a class on a day: decimetres, each side, from the edge conductor.
    pub fn zone_dm(&self, class: &str, day: Date) -> Option<u32> {
        figure(&self.zones, class, day).map(|(figure, _)| figure)
    }
}

/// The figure of a class on a day, with the row that it stands in. Of several in force the one that came last counts.
fn figure<'r>(
    rows: impl IntoIterator<Item = &'r ByClass>,
    class: &str,
    day: Date,
) -> Option<(u32, &'r ByClass)> {
    let in_force = rows.into_iter().filter(|row| row.effective.holds(day));
    let figures = in_force.filter_map(|row| Some((*row.figures_dm.get(class)?, row)));
    figures.max_by_key(|(_, row)| row.effective.from)
}
