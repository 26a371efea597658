//! Features as GeoJSON (RFC 7946), written straight into a buffer.
//!
//! Pure. Coordinates stand in the order of the axes of their system; RFC 7946 itself knows only [`Crs::storage`]. Start at
//! [`Writer::feature`].

use std::fmt::Write as _;

use super::crs::Crs;
use super::{Column, Feature, Layer, Value};
use geo::{Coord, Geometry, LineString, Polygon};
use jiff::Timestamp;
use jiff::civil::Date;

/// Writes the features of one layer.
#[derive(Debug)]
pub struct Writer<'a> {
    columns: &'static [Column],
    crs: &'a Crs,
}

impl<'a> Writer<'a> {
    /// For a layer in a system.
    pub const fn new(layer: Layer, crs: &'a Crs) -> Self {
        Self { columns: layer.columns(), crs }
    }

    /// Appends one `Feature`; `links` is a JSON array that stands beside it, where there is one. Where the system does not
    /// reach all of it, it has no geometry.
    pub fn feature(&self, out: &mut String, feature: &Feature, links: Option<&str>) {
        out.push_str("{\"type\":\"Feature\",\"id\":");
        push_whole(out, feature.id);
        out.push_str(",\"geometry\":");
        let before = out.len();
        let placed = feature.geometry.as_ref().and_then(|geometry| self.geometry(out, geometry));
        if placed.is_none() {
            out.truncate(before);
            out.push_str("null");
        }
        out.push_str(",\"properties\":{");
        for (at, (column, value)) in self.columns.iter().zip(&feature.values).enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push('"');
            out.push_str(column.name);
            out.push_str("\":");
            push_value(out, value);
        }
        out.push('}');
        if let Some(links) = links {
            out.push_str(",\"links\":");
            out.push_str(links);
        }
        out.push('}');
    }

    fn geometry(&self, out: &mut String, geometry: &Geometry<f64>) -> Option<()> {
        match geometry {
            Geometry::Point(point) => {
                begin(out, "Point");
                self.position(out, point.0)?;
            }
            Geometry::LineString(line) => {
                begin(out, "LineString");
                self.positions(out, line)?;
            }
            Geometry::MultiPoint(points) => {
                begin(out, "MultiPoint");
                list(out, points.0.iter(), |out, point| self.position(out, point.0))?;
            }
            Geometry::MultiLineString(lines) => {
                begin(out, "MultiLineString");
                list(out, lines.0.iter(), |out, line| self.positions(out, line))?;
            }
            Geometry::Polygon(polygon) => {
                begin(out, "Polygon");
                self.rings(out, polygon)?;
            }
            Geometry::MultiPolygon(polygons) => {
                begin(out, "MultiPolygon");
                list(out, polygons.0.iter(), |out, polygon| self.rings(out, polygon))?;
            }
            Geometry::Rect(rect) => return self.geometry(out, &Geometry::Polygon(rect.to_polygon())),
            Geometry::Triangle(triangle) => {
                return self.geometry(out, &Geometry::Polygon(triangle.to_polygon()));
            }
            Geometry::Line(line) => {
                return self.geometry(out, &Geometry::LineString(LineString::from(*line)));
            }
            Geometry::GeometryCollection(parts) => {
                out.push_str("{\"type\":\"GeometryCollection\",\"geometries\":");
                list(out, parts.0.iter(), |out, part| self.geometry(out, part))?;
            }
        }
        out.push('}');
        Some(())
    }

    fn rings(&self, out: &mut String, polygon: &Polygon<f64>) -> Option<()> {
        let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
        list(out, rings, |out, ring| self.positions(out, ring))
    }

    fn positions(&self, out: &mut String, line: &LineString<f64>) -> Option<()> {
        list(out, line.0.iter(), |out, at| self.position(out, *at))
    }

    /// Degrees as they are stored, to the seventh place; metres to the tenth of a millimetre.
    fn position(&self, out: &mut String, at: Coord<f64>) -> Option<()> {
        let at = self.crs.out(at)?;
        // A text takes whatever is written to it.
        let _written = if self.crs.is_degrees() {
            write!(out, "[{},{}]", at.x, at.y)
        } else {
            write!(out, "[{:.4},{:.4}]", at.x, at.y)
        };
        Some(())
    }
}

fn begin(out: &mut String, kind: &str) {
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"coordinates\":");
}

fn list<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    each: impl Fn(&mut String, T) -> Option<()>,
) -> Option<()> {
    out.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item)?;
    }
    out.push(']');
    Some(())
}

fn push_whole(out: &mut String, number: i64) {
    let _written = write!(out, "{number}");
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => push_text(out, text),
        Value::Integer(number) => push_whole(out, *number),
        // With a point always: readers guess from the first features whether a column is of whole numbers.
        Value::Real(number) if number.is_finite() => {
            let _written = write!(out, "{number:?}");
        }
        Value::Null | Value::Real(_) => out.push_str("null"),
        Value::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Time(at_ms) => match moment(*at_ms) {
            Some(at) => {
                let _written = write!(out, "\"{at}\"");
            }
            None => out.push_str("null"),
        },
        Value::Day(day) => match date(*day) {
            Some(day) => {
                let _written = write!(out, "\"{day}\"");
            }
            None => out.push_str("null"),
        },
    }
}

/// A moment as it is written: RFC 3339, UTC, as many decimals as it has; none: it is beyond the calendar.
pub fn moment(at_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(at_ms).ok().map(|at| at.to_string())
}

/// The day of a number, counted from 1970-01-01; none: it is beyond the calendar.
pub fn date(day: i64) -> Option<Date> {
    let at = Timestamp::from_second(day.checked_mul(86_400)?).ok()?;
    Some(at.to_zoned_datetime(jiff::tz::TimeZone::UTC).date())
}

/// A text in its quotes.
pub fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // Every escaped byte is a character of its own.
    while let Some(at) = rest.as_bytes().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.as_bytes().first() {
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(other) => {
                let _written = write!(out, "\\u{other:04x}");
            }
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use geo::{MultiPolygon, Point};
    use serde_json::{Value as Json, json};

    use super::*;

    fn written(layer: Layer, feature: &Feature, crs: &Crs) -> Json {
        let mut out = String::new();
        Writer::new(layer, crs).feature(&mut out, feature, None);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    fn region(name: &str, geometry: Option<Geometry<f64>>) -> Feature {
        let text = |text: &str| Value::Text(text.to_owned());
        Feature { id: 7, record: None, geometry, values: vec![text("u"), text(name), Value::Null, text("")] }
    }

    #[test]
    fn every_text_is_read_back_as_it_was() {
        for name in ["青杠镇", "", "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}", "a\u{2028}b😀", "</script>"]
        {
            let read = written(Layer::Regions, &region(name, None), &Crs::storage());
            assert_eq!(read["properties"]["name"], name);
            assert_eq!((&read["id"], &read["geometry"]), (&json!(7), &Json::Null));
        }
    }

    #[test]
    fn positions_stand_in_the_order_of_the_axes() {
        let point = Some(Point::new(103.01, 29.98).into());
        let of =
            |name: &str| written(Layer::Regions, &region("x", point.clone()), &Crs::parse(name).unwrap());
        for (name, expected) in [
            ("OGC:CRS84", json!([103.01, 29.98])),
            ("EPSG:4490", json!([29.98, 103.01])),
            ("EPSG:4543", json!([3_318_325.681, 597_473.224_2])),
        ] {
            assert_eq!(of(name)["geometry"]["coordinates"], expected, "{name}");
        }
        // Zone 45 lies 33 degrees to the east.
        let elsewhere = of("EPSG:4554");
        assert_eq!((&elsewhere["geometry"], &elsewhere["id"]), (&Json::Null, &json!(7)));
        let chain = geo::LineString::from(vec![(135.0, 45.0), (103.01, 29.98)]);
        let half = region("x", Some(geo::MultiLineString(vec![chain]).into()));
        assert_eq!(written(Layer::Regions, &half, &Crs::parse("EPSG:4554").unwrap())["geometry"], Json::Null);
    }

    #[test]
    fn rings_of_areas_are_nested_as_they_must_be() {
        let square = geo::Rect::new((0.0, 0.0), (1.0, 1.0)).to_polygon();
        let read =
            written(Layer::Regions, &region("x", Some(MultiPolygon(vec![square]).into())), &Crs::storage());
        let geometry = read["geometry"].clone();
        assert_eq!(geometry["type"], "MultiPolygon");
        assert_eq!(geometry["coordinates"][0][0].as_array().unwrap().len(), 5);
    }

    #[test]
    fn times_and_days_are_written_as_the_calendar_has_them() {
        assert_eq!(moment(1_764_131_206_120).as_deref(), Some("2025-11-26T04:26:46.12Z"));
        assert_eq!(date(20_783).map(|day| day.to_string()).as_deref(), Some("2026-11-26"));
        assert_eq!((moment(i64::MAX), date(i64::MAX)), (None, None));
    }
}
