//! `/maps` as a planner uses it: a file with a datum and headings, how far it is, where it is fetched; the address for
//! programs.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};

use super::manage::{sends, signed_in};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planner_finds_every_file_asks_for_one_and_fetches_it() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(2);
    phone.sync(&[bundle]).await?;
    let mut planner = signed_in(&server, "guihua", "planner").await?;
    ensure!(planner.get("/").await?.text().contains("href=\"/maps\""), "the menu leads to it");
    let shown = planner.get("/maps").await?;
    let address = format!("<code>{}/ogc</code>", server.url);
    for wanted in [
        "href=\"/v1/exports/hazards.gpkg\"",
        "href=\"/v1/exports/ledger.xlsx\"",
        "href=\"/v1/exports/all.gpkg\"",
        &address,
        "/ogc/collections/hazards/tiles/WebMercatorQuad/tilejson.json",
        "value=\"epsg:4543\"",
        "href=\"/docs/maps\"",
    ] {
        ensure!(shown.status == 200 && shown.text().contains(wanted), "{wanted}: {}", shown.text());
    }
    let fields = [("layer", "hazards"), ("format", "csv"), ("datum", "epsg:4543"), ("headings", "en")];
    let asked = sends(&mut planner, "/maps", &fields).await?;
    ensure!(
        (asked.status, asked.location.as_str()) == (303, "/maps#made"),
        "{} {}",
        asked.status,
        asked.text()
    );
    let path = loop {
        let page = planner.get("/maps").await?.text();
        ensure!(page.contains("hazards.csv"), "{page}");
        let link = page.split('"').find(|part| part.starts_with("/v1/exports/") && part.ends_with("/file"));
        if let Some(link) = link {
            break link.to_owned();
        }
        // Asking how far it is waits for nothing; fetching does.
        let id = page.contains("生成中") || page.contains("排队中");
        ensure!(id, "{page}");
    };
    let file = planner.get(&path).await?;
    ensure!(file.status == 200 && file.text().contains("Voltage (kV)"), "{} {}", file.status, file.text());
    ensure!(file.text().lines().nth(1).context("no row")?.ends_with(",epsg:4543,"), "{}", file.text());
    // What no file can be is said in words above the form, with what was chosen.
    let wrong =
        sends(&mut planner, "/maps", &[("layer", "lines"), ("format", "kml"), ("datum", "gcj02")]).await?;
    ensure!(wrong.status == 400, "{}", wrong.status);
    let text = wrong.text();
    ensure!(text.contains("role=\"alert\"") && text.contains("value=\"gcj02\" selected"), "{text}");
    // What a file depends on and how it is made is on a page too.
    let guide = planner.get("/docs/maps").await?;
    ensure!(guide.status == 200 && guide.text().contains("not_patrolled"), "{}", guide.status);
    Ok(())
}
