//! Every format takes features of every shape; the same bytes twice; what somebody wrote stays a text.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use geo::{MultiPolygon, Point, line_string, polygon};
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::about::{About, COUNTING, Unsent};
use super::*;
use crate::layers::{ColumnKind, Layer, Shape, Value};

/// A file in memory that two hold.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.lock().unwrap().seek(to)
    }
}

struct InMemory;

impl Workspace for InMemory {
    fn scratch(&self) -> io::Result<Box<dyn Scratch>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// What a stranger may write into a description.
const HOSTILE: &str = "=HYPERLINK(\"http://x\")</description><script>alert(1)</script>]]>&amp;\u{1}树";

fn outline(layer: Layer, reference: &str, headings: Headings) -> Outline {
    let unsent = Unsent {
        device: "<b>手机</b>".to_owned(),
        people: "李".to_owned(),
        operations: Some(12),
        boxes: vec![[103.0, 29.0, 104.0, 30.0]],
    };
    Outline {
        schema: layer.into(),
        headings,
        reference: reference.parse().unwrap(),
        encoding: Encoding::Utf8,
        about: About {
            district: "测试县".to_owned(),
            code: "TX".to_owned(),
            zone: TimeZone::get("Asia/Shanghai").unwrap(),
            change: 41,
            change_ms: 1_795_667_400_000,
            rules: "r1".to_owned(),
            grid: "3/4".to_owned(),
            filters: "open=true".to_owned(),
            unsent: vec![unsent],
        },
    }
}

fn geometry(shape: Shape, step: f64) -> geo::Geometry<f64> {
    let (x, y) = (103.01 + step, 29.98);
    match shape {
        Shape::Point => Point::new(x, y).into(),
        Shape::LineString => line_string![(x: x, y: y), (x: x + 0.1, y: y + 0.1)].into(),
        Shape::MultiLineString => {
            geo::MultiLineString::new(vec![line_string![(x: x, y: y), (x: x + 0.1, y: y)]]).into()
        }
        Shape::MultiPolygon => MultiPolygon::new(vec![
            polygon![(x: x, y: y), (x: x + 0.1, y: y), (x: x + 0.1, y: y + 0.1), (x: x, y: y)],
        ])
        .into(),
    }
}

/// Features with every kind of value, one of them without a place and one with nothing known.
fn features(layer: Layer) -> Vec<Feature> {
    let value = |kind: ColumnKind| match kind {
        ColumnKind::Text => Value::Text(HOSTILE.to_owned()),
        ColumnKind::Integer => Value::Integer(-7),
        ColumnKind::Real => Value::Real(-0.25),
        ColumnKind::Boolean => Value::Boolean(true),
        ColumnKind::Time => Value::Time(1_795_667_400_000),
        ColumnKind::Day => Value::Day(20_783),
    };
    let full: Vec<Value> = layer.columns().iter().map(|column| value(column.kind)).collect();
    let empty = vec![Value::Null; full.len()];
    let feature = |id: i64, geometry, values: &[Value]| Feature {
        id,
        record: Some(Uuid::nil()),
        geometry,
        values: values.to_vec(),
    };
    vec![
        feature(1, Some(geometry(layer.shape(), 0.0)), &full),
        feature(2, None, &full),
        feature(5, Some(geometry(layer.shape(), 0.2)), &empty),
    ]
}

fn written(format: Format, outline: &Outline, features: Vec<Feature>) -> Vec<u8> {
    let file = Shared::default();
    let workspace: Arc<dyn Workspace> = Arc::new(InMemory);
    let mut writer = Writer::new(format, outline, Box::new(file.clone()), &workspace).unwrap();
    for feature in features {
        writer.feature(feature).unwrap();
    }
    writer.finish().unwrap();
    file.0.lock().unwrap().get_ref().clone()
}

fn streamed() -> impl Iterator<Item = Format> {
    Format::ALL.iter().copied().filter(|format| !matches!(format, Format::GeoPackage | Format::PmTiles))
}

fn members(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    (0..archive.len())
        .map(|at| {
            let mut member = archive.by_index(at).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            (member.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

#[test]
fn every_format_takes_every_layer_and_gives_the_same_bytes_twice() {
    for format in streamed() {
        for layer in Layer::ALL {
            for headings in [Headings::Zh, Headings::En] {
                let outline = outline(*layer, "wgs84", headings);
                let first = written(format, &outline, features(*layer));
                let second = written(format, &outline, features(*layer));
                assert!(!first.is_empty() && first == second, "{} {}", format.name(), layer.name());
                assert!(!written(format, &outline, Vec::new()).is_empty(), "{} of nothing", format.name());
            }
        }
    }
}

#[test]
fn geojson_is_read_back_with_what_it_is_of() {
    let outline = outline(Layer::Hazards, "epsg:4543", Headings::Zh);
    let text = String::from_utf8(written(Format::GeoJson, &outline, features(Layer::Hazards))).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["firebreak"]["change"], 41);
    assert_eq!(read["firebreak"]["unsent"][0]["operations"], 12);
    assert_eq!(read["crs"]["properties"]["name"], "urn:ogc:def:crs:EPSG::4543");
    assert_eq!(read["features"].as_array().unwrap().len(), 3);
    assert_eq!(
        read["features"][0]["geometry"]["coordinates"],
        serde_json::json!([597_473.224_2, 3_318_325.681])
    );
    assert_eq!(read["features"][0]["properties"]["描述"], HOSTILE);
    assert!(read["features"][1]["geometry"].is_null());
}

#[test]
fn a_datum_without_a_registered_system_is_in_the_name_of_the_layer() {
    let outline = outline(Layer::Hazards, "gcj02", Headings::En);
    let text = String::from_utf8(written(Format::GeoJson, &outline, features(Layer::Hazards))).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["name"], "hazards_gcj02");
    assert_eq!((&read["crs"], &read["firebreak"]["datum"]), (&serde_json::Value::Null, &"gcj02".into()));
    let zip = members(&written(Format::Shapefile, &outline, features(Layer::Hazards)));
    assert!(zip.contains_key("hazards_gcj02.shp") && !zip.contains_key("hazards_gcj02.prj"));
}

#[test]
fn formats_that_know_wgs84_alone_hold_nothing_else() {
    for format in [Format::Kml, Format::Kmz, Format::GeoJsonSeq] {
        for reference in ["gcj02", "epsg:3857", "epsg:4543"] {
            let refused = require_reference(format, reference.parse().unwrap());
            assert!(matches!(refused, Err(WriteError::Reference { .. })), "{} {reference}", format.name());
        }
    }
}

#[test]
fn kml_holds_what_somebody_wrote_as_text_and_shows_it_in_no_balloon() {
    let outline = outline(Layer::Hazards, "wgs84", Headings::Zh);
    let text = String::from_utf8(written(Format::Kml, &outline, features(Layer::Hazards))).unwrap();
    assert!(!text.contains("<script>") && !text.contains('\u{1}'));
    assert!(!text.contains("$[hazards/描述]") && text.contains("$[hazards/编号]"));
    // The office's own words are in an HTML balloon: they are escaped for it too.
    assert!(text.contains("&amp;lt;b&amp;gt;手机"));
    let mut reader = quick_xml::Reader::from_str(&text);
    while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
}

#[test]
fn a_table_begins_with_its_mark_and_computes_nothing() {
    let mut outline = outline(Layer::Hazards, "wgs84", Headings::Zh);
    outline.about.rules = "=1+1".to_owned();
    let text = String::from_utf8(written(Format::Csv, &outline, features(Layer::Hazards))).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let headings = reader.headers().unwrap().clone();
    let description = headings.iter().position(|name| name == "描述").unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].get(description), Some(format!("'{HOSTILE}").as_str()));
    assert_eq!(rows[0].get(1), Some("POINT(103.01 29.98)"));
    assert_eq!(
        rows[0].iter().rev().take(5).collect::<Vec<_>>(),
        ["", "wgs84", "1 部手机，12 条记录", "'=1+1", "41"]
    );
    let real = headings.iter().position(|name| name == "距线路（米）").unwrap();
    assert_eq!(rows[0].get(real), Some("-0.25"), "a number is no text");
}

#[test]
fn a_shapefile_says_how_its_short_names_are_read() {
    let outline = Outline { encoding: Encoding::Gbk, ..outline(Layer::Hazards, "wgs84", Headings::Zh) };
    let zip = members(&written(Format::Shapefile, &outline, features(Layer::Hazards)));
    let names: Vec<&str> = zip.keys().map(String::as_str).collect();
    let expected = [
        "hazards.cpg", "hazards.dbf", "hazards.fields.txt", "hazards.prj", "hazards.shp", "hazards.shx",
        "说明.txt",
    ];
    assert_eq!(names, expected);
    assert_eq!(zip["hazards.cpg"], b"936");
    assert_eq!(zip["hazards.shp"].len(), 100 + 28 + 12 + 28);
    assert_eq!(zip["hazards.shx"].len(), 100 + 3 * 8);
    let fields = String::from_utf8(zip["hazards.fields.txt"].clone()).unwrap();
    assert!(fields.contains("整改通知书\torder_number\t整改通知书编号\tOrder\t0"), "{fields}");
    // Where its features are stands in the heads of both.
    let side = |head: &[u8], at: usize| f64::from_le_bytes(head[at..at + 8].try_into().unwrap());
    for name in ["hazards.shp", "hazards.shx"] {
        let bounds: Vec<f64> = [36, 44, 52, 60].into_iter().map(|at| side(&zip[name], at)).collect();
        assert_eq!(bounds, [103.01, 29.98, 103.01 + 0.2, 29.98], "{name}");
    }
    // The table names its encoding, and is as long as its head says.
    let dbf = &zip["hazards.dbf"];
    assert_eq!(dbf[29], 0x4d, "code page 936");
    let number = |at: usize, bytes: usize| -> usize {
        dbf[at..at + bytes].iter().rev().fold(0, |sum, byte| sum * 256 + usize::from(*byte))
    };
    assert_eq!(dbf.len(), number(8, 2) + number(4, 4) * number(10, 2) + 1);
}

#[test]
fn a_flatgeobuf_says_where_its_features_are_and_finds_them_by_a_box() {
    let outline = outline(Layer::Lines, "cgcs2000", Headings::En);
    let bytes = written(Format::FlatGeobuf, &outline, features(Layer::Lines));
    let opened = || ::flatgeobuf::FgbReader::open(Cursor::new(&bytes)).unwrap();
    let reader = opened();
    let head = reader.header();
    let bounds: Vec<f64> = head.envelope().unwrap().iter().collect();
    assert_eq!(bounds, [103.01, 29.98, 103.01 + 0.2 + 0.1, 29.98 + 0.1]);
    assert_eq!(head.crs().map(|crs| (crs.org(), crs.code())), Some((Some("EPSG"), 4490)));
    assert_eq!(head.features_count(), 2, "one has no place");
    let found = |west: f64, east: f64| opened().select_bbox(west, 29.0, east, 31.0).unwrap().features_count();
    assert_eq!((found(103.0, 104.0), found(103.2, 104.0), found(104.0, 105.0)), (Some(2), Some(1), Some(0)));
}

#[test]
fn the_ledger_says_the_place_in_the_coordinates_of_the_file() {
    let outline = Outline { schema: ledger::SCHEMA, ..outline(Layer::Hazards, "epsg:4543", Headings::En) };
    let values = vec![Value::Null; ledger::COLUMNS.len()];
    let feature = Feature { values, ..features(Layer::Hazards).swap_remove(0) };
    let text = String::from_utf8(written(Format::GeoJson, &outline, vec![feature])).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let properties = &read["features"][0]["properties"];
    assert_eq!(properties["longitude"], 597_473.224_2);
    assert_eq!(properties["datum"], "CGCS2000 / 3-degree Gauss-Kruger CM 102E");
}

#[test]
fn a_workbook_holds_what_somebody_wrote_as_a_string_and_no_formula() {
    let outline = outline(Layer::Hazards, "wgs84", Headings::Zh);
    let book = members(&written(Format::Xlsx, &outline, features(Layer::Hazards)));
    let sheet = String::from_utf8(book["xl/worksheets/sheet1.xml"].clone()).unwrap();
    assert!(sheet.contains("=HYPERLINK") && sheet.contains("inlineStr") && !sheet.contains("<f>"));
    assert!(!sheet.contains("<script>"));
    let core = String::from_utf8(book["docProps/core.xml"].clone()).unwrap();
    assert!(core.contains("2026-11-26T04:30:00Z"), "it is made at its cursor: {core}");
}

/// A table's headings and its rows.
fn table(outline: &Outline, features: Vec<Feature>) -> (Vec<String>, Vec<::csv::StringRecord>) {
    let text = String::from_utf8(written(Format::Csv, outline, features)).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let headings = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (headings, reader.into_records().map(Result::unwrap).collect())
}

#[test]
fn a_table_says_what_it_is_of_beside_its_rows_and_without_any() {
    let outline = outline(Layer::Unsent, "gcj02", Headings::Zh);
    let (headings, rows) = table(&outline, features(Layer::Unsent));
    let (about, before) = headings.split_last().unwrap();
    let expected = ["台账变更号", "规则版本", "尚有未上传数据", "坐标系"];
    assert_eq!(before[before.len() - 4..], expected);
    for row in &rows {
        let cells: Vec<&str> = row.iter().skip(before.len() - 4).collect();
        assert_eq!(cells, ["41", "r1", "1 部手机，12 条记录", "gcj02", ""]);
    }
    for (name, value) in outline.about_lines().into_iter().chain(outline.device_lines()) {
        let told = format!(" · {name}: {value}").replace(';', "/");
        assert!(about.contains(&told), "{told} is not in {about}");
    }
    assert!(!about.contains([';', '\t']), "what parts cells: {about}");
    assert!(about.starts_with("说明 · ") && about.contains(COUNTING.zh) && about.contains("open=true"));
    assert!(about.contains("[103, 29, 104, 30]"), "where what is not sent comes from: {about}");
    let (alone, none) = table(&outline, Vec::new());
    assert_eq!((rows.len(), none.len()), (3, 0));
    assert_eq!(alone, headings, "a table of nothing has the headings of any");
}

#[test]
fn what_a_table_is_of_fits_into_a_cell_and_says_what_does_not() {
    let mut outline = outline(Layer::Hazards, "wgs84", Headings::En);
    let device = outline.about.unsent.swap_remove(0);
    outline.about.filters = "township=\r\n青杠".to_owned();
    outline.about.unsent =
        (0..2_000).map(|number| Unsent { device: format!("手机{number}"), ..device.clone() }).collect();
    let (headings, _) = table(&outline, Vec::new());
    let about = headings.last().unwrap();
    assert!(about.len() <= 32_000 && !about.contains(['\r', '\n']), "{} bytes", about.len());
    assert!(about.contains(COUNTING.en.split(';').next().unwrap()));
    outline.about.filters = "township=".to_owned() + &"青".repeat(20_000);
    let (long, _) = table(&outline, Vec::new());
    let long = long.last().unwrap();
    assert!(long.contains("青青… · Counting rules") && long.len() <= 32_000, "{} bytes", long.len());
    let listed = about.matches(" · Device: ").count();
    assert!(listed > 300, "{listed} devices");
    assert!(about.ends_with(&format!(" · More devices: {}", 2_000 - listed)), "{about}");
}

#[test]
fn a_sequence_says_what_it_is_of_in_its_first_feature_and_without_any() {
    let outline = outline(Layer::Hazards, "wgs84", Headings::En);
    let told = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let full = String::from_utf8(written(Format::GeoJsonSeq, &outline, features(Layer::Hazards))).unwrap();
    let texts: Vec<_> = full.split('\u{1e}').skip(1).map(told).collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[0]["firebreak"], outline.about_json());
    assert!(texts[1]["firebreak"].is_null() && texts[2]["firebreak"].is_null());
    let alone = told(&String::from_utf8(written(Format::GeoJsonSeq, &outline, Vec::new())).unwrap());
    assert_eq!(alone["firebreak"], outline.about_json());
    assert_eq!((&alone["type"], &alone["features"]), (&"FeatureCollection".into(), &serde_json::json!([])));
}

#[test]
fn how_much_is_not_sent_is_told_as_far_as_it_is_known() {
    let mut outline = outline(Layer::Hazards, "wgs84", Headings::En);
    let known = outline.about.unsent[0].clone();
    let silent = Unsent { operations: None, ..known.clone() };
    for (unsent, zh, en) in [
        (vec![], "无", "none"),
        (vec![known.clone()], "1 部手机，12 条记录", "1 devices, 12 operations"),
        (
            vec![known, silent.clone()],
            "2 部手机，至少 12 条记录，其中 1 部条数不明",
            "2 devices, at least 12 operations, those of 1 unknown",
        ),
        (vec![silent], "1 部手机，条数不明", "1 devices, operations unknown"),
    ] {
        outline.about.unsent = unsent;
        outline.headings = Headings::En;
        assert_eq!(outline.unsent_line(), en);
        outline.headings = Headings::Zh;
        assert_eq!(outline.unsent_line(), zh);
    }
}

#[test]
fn what_a_file_says_of_itself_names_each_thing_once() {
    for headings in [Headings::Zh, Headings::En] {
        let text = outline(Layer::Hazards, "wgs84", headings).about_text();
        assert_eq!(text.matches("统计规则").count() + text.matches("Counting rules").count(), 1, "{text}");
    }
}

#[test]
fn a_place_in_kml_is_called_by_its_number_or_its_name() {
    for (layer, told, expected) in [
        (Layer::Hazards, &[("number", "TX-1"), ("line_name", "青杠线")][..], "TX-1"),
        (Layer::Lines, &[("name", "青杠<b>线&"), ("external_id", "L1")], "青杠‹b›线＆"),
        (Layer::Lines, &[("external_id", "L1")], "L1"),
        (Layer::Structures, &[("line_name", "青杠线"), ("structure", "N7"), ("number", "7")], "青杠线 N7"),
        (Layer::Structures, &[("structure", "N7")], "N7"),
        (Layer::Patrolled, &[("line_name", "青杠线")], "青杠线"),
        (Layer::Regions, &[("name", "岔河镇"), ("external_id", "5118")], "岔河镇"),
        (Layer::Unsent, &[("device", "手机七"), ("people", "李")], "李 手机七"),
        (Layer::Unsent, &[("device", "手机七")], "手机七"),
        (Layer::Lines, &[], "1"),
    ] {
        let outline = outline(layer, "wgs84", Headings::En);
        let value = |column: &crate::layers::Column| {
            let found = told.iter().find(|(name, _)| *name == column.name);
            found.map_or(Value::Null, |(_, text)| Value::Text((*text).to_owned()))
        };
        let values = layer.columns().iter().map(value).collect();
        let feature = Feature { values, ..features(layer).swap_remove(0) };
        let text = String::from_utf8(written(Format::Kml, &outline, vec![feature])).unwrap();
        assert!(
            text.contains(&format!("<name>{expected}</name><"))
                || text.contains(&format!("<name>{expected}</name>\n")),
            "{layer:?}: {text}"
        );
    }
}
