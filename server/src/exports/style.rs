//! Colours by severity, for the formats that carry a style: KML's styles and the QGIS style of a GeoPackage.

use super::Outline;
use crate::layers::{Layer, Shape, Value};

/// A class of features that are drawn alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// The severity; empty: any other.
    pub severity: &'static str,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// The classes, worst first. Red is kept for what is critical.
pub const CLASSES: [Class; 4] = [
    Class { severity: "critical", colour: [0xC6, 0x28, 0x28] },
    Class { severity: "serious", colour: [0xEF, 0x6C, 0x00] },
    Class { severity: "general", colour: [0x15, 0x65, 0xC0] },
    Class { severity: "", colour: [0x61, 0x61, 0x61] },
];

/// The class of a severity.
pub fn class(severity: Option<&str>) -> Class {
    let [.., other] = CLASSES;
    CLASSES.into_iter().find(|class| Some(class.severity) == severity).unwrap_or(other)
}

/// The severity of a feature, where its layer has one.
pub fn severity<'v>(outline: &Outline, values: &'v [Value]) -> Option<&'v str> {
    outline.columns(values).find(|(column, _)| column.name == "severity").and_then(|(_, value)| match value {
        Value::Text(text) => Some(text.as_str()),
        Value::Null
        | Value::Integer(_)
        | Value::Real(_)
        | Value::Boolean(_)
        | Value::Time(_)
        | Value::Day(_) => None,
    })
}

/// The style of a layer as QGIS keeps it: by severity where the layer has one, one symbol otherwise; Chinese aliases.
pub fn qml(outline: &Outline) -> String {
    let severity = outline.schema.columns.iter().find(|column| column.name == "severity");
    let renderer = match severity {
        Some(column) => by_severity(outline, outline.field(column)),
        None => format!(
            "<renderer-v2 type=\"singleSymbol\"><symbols>{}</symbols></renderer-v2>",
            symbol(outline.schema.shape, 0, colour_of(outline.schema.name)),
        ),
    };
    let aliases = outline
        .schema
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            format!(
                "<alias index=\"{}\" field=\"{}\" name=\"{}\"/>",
                index + 1,
                outline.field(column),
                column.zh
            )
        })
        .collect::<Vec<String>>()
        .concat();
    format!(
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis version=\"3.22\" \
         styleCategories=\"Symbology|Fields\">{renderer}<aliases>{aliases}</aliases></qgis>\n"
    )
}

/// What a layer without severities is drawn in.
fn colour_of(name: &str) -> [u8; 3] {
    match Layer::parse(name) {
        Some(Layer::NotPatrolled) => [0xAD, 0x14, 0x57],
        Some(Layer::Patrolled) => [0x2E, 0x7D, 0x32],
        Some(Layer::Unsent) => [0x6A, 0x1B, 0x9A],
        Some(Layer::Lines) => [0x26, 0x32, 0x38],
        Some(Layer::Hazards | Layer::HazardStates | Layer::Structures | Layer::Works | Layer::Regions)
        | None => [0x61, 0x61, 0x61],
    }
}

fn by_severity(outline: &Outline, field: &str) -> String {
    let column = outline.schema.columns.iter().find(|column| column.name == "severity");
    let mut categories = String::new();
    let mut symbols = String::new();
    for (index, class) in CLASSES.iter().enumerate() {
        let value = column.map_or(class.severity, |column| outline.text(column, class.severity));
        let label = if class.severity.is_empty() { "其他" } else { crate::layers::term(class.severity) };
        categories.push_str(&format!(
            "<category render=\"true\" symbol=\"{index}\" value=\"{value}\" label=\"{label}\" type=\"string\"/>"
        ));
        symbols.push_str(&symbol(outline.schema.shape, index, class.colour));
    }
    format!(
        "<renderer-v2 type=\"categorizedSymbol\" attr=\"{field}\"><categories>{categories}</categories>\
         <symbols>{symbols}</symbols></renderer-v2>"
    )
}

fn symbol(shape: Shape, name: usize, [red, green, blue]: [u8; 3]) -> String {
    let (kind, layer, option, extra) = match shape {
        Shape::Point => {
            ("marker", "SimpleMarker", "color", "<Option type=\"QString\" name=\"size\" value=\"2.6\"/>")
        }
        Shape::LineString | Shape::MultiLineString => (
            "line",
            "SimpleLine",
            "line_color",
            "<Option type=\"QString\" name=\"line_width\" value=\"0.6\"/>",
        ),
        Shape::MultiPolygon => ("fill", "SimpleFill", "color", ""),
    };
    let alpha = if shape == Shape::MultiPolygon { 90 } else { 255 };
    format!(
        "<symbol type=\"{kind}\" name=\"{name}\"><layer class=\"{layer}\" enabled=\"1\"><Option type=\"Map\">\
         <Option type=\"QString\" name=\"{option}\" value=\"{red},{green},{blue},{alpha}\"/>{extra}</Option>\
         </layer></symbol>"
    )
}
