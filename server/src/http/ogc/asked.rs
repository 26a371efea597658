//! What a request for features wants: read strictly, so that a filter that is not understood is never left out of account.
//!
//! Start at [`Asked::read`].

use axum::extract::Query;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sync_protocol::codes::Code;
use sync_protocol::enrolment::percent_encoded;

use crate::http::auth::Account;
use crate::http::error::ApiError;
use crate::layers::cql::{self, FilterError, Reading};
use crate::layers::crs::{Area, Crs};
use crate::layers::predicate::Predicate;
use crate::layers::{Layer, Value};
use crate::store::OfRecord;
use crate::sync::layers::Selection;

/// Features of a page where the request does not say.
pub(super) const LIMIT_DEFAULT: u32 = 100;
/// Features of a page at most; a request for more is given so many.
pub(super) const LIMIT_MAX: u32 = 10_000;
/// Parameters of a request.
const PARAMETERS: usize = 64;

/// What a request wants.
#[derive(Debug)]
pub(super) struct Asked {
    /// Which features.
    pub(super) selection: Selection,
    /// In which coordinates.
    pub(super) crs: Crs,
    /// How many.
    pub(super) limit: u32,
    /// After which one.
    pub(super) after: Option<i64>,
    /// The parameter `f`.
    pub(super) f: Option<String>,
    /// The parameters without `cursor` and `f`, as they stand in a query.
    query: String,
}

/// The parameters as they were said.
#[derive(Debug, Default)]
struct Said<'a> {
    bbox: Option<&'a str>,
    bbox_crs: Option<&'a str>,
    crs: Option<&'a str>,
    datetime: Option<&'a str>,
    limit: Option<&'a str>,
    cursor: Option<&'a str>,
    filter: Option<&'a str>,
    filter_lang: Option<&'a str>,
    filter_crs: Option<&'a str>,
    f: Option<&'a str>,
    since: Option<&'a str>,
    properties: Vec<(&'a str, &'a str)>,
}

fn bad(what: impl Into<String>) -> ApiError {
    ApiError::with(Code::BadParameter, what)
}

impl Asked {
    /// Reads the query of a request for features of a layer.
    ///
    /// # Errors
    /// [`Code::BadParameter`], also for a parameter that there is not; [`Code::FilterBad`], [`Code::CursorInvalid`].
    pub(super) fn read(uri: &Uri, layer: Layer, account: &Account) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) = pairs.map_err(|rejection| bad(rejection.body_text()))?;
        Self::of(&pairs, layer, account)
    }

    /// Reads the parameters of a request for features of a layer.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn of(pairs: &[(String, String)], layer: Layer, account: &Account) -> Result<Self, ApiError> {
        let said = Said::of(pairs, layer)?;
        let zone = TimeZone::get(&account.district.time_zone).unwrap_or(TimeZone::UTC);
        let crs = system("crs", said.crs)?;
        let mut all = Vec::new();
        let bbox = boxes(&said)?.and_then(|mut areas| match (areas.pop(), areas.is_empty()) {
            (Some(Area::Box(only)), true) => Some([only.min().x, only.min().y, only.max().x, only.max().y]),
            (last, _) => {
                areas.extend(last);
                all.push(Predicate::meets_one_of(areas));
                None
            }
        });
        for (name, text) in &said.properties {
            all.extend(property(layer, name, text)?);
        }
        if let Some(filter) = filter(&said, layer, &zone)? {
            all.push(filter);
        }
        let predicate = match (all.pop(), all.is_empty()) {
            (only, true) => only,
            (last, false) => {
                all.extend(last);
                Some(Predicate::And(all))
            }
        };
        let selection = Selection {
            predicate,
            bbox,
            at: said.datetime.map(|text| interval(text, &zone)).transpose()?,
            since: said.since.map(|text| local_day("since", text)).transpose()?,
            of_record: OfRecord::NOTHING,
            sight: account.sight.clone(),
        };
        let kept = pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "cursor" | "f"));
        let query: Vec<String> = kept
            .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)))
            .collect();
        Ok(Self {
            selection,
            crs,
            limit: limit(said.limit)?,
            after: said.cursor.map(|cursor| read_cursor(layer, cursor)).transpose()?,
            f: said.f.map(str::to_owned),
            query: query.join("&"),
        })
    }

    /// The query of the same request for what follows a feature, or from the beginning.
    pub(super) fn query(&self, layer: Layer, after: Option<i64>) -> String {
        let cursor = after.map(|after| format!("cursor={}", cursor(layer, after)));
        let parts = [Some(self.query.clone()).filter(|query| !query.is_empty()), cursor];
        parts.into_iter().flatten().collect::<Vec<_>>().join("&")
    }
}

impl<'a> Said<'a> {
    fn of(pairs: &'a [(String, String)], layer: Layer) -> Result<Self, ApiError> {
        if pairs.len() > PARAMETERS {
            return Err(bad("too many parameters"));
        }
        let mut said = Self::default();
        for (name, value) in pairs {
            let place = match name.as_str() {
                "bbox" => &mut said.bbox,
                "bbox-crs" => &mut said.bbox_crs,
                "crs" => &mut said.crs,
                "datetime" => &mut said.datetime,
                "limit" => &mut said.limit,
                "cursor" => &mut said.cursor,
                "filter" => &mut said.filter,
                "filter-lang" => &mut said.filter_lang,
                "filter-crs" => &mut said.filter_crs,
                "f" => &mut said.f,
                "since" if layer == Layer::NotPatrolled => &mut said.since,
                name if layer.columns().iter().any(|column| column.name == name) => {
                    if said.properties.iter().any(|(known, _)| *known == name) {
                        return Err(bad(format!("{name}: it is said twice")));
                    }
                    said.properties.push((name, value));
                    continue;
                }
                name => return Err(bad(format!("{name}: there is no such parameter"))),
            };
            if place.replace(value).is_some() {
                return Err(bad(format!("{name}: it is said twice")));
            }
        }
        Ok(said)
    }
}

fn system(name: &str, said: Option<&str>) -> Result<Crs, ApiError> {
    let Some(said) = said else { return Ok(Crs::storage()) };
    Crs::parse(said).ok_or_else(|| bad(format!("{name}: it is none of the collection's")))
}

/// The areas of the parameter `bbox`.
fn boxes(said: &Said<'_>) -> Result<Option<Vec<Area>>, ApiError> {
    let crs = system("bbox-crs", said.bbox_crs)?;
    let Some(text) = said.bbox else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let numbers = text.split(',').map(number).collect::<Option<Vec<f64>>>();
    let corners = numbers.and_then(|numbers| cql::corners_of(&numbers));
    let areas = corners.and_then(|(least, most)| crs.box_into_degrees(least, most));
    areas.map(Some).ok_or_else(|| bad("bbox: four numbers, or six, the least corner first"))
}

/// The condition that a property is this.
fn property(layer: Layer, name: &str, text: &str) -> Result<Option<Predicate>, ApiError> {
    let Some(column) = layer.columns().iter().find(|column| column.name == name) else { return Ok(None) };
    cql::property_is(column, text).map(Some).map_err(|error| match error {
        FilterError::WrongKind { property, wanted } => bad(format!("{property}: {wanted}")),
        other => bad(format!("{name}: {other}")),
    })
}

fn filter(said: &Said<'_>, layer: Layer, zone: &TimeZone) -> Result<Option<Predicate>, ApiError> {
    let crs = system("filter-crs", said.filter_crs)?;
    if said.filter_lang.is_some_and(|lang| lang != "cql2-text") {
        return Err(bad("filter-lang: cql2-text"));
    }
    let Some(text) = said.filter else { return Ok(None) };
    let read = cql::parse(text, Reading { layer, crs: &crs, zone });
    read.map(Some).map_err(|error| ApiError::with(Code::FilterBad, error.to_string()))
}

fn limit(said: Option<&str>) -> Result<u32, ApiError> {
    let Some(said) = said else { return Ok(LIMIT_DEFAULT) };
    let wanted = said.parse::<u64>().ok().filter(|wanted| *wanted > 0).ok_or_else(|| bad("limit"))?;
    Ok(u32::try_from(wanted).unwrap_or(LIMIT_MAX).min(LIMIT_MAX))
}

/// A moment or an interval, open ends being `..` or nothing, as milliseconds, both included.
fn interval(text: &str, zone: &TimeZone) -> Result<(i64, i64), ApiError> {
    let wrong = || bad("datetime: a moment (RFC 3339), or two with / between them, .. where an end is open");
    let read = match text.split_once('/') {
        None => ends(text, zone),
        Some((from, to)) => {
            let from = if matches!(from, "" | "..") { Some((i64::MIN, 0)) } else { ends(from, zone) };
            let to = if matches!(to, "" | "..") { Some((0, i64::MAX)) } else { ends(to, zone) };
            from.zip(to).map(|((first, _), (_, last))| (first, last))
        }
    };
    match read {
        Some((first, last)) if first > last => Err(bad("datetime: it ends before it begins")),
        Some(read) => Ok(read),
        None => Err(wrong()),
    }
}

/// The first and the last millisecond of a moment or of a local day.
fn ends(text: &str, zone: &TimeZone) -> Option<(i64, i64)> {
    if text.len() == 10 {
        let day: Date = text.parse().ok()?;
        let start = |day: Date| Some(day.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_millisecond());
        return Some((start(day)?, start(day.tomorrow().ok()?)? - 1));
    }
    let at_ms = text.parse::<Timestamp>().ok()?.as_millisecond();
    Some((at_ms, at_ms))
}

fn local_day(name: &str, text: &str) -> Result<i64, ApiError> {
    let column = Layer::NotPatrolled.columns().iter().find(|column| column.name == name);
    match column.map(|column| cql::property_is(column, text)) {
        Some(Ok(Predicate::Compare(_, _, Value::Day(day)))) => Ok(day),
        _ => Err(bad(format!("{name}: a day is YYYY-MM-DD"))),
    }
}

/// Where a page ended: the layer and the feature.
fn cursor(layer: Layer, after: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{after}", layer.name()))
}

fn read_cursor(layer: Layer, text: &str) -> Result<i64, ApiError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (name, after) = text.split_once(':')?;
        let after: i64 = after.parse().ok()?;
        (name == layer.name() && cursor(layer, after) == URL_SAFE_NO_PAD.encode(&text)).then_some(after)
    };
    read().ok_or_else(|| Code::CursorInvalid.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_may_be_open_and_may_not_be_turned_around() {
        let utc = TimeZone::UTC;
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", (1_000, 1_000)),
            ("1970-01-01T00:00:01Z/1970-01-01T00:00:02Z", (1_000, 2_000)),
            ("../1970-01-01T00:00:02Z", (i64::MIN, 2_000)),
            ("1970-01-01T00:00:01Z/", (1_000, i64::MAX)),
            ("1970-01-01", (0, 86_399_999)),
            ("../..", (i64::MIN, i64::MAX)),
        ] {
            assert_eq!(interval(text, &utc).ok(), Some(expected), "{text}");
        }
        for text in
            ["", "/1970", "1970-01-01T00:00:02Z/1970-01-01T00:00:01Z", "1970-01-01T00:00:00", "a/b", "1970"]
        {
            assert!(interval(text, &utc).is_err(), "{text}");
        }
        let china = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(interval("1970-01-02", &china).ok(), Some((57_600_000, 143_999_999)));
    }

    #[test]
    fn a_cursor_is_of_one_layer_and_is_read_as_it_was_given() {
        for after in [0, -1, i64::MAX] {
            let given = cursor(Layer::Hazards, after);
            assert_eq!(read_cursor(Layer::Hazards, &given).ok(), Some(after));
            assert!(read_cursor(Layer::Lines, &given).is_err());
        }
        for wrong in ["", "abc", "aGF6YXJkczor", "aGF6YXJkczorMQ"] {
            assert!(read_cursor(Layer::Hazards, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_has_at_least_one_feature_and_at_most_so_many() {
        for (said, wanted) in [
            (None, Some(LIMIT_DEFAULT)),
            (Some("1"), Some(1)),
            (Some("10000"), Some(LIMIT_MAX)),
            (Some("10001"), Some(LIMIT_MAX)),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("x"), None),
        ] {
            assert_eq!(limit(said).ok(), wanted, "{said:?}");
        }
    }
}
