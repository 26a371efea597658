//! Fire seasons: which windows of risk a year and an area have.
//!
//! Counties extend a season by order, so a bureau may give windows of its own for a year, an area or both: the most
//! particular rows replace the general ones as a whole. Start at [`windows`].

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use super::{Mark, Rules};

/// How great the risk of a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// 防火期
    Season,
    /// 高火险期
    High,
}

/// A day of any year. 29 February of a year that has none is the 28th.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthDay {
    month: i8,
    day: i8,
}

impl MonthDay {
    /// Reads `MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let (month, day) = text.split_once('-')?;
        let is_two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_two(month) || !is_two(day) {
            return None;
        }
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        // 2000 was a leap year.
        Date::new(2000, month, day).ok().map(|_| Self { month, day })
    }

    /// The day in a year.
    fn in_year(self, year: i16) -> Date {
        Date::new(year, self.month, self.day).unwrap_or_else(|_leap_day| date(year, 2, 28))
    }
}

/// A window as the rules have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How great its risk is.
    pub risk: Risk,
    /// The only year that it is for.
    pub year: Option<i16>,
    /// The only area that it is for: the code or name of a region.
    pub area: Option<String>,
    /// The first day.
    pub from: MonthDay,
    /// The last day; before the first: of the next year.
    pub to: MonthDay,
    /// Where it comes from.
    pub mark: Mark,
    /// The name of the source.
    pub source: String,
}

/// A window in a year, both days included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// How great its risk is.
    pub risk: Risk,
}

/// The windows that meet the days from `from` to `to`, both included, in any of the areas that a place lies in:
/// ascending. `areas` goes from the smallest area to the largest; the first that the rules name decides.
pub fn windows(rules: &Rules, areas: &[&str], from: Date, to: Date) -> Vec<Span> {
    let mut spans = Vec::new();
    // A window that began in the year before may go on.
    for year in from.year().saturating_sub(1)..=to.year() {
        for window in of_year(rules, areas, year) {
            let first = window.from.in_year(year);
            let last = window.to.in_year(year);
            let last = if last < first { window.to.in_year(year.saturating_add(1)) } else { last };
            spans.push(Span { from: first, to: last, risk: window.risk });
        }
    }
    spans.sort_unstable();
    let mut spans = joined(spans);
    spans.retain(|span| span.from <= to && from <= span.to);
    spans
}

/// The rows of one year: those of the smallest area that has any, and of these those of the year.
fn of_year<'r>(rules: &'r Rules, areas: &[&str], year: i16) -> Vec<&'r Window> {
    let places = areas.iter().map(|area| Some(*area)).chain([None]);
    let choices = places.flat_map(|area| [(area, Some(year)), (area, None)]);
    for (area, year) in choices {
        let fits = |window: &&Window| window.area.as_deref() == area && window.year == year;
        let found: Vec<&Window> = rules.seasons.iter().filter(fits).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Windows of one risk that touch are one: a season that goes on over New Year does not begin anew.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        let before = joined.iter_mut().find(|before| {
            let next = before.to.checked_add(1.day()).unwrap_or(before.to);
            before.risk == span.risk && span.from <= next
        });
        match before {
            Some(before) => before.to = before.to.max(span.to),
            None => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT;
    use super::*;

    fn spans(rules: &Rules, areas: &[&str], from: Date, to: Date) -> Vec<(String, String, Risk)> {
        let found = windows(rules, areas, from, to);
        found.iter().map(|span| (span.from.to_string(), span.to.to_string(), span.risk)).collect()
    }

    fn expect(from: &str, to: &str, risk: Risk) -> (String, String, Risk) {
        (from.to_owned(), to.to_owned(), risk)
    }

    #[test]
    fn the_season_of_sichuan_is_the_default_of_every_year() {
        let rules = Rules::standard();
        let day = date(2027, 5, 10);
        let season = expect("2027-01-01", "2027-05-31", Risk::Season);
        let high = expect("2027-02-01", "2027-05-10", Risk::High);
        assert_eq!(spans(rules, &[], day, day), [season.clone(), high.clone()]);
        assert_eq!(spans(rules, &[], date(2027, 5, 11), date(2027, 5, 31)), std::slice::from_ref(&season));
        assert_eq!(spans(rules, &[], date(2027, 6, 1), date(2027, 12, 31)), []);
        assert_eq!(spans(rules, &[], date(2026, 6, 1), date(2027, 2, 1)), [season, high]);
    }

    #[test]
    fn an_order_of_a_county_replaces_the_windows_of_its_year_and_area_only() {
        let order = "\n[[season]]\nrisk = \"season\"\nyear = 2027\narea = \"石棉县\"\nfrom = \"01-01\"\nto = \"06-30\"\n\
                     mark = \"ours\"\nsource = \"县政府令\"\n";
        let rules = Rules::parse(&format!("{DEFAULT}{order}")).unwrap();
        let long = expect("2027-01-01", "2027-06-30", Risk::Season);
        let whole = (date(2027, 1, 1), date(2027, 12, 31));
        assert_eq!(spans(&rules, &["新棉街道", "石棉县"], whole.0, whole.1), [long]);
        assert_eq!(spans(&rules, &["汉源县"], whole.0, whole.1).len(), 2);
        assert_eq!(spans(&rules, &["石棉县"], date(2028, 6, 1), date(2028, 6, 30)), []);
    }

    #[test]
    fn a_window_over_new_year_is_one_window() {
        let winter = DEFAULT.replacen("from = \"01-01\"", "from = \"11-15\"", 1);
        let rules = Rules::parse(&winter).unwrap();
        let day = date(2027, 1, 10);
        assert_eq!(spans(&rules, &[], day, day), [expect("2026-11-15", "2027-05-31", Risk::Season)]);
        let pieces = "\n[[season]]\nrisk = \"season\"\nyear = 2026\nfrom = \"12-01\"\nto = \"12-31\"\nmark = \"ours\"\n\
                      source = \"提前入防\"\n";
        let rules = Rules::parse(&format!("{DEFAULT}{pieces}")).unwrap();
        assert_eq!(spans(&rules, &[], day, day), [expect("2026-12-01", "2027-05-31", Risk::Season)]);
    }

    #[test]
    fn the_leap_day_ends_a_window_in_every_year() {
        let leap = DEFAULT.replacen("to = \"05-31\"", "to = \"02-29\"", 1);
        let rules = Rules::parse(&leap).unwrap();
        let end = |year: i16| windows(&rules, &[], date(year, 1, 1), date(year, 1, 1))[0].to;
        assert_eq!((end(2027), end(2028)), (date(2027, 2, 28), date(2028, 2, 29)));
        assert_eq!(MonthDay::parse("02-29"), MonthDay::parse("02-29"));
        for wrong in ["", "2-29", "02-30", "13-01", "00-10", "02/29", "+2-09", "02-29-1"] {
            assert_eq!(MonthDay::parse(wrong), None, "{wrong}");
        }
    }
}
