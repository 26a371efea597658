//! Files of ours: known by their headings, their voltages in the unit that they are in, their structures on their lines.

use std::collections::BTreeMap;

use super::super::{Feature, Shape, own};
use super::{assembled, at, lines, table};
use crate::layers::{Column, Layer};

#[test]
fn a_file_of_lines_or_structures_is_known_by_each_of_its_headings_and_no_other_file_is() {
    for layer in Layer::ALL {
        for heading in [|it: &Column| it.name, |it: &Column| it.zh, |it: &Column| it.en] {
            let headings: Vec<&str> = layer.columns().iter().map(heading).collect();
            let expected = matches!(layer, Layer::Lines | Layer::Structures).then_some(*layer);
            assert_eq!(own::layer_of(|name| headings.contains(&name)), expected, "{headings:?}");
        }
    }
    for others in [
        &["线路编号", "线路名称", "电压等级", "产权单位"][..],
        &["线路名称", "杆号", "杆塔类型", "经度", "纬度"],
        &["osm_id", "power", "voltage", "name", "operator"],
    ] {
        assert_eq!(own::layer_of(|name| others.contains(&name)), None, "{others:?}");
    }
}

#[test]
fn a_voltage_means_the_kilovolts_beside_it() {
    for (given, kilovolts, volts, text) in [
        ("110000", "110", &[110_000][..], "110000"),
        ("110", "110", &[110_000], "110"),
        ("10", "0.01", &[10], "10"),
        ("10", "10", &[10_000], "10"),
        ("35kV", "35", &[35_000], "35kV"),
        ("400/230", "0.4", &[400, 230], "400/230"),
        ("unknown", "", &[], "unknown"),
        ("", "", &[], ""),
        // Somebody changed the kilovolts, or filled them in.
        ("10", "35", &[35_000], "35 kV"),
        ("", "0.4", &[400], "0.4 kV"),
    ] {
        for [kv, as_given] in
            [["voltage_kv", "voltage"], ["电压等级", "电压（原文）"], ["Voltage (kV)", "Voltage as given"]]
        {
            let properties: BTreeMap<String, String> = [(kv, kilovolts), (as_given, given)]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let feature =
                Feature { row: 1, id: None, properties, shape: Shape::None, own: Some(Layer::Lines) };
            let (reading, said) = own::voltage(&feature);
            assert_eq!((reading.volts.as_slice(), said.as_str()), (volts, text), "{given} {kilovolts}");
        }
    }
}

#[test]
fn kilovolts_of_a_table_that_has_nothing_else_of_ours_are_kilovolts() {
    let read = table("osm_id,voltage_kv,wkt\n1,110,\"LINESTRING (103.01 29.98, 103.02 29.98)\"\n");
    assert_eq!(lines(&assembled(&read))[0].volts, [110_000]);
}

#[test]
fn a_number_that_is_an_id_is_not_taken_for_one() {
    let text = "线路标识,线路名称,杆号,里程（米）,杆塔编码,杆号（原文）,杆塔类型,WKT\n\
        x,青线,8812,0,8812,,杆塔,POINT(103.01 29.98)\n\
        x,青线,N2,900,8813,N2,pole,POINT(103.02 29.98)\n";
    let read = table(text);
    let assembled = assembled(&read);
    let line = lines(&assembled)[0];
    assert_eq!(at(line), [(0, "8812"), (1, "N2")]);
    let told: Vec<_> = line.structures.iter().map(|it| (it.number.as_deref(), it.kind.as_str())).collect();
    assert_eq!(told, [(None, "tower"), (Some("N2"), "pole")]);
}
