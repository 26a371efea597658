//! Files as they are fetched: made once, resumed, told of while they are made, gone after a redaction, refused in words.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak::layers::Layer;
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::map::{fill, row};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::photos::jpeg;
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::ids::{Identity, RecordId};

use super::Map;
use crate::photos::{File, report};

/// A server with so many hazards, and the phone that reported them.
async fn with_hazards(backend: Backend, count: usize) -> Result<(Server, Phone, Client)> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(count);
    phone.sync(&[bundle]).await?;
    let office = server.client()?;
    Ok((server, phone, office))
}

async fn get(
    office: &Client,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Reply, BTreeMap<String, String>)> {
    let headers: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    office.send("GET", path, &headers, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_was_cut_goes_on_in_the_same_file_though_the_ledger_moved_on() -> Result<()> {
    for backend in Backend::ALL {
        let (_server, mut phone, office) = with_hazards(backend, 40).await?;
        let path = "/v1/exports/hazards.geojson?severity=serious";
        let (whole, told) = get(&office, path, &[]).await?;
        ensure!(whole.status == 200 && whole.body.len() > 1_000, "{}", whole.text());
        assert_eq!(told.get("accept-ranges").map(String::as_str), Some("bytes"));
        let tag = told.get("etag").context("no tag")?.clone();
        // Again at the same moment: the same file; a reader who has it is sent nothing.
        let (again, told) = get(&office, path, &[]).await?;
        assert_eq!((&again.body, told.get("etag")), (&whole.body, Some(&tag)));
        assert_eq!(get(&office, path, &[("if-none-match", &tag)]).await?.0.status, 304);
        // The ledger moves on.
        let bundle = phone.reports(9);
        phone.sync(&[bundle]).await?;
        let half = whole.body.len() / 2;
        let range = format!("bytes={half}-");
        for if_range in [vec![("if-range", tag.as_str())], Vec::new()] {
            let mut headers = if_range;
            headers.push(("range", &range));
            let (rest, told) = get(&office, path, &headers).await?;
            assert_eq!(rest.status, 206, "{}", rest.text());
            let expected = format!("bytes {half}-{}/{}", whole.body.len() - 1, whole.body.len());
            assert_eq!(told.get("content-range"), Some(&expected));
            assert_eq!([&whole.body[..half], &rest.body].concat(), whole.body);
        }
        // Nothing is left to fetch.
        let beyond = format!("bytes={}-", whole.body.len());
        let (reply, told) = get(&office, path, &[("range", &beyond), ("if-range", &tag)]).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (416, Some("range-not-satisfiable")));
        assert_eq!(told.get("content-range"), Some(&format!("bytes */{}", whole.body.len())));
        // Whoever asks for all of it has what is there now.
        let (newer, told) = get(&office, path, &[]).await?;
        ensure!(newer.status == 200 && told.get("etag") != Some(&tag) && newer.body.len() > whole.body.len());
        // A part of a file that nobody has: all of what is there now.
        let unknown = [("range", range.as_str()), ("if-range", "\"00\"")];
        assert_eq!(get(&office, path, &unknown).await?.0.body, newer.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_can_be_asked_for_and_fetched_later_by_those_who_see_the_same() -> Result<()> {
    for backend in Backend::ALL {
        let (server, _phone, office) = with_hazards(backend, 30).await?;
        let asked = office.post("/v1/exports/all.gpkg", &json!({})).await?;
        assert_eq!(asked.status, 202, "{}", asked.text());
        let told: Value = serde_json::from_slice(&asked.body)?;
        assert_eq!(asked.location, format!("/v1/exports/{}", told["id"].as_str().context("no id")?));
        let (file, _) = get(&office, &format!("{}/file", asked.location), &[]).await?;
        ensure!(file.status == 200 && file.body.starts_with(b"SQLite format 3\0"), "{}", file.status);
        let told = office.json(&asked.location).await?;
        assert_eq!((&told["state"], &told["bytes"]), (&json!("ready"), &json!(file.body.len())), "{told}");
        ensure!(told["features"].as_u64() >= Some(60) && told["change"].as_u64() > Some(0), "{told}");
        // A program that may only read gets nothing of it; another planner does.
        let planner = server.client_of(&server.create_token(&server.add_person("planner").await?).await?)?;
        assert_eq!(planner.get(&asked.location).await?.status, 200);
        let nothing = office.get(&format!("/v1/exports/{}", "0".repeat(32))).await?;
        assert_eq!((nothing.status, nothing.code().as_deref()), (404, Some("not-found")));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_tells_which_features_were_taken_and_how_they_were_written() -> Result<()> {
    let (server, _phone, office) = with_hazards(Backend::Sqlite, 3).await?;
    let path = "/v1/exports/hazards.shp?severity=general&datum=gcj02&headings=zh&encoding=gbk";
    for _ in 0..2 {
        ensure!(office.get(path).await?.status == 200, "{path}");
    }
    let out = server.data().join("own.kmz").display().to_string();
    let arguments = [
        "export", "--layer", "hazards", "--format", "kmz", "--out", &out, "--thumbnails", "--state",
        "reported",
    ];
    let (succeeded, made) = server.command(&arguments).await?;
    ensure!(succeeded, "{made}");
    let log = office.json("/v1/audit?action=export.file").await?;
    let rows: Vec<(&Value, Value)> = log["rows"]
        .as_array()
        .context("no rows")?
        .iter()
        .map(|row| {
            let mut detail = row["detail"].clone();
            let export = detail.as_object_mut().and_then(|detail| detail.remove("export"));
            assert_eq!(export.is_some(), row["object"] == "hazards_gcj02.shp.zip", "{row}");
            (&row["object"], detail)
        })
        .collect();
    let from_the_shell =
        json!({"filters": "state=reported", "datum": "wgs84", "headings": "zh", "thumbnails": true});
    let from_the_office = json!({
        "filters": "severity=general", "datum": "gcj02", "headings": "zh", "encoding": "gbk", "thumbnails": false
    });
    assert_eq!(
        rows,
        [(&json!("hazards.kmz"), from_the_shell), (&json!("hazards_gcj02.shp.zip"), from_the_office)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_units_people_have_a_file_of_their_own_and_are_not_told_whose_phone_owes() -> Result<()> {
    for backend in Backend::ALL {
        let (server, mut phone, office) = with_hazards(backend, 3).await?;
        let unit = json!({"name": "青山管护队", "kind": "responsible"});
        let unit = office.post("/v1/units", &unit).await?.json("unit")?;
        let unit = unit["unit"].as_str().context("no unit")?;
        // It recorded an operation before the one that it hands in.
        let kept = phone.report("general");
        phone.seal(&[kept]);
        let report = phone.report("serious").with("responsible_unit_id", &RecordId(unit.parse()?));
        let bundle = phone.seal(&[report]);
        phone.sync(&[bundle]).await?;
        let arguments =
            ["person", "add", "--district", "test", "--name", "甲", "--role", "unit", "--unit", unit];
        let person = server.command_text(&arguments, "person").await?;
        let theirs = server.client_of(&server.create_token(&person).await?)?;
        let path = "/v1/exports/hazards.geojson";
        let (whole, told) = get(&office, path, &[]).await?;
        let tag = told.get("etag").context("no tag")?.clone();
        let whole = whole.json("whole")?;
        let begun = office.post(path, &json!({})).await?.json("begin")?;
        let id = format!("/v1/exports/{}", begun["id"].as_str().context("no id")?);
        for path in [id.clone(), format!("{id}/file")] {
            assert_eq!(office.get(&path).await?.status, 200, "{path}");
            let reply = theirs.get(&path).await?;
            assert_eq!((reply.status, reply.code().as_deref()), (404, Some("not-found")), "{path}");
        }
        // Nor does a part of the office's file come to them by its tag.
        for headers in [vec![], vec![("range", "bytes=0-"), ("if-range", tag.as_str())]] {
            let (own, told) = get(&theirs, path, &headers).await?;
            ensure!(told.get("etag") != Some(&tag), "{headers:?}");
            let own = own.json("own")?;
            let count = |file: &Value| file["features"].as_array().map(Vec::len);
            assert_eq!((count(&whole), count(&own)), (Some(4), Some(1)), "{headers:?}");
            let owed = &whole["firebreak"]["unsent"];
            assert_eq!((&owed[0]["people"], &owed[0]["operations"]), (&json!("测试员"), &json!(1)), "{owed}");
            let nameless = json!([{"device": "", "people": "", "operations": 1, "boxes": []}]);
            assert_eq!(own["firebreak"]["unsent"], nameless);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_file_can_be_is_refused_with_the_parameter_that_is_wrong() -> Result<()> {
    let (_server, _phone, office) = with_hazards(Backend::Sqlite, 1).await?;
    for (path, status, code) in [
        ("hazards.doc", 404, Code::NotFound),
        ("roads.gpkg", 404, Code::NotFound),
        ("hazards", 404, Code::NotFound),
        ("all.geojson", 400, Code::BadParameter),
        ("all.gpkg?open=true", 400, Code::BadParameter),
        ("hazards.kml?datum=gcj02", 400, Code::BadParameter),
        ("hazards.geojson?datum=epsg:9999", 400, Code::BadParameter),
        ("hazards.geojson?datum=epsg:4543", 200, Code::BadParameter),
        // A zone far away has no place for them; they are in the file all the same.
        ("hazards.geojson?datum=epsg:4554", 200, Code::BadParameter),
        ("hazards.geojson?encoding=gbk", 400, Code::BadParameter),
        ("hazards.shp?encoding=latin1", 400, Code::BadParameter),
        ("hazards.shp?headings=fr", 400, Code::BadParameter),
        ("lines.geojson?severity=serious", 400, Code::BadParameter),
        ("hazards.geojson?since=2026-01-01", 400, Code::BadParameter),
        ("hazards.geojson?state=gone", 400, Code::BadParameter),
        ("hazards.geojson?limit=3", 400, Code::BadParameter),
    ] {
        let reply = office.get(&format!("/v1/exports/{path}")).await?;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        if status != 200 {
            assert_eq!(reply.code().as_deref(), Some(code.as_str()), "{path}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_is_wrong_is_refused_in_the_same_words_by_the_list_and_by_files() -> Result<()> {
    let (_server, _phone, office) = with_hazards(Backend::Sqlite, 1).await?;
    for (filters, told) in [
        ("state=gone", "reported"),
        ("severity=other", "critical, serious, general, none"),
        ("category=roads", "forest_fire"),
        ("turn=king", "leader"),
        ("bbox=1,2,3", "lon_min,lat_min,lon_max,lat_max"),
        ("found_from=2026-12-01&found_to=2026-11-30", "before found_from"),
    ] {
        let mut details = Vec::new();
        for path in ["/v1/hazards", "/v1/exports/hazards.geojson", "/v1/exports/ledger.csv"] {
            let reply = office.get(&format!("{path}?{filters}")).await?;
            let said: Value = serde_json::from_slice(&reply.body)?;
            assert_eq!((reply.status, &said["code"]), (400, &json!("bad-parameter")), "{path}: {said}");
            details.push(said["detail"].as_str().context("no words")?.to_owned());
        }
        ensure!(details[0].contains(told), "{filters}: {details:?}");
        ensure!(details.iter().all(|detail| *detail == details[0]), "{filters}: {details:?}");
    }
    for days in ["found_from=2026-11-30&found_to=2026-11-30", "found_to=9999-12-31"] {
        for path in ["/v1/hazards", "/v1/exports/hazards.geojson", "/v1/exports/ledger.csv"] {
            let reply = office.get(&format!("{path}?{days}")).await?;
            assert_eq!(reply.status, 200, "{path}?{days}: {}", reply.text());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_redaction_no_file_that_was_made_before_it_is_given_out() -> Result<()> {
    let (server, mut phone, office) = with_hazards(Backend::Sqlite, 3).await?;
    let report = phone.report("serious").with("description", &"王老五住在三组十二号");
    let (record, identity) = (report.record, Identity::of(&report.encode()).to_string());
    let bundle = phone.seal(&[report]);
    phone.sync(&[&bundle]).await?;
    let path = "/v1/exports/hazards.geojson";
    let (before, told) = get(&office, path, &[]).await?;
    ensure!(before.text().contains("王老五"), "the text is in the file");
    let tag = told.get("etag").context("no tag")?.clone();
    let redact =
        json!({ "fields": { "operation": identity, "field": "description", "reason": "当事人要求" } });
    let done = office.post(&format!("/v1/hazards/{record}/commands/redact"), &redact).await?;
    ensure!(done.status == 200, "{}", done.text());
    let resumed = [("range", "bytes=0-"), ("if-range", tag.as_str())];
    for headers in [&resumed[..], &resumed[..1], &[]] {
        let (after, told) = get(&office, path, headers).await?;
        // A range without the tag is of the file that is there now.
        let is_given = matches!(after.status, 200 | 206);
        ensure!(is_given && told.get("etag") != Some(&tag), "{headers:?}: {}", after.status);
        ensure!(!after.text().contains("王老五"), "{headers:?}");
    }
    ensure!(server.data().join("exports").is_dir());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_server_redacts_is_in_no_file_that_this_one_made_before() -> Result<()> {
    let (server, mut phone, office) = with_hazards(Backend::Postgres, 3).await?;
    let report = phone.report("serious").with("description", &"王老五住在三组十二号");
    let (record, identity) = (report.record, Identity::of(&report.encode()).to_string());
    let bundle = phone.seal(&[report]);
    phone.sync(&[&bundle]).await?;
    let beside = server.beside().await?;
    let there = beside.client()?;
    let path = "/v1/exports/hazards.geojson";
    let (before, told) = get(&there, path, &[]).await?;
    ensure!(before.text().contains("王老五"), "the text is in the file");
    let tag = told.get("etag").context("no tag")?.clone();
    let begun = there.post(path, &json!({})).await?.json("begin")?;
    let id = format!("/v1/exports/{}", begun["id"].as_str().context("no id")?);
    assert_eq!((begun["state"].as_str(), get(&there, &id, &[]).await?.0.status), (Some("ready"), 200));
    let redact =
        json!({ "fields": { "operation": identity, "field": "description", "reason": "当事人要求" } });
    office.post(&format!("/v1/hazards/{record}/commands/redact"), &redact).await?.json("redact")?;
    let resumed = [("range", "bytes=0-"), ("if-range", tag.as_str())];
    for headers in [&resumed[..], &resumed[..1], &[]] {
        let (after, told) = get(&there, path, headers).await?;
        ensure!(matches!(after.status, 200 | 206) && told.get("etag") != Some(&tag), "{}", after.status);
        ensure!(!after.text().contains("王老五"), "{headers:?}");
    }
    for path in [id.clone(), format!("{id}/file")] {
        let (after, _) = get(&there, &path, &[]).await?;
        assert_eq!((after.status, after.code().as_deref()), (404, Some("not-found")), "{path}");
    }
    // Nor does it lie about any longer.
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(beside.data().join("exports"))? {
        kept.push(std::fs::read_to_string(entry?.path())?);
    }
    ensure!(!kept.is_empty() && kept.iter().all(|text| !text.contains("王老五")), "{} files", kept.len());
    Ok(())
}

/// Hazards that a file takes a while to be made of.
const MANY: u64 = 40_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_redacted_while_a_file_is_made_is_not_in_it() -> Result<()> {
    let (server, mut phone, office) = with_hazards(Backend::Sqlite, 1).await?;
    let map = Map::open(&server).await?;
    map.all(Layer::Hazards).await?;
    let others = (1_000..1_000 + MANY).map(|number| row(number, (299_800_000, 1_030_000_000)));
    fill(&map.engine, &map.district, others).await?;
    for attempt in 0..8 {
        let report = phone.report("serious").with("description", &format!("王老五住在三组{attempt}号"));
        let (record, identity) = (report.record, Identity::of(&report.encode()).to_string());
        let bundle = phone.seal(&[report]);
        phone.sync(&[&bundle]).await?;
        map.all(Layer::Hazards).await?;
        let begun = office.post("/v1/exports/hazards.geojson", &json!({})).await?.json("begin")?;
        let id = format!("/v1/exports/{}", begun["id"].as_str().context("no id")?);
        let reader = server.client()?;
        let path = format!("{id}/file");
        let waiting = tokio::spawn(async move { get(&reader, &path, &[]).await });
        // Its first page, where the text is, is written.
        while office.json(&id).await?["features"] == json!(0) {}
        let redact =
            json!({ "fields": { "operation": identity, "field": "description", "reason": "当事人要求" } });
        office.post(&format!("/v1/hazards/{record}/commands/redact"), &redact).await?.json("redact")?;
        let told = office.get(&id).await?;
        let (file, _) = waiting.await??;
        if told.status == 404 {
            // It was whole before the redaction was: such a file is gone with it, and proves nothing here.
            continue;
        }
        println!("attempt {attempt}: redacted where the file was {}", told.text());
        assert_eq!(file.status, 200, "{}", file.text());
        ensure!(!file.text().contains("王老五"), "what was redacted is in a file that was made later");
        return Ok(());
    }
    anyhow::bail!("every file was whole before it was redacted")
}

/// Codes of files, for the catalogue.
pub(crate) async fn codes(backend: Backend) -> Result<()> {
    let (_server, _phone, office) = with_hazards(backend, 1).await?;
    let (reply, _) = get(&office, "/v1/exports/hazards.csv", &[("range", "bytes=100000000-")]).await?;
    ensure!(reply.code().as_deref() == Some(Code::RangeNotSatisfiable.as_str()), "{}", reply.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kmz_shows_a_photo_of_each_hazard_to_those_who_see_it_until_it_is_redacted() -> Result<()> {
    for backend in Backend::ALL {
        let (server, mut phone, office) = with_hazards(backend, 2).await?;
        let photo = File::of(jpeg(7, 4_000));
        let record = report(&mut phone, &[photo.named("before")]).await?;
        photo.put(&phone.client).await?;
        let path = "/v1/exports/hazards.kmz?thumbnails=true";
        let (told, pictures) = members(&get(&office, path, &[]).await?.0)?;
        assert_eq!((pictures.len(), told.matches("&lt;img src=").count()), (1, 1), "{pictures:?}");
        let (name, bytes) = pictures.first().context("no picture")?;
        ensure!(told.contains(&format!("&lt;img src=&quot;{name}&quot;/&gt;")), "{told}");
        ensure!(bytes.starts_with(&[0xff, 0xd8]) && *bytes != photo.bytes, "it is a thumbnail");
        // Without the word, and in anything else, there is none.
        let (_, none) = members(&get(&office, "/v1/exports/hazards.kmz", &[]).await?.0)?;
        ensure!(none.is_empty(), "{none:?}");
        for other in ["hazards.kml", "lines.kmz", "ledger.kmz"] {
            let refused = office.get(&format!("/v1/exports/{other}?thumbnails=true")).await?;
            assert_eq!((refused.status, refused.code().as_deref()), (400, Some("bad-parameter")), "{other}");
        }
        let body = json!({"fields": {"photo": photo.hash.to_string(), "reason": "拍到了人"}});
        office.post(&format!("/v1/hazards/{record}/commands/redact"), &body).await?.json("redact")?;
        let (_, redacted) = members(&get(&office, path, &[]).await?.0)?;
        ensure!(redacted.is_empty(), "what was redacted is in no file: {redacted:?}");
        server.check().await?;
    }
    Ok(())
}

/// A picture with its name.
type Picture = (String, Vec<u8>);

/// The document of a KMZ, and the pictures beside it.
fn members(reply: &Reply) -> Result<(String, Vec<Picture>)> {
    ensure!(reply.status == 200, "{}", reply.text());
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("hazards.kmz");
    std::fs::write(&path, &reply.body)?;
    let unzip = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    let done =
        std::process::Command::new("python3").args(["-c", unzip]).arg(&path).arg(folder.path()).status()?;
    ensure!(done.success(), "it is no zip");
    let document = std::fs::read_to_string(folder.path().join("doc.kml"))?;
    let mut pictures = Vec::new();
    if let Ok(entries) = std::fs::read_dir(folder.path().join("files")) {
        for entry in entries {
            let entry = entry?;
            pictures.push((
                format!("files/{}", entry.file_name().to_string_lossy()),
                std::fs::read(entry.path())?,
            ));
        }
    }
    Ok((document, pictures))
}
