//! Districts and townships: imported, sent to phones, shown to the office, and asked for a position.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::exchange::encode_request;
use sync_protocol::reference::Reference;

use super::{assert_changes, collection, import};

fn square(code: &str, name: &str, west: f64) -> Value {
    let (east, south, north) = (west + 0.1, 29.9, 30.0);
    let ring = json!([[west, south], [east, south], [east, north], [west, north], [west, south]]);
    let properties = json!({"code": code, "name": name});
    json!({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}})
}

const PATH: &str = "/v1/grid/regions?level=township";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn townships_are_imported_reach_phones_and_hold_positions() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let both = collection(&[square("101", "青杠镇", 103.0), square("102", "白果镇", 103.1)]);
        let report = import(&server, PATH, "application/geo+json", both).await?;
        assert_changes(&report, [2, 0, 0, 0])?;
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(&server.district).await?;
        let grid = engine.grid(&district).await?;
        let at = |lon_e7| grid.township_of(299_500_000, lon_e7, 20_000).map(|it| it.name.as_str());
        assert_eq!(
            (at(1_030_500_000), at(1_031_500_000), at(1_033_000_000)),
            (Some("青杠镇"), Some("白果镇"), None)
        );
        // Asked again, it is the same snapshot; after another import it is a new one.
        ensure!(std::sync::Arc::ptr_eq(&grid, &engine.grid(&district).await?));
        let one = collection(&[square("101", "青杠镇", 103.0)]);
        assert_changes(&import(&server, PATH, "application/geo+json", one).await?, [0, 0, 1, 1])?;
        let later = engine.grid(&district).await?;
        ensure!(later.township_of(299_500_000, 1_031_500_000, 20_000).is_none(), "it was retired");
        let mut header = phone.header();
        header.collections = vec!["areas".to_owned()];
        let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
        let mut held: Vec<(String, bool)> = Vec::new();
        for item in reply.items() {
            ensure!(item.collection == "areas");
            match Reference::decode(item.view.as_bytes()).context("a view that cannot be read")? {
                Reference::Region(region) => held.push((region.name, region.is_retired)),
                other => anyhow::bail!("{other:?}"),
            }
        }
        held.sort();
        assert_eq!(held, [("白果镇".to_owned(), true), ("青杠镇".to_owned(), false)]);
        phone.keep(&reply);
        let listed = server.client()?.json("/v1/grid/regions").await?;
        assert_eq!(listed["regions"][0]["name"], json!("青杠镇"));
        assert_eq!(listed["regions"].as_array().map(Vec::len), Some(1));
        // A part that is added retires nothing.
        let other = collection(&[square("103", "松坪镇", 103.2)]);
        let path = format!("{PATH}&keep_missing=true");
        assert_changes(&import(&server, &path, "application/geo+json", other).await?, [1, 0, 0, 2])?;
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_two_files_give_is_taken_from_the_first_and_refused_of_the_other() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let folder = tempfile::TempDir::with_prefix("firebreak-regions")?;
    let mut arguments = vec!["import".to_owned(), "regions".to_owned()];
    for (file, name, west) in [("one.geojson", "青杠镇", 103.0), ("two.geojson", "白果镇", 103.1)] {
        let path = folder.path().join(file);
        std::fs::write(&path, collection(&[square("101", name, west)]))?;
        arguments.push(path.to_str().context("path")?.to_owned());
    }
    let district = firebreak_tests::server::DISTRICT;
    arguments.extend(["--district", district, "--level", "township"].map(str::to_owned));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (done, report) = server.command(&arguments).await?;
    ensure!(done && report["refused"] == 1 && report["regions"] == 1, "{report}");
    assert_eq!(report["refused_rows"][0]["code"], "import-id-reused", "{report}");
    let listed = server.client()?.json("/v1/grid/regions").await?;
    assert_eq!(listed["regions"][0]["name"], json!("青杠镇"));
    Ok(())
}
