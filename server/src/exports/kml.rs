//! KML (OGC 2.2) and KMZ, coloured by severity.
//!
//! Values stand in `ExtendedData`, escaped. A viewer reads the balloon of a place as HTML: ours shows values that are terms,
//! numbers or times of ours, and its name, which has no markup.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use bytes::Bytes;
use geo::{Coord, Geometry, LineString, Polygon};
use quick_xml::escape::escape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{FeatureWriter, Outline, Output, WriteError, style, text};
use crate::layers::{Column, ColumnKind, Feature, Shape, Value};

/// The one document of a KMZ.
const DOCUMENT: &str = "doc.kml";
/// Columns that a balloon shows.
const IN_BALLOON: &[&str] = &["number", "state", "severity", "category", "kind", "found", "due", "updated"];

/// Where a document goes.
trait Sink: Write + Send {
    /// Writes what comes behind it: pictures, each by its name, where it has room for them.
    fn end(self, pictures: Vec<(String, Bytes)>) -> Result<(), WriteError>;
}

impl Sink for BufWriter<Box<dyn Output>> {
    fn end(mut self, _pictures: Vec<(String, Bytes)>) -> Result<(), WriteError> {
        Ok(self.flush()?)
    }
}

impl Sink for ZipWriter<Box<dyn Output>> {
    fn end(mut self, pictures: Vec<(String, Bytes)>) -> Result<(), WriteError> {
        for (name, picture) in pictures {
            // They are compressed already.
            let options = zip_options().compression_method(CompressionMethod::Stored);
            self.start_file(name, options).map_err(zip_refused)?;
            self.write_all(&picture)?;
        }
        self.finish().map_err(zip_refused)?.flush()?;
        Ok(())
    }
}

pub(super) fn zip_refused(error: zip::result::ZipError) -> WriteError {
    match error {
        zip::result::ZipError::Io(error) => WriteError::Io(error),
        other => WriteError::of(&other),
    }
}

/// How members of our zips are kept: nothing of the moment; below 4 GiB, since readers of KMZ know no others.
pub(super) fn zip_options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
}

/// A KML file.
pub(super) fn plain(
    outline: &Outline,
    out: Box<dyn Output>,
) -> Result<impl FeatureWriter + use<>, WriteError> {
    Kml::new(outline, BufWriter::new(out))
}

/// A KMZ file.
pub(super) fn zipped(
    outline: &Outline,
    out: Box<dyn Output>,
) -> Result<impl FeatureWriter + use<>, WriteError> {
    let mut zip = ZipWriter::new(out);
    zip.start_file(DOCUMENT, zip_options()).map_err(zip_refused)?;
    Kml::new(outline, zip)
}

struct Kml<S> {
    outline: Outline,
    out: S,
    /// By the id of their feature.
    pictures: BTreeMap<i64, Bytes>,
}

/// Where the picture of a feature stands in a KMZ.
fn picture_name(id: i64) -> String {
    format!("files/{id}.jpg")
}

/// A text as XML holds it: characters that XML has not are left out, markup is escaped.
fn xml(text: &str) -> String {
    let is_held = |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let held: String = text.chars().filter(is_held).collect();
    escape(held.as_str()).into_owned()
}

impl<S: Sink> Kml<S> {
    fn new(outline: &Outline, mut out: S) -> Result<Self, WriteError> {
        let name = xml(&outline.layer_name());
        // What the file is of is a text of ours and of the office's; a viewer may take it for HTML, so it is escaped twice.
        let about = xml(&escape(outline.about_text().as_str()));
        write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<kml xmlns=\"http://www.opengis.net/kml/2.2\">\n<Document>\n\
             <name>{name}</name>\n<description>{about}</description>\n"
        )?;
        for (at, class) in style::CLASSES.iter().enumerate() {
            write!(out, "{}", styled(outline, at, class.colour))?;
        }
        writeln!(out, "<Schema name=\"{name}\" id=\"{name}\">")?;
        for column in outline.schema.columns {
            let kind = match column.kind {
                ColumnKind::Real => "double",
                ColumnKind::Text
                | ColumnKind::Integer
                | ColumnKind::Boolean
                | ColumnKind::Time
                | ColumnKind::Day => "string",
            };
            writeln!(out, "<SimpleField type=\"{kind}\" name=\"{}\"></SimpleField>", field(outline, column))?;
        }
        // Without a folder: of a KMZ readers look the schema up in the document alone.
        writeln!(out, "</Schema>")?;
        Ok(Self { outline: outline.clone(), out, pictures: BTreeMap::new() })
    }
}

/// The name of a column. KML has a `description` of its own, and readers know no difference of case.
fn field(outline: &Outline, column: &Column) -> &'static str {
    match outline.field(column) {
        "description" => "details",
        "name" => "title",
        other => other,
    }
}

fn styled(outline: &Outline, at: usize, [red, green, blue]: [u8; 3]) -> String {
    let colour = format!("{blue:02x}{green:02x}{red:02x}");
    let balloon = outline
        .schema
        .columns
        .iter()
        .filter(|column| IN_BALLOON.contains(&column.name))
        .map(|column| {
            let name = field(outline, column);
            format!("{}: $[{}/{name}]&lt;br&gt;", outline.heading(column), outline.layer_name())
        })
        .collect::<Vec<String>>()
        .concat();
    let drawn = match outline.schema.shape {
        Shape::Point => format!(
            "<IconStyle><color>ff{colour}</color><scale>0.8</scale></IconStyle><LabelStyle><scale>0</scale></LabelStyle>"
        ),
        Shape::LineString | Shape::MultiLineString => {
            format!("<LineStyle><color>ff{colour}</color><width>3</width></LineStyle>")
        }
        Shape::MultiPolygon => format!(
            "<LineStyle><color>ff{colour}</color><width>2</width></LineStyle><PolyStyle><color>59{colour}</color></PolyStyle>"
        ),
    };
    format!(
        "<Style id=\"s{at}\">{drawn}<BalloonStyle><text>$[name]&lt;br&gt;$[description]{balloon}</text></BalloonStyle></Style>\n"
    )
}

impl<S: Sink> FeatureWriter for Kml<S> {
    fn picture(&mut self, id: i64, picture: Bytes) {
        self.pictures.insert(id, picture);
    }

    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError> {
        let outline = &self.outline;
        let class = style::class(style::severity(outline, &feature.values));
        let at = style::CLASSES.iter().position(|known| *known == class).unwrap_or(0);
        let layer = xml(&outline.layer_name());
        writeln!(
            self.out,
            "<Placemark id=\"{layer}.{}\"><name>{}</name>",
            feature.id,
            xml(&name(outline, feature)),
        )?;
        if self.pictures.contains_key(&feature.id) {
            let picture = xml(&format!("<img src=\"{}\"/>", picture_name(feature.id)));
            writeln!(self.out, "<description>{picture}</description>")?;
        }
        writeln!(self.out, "<styleUrl>#s{at}</styleUrl>")?;
        write!(self.out, "<ExtendedData><SchemaData schemaUrl=\"#{layer}\">")?;
        for (column, value) in outline.columns(&feature.values) {
            if let Some(shown) = text::shown(outline, column, value) {
                let name = field(outline, column);
                write!(self.out, "<SimpleData name=\"{name}\">{}</SimpleData>", xml(&shown))?;
            }
        }
        writeln!(self.out, "</SchemaData></ExtendedData>")?;
        if let Some(geometry) = &feature.geometry {
            write_geometry(&mut self.out, geometry)?;
        }
        Ok(writeln!(self.out, "</Placemark>")?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.out.write_all(b"</Document>\n</kml>\n")?;
        let pictures = self.pictures.into_iter();
        self.out.end(pictures.map(|(id, picture)| (picture_name(id), picture)).collect())
    }
}

/// Columns that say what a place is called, of each layer the first that it has: the second stands behind it.
const NAMES: &[(&str, &str)] = &[
    ("number", ""),
    ("line_name", "structure"),
    ("name", ""),
    ("people", "device"),
    ("device", ""),
    ("structure", ""),
    ("external_id", ""),
];

/// What a place is called: its number, else the name that the office gave it. Of structures the number is one on their line.
fn name(outline: &Outline, feature: &Feature) -> String {
    let of = |name: &str| {
        let found = outline.columns(&feature.values).find(|(column, _)| column.name == name);
        match found {
            Some((_, Value::Text(text))) if !text.trim().is_empty() => Some(text.as_str()),
            _ => None,
        }
    };
    let is_structure = outline.schema.columns.iter().any(|column| column.name == "structure");
    let mut names = NAMES.iter().filter(|(first, _)| !(is_structure && *first == "number"));
    match names.find_map(|(first, second)| Some((of(first)?, of(second)))) {
        Some((first, None)) => unmarked(first),
        Some((first, Some(second))) => unmarked(&format!("{first} {second}")),
        None => feature.id.to_string(),
    }
}

/// A text in which a viewer that takes it for HTML finds no markup.
fn unmarked(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›").replace('&', "＆")
}

fn write_geometry(out: &mut impl Write, geometry: &Geometry<f64>) -> Result<(), WriteError> {
    match geometry {
        Geometry::Point(point) => {
            write!(out, "<Point><coordinates>{},{}</coordinates></Point>", point.x(), point.y())?;
        }
        Geometry::LineString(line) => write_line(out, "LineString", line)?,
        Geometry::MultiLineString(lines) => {
            out.write_all(b"<MultiGeometry>")?;
            lines.iter().try_for_each(|line| write_line(out, "LineString", line))?;
            out.write_all(b"</MultiGeometry>")?;
        }
        Geometry::Polygon(polygon) => write_polygon(out, polygon)?,
        Geometry::MultiPolygon(polygons) => {
            out.write_all(b"<MultiGeometry>")?;
            polygons.iter().try_for_each(|polygon| write_polygon(out, polygon))?;
            out.write_all(b"</MultiGeometry>")?;
        }
        // No layer has them.
        Geometry::Line(_)
        | Geometry::MultiPoint(_)
        | Geometry::GeometryCollection(_)
        | Geometry::Rect(_)
        | Geometry::Triangle(_) => {}
    }
    Ok(())
}

fn write_line(out: &mut impl Write, element: &str, line: &LineString<f64>) -> Result<(), WriteError> {
    write!(out, "<{element}><coordinates>")?;
    for (at, Coord { x, y }) in line.coords().enumerate() {
        let space = if at == 0 { "" } else { " " };
        write!(out, "{space}{x},{y}")?;
    }
    Ok(write!(out, "</coordinates></{element}>")?)
}

fn write_polygon(out: &mut impl Write, polygon: &Polygon<f64>) -> Result<(), WriteError> {
    out.write_all(b"<Polygon><outerBoundaryIs>")?;
    write_line(out, "LinearRing", polygon.exterior())?;
    out.write_all(b"</outerBoundaryIs>")?;
    for ring in polygon.interiors() {
        out.write_all(b"<innerBoundaryIs>")?;
        write_line(out, "LinearRing", ring)?;
        out.write_all(b"</innerBoundaryIs>")?;
    }
    Ok(out.write_all(b"</Polygon>")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_what_xml_has_not_is_left_out() {
        assert_eq!(xml("a<b>&\"'\u{0}\u{8}\u{ffff}树\n"), "a&lt;b&gt;&amp;&quot;&apos;树\n");
    }
}
