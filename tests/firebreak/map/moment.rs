//! Tiles of one moment: while phones sync and the office works, an archive is of the change that it names.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::place;
use firebreak::layers::Layer;
use firebreak::sync::layers;
use firebreak::sync::sight::Sight;
use firebreak::sync::tiles::{self, Wanted};
use firebreak::tiles::Tile;
use firebreak_tests::nepal::e7;
use firebreak_tests::server::{Backend, Server};
use geo::CoordsIter as _;

use super::Map;
use super::whole::furnish;

/// A tile of a layer that something lies in, and for hazards the one above it that counts them.
async fn wanted(map: &Map, layer: Layer) -> Result<Vec<Wanted>> {
    let all = map.all(layer).await?;
    let at = all.iter().find_map(|feature| feature.geometry.as_ref()?.coords_iter().next());
    let at = at.with_context(|| format!("{} is empty", layer.name()))?;
    let tile = |zoom| Tile::of_place(place(e7(at.y), e7(at.x)), zoom).context("no such tile");
    let zooms: &[u8] = if layer == Layer::Hazards { &[7, 12] } else { &[12] };
    zooms.iter().map(|zoom| Ok(Wanted::all(layer, tile(*zoom)?, Sight::District))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_of_a_moment_stays_as_it_was_whatever_comes() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        furnish(&server).await?;
        let map = Map::open(&server).await?;
        let Map { engine, district, .. } = &map;
        let mut all = Vec::new();
        for layer in Layer::ALL {
            all.extend(wanted(&map, *layer).await?);
        }
        let (mut reading, moment) = layers::snapshot(engine, district).await?;
        let mut before = BTreeMap::new();
        for (nth, wanted) in all.iter().enumerate() {
            let made = tiles::made_in(&mut reading, &moment, district, wanted).await?;
            ensure!(made.bytes.is_some(), "{wanted:?} is empty");
            before.insert(nth, made);
        }
        furnish(&server).await?;
        engine.follow_until_current(district).await?;
        for (nth, wanted) in all.iter().enumerate() {
            let of_moment = tiles::made_in(&mut reading, &moment, district, wanted).await?;
            ensure!(before.get(&nth) == Some(&of_moment), "{backend:?}: {wanted:?} of a moment is another");
            let now = tiles::made(engine, district, wanted).await?;
            // The same grid comes again, and the same walk, which leaves unwalked what it left.
            let is_as_before = matches!(
                wanted.layer,
                Layer::Lines | Layer::Structures | Layer::Regions | Layer::NotPatrolled
            );
            ensure!(is_as_before || now != of_moment, "{backend:?}: {wanted:?} did not change");
        }
    }
    Ok(())
}
