//! What the office enters for what no device made.

use anyhow::{Result, ensure};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::json;
use tempfile::TempDir;

use super::{enter, fresh_id, gpx};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_with_an_id_is_one_record_however_often_it_is_sent() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let id = fresh_id();
        let work = json!({"id": id, "fields": {"work_type": "pole_breaker", "quantity": 2}});
        let first = office.post("/v1/works", &work).await?.json("first")?;
        assert_eq!((first["id"].clone(), first["new"].clone()), (json!(id), json!(true)));
        let again = office.post("/v1/works", &work).await?.json("again")?;
        assert_eq!((again["id"].clone(), again["new"].clone()), (json!(id), json!(false)));
        let other = json!({"id": id, "fields": {"work_type": "pole_breaker", "quantity": 3}});
        let refused = office.post("/v1/works", &other).await?;
        assert_eq!((refused.status, refused.code().as_deref()), (400, Some("bad-parameter")), "{backend:?}");
        let record = office.json(&format!("/v1/hazards/{id}")).await?;
        assert_eq!(record["operations"].as_array().map(Vec::len), Some(1), "{record}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_too_little_is_refused_in_the_words_of_the_field() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    for (path, fields, said) in [
        ("/v1/works", json!({}), "请填写作业类型"),
        ("/v1/works", json!({"work_type": "corridor_felling"}), "起止"),
        ("/v1/works", json!({"work_type": "pole_breaker", "quantity": -1}), "至少为 1"),
        ("/v1/works", json!({"work_type": "pole_breaker", "quantity": "two"}), "quantity"),
        ("/v1/inspections", json!({}), "请填写受检单位"),
        ("/v1/activities", json!({"people": 3}), "请填写活动类型"),
        ("/v1/hazards", json!({"category": "corridor"}), "请填写隐患类型"),
        (
            "/v1/hazards",
            json!({"category": "corridor", "type": "tree", "position": {"lat": 29.98, "lon": 103.01}}),
            "lat_e7",
        ),
        ("/v1/works", json!({"work_type": "pole_breaker", "quantity": 1.5}), "整数"),
        (
            "/v1/hazards",
            json!({"category": "corridor", "type": "tree", "inspection": fresh_id()}),
            "督导检查",
        ),
    ] {
        let reply = office.post(path, &json!({"fields": fields})).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (400, Some("bad-parameter")), "{path} {fields}");
        ensure!(reply.text().contains(said), "{path} {fields}: {}", reply.text());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_is_a_hazard_that_names_its_inspection() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let inspection = enter(&office, "/v1/inspections", json!({"unit": "供电所"})).await?;
    let fields = json!({"category": "corridor", "type": "tree", "inspection": inspection});
    let finding = enter(&office, "/v1/hazards", fields).await?;
    let record = office.json(&format!("/v1/hazards/{finding}")).await?;
    assert_eq!(record["record_type"], "hazard", "{record}");
    let no_inspection = json!({"category": "corridor", "type": "tree", "inspection": finding});
    let refused = office.post("/v1/hazards", &json!({"fields": no_inspection})).await?;
    assert_eq!(refused.status, 400, "a hazard is no inspection");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gpx_file_is_one_patrol_in_pieces_that_a_phone_could_have_sent() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let person = server.add_person("inspector").await?;
        // 1,201 points: two pieces.
        let file = gpx(0, 120, 0);
        let path = format!("/v1/patrols?person={person}");
        let first = office.post_bytes(&path, file.clone().into_bytes(), &[]).await?.json("first")?;
        assert_eq!((first["points"].clone(), first["new"].clone()), (json!(1_201), json!(true)));
        let folder = TempDir::with_prefix("firebreak-gpx")?;
        let (good, bad) = (folder.path().join("good.gpx"), folder.path().join("bad.gpx"));
        std::fs::write(&good, &file)?;
        std::fs::write(&bad, "<gpx></gpx>")?;
        let good = good.to_string_lossy().into_owned();
        let (done, said) =
            server.command(&["import", "gpx", &good, "--district", DISTRICT, "--person", &person]).await?;
        ensure!(done && said["record"] == first["id"] && said["new"] == false, "{said}");
        let bad = bad.to_string_lossy().into_owned();
        let (done, said) =
            server.command(&["import", "gpx", &bad, "--district", DISTRICT, "--person", &person]).await?;
        ensure!(!done && said["code"] == "bad-parameter", "{said}");
        let id = first["id"].as_str().unwrap_or_default();
        let record = office.json(&format!("/v1/hazards/{id}")).await?;
        let kinds: Vec<&str> = record["operations"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["kind"].as_str())
            .collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "patrol_track").count(), 2, "{kinds:?}");
        assert_eq!(kinds.len(), 4, "{kinds:?}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gpx_file_whose_clock_was_never_set_is_asked_when_it_began() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let person = server.add_person("inspector").await?;
    let file = gpx(0, 12, 0).replace("2026-11-02", "1901-12-13").into_bytes();
    let path = format!("/v1/patrols?person={person}");
    let asked = office.post_bytes(&path, file.clone(), &[]).await?;
    assert_eq!((asked.status, asked.code().as_deref()), (400, Some("bad-parameter")));
    ensure!(asked.text().contains("请填写开始时间"), "{}", asked.text());
    // 2026-11-02 08:00 in the district.
    let path = format!("{path}&started_ms=1793577600000");
    office.post_bytes(&path, file, &[]).await?.json("with a start")?;
    let patrols = office.json("/v1/patrols?from=2026-11-02&to=2026-11-02").await?;
    assert_eq!(patrols["rows"].as_array().map(Vec::len), Some(1), "{patrols}");
    let empty = b"<gpx version=\"1.1\" creator=\"test\"><wpt lat=\"1\" lon=\"2\"/></gpx>".to_vec();
    let refused = office.post_bytes(&path, empty, &[]).await?;
    ensure!(refused.status == 400 && refused.text().contains("没有轨迹"), "{}", refused.text());
    Ok(())
}
