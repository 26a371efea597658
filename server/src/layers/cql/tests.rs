//! Filters by table: what they are read as, of which features they hold, why they are refused.

use geo::Point;

use super::*;
use crate::layers::{Feature, Value};

fn reading<'a>(crs: &'a Crs, zone: &'a TimeZone) -> Reading<'a> {
    Reading { layer: Layer::Hazards, crs, zone }
}

fn parsed(text: &str) -> Result<Predicate, FilterError> {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    parse(text, reading(&Crs::storage(), &zone))
}

/// A hazard: 青杠岭, closed, critical, 12.5 m along, found at 2026-11-26 08:00 in China.
fn hazard() -> Feature {
    let values = Layer::Hazards.columns().iter().map(|column| match column.name {
        "description" => Value::Text("Tree_10% of 青杠岭".to_owned()),
        "state" => Value::Text("closed".to_owned()),
        "severity" => Value::Text("critical".to_owned()),
        "chainage_m" => Value::Real(12.5),
        "open" => Value::Boolean(false),
        "major" => Value::Boolean(true),
        "found" => Value::Time(1_795_651_200_000),
        _ => Value::Null,
    });
    let geometry = Some(Point::new(103.01, 29.98).into());
    Feature { id: 1, record: None, geometry, values: values.collect() }
}

#[test]
fn a_filter_holds_of_what_it_says() {
    for (text, holds) in [
        ("state = 'closed'", true),
        ("'closed' = state", true),
        ("state <> 'closed'", false),
        ("state = 'Closed'", false),
        ("CASEI(state) = CASEI('CLOSED')", true),
        ("CASEI(state) IN (CASEI('OPEN'), CASEI('Closed'))", true),
        ("chainage_m > 12 AND chainage_m < 13", true),
        ("12 < chainage_m", true),
        ("chainage_m >= 12.5", true),
        ("chainage_m BETWEEN 12.5 AND 20", true),
        ("chainage_m NOT BETWEEN 0 AND 1", true),
        ("offset_m > 0", false),
        ("NOT (offset_m > 0)", false),
        ("offset_m IS NULL", true),
        ("offset_m IS NOT NULL", false),
        ("state IN ('closed', 'void')", true),
        ("state IN ('closed')", true),
        ("state NOT IN ('reported')", true),
        ("description LIKE 'tree%'", false),
        ("description LIKE 'Tree%'", true),
        ("description NOT LIKE '%松%'", true),
        ("CASEI(description) LIKE CASEI('tree%青杠_')", true),
        (r"description LIKE 'Tree\_10\% of%'", true),
        ("major = TRUE AND open = false", true),
        ("major AND NOT open", true),
        ("state = 'void' OR severity = 'critical' AND major", true),
        ("(state = 'void' OR severity = 'critical') AND open", false),
        ("found > TIMESTAMP('2026-11-25T23:59:59.999Z')", true),
        ("found = DATE('2026-11-26')", true),
        ("found < DATE('2026-11-26')", false),
        ("found <= DATE('2026-11-26')", true),
        ("found > DATE('2026-11-26')", false),
        ("found BETWEEN DATE('2026-11-26') AND DATE('2026-11-26')", true),
        ("T_AFTER(found, DATE('2026-11-25'))", true),
        ("T_BEFORE(found, TIMESTAMP('2026-11-26T00:00:00Z'))", false),
        ("T_DURING(found, INTERVAL('2026-11-26T00:00:00Z', '2026-11-27T00:00:00Z'))", false),
        ("T_INTERSECTS(found, INTERVAL('2026-11-26T00:00:00Z', '..'))", true),
        ("T_DURING(found, INTERVAL('2026-11-25', '2026-11-27'))", true),
        ("T_EQUALS(found, TIMESTAMP('2026-11-26T00:00:00Z'))", true),
        ("T_DISJOINT(found, DATE('2026-11-27'))", true),
        ("T_AFTER(TIMESTAMP('2026-11-27T00:00:00Z'), found)", true),
        ("T_INTERSECTS(found, INTERVAL('..', '..'))", true),
        ("T_DISJOINT(found, INTERVAL('..', '..'))", false),
        ("T_DURING(found, INTERVAL('2026-11-25T00:00:00Z', '..'))", true),
        ("T_AFTER(found, INTERVAL('2026-11-25T00:00:00Z', '..'))", false),
        ("NOT T_BEFORE(found, INTERVAL('..', '2026-11-25T00:00:00Z'))", true),
        // Of a time that is not known neither a relation nor its opposite holds, however far the interval reaches.
        ("T_INTERSECTS(due, INTERVAL('..', '2026-11-27T00:00:00Z'))", false),
        ("T_DISJOINT(due, INTERVAL('..', '2026-11-27T00:00:00Z'))", false),
        ("NOT T_DISJOINT(due, INTERVAL('2026-11-27T00:00:00Z', '..'))", false),
        ("T_DISJOINT(due, INTERVAL('..', '..'))", false),
        ("NOT T_DURING(due, INTERVAL('..', '..'))", false),
        ("NOT T_BEFORE(due, INTERVAL('..', '2026-11-27T00:00:00Z'))", false),
        ("NOT T_AFTER(due, INTERVAL('2026-11-27T00:00:00Z', '..'))", false),
        ("NOT T_EQUALS(due, INTERVAL('2026-11-27T00:00:00Z', '..'))", false),
        ("S_INTERSECTS(geometry, POINT(103.01 29.98))", true),
        ("S_INTERSECTS(geometry, BBOX(103, 29, 104, 30))", true),
        ("S_INTERSECTS(geometry, POLYGON((103 29.9, 103.1 29.9, 103.1 30, 103 29.9)))", false),
        ("S_INTERSECTS(POLYGON((103 29.9, 103.1 29.9, 103.1 30, 103 30, 103 29.9)), geometry)", true),
        ("S_DISJOINT(geometry, POINT(0 0))", true),
        ("geometry IS NULL", false),
        ("TRUE", true),
        ("NOT TRUE", false),
    ] {
        let predicate = parsed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(predicate.holds(Layer::Hazards, &hazard()), holds, "{text}");
    }
}

#[test]
fn a_geometry_is_of_the_system_that_is_said_for_it() {
    let zone = TimeZone::UTC;
    for (name, point) in
        [("EPSG:4490", "29.98 103.01"), ("EPSG:4326", "29.98 103.01"), ("OGC:CRS84", "103.01 29.98")]
    {
        let crs = Crs::parse(name).unwrap();
        let predicate = parse(&format!("S_INTERSECTS(geometry, POINT({point}))"), reading(&crs, &zone));
        assert!(predicate.unwrap().holds(Layer::Hazards, &hazard()), "{name}");
    }
    let crs = Crs::parse("EPSG:4543").unwrap();
    let square = "S_INTERSECTS(geometry, BBOX(3318300, 597400, 3318400, 597500))";
    assert!(parse(square, reading(&crs, &zone)).unwrap().holds(Layer::Hazards, &hazard()));
}

#[test]
fn a_polygon_that_is_a_box_is_asked_for_as_one() {
    let is_box = |text: &str| {
        let Predicate::Intersects(geometry) = parsed(text).unwrap() else { panic!("{text}") };
        matches!(*geometry, geo::Geometry::Rect(_))
    };
    assert!(is_box("S_INTERSECTS(geometry, POLYGON((1 1, 2 1, 2 2, 1 2, 1 1)))"));
    assert!(is_box("S_INTERSECTS(geometry, POLYGON((2 2, 2 1, 1 1, 1 2, 2 2)))"));
    for other in ["1 1, 2 1, 2 2, 1 1, 1 1", "1 1, 2 2, 2 1, 1 2, 1 1", "1 1, 2 1, 2 2, 1 1"] {
        assert!(!is_box(&format!("S_INTERSECTS(geometry, POLYGON(({other})))")), "{other}");
    }
}

#[test]
fn a_filter_that_is_not_understood_is_refused_and_says_why() {
    let unknown = |name: &str| FilterError::UnknownProperty(name.to_owned());
    for (text, expected) in [
        ("nowhere = 1", unknown("nowhere")),
        ("S_INTERSECTS(place, POINT(1 1))", unknown("place")),
        ("state =", FilterError::Unreadable(8)),
        ("state = 'closed", FilterError::Unreadable(15)),
        ("(state = 'closed'", FilterError::Unreadable(17)),
        ("state = 'closed')", FilterError::Unreadable(17)),
    ] {
        assert_eq!(parsed(text), Err(expected), "{text}");
    }
    for text in [
        "",
        "state",
        "state = 1",
        "chainage_m = 'a'",
        "chainage_m = TRUE",
        "open < TRUE",
        "found = 1",
        "found = '2026-11-26'",
        "found = TIMESTAMP('2026-11-26')",
        "found = DATE('2026-02-30')",
        "chainage_m LIKE 'a'",
        r"state LIKE 'a\'",
        "state = state",
        "1 = 1",
        "chainage_m + 1 = 2",
        "avg(chainage_m) = 2",
        "state = NULL",
        "state IN ('a', 1)",
        "S_WITHIN(geometry, POINT(1 1))",
        "S_INTERSECTS(geometry, state)",
        "S_INTERSECTS(state, POINT(1 1))",
        "S_INTERSECTS(geometry, POINT(1000 1000))",
        "S_INTERSECTS(geometry, BBOX(1, 2, 3))",
        "T_AFTER(state, DATE('2026-11-26'))",
        "T_MEETS(found, DATE('2026-11-26'))",
        "T_AFTER(found, INTERVAL('..'))",
        "chainage_m < 1e999",
        "'a'",
        "state = 'a' state",
        "CASEI(description) = CASEI('Fußweg')",
        "CASEI(description) LIKE CASEI('Ö%')",
        "ACCENTI(description) = ACCENTI('a')",
        "CASEI(ACCENTI(description)) = CASEI(ACCENTI('a'))",
    ] {
        assert!(parsed(text).is_err(), "{text}: {:?}", parsed(text));
    }
}

#[test]
fn what_would_take_the_parser_long_is_refused_before_it_sees_it() {
    let nested = |depth: usize| format!("{}major{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parsed(&nested(FILTER_DEPTH)).is_ok());
    assert_eq!(parsed(&nested(FILTER_DEPTH + 1)), Err(FilterError::TooDeep(FILTER_DEPTH + 1)));
    let functions = |depth: usize| format!("{}major{}", "f(".repeat(depth), ")".repeat(depth));
    assert!(matches!(parsed(&functions(FILTER_NESTING)), Err(FilterError::Unsupported(_))));
    assert!(matches!(parsed(&functions(FILTER_NESTING + 1)), Err(FilterError::TooDeep(_))));
    let padded = |bytes: usize| format!("state = '{}'", "x".repeat(bytes - 10));
    assert!(parsed(&padded(FILTER_BYTES)).is_ok());
    assert_eq!(parsed(&padded(FILTER_BYTES + 1)), Err(FilterError::TooLong(FILTER_BYTES + 1)));
    let negated = |times: usize| format!("{}major", "NOT ".repeat(times));
    assert!(parsed(&negated(FILTER_OPERATORS)).is_ok());
    assert_eq!(parsed(&negated(FILTER_OPERATORS + 1)), Err(FilterError::TooManyTerms));
    let list = |amount: usize| format!("state IN ({})", vec!["'a'"; amount].join(","));
    assert!(parsed(&list(FILTER_TERMS - 1)).is_ok());
    assert_eq!(parsed(&list(FILTER_TERMS)), Err(FilterError::TooManyTerms));
}

#[test]
fn the_worst_filter_within_the_limits_is_read_in_a_moment_and_on_a_small_stack() {
    let deep = FILTER_DEPTH;
    let lists = format!("{}{}", "(".repeat(deep), "1),".repeat(deep).trim_end_matches(','));
    let long = |inner: &str| {
        let room = FILTER_BYTES - 2 * deep;
        format!("{}{}{}", "(".repeat(deep), inner.repeat(room / inner.len()), ")".repeat(deep))
    };
    let worst = [
        lists,
        long("a+"),
        long("a b "),
        long("'a',"),
        "a = ".repeat(FILTER_OPERATORS) + "a",
        "- ".repeat(FILTER_OPERATORS) + "1",
        "a^".repeat(FILTER_OPERATORS) + "1",
        "NOT ".repeat(FILTER_OPERATORS) + "a",
    ];
    let amount = worst.len();
    // Threads that serve requests have 2 MiB.
    let (done, read) = std::sync::mpsc::channel();
    let reader = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        for text in worst {
            let _refused = parsed(&text);
            done.send(()).unwrap();
        }
    });
    // No measure of speed: a reader that tries what it read again at each depth takes days.
    let within = std::time::Duration::from_mins(1);
    for nth in 0..amount {
        read.recv_timeout(within).unwrap_or_else(|error| panic!("text {nth}: {error}"));
    }
    reader.unwrap().join().unwrap();
}
