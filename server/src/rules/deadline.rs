//! Until when a hazard must be gone: by severity and network, tightened in forest by season and danger level.
//!
//! [`deadline`] is a function of what is known, the rules and a calendar. Hours are exact; days end at 24:00 local. What
//! tightens counts from the day on which it was raised, and so do rules that were set since people were told; a deadline
//! that people were told is never lengthened. Not here:
//! who is told, and overdue, which is the clock's.

mod words;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::season::{self, Risk};
use super::{Network, Period, Rules, Severity, When};

/// A fire-danger level and the time at which it was raised to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Danger {
    /// 1 to 5.
    pub level: u8,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

/// What a deadline depends on.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The severity that shows.
    pub severity: Severity,
    /// Since when it shows, where it was raised after the hazard was found; milliseconds since 1970.
    pub severity_since_ms: Option<i64>,
    /// The key of its line's voltage class; none: unknown.
    pub class: Option<&'a str>,
    /// Whether it stands in forest; none: not recorded.
    pub forest: Option<bool>,
    /// The areas that it lies in, the smallest first.
    pub areas: &'a [&'a str],
    /// The danger levels that held since it was found, in any order.
    pub dangers: &'a [Danger],
    /// A major hazard.
    pub is_major: bool,
    /// When it was found at the earliest: the lower bound of its time, milliseconds since 1970.
    pub from_ms: i64,
    /// The time that is looked from: what is raised later is not known yet, milliseconds since 1970.
    pub as_of_ms: i64,
    /// The deadline that people were told already, milliseconds since 1970.
    pub notified_ms: Option<i64>,
    /// Terms that whoever told it knew of: none of them tightens it any more.
    pub known: &'a [DeadlineReason],
    /// When the rules were set, where people were told the deadline under others: no term of theirs ends earlier than if
    /// it had begun then. Milliseconds since 1970.
    pub rules_since_ms: Option<i64>,
}

/// Until when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The first instant at which the hazard is overdue, milliseconds since 1970.
    pub at_ms: i64,
    /// It is earlier than the one that people were told: they must be told anew.
    pub is_tightened: bool,
    /// Of a major hazard: the last instant to which its deadline may be extended.
    pub latest_ms: Option<i64>,
    /// Of a major hazard: until when it must be accepted on site, counted from the deadline.
    pub acceptance_ms: Option<i64>,
    /// What was assumed, and every term that was looked at; the one that decides comes last.
    pub reasons: Vec<DeadlineReason>,
    /// The version of the rules.
    pub rules: String,
}

/// One reason of a deadline. Rendered by [`DeadlineReason::zh`] and [`DeadlineReason::en`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum DeadlineReason {
    /// The voltage is unknown: the shorter term of the two networks was taken.
    NetworkAssumed {
        /// Of this one.
        network: Network,
    },
    /// Whether it stands in forest was not recorded: forest was assumed.
    ForestAssumed,
    /// The term of its severity.
    Severity {
        /// The severity.
        severity: Severity,
        /// The term.
        term: Count,
        /// When it ends.
        at_ms: i64,
    },
    /// The term of a major hazard.
    Major {
        /// The term.
        term: Count,
        /// When it ends.
        at_ms: i64,
    },
    /// A fire season in forest.
    Season {
        /// How great its risk is.
        risk: Risk,
        /// The local day from which it counts.
        from: Date,
        /// The term.
        term: Count,
        /// When it ends.
        at_ms: i64,
    },
    /// A fire-danger level in forest.
    Danger {
        /// The level.
        level: u8,
        /// The local day from which it counts.
        from: Date,
        /// The term.
        term: Count,
        /// When it ends.
        at_ms: i64,
    },
    /// People were told this deadline: it is not lengthened.
    Notified {
        /// The deadline.
        at_ms: i64,
    },
}

/// A term as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Exact hours.
    Hours(u32),
    /// Days that end at 24:00.
    Days(u32),
}

impl From<Period> for Count {
    fn from(period: Period) -> Self {
        match period {
            Period::Hours(hours) => Self::Hours(hours),
            Period::Days(days) => Self::Days(days),
        }
    }
}

impl From<Count> for Period {
    fn from(count: Count) -> Self {
        match count {
            Count::Hours(hours) => Self::Hours(hours),
            Count::Days(days) => Self::Days(days),
        }
    }
}

impl DeadlineReason {
    /// The same, ending no earlier than if its term had begun at a time.
    fn begun_at_least(mut self, from_ms: i64, zone: &TimeZone) -> Option<Self> {
        match &mut self {
            Self::NetworkAssumed { .. } | Self::ForestAssumed | Self::Notified { .. } => {}
            Self::Severity { term, at_ms, .. }
            | Self::Major { term, at_ms }
            | Self::Season { term, at_ms, .. }
            | Self::Danger { term, at_ms, .. } => *at_ms = end(from_ms, (*term).into(), zone)?.max(*at_ms),
        }
        Some(self)
    }

    const fn at_ms(&self) -> Option<i64> {
        match self {
            Self::NetworkAssumed { .. } | Self::ForestAssumed => None,
            Self::Severity { at_ms, .. }
            | Self::Major { at_ms, .. }
            | Self::Season { at_ms, .. }
            | Self::Danger { at_ms, .. }
            | Self::Notified { at_ms } => Some(*at_ms),
        }
    }
}

/// The deadline of a hazard; none where a time lies outside every calendar.
pub fn deadline(rules: &Rules, situation: &Situation<'_>, zone: &TimeZone) -> Option<Deadline> {
    let mut reasons = Vec::new();
    let from_ms = situation.severity_since_ms.unwrap_or(situation.from_ms).max(situation.from_ms);
    let period = period(rules, situation, &mut reasons)?;
    let at_ms = end(from_ms, period, zone)?;
    let mut terms =
        vec![DeadlineReason::Severity { severity: situation.severity, term: period.into(), at_ms }];
    if situation.is_major {
        let period = Period::Days(rules.major.days);
        terms.push(DeadlineReason::Major {
            term: period.into(),
            at_ms: end(situation.from_ms, period, zone)?,
        });
    }
    if situation.severity != Severity::Critical && situation.forest != Some(false) {
        let tightened = tightened(rules, situation, from_ms, zone)?;
        reasons.extend(
            (situation.forest.is_none() && !tightened.is_empty()).then_some(DeadlineReason::ForestAssumed),
        );
        terms.extend(tightened);
    }
    terms.retain(|term| !situation.known.contains(term));
    if let Some(since_ms) = situation.rules_since_ms {
        terms = terms.into_iter().map(|term| term.begun_at_least(since_ms, zone)).collect::<Option<_>>()?;
    }
    terms.extend(situation.notified_ms.map(|at_ms| DeadlineReason::Notified { at_ms }));
    // A stable order: of equal terms the one named first stays last, and so decides.
    terms.reverse();
    terms.sort_by_key(|term| std::cmp::Reverse(term.at_ms()));
    let at_ms = terms.last().and_then(DeadlineReason::at_ms)?;
    reasons.extend(terms);
    let major = |ms, days| situation.is_major.then(|| end(ms, Period::Days(days), zone)).flatten();
    Some(Deadline {
        at_ms,
        is_tightened: situation.notified_ms.is_some_and(|told| at_ms < told),
        latest_ms: major(situation.from_ms, rules.major.most_days),
        // The deadline is the end of a day: its last instant belongs to that day.
        acceptance_ms: major(at_ms.saturating_sub(1), rules.major.acceptance_days),
        reasons,
        rules: rules.version().to_owned(),
    })
}

/// The term of the severity. Where the network is not known, the shorter of the two.
fn period(rules: &Rules, situation: &Situation<'_>, reasons: &mut Vec<DeadlineReason>) -> Option<Period> {
    let of = |network: Network| {
        let terms = rules.terms.iter().filter(|term| term.severity == situation.severity);
        terms.filter(|term| term.network.is_none_or(|only| only == network)).map(|term| term.period).next()
    };
    if let Some(class) = situation.class.and_then(|key| rules.class(key)) {
        return of(class.network);
    }
    let (distribution, transmission) = (of(Network::Distribution)?, of(Network::Transmission)?);
    if distribution == transmission {
        return Some(distribution);
    }
    let is_shorter = length_hours(transmission) < length_hours(distribution);
    let network = if is_shorter { Network::Transmission } else { Network::Distribution };
    reasons.push(DeadlineReason::NetworkAssumed { network });
    of(network)
}

const fn length_hours(period: Period) -> u32 {
    match period {
        Period::Hours(hours) => hours,
        Period::Days(days) => days.saturating_mul(24),
    }
}

/// Every tightening that was raised between the finding and the time that is looked from, each from the day on which
/// it was raised.
fn tightened(
    rules: &Rules,
    situation: &Situation<'_>,
    from_ms: i64,
    zone: &TimeZone,
) -> Option<Vec<DeadlineReason>> {
    let first = day(from_ms, zone)?;
    let last = day(situation.as_of_ms.max(from_ms), zone)?;
    let spans = season::windows(rules, situation.areas, first, last);
    let mut terms = Vec::new();
    for row in &rules.tightenings {
        let days = match situation.severity {
            Severity::Serious => row.serious_days,
            Severity::General => row.general_days,
            Severity::Critical => continue,
        };
        let term = Count::Days(days);
        match row.when {
            When::Season(risk) => {
                for span in spans.iter().filter(|span| span.risk == risk) {
                    let from = span.from.max(first);
                    terms.push(DeadlineReason::Season { risk, from, term, at_ms: end_of(from, days, zone)? });
                }
            }
            When::Danger(from_level) => {
                let known = situation.dangers.iter().filter(|danger| danger.since_ms <= situation.as_of_ms);
                for danger in known.filter(|danger| danger.level >= from_level) {
                    let from = day(danger.since_ms, zone)?.max(first);
                    let (level, at_ms) = (danger.level, end_of(from, days, zone)?);
                    terms.push(DeadlineReason::Danger { level, from, term, at_ms });
                }
            }
        }
    }
    Some(terms)
}

/// The local day of a time.
fn day(at_ms: i64, zone: &TimeZone) -> Option<Date> {
    Some(Timestamp::from_millisecond(at_ms).ok()?.to_zoned_datetime(zone.clone()).date())
}

/// The end of the day until which a major hazard is accepted on site (10 days by default), from when that was asked
/// for.
pub fn acceptance_ms(rules: &Rules, asked_ms: i64, zone: &TimeZone) -> Option<i64> {
    end(asked_ms, Period::Days(rules.major.acceptance_days), zone)
}

/// When a period that begins at a time ends.
fn end(from_ms: i64, period: Period, zone: &TimeZone) -> Option<i64> {
    match period {
        Period::Hours(hours) => from_ms.checked_add(i64::from(hours).checked_mul(3_600_000)?),
        Period::Days(days) => end_of(day(from_ms, zone)?, days, zone),
    }
}

/// 24:00 of the day that is so many days after another: the first instant of the next.
fn end_of(from: Date, days: u32, zone: &TimeZone) -> Option<i64> {
    let next = from.checked_add(i64::from(days).checked_add(1)?.days()).ok()?;
    Some(next.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests;
