//! Reading what people and maps call a voltage: `132000;66000`, `10kV`, `110 千伏`, `400/230`, `3200`, nothing.
//!
//! [`read`] is for what was typed, [`read_tag`] for map data whose bare numbers are volts. Both give every voltage
//! that was found, the one that counts, its class, and a code for everything that was assumed on the way.

use serde::{Deserialize, Serialize};

use super::{Class, Rules};

/// Voltages that are looked at in one text.
const AT_MOST: usize = 16;
/// Above this no line runs: what claims more is not believed.
const HIGHEST_V: u32 = 2_000_000;
/// A bare number below this may be kilovolts.
const BARE_KILOVOLTS: u64 = 1_000;
/// Bare numbers that are kilovolts where a person typed them.
const NOMINAL_KV: &[u64] = &[6, 10, 20, 33, 35, 66, 110, 132, 154, 220, 330, 400, 500, 750, 800];

/// Something that was assumed of a voltage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumption {
    /// No voltage was given.
    VoltageMissing,
    /// What was given is no voltage.
    VoltageUnreadable,
    /// Several were given: the highest counts.
    VoltageHighest,
    /// No unit was given: kilovolts were assumed.
    VoltageKilovolts,
    /// Two bare numbers in the ratio of line to phase voltage: volts.
    VoltagePhasePair,
    /// No line has such a voltage: it counts as unknown.
    VoltageImplausible,
    /// It lies between two classes: the higher counts.
    VoltageBetween,
    /// It lies above every class: nothing is known of it.
    VoltageAbove,
}

impl Assumption {
    /// Every assumption.
    pub const ALL: &'static [Self] = &[
        Self::VoltageMissing,
        Self::VoltageUnreadable,
        Self::VoltageHighest,
        Self::VoltageKilovolts,
        Self::VoltagePhasePair,
        Self::VoltageImplausible,
        Self::VoltageBetween,
        Self::VoltageAbove,
    ];

    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::VoltageMissing => "voltage_missing",
            Self::VoltageUnreadable => "voltage_unreadable",
            Self::VoltageHighest => "voltage_highest",
            Self::VoltageKilovolts => "voltage_kilovolts",
            Self::VoltagePhasePair => "voltage_phase_pair",
            Self::VoltageImplausible => "voltage_implausible",
            Self::VoltageBetween => "voltage_between",
            Self::VoltageAbove => "voltage_above",
        }
    }

    /// What it means, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::VoltageMissing => "未填写电压等级",
            Self::VoltageUnreadable => "电压等级无法识别，按未知处理",
            Self::VoltageHighest => "有多个电压，取最高者",
            Self::VoltageKilovolts => "未写单位，按千伏处理",
            Self::VoltagePhasePair => "线电压与相电压并列，按伏处理",
            Self::VoltageImplausible => "不是实际存在的电压，按未知处理",
            Self::VoltageBetween => "介于两个等级之间，取较高等级",
            Self::VoltageAbove => "高于规则所列等级，规则未作规定",
        }
    }

    /// What it means, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::VoltageMissing => "no voltage was given",
            Self::VoltageUnreadable => "the voltage cannot be read and counts as unknown",
            Self::VoltageHighest => "several voltages: the highest counts",
            Self::VoltageKilovolts => "no unit was given: kilovolts are assumed",
            Self::VoltagePhasePair => "line and phase voltage side by side: volts",
            Self::VoltageImplausible => "no line has such a voltage: it counts as unknown",
            Self::VoltageBetween => "between two classes: the higher counts",
            Self::VoltageAbove => "above every class of the rules: nothing is laid down",
        }
    }
}

/// What was read of a voltage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoltageReading {
    /// Every voltage that was found, volts, highest first, each once.
    pub volts: Vec<u32>,
    /// The one that counts, volts; none: unknown.
    pub taken_v: Option<u32>,
    /// The key of its class; none: unknown, or above every class.
    pub class: Option<String>,
    /// What was assumed, in ascending order.
    pub assumptions: Vec<Assumption>,
}

/// Reads what a person typed, by the classes of the default rules.
pub fn read(text: &str) -> VoltageReading {
    read_by(Rules::standard(), text)
}

/// Reads the voltage of map data, whose bare numbers are volts, by the classes of the default rules.
pub fn read_tag(text: &str) -> VoltageReading {
    classed(Rules::standard(), text, Bare::Volts)
}

/// Reads what a person typed, by the classes of these rules.
pub fn read_by(rules: &Rules, text: &str) -> VoltageReading {
    classed(rules, text, Bare::Typed)
}

/// The class of a voltage, and whether it lies below that class: between it and the next lower one.
pub fn class_of(rules: &Rules, volts: u32) -> Option<(&Class, bool)> {
    let class = rules.classes.iter().find(|class| volts <= class.to_v)?;
    Some((class, volts < class.from_v))
}

/// What a number without a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bare {
    Volts,
    Typed,
}

fn classed(rules: &Rules, text: &str, bare: Bare) -> VoltageReading {
    let mut reading = VoltageReading::default();
    if text.trim().is_empty() {
        reading.assumptions.push(Assumption::VoltageMissing);
        return reading;
    }
    let mut volts = in_volts(&numbers(text), bare, &mut reading.assumptions);
    volts.sort_unstable_by(|a, b| b.cmp(a));
    volts.dedup();
    if volts.is_empty() && reading.assumptions.is_empty() {
        reading.assumptions.push(Assumption::VoltageUnreadable);
    }
    if volts.len() > 1 && !reading.assumptions.contains(&Assumption::VoltagePhasePair) {
        reading.assumptions.push(Assumption::VoltageHighest);
    }
    reading.taken_v = volts.iter().copied().find(|volts| is_plausible(rules, *volts));
    if volts.iter().any(|volts| !is_plausible(rules, *volts)) {
        reading.assumptions.push(Assumption::VoltageImplausible);
    }
    if let Some(taken) = reading.taken_v {
        match class_of(rules, taken) {
            Some((class, is_between)) => {
                reading.class = Some(class.key.clone());
                reading.assumptions.extend(is_between.then_some(Assumption::VoltageBetween));
            }
            None => reading.assumptions.push(Assumption::VoltageAbove),
        }
    }
    reading.volts = volts;
    reading.assumptions.sort_unstable();
    reading.assumptions.dedup();
    reading
}

fn is_plausible(rules: &Rules, volts: u32) -> bool {
    match class_of(rules, volts) {
        Some((class, _)) => class.nominal_v.is_empty() || class.nominal_v.contains(&volts),
        None => volts <= HIGHEST_V,
    }
}

/// A number of a text, in thousandths, with the volts of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    thousandths: u64,
    unit_v: Option<u64>,
}

/// Turns numbers into volts. One without a unit takes that of the next which has one: `35/110 kV`.
fn in_volts(numbers: &[Number], bare: Bare, assumptions: &mut Vec<Assumption>) -> Vec<u32> {
    if is_phase_pair(numbers) {
        assumptions.push(Assumption::VoltagePhasePair);
    }
    let is_pair = assumptions.contains(&Assumption::VoltagePhasePair);
    let mut volts = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let inherited = numbers.iter().skip(index).find_map(|later| later.unit_v);
        let unit = inherited.unwrap_or_else(|| match bare {
            Bare::Typed if !is_pair && is_kilovolts(*number) => {
                assumptions.push(Assumption::VoltageKilovolts);
                1_000
            }
            Bare::Typed | Bare::Volts => 1,
        });
        let in_volts = number.thousandths.saturating_mul(unit) / 1_000;
        match u32::try_from(in_volts) {
            Ok(0) => {}
            Ok(found) if found <= HIGHEST_V => volts.push(found),
            Ok(_) | Err(_) => assumptions.push(Assumption::VoltageImplausible),
        }
    }
    volts
}

/// A typed number that is kilovolts: below 1 (`0.4`), or a voltage of the grid.
fn is_kilovolts(number: Number) -> bool {
    let whole = number.thousandths / 1_000;
    let is_whole = number.thousandths.is_multiple_of(1_000);
    whole == 0 || (whole < BARE_KILOVOLTS && (!is_whole || NOMINAL_KV.contains(&whole)))
}

/// `400/230`, `380/220`: two bare numbers below 1000 whose ratio is √3 within 1%.
fn is_phase_pair(numbers: &[Number]) -> bool {
    let [line, phase] = numbers else { return false };
    let is_bare = line.unit_v.is_none() && phase.unit_v.is_none();
    let (high, low) = (line.thousandths.max(phase.thousandths), line.thousandths.min(phase.thousandths));
    // (high / low)² is 3 within 2%.
    let squared = high.saturating_mul(high).saturating_mul(100);
    let thrice = low.saturating_mul(low);
    is_bare
        && low >= 100_000
        && high < BARE_KILOVOLTS * 1_000
        && (thrice.saturating_mul(294)..=thrice.saturating_mul(306)).contains(&squared)
}

/// The numbers of a text with their units.
fn numbers(text: &str) -> Vec<Number> {
    let plain: Vec<char> = text.chars().map(narrow).collect();
    let mut rest = plain.as_slice();
    let mut found = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        if !first.is_ascii_digit() {
            rest = after;
            continue;
        }
        let (thousandths, after) = number(rest);
        let (unit_v, after) = unit(after);
        rest = after;
        if found.len() < AT_MOST && thousandths > 0 {
            found.push(Number { thousandths, unit_v });
        }
    }
    found
}

/// Full-width forms as their ASCII ones, everything in lower case.
fn narrow(c: char) -> char {
    let half = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        other => other,
    };
    half.to_ascii_lowercase()
}

/// One number in thousandths; a comma before three digits groups, a point begins the fraction.
fn number(text: &[char]) -> (u64, &[char]) {
    let mut rest = text;
    let mut whole = 0_u64;
    while let Some((first, after)) = rest.split_first() {
        match (first.to_digit(10), after) {
            (Some(digit), _) => whole = whole.saturating_mul(10).saturating_add(digit.into()),
            (None, [a, b, c, tail @ ..]) if *first == ',' && groups([*a, *b, *c], tail) => {}
            (None, _) => break,
        }
        rest = after;
    }
    let mut thousandths = whole.saturating_mul(1_000);
    if let ['.', digit, ..] = rest
        && digit.is_ascii_digit()
    {
        rest = rest.get(1..).unwrap_or_default();
        let mut place = 100_u64;
        while let Some(digit) = rest.first().and_then(|c| c.to_digit(10)) {
            thousandths = thousandths.saturating_add(place.saturating_mul(digit.into()));
            place /= 10;
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    (thousandths, rest)
}

/// Exactly three digits: a group of thousands.
fn groups(three: [char; 3], tail: &[char]) -> bool {
    three.iter().all(char::is_ascii_digit) && tail.first().is_none_or(|c| !c.is_ascii_digit())
}

/// The unit that follows a number, in volts.
fn unit(text: &[char]) -> (Option<u64>, &[char]) {
    const UNITS: &[(&str, u64)] =
        &[("千伏", 1_000), ("万伏", 10_000), ("伏", 1), ("kv", 1_000), ("k", 1_000), ("v", 1)];
    let blanks = text.iter().take_while(|c| c.is_whitespace()).count();
    let at = text.get(blanks..).unwrap_or_default();
    for (name, volts) in UNITS {
        let length = name.chars().count();
        if at.iter().take(length).copied().eq(name.chars()) {
            return (Some(*volts), at.get(length..).unwrap_or_default());
        }
    }
    (None, text)
}

#[cfg(test)]
mod tests {
    use super::Assumption::{
        VoltageAbove as Above, VoltageBetween as Between, VoltageHighest as Highest,
        VoltageImplausible as Implausible, VoltageKilovolts as Kilovolts, VoltageMissing as Missing,
        VoltagePhasePair as PhasePair, VoltageUnreadable as Unreadable,
    };
    use super::*;

    type Case = (&'static str, &'static [u32], Option<&'static str>, &'static [Assumption]);

    fn check(read: fn(&str) -> VoltageReading, cases: &[Case]) {
        for (text, volts, class, assumptions) in cases {
            let reading = read(text);
            let found = (reading.volts.as_slice(), reading.class.as_deref(), reading.assumptions.as_slice());
            assert_eq!(found, (*volts, *class, *assumptions), "{text:?}");
        }
    }

    #[test]
    fn what_people_type_is_read_and_what_was_assumed_is_said() {
        check(
            read,
            &[
                ("", &[], None, &[Missing]),
                ("  ", &[], None, &[Missing]),
                ("未知", &[], None, &[Unreadable]),
                ("high", &[], None, &[Unreadable]),
                ("0", &[], None, &[Unreadable]),
                ("10kV", &[10_000], Some("1-10"), &[]),
                ("10 KV", &[10_000], Some("1-10"), &[]),
                ("１０ｋＶ", &[10_000], Some("1-10"), &[]),
                ("AC 10kV 架空", &[10_000], Some("1-10"), &[]),
                ("10千伏", &[10_000], Some("1-10"), &[]),
                ("110 千伏", &[110_000], Some("35-110"), &[]),
                ("11万伏", &[110_000], Some("35-110"), &[]),
                ("220伏", &[220], Some("below-1"), &[]),
                ("0.4kV", &[400], Some("below-1"), &[]),
                ("0.38", &[380], Some("below-1"), &[Kilovolts]),
                ("380V", &[380], Some("below-1"), &[]),
                ("400/230", &[400, 230], Some("below-1"), &[PhasePair]),
                ("380/220V", &[380, 220], Some("below-1"), &[Highest]),
                ("110", &[110_000], Some("35-110"), &[Kilovolts]),
                ("220", &[220_000], Some("154-220"), &[Kilovolts]),
                ("230", &[230], Some("below-1"), &[]),
                ("35/110 kV", &[110_000, 35_000], Some("35-110"), &[Highest]),
                ("110,000 V", &[110_000], Some("35-110"), &[]),
                ("35,110", &[35_110], Some("35-110"), &[]),
                ("±500kV", &[500_000], Some("500"), &[]),
            ],
        );
    }

    #[test]
    fn voltages_between_two_classes_take_the_higher_and_say_so() {
        check(
            read,
            &[
                ("20kV", &[20_000], Some("35-110"), &[Between]),
                ("33kV", &[33_000], Some("35-110"), &[Between]),
                ("132kV", &[132_000], Some("154-220"), &[Between]),
                ("230kV", &[230_000], Some("330"), &[Between]),
                ("400kV", &[400_000], Some("500"), &[Between]),
                ("10.5kV", &[10_500], Some("35-110"), &[Between]),
                ("500kV", &[500_000], Some("500"), &[]),
                ("500.001kV", &[500_001], None, &[Above]),
                ("750kV", &[750_000], None, &[Above]),
                ("1000千伏", &[1_000_000], None, &[Above]),
            ],
        );
    }

    #[test]
    fn map_tags_are_volts_and_an_impossible_one_counts_as_unknown() {
        check(
            read_tag,
            &[
                ("132000;66000", &[132_000, 66_000], Some("154-220"), &[Highest, Between]),
                ("66000;132000", &[132_000, 66_000], Some("154-220"), &[Highest, Between]),
                ("66000;66000", &[66_000], Some("35-110"), &[]),
                ("66000", &[66_000], Some("35-110"), &[]),
                ("33000", &[33_000], Some("35-110"), &[Between]),
                ("3200", &[3_200], None, &[Implausible]),
                ("132000;3200", &[132_000, 3_200], Some("154-220"), &[Highest, Implausible, Between]),
                ("400/230", &[400, 230], Some("below-1"), &[PhasePair]),
                ("400", &[400], Some("below-1"), &[]),
                ("220", &[220], Some("below-1"), &[]),
                ("10 kV", &[10_000], Some("1-10"), &[]),
                ("99999999999999999999999", &[], None, &[Implausible]),
                ("132000000", &[], None, &[Implausible]),
            ],
        );
    }

    #[test]
    fn no_text_is_too_strange_to_be_read() {
        for text in
            ["kV", "V;;;V", "1.", ".5", "1,,2", "−35", "\u{ff10}", "1e9", "🔌10kV", &"9;".repeat(9_999)]
        {
            let reading = read(text);
            assert!(reading.volts.len() <= AT_MOST, "{text}");
        }
    }

    #[test]
    fn every_assumption_has_a_code_of_its_own_and_words() {
        let codes: std::collections::BTreeSet<&str> = Assumption::ALL.iter().map(|one| one.code()).collect();
        assert_eq!(codes.len(), Assumption::ALL.len());
        assert!(Assumption::ALL.iter().all(|one| one.en().is_ascii() && !one.zh().is_ascii()));
        for one in Assumption::ALL {
            assert_eq!(serde_json::to_value(one).unwrap(), one.code());
        }
    }
}
