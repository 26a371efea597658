//! Tables with headings. Geometry stands in a column of WKT, or in columns of longitude and latitude.
//!
//! Tables that spreadsheets write in Chinese offices are often in GB 18030: what is not UTF-8 is read as that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::csv::{ReaderBuilder, StringRecord};
use sync_protocol::codes::Code;
use wkt::Wkt;
use wkt::types::{Coord, LineString, Polygon};

use super::mapping::{Mapping, Role};
use super::{FEATURE_BYTES, Feature, FileFault, Point, Read, Shape, own};
use crate::layers::{Layer, unguarded};

/// Columns of a table.
const COLUMNS: usize = 500;

/// Reads a table.
///
/// # Errors
/// Where it has no headings, is in an unknown encoding, or has too many rows.
pub fn read(bytes: &[u8], mapping: &Mapping) -> Result<Read, FileFault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (text, is_gb18030) = text(bytes)?;
    let mut read = Read { is_gb18030, ..Read::default() };
    let mut table = ReaderBuilder::new()
        .delimiter(delimiter(text.lines().next().unwrap_or_default()))
        .flexible(true)
        .from_reader(text.as_bytes());
    let unreadable = |error: &::csv::Error| FileFault::Unreadable(format!("no table with headings: {error}"));
    let headings = table.headers().map_err(|error| unreadable(&error))?.clone();
    let headings: Vec<&str> = headings.iter().map(str::trim).collect();
    if headings.len() < 2 || headings.len() > COLUMNS {
        return Err(FileFault::Unreadable(format!("no table: its first row has {} columns", headings.len())));
    }
    let own = own::layer_of(|name| headings.contains(&name));
    for record in table.records() {
        let row = read.next_row()?;
        match record {
            Err(error) => read.refuse(row, Code::ImportRowUnreadable, error.to_string()),
            Ok(record) => match feature(row, &headings, &record, mapping, own) {
                Ok(feature) => read.push(feature),
                Err((code, at)) => read.refuse(row, code, at),
            },
        }
    }
    Ok(read)
}

fn text(bytes: &[u8]) -> Result<(Cow<'_, str>, bool), FileFault> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok((Cow::Borrowed(text), false));
    }
    let decoded = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes);
    let text = decoded.ok_or_else(|| FileFault::Unreadable("neither UTF-8 nor GB 18030".to_owned()))?;
    Ok((text, true))
}

/// What may part the fields.
const DELIMITERS: [char; 3] = [';', '\t', ','];

/// What parts the fields: that which the headings have most. What stands between quotes does not count; a quote opens a
/// field at its beginning alone.
fn delimiter(headings: &str) -> u8 {
    let mut bare = String::with_capacity(headings.len());
    let (mut is_quoted, mut may_open) = (false, true);
    for c in headings.chars() {
        if c == '"' && (is_quoted || may_open) {
            is_quoted = !is_quoted;
            // A quote in a quoted field is two: it is closed and opened again.
            may_open = true;
        } else if !is_quoted {
            bare.push(c);
            may_open = DELIMITERS.contains(&c);
        }
    }
    let most = DELIMITERS.into_iter().max_by_key(|delimiter| bare.matches(*delimiter).count());
    most.and_then(|delimiter| u8::try_from(delimiter).ok()).unwrap_or(b',')
}

fn feature(
    row: u64,
    headings: &[&str],
    record: &StringRecord,
    mapping: &Mapping,
    own: Option<Layer>,
) -> Result<Feature, (Code, String)> {
    if record.len() > headings.len() {
        return Err((Code::ImportRowUnreadable, format!("{} fields", record.len())));
    }
    let mut properties = BTreeMap::new();
    for (heading, value) in headings.iter().zip(record) {
        let value = if own.is_some() { unguarded(value.trim()) } else { value.trim() };
        if !value.is_empty() && !heading.is_empty() {
            properties.entry((*heading).to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let mut feature = Feature { row, id: None, properties, shape: Shape::None, own };
    feature.shape = if let Some(text) = mapping.value(&feature, Role::Wkt) {
        shape(text)?
    } else if let (Some(x), Some(y)) = (mapping.value(&feature, Role::X), mapping.value(&feature, Role::Y)) {
        Shape::Point((number(x)?, number(y)?))
    } else {
        Shape::None
    };
    Ok(feature)
}

fn number(text: &str) -> Result<f64, (Code, String)> {
    let short = || text.chars().take(100).collect::<String>();
    text.parse().map_err(|_source| (Code::ImportPosition, short()))
}

/// A geometry as text. Collections are not read: they nest without bound.
fn shape(text: &str) -> Result<Shape, (Code, String)> {
    const READ: [&str; 6] =
        ["POINT", "LINESTRING", "MULTILINESTRING", "POLYGON", "MULTIPOLYGON", "MULTIPOINT"];
    let name: String = text.chars().take_while(char::is_ascii_alphabetic).take(20).collect();
    let name = name.trim_end_matches(['Z', 'M']).to_owned();
    if text.len() > FEATURE_BYTES {
        return Err((Code::ImportRowTooLarge, format!("{} bytes", text.len())));
    }
    if !READ.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Err((Code::ImportGeometry, name));
    }
    let geometry: Wkt<f64> = text
        .parse()
        .map_err(|error: &str| (Code::ImportGeometry, error.chars().take(100).collect::<String>()))?;
    Ok(match geometry {
        Wkt::Point(it) => it.coord().map_or(Shape::None, |coord| Shape::Point(point(coord))),
        Wkt::LineString(it) => Shape::Lines(vec![line(&it)]),
        Wkt::MultiLineString(it) => Shape::Lines(it.line_strings().iter().map(line).collect()),
        Wkt::Polygon(it) => Shape::Polygons(vec![polygon(&it)]),
        Wkt::MultiPolygon(it) => Shape::Polygons(it.polygons().iter().map(polygon).collect()),
        Wkt::MultiPoint(_) | Wkt::GeometryCollection(_) => Shape::None,
    })
}

fn point(coord: &Coord<f64>) -> Point {
    (coord.x, coord.y)
}

fn line(line: &LineString<f64>) -> Vec<Point> {
    line.coords().iter().map(point).collect()
}

fn polygon(polygon: &Polygon<f64>) -> Vec<Vec<Point>> {
    polygon.rings().iter().map(line).collect()
}
