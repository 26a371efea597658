//! The tables of clearances cell by cell, the bands at their edges, the fall-in test, what is assumed.

use jiff::civil::date;

use super::*;
use crate::rules::voltage::{read, read_tag};

fn tree(voltage: &str) -> Measured {
    Measured {
        kind: Some("tree".to_owned()),
        cover: Some(Cover::Street),
        conductor: Some("bare".to_owned()),
        is_in_zone: Some(true),
        ..Measured::on(date(2026, 3, 1), read(voltage))
    }
}

fn severity(measured: &Measured) -> Option<Severity> {
    grade(Rules::standard(), measured).map(|suggestion| suggestion.severity)
}

/// One voltage of each class, in the order of the columns of the tables.
const VOLTAGES: [&str; 6] = ["380V", "10kV", "110kV", "220kV", "330kV", "500kV"];

#[test]
fn every_cell_of_the_tables_parts_critical_from_serious_and_serious_from_general() {
    type Row = (Measure, Cover, &'static str, [u32; 6]);
    let rows: [Row; 9] = [
        (Measure::Vertical, Cover::Street, "bare", [10, 15, 40, 45, 55, 70]),
        (Measure::Vertical, Cover::Street, "covered", [2, 8, 40, 45, 55, 70]),
        (Measure::Net, Cover::Street, "bare", [10, 20, 35, 40, 50, 70]),
        (Measure::Net, Cover::Street, "covered", [5, 10, 35, 40, 50, 70]),
        (Measure::Vertical, Cover::Forest, "bare", [30, 30, 40, 45, 55, 70]),
        // Insulation does not make a forest a street.
        (Measure::Vertical, Cover::Forest, "covered", [30, 30, 40, 45, 55, 70]),
        (Measure::Vertical, Cover::Fruit, "bare", [15, 15, 30, 35, 45, 70]),
        (Measure::Vertical, Cover::Fruit, "covered", [15, 15, 30, 35, 45, 70]),
        (Measure::Net, Cover::Forest, "bare", [10, 20, 35, 40, 50, 70]),
    ];
    for (measure, cover, conductor, minima) in rows {
        for ((voltage, minimum), band) in VOLTAGES.iter().zip(minima).zip([10, 10, 30, 30, 30, 30]) {
            let at = |found: u32| {
                let (vertical_dm, horizontal_dm) = match measure {
                    Measure::Vertical => (Some(found), None),
                    Measure::Net => (None, Some(found)),
                };
                let conductor = Some(conductor.to_owned());
                severity(&Measured {
                    cover: Some(cover),
                    conductor,
                    vertical_dm,
                    horizontal_dm,
                    ..tree(voltage)
                })
            };
            let case = format!("{measure:?} {cover:?} {conductor} {voltage}");
            assert_eq!(at(0), Some(Severity::Critical), "{case}");
            assert_eq!(at(minimum), Some(Severity::Critical), "{case}");
            assert_eq!(at(minimum + 1), Some(Severity::Serious), "{case}");
            assert_eq!(at(minimum + band), Some(Severity::Serious), "{case}");
            // No zone is set below 1 kV; beyond it nothing is suggested.
            let width = match *voltage {
                "380V" => 0,
                "10kV" => 50,
                "110kV" => 100,
                "220kV" | "330kV" => 150,
                _ => 200,
            };
            let is_in_zone = width > 0 && (measure == Measure::Vertical || minimum + band < width);
            assert_eq!(at(minimum + band + 1), is_in_zone.then_some(Severity::General), "{case}");
        }
    }
}

#[test]
fn beyond_the_protection_zone_nothing_is_suggested() {
    for (voltage, width) in [("10kV", 50), ("35kV", 100), ("110kV", 100), ("154kV", 150), ("500kV", 200)] {
        let at = |horizontal: u32| severity(&Measured { horizontal_dm: Some(horizontal), ..tree(voltage) });
        assert_eq!(at(width), Some(Severity::General), "{voltage}");
        assert_eq!(at(width + 1), None, "{voltage}");
    }
    let at = |is_in_zone| severity(&Measured { vertical_dm: Some(200), is_in_zone, ..tree("10kV") });
    assert_eq!(at(Some(false)), None);
    let unknown = Measured { vertical_dm: Some(200), is_in_zone: None, ..tree("10kV") };
    let suggestion = grade(Rules::standard(), &unknown).unwrap();
    assert_eq!((suggestion.severity, &suggestion.reasons[0]), (Severity::General, &Reason::ZoneAssumed));
}

#[test]
fn a_tree_that_falls_into_the_clearance_is_critical() {
    // 10 kV in forest: clearance 3.0 m. 12 m tall, conductor 2 m above its top, 8 m aside: √(8² + 14²) = 16.1 > 15.
    let aside = |horizontal: u32, vertical: Option<u32>| {
        let measured = Measured {
            cover: Some(Cover::Forest),
            vertical_dm: vertical,
            horizontal_dm: Some(horizontal),
            tree_height_dm: Some(120),
            ..tree("10kV")
        };
        grade(Rules::standard(), &measured)
    };
    let falls = |suggestion: Option<Suggestion>| {
        let reasons = suggestion.map(|suggestion| suggestion.reasons).unwrap_or_default();
        reasons.into_iter().find_map(|reason| match reason {
            Reason::FallIn { severity, .. } => Some(severity),
            _ => None,
        })
    };
    assert_eq!(falls(aside(80, Some(20))), None);
    // √(5.38² + 14²) = 14.998 ≤ 15 < √(5.39² + 14²).
    assert_eq!(falls(aside(53, Some(20))), Some(Severity::Critical));
    assert_eq!(falls(aside(54, Some(20))), None);
    assert_eq!(severity_of(aside(53, Some(20))), Some(Severity::Critical));
    // Nobody measured the conductor's height: what could reach it at all is serious.
    assert_eq!(falls(aside(150, None)), Some(Severity::Serious));
    assert_eq!(falls(aside(151, None)), None);
}

fn severity_of(suggestion: Option<Suggestion>) -> Option<Severity> {
    suggestion.map(|suggestion| suggestion.severity)
}

#[test]
fn both_distances_are_taken_as_the_straight_line() {
    // 110 kV in forest: 4.0 m vertical, 3.5 m net; 3.0 down and 4.0 aside are 5.0: serious, not critical.
    let both = Measured {
        cover: Some(Cover::Forest),
        vertical_dm: Some(30),
        horizontal_dm: Some(40),
        ..tree("110kV")
    };
    let suggestion = grade(Rules::standard(), &both).unwrap();
    assert_eq!(suggestion.severity, Severity::Serious);
    let Reason::Clearance { distance, found_dm, minimum_dm, .. } = &suggestion.reasons[0] else {
        panic!("{suggestion:?}");
    };
    assert_eq!((*distance, *found_dm, *minimum_dm), (Distance::Net, 50, 40));
    assert_eq!(severity(&Measured { horizontal_dm: Some(26), ..both }), Some(Severity::Critical));
}

#[test]
fn what_is_unknown_is_assumed_and_said() {
    let bare = Measured {
        kind: Some("bamboo".to_owned()),
        vertical_dm: Some(35),
        ..Measured::on(date(2026, 3, 1), read(""))
    };
    let suggestion = grade(Rules::standard(), &bare).unwrap();
    // 35–110 kV, forest, bare: 4.0 m.
    assert_eq!(suggestion.severity, Severity::Critical);
    assert_eq!(
        suggestion.zh(),
        "电压：未填写电压等级，按 35-110 kV 级；电压等级未知，按 35-110 kV 级；未记录导线类型，按裸导线；\
         未记录是否林区，按林区；垂直距离 3.5 m，不大于最小值 4.0 m：危急"
    );
    assert!(suggestion.en().is_ascii(), "{}", suggestion.en());
    assert_eq!(suggestion.rules, Rules::standard().version());

    let two = Measured { voltage: read_tag("132000;66000"), vertical_dm: Some(60), ..tree("") };
    let suggestion = grade(Rules::standard(), &two).unwrap();
    assert_eq!(suggestion.severity, Severity::Serious);
    assert!(suggestion.zh().starts_with("电压（132 kV / 66 kV）：有多个电压，取最高者，按 154-220 kV 级；"));

    let strange = Measured { voltage: read_tag("3200"), vertical_dm: Some(40), ..tree("") };
    let suggestion = grade(Rules::standard(), &strange).unwrap();
    assert_eq!(suggestion.severity, Severity::Critical);
    assert!(suggestion.en().contains("(3.200 kV): no line has such a voltage"), "{}", suggestion.en());
}

#[test]
fn what_the_tables_say_nothing_of_gets_no_suggestion() {
    let near = Measured { vertical_dm: Some(1), ..tree("10kV") };
    assert_eq!(severity(&near), Some(Severity::Critical));
    assert_eq!(severity(&Measured { kind: Some("illegal_building".to_owned()), ..near.clone() }), None);
    assert_eq!(severity(&Measured { kind: None, ..near.clone() }), None);
    assert_eq!(severity(&Measured { vertical_dm: None, ..near.clone() }), None);
    assert_eq!(severity(&Measured { voltage: read("750kV"), ..near.clone() }), None);
    // Before any row is in force.
    assert_eq!(severity(&Measured { day: date(1999, 12, 31), ..near }), None);
}

#[test]
fn a_bureau_may_add_a_class_and_a_later_row_counts_from_its_day() {
    let more = "\n[[class]]\nkey = \"750\"\nzh = \"750 kV\"\nen = \"750 kV\"\nfrom_v = 750000\nto_v = 750000\n\
                network = \"transmission\"\n\n[[minimum]]\nmeasure = \"vertical\"\ncover = \"street\"\n\
                conductor = \"bare\"\nminimum_dm = { \"750\" = 85, \"1-10\" = 25 }\nmark = \"ours\"\n\
                source = \"本局\"\neffective_from = \"2026-07-01\"\n";
    let rules = Rules::parse(&format!("{}{more}", crate::rules::DEFAULT)).unwrap();
    let on = |day, voltage: &str, vertical| {
        let voltage = crate::rules::voltage::read_by(&rules, voltage);
        let measured = Measured { day, voltage, vertical_dm: Some(vertical), ..tree("") };
        severity_of(grade(&rules, &measured))
    };
    assert_eq!(on(date(2026, 7, 1), "750kV", 85), Some(Severity::Critical));
    assert_eq!(on(date(2026, 6, 30), "750kV", 85), None);
    assert_eq!(on(date(2026, 7, 1), "10kV", 25), Some(Severity::Critical));
    assert_eq!(on(date(2026, 6, 30), "10kV", 25), Some(Severity::Serious));
}

#[test]
fn a_suggestion_never_lowers_what_a_person_set() {
    use Severity::{Critical, General, Serious};
    assert_eq!(worse(Some(Serious), Some(General)), Some(Serious));
    assert_eq!(worse(Some(Serious), Some(Critical)), Some(Critical));
    assert_eq!(worse(None, Some(General)), Some(General));
    assert_eq!(worse(Some(General), None), Some(General));
    assert_eq!(worse(None, None), None);
    assert_eq!(worse(Some(Severity::of_term("dreadful")), Some(Serious)), Some(Critical));
}

#[test]
fn reasons_are_data_and_come_back_as_they_were() {
    let measured = Measured {
        vertical_dm: Some(20),
        horizontal_dm: Some(53),
        tree_height_dm: Some(120),
        ..Measured { cover: None, conductor: None, ..tree("20") }
    };
    let suggestion = grade(Rules::standard(), &measured).unwrap();
    let json = serde_json::to_string(&suggestion).unwrap();
    assert_eq!(serde_json::from_str::<Suggestion>(&json).unwrap(), suggestion);
    for code in ["\"voltage\"", "\"cover_assumed\"", "\"conductor_assumed\"", "\"clearance\"", "\"fall_in\""]
    {
        assert!(json.contains(code), "{code}: {json}");
    }
}
