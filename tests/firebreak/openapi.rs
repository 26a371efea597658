//! The document of the office's API (`docs/openapi.json`) against the code, the router and the page.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak::http::{openapi, policy};
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;

/// The first parts after `/v1/` of the routes that devices use: `docs/protocol.md` is about those.
const OF_DEVICES: [&str; 3] = ["enrol", "sync", "receipts"];

/// Method and path of every operation of the document.
fn described(document: &Value) -> Result<BTreeSet<(String, String)>> {
    let paths = document["paths"].as_object().context("no paths")?;
    let mut found = BTreeSet::new();
    for (path, item) in paths {
        for method in item.as_object().context("a path without operations")?.keys() {
            found.insert((method.to_uppercase(), path.clone()));
        }
    }
    Ok(found)
}

#[test]
fn the_committed_document_is_what_the_code_says() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let committed = std::fs::read_to_string(path)?;
    ensure!(
        committed == openapi::text(),
        "docs/openapi.json is stale: firebreak openapi > docs/openapi.json, and read what changed"
    );
    Ok(())
}

#[test]
fn the_document_has_every_route_of_the_office_and_no_other() -> Result<()> {
    let routes: BTreeSet<(String, String)> = policy::TABLE
        .iter()
        .filter(|row| {
            let first = row.path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
            let is_of_maps = row.path == "/ogc" || row.path.starts_with("/ogc/");
            is_of_maps || first.is_some_and(|first| !OF_DEVICES.contains(&first))
        })
        .map(|row| (row.method.to_owned(), row.path.to_owned()))
        .collect();
    assert_eq!(described(&openapi::document())?, routes);
    Ok(())
}

#[tokio::test]
async fn the_document_is_served_as_it_is_committed() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let given = server.client()?.with_token("").get("/openapi.json").await?;
    ensure!((given.status, given.content_type.as_str()) == (200, "application/json"), "{given:?}");
    ensure!(given.json("/openapi.json")? == openapi::document());
    Ok(())
}

/// Every name of a parameter or key, and of a structure, of the document.
fn names(document: &Value) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().context("no paths")?.values() {
        for operation in item.as_object().context("a path without operations")?.values() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            names.extend(parameters.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)));
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().context("no schemas")? {
        names.insert(name.clone());
        let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        for part in parts {
            names.extend(part["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        }
    }
    Ok(names)
}

#[test]
fn the_page_of_the_api_says_in_chinese_what_its_names_mean() -> Result<()> {
    let document = openapi::document();
    let names = names(&document)?;
    let without: Vec<&String> = names.iter().filter(|name| !firebreak::web::has_word(name)).collect();
    // A name that came with a route of today may wait for its word; the page as a whole may not.
    ensure!(without.len() * 10 < names.len(), "{} of {}: {without:?}", without.len(), names.len());
    let page = firebreak::web::api(&document, &firebreak::web::Viewer::default());
    for chinese in ["接口文档", "<b>整改通知书列表</b>", "每页行数", "隐患等级"] {
        ensure!(page.contains(chinese), "{chinese}");
    }
    Ok(())
}
