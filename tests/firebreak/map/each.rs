//! What each layer has: states that stay told whatever comes late, no text that was redacted, the grid, what was walked and
//! what was not, works, and whose phones hold what they have not sent.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak::layers::{Feature, Layer};
use firebreak::sync::layers::{self, Selection};
use firebreak::sync::sight::Sight;
use firebreak_tests::nepal::real_data;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::builders::MORNING_MS;
use geo::{BoundingRect as _, Geometry};
use serde_json::{Value, json};
use sync_protocol::ids::Identity;
use sync_protocol::kind::Kind;

use super::{Map, cell, json as told};
use crate::derived::patrols::{patrol, walk};
use crate::derived::{import, line, position, send};

fn column(layer: Layer, feature: &Feature, name: &str) -> Value {
    told(cell(layer, feature, name))
}

fn state_of(feature: &Feature) -> String {
    column(Layer::HazardStates, feature, "state").as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_was_told_stays_told_whatever_comes_late() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let (mut reporter, mut crew) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = reporter.report("general");
        send(&mut reporter, std::slice::from_ref(&report)).await?;
        // Recorded on the report before anything else, and handed in last of all.
        let early = crew.on(report.record, Kind::MadeSafe, [head_of(&report)]).with("measures", &"警示围挡");
        let office = server.client()?;
        let path = format!("/v1/hazards/{}/commands/grade", report.record);
        let grade = json!({"fields": {"severity": "general"}});
        office.post(&path, &grade).await?.json("grade")?;
        let before = map.all(Layer::HazardStates).await?;
        let names: Vec<String> = before.iter().map(state_of).collect();
        ensure!(names.contains(&"reported".to_owned()) && names.contains(&"graded".to_owned()), "{names:?}");
        send(&mut crew, &[early]).await?;
        let after = map.all(Layer::HazardStates).await?;
        ensure!(after.len() == before.len() + 1, "{after:?}");
        for state in &before {
            let same = after.iter().find(|other| other.id == state.id).context("a state is gone")?;
            ensure!(state_of(same) == state_of(state), "{same:?} was {state:?}");
            let from = |it: &Feature| column(Layer::HazardStates, it, "valid_from");
            ensure!(from(same) == from(state), "{same:?} was {state:?}");
        }
        // At the moment of the report it was reported and nothing else.
        let graded = before.iter().find(|it| state_of(it) == "graded").context("not graded")?;
        let first = before.iter().find(|it| state_of(it) == "reported").context("not reported")?;
        let at = |feature: &Feature| column(Layer::HazardStates, feature, "valid_from").as_i64();
        for (feature, other) in [(first, graded), (graded, first)] {
            let at = at(feature).context("no moment")?;
            let selection = Selection { at: Some((at, at)), ..Selection::seen_by(Sight::District) };
            let then = map.selected(Layer::HazardStates, &selection, 10).await?;
            let ids: Vec<i64> = then.iter().map(|it| it.id).collect();
            ensure!(ids.contains(&feature.id) && !ids.contains(&other.id), "{at}: {then:?}");
        }
        map.agrees().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_text_is_not_on_the_map_and_what_is_no_hazard_leaves_it() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general").with("description", &"户主张某某拒绝砍树");
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let hazards = map.all(Layer::Hazards).await?;
        ensure!(column(Layer::Hazards, &hazards[0], "description") == "户主张某某拒绝砍树", "{hazards:?}");
        let identity = Identity::of(&report.encode()).to_string();
        let body = json!({"fields": {"operation": identity, "field": "description", "reason": "含个人信息"}});
        let path = format!("/v1/hazards/{}/commands/redact", report.record);
        server.client()?.post(&path, &body).await?.json("redact")?;
        // At once, by a page that does not wait for the hazard to be derived anew.
        let all = Selection::seen_by(Sight::District);
        let page = layers::page(&map.engine, &map.district, Layer::Hazards, &all, Some(-1), 10).await?;
        ensure!(page.len() == 1 && !format!("{page:?}").contains("张某某"), "{page:?}");
        let hazards = map.all(Layer::Hazards).await?;
        ensure!(hazards.len() == 1 && !format!("{hazards:?}").contains("张某某"), "{hazards:?}");
        // A correction alone may be of a hazard; once its opening comes it is a patrol.
        let patrol = patrol(&mut phone, &[walk(0, 1, MORNING_MS)]);
        let corrected = phone
            .on(patrol[0].record, Kind::Corrected, [head_of(&patrol[0])])
            .with("position", &position(299_800_000, 1_030_000_000, 30));
        send(&mut phone, &[corrected]).await?;
        let hazards = map.all(Layer::Hazards).await?;
        ensure!(hazards.len() == 2 && hazards[1].id >= 1 << 52, "{hazards:?}");
        ensure!(hazards[1].record == Some(patrol[0].record.0), "{hazards:?}");
        send(&mut phone, &patrol).await?;
        let hazards = map.all(Layer::Hazards).await?;
        ensure!(hazards.len() == 1 && hazards[0].record == Some(report.record.0), "{hazards:?}");
        map.agrees().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_keeps_the_id_that_it_had_before_its_report_came() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let (first, second) = (phone.report("general"), phone.report("serious"));
        let corrected = phone
            .on(first.record, Kind::Corrected, [head_of(&first)])
            .with("position", &position(299_800_000, 1_030_000_000, 30));
        send(&mut phone, &[corrected, second]).await?;
        let before = map.all(Layer::Hazards).await?;
        ensure!(before.len() == 2 && before[1].id >= 1 << 52, "{before:?}");
        ensure!(column(Layer::Hazards, &before[1], "provisional") == true, "{before:?}");
        send(&mut phone, std::slice::from_ref(&first)).await?;
        let after = map.all(Layer::Hazards).await?;
        ensure!(after.iter().map(|it| it.id).eq(before.iter().map(|it| it.id)), "{after:?}");
        ensure!(after[1].record == Some(first.record.0), "{after:?}");
        ensure!(column(Layer::Hazards, &after[1], "provisional") == false, "{after:?}");
        ensure!(!column(Layer::Hazards, &after[1], "number").is_null(), "{after:?}");
        map.agrees().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_walked_and_what_was_not_are_the_whole_line_with_the_days() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        import(
            &server,
            &[line(1, "青杠线", "110000", 29.98, 11), line(2, "松坪线", "35000", 29.99, 6)].concat(),
        )
        .await?;
        let mut phone = Phone::enrol(&server).await?;
        let operations = patrol(&mut phone, &[walk(2, 12, MORNING_MS)]);
        send(&mut phone, &operations).await?;
        let walked = map.all(Layer::Patrolled).await?;
        ensure!(walked.len() == 1, "{walked:?}");
        let day = MORNING_MS / 86_400_000;
        ensure!(column(Layer::Patrolled, &walked[0], "day") == day, "{walked:?}");
        ensure!(column(Layer::Patrolled, &walked[0], "line_name") == "青杠线", "{walked:?}");
        // 0.002° to 0.012° of longitude.
        let bounds = walked[0].geometry.as_ref().and_then(Geometry::bounding_rect).context("no place")?;
        let is_there = (bounds.min().x - 103.002).abs() < 1e-4 && (bounds.max().x - 103.012).abs() < 1e-4;
        ensure!(is_there, "{bounds:?}");
        let since = Selection { since: Some(day), ..Selection::seen_by(Sight::District) };
        let left = map.selected(Layer::NotPatrolled, &since, 1).await?;
        // Before it and behind it, and the other line.
        ensure!(left.len() == 3, "{left:?}");
        let length = |layer: Layer, features: &[Feature]| -> f64 {
            features.iter().filter_map(|it| column(layer, it, "length_m").as_f64()).sum()
        };
        let lines = map.all(Layer::Lines).await?;
        let whole = length(Layer::Lines, &lines);
        let both = length(Layer::Patrolled, &walked) + length(Layer::NotPatrolled, &left);
        ensure!((whole - both).abs() < 0.01, "{whole} {both}");
        // A day later nobody had been there.
        let later = Selection { since: Some(day + 1), ..Selection::seen_by(Sight::District) };
        ensure!(map.selected(Layer::NotPatrolled, &later, 10).await?.len() == 2);
        for (at, expected) in [(MORNING_MS, 1_u64), (MORNING_MS + 86_400_000, 0)] {
            let selection = Selection { at: Some((at, at)), ..Selection::seen_by(Sight::District) };
            let count = layers::count(&map.engine, &map.district, Layer::Patrolled, &selection).await?;
            ensure!(count == Some(expected), "{count:?}");
            ensure!(
                map.selected(Layer::Patrolled, &selection, 10).await?.len() == usize::try_from(expected)?
            );
        }
        // The other half of the way an hour later by somebody else: another stretch, and the first one keeps its id.
        let mut other = Phone::enrol(&server).await?;
        let operations = patrol(&mut other, &[walk(8, 16, MORNING_MS + 3_600_000)]);
        send(&mut other, &operations).await?;
        let again = map.all(Layer::Patrolled).await?;
        ensure!(again.len() == 2 && again.contains(&walked[0]), "{again:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_stand_where_they_were_found_and_a_phone_that_owes_shows_where_the_map_is_blind() -> Result<()>
{
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        import(&server, &line(1, "青杠线", "110000", 29.98, 11)).await?;
        let fields = json!({"work_type": "corridor_felling", "line_name": "青杠线", "structure_from": "N002",
            "structure_to": "004#", "completed_at_ms": MORNING_MS, "township": "青杠镇"});
        let nowhere =
            json!({"work_type": "relocation_power", "completed_at_ms": MORNING_MS, "length_dm": 1_200});
        for fields in [fields, nowhere] {
            let reply = server.client()?.post("/v1/works", &json!({"fields": fields})).await?;
            ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        }
        let works = map.all(Layer::Works).await?;
        ensure!(works.len() == 2, "{works:?}");
        let of = |name: &str| {
            works.iter().find(|it| column(Layer::Works, it, "kind") == name).with_context(|| name.to_owned())
        };
        let felled = of("corridor_felling")?;
        ensure!(matches!(&felled.geometry, Some(Geometry::MultiLineString(lines)) if lines.0.len() == 1));
        // Two spans of 193.0 m.
        let length_m = column(Layer::Works, felled, "length_m").as_f64().context("no length")?;
        ensure!((length_m - 386.0).abs() < 0.5, "{length_m}");
        let moved = of("relocation_power")?;
        ensure!(moved.geometry.is_none() && column(Layer::Works, moved, "length_m") == 120.0, "{moved:?}");

        let mut phone = Phone::enrol(&server).await?;
        ensure!(map.all(Layer::Unsent).await?.is_empty());
        // It recorded three operations before the one that it hands in.
        let kept: Vec<_> = (0..3).map(|_| phone.report("general")).collect();
        let bundle = phone.seal(&kept);
        let later = phone.report("general");
        send(&mut phone, &[later]).await?;
        let blind = map.all(Layer::Unsent).await?;
        ensure!(blind.len() == 1 && column(Layer::Unsent, &blind[0], "operations") == 3, "{blind:?}");
        ensure!(column(Layer::Unsent, &blind[0], "people") == "测试员", "{blind:?}");
        let bounds = blind[0].geometry.as_ref().and_then(Geometry::bounding_rect).context("no area")?;
        ensure!((bounds.min().x - 103.0).abs() < 1e-9, "{bounds:?}");
        phone.sync(&[bundle]).await?;
        ensure!(map.all(Layer::Unsent).await?.is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grid_of_nepal_is_on_the_map_line_by_line_and_keeps_its_ids() -> Result<()> {
    let Some(folder) = real_data("nepal-osm-power") else { return Ok(()) };
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let map = Map::open(&server).await?;
        let path =
            |name: &str| folder.join(name).to_str().map(str::to_owned).context("a path that is no text");
        let (file, towers) = (path("lines.geojson")?, path("towers.csv")?);
        let (succeeded, report) = server
            .command(&["import", "lines", &file, "--structures", &towers, "--district", DISTRICT])
            .await?;
        ensure!(succeeded, "{report}");
        let lines = map.all(Layer::Lines).await?;
        ensure!(lines.len() == 471, "{}", lines.len());
        let listed = server.client()?.json("/v1/grid/lines?limit=500").await?;
        for listed in listed["lines"].as_array().context("no lines")? {
            let own = lines.iter().find(|it| column(Layer::Lines, it, "uuid") == listed["record"]);
            let own = own.with_context(|| listed.to_string())?;
            ensure!(column(Layer::Lines, own, "external_id") == listed["external_id"], "{listed}");
            ensure!(column(Layer::Lines, own, "structures") == listed["structures"], "{listed}");
            let length_m = column(Layer::Lines, own, "length_m").as_f64().context("no length")?;
            let told_m = listed["length_mm"].as_f64().context("no length")? / 1e3;
            ensure!((length_m - told_m).abs() < 1e-6, "{listed}");
        }
        // Towers are vertices of their lines; 103 stand alone.
        let structures = map.all(Layer::Structures).await?;
        let alone = structures.iter().filter(|it| column(Layer::Structures, it, "line").is_null()).count();
        ensure!(alone == 103 && structures.len() > 10_000, "{alone} of {}", structures.len());
        // Nobody has been anywhere: every line is not patrolled, whole.
        let left = map.all(Layer::NotPatrolled).await?;
        ensure!(left.len() == lines.len(), "{}", left.len());
        // A box names the lines that meet it.
        let bbox = [85.0, 27.5, 85.5, 28.0];
        let selection = Selection { bbox: Some(bbox), ..Selection::seen_by(Sight::District) };
        let found: BTreeSet<i64> =
            map.selected(Layer::Lines, &selection, 50).await?.iter().map(|it| it.id).collect();
        let within = geo::Rect::new((bbox[0], bbox[1]), (bbox[2], bbox[3]));
        let meets = |it: &&Feature| {
            it.geometry.as_ref().is_some_and(|geometry| geo::Intersects::intersects(geometry, &within))
        };
        let expected: BTreeSet<i64> = lines.iter().filter(meets).map(|it| it.id).collect();
        ensure!(!expected.is_empty() && found == expected, "{} of {}", found.len(), expected.len());
        // Another server's numbers are the same: they follow from the things themselves… of one district's records.
        let again = Map::open(&server).await?;
        ensure!(again.all(Layer::Structures).await? == structures);
    }
    Ok(())
}
