//! From a file to a phone: lines come by the feed, changes as changes, what vanished as retired, in small replies too.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::exchange::{Item, encode_request};
use sync_protocol::ids::{OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::operation::Operation;
use sync_protocol::reference::{LineView, Reference};

use super::{assert_changes, import_geojson, line, tower};

/// Pulls until nothing more waits; every item that came.
async fn pull(phone: &mut Phone, collections: &[&str], budget: Option<u64>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for _round in 0..1_000 {
        let mut header = phone.header();
        header.collections = collections.iter().map(|name| (*name).to_owned()).collect();
        header.budget = budget;
        let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
        ensure!(reply.status == 200, "{} {:?}", reply.status, reply.error());
        items.extend(reply.items().into_iter().cloned());
        phone.keep(&reply);
        if !reply.end().context("no end")?.more {
            return Ok(items);
        }
    }
    anyhow::bail!("it does not end")
}

fn lines(items: &[Item]) -> Result<BTreeMap<String, LineView>> {
    let mut lines = BTreeMap::new();
    for item in items.iter().filter(|item| item.collection == "grid") {
        match Reference::decode(item.view.as_bytes()).context("a view that cannot be read")? {
            Reference::Line(line) => drop(lines.insert(line.external_id.clone(), line)),
            Reference::Structure(_) | Reference::Region(_) => {}
        }
    }
    Ok(lines)
}

const ONE: [(f64, f64); 3] = [(103.01, 29.98), (103.012, 29.981), (103.014, 29.982)];
const OTHER: [(f64, f64); 2] = [(103.02, 29.99), (103.03, 29.99)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_imported_reaches_a_phone_with_its_structures() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let features = [line(1, "110000", &ONE), tower(11, "N001", ONE[0]), tower(13, "N003", ONE[2])];
        let report = import_geojson(&server, &features).await?;
        assert_changes(&report, [1, 0, 0, 0])?;
        let held = lines(&pull(&mut phone, &["records", "grid"], None).await?)?;
        let view = held.get("1").context("no line came")?;
        let numbers: Vec<_> = view.structures.iter().map(|it| (it.vertex, it.number.as_deref())).collect();
        assert_eq!(numbers, [(0, Some("N001")), (2, Some("N003"))]);
        assert_eq!(view.vertices[1], (299_810_000, 1_030_120_000));
        assert_eq!(view.longest_span_mm, view.length_mm, "the vertex between is no structure");
        assert_eq!((view.volts.as_slice(), view.is_retired), (&[110_000][..], false));
        // Who does not ask for the grid is not sent it.
        let mut other = Phone::enrol(&server).await?;
        assert_eq!(pull(&mut other, &["records"], None).await?.len(), 0);
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_import_sends_what_changed_and_retires_what_vanished() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let both = [line(1, "110000", &ONE), line(2, "35000", &OTHER)];
        import_geojson(&server, &both).await?;
        let first = lines(&pull(&mut phone, &["grid"], None).await?)?;
        assert_eq!(first.len(), 2);
        // The same again: nothing is written, no change number is spent.
        let report = import_geojson(&server, &both).await?;
        assert_changes(&report, [0, 0, 0, 2])?;
        assert_eq!(report["has_changed"], json!(false));
        assert_eq!(pull(&mut phone, &["grid"], None).await?.len(), 0, "nothing changed");
        // One changes.
        let report = import_geojson(&server, &[line(1, "220000", &ONE), line(2, "35000", &OTHER)]).await?;
        assert_changes(&report, [0, 1, 0, 1])?;
        let changed = lines(&pull(&mut phone, &["grid"], None).await?)?;
        assert_eq!(changed.keys().collect::<Vec<_>>(), ["1"]);
        assert_eq!(changed["1"].volts, [220_000]);
        assert_ne!(changed["1"].version, first["1"].version);
        // One vanishes, and comes back.
        let report = import_geojson(&server, &[line(1, "220000", &ONE)]).await?;
        assert_changes(&report, [0, 0, 1, 1])?;
        let retired = lines(&pull(&mut phone, &["grid"], None).await?)?;
        assert!(retired["2"].is_retired && retired["2"].vertices == first["2"].vertices, "{retired:?}");
        let report = import_geojson(&server, &[line(1, "220000", &ONE), line(2, "35000", &OTHER)]).await?;
        assert_changes(&report, [0, 1, 0, 1])?;
        assert_eq!(report["returned"], json!(1));
        let back = lines(&pull(&mut phone, &["grid"], None).await?)?;
        assert!(!back["2"].is_retired);
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_the_grid_is_added_without_retiring_the_rest() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    import_geojson(&server, &[line(1, "110000", &ONE), line(2, "35000", &OTHER)]).await?;
    let path = "/v1/grid/lines?keep_missing=true";
    let towers = super::collection(&[tower(11, "N001", ONE[0]), tower(99, "N099", (103.5, 29.5))]);
    let report = super::import(&server, path, "application/geo+json", towers).await?;
    // The structure stands on the line that is there; the other one stands alone.
    assert_changes(&report, [1, 1, 0, 1])?;
    let held = lines(&pull(&mut phone, &["grid"], None).await?)?;
    assert_eq!(held["1"].structures.len(), 1, "{held:?}");
    // A line that is imported again keeps the structures that nobody named.
    let again = super::collection(&[line(1, "220000", &ONE)]);
    let report = super::import(&server, path, "application/geo+json", again).await?;
    assert_changes(&report, [0, 1, 0, 2])?;
    let held = lines(&pull(&mut phone, &["grid"], None).await?)?;
    assert_eq!((held["1"].structures.len(), held["1"].volts.as_slice()), (1, &[220_000][..]));
    // Structures alone would retire every line: that is not what anybody means.
    let alone = super::collection(&[tower(11, "N001", ONE[0])]);
    let client = server.client()?;
    let headers = [("content-type", "application/geo+json")];
    let reply = client.post_bytes("/v1/grid/lines", alone, &headers).await?;
    assert_eq!((reply.status, reply.code().as_deref()), (400, Some(Code::ImportEmpty.as_str())));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grid_comes_in_small_replies_and_whatever_the_area() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let office = server.client()?;
    // An area without any line in it: a line reaches further than its beginning, so that all of them come.
    let area = json!({"boxes": [[290_000_000, 1_000_000_000, 290_100_000, 1_000_100_000]]});
    let path = format!("/v1/people/{}/area", phone.person);
    ensure!(office.call("PUT", &path, &area).await?.status == 200);
    let many: Vec<_> = (0..60_u32)
        .map(|nth| {
            let lon = 103.0 + f64::from(nth) * 0.01;
            let points: Vec<_> = (0..40_u32).map(|at| (lon, 29.9 + f64::from(at) * 0.003)).collect();
            line(u64::from(nth), "10000", &points)
        })
        .collect();
    import_geojson(&server, &many).await?;
    let items = pull(&mut phone, &["records", "grid"], Some(limits::BUDGET_MIN)).await?;
    let held = lines(&items)?;
    assert_eq!(held.len(), 60);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_names_a_line_as_its_record_is_quarantined_and_the_line_stays() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        import_geojson(&server, &[line(1, "110000", &ONE)]).await?;
        let items = pull(&mut phone, &["grid"], None).await?;
        let record = items.first().context("no item")?.record;
        let observed = phone.on(record, Kind::Observed, []).with("severity", &"critical");
        let opening =
            Operation::new(OperationId(record.0), record, Kind::Reported, phone.person, phone.stamp());
        let bundle = phone.seal(&[observed, opening]);
        let reply = phone.sync(&[bundle]).await?;
        let receipt = reply.receipts().into_iter().next().context("no receipt")?;
        let codes: Vec<_> =
            receipt.exceptions.iter().map(|(_, what, code)| (what.as_str(), code.as_deref())).collect();
        assert_eq!(codes, [("quarantined", Some("operation-shape")); 2]);
        let act = json!({"fields": {"reason": "误报"}});
        let reply = server.client()?.post(&format!("/v1/hazards/{record}/commands/void"), &act).await?;
        assert_eq!(reply.status, 404, "{}", reply.text());
        let report = import_geojson(&server, &[line(1, "110000", &ONE)]).await?;
        assert_changes(&report, [0, 0, 0, 1])?;
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_a_phone_opened_is_not_written_over_by_a_line_of_its_id() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    // What the importer will make of the id is no secret: another district of the same id would make the same.
    import_geojson(&server, &[line(1, "110000", &ONE)]).await?;
    let record = pull(&mut phone, &["grid"], None).await?.first().context("no item")?.record;
    let fresh = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&fresh).await?;
    let district = phone.binding.district;
    let reference = Reference::Line(LineView { external_id: "1".to_owned(), ..blank() });
    let guessed = firebreak::grid::plan::record_of(district, &reference);
    ensure!(guessed != record, "districts have records of their own");
    let mut report = phone.report("critical");
    (report.id, report.record) = (OperationId(guessed.0), RecordId(guessed.0));
    let bundle = phone.seal(&[report]);
    phone.sync(&[bundle]).await?;
    let imported = import_geojson(&fresh, &[line(1, "110000", &ONE), line(2, "35000", &OTHER)]).await?;
    assert_changes(&imported, [1, 0, 0, 0])?;
    assert_eq!(imported["refused_rows"][0]["code"], json!("import-id-reused"));
    let hazard = fresh.client()?.json(&format!("/v1/hazards/{guessed}")).await?;
    assert_eq!(hazard["severity"], json!("critical"));
    fresh.check().await.map(drop)
}

fn blank() -> LineView {
    LineView {
        external_id: String::new(),
        name: None,
        kind: sync_protocol::reference::LineKind::Line,
        voltage: None,
        volts: Vec::new(),
        class: None,
        assumptions: Vec::new(),
        owner: None,
        operator: None,
        datum: String::new(),
        length_mm: 0,
        longest_span_mm: 0,
        is_untraced: false,
        vertices: Vec::new(),
        structures: Vec::new(),
        is_retired: false,
        version: [0; 32],
    }
}
