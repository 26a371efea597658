//! Views of lines, structures and regions: valid by the CDDL, the same bytes again, and nothing else for them.

use sync_protocol::ids::sha256;
use sync_protocol::reference::{
    LineKind, LineStructure, LineView, Reference, RegionLevel, RegionView, StructureView,
};
use sync_protocol::{limits, prepass};

use crate::cddl;

/// The views of the golden frames, by the name of their type.
pub(crate) fn all() -> Vec<(&'static str, Reference)> {
    vec![
        ("line", Reference::Line(line())),
        ("structure", Reference::Structure(structure())),
        ("region", Reference::Region(region())),
    ]
}

fn line() -> LineView {
    let at = |vertex, chainage_mm, number: Option<&str>, external_id: Option<&str>| LineStructure {
        vertex,
        chainage_mm,
        number: number.map(str::to_owned),
        external_id: external_id.map(str::to_owned),
        kind: "tower".to_owned(),
    };
    LineView {
        external_id: "LD-110-01".to_owned(),
        name: Some("110kV 岩青线".to_owned()),
        kind: LineKind::Line,
        voltage: Some("132000;66000".to_owned()),
        volts: vec![132_000, 66_000],
        class: Some("154-220".to_owned()),
        assumptions: vec!["voltage_highest".to_owned(), "voltage_between".to_owned()],
        owner: Some("供电公司".to_owned()),
        operator: Some("运维一班".to_owned()),
        datum: "epsg:4543".to_owned(),
        length_mm: 612_345,
        longest_span_mm: 401_220,
        is_untraced: false,
        vertices: vec![
            (299_800_000, 1_030_100_000),
            (299_812_345, 1_030_119_876),
            (299_790_000, 1_030_160_000),
        ],
        structures: vec![at(0, 0, Some("N001"), Some("77001")), at(1, 211_125, Some("N002"), None)],
        is_retired: false,
        version: sha256(b"firebreak golden grid"),
    }
}

fn structure() -> StructureView {
    StructureView {
        external_id: "77009".to_owned(),
        number: None,
        kind: "pole".to_owned(),
        datum: "wgs84".to_owned(),
        position: (-299_800_000, -1_030_100_000),
        is_retired: true,
        version: sha256(b"firebreak golden grid"),
    }
}

fn region() -> RegionView {
    RegionView {
        code: "511822101".to_owned(),
        name: "青杠镇".to_owned(),
        level: RegionLevel::Township,
        parent: Some("511822".to_owned()),
        from_day: Some(18_262),
        until_day: Some(20_454),
        polygons: vec![vec![vec![
            (299_000_000, 1_030_000_000),
            (299_000_000, 1_031_000_000),
            (300_000_000, 1_031_000_000),
            (299_000_000, 1_030_000_000),
        ]]],
        is_retired: false,
        version: sha256(b"firebreak golden regions"),
    }
}

#[test]
fn views_of_reference_data_are_valid_and_decode_to_what_was_encoded() {
    for (name, view) in all() {
        let bytes = view.encode();
        cddl::assert_valid(&format!("{name}-view"), &bytes);
        let bounds = prepass::Bounds { depth: limits::REPLY_DEPTH, items: limits::REPLY_ITEMS };
        assert_eq!(prepass::exact(&bytes, bounds), Ok(()), "{name}: deterministic, no floats");
        assert_eq!(Reference::decode(&bytes), Some(view), "{name}");
    }
}

#[test]
fn a_view_that_is_cut_or_of_another_type_is_none() {
    for (name, view) in all() {
        let bytes = view.encode();
        for cut in 0..bytes.len() {
            assert_eq!(Reference::decode(&bytes[..cut]), None, "{name} cut at {cut}");
        }
    }
    assert!(LineView::decode(&structure().encode()).is_none());
    assert!(RegionView::decode(&line().encode()).is_none());
}

#[test]
fn a_retired_view_is_the_same_but_for_its_standing() {
    for (name, view) in all() {
        let version = sha256(b"another");
        let retired = view.clone().standing(true, version);
        assert!(retired.is_retired(), "{name}");
        assert_ne!(retired.encode(), view.encode());
        let back = retired.standing(view.is_retired(), view_version(&view));
        assert_eq!(back, view, "{name}");
    }
}

fn view_version(view: &Reference) -> [u8; 32] {
    match view {
        Reference::Line(it) => it.version,
        Reference::Structure(it) => it.version,
        Reference::Region(it) => it.version,
    }
}

#[test]
fn an_odd_number_of_coordinates_or_one_beyond_all_bounds_is_no_view() {
    let mut line = line();
    line.vertices = vec![(i64::MAX, 0), (0, 0)];
    let bytes = line.encode();
    assert_eq!(LineView::decode(&bytes).map(|line| line.vertices), Some(line.vertices));
    let mut writer = sync_protocol::cbor::MapWriter::new();
    for (key, item) in prepass::entries(&bytes).unwrap() {
        match key {
            "vertices" => writer.value(key, &[i64::MAX, 0, 1, 0]),
            _ => writer.raw(key, item),
        };
    }
    assert_eq!(LineView::decode(&writer.finish()), None, "the sum overflows");
}
