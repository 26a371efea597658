//! Columns and what they mean, in each format; encodings and separators; datums.

use serde_json::json;
use sync_protocol::codes::Code;

use super::super::datum;
use super::super::mapping::{Mapping, MappingFault};
use super::super::{FileFault, Format, Shape, items, read};
use super::{assembled, codes, geojson, items_of, line, lines, table};
use crate::geometry::{Converter, Datum};

const TWO: [(f64, f64); 2] = [(103.01, 29.98), (103.02, 29.98)];

#[test]
fn a_line_has_the_same_id_and_voltage_from_each_format() {
    let from_json =
        assembled(&geojson(&[line(&json!({"osm_id": 5, "power": "cable", "voltage": "35000"}), &TWO)]));
    let csv = "osm_id,power,voltage,wkt\n5,cable,35000,\"LINESTRING (103.01 29.98, 103.02 29.98)\"\n";
    let from_csv = assembled(&table(csv));
    assert_eq!(from_csv.items, from_json.items);
    // What stands between quotes parts no cells.
    let (headings, row) = csv.trim_end().split_once('\n').unwrap();
    let noted = assembled(&table(&format!("{headings},\"a; b; c; d; e; f\"\n{row},\n")));
    assert_eq!(noted.items, from_json.items);
    let inches = "clearance (5\"\");osm_id;power;voltage;wkt\n7;5;cable;35000;\"LINESTRING (103.01 29.98, 103.02 29.98)\"\n";
    assert_eq!(assembled(&table(inches)).items, from_json.items);
    let doubled = format!("\"a \"\"b\"\"; c; d; e; f; g; h\",{headings}\n,{row}\n");
    assert_eq!(assembled(&table(&doubled)).items, from_json.items);
    assert_eq!(lines(&from_csv)[0].volts, [35_000]);
}

#[test]
fn columns_are_called_whatever_the_mapping_says() {
    let text = "Leitung;Spannung;Ost;Nord;Mast\nA;110;103.01;29.98;1\nA;110;103.02;29.98;2\n";
    let pairs = "line=Leitung, voltage=Spannung, x=Ost, y=Nord, number=Mast";
    let toml = "line = \"Leitung\"\nvoltage = \"Spannung\"\nx = \"Ost\"\ny = \"Nord\"\nnumber = \"Mast\"\n";
    for mapping in [pairs, toml] {
        let mapping = Mapping::parse(mapping).unwrap();
        let read = read(text.as_bytes(), Format::Csv, &mapping).unwrap();
        let assembled = super::assemble(items_of(&read, &mapping));
        assert_eq!((lines(&assembled).len(), lines(&assembled)[0].volts.as_slice()), (1, &[110_000][..]));
    }
    assert_eq!(Mapping::parse("lyne=x"), Err(MappingFault::NoSuchRole("lyne".to_owned())));
    assert!(matches!(Mapping::parse("no pairs"), Err(MappingFault::Unreadable(_))));
    assert_eq!(Mapping::parse(&"#".repeat(20_000)), Err(MappingFault::TooLarge));
}

#[test]
fn a_table_in_gb18030_is_read_and_says_so() {
    let text = "线路名称,杆号,经度,纬度\n青线,N001,103.01,29.98\n青线,N002,103.02,29.98\n";
    let (bytes, _, _) = encoding_rs::GB18030.encode(text);
    let found = read(&bytes, Format::Csv, &Mapping::default()).unwrap();
    assert!(found.is_gb18030);
    assert_eq!(assembled(&found).items, assembled(&table(text)).items);
    let with_mark = format!("\u{feff}{text}");
    assert_eq!(assembled(&table(&with_mark)).items, assembled(&table(text)).items);
    let neither = read(b"a,b\n\xff\xff\xff,\xff", Format::Csv, &Mapping::default());
    assert!(matches!(neither, Err(FileFault::Unreadable(_))), "{neither:?}");
}

#[test]
fn a_row_that_is_broken_is_refused_and_the_others_go_on() {
    let read = table(
        "osm_id,power,wkt\n1,line,\"LINESTRING (103 29, 104 29)\"\n2,line,\"LINESTRING (x y)\"\n3,line,\n4,line,GEOMETRYCOLLECTION EMPTY\n5,line,a,b,c\n",
    );
    let assembled = assembled(&read);
    let mut refused = codes(&assembled.refused);
    refused.sort_unstable();
    let expected = [
        (2, Code::ImportGeometry),
        (3, Code::ImportGeometry),
        (4, Code::ImportGeometry),
        (5, Code::ImportRowUnreadable),
    ];
    assert_eq!(refused, expected);
    assert_eq!(lines(&assembled).len(), 1);
    let broken = json!({"type": "Feature", "geometry": {"type": "LineString", "coordinates": "x"}});
    let read = geojson(&[line(&json!({"osm_id": 1, "power": "line"}), &TWO), broken]);
    assert_eq!((read.features.len(), codes(&read.refused)), (1, vec![(2, Code::ImportRowUnreadable)]));
}

#[test]
fn a_file_that_is_none_of_its_format_is_refused_whole() {
    let files: [&[u8]; 8] = [
        b"",
        b"{}",
        b"[]",
        b"{\"type\": \"FeatureCollection\"}",
        b"{\"type\": \"Topology\", \"features\": []}",
        b"{\"features\": [], \"features\": []}",
        b"{\"type\": \"FeatureCollection\", \"features\": [{}",
        b"{\"type\": \"FeatureCollection\", \"features\": []} x",
    ];
    for file in files {
        let found = read(file, Format::GeoJson, &Mapping::default());
        assert!(matches!(found, Err(FileFault::Unreadable(_))), "{:?}", String::from_utf8_lossy(file));
    }
    for file in ["", "one column\n1\n"] {
        let found = read(file.as_bytes(), Format::Csv, &Mapping::default());
        assert!(matches!(found, Err(FileFault::Unreadable(_))), "{file:?}");
    }
    // Members before the features, in any order.
    let file = b"{\"bbox\": [1, 2, 3, 4], \"crs\": {\"properties\": {\"name\": \"EPSG:4490\"}}, \"features\": [], \"type\": \"FeatureCollection\"}";
    let found = read(file, Format::GeoJson, &Mapping::default()).unwrap();
    assert_eq!(found.system.as_deref(), Some("EPSG:4490"));
}

#[test]
fn the_datum_is_what_the_reader_says_else_what_the_file_says() {
    let chosen = |said, system| {
        datum::choose(said, system, None).map(|it| (it.converter.datum(), it.warning.is_some()))
    };
    assert_eq!(chosen(None, None), Ok((Datum::Wgs84, false)));
    assert_eq!(chosen(None, Some("urn:ogc:def:crs:OGC:1.3:CRS84")), Ok((Datum::Wgs84, false)));
    assert_eq!(chosen(None, Some("urn:ogc:def:crs:EPSG::4490")), Ok((Datum::Cgcs2000, false)));
    assert_eq!(chosen(None, Some("none:0")), Ok((Datum::Wgs84, false)));
    assert_eq!(chosen(Some(Datum::Gcj02), Some("epsg:4490")), Ok((Datum::Gcj02, true)));
    assert_eq!(chosen(Some(Datum::Gcj02), Some("epsg:2056")), Ok((Datum::Gcj02, false)));
    assert!(matches!(chosen(None, Some("epsg:2056")), Err(FileFault::Unreadable(_))));
}

#[test]
fn positions_of_another_datum_come_to_wgs84_and_those_out_of_it_are_refused() {
    // The test point of the domain: (103.01, 29.98) in zone 34 is E 597473.2242, N 3318325.6810.
    let zone = Converter::new(Datum::Epsg(4543)).unwrap();
    let points = [(597_473.224_2, 3_318_325.681), (597_573.0, 3_318_325.0)];
    let found = items::of(
        &geojson(&[line(&json!({"osm_id": 1, "power": "line"}), &points)]).features,
        &Mapping::default(),
        &zone,
    );
    assert_eq!(found.lines[0].vertices[0], (299_800_000, 1_030_100_000));
    assert_eq!(found.lines[0].datum, "epsg:4543");
    let beyond = items::of(
        &geojson(&[line(&json!({"osm_id": 1, "power": "line"}), &points)]).features,
        &Mapping::default(),
        &super::wgs84(),
    );
    assert_eq!(codes(&beyond.refused), [(1, Code::ImportPosition)]);
}

#[test]
fn numbers_that_look_wrong_are_warned_of() {
    let swapped: Vec<(f64, f64)> = TWO.iter().map(|(lon, lat)| (*lat, *lon)).collect();
    let swapped = geojson(&[line(&json!({"osm_id": 1}), &swapped)]);
    let found = datum::warnings(Datum::Wgs84, &swapped.features, None, None);
    assert_eq!(found.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["axes-swapped"]);
    let projected =
        geojson(&[line(&json!({"osm_id": 1}), &[(597_473.0, 3_318_325.0), (597_573.0, 3_318_325.0)])]);
    let found = datum::warnings(Datum::Wgs84, &projected.features, None, None);
    assert_eq!(found.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["looks-projected"]);
    let right = geojson(&[line(&json!({"osm_id": 1}), &TWO)]);
    assert!(datum::warnings(Datum::Wgs84, &right.features, None, None).is_empty());
    assert!(right.features.iter().all(|feature| matches!(feature.shape, Shape::Lines(_))));
}

#[test]
fn the_datum_that_a_file_of_ours_says_counts_where_nobody_says_otherwise() {
    let chosen = |said, system, own| {
        let chosen = datum::choose(said, system, own).unwrap();
        (chosen.converter.datum(), chosen.warning.is_some(), chosen.assumed)
    };
    let gcj = Some("gcj02".to_owned());
    assert_eq!(chosen(None, None, Some("gcj02")), (Datum::Gcj02, false, gcj.clone()));
    assert_eq!(chosen(None, Some("none:0"), Some("gcj02")), (Datum::Gcj02, false, gcj));
    assert_eq!(chosen(None, None, Some("wgs84")), (Datum::Wgs84, false, None));
    assert_eq!(chosen(None, None, Some("Mars 2000")), (Datum::Wgs84, false, None));
    // Whoever reads it knows better, and is told.
    assert_eq!(chosen(Some(Datum::Wgs84), None, Some("gcj02")), (Datum::Wgs84, true, None));
    assert_eq!(chosen(None, Some("epsg:4490"), Some("gcj02")), (Datum::Cgcs2000, true, None));
}
