//! The filters of files: those of the ledger's list, as far as columns of a layer say what they ask for.

use geo::Coord;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sync_protocol::codes::Code;
use sync_protocol::enrolment::percent_encoded;
use sync_protocol::field::CATEGORIES;
use sync_protocol::view::State;
use uuid::Uuid;

use super::Subject;
use crate::domain::Role;
use crate::layers::crs::Crs;
use crate::layers::predicate::{Comparison, Predicate};
use crate::layers::{Column, Layer, Value};
use crate::report::figures::is_counted;
use crate::store::OfRecord;
use crate::sync::SyncError;
use crate::sync::layers::Selection;
use crate::sync::sight::Sight;

/// What is asked of features; none: anything. Days are local to the district, both ends included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// In a box: west, south, east, north, WGS-84 degrees; west beyond east where it crosses the 180th meridian.
    pub bbox: Option<[f64; 4]>,
    /// In this state.
    pub state: Option<String>,
    /// Open or not.
    pub open: Option<bool>,
    /// `critical`, `serious`, `general`, `none`.
    pub severity: Option<String>,
    /// Without their report, or with it.
    pub provisional: Option<bool>,
    /// With an open conflict, or without.
    pub conflict: Option<bool>,
    /// Neither void nor a duplicate, or one of these.
    pub counted: Option<bool>,
    /// Categories with commas between them, or `none`.
    pub category: Option<String>,
    /// Of this 乡镇.
    pub township: Option<String>,
    /// On the line of this id.
    pub line: Option<Uuid>,
    /// Found from this day on.
    pub found_from: Option<Date>,
    /// Found until this day.
    pub found_to: Option<Date>,
    /// Past their deadline, or not.
    pub overdue: Option<bool>,
    /// This role must act.
    pub turn: Option<String>,
    /// This unit answers for them.
    pub unit: Option<Uuid>,
    /// Due before this moment, milliseconds since 1970.
    pub due_before: Option<i64>,
    /// Major hazards, or others.
    pub major: Option<bool>,
    /// Of hazards: changed after this change number. Of stretches: not patrolled since this day, `YYYY-MM-DD`.
    pub since: Option<String>,
    /// Operations of it are named that the ledger does not hold, or none are.
    pub missing: Option<bool>,
    /// Found by a supervisory inspection, or otherwise.
    pub supervised: Option<bool>,
    /// `hazard`, which is what files have.
    pub record_type: Option<String>,
}

/// What `bbox` is said to be.
pub const BBOX: &str = "lon_min,lat_min,lon_max,lat_max";
/// What `severity` may be.
pub const SEVERITIES: [&str; 4] = ["critical", "serious", "general", "none"];

/// Refuses days of finding the last of which lies before the first.
///
/// # Errors
/// [`Code::BadParameter`].
pub fn require_order<T: PartialOrd>(from: Option<T>, to: Option<T>) -> Result<(), SyncError> {
    let ends_early = from.zip(to).is_some_and(|(from, to)| to < from);
    if ends_early { Err(bad("found_to: 早于起始日期 before found_from")) } else { Ok(()) }
}

fn bad(detail: impl Into<String>) -> SyncError {
    SyncError::RefusedFor(Code::BadParameter, detail.into())
}

/// Builds the conditions of one layer.
struct Conditions {
    layer: Layer,
    all: Vec<Predicate>,
}

impl Conditions {
    /// The column that a filter asks for.
    fn column(&self, filter: &str, name: &str) -> Result<&'static Column, SyncError> {
        let found = self.layer.columns().iter().find(|column| column.name == name);
        found.ok_or_else(|| bad(format!("{filter}: features of {} have none", self.layer.name())))
    }

    fn compare(
        &mut self,
        filter: &str,
        column: &str,
        comparison: Comparison,
        value: Option<Value>,
    ) -> Result<(), SyncError> {
        if let Some(value) = value {
            let column = self.column(filter, column)?;
            self.all.push(Predicate::Compare(column, comparison, value));
        }
        Ok(())
    }

    fn equal(&mut self, name: &str, value: Option<Value>) -> Result<(), SyncError> {
        self.compare(name, name, Comparison::Equal, value)
    }
}

fn not(one: Predicate) -> Predicate {
    Predicate::Not(Box::new(one))
}

fn texts<'t>(all: impl IntoIterator<Item = &'t str>) -> Vec<Value> {
    all.into_iter().map(|text| Value::Text(text.to_owned())).collect()
}

impl Filters {
    /// The features of a subject that these name, as far as they are seen.
    ///
    /// # Errors
    /// [`Code::BadParameter`], with the filter's name.
    pub fn selection(
        &self,
        subject: Subject,
        zone: &TimeZone,
        now_ms: i64,
        sight: Sight,
    ) -> Result<Selection, SyncError> {
        let layer = match subject {
            Subject::Layer(layer) => layer,
            Subject::Ledger => Layer::Hazards,
            Subject::All if *self == (Self { bbox: self.bbox, ..Self::default() }) => Layer::Hazards,
            Subject::All => return Err(bad("layer: all layers have bbox alone as a filter")),
        };
        let mut asked = Conditions { layer, all: Vec::new() };
        let bbox = self.ask_box(&mut asked)?;
        self.ask_terms(&mut asked)?;
        self.ask_times(&mut asked, zone, now_ms)?;
        let predicate = match asked.all.len() {
            0 => None,
            1 => asked.all.pop(),
            _ => Some(Predicate::And(asked.all)),
        };
        let since = match (&self.since, layer) {
            (Some(day), Layer::NotPatrolled) => {
                let day: Date = day.parse().map_err(|_source| bad("since: a day, YYYY-MM-DD"))?;
                Some(day_number(day))
            }
            // The day is told, so that a file of tomorrow is another.
            (None, Layer::NotPatrolled) => {
                let today = zone_date(zone, now_ms).ok_or_else(|| bad("since"))?;
                Some(day_number(today) - crate::sync::layers::UNPATROLLED_DAYS)
            }
            _ => None,
        };
        let of_record = self.of_record(layer)?;
        let sight = self.narrowed(layer, sight)?;
        Ok(Selection { predicate, bbox, at: None, since, of_record, sight })
    }

    /// What is asked of the records of hazards.
    fn of_record(&self, layer: Layer) -> Result<OfRecord, SyncError> {
        let is_asked = self.missing.is_some() || self.supervised.is_some() || self.record_type.is_some();
        match (layer, &self.since) {
            (Layer::Hazards, _) => {}
            (_, _) if is_asked => return Err(bad("missing, supervised, type: they belong to hazards")),
            (Layer::NotPatrolled, _) | (_, None) => return Ok(OfRecord::NOTHING),
            (_, Some(_)) => return Err(bad("since: it belongs to hazards and not_patrolled")),
        }
        if self.record_type.as_ref().is_some_and(|name| name != "hazard") {
            return Err(bad("type: files have hazards alone"));
        }
        let change = |text: &String| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).ok_or_else(|| bad("since: a change number"))
        };
        Ok(OfRecord {
            changed_after: self.since.as_ref().map(change).transpose()?,
            is_missing: self.missing,
            is_supervised: self.supervised,
        })
    }

    /// The box, where it is one: across the 180th meridian it is two, which are a condition.
    fn ask_box(&self, asked: &mut Conditions) -> Result<Option<[f64; 4]>, SyncError> {
        let Some([west, south, east, north]) = self.bbox else { return Ok(None) };
        let is_on_earth = |at: f64, most: f64| (-most..=most).contains(&at);
        if ![west, east].iter().all(|at| is_on_earth(*at, 180.0))
            || ![south, north].iter().all(|at| is_on_earth(*at, 90.0))
        {
            return Err(bad(format!("bbox: {BBOX}")));
        }
        let (least, most) = (Coord { x: west, y: south }, Coord { x: east, y: north });
        let areas =
            Crs::storage().box_into_degrees(least, most).ok_or_else(|| bad(format!("bbox: {BBOX}")))?;
        if west <= east {
            return Ok(self.bbox);
        }
        asked.all.push(Predicate::meets_one_of(areas));
        Ok(None)
    }

    fn ask_terms(&self, asked: &mut Conditions) -> Result<(), SyncError> {
        if let Some(state) = &self.state {
            let names = State::ALL.iter().map(|state| state.as_str());
            State::parse(state).ok_or_else(|| SyncError::one_of("state", names))?;
        }
        asked.equal("state", self.state.clone().map(Value::Text))?;
        asked.equal("open", self.open.map(Value::Boolean))?;
        asked.equal("provisional", self.provisional.map(Value::Boolean))?;
        asked.equal("conflict", self.conflict.map(Value::Boolean))?;
        asked.equal("major", self.major.map(Value::Boolean))?;
        asked.equal("township", self.township.clone().map(Value::Text))?;
        asked.equal("line", self.line.map(|line| Value::Text(line.to_string())))?;
        if let Some(turn) = &self.turn {
            let names = Role::ALL.iter().map(|role| role.as_str());
            Role::parse(turn).ok_or_else(|| SyncError::one_of("turn", names))?;
        }
        asked.equal("turn", self.turn.clone().map(Value::Text))?;
        if let Some(severity) = &self.severity {
            let column = asked.column("severity", "severity")?;
            let category = asked.column("severity", "category")?;
            let known = Predicate::In(column, texts(["serious", "general"]));
            // As the ledger's list: a fire sighting is always critical, and so is a severity that nobody knows.
            let sighting = Predicate::And(vec![
                not(Predicate::IsNull(category)),
                Predicate::Compare(category, Comparison::Equal, Value::Text("fire_sighting".to_owned())),
            ]);
            let unknown = Predicate::And(vec![not(Predicate::IsNull(column)), not(known)]);
            asked.all.push(match severity.as_str() {
                "none" => Predicate::And(vec![Predicate::IsNull(column), not(sighting)]),
                "critical" => Predicate::Or(vec![sighting, unknown]),
                "serious" | "general" => {
                    let same = Predicate::Compare(column, Comparison::Equal, Value::Text(severity.clone()));
                    Predicate::And(vec![same, not(sighting)])
                }
                _ => return Err(SyncError::one_of("severity", SEVERITIES)),
            });
        }
        if let Some(counted) = self.counted {
            let column = asked.column("counted", "state")?;
            let states = State::ALL.iter().filter(|state| is_counted(**state) == counted);
            asked.all.push(Predicate::In(column, texts(states.map(|state| state.as_str()))));
        }
        if let Some(category) = &self.category {
            let column = asked.column("category", "category")?;
            asked.all.push(match category.as_str() {
                "none" => Predicate::Or(vec![
                    Predicate::IsNull(column),
                    not(Predicate::In(column, texts(CATEGORIES.iter().copied()))),
                ]),
                names => {
                    if !names.split(',').all(|name| CATEGORIES.contains(&name)) {
                        let names = CATEGORIES.iter().copied().chain(["none"]);
                        return Err(SyncError::one_of("category", names));
                    }
                    Predicate::In(column, texts(names.split(',')))
                }
            });
        }
        Ok(())
    }

    fn ask_times(&self, asked: &mut Conditions, zone: &TimeZone, now_ms: i64) -> Result<(), SyncError> {
        let midnight = |name: &str, day: Option<Date>| {
            day.map(|day| {
                midnight_ms(zone, day)
                    .map(Value::Time)
                    .ok_or_else(|| bad(format!("{name}: 超出范围 out of range")))
            })
            .transpose()
        };
        require_order(self.found_from, self.found_to)?;
        let from = midnight("found_from", self.found_from)?;
        // Nothing is found after the last of all days.
        let after = self.found_to.and_then(|day| day.tomorrow().ok());
        let to = midnight("found_to", after)?;
        asked.compare("found_from", "found", Comparison::AtLeast, from)?;
        asked.compare("found_to", "found", Comparison::Less, to)?;
        asked.compare("due_before", "due", Comparison::Less, self.due_before.map(Value::Time))?;
        // What is asked of who must act is asked of open hazards, as in the list.
        let is_of_case = self.due_before.is_some()
            || self.overdue.is_some()
            || self.turn.is_some()
            || self.unit.is_some()
            || self.major.is_some();
        if is_of_case {
            asked.equal("open", Some(Value::Boolean(true)))?;
        }
        if let Some(overdue) = self.overdue {
            let column = asked.column("overdue", "due")?;
            let late = Predicate::Compare(column, Comparison::AtMost, Value::Time(now_ms));
            asked.all.push(if overdue {
                late
            } else {
                Predicate::Or(vec![Predicate::IsNull(column), not(late)])
            });
        }
        Ok(())
    }

    /// What is seen, less what another unit answers for.
    fn narrowed(&self, layer: Layer, sight: Sight) -> Result<Sight, SyncError> {
        let Some(unit) = self.unit else { return Ok(sight) };
        if layer != Layer::Hazards {
            return Err(bad("unit: it belongs to hazards"));
        }
        let units = if sight.sees(Some(unit)) { [unit].into() } else { std::collections::BTreeSet::new() };
        Ok(Sight::Units(units))
    }

    /// The moment that the filters depend on besides the ledger: what is overdue is so by the clock.
    pub fn as_of(&self, now_ms: i64) -> Option<i64> {
        self.overdue.map(|_| now_ms)
    }

    /// The same in words: a query string, in one order.
    pub fn query(&self) -> String {
        let bbox = self.bbox.map(|[west, south, east, north]| format!("{west},{south},{east},{north}"));
        let truth = |value: Option<bool>| value.map(|value| value.to_string());
        let id = |value: Option<Uuid>| value.map(|value| value.to_string());
        let day = |value: Option<Date>| value.map(|value| value.to_string());
        [
            ("bbox", bbox),
            ("state", self.state.clone()),
            ("open", truth(self.open)),
            ("severity", self.severity.clone()),
            ("provisional", truth(self.provisional)),
            ("conflict", truth(self.conflict)),
            ("counted", truth(self.counted)),
            ("category", self.category.clone()),
            ("township", self.township.clone()),
            ("line", id(self.line)),
            ("found_from", day(self.found_from)),
            ("found_to", day(self.found_to)),
            ("overdue", truth(self.overdue)),
            ("turn", self.turn.clone()),
            ("unit", id(self.unit)),
            ("due_before", self.due_before.map(|at_ms| at_ms.to_string())),
            ("major", truth(self.major)),
            ("since", self.since.clone()),
            ("missing", truth(self.missing)),
            ("supervised", truth(self.supervised)),
            ("type", self.record_type.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escaped(&value))))
        .collect::<Vec<_>>()
        .join("&")
    }
}

/// A value of a query string that can be read back: what parts pairs is escaped, Chinese is left to be read.
fn escaped(text: &str) -> String {
    let is_plain = |c: char| !(c.is_control() || c.is_whitespace() || "%&=+#;".contains(c));
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { percent_encoded(&c.to_string()) }).collect()
}

fn zone_date(zone: &TimeZone, at_ms: i64) -> Option<Date> {
    Some(jiff::Timestamp::from_millisecond(at_ms).ok()?.to_zoned_datetime(zone.clone()).date())
}

fn midnight_ms(zone: &TimeZone, day: Date) -> Option<i64> {
    Some(day.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_millisecond())
}

fn day_number(day: Date) -> i64 {
    crate::report::period::day_number(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_township(township: &str, turn: Option<&str>) -> Filters {
        let turn = turn.map(str::to_owned);
        Filters { township: Some(township.to_owned()), turn, ..Filters::default() }
    }

    #[test]
    fn filters_that_differ_have_queries_that_differ() {
        let forged = of_township("岔河&turn=reviewer", None).query();
        assert_eq!(forged, "township=岔河%26turn%3Dreviewer");
        assert_ne!(forged, of_township("岔河", Some("reviewer")).query());
        assert_ne!(of_township("a%26b", None).query(), of_township("a&b", None).query());
        assert_eq!(of_township("岔 河+;#\n", None).query(), "township=岔%20河%2B%3B%23%0A");
    }

    #[test]
    fn what_is_overdue_is_so_by_the_clock_and_is_asked_for_in_the_same_words_at_any_time() {
        let overdue = Filters { overdue: Some(true), ..Filters::default() };
        assert_eq!((overdue.query().as_str(), overdue.as_of(7)), ("overdue=true", Some(7)));
        assert_eq!(of_township("岔河", None).as_of(7), None);
    }

    #[test]
    fn a_box_across_the_180th_meridian_is_two() {
        let select = |bbox| {
            let filters = Filters { bbox: Some(bbox), ..Filters::default() };
            filters.selection(Subject::Layer(Layer::Hazards), &TimeZone::UTC, 0, Sight::District)
        };
        let across = select([170.0, -10.0, -170.0, 10.0]).unwrap();
        assert!(across.bbox.is_none());
        assert!(matches!(across.predicate, Some(Predicate::Or(both)) if both.len() == 2));
        let plain = select([100.0, -10.0, 110.0, 10.0]).unwrap();
        assert!(plain.predicate.is_none() && plain.bbox.is_some());
        for wrong in [[100.0, 10.0, 110.0, -10.0], [100.0, -10.0, 181.0, 10.0], [f64::NAN, 0.0, 1.0, 1.0]] {
            assert!(select(wrong).is_err(), "{wrong:?}");
        }
    }
}
