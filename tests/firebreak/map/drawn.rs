//! `MapLibre` GL in a real browser draws the tiles under a strict content security policy.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::chromium;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};

use super::beside;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maplibre_draws_the_tiles_under_a_strict_policy() -> Result<()> {
    if !chromium::is_there("the map in a browser", &["maplibre-gl"]) {
        return Ok(());
    }
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(40);
    phone.sync(&[bundle]).await?;
    let (engine, district) = beside(&server).await?;
    engine.follow_until_current(&district).await?;
    let zooms = ["6", "9", "13", "16"];
    let arguments = [&[server.url.as_str(), server.token.as_str(), "103.01", "29.98"][..], &zooms].concat();
    let said = chromium::program("map.mjs", &arguments, "").await?;
    println!("{said}");
    assert_eq!(said["violations"], serde_json::json!([]), "{said}");
    let views = said["views"].as_array().context("no views")?;
    assert_eq!(views.len(), zooms.len());
    for view in views {
        let zoom = view["zoom"].as_f64().context("no zoom")?;
        let pixels = |name: &str| view["pixels"][name].as_u64().unwrap_or(0);
        // A circle of 8 pixels has some two hundred; a map of nothing has none of either colour.
        let (shown, other, layer) = if zoom < 10.0 {
            ("counts", "hazards", "hazard_counts")
        } else {
            ("hazards", "counts", "hazards")
        };
        ensure!(pixels(shown) > 100 && pixels(other) == 0, "zoom {zoom}: {view}");
        ensure!(pixels("background") > 100_000, "zoom {zoom}: the map is covered: {view}");
        ensure!(view["features"][layer].as_u64() > Some(0), "zoom {zoom}: {view}");
    }
    Ok(())
}
