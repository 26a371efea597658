//! Reading a layer in pages while phones sync, by box, by time and by who asks.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak::layers::Layer;
use firebreak::sync::layers::{self, Selection};
use firebreak::sync::sight::Sight;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use serde_json::json;
use sync_protocol::ids::{OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Position};
use uuid::Uuid;

use super::{Map, cell, json as told};

fn whole() -> Selection {
    Selection::seen_by(Sight::District)
}

/// Reports scattered over a few kilometres, some on the same spot, one nowhere.
fn scattered(phone: &mut Phone, dice: &mut Dice, count: usize) -> Vec<Operation> {
    let mut reports: Vec<Operation> = (0..count)
        .map(|nth| {
            let (lat, lon) =
                if nth % 5 == 0 { (0, 0) } else { (dice.between(0, 400_000), dice.between(0, 400_000)) };
            let position =
                Position { lat_e7: 299_800_000 + lat, lon_e7: 1_030_000_000 + lon, ..Position::default() };
            let severity = dice.word(&["general", "serious", "critical"]);
            phone
                .report(severity)
                .with("position", &position)
                .with("found_at_ms", &(1_790_000_000_000_i64 + lat))
        })
        .collect();
    let id = phone.id();
    let nowhere = Operation::new(OperationId(id), RecordId(id), Kind::Reported, phone.person, phone.stamp());
    reports.push(nowhere.with("category", &"corridor").with("type", &"tree"));
    reports
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_pages_sees_every_hazard_once_while_phones_sync() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let (mut phone, mut dice) = (Phone::enrol(&server).await?, Dice::named(1, "pages"));
        let reports = scattered(&mut phone, &mut dice, 60);
        let bundle = phone.seal(&reports);
        phone.sync(&[bundle]).await?;
        map.engine.follow_until_current(&map.district).await?;
        let there: BTreeSet<Uuid> = reports.iter().map(|report| report.record.0).collect();
        for layer in [Layer::Hazards, Layer::HazardStates] {
            let mut seen: Vec<(i64, Uuid)> = Vec::new();
            loop {
                let after = seen.last().map(|(id, _)| *id);
                let page = layers::page(&map.engine, &map.district, layer, &whole(), after, 7).await?;
                seen.extend(page.iter().filter_map(|feature| Some((feature.id, feature.record?))));
                if page.len() < 7 {
                    break;
                }
                // Meanwhile hazards move, are cured, and new ones come.
                let moved = dice.pick(&reports).context("no reports")?;
                let elsewhere = Position {
                    lat_e7: dice.between(299_000_000, 301_000_000),
                    lon_e7: dice.between(1_029_000_000, 1_031_000_000),
                    ..Position::default()
                };
                let corrected =
                    phone.on(moved.record, Kind::Corrected, [head_of(moved)]).with("position", &elsewhere);
                let new = phone.report("serious");
                let bundle = phone.seal(&[corrected, new]);
                phone.sync(&[bundle]).await?;
                map.engine.follow_until_current(&map.district).await?;
            }
            let ids: BTreeSet<i64> = seen.iter().map(|(id, _)| *id).collect();
            ensure!(ids.len() == seen.len(), "{layer:?}: an id comes twice");
            for record in &there {
                let times = seen.iter().filter(|(_, seen)| seen == record).count();
                ensure!(times == 1, "{backend:?} {layer:?}: {record} came {times} times");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_or_a_time_names_the_same_hazards_as_looking_at_each() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let (mut phone, mut dice) = (Phone::enrol(&server).await?, Dice::named(2, "boxes"));
        let reports = scattered(&mut phone, &mut dice, 80);
        let bundle = phone.seal(&reports);
        phone.sync(&[bundle]).await?;
        let all = map.all(Layer::Hazards).await?;
        ensure!(all.len() == 81 && all.iter().filter(|hazard| hazard.geometry.is_none()).count() == 1);
        for _ in 0..40 {
            // Often with an edge that goes through a hazard.
            let mut edge = |from: f64| -> f64 {
                let shift = f64::from(i32::try_from(dice.between(-10, 50)).unwrap_or_default()) / 1_000.0;
                if dice.chance(30) { from } else { from + shift }
            };
            let (south, west) = (edge(29.98), edge(103.0));
            let (north, east) = (edge(29.98).max(south), edge(103.0).max(west));
            let bbox = [west, south, east, north];
            let selection = Selection { bbox: Some(bbox), ..whole() };
            let found = map.selected(Layer::Hazards, &selection, 9).await?;
            let expected: Vec<_> = all
                .iter()
                .filter(|hazard| match &hazard.geometry {
                    Some(geo::Geometry::Point(at)) => {
                        (west..=east).contains(&at.x()) && (south..=north).contains(&at.y())
                    }
                    _ => false,
                })
                .cloned()
                .collect();
            ensure!(found == expected, "{backend:?} {bbox:?}: {} of {}", found.len(), expected.len());
            let count = layers::count(&map.engine, &map.district, Layer::Hazards, &selection).await?;
            ensure!(count == u64::try_from(expected.len()).ok(), "{count:?}");
            // The states of a hazard stand where it stands.
            let states = map.selected(Layer::HazardStates, &selection, 9).await?;
            ensure!(states.len() == expected.len(), "{} states", states.len());
        }
        let at = (1_790_000_100_000, 1_790_000_200_000);
        let found = map.selected(Layer::Hazards, &Selection { at: Some(at), ..whole() }, 9).await?;
        let of_then = |hazard: &&firebreak::layers::Feature| {
            let found = told(cell(Layer::Hazards, hazard, "found")).as_i64();
            found.is_some_and(|found| (at.0..=at.1).contains(&found))
        };
        let expected: Vec<_> = all.iter().filter(of_then).cloned().collect();
        ensure!(!expected.is_empty() && found == expected, "{} of {}", found.len(), expected.len());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_units_people_see_the_hazards_of_their_unit_and_no_history() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let office = server.client()?;
        let mut units = Vec::new();
        for name in ["云顶供电所", "松坪供电所"] {
            let body = json!({"name": name, "kind": "responsible"});
            let unit = office.post("/v1/units", &body).await?.json("unit")?;
            units.push(Uuid::parse_str(unit["unit"].as_str().context("no unit")?)?);
        }
        let mut phone = Phone::enrol(&server).await?;
        let mut of_first = Vec::new();
        for nth in 0..6_usize {
            let report = phone.report("general");
            let report = match units.get(nth % 3) {
                Some(unit) => report.with("responsible_unit_id", &RecordId(*unit)),
                None => report,
            };
            if nth % 3 == 0 {
                of_first.push(Some(report.record.0));
            }
            let bundle = phone.seal(&[report]);
            phone.sync(&[bundle]).await?;
        }
        let sight = Sight::Units([units[0]].into());
        let seen = map.selected(Layer::Hazards, &Selection::seen_by(sight.clone()), 1).await?;
        let records: Vec<Option<Uuid>> = seen.iter().map(|hazard| hazard.record).collect();
        ensure!(records == of_first, "{records:?}");
        ensure!(seen.iter().all(|it| told(cell(Layer::Hazards, it, "unit")) == "云顶供电所"), "{seen:?}");
        let count =
            layers::count(&map.engine, &map.district, Layer::Hazards, &Selection::seen_by(sight.clone()))
                .await?;
        ensure!(count == Some(2), "{count:?}");
        // Another name is its name on the map too.
        let path = format!("/v1/units/{}", units[0]);
        let renamed = json!({"name": "云顶电力公司", "kind": "responsible"});
        let reply = office.call("PUT", &path, &renamed).await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        let seen = map.selected(Layer::Hazards, &Selection::seen_by(sight.clone()), 10).await?;
        ensure!(seen.iter().all(|it| told(cell(Layer::Hazards, it, "unit")) == "云顶电力公司"), "{seen:?}");
        map.forget().await?;
        ensure!(map.selected(Layer::Hazards, &Selection::seen_by(sight.clone()), 10).await? == seen);
        let nobody = Selection::seen_by(Sight::Units(BTreeSet::new()));
        ensure!(map.selected(Layer::Hazards, &nobody, 10).await?.is_empty());
        for layer in Layer::ALL.iter().filter(|layer| !layers::is_seen(**layer, &sight)) {
            let page =
                layers::page(&map.engine, &map.district, *layer, &Selection::seen_by(sight.clone()), None, 1)
                    .await;
            ensure!(page.is_err(), "{}", layer.name());
        }
    }
    Ok(())
}
