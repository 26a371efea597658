//! How structures come onto lines.

use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::reference::Reference;

use super::super::assemble::{assemble, keep};
use super::super::mapping::Mapping;
use super::{alone, assembled, at, codes, geojson, items_of, line, lines, point, table};

const THREE: [(f64, f64); 3] = [(103.01, 29.98), (103.012, 29.981), (103.014, 29.982)];

#[test]
fn structures_join_a_line_by_the_ids_of_its_vertices() {
    let read = geojson(&[
        line(&json!({"osm_id": 1, "power": "line", "nodes": [11, 12, 13]}), &THREE),
        point(&json!({"osm_node_id": 11, "power": "tower"}), THREE[0]),
        // The id says where it stands, whatever its own position is.
        point(&json!({"osm_node_id": 13, "power": "pole"}), (103.1, 29.9)),
    ]);
    let assembled = assembled(&read);
    let line = lines(&assembled)[0];
    assert_eq!(at(line), [(0, "11"), (2, "13")]);
    assert_eq!(line.structures[1].chainage_mm, line.length_mm);
    assert_eq!(line.structures[1].kind, "pole");
    assert!(alone(&assembled).is_empty());
}

#[test]
fn a_structure_within_half_a_metre_of_a_vertex_stands_on_it_and_beyond_it_alone() {
    // 4.4 and 5.5 decimetres north of the vertex.
    for (north, is_on) in [(0.000_004, true), (0.000_005, false)] {
        let read = geojson(&[
            line(&json!({"osm_id": 1, "power": "line"}), &THREE),
            point(&json!({"osm_node_id": 9, "power": "tower"}), (THREE[1].0, THREE[1].1 + north)),
        ]);
        let assembled = assembled(&read);
        assert_eq!(lines(&assembled)[0].structures.len(), usize::from(is_on), "{north}");
        assert_eq!(alone(&assembled).len(), usize::from(!is_on), "{north}");
    }
}

#[test]
fn a_structure_where_two_lines_meet_is_on_both() {
    let read = geojson(&[
        line(&json!({"osm_id": 1, "power": "line"}), &THREE[..2]),
        line(&json!({"osm_id": 2, "power": "line"}), &THREE[1..]),
        point(&json!({"osm_node_id": 12, "power": "tower"}), THREE[1]),
    ]);
    let assembled = assembled(&read);
    let on: Vec<_> = lines(&assembled).into_iter().map(at).collect();
    assert_eq!(on, [vec![(1, "12")], vec![(0, "12")]]);
}

#[test]
fn a_structure_that_names_its_line_and_stands_beside_it_becomes_a_vertex() {
    let near = "LINESTRING(103.01 29.98, 103.02 29.98)";
    let table = format!(
        "线路编号,线路名称,几何,所属线路,杆号,经度,纬度\n\
         L1,青线,\"{near}\",,,,\n\
         ,,,L1,N002,103.0151,29.98002\n\
         ,,,L1,N009,103.0151,29.99\n"
    );
    let read = super::table(&table);
    let assembled = assembled(&read);
    let line = lines(&assembled)[0];
    assert_eq!((line.vertices.len(), at(line)), (3, vec![(1, "N002")]));
    assert_eq!(line.vertices[1], (299_800_200, 1_030_151_000));
    assert_eq!((assembled.beside_their_line, alone(&assembled).len()), (1, 1), "more than a kilometre off");
}

#[test]
fn a_table_of_structures_makes_the_line_that_they_name_in_their_order() {
    let read = table(
        "线路名称,电压等级,产权单位,序号,杆号,经度,纬度\n\
         10kV青线,10kV,供电公司,3,N003,103.014,29.982\n\
         10kV青线,10kV,,1,N001,103.01,29.98\n\
         10kV青线,,,2,45+1,103.012,29.981\n\
         孤线,10kV,,1,N001,103.2,29.9\n",
    );
    let assembled = assembled(&read);
    assert_eq!(codes(&assembled.refused), [(4, Code::ImportGeometry)], "one structure is no line");
    let line = lines(&assembled)[0];
    assert_eq!(at(line), [(0, "N001"), (1, "45+1"), (2, "N003")]);
    assert_eq!((line.external_id.as_str(), line.owner.as_deref()), ("10kV青线", Some("供电公司")));
    assert_eq!((line.volts.as_slice(), line.voltage.as_deref()), (&[10_000][..], Some("10kV")));
    assert!(line.longest_span_mm < line.length_mm);
}

#[test]
fn of_two_structures_at_one_place_of_a_line_one_is_on_no_line_and_is_counted() {
    let read = table(
        "线路名称,序号,杆号,经度,纬度\n青杠线,1,N001,103.000,29.98\n青杠线,2,N002,103.001,29.98\n\
         青杠线,3,N003,103.001,29.98\n青杠线,4,N004,103.002,29.98\n",
    );
    let assembled = assembled(&read);
    assert_eq!(lines(&assembled)[0].structures.len(), 3);
    assert_eq!((assembled.at_taken_place, alone(&assembled).len()), (1, 1));
    assert_eq!(assembled.beside_their_line, 0);
}

#[test]
fn parts_that_join_are_one_line_and_others_are_lines_of_their_own() {
    let multi = |parts: serde_json::Value| {
        let geometry = json!({"type": "MultiLineString", "coordinates": parts});
        let properties = json!({"osm_id": 7, "power": "line"});
        geojson(&[json!({"type": "Feature", "properties": properties, "geometry": geometry})])
    };
    let joined = multi(json!([[[103.0, 29.0], [103.1, 29.0]], [[103.1, 29.0], [103.2, 29.0]]]));
    let whole = assembled(&joined);
    assert_eq!(lines(&whole).iter().map(|line| line.vertices.len()).collect::<Vec<_>>(), [3]);
    let apart = multi(json!([[[103.0, 29.0], [103.1, 29.0]], [[103.3, 29.0], [103.2, 29.0]]]));
    let ids: Vec<_> = assembled(&apart).items;
    let ids: Vec<&str> = ids
        .iter()
        .map(|item| if let Reference::Line(line) = item { line.external_id.as_str() } else { "" })
        .collect();
    assert_eq!(ids, ["7/1", "7/2"]);
    assert_eq!(items_of(&apart, &Mapping::default()).in_parts, 1);
}

#[test]
fn what_is_no_line_and_no_structure_is_passed_over_and_counted() {
    let read = geojson(&[
        line(&json!({"osm_id": 1, "power": "line"}), &THREE),
        point(&json!({"power": "substation"}), THREE[0]),
        point(&json!({"power": "substation"}), THREE[1]),
        line(&json!({"osm_id": 2, "power": "busbar"}), &THREE),
    ]);
    let items = items_of(&read, &Mapping::default());
    let passed: Vec<_> = items.passed_over.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    assert_eq!(passed, [("power=busbar", 1), ("power=substation", 2)]);
    assert!(items.refused.is_empty());
}

#[test]
fn what_the_ledger_holds_is_kept_where_a_part_is_imported() {
    let whole = geojson(&[
        line(&json!({"osm_id": 1, "power": "line", "name": "青线", "nodes": [11, 12, 13]}), &THREE),
        point(&json!({"osm_node_id": 11, "power": "tower", "ref": "N001"}), THREE[0]),
        point(&json!({"osm_node_id": 99, "power": "tower"}), (103.5, 29.5)),
    ]);
    let held = assembled(&whole).items;
    // Nothing new: the same again.
    let mut nothing = super::Items::default();
    keep(&mut nothing, &held);
    assert_eq!(assemble(nothing).items, held);
    // A structure that stood alone is on a new line, and the old line stays.
    let part = geojson(&[line(&json!({"osm_id": 2, "power": "line"}), &[(103.5, 29.5), (103.6, 29.5)])]);
    let mut items = items_of(&part, &Mapping::default());
    keep(&mut items, &held);
    let merged = assemble(items);
    assert_eq!(
        lines(&merged).iter().map(|line| at(line)).collect::<Vec<_>>(),
        [vec![(0, "99")], vec![(0, "N001")]]
    );
    assert!(alone(&merged).is_empty());
    // A line that was moved away loses what stood on it.
    let moved = geojson(&[line(&json!({"osm_id": 1, "power": "line"}), &[(103.7, 29.7), (103.8, 29.7)])]);
    let mut items = items_of(&moved, &Mapping::default());
    keep(&mut items, &held);
    let merged = assemble(items);
    assert!(lines(&merged)[0].structures.is_empty());
}

#[test]
fn a_span_of_eleven_kilometres_is_an_untraced_line() {
    let read = geojson(&[
        line(&json!({"osm_id": 1, "power": "line"}), &[(103.0, 29.9), (103.0, 30.0)]),
        line(&json!({"osm_id": 2, "power": "line"}), &THREE),
    ]);
    let assembled = assembled(&read);
    assert_eq!(lines(&assembled).iter().map(|line| line.is_untraced).collect::<Vec<_>>(), [true, false]);
    assert_eq!(assembled.untraced, 1);
}
