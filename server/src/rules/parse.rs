//! From the TOML text of rules to [`Rules`]: shapes by serde, then every figure against the others.
//!
//! An error names the key at fault and says why. What is read here is not looked at again anywhere else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;
use sync_protocol::field::TYPES;
use sync_protocol::ids::sha256;

use super::season::{MonthDay, Risk, Window};
use super::{
    ByClass, Class, Conductor, Cover, Effective, Major, Mark, Measure, Minimum, Network, Period, Rules,
    Severity, Term, Tightening, When,
};

/// Bytes of a text of rules.
pub const TEXT_BYTES: usize = 64 << 10;
/// Rows of one table.
const ROWS: usize = 500;
/// A figure of a clearance, decimetres: 100 m.
const MOST_DM: u32 = 1_000;
/// A term: ten years.
const MOST_DAYS: u32 = 3_660;

/// Why a text is no rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It is longer than rules may be.
    #[error("the text has {0} bytes, more than {TEXT_BYTES}")]
    TooLong(usize),
    /// It is no TOML of this shape.
    #[error("{0}")]
    Shape(String),
    /// A value does not fit.
    #[error("{key}: {why}")]
    Key {
        /// The key at fault.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

type Checked<T> = Result<T, RulesError>;

fn wrong(key: impl Into<String>, why: impl Into<String>) -> RulesError {
    RulesError::Key { key: key.into(), why: why.into() }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    title: String,
    voltage: TextVoltage,
    class: Vec<TextClass>,
    #[serde(default)]
    zone: Vec<TextZone>,
    clearance: TextClearance,
    #[serde(default)]
    minimum: Vec<TextMinimum>,
    #[serde(default)]
    band: Vec<TextBand>,
    fall_in: TextFallIn,
    deadline: Vec<TextTerm>,
    major: TextMajor,
    #[serde(default)]
    season: Vec<TextSeason>,
    #[serde(default)]
    tightening: Vec<TextTightening>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextVoltage {
    unknown: Option<String>,
    #[serde(rename = "mark")]
    _mark: Mark,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextClass {
    key: String,
    zh: String,
    en: String,
    from_v: u32,
    to_v: u32,
    #[serde(default)]
    nominal_v: Vec<u32>,
    network: Network,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextZone {
    width_dm: BTreeMap<String, u32>,
    mark: Mark,
    source: String,
    effective_from: String,
    effective_to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextClearance {
    types: Vec<String>,
    unknown_cover: Cover,
    unknown_conductor: Conductor,
    #[serde(rename = "mark")]
    _mark: Mark,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextMinimum {
    measure: Measure,
    cover: Cover,
    conductor: Conductor,
    minimum_dm: BTreeMap<String, u32>,
    mark: Mark,
    source: String,
    effective_from: String,
    effective_to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextBand {
    serious_dm: BTreeMap<String, u32>,
    mark: Mark,
    source: String,
    effective_from: String,
    effective_to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextFallIn {
    unknown_height: Option<Severity>,
    #[serde(rename = "mark")]
    _mark: Mark,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextTerm {
    severity: Severity,
    network: Option<Network>,
    hours: Option<u32>,
    days: Option<u32>,
    mark: Mark,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextMajor {
    days: u32,
    most_days: u32,
    acceptance_days: u32,
    mark: Mark,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextSeason {
    risk: Risk,
    year: Option<i16>,
    area: Option<String>,
    from: String,
    to: String,
    mark: Mark,
    source: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TextWhen {
    Season,
    High,
    Danger,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextTightening {
    when: TextWhen,
    level_from: Option<u8>,
    serious_days: u32,
    general_days: u32,
    mark: Mark,
}

pub(super) fn parse(text: &str) -> Checked<Rules> {
    if text.len() > TEXT_BYTES {
        return Err(RulesError::TooLong(text.len()));
    }
    let read: Text = toml::from_str(text).map_err(|error| RulesError::Shape(error.to_string()))?;
    count("class", read.class.len())?;
    let classes = classes(read.class)?;
    let keys: BTreeSet<&str> = classes.iter().map(|class| class.key.as_str()).collect();
    if let Some(unknown) = &read.voltage.unknown {
        known_class("voltage.unknown", unknown, &keys)?;
    }
    if let Some(strange) = read.clearance.types.iter().find(|name| !TYPES.contains(&name.as_str())) {
        return Err(wrong("clearance.types", format!("no hazard has the type {strange:?}")));
    }
    let zones = figures(
        &keys,
        "zone",
        "width_dm",
        read.zone
            .into_iter()
            .map(|zone| (zone.width_dm, zone.mark, zone.source, zone.effective_from, zone.effective_to)),
    )?;
    let bands = figures(
        &keys,
        "band",
        "serious_dm",
        read.band
            .into_iter()
            .map(|band| (band.serious_dm, band.mark, band.source, band.effective_from, band.effective_to)),
    )?;
    let minima = minima(&keys, read.minimum)?;
    let terms = terms(&read.deadline)?;
    let major = major(&read.major)?;
    let seasons = seasons(read.season)?;
    let tightenings = tightenings(&read.tightening)?;
    Ok(Rules {
        version: hex::encode(sha256(text.as_bytes())),
        title: read.title,
        unknown_class: read.voltage.unknown,
        classes,
        zones,
        types: read.clearance.types,
        unknown_cover: read.clearance.unknown_cover,
        unknown_conductor: read.clearance.unknown_conductor,
        minima,
        bands,
        fall_in_unknown: read.fall_in.unknown_height,
        terms,
        major,
        seasons,
        tightenings,
    })
}

fn count(table: &str, rows: usize) -> Checked<()> {
    if rows > ROWS { Err(wrong(table, format!("{rows} rows, more than {ROWS}"))) } else { Ok(()) }
}

fn known_class(key: &str, class: &str, keys: &BTreeSet<&str>) -> Checked<()> {
    if keys.contains(class) { Ok(()) } else { Err(wrong(key, format!("there is no class {class:?}"))) }
}

fn classes(rows: Vec<TextClass>) -> Checked<Vec<Class>> {
    let mut classes: Vec<Class> = Vec::with_capacity(rows.len());
    if rows.is_empty() {
        return Err(wrong("class", "there is none"));
    }
    for (index, row) in rows.into_iter().enumerate() {
        let at = |name: &str| format!("class[{index}].{name}");
        if row.key.is_empty() || classes.iter().any(|class| class.key == row.key) {
            return Err(wrong(at("key"), "it is empty, or another class has it"));
        }
        if row.from_v == 0 || row.from_v > row.to_v {
            return Err(wrong(at("from_v"), "it must be above 0 and not above to_v"));
        }
        if classes.last().is_some_and(|below| below.to_v >= row.from_v) {
            return Err(wrong(at("from_v"), "classes ascend and do not overlap"));
        }
        if let Some(outside) = row.nominal_v.iter().find(|volts| !(row.from_v..=row.to_v).contains(volts)) {
            return Err(wrong(at("nominal_v"), format!("{outside} lies outside the class")));
        }
        classes.push(Class {
            key: row.key,
            zh: row.zh,
            en: row.en,
            from_v: row.from_v,
            to_v: row.to_v,
            nominal_v: row.nominal_v,
            network: row.network,
        });
    }
    Ok(classes)
}

type FigureRow = (BTreeMap<String, u32>, Mark, String, String, Option<String>);

fn figures(
    keys: &BTreeSet<&str>,
    table: &str,
    name: &str,
    rows: impl ExactSizeIterator<Item = FigureRow>,
) -> Checked<Vec<ByClass>> {
    count(table, rows.len())?;
    let mut found = Vec::with_capacity(rows.len());
    for (index, row) in rows.enumerate() {
        found.push(by_class(keys, &format!("{table}[{index}]"), name, row)?);
    }
    apart(table, name, &found)?;
    Ok(found)
}

fn by_class(keys: &BTreeSet<&str>, at: &str, name: &str, row: FigureRow) -> Checked<ByClass> {
    let (figures_dm, mark, source, from, to) = row;
    for (class, figure) in &figures_dm {
        let key = format!("{at}.{name}.{class}");
        known_class(&key, class, keys)?;
        if *figure == 0 || *figure > MOST_DM {
            return Err(wrong(key, format!("{figure} dm is not in 1 to {MOST_DM}")));
        }
    }
    let effective = effective(at, &from, to.as_deref())?;
    Ok(ByClass { figures_dm, mark, source, effective })
}

/// No two rows give a figure of one class from the same day on: which would count?
fn apart(table: &str, name: &str, rows: &[ByClass]) -> Checked<()> {
    let mut seen = BTreeSet::new();
    for row in rows {
        for class in row.figures_dm.keys() {
            if !seen.insert((class, row.effective.from)) {
                return Err(wrong(
                    format!("{table}.{name}.{class}"),
                    format!("two rows from {}", row.effective.from),
                ));
            }
        }
    }
    Ok(())
}

fn effective(at: &str, from: &str, to: Option<&str>) -> Checked<Effective> {
    let day = |name: &str, text: &str| {
        text.parse::<Date>().map_err(|error| wrong(format!("{at}.{name}"), format!("{text:?}: {error}")))
    };
    let from = day("effective_from", from)?;
    let to = to.map(|to| day("effective_to", to)).transpose()?;
    if to.is_some_and(|to| to < from) {
        return Err(wrong(format!("{at}.effective_to"), "it lies before effective_from"));
    }
    Ok(Effective { from, to })
}

fn minima(keys: &BTreeSet<&str>, rows: Vec<TextMinimum>) -> Checked<Vec<Minimum>> {
    count("minimum", rows.len())?;
    let mut minima = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let figures = (row.minimum_dm, row.mark, row.source, row.effective_from, row.effective_to);
        let by_class = by_class(keys, &format!("minimum[{index}]"), "minimum_dm", figures)?;
        minima.push(Minimum { measure: row.measure, cover: row.cover, conductor: row.conductor, by_class });
    }
    let mut tables: BTreeMap<_, Vec<ByClass>> = BTreeMap::new();
    for row in &minima {
        let table = tables.entry((row.measure, row.cover, row.conductor)).or_default();
        table.push(row.by_class.clone());
    }
    for rows in tables.values() {
        apart("minimum", "minimum_dm", rows)?;
    }
    Ok(minima)
}

fn days(key: &str, days: u32) -> Checked<u32> {
    if (1..=MOST_DAYS).contains(&days) {
        Ok(days)
    } else {
        Err(wrong(key, format!("{days} days are not in 1 to {MOST_DAYS}")))
    }
}

fn terms(rows: &[TextTerm]) -> Checked<Vec<Term>> {
    count("deadline", rows.len())?;
    let mut terms = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let at = format!("deadline[{index}]");
        let period = match (row.hours, row.days) {
            (Some(hours), None) if (1..=24 * MOST_DAYS).contains(&hours) => Period::Hours(hours),
            (None, Some(found)) => Period::Days(days(&format!("{at}.days"), found)?),
            (Some(_) | None, Some(_) | None) => {
                return Err(wrong(at, "it has either hours or days, above 0"));
            }
        };
        terms.push(Term { severity: row.severity, network: row.network, period, mark: row.mark });
    }
    for severity in [Severity::Critical, Severity::Serious, Severity::General] {
        for network in [Network::Distribution, Network::Transmission] {
            let fits =
                |term: &&Term| term.severity == severity && term.network.is_none_or(|only| only == network);
            let found = terms.iter().filter(fits).count();
            if found != 1 {
                let name = severity.as_str();
                return Err(wrong("deadline", format!("{name}, {network:?}: {found} rows instead of one")));
            }
        }
    }
    Ok(terms)
}

fn major(row: &TextMajor) -> Checked<Major> {
    let most_days = days("major.most_days", row.most_days)?;
    let default = days("major.days", row.days)?;
    if default > most_days {
        return Err(wrong("major.days", "it is more than most_days"));
    }
    let acceptance_days = days("major.acceptance_days", row.acceptance_days)?;
    Ok(Major { days: default, most_days, acceptance_days, mark: row.mark })
}

fn seasons(rows: Vec<TextSeason>) -> Checked<Vec<Window>> {
    count("season", rows.len())?;
    let mut windows = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let day = |name: &str, text: &str| {
            MonthDay::parse(text)
                .ok_or_else(|| wrong(format!("season[{index}].{name}"), format!("{text:?} is no MM-DD")))
        };
        let (from, to) = (day("from", &row.from)?, day("to", &row.to)?);
        if row.year.is_some_and(|year| !(1900..=9998).contains(&year)) {
            return Err(wrong(format!("season[{index}].year"), "it is not in 1900 to 9998"));
        }
        if row.year.is_some() && to < from {
            return Err(wrong(
                format!("season[{index}].to"),
                "a window of one year ends in it; what goes on is a row of the next year",
            ));
        }
        if row.area.as_deref().is_some_and(str::is_empty) {
            return Err(wrong(format!("season[{index}].area"), "it is empty; everywhere is no area at all"));
        }
        windows.push(Window {
            risk: row.risk,
            year: row.year,
            area: row.area,
            from,
            to,
            mark: row.mark,
            source: row.source,
        });
    }
    Ok(windows)
}

fn tightenings(rows: &[TextTightening]) -> Checked<Vec<Tightening>> {
    count("tightening", rows.len())?;
    let mut tightenings = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let at = |name: &str| format!("tightening[{index}].{name}");
        let when = match (row.when, row.level_from) {
            (TextWhen::Season, None) => When::Season(Risk::Season),
            (TextWhen::High, None) => When::Season(Risk::High),
            (TextWhen::Danger, Some(level @ 1..=5)) => When::Danger(level),
            (TextWhen::Danger, Some(_) | None) => {
                return Err(wrong(at("level_from"), "a danger level is 1 to 5"));
            }
            (TextWhen::Season | TextWhen::High, Some(_)) => {
                return Err(wrong(at("level_from"), "only a danger level has it"));
            }
        };
        tightenings.push(Tightening {
            when,
            serious_days: days(&at("serious_days"), row.serious_days)?,
            general_days: days(&at("general_days"), row.general_days)?,
            mark: row.mark,
        });
    }
    Ok(tightenings)
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT;
    use super::*;

    #[test]
    fn the_default_rules_are_valid_and_say_which_version_they_are() {
        let rules = Rules::parse(DEFAULT).unwrap();
        assert_eq!(rules.version(), hex::encode(sha256(DEFAULT.as_bytes())));
        assert_eq!(rules.classes.len(), 6);
        assert_ne!(Rules::parse(&format!("{DEFAULT}\n")).unwrap().version(), rules.version());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_key() {
        let cases: &[(&str, &str, &str)] = &[
            ("title = ", "titel = ", "titel"),
            ("unknown = \"35-110\"", "unknown = \"36\"", "voltage.unknown: there is no class \"36\""),
            ("key = \"330\"", "key = \"500\"", "class[5].key"),
            ("from_v = 35000", "from_v = 9000", "class[2].from_v: classes ascend"),
            ("to_v = 999", "to_v = 0", "class[0].from_v"),
            ("nominal_v = [1000,", "nominal_v = [999,", "class[1].nominal_v: 999"),
            ("types = [\"tree\",", "types = [\"treee\",", "clearance.types"),
            ("width_dm = { \"1-10\" = 50", "width_dm = { \"1-11\" = 50", "zone[0].width_dm.1-11"),
            ("width_dm = { \"1-10\" = 50", "width_dm = { \"1-10\" = 0", "zone[0].width_dm.1-10: 0 dm"),
            (
                "minimum_dm = { \"below-1\" = 30, ",
                "minimum_dm = { \"1-10\" = 30, ",
                "two rows from 2000-01-01",
            ),
            ("effective_from = \"2000-01-01\"", "effective_from = \"2000-13-01\"", "effective_from"),
            ("mark = \"V\"", "mark = \"W\"", "W"),
            ("hours = 24", "hours = 24\ndays = 1", "deadline[0]: it has either"),
            ("network = \"distribution\"\ndays", "days", "2 rows instead of one"),
            ("severity = \"general\"\ndays", "severity = \"serious\"\ndays", "rows instead of one"),
            ("days = 60", "days = 91", "major.days"),
            ("days = 180", "days = 0", "deadline[3].days"),
            ("from = \"01-01\"", "from = \"02-30\"", "season[0].from"),
            ("from = \"02-01\"", "year = 2026\nfrom = \"06-01\"", "season[1].to"),
            ("from = \"02-01\"", "area = \"\"\nfrom = \"02-01\"", "season[1].area"),
            ("level_from = 4", "level_from = 6", "tightening[2].level_from"),
            ("when = \"high\"", "when = \"high\"\nlevel_from = 4", "tightening[1].level_from"),
        ];
        for (from, to, why) in cases {
            assert!(DEFAULT.contains(from), "{from}");
            let text = DEFAULT.replacen(from, to, 1);
            let error = Rules::parse(&text).expect_err(to).to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
        let padded = |bytes: usize| format!("{DEFAULT}#{}", "x".repeat(bytes - DEFAULT.len() - 1));
        assert!(Rules::parse(&padded(TEXT_BYTES)).is_ok());
        assert_eq!(Rules::parse(&padded(TEXT_BYTES + 1)), Err(RulesError::TooLong(TEXT_BYTES + 1)));
    }
}
