//! Part 2: coordinate reference systems, with the order of their axes.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::Backend;
use serde_json::json;

use super::{PLACED, World, encoded, features, place};

const ITEMS: &str = "/ogc/collections/hazards/items";
const EPSG: &str = "http://www.opengis.net/def/crs/EPSG/0/";
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_collection_lists_its_systems_and_what_it_is_stored_in() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let all = world.get("/ogc/collections").await?;
    let names = all["crs"].as_array().context("no list")?;
    assert_eq!(names.first(), Some(&json!(CRS84)), "the default stands first");
    for code in [4326, 4490, 3857, 4513, 4533, 4534, 4543, 4554] {
        ensure!(names.contains(&json!(format!("{EPSG}{code}"))), "{code}");
    }
    for collection in all["collections"].as_array().context("no collections")? {
        assert_eq!(collection["crs"], all["crs"]);
        ensure!(names.contains(&collection["storageCrs"]), "{}", collection["storageCrs"]);
    }
    Ok(())
}

/// The figures are those of pyproj 3.7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_come_in_the_system_that_is_asked_for() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let (lat_e7, lon_e7) = place(0);
        assert_eq!((lat_e7, lon_e7), (299_800_000, 1_030_000_000));
        for (code, first, second, tolerance) in [
            (4326, 29.98, 103.0, 1e-9),
            (4490, 29.98, 103.0, 1e-9),
            (3857, 11_465_907.551_7, 3_500_979.289_0, 1e-3),
            (4543, 3_318_317.220_7, 596_508.093_1, 1e-3),
            (4522, 3_318_317.220_7, 34_596_508.093_1, 1e-3),
        ] {
            let crs = format!("{EPSG}{code}");
            for path in [format!("{ITEMS}?limit=1&crs={}", encoded(&crs)), format!("{ITEMS}/1?crs={crs}")] {
                let (reply, headers) = world.reply(&path, &[]).await?;
                ensure!(headers["content-crs"] == format!("<{crs}>"), "{path}: {headers:?}");
                let read = reply.json(&path)?;
                let feature = read.pointer("/features/0").unwrap_or(&read);
                let at = |nth: usize| feature["geometry"]["coordinates"][nth].as_f64().unwrap_or(f64::NAN);
                ensure!(
                    (at(0) - first).abs() <= tolerance && (at(1) - second).abs() <= tolerance,
                    "{code}: {}",
                    feature["geometry"]
                );
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_is_of_the_system_that_is_said_for_it() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let count = async |query: &str| -> Result<usize> {
            Ok(features(&world.get(&format!("{ITEMS}?limit=1000&{query}")).await?)?.len())
        };
        let of =
            |code: u32, bbox: &str| format!("bbox={bbox}&bbox-crs={}", encoded(&format!("{EPSG}{code}")));
        assert_eq!(count("bbox=102.9,29.9,103.1,30.1").await?, PLACED);
        assert_eq!(count(&format!("bbox=102.9,29.9,103.1,30.1&bbox-crs={}", encoded(CRS84))).await?, PLACED);
        assert_eq!(count(&of(4326, "29.9,102.9,30.1,103.1")).await?, PLACED);
        assert_eq!(count(&of(4490, "29.9,102.9,30.1,103.1")).await?, PLACED);
        // A metre around the first.
        assert_eq!(count(&of(3857, "11465906,3500978,11465909,3500981")).await?, 1);
        // Each position in a zone finds itself, within two metres.
        let (zone, wide) = (4543_u32, 2.0);
        let crs = encoded(&format!("{EPSG}{zone}"));
        let page = world.get(&format!("{ITEMS}?limit={PLACED}&crs={crs}")).await?;
        for feature in features(&page)?.iter().filter(|feature| !feature["geometry"].is_null()) {
            let at = |nth: usize| feature["geometry"]["coordinates"][nth].as_f64().unwrap_or(f64::NAN);
            let (n, e) = (at(0), at(1));
            let bbox = format!("{},{},{},{}", n - wide, e - wide, n + wide, e + wide);
            let found = world.ids(&format!("{ITEMS}?{}", of(zone, &bbox))).await?;
            assert_eq!(found, [feature["id"].as_i64().context("no id")?], "{bbox}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_there_is_not_is_refused() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    for name in ["crs", "bbox-crs", "filter-crs"] {
        for wrong in ["", "EPSG:2056", "http://www.opengis.net/def/crs/EPSG/0/4555", "nothing"] {
            let path = format!("{ITEMS}?{name}={wrong}");
            let reply = world.office.get(&path).await?;
            ensure!(
                reply.status == 400 && reply.code().as_deref() == Some("bad-parameter"),
                "{path}: {}",
                reply.text()
            );
        }
    }
    // Zone 45 does not reach so far west: no place is given rather than a wrong one, and nothing is left out.
    let near = world.get(&format!("{ITEMS}?limit=100")).await?;
    let far = world.get(&format!("{ITEMS}?limit=100&crs={}", encoded(&format!("{EPSG}4554")))).await?;
    let (near, far) = (features(&near)?, features(&far)?);
    ensure!(far.iter().map(|it| &it["id"]).eq(near.iter().map(|it| &it["id"])), "{far:?}");
    ensure!(!far.is_empty() && far.iter().all(|it| it["geometry"].is_null()), "{far:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_system_longitude_comes_before_latitude() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    for path in [format!("{ITEMS}?limit=1"), format!("{ITEMS}?limit=1&crs={}", encoded(CRS84))] {
        let page = world.get(&path).await?;
        assert_eq!(features(&page)?[0]["geometry"]["coordinates"], json!([103, 29.98]), "{path}");
    }
    Ok(())
}
