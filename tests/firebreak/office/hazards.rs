//! Lists of hazards, their filters, the map.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{MORNING_MS, Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Stamp};
use sync_protocol::view::View;

use super::{after, all, rows, send, text};

#[tokio::test]
async fn pages_of_hazards_never_skip_or_repeat_and_come_worst_first() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let bundle = phone.reports(131);
        phone.sync(&[bundle]).await?;
        // A draft waits until everything is derived: nothing of a row changes after that.
        office.derived().await?;
        let whole = all(&office, "/v1/hazards", "hazards", 500).await?;
        assert_eq!(whole.len(), 131);
        let order: Vec<(u8, u64)> = whole
            .iter()
            .map(|row| {
                let rank =
                    ["critical", "serious", "general"].iter().position(|s| *s == text(row, "severity"));
                (
                    u8::try_from(rank.unwrap_or(9)).unwrap_or(9),
                    row.get("change").and_then(Value::as_u64).unwrap_or(0),
                )
            })
            .collect();
        assert!(order.is_sorted(), "{order:?}");
        for limit in [1, 7, 100, 131] {
            assert_eq!(all(&office, "/v1/hazards", "hazards", limit).await?, whole, "pages of {limit}");
        }
        let numbers: BTreeSet<&str> = whole.iter().map(|row| text(row, "number")).collect();
        assert_eq!(numbers.len(), 131);
        assert!(
            numbers.iter().all(|number| number.starts_with("test-20") && number.len() == 16),
            "{numbers:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_list_read_while_hazards_change_skips_none() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let reports: Vec<Operation> = (0..9).map(|_| phone.report("general")).collect();
        send(&mut phone, &reports).await?;
        let first = office.json("/v1/hazards?limit=4").await?;
        // The last becomes critical: it moves to before what was read already.
        let last = reports.last().context("no report")?;
        let worse = phone.on(last.record, Kind::Observed, [head_of(last)]).with("severity", &"critical");
        send(&mut phone, &[worse]).await?;
        let next = Some(text(&first, "next").to_owned());
        let rest = after(&office, "/v1/hazards", "hazards", 4, next).await?;
        let seen: Vec<String> =
            rows(&first, "hazards")?.iter().chain(&rest).map(|row| text(row, "id").to_owned()).collect();
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), 9, "{backend:?}: {seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn filters_keep_what_they_say_and_refuse_what_they_do_not_know() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let bundle = phone.reports(9);
        phone.sync(&[bundle]).await?;
        let reports = all(&office, "/v1/hazards", "hazards", 500).await?;
        let newest = reports.iter().filter_map(|row| row.get("change")?.as_u64()).max().unwrap_or(0);
        let void = text(&reports[0], "id").to_owned();
        let act = json!({"fields": {"reason": "不属实"}});
        ensure!(office.post(&format!("/v1/hazards/{void}/commands/void"), &act).await?.status == 200);
        let id = phone.id();
        let mut unknown = phone.on(id.into(), Kind::Rectified, []);
        unknown = unknown.with("measures", &"已清理");
        send(&mut phone, &[unknown]).await?;
        let patrol = phone.id();
        let mut started = phone.on(patrol.into(), Kind::PatrolStarted, []);
        started.id = patrol.into();
        send(&mut phone, &[started.with("line_name", &"10kV青松线")]).await?;
        for (query, expected) in [
            ("", 10),
            ("?type=all", 11),
            ("?type=patrol", 1),
            ("?type=work", 0),
            ("?state=void", 1),
            ("?open=false", 1),
            ("?open=true", 9),
            ("?severity=critical", 3),
            ("?severity=critical&open=true", 2),
            ("?severity=none", 1),
            ("?provisional=true", 1),
            ("?provisional=false", 9),
            ("?conflict=true", 0),
            ("?bbox=103,29.9,104,30", 9),
            ("?bbox=103,29.9,103.01,30", 9),
            ("?bbox=103,29.9,103.0099999,30", 0),
            ("?bbox=100,20,101,21", 0),
            (&format!("?since={newest}"), 2),
        ] {
            let found = all(&office, &format!("/v1/hazards{query}"), "hazards", 500).await?;
            assert_eq!(found.len(), expected, "{backend:?} {query}");
        }
        for query in [
            "?state=gone", "?open=yes", "?severity=other", "?type=x", "?bbox=1,2,3", "?bbox=1,95,2,96",
            "?since=-1", "?limit=0", "?limit=501", "?limit=x", "?sort=number", "?open=true&open=true",
        ] {
            let reply = office.get(&format!("/v1/hazards{query}")).await?;
            assert_eq!((reply.status, reply.code().as_deref()), (400, Some("bad-parameter")), "{query}");
        }
        let reply = office.get("/v1/hazards?cursor=AAAA").await?;
        assert_eq!(reply.code().as_deref(), Some("cursor-invalid"));
    }
    Ok(())
}

#[tokio::test]
async fn the_map_has_every_hazard_once_in_longitude_and_latitude() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        for _ in 0..2 {
            let bundle = phone.reports(600);
            phone.sync(&[bundle]).await?;
        }
        let mut placeless = phone.report("serious");
        placeless.fields.remove("position");
        send(&mut phone, &[placeless]).await?;
        office.derived().await?;
        let map = office.json("/v1/hazards.geojson").await?;
        assert_eq!(text(&map, "type"), "FeatureCollection");
        let features = rows(&map, "features")?;
        let ids: BTreeSet<&str> =
            features.iter().map(|feature| text(&feature["properties"], "uuid")).collect();
        assert_eq!((features.len(), ids.len()), (1_201, 1_201));
        let without: Vec<_> = features.iter().filter(|feature| feature["geometry"].is_null()).collect();
        assert_eq!(without.len(), 1);
        let point = features.iter().find(|feature| !feature["geometry"].is_null()).context("no point")?;
        assert_eq!(point["geometry"]["type"], "Point");
        let (lon, lat) = (&point["geometry"]["coordinates"][0], &point["geometry"]["coordinates"][1]);
        assert!(lon.as_f64().is_some_and(|lon| (103.0..104.0).contains(&lon)), "{point}");
        assert!(lat.as_f64().is_some_and(|lat| (29.9..30.9).contains(&lat)), "{point}");
        let general = office.json("/v1/exports/hazards.geojson?severity=general").await?;
        assert_eq!(rows(&general, "features")?.len(), 400);
    }
    Ok(())
}

#[tokio::test]
async fn a_fire_sighting_is_shown_as_critical_everywhere_whatever_was_said_of_it() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let mild = phone.report("general").with("found_at_ms", &MORNING_MS);
        let smoke = phone.report("general").with("found_at_ms", &MORNING_MS);
        let smoke = smoke.with("category", &"fire_sighting").with("type", &"smoke");
        let bundle = phone.seal(&[mild, smoke.clone()]);
        let reply = phone.sync(&[bundle]).await?;
        // What was said stays what it was: the view is a function of the operations alone.
        let sent = reply.items().into_iter().find(|item| item.record == smoke.record).context("not sent")?;
        let view = View::decode(sent.view.as_bytes()).context("no view")?;
        ensure!(view.severity.as_deref() == Some("general"), "{view:?}");
        let reviewer =
            server.client_of(&server.create_token(&server.add_person("reviewer").await?).await?)?;
        let one = format!("/v1/hazards/{}", smoke.record);
        for is_graded in [false, true] {
            if is_graded {
                let grade = format!("{one}/commands/grade");
                reviewer.post(&grade, &json!({"fields": {"severity": "serious"}})).await?.json(&grade)?;
            }
            // A draft waits until everything is derived.
            office.derived().await?;
            let critical = all(&office, "/v1/hazards?severity=critical", "hazards", 9).await?;
            assert_eq!(critical.len(), 1, "{critical:?}");
            assert_eq!(
                (text(&critical[0], "severity"), text(&critical[0], "class")),
                ("critical", "critical")
            );
            assert_eq!(critical[0]["case"]["due_ms"], json!(MORNING_MS + 24 * 3_600_000), "{critical:?}");
            assert_eq!(all(&office, "/v1/hazards?severity=general", "hazards", 9).await?.len(), 1);
            assert_eq!(all(&office, "/v1/hazards?severity=serious", "hazards", 9).await?.len(), 0);
            let whole = office.json(&one).await?;
            let graded = if is_graded { json!("serious") } else { Value::Null };
            assert_eq!(whole["severities"]["shown"], "critical", "{whole}");
            assert_eq!(
                (&whole["severities"]["observed"], &whole["severities"]["graded"]),
                (&json!("general"), &graded)
            );
            let page = office.get("/hazards?category=fire_sighting").await?.text();
            ensure!(page.contains("<span class=\"mark critical\">危急</span>"), "{page}");
            let map = "/v1/exports/hazards.geojson?category=fire_sighting";
            let map = office.json(map).await?;
            assert_eq!(map["features"][0]["properties"]["severity"], "critical", "{map}");
            let ledger =
                office.get("/v1/exports/ledger.csv?category=fire_sighting&headings=zh").await?.text();
            ensure!(ledger.contains("危急") && !ledger.contains("一般"), "{ledger}");
            let tile = "/ogc/collections/hazards/items?filter=severity%20%3D%20'critical'";
            let items = office.json(tile).await?;
            assert_eq!(items["features"].as_array().map(Vec::len), Some(1), "{items}");
        }
        server.check().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_operation_tells_its_devices_boot_as_it_tells_every_id() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
    let plain = phone.report("general");
    let mut report = phone.report("general");
    report.at = Stamp { boot: Some([0xab; 16]), uptime_ms: Some(7), ..report.at };
    send(&mut phone, &[plain.clone(), report.clone()]).await?;
    let at = async |record| -> Result<Value> {
        Ok(office.json(&format!("/v1/hazards/{record}")).await?["operations"][0]["at"].clone())
    };
    let wall_ms = report.at.wall_ms;
    assert_eq!(
        at(report.record).await?,
        json!({"boot": "ab".repeat(16), "uptime_ms": 7, "wall_ms": wall_ms})
    );
    assert_eq!(at(plain.record).await?, json!({"wall_ms": plain.at.wall_ms}));
    Ok(())
}
