//! Part 3 and CQL2 text: filters over HTTP, and both interpreters of a condition on the same rows.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use firebreak::layers::predicate::{Comparison, Pattern, Predicate};
use firebreak::layers::{Column, ColumnKind, Feature, Layer, Value};
use firebreak::sync::layers::{self, Selection};
use firebreak::sync::sight::Sight;
use firebreak_tests::server::{Backend, DISTRICT};
use fixtures::dice::Dice;

use super::{HARD, HAZARDS, PLACED, World, encoded, features, filtered};

const ITEMS: &str = "/ogc/collections/hazards/items";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_gives_the_features_of_which_it_holds() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        for (filter, expected) in [
            // Basic CQL2.
            ("severity = 'critical'", PLACED / 3),
            ("severity <> 'critical'", PLACED / 3 * 2),
            ("NOT (severity = 'critical')", PLACED / 3 * 2),
            ("severity IS NULL", HAZARDS - PLACED),
            ("severity IS NOT NULL", PLACED),
            ("accuracy_m >= 8", PLACED),
            ("accuracy_m > 8", 0),
            ("8 >= accuracy_m AND accuracy_m > 7.9", PLACED),
            ("accuracy_m < 8 OR accuracy_m > 8", 0),
            ("open = TRUE", HAZARDS),
            ("open = FALSE", 0),
            ("severity = 'critical' AND township = '青杠镇'", PLACED / 15),
            ("(severity = 'critical' OR severity = 'serious') AND NOT township = '青杠镇'", 0),
            ("found = TIMESTAMP('2025-11-01T02:00:00Z')", 1),
            ("found < TIMESTAMP('2025-11-01T02:00:00Z')", 2),
            ("found <= DATE('2025-11-01')", 16),
            ("TRUE", HAZARDS),
            ("FALSE", 0),
            // Advanced comparison operators.
            ("description LIKE '线下树木 No%'", PLACED - 1),
            ("description LIKE '线下树木 No_'", 9),
            ("description LIKE '线下树木 no%'", 0),
            ("CASEI(description) LIKE CASEI('线下树木 NO%')", PLACED - 1),
            (r"description LIKE '%10\% 超限\_%'", 1),
            (r"description LIKE '%10\_%'", 0),
            (r"description LIKE '%\\%'", 1),
            ("description LIKE '%*%'", 0),
            ("description LIKE '%[%'", 0),
            ("description NOT LIKE '线下%'", 1),
            ("CASEI(severity) = CASEI('CRITICAL')", PLACED / 3),
            ("severity IN ('critical', 'serious')", PLACED / 3 * 2),
            ("severity NOT IN ('critical', 'serious')", PLACED / 3),
            ("found BETWEEN TIMESTAMP('2025-11-01T02:00:00Z') AND TIMESTAMP('2025-11-01T04:00:00Z')", 3),
            ("accuracy_m NOT BETWEEN 1 AND 2", PLACED),
            // Basic spatial functions, and with other geometries.
            ("S_INTERSECTS(geometry, POINT(103 29.98))", 1),
            ("S_INTERSECTS(geometry, BBOX(102.99, 29.97, 103.0004, 29.99))", 2),
            ("S_INTERSECTS(geometry, POLYGON((102 29, 104 29, 104 31, 102 31, 102 29)))", PLACED),
            (
                "S_INTERSECTS(geometry, POLYGON((102.9999 29.9799, 103.0004 29.9799, 102.9999 29.9806, 102.9999 29.9799)))",
                1,
            ),
            (
                "NOT S_INTERSECTS(geometry, POLYGON((102.9999 29.9799, 103.0004 29.9799, 102.9999 29.9806, 102.9999 29.9799)))",
                PLACED - 1,
            ),
            ("S_INTERSECTS(geometry, LINESTRING(103 29.9, 103 30))", 1),
            ("S_INTERSECTS(geometry, MULTIPOINT((103 29.98), (0 0)))", 1),
            ("S_DISJOINT(geometry, POINT(103 29.98))", PLACED - 1),
            ("geometry IS NULL", HAZARDS - PLACED),
            // Relations of times.
            ("T_AFTER(found, TIMESTAMP('2025-11-01T02:00:00Z'))", HAZARDS - 3),
            ("T_BEFORE(found, DATE('2025-11-02'))", 16),
            ("T_DURING(found, INTERVAL('2025-11-01T02:00:00Z', '2025-11-01T04:00:00Z'))", 1),
            ("T_INTERSECTS(found, INTERVAL('2025-11-01T02:00:00Z', '2025-11-01T04:00:00Z'))", 3),
            ("T_INTERSECTS(found, INTERVAL('..', '2025-11-01T04:00:00Z'))", 5),
        ] {
            let page = world.get(&filtered(filter)).await?;
            assert_eq!(features(&page)?.len(), expected, "{backend:?} {filter}");
            assert_eq!(page["numberMatched"].as_u64(), u64::try_from(expected).ok(), "{filter}");
        }
        let hard = HARD.replace('\'', "''");
        let page = world.get(&filtered(&format!("description = '{hard}'"))).await?;
        assert_eq!(features(&page)?.len(), 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_layers_are_filtered_by_the_same_words() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        for (layer, filter, expected) in [
            ("lines", "name LIKE '青杠%'", 1),
            ("lines", "voltage_kv = 35 OR voltage_kv = 110", 2),
            (
                "lines",
                "S_INTERSECTS(geometry, POLYGON((103 29.985, 103.001 29.995, 103 29.995, 103 29.985)))",
                1,
            ),
            ("structures", "line_name = '白果二线'", 10),
            ("regions", "level = 'district' AND S_INTERSECTS(geometry, POINT(103 30))", 1),
            ("hazard_states", "state = 'reported' AND valid_to IS NULL", HAZARDS),
        ] {
            let path = format!("/ogc/collections/{layer}/items?limit=1000&filter={}", encoded(filter));
            let page = world.get(&path).await?;
            assert_eq!(features(&page)?.len(), expected, "{backend:?} {layer}: {filter}: {page}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_joins_whatever_else_is_asked_and_stays_on_every_page() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let filter = encoded("severity IN ('critical', 'serious')");
        let both =
            format!("{ITEMS}?limit=1&filter-lang=cql2-text&filter={filter}&township={}", encoded("青杠镇"));
        assert_eq!(world.ids(&both).await?.len(), PLACED / 15 * 2);
        let box_too = format!("{both}&bbox=103,29.98,103.0034,29.981");
        assert_eq!(world.ids(&box_too).await?.len(), 2, "{box_too}");
        // Of another system.
        let crs = encoded("http://www.opengis.net/def/crs/EPSG/0/4490");
        let there = encoded("S_INTERSECTS(geometry, POINT(29.98 103))");
        let page = world.get(&format!("{ITEMS}?filter={there}&filter-crs={crs}")).await?;
        assert_eq!(features(&page)?.len(), 1);
        let page = world.get(&format!("{ITEMS}?filter={there}")).await;
        ensure!(page.is_err(), "29.98 is a longitude, 103 no latitude");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_is_not_understood_is_refused_with_what_is_wrong() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let deep = format!("{}TRUE{}", "(".repeat(7), ")".repeat(7));
    let long = format!("severity = '{}'", "x".repeat(9_000));
    for (filter, detail) in [
        ("severity ==", "character"),
        ("nowhere = 1", "nowhere"),
        ("severity = 1", "severity: a text"),
        ("accuracy_m = 'a'", "accuracy_m: a number"),
        ("S_TOUCHES(geometry, POINT(0 0))", "s_touches is not supported"),
        ("severity LIKE '%a%a%a%a%a%a%a%a%a'", "pattern"),
        (deep.as_str(), "nested"),
        (long.as_str(), "bytes"),
        ("", "character"),
        ("severity = 'a'; DROP TABLE map_hazards", "character"),
    ] {
        let reply = world.office.get(&filtered(filter)).await?;
        ensure!(
            reply.status == 400 && reply.code().as_deref() == Some("filter-bad"),
            "{filter}: {}",
            reply.text()
        );
        ensure!(reply.text().contains(detail), "{filter}: {}", reply.text());
    }
    Ok(())
}

/// Conditions on what there is and on what there is not.
struct Conditions<'a> {
    layer: Layer,
    rows: &'a [Feature],
    dice: Dice,
}

impl Conditions<'_> {
    fn column(&mut self) -> &'static Column {
        self.dice.pick(self.layer.columns()).unwrap_or(&self.layer.columns()[0])
    }

    /// A value of a column: often that of a row, sometimes another of its kind.
    fn value(&mut self, column: &Column) -> Value {
        let at = self.layer.columns().iter().position(|own| own.name == column.name).unwrap_or_default();
        let of_row = self.dice.pick(self.rows).map(|row| row.values[at].clone());
        if let Some(value) = of_row.filter(|value| *value != Value::Null && self.dice.chance(70)) {
            return value;
        }
        let number = self.dice.between(-3, 20_000);
        match column.kind {
            ColumnKind::Text => {
                Value::Text(self.dice.word(&["", "a", "青杠镇", "critical", "線", "~", "A%"]).to_owned())
            }
            ColumnKind::Integer => Value::Integer(number),
            ColumnKind::Real => Value::Real(f64::from(i32::try_from(number).unwrap_or_default()) / 8.0),
            ColumnKind::Boolean => Value::Boolean(number % 2 == 0),
            ColumnKind::Time => Value::Time(1_761_955_200_000 + number * 3_600_000),
            ColumnKind::Day => Value::Day(number),
        }
    }

    fn pattern(&mut self, column: &Column) -> Option<Pattern> {
        let Value::Text(text) = self.value(column) else { return None };
        let mut pattern = String::new();
        for character in text.chars() {
            match self.dice.between(0, 6) {
                0 => pattern.push('_'),
                1 if pattern.matches('%').count() < 4 => pattern.push('%'),
                2 => pattern.extend(['\\', character]),
                _ if "%_\\".contains(character) => pattern.extend(['\\', character]),
                _ if self.dice.chance(20) => pattern.extend(character.to_uppercase()),
                _ => pattern.push(character),
            }
        }
        if self.dice.chance(30) {
            pattern.push('%');
        }
        Pattern::parse(&pattern, self.dice.chance(50))
    }

    fn geometry(&mut self) -> geo::Geometry<f64> {
        let at = self.dice.pick(self.rows).and_then(|row| match row.geometry {
            Some(geo::Geometry::Point(at)) => Some((at.x(), at.y())),
            _ => None,
        });
        let (x, y) = at.unwrap_or((103.0, 29.98));
        let mut reach = || f64::from(i32::try_from(self.dice.between(0, 40)).unwrap_or_default()) / 10_000.0;
        let (east, north) = (x + reach(), y + reach());
        match self.dice.between(0, 3) {
            0 => geo::Point::new(x, y).into(),
            1 => geo::Polygon::new(vec![(x, y), (east, y), (x, north), (x, y)].into(), Vec::new()).into(),
            _ => geo::Rect::new((x, y), (east, north)).into(),
        }
    }

    fn leaf(&mut self) -> Predicate {
        let column = self.column();
        let of_text = column.kind == ColumnKind::Text;
        match self.dice.between(0, 10) {
            0 => Predicate::IsNull(column),
            1 => Predicate::IsNowhere,
            2 | 3 => Predicate::Intersects(Box::new(self.geometry())),
            4 => Predicate::In(column, (0..self.dice.between(0, 4)).map(|_| self.value(column)).collect()),
            5 => Predicate::Between(column, self.value(column), self.value(column)),
            6 | 7 if of_text => match self.pattern(column) {
                Some(pattern) => Predicate::Like(column, pattern),
                None => Predicate::Always(self.dice.chance(50)),
            },
            8 if of_text => match self.value(column) {
                Value::Text(text) => Predicate::EqualCaseless(column, text.to_uppercase()),
                _ => Predicate::Always(true),
            },
            _ => {
                let comparisons = [
                    Comparison::Equal,
                    Comparison::NotEqual,
                    Comparison::Less,
                    Comparison::AtMost,
                    Comparison::Greater,
                    Comparison::AtLeast,
                ];
                let comparison = self.dice.pick(&comparisons).copied().unwrap_or(Comparison::Equal);
                Predicate::Compare(column, comparison, self.value(column))
            }
        }
    }

    fn condition(&mut self, depth: u32) -> Predicate {
        if depth == 0 || self.dice.chance(30) {
            return self.leaf();
        }
        match self.dice.between(0, 3) {
            0 => Predicate::Not(Box::new(self.condition(depth - 1))),
            1 => Predicate::And((0..self.dice.between(0, 4)).map(|_| self.condition(depth - 1)).collect()),
            _ => Predicate::Or((0..self.dice.between(0, 4)).map(|_| self.condition(depth - 1)).collect()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_holds_of_the_same_rows_in_a_database_and_in_memory() -> Result<()> {
    let seed = firebreak_tests::seed("a_condition_holds_of_the_same_rows", 5);
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        world.get(ITEMS).await?;
        let engine = firebreak::app::open(&world.server.settings()).await?;
        let district = engine.district(DISTRICT).await?;
        for layer in [Layer::Hazards, Layer::HazardStates] {
            let whole = Selection::seen_by(Sight::District);
            let rows = layers::page(&engine, &district, layer, &whole, None, 1_000).await?;
            ensure!(rows.len() == HAZARDS, "{}", rows.len());
            let mut conditions = Conditions { layer, rows: &rows, dice: Dice::named(seed, layer.name()) };
            let mut selected = BTreeSet::new();
            for _ in 0..firebreak_tests::rounds(400) {
                let predicate = conditions.condition(3);
                let expected: Vec<i64> =
                    rows.iter().filter(|row| predicate.holds(layer, row)).map(|row| row.id).collect();
                let selection = Selection { predicate: Some(predicate.clone()), ..whole.clone() };
                let mut found: Vec<i64> = Vec::new();
                loop {
                    let page =
                        layers::page(&engine, &district, layer, &selection, found.last().copied(), 7).await?;
                    ensure!(page.len() <= 7, "{predicate:?}: {} on a page of 7", page.len());
                    found.extend(page.iter().map(|row| row.id));
                    if page.len() < 7 {
                        break;
                    }
                }
                ensure!(found == expected, "{backend:?} {predicate:?}: {found:?}, in memory {expected:?}");
                let count = layers::count(&engine, &district, layer, &selection).await?;
                ensure!(count == u64::try_from(expected.len()).ok(), "{predicate:?}: {count:?}");
                selected.insert(expected.len());
            }
            // Conditions that hold of nothing or of everything alone would show little.
            ensure!(selected.len() > 10, "{backend:?} {layer:?}: {selected:?}");
        }
    }
    Ok(())
}
