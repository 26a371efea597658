//! The counting rules: rows in, figures out, whatever order the rows come in.
//!
//! Duplicates and voids are out. A kilometre counts once, whoever walked or cleared it. What is on no line is counted
//! apart, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::view::State;
use uuid::Uuid;

use super::catalogue::Figure;
use super::rows::{Category, Deed, Hazards, Rows, Stretch, StretchKind};
use crate::geometry::Intervals;

/// A line counts as walked once so much of it was: 100 m.
pub const WALKED_MM: i64 = 100_000;
/// Millimetres of a decimetre.
pub const MM_PER_DM: i64 = 100;

/// The figures of one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<Figure, i64>);

impl Figures {
    /// Counts.
    pub fn of(rows: &Rows) -> Self {
        let mut figures = Self::default();
        for hazards in rows.hazards.iter().filter(|hazards| is_counted(hazards.state)) {
            figures.add_hazards(hazards);
        }
        let lengths = lengths(&rows.stretches);
        figures.add_lengths(&lengths);
        figures.add_works(&rows.works);
        for inspection in &rows.inspections {
            figures.add(Figure::Inspections, 1);
            figures.add(Figure::Findings, inspection.amount("findings"));
        }
        for activity in &rows.activities {
            figures.add(Figure::Activities, 1);
            for (figure, name) in ACTIVITY_AMOUNTS {
                figures.add(*figure, activity.amount(name));
            }
        }
        figures
    }

    /// One of them; 0 where nothing was counted.
    pub fn get(&self, figure: Figure) -> i64 {
        self.0.get(&figure).copied().unwrap_or(0)
    }

    fn add(&mut self, figure: Figure, amount: i64) {
        let sum = self.0.entry(figure).or_insert(0);
        *sum = sum.saturating_add(amount);
    }

    fn add_hazards(&mut self, hazards: &Hazards) {
        let count = hazards.count;
        let of_line = match hazards.category {
            Category::LineBody => Some(Figure::LineBody),
            Category::Corridor => Some(Figure::Corridor),
            Category::ForestFire => {
                self.add(Figure::ForestFire, count);
                None
            }
            Category::FireSighting => {
                self.add(Figure::FireSighting, count);
                None
            }
            Category::Unsorted => {
                self.add(Figure::Unsorted, count);
                None
            }
        };
        if hazards.is_supervised {
            self.add(Figure::Supervised, count);
        }
        if let Some(figure) = of_line {
            self.add(figure, count);
            self.add(Figure::Hazards, count);
            if hazards.is_supervised {
                self.add(Figure::SupervisedOnLines, count);
            }
        }
    }

    fn add_lengths(&mut self, lengths: &BTreeMap<(StretchKind, Uuid), i64>) {
        for ((kind, _), length_mm) in lengths {
            match kind {
                StretchKind::Patrol => {
                    self.add(Figure::Walked, *length_mm);
                    self.add(Figure::LinesWalked, i64::from(*length_mm >= WALKED_MM));
                }
                StretchKind::Felling => self.add(Figure::Felled, *length_mm),
                StretchKind::Clearance => self.add(Figure::Cleared, *length_mm),
                StretchKind::Conversion => self.add(Figure::Converted, *length_mm),
            }
        }
    }

    fn add_works(&mut self, works: &[Deed]) {
        for work in works {
            match work.subtype.as_str() {
                "corridor_felling" => self.add(Figure::UnplacedFelling, i64::from(!work.is_placed)),
                "fuel_clearance" => self.add(Figure::UnplacedClearance, i64::from(!work.is_placed)),
                // A conversion is measured by its project: where that gives no stretch, by its length.
                "covered_conversion" if !work.is_placed => {
                    self.add(Figure::Converted, work.amount("length_dm").saturating_mul(MM_PER_DM));
                }
                "selection_set" => self.add(Figure::SelectionSets, work.quantity()),
                "pole_breaker" => self.add(Figure::PoleBreakers, work.quantity()),
                "relocation_power" => self.add(Figure::RelocationsPower, work.quantity()),
                "relocation_telecom" => self.add(Figure::RelocationsTelecom, work.quantity()),
                "relocation_gas" => self.add(Figure::RelocationsGas, work.quantity()),
                "grid_upgrade" => self.add(Figure::GridFunds, work.amount("funds_fen")),
                "substation" if is_110_kv(work.voltage.as_deref()) => {
                    self.add(Figure::Substations, work.quantity());
                }
                "substation" => self.add(Figure::OtherSubstations, work.quantity()),
                _ => {}
            }
        }
        self.add(Figure::ConversionProjects, projects(works, "covered_conversion"));
        self.add(Figure::GridProjects, projects(works, "grid_upgrade"));
    }
}

/// Which amount of an activity goes into which figure.
const ACTIVITY_AMOUNTS: &[(Figure, &str)] = &[
    (Figure::Sessions, "sessions"),
    (Figure::People, "people"),
    (Figure::Material, "material"),
    (Figure::Households, "households"),
    (Figure::Enterprises, "enterprises"),
    (Figure::Cases, "cases"),
    (Figure::CasesAmount, "amount_fen"),
];

/// Whether a hazard in this state is counted: duplicates and voids are not.
pub const fn is_counted(state: State) -> bool {
    match state {
        State::Void | State::Duplicate => false,
        State::Held
        | State::Reported
        | State::Returned
        | State::Graded
        | State::Ordered
        | State::Rectifying
        | State::Carried
        | State::MadeSafe
        | State::NotFound
        | State::Rectified
        | State::Verified
        | State::Closed
        | State::NotOurs
        | State::Disputed
        | State::Recorded => true,
    }
}

/// Whether a substation is of 110 kV: one that states no voltage is, since the report asks for no other.
pub fn is_110_kv(voltage: Option<&str>) -> bool {
    let Some(voltage) = voltage.map(str::trim).filter(|voltage| !voltage.is_empty()) else { return true };
    let digits: String = voltage.chars().take_while(char::is_ascii_digit).collect();
    matches!(digits.as_str(), "110" | "110000")
}

/// How many projects works of a type belong to; one that names none is a project of its own.
fn projects(works: &[Deed], subtype: &str) -> i64 {
    let mut named = BTreeSet::new();
    let mut nameless = 0;
    for work in works.iter().filter(|work| work.subtype == subtype) {
        match work.project.as_deref().map(str::trim).filter(|project| !project.is_empty()) {
            Some(project) => drop(named.insert(project)),
            None => nameless += 1,
        }
    }
    i64::try_from(named.len()).unwrap_or(i64::MAX).saturating_add(nameless)
}

/// Millimetres of each line that were walked or worked on, each counted once.
pub fn lengths(stretches: &[Stretch]) -> BTreeMap<(StretchKind, Uuid), i64> {
    let mut by_line: BTreeMap<(StretchKind, Uuid), Vec<(i64, i64)>> = BTreeMap::new();
    for stretch in stretches {
        by_line.entry((stretch.kind, stretch.line)).or_default().push((stretch.from_mm, stretch.to_mm));
    }
    by_line
        .into_iter()
        .map(|(key, stretches)| (key, stretches.into_iter().collect::<Intervals>().total_mm()))
        .collect()
}
