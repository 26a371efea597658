//! How dangerous a measured clearance is: the distance between a conductor and a tree against the tables.
//!
//! [`grade`] suggests a severity with its reasons, which say every figure and every assumption; [`worse`] is how a
//! suggestion meets what a person set: it never lowers it. Not here: what is stored, and who sets a severity.

mod words;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::voltage::{Assumption, VoltageReading};
use super::{ByClass, Class, Conductor, Cover, Mark, Measure, Rules, Severity, figure};

/// What is known of a hazard and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The local day on which it was measured: the tables of that day count.
    pub day: Date,
    /// The type of the hazard.
    pub kind: Option<String>,
    /// The voltage of its line, or of the hazard itself.
    pub voltage: VoltageReading,
    /// What grows there; none: not recorded.
    pub cover: Option<Cover>,
    /// The conductor: `bare`, `covered`, `cable`; none: not recorded.
    pub conductor: Option<String>,
    /// From the conductor down to the tree, decimetres.
    pub vertical_dm: Option<u32>,
    /// From the conductor to the tree, level, decimetres.
    pub horizontal_dm: Option<u32>,
    /// The height of the tree, decimetres.
    pub tree_height_dm: Option<u32>,
    /// Whether it stands inside the protection zone; none: not known.
    pub is_in_zone: Option<bool>,
}

impl Measured {
    /// Nothing is known but the day and the voltage.
    pub fn on(day: Date, voltage: VoltageReading) -> Self {
        Self {
            day,
            kind: None,
            voltage,
            cover: None,
            conductor: None,
            vertical_dm: None,
            horizontal_dm: None,
            tree_height_dm: None,
            is_in_zone: None,
        }
    }
}

/// A severity that the rules suggest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The severity.
    pub severity: Severity,
    /// Why: what was assumed first, then what was found, worst first.
    pub reasons: Vec<Reason>,
    /// The version of the rules.
    pub rules: String,
}

/// Which distance was held against the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// 垂直距离
    Vertical,
    /// 水平距离
    Horizontal,
    /// 净空距离: from both.
    Net,
}

/// One reason of a suggestion. Rendered by [`Reason::zh`] and [`Reason::en`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// Something was assumed of the voltage.
    Voltage {
        /// What.
        assumption: Assumption,
        /// What was read, volts.
        volts: Vec<u32>,
        /// The key of the class that counts.
        class: String,
    },
    /// The voltage is unknown: this class was assumed.
    ClassAssumed {
        /// Its key.
        class: String,
    },
    /// The land cover was not recorded.
    CoverAssumed {
        /// What was assumed.
        cover: Cover,
    },
    /// The conductor was not recorded.
    ConductorAssumed {
        /// What was assumed.
        conductor: Conductor,
    },
    /// Whether it stands inside the protection zone is not known: inside was assumed.
    ZoneAssumed,
    /// A distance against its minimum.
    Clearance {
        /// Which distance.
        distance: Distance,
        /// How far it is, decimetres.
        found_dm: u32,
        /// The minimum, decimetres.
        minimum_dm: u32,
        /// How far beyond the minimum is still serious, decimetres.
        band_dm: u32,
        /// What it comes to; none: beyond the band, and outside the zone.
        severity: Option<Severity>,
        /// The key of the class.
        class: String,
        /// Where the minimum comes from.
        mark: Mark,
        /// The name of its source.
        source: String,
    },
    /// A tree that reaches the conductor, less the clearance, when it falls.
    FallIn {
        /// The height of the tree, decimetres.
        tree_height_dm: u32,
        /// Its distance, level, decimetres.
        horizontal_dm: u32,
        /// The conductor above the tree's base, decimetres; none: nobody measured it.
        conductor_height_dm: Option<u32>,
        /// The clearance, decimetres.
        clearance_dm: u32,
        /// What it comes to.
        severity: Severity,
    },
}

impl Reason {
    const fn severity(&self) -> Option<Severity> {
        match self {
            Self::Clearance { severity, .. } => *severity,
            Self::FallIn { severity, .. } => Some(*severity),
            Self::Voltage { .. }
            | Self::ClassAssumed { .. }
            | Self::CoverAssumed { .. }
            | Self::ConductorAssumed { .. }
            | Self::ZoneAssumed => None,
        }
    }
}

/// The worse of what a person set and what the rules suggest: a suggestion never lowers.
pub fn worse(set: Option<Severity>, suggested: Option<Severity>) -> Option<Severity> {
    set.max(suggested)
}

/// Grades a measured hazard; none where the tables say nothing of it: another type, nothing measured, a voltage
/// above every class, or a tree beyond the band and outside the protection zone.
pub fn grade(rules: &Rules, measured: &Measured) -> Option<Suggestion> {
    let is_for = measured.kind.as_ref().is_some_and(|kind| rules.types.contains(kind));
    if !is_for || (measured.vertical_dm.is_none() && measured.horizontal_dm.is_none()) {
        return None;
    }
    let mut reasons = Vec::new();
    let class = class(rules, &measured.voltage, &mut reasons)?;
    let conductor = conductor(rules, measured, &mut reasons);
    let cover = measured.cover.unwrap_or_else(|| {
        reasons.push(Reason::CoverAssumed { cover: rules.unknown_cover });
        rules.unknown_cover
    });
    let tables = Tables { rules, class, cover, conductor, day: measured.day };
    let mut found: Vec<Reason> = clearance(&tables, measured, &mut reasons).into_iter().collect();
    found.extend(fall_in(&tables, measured));
    found.sort_by_key(|reason| std::cmp::Reverse(reason.severity()));
    let severity = found.iter().filter_map(Reason::severity).max()?;
    if severity > Severity::General {
        // Only what is no worse than general depends on the zone.
        reasons.retain(|reason| *reason != Reason::ZoneAssumed);
    }
    reasons.append(&mut found);
    Some(Suggestion { severity, reasons, rules: rules.version().to_owned() })
}

/// The class that counts, and why; none where the rules lay down nothing.
fn class<'r>(rules: &'r Rules, voltage: &VoltageReading, reasons: &mut Vec<Reason>) -> Option<&'r Class> {
    let is_above = voltage.assumptions.contains(&Assumption::VoltageAbove);
    let key = match (&voltage.class, is_above) {
        (Some(class), _) => class,
        (None, true) => return None,
        (None, false) => rules.unknown_class.as_ref()?,
    };
    let class = rules.class(key)?;
    reasons.extend(voltage.assumptions.iter().map(|assumption| Reason::Voltage {
        assumption: *assumption,
        volts: voltage.volts.clone(),
        class: class.key.clone(),
    }));
    reasons.extend(voltage.class.is_none().then(|| Reason::ClassAssumed { class: class.key.clone() }));
    Some(class)
}

fn conductor(rules: &Rules, measured: &Measured, reasons: &mut Vec<Reason>) -> Conductor {
    match measured.conductor.as_deref() {
        Some("bare") => Conductor::Bare,
        // A cable in the air is insulated too.
        Some("covered" | "cable") => Conductor::Covered,
        Some(_) | None => {
            reasons.push(Reason::ConductorAssumed { conductor: rules.unknown_conductor });
            rules.unknown_conductor
        }
    }
}

/// Where the minima of a hazard are looked up.
struct Tables<'r> {
    rules: &'r Rules,
    class: &'r Class,
    cover: Cover,
    conductor: Conductor,
    day: Date,
}

impl<'r> Tables<'r> {
    /// The minimum for a distance. A land cover without a row uses the street's, a covered conductor without one
    /// the bare one's: of the same cover first, since insulation does not make a forest a street.
    fn minimum(&self, measure: Measure) -> Option<(u32, &'r ByClass)> {
        let choices = [
            (self.cover, self.conductor),
            (self.cover, Conductor::Bare),
            (Cover::Street, self.conductor),
            (Cover::Street, Conductor::Bare),
        ];
        choices.into_iter().find_map(|(cover, conductor)| {
            let rows = self.rules.minima.iter();
            let rows =
                rows.filter(|row| row.measure == measure && row.cover == cover && row.conductor == conductor);
            figure(rows.map(|row| &row.by_class), &self.class.key, self.day)
        })
    }

    fn band_dm(&self) -> u32 {
        figure(&self.rules.bands, &self.class.key, self.day).map_or(0, |(band, _)| band)
    }

    /// Whether a hazard lies inside the protection zone; none where that is not known.
    fn is_in_zone(&self, measured: &Measured) -> Option<bool> {
        let Some(width) = self.rules.zone_dm(&self.class.key, self.day) else {
            return Some(false);
        };
        measured.horizontal_dm.map(|horizontal| horizontal <= width).or(measured.is_in_zone)
    }
}

/// A vertical distance against the vertical minimum, a level one against the net one, both together as the straight
/// line against the greater of the two.
fn clearance(tables: &Tables<'_>, measured: &Measured, reasons: &mut Vec<Reason>) -> Option<Reason> {
    let vertical = || tables.minimum(Measure::Vertical);
    let net = || tables.minimum(Measure::Net);
    let (distance, found_dm, (minimum_dm, row)) = match (measured.vertical_dm, measured.horizontal_dm) {
        (Some(found), None) => (Distance::Vertical, found, vertical()?),
        (None, Some(found)) => (Distance::Horizontal, found, net()?),
        (Some(up), Some(aside)) => {
            let greater = vertical().into_iter().chain(net()).max_by_key(|(minimum, _)| *minimum)?;
            (Distance::Net, hypotenuse(up, aside), greater)
        }
        (None, None) => return None,
    };
    let band_dm = tables.band_dm();
    let severity = if found_dm <= minimum_dm {
        Some(Severity::Critical)
    } else if found_dm <= minimum_dm.saturating_add(band_dm) {
        Some(Severity::Serious)
    } else {
        let is_in_zone = tables.is_in_zone(measured);
        reasons.extend(is_in_zone.is_none().then_some(Reason::ZoneAssumed));
        is_in_zone.unwrap_or(true).then_some(Severity::General)
    };
    Some(Reason::Clearance {
        distance,
        found_dm,
        minimum_dm,
        band_dm,
        severity,
        class: tables.class.key.clone(),
        mark: row.mark,
        source: row.source.clone(),
    })
}

/// The straight line of two distances, decimetres, rounded down: to be too near counts.
fn hypotenuse(a: u32, b: u32) -> u32 {
    let squared = u64::from(a).pow(2).saturating_add(u64::from(b).pow(2));
    u32::try_from(squared.isqrt()).unwrap_or(u32::MAX)
}

/// √(h² + c²) ≤ H + clearance. The conductor is `H` plus the vertical distance above the tree's base.
fn fall_in(tables: &Tables<'_>, measured: &Measured) -> Option<Reason> {
    let tree_height_dm = measured.tree_height_dm.filter(|height| *height > 0)?;
    let horizontal_dm = measured.horizontal_dm?;
    let (clearance_dm, _) = tables.minimum(Measure::Vertical)?;
    let conductor_height_dm = measured.vertical_dm.map(|vertical| tree_height_dm.saturating_add(vertical));
    let reach = u64::from(tree_height_dm.saturating_add(clearance_dm)).pow(2);
    let level = u64::from(horizontal_dm).pow(2);
    let up = u64::from(conductor_height_dm.unwrap_or(0)).pow(2);
    let severity = match conductor_height_dm {
        Some(_) => Severity::Critical,
        None => tables.rules.fall_in_unknown?,
    };
    (level.saturating_add(up) <= reach).then_some(Reason::FallIn {
        tree_height_dm,
        horizontal_dm,
        conductor_height_dm,
        clearance_dm,
        severity,
    })
}

#[cfg(test)]
mod tests;
