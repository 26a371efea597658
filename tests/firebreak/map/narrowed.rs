//! Tiles that are narrowed: by filters, by what a unit sees, and what small zooms refuse.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::python;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

use super::beside;
use super::tiles::{BEGIN, get, path_of, tile_of, with_hazards};

/// What counts tell apart, and how many of the hazards at [`BEGIN`] it leaves: alike on every zoom.
const COUNTED_BY: [(&str, u64); 7] = [
    ("", 30),
    ("severity=critical", 10),
    ("severity=critical,serious&open=true", 20),
    ("severity=none", 0),
    ("category=corridor,none", 30),
    ("category=line_body", 0),
    ("open=false", 0),
];

/// What a small zoom does not show: each refusal by its code.
pub(crate) async fn refusals(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let client = server.client()?;
    let small = path_of(tile_of(BEGIN, 9)?);
    for (query, code) in [
        ("township=a", "tile-needs-zoom"),
        ("state=reported", "tile-needs-zoom"),
        ("filter=state='reported'", "tile-needs-zoom"),
        ("severity=worst", "bad-parameter"),
        ("colour=red", "bad-parameter"),
        ("f=png", "bad-parameter"),
    ] {
        let reply = client.get(&format!("{small}?{query}")).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (400, Some(code)), "{query}: {}", reply.text());
    }
    for (layer, zoom, status) in [
        ("structures", 11, 400),
        ("structures", 12, 204),
        ("hazard_states", 9, 400),
        ("hazard_states", 10, 204),
    ] {
        let path = path_of(tile_of(BEGIN, zoom)?).replace("hazards", layer);
        let reply = client.get(&path).await?;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        ensure!(
            status == 204 || reply.code().as_deref() == Some("tile-needs-zoom"),
            "{path}: {}",
            reply.text()
        );
    }
    for query in ["severity=critical,serious", "category=corridor,none", "open=true", "f=mvt"] {
        let reply = client.get(&format!("{small}?{query}")).await?;
        ensure!(matches!(reply.status, 200 | 204), "{query}: {}", reply.text());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_zoom_narrows_by_what_it_counts_by_and_refuses_the_rest() -> Result<()> {
    for backend in Backend::ALL {
        refusals(backend).await?;
        let (server, _phone) = with_hazards(backend).await?;
        let client = server.client()?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("expected.json"), "{}")?;
        let tile = tile_of(BEGIN, 5)?;
        for (query, expected) in COUNTED_BY {
            let reply = client.get(&format!("{}?{query}", path_of(tile))).await?;
            assert_eq!(reply.status, if expected == 0 { 204 } else { 200 }, "{query}: {}", reply.text());
            if expected > 0 {
                std::fs::write(folder.path().join(format!("5-{}-{}.mvt", tile.y(), tile.x())), &reply.body)?;
                let said = python::program("tiles.py", &[folder.path()]).await?;
                assert_eq!(said["5"]["counted"], json!(expected), "{backend:?} {query}: {said}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_zoom_ten_on_a_tile_is_narrowed_as_features_are() -> Result<()> {
    for backend in Backend::ALL {
        let (server, _phone) = with_hazards(backend).await?;
        let client = server.client()?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("expected.json"), "{}")?;
        let tile = tile_of(BEGIN, 12)?;
        let others = [
            ("filter=severity%20=%20'critical'", 10),
            ("severity=critical&filter=state%20=%20'reported'", 10),
            ("severity=critical,serious&kind=tree", 20),
            ("filter=severity%20IN%20('critical','general')%20AND%20kind%20LIKE%20'tr%25'", 20),
            ("filter=S_INTERSECTS(geometry,POLYGON((103%2029.9,104%2029.9,103%2030.1,103%2029.9)))", 30),
            // Within the bounds of the area and beside the area.
            ("filter=S_INTERSECTS(geometry,POLYGON((103%2029.9,104%2029.9,104%2030,103%2029.9)))", 0),
            ("state=closed", 0),
        ];
        for (query, expected) in COUNTED_BY.into_iter().chain(others) {
            let reply = client.get(&format!("{}?{query}", path_of(tile))).await?;
            let said = if expected == 0 {
                assert_eq!(reply.status, 204, "{query}: {}", reply.text());
                continue;
            } else {
                assert_eq!(reply.status, 200, "{query}: {}", reply.text());
                let name = format!("12-{}-{}.mvt", tile.y(), tile.x());
                std::fs::write(folder.path().join(name), &reply.body)?;
                python::program("tiles.py", &[folder.path()]).await?
            };
            ensure!(said["12"]["features"] == json!(expected), "{query}: {said}");
        }
        let reply = client.get(&format!("{}?filter=nothing%20=%201", path_of(tile))).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (400, Some("filter-bad")));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_is_shown_its_own_hazards_alone_and_the_log_tells_who_looked_once_an_hour() -> Result<()> {
    for backend in Backend::ALL {
        let (server, mut phone) = with_hazards(backend).await?;
        let office = server.client()?;
        let unit = json!({"name": "青山管护队", "kind": "responsible"});
        let unit = office.post("/v1/units", &unit).await?.json("unit")?;
        let unit = unit["unit"].as_str().context("no unit")?.to_owned();
        let report = phone.report("serious");
        let bundle = phone.seal(std::slice::from_ref(&report));
        phone.sync(&[bundle]).await?;
        let path = format!("/v1/hazards/{}/commands", report.record);
        let grade = json!({"fields": {"severity": "serious", "rule_version": "2026-1"}});
        office.post(&format!("{path}/grade"), &grade).await?.json("grade")?;
        let deadline_ms = jiff::Timestamp::now().as_millisecond() + 12 * 3_600_000;
        let order = json!({"fields": {"responsible_unit": "青山管护队", "responsible_unit_id": unit,
            "measures": "砍伐", "deadline_ms": deadline_ms}});
        office.post(&format!("{path}/order"), &order).await?.json("order")?;
        let arguments =
            ["person", "add", "--district", "test", "--name", "甲", "--role", "unit", "--unit", &unit];
        let person = server.command_text(&arguments, "person").await?;
        let theirs = server.client_of(&server.create_token(&person).await?)?;
        let (engine, district) = beside(&server).await?;
        engine.follow_until_current(&district).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("expected.json"), "{}")?;
        for (zoom, query) in [(5, ""), (8, ""), (13, "?filter=TRUE"), (13, "")] {
            let tile = tile_of(BEGIN, zoom)?;
            let path = format!("{}{query}", path_of(tile));
            for (client, expected) in [(&office, 31), (&theirs, 1)] {
                let (reply, headers) = get(client, &path, &[]).await?;
                assert_eq!(reply.status, 200, "{}", reply.text());
                let name = format!("{zoom}-{}-{}.mvt", tile.y(), tile.x());
                std::fs::write(folder.path().join(name), &reply.body)?;
                let said = python::program("tiles.py", &[folder.path()]).await?;
                let said = &said[zoom.to_string()];
                let key = if zoom < 10 { "counted" } else { "features" };
                ensure!(said[key] == json!(expected), "{backend:?} zoom {zoom}: {said}");
                let (other, _) = get(&office, &path, &[("if-none-match", &headers["etag"])]).await?;
                assert_eq!(other.status, if expected == 1 { 200 } else { 304 }, "a tag is of what one sees");
            }
        }
        let rows = office.json("/v1/audit?limit=100").await?;
        let rows = rows["rows"].as_array().context("no rows")?.clone();
        let looked: Vec<&Value> = rows.iter().filter(|row| row["action"] == "map.read").collect();
        assert_eq!(looked.len(), 2, "one row a person: {looked:?}");
        ensure!(looked.iter().all(|row| row["object"] == "hazards"), "{looked:?}");
    }
    Ok(())
}
