//! Addresses in the replies of the map: those that the operator says, wherever the request came from.

use anyhow::{Result, ensure};
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;

use crate::derived;

/// What the operator says.
const PUBLIC: &str = "https://firebreak.example.cn:8443";

/// Every address in a document that is one of the map.
fn addresses(document: &Value, found: &mut Vec<String>) {
    match document {
        Value::String(text) if text.contains("/ogc") => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|it| addresses(it, found)),
        Value::Object(all) => all.values().for_each(|it| addresses(it, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_of_the_map_begins_with_the_public_one() -> Result<()> {
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_PUBLIC_URL", PUBLIC)]).await?;
    derived::import(&server, &derived::line(1, "青杠一线", "110000", 29.98, 60)).await?;
    let office = server.client()?;
    for path in [
        "/ogc",
        "/ogc/collections",
        "/ogc/collections/structures",
        "/ogc/collections/structures/items?limit=2",
        "/ogc/collections/hazards/tiles",
        "/ogc/collections/hazards/tiles/WebMercatorQuad",
        "/ogc/collections/hazards/tiles/WebMercatorQuad/tilejson.json",
        "/ogc/tileMatrixSets",
        "/ogc/api",
    ] {
        let (reply, _) =
            office.send("GET", path, &[("accept", "application/json".to_owned())], Vec::new()).await?;
        ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.text());
        let mut found = Vec::new();
        addresses(&serde_json::from_slice(&reply.body)?, &mut found);
        found.retain(|it| it.starts_with("http") && !it.starts_with("http://www.opengis.net/"));
        ensure!(!found.is_empty() && found.iter().all(|it| it.starts_with(PUBLIC)), "{path}: {found:?}");
    }
    Ok(())
}
