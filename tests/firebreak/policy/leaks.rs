//! Lists, totals, exports, cursors and pages: nothing of another district in any of them, and for a unit's people nothing
//! of anybody else's hazards.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::Role;
use firebreak::http::policy::{Scope, TABLE};
use firebreak_tests::http::Client;
use firebreak_tests::server::Backend;
use serde_json::{Value, json};

use super::world::{ENDLESS, FOREIGN, NOT_OURS, World, path_of};

/// What a reply tells of the other district.
fn foreign_in(world: &World, text: &str) -> Vec<String> {
    let ids = world.foreign.values().filter(|id| text.contains(id.as_str())).cloned();
    ids.chain(text.contains(FOREIGN).then(|| FOREIGN.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reply_tells_anything_of_another_district() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let mut read = 0;
        for row in TABLE
            .iter()
            .filter(|row| row.method == "GET" && row.scope != Scope::Device && row.path != ENDLESS)
        {
            let path = path_of(row.path, &world.own);
            for (role, client) in &world.clients {
                let reply = client.get(&path).await?;
                let found = foreign_in(&world, &reply.text());
                ensure!(found.is_empty(), "{backend:?} {path} tells {role:?} {found:?}");
                read += usize::from(reply.status == 200);
            }
        }
        ensure!(read > 100, "only {read} replies had anything to tell");
        // The other way round it is seen: the words are there to be found.
        let there = world.server.command_lines(&["person", "list", "--district", "other"]).await?;
        ensure!(there.iter().any(|line| line.to_string().contains(FOREIGN)));
    }
    Ok(())
}

/// The ids of every hazard that a client is told, page by page.
async fn hazards(client: &Client, path: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.json(&format!("{path}{cursor}")).await?;
        for hazard in page["hazards"].as_array().context("no hazards")? {
            found.push(hazard["id"].as_str().context("no id")?.to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// Of the list of orders a unit's people see their own, page by page, whatever the year, and from whoever's cursor.
async fn orders_are_own((admin, unit): (&Client, &Client), own: &BTreeSet<String>) -> Result<()> {
    let first = admin.json("/v1/orders?limit=1").await?;
    let cursor = first["next"].as_str().context("one page of orders")?;
    for from in ["limit=1".to_owned(), "limit=500".to_owned(), format!("limit=500&cursor={cursor}")] {
        let mut seen = BTreeSet::new();
        let mut query = from.clone();
        loop {
            let page = unit.json(&format!("/v1/orders?{query}")).await?;
            for row in page["orders"].as_array().context("no orders")? {
                let record = row["record"].as_str().unwrap_or_default();
                ensure!(own.contains(record), "{from}: {row}");
                seen.insert(record.to_owned());
            }
            match page["next"].as_str() {
                Some(next) => query = format!("limit=1&cursor={next}"),
                None => break,
            }
        }
        ensure!(seen == *own || from.contains("cursor"), "{from}: {seen:?}");
    }
    ensure!(unit.json("/v1/orders?year=2001").await?["orders"] == json!([]));
    Ok(())
}

/// Of the map a unit's people see their own hazards, by number and by condition.
async fn map_is_own((admin, unit): (&Client, &Client), own: &BTreeSet<String>) -> Result<()> {
    let items = "/ogc/collections/hazards/items";
    let all = admin.json(&format!("{items}?limit=1000")).await?;
    let all = all["features"].as_array().context("no features")?;
    ensure!(all.len() > own.len(), "{} hazards", all.len());
    for feature in all {
        let is_theirs = own.contains(feature["properties"]["uuid"].as_str().unwrap_or_default());
        let path = format!("{items}/{}", feature["id"]);
        assert_eq!(unit.get(&path).await?.status, if is_theirs { 200 } else { 404 }, "{path}");
    }
    for query in ["limit=1000", "filter=TRUE", "filter=NOT%20(state='closed')", "bbox=-180,-90,180,90"] {
        let page = unit.json(&format!("{items}?{query}")).await?;
        let features = page["features"].as_array().context("no features")?;
        let ids = features.iter().filter_map(|feature| feature["properties"]["uuid"].as_str());
        assert_eq!(ids.map(str::to_owned).collect::<BTreeSet<_>>(), *own, "{query}");
        assert_eq!(page["numberMatched"], json!(own.len()), "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_units_people_are_told_of_the_hazards_of_their_unit_and_those_below_it_alone() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let unit = &world.clients[&Role::Unit];
        let own: BTreeSet<String> = world.of_unit.iter().cloned().collect();
        for path in ["/v1/hazards?limit=1", "/v1/hazards?type=all&limit=1", "/v1/hazards?open=true&limit=500"]
        {
            let found = hazards(unit, path).await?;
            assert_eq!(found.len(), own.len(), "{backend:?} {path}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), own, "{path}");
        }
        // The cursor of whoever sees all leads a unit's people to nothing that is not theirs.
        let admin = &world.clients[&Role::Admin];
        let first = admin.json("/v1/hazards?limit=1").await?;
        let next = first["next"].as_str().context("one page")?;
        let after = unit.json(&format!("/v1/hazards?cursor={next}")).await?;
        for hazard in after["hazards"].as_array().context("no hazards")? {
            ensure!(own.contains(hazard["id"].as_str().unwrap_or_default()), "{hazard}");
        }
        // Totals and the map.
        let totals = unit.json("/v1/totals").await?;
        assert_eq!(totals["hazards"], json!(own.len()), "{totals}");
        assert_eq!((&totals["open"]["serious"], &totals["received"]), (&json!(own.len()), &json!(0)));
        assert_eq!(totals["turns"], json!({"unit": own.len()}), "{totals}");
        assert_eq!(totals["overdue"], json!({"unit": 0}));
        let all = admin.json("/v1/totals").await?;
        ensure!(all["hazards"].as_u64() > totals["hazards"].as_u64(), "{all}");
        let map = unit.json("/v1/exports/hazards.geojson").await?;
        let features = map["features"].as_array().context("no features")?;
        let ids = features.iter().map(|feature| &feature["properties"]["uuid"]);
        assert_eq!(ids.filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>(), own);
        map_is_own((admin, unit), &own).await?;
        // Whatever else is there, is for them not there.
        for (path, is_there) in
            world.of_unit.iter().map(|id| (id, true)).chain([(&world.of_other_unit, false)])
        {
            for before in ["/v1/hazards/", "/hazards/"] {
                let reply = unit.get(&format!("{before}{path}")).await?;
                assert_eq!(reply.status, if is_there { 200 } else { 404 }, "{before}{path}");
            }
        }
        let nowhere = unit.get(&format!("/v1/hazards/{}", world.absent["{record}"])).await?;
        let hidden = unit.get(&format!("/v1/hazards/{}", world.of_other_unit)).await?;
        assert_eq!((nowhere.status, &nowhere.body), (hidden.status, &hidden.body));
        let orders = admin.json("/v1/orders").await?;
        let orders = orders["orders"].as_array().context("no orders")?;
        assert_eq!(orders.len(), 3, "{orders:?}");
        orders_are_own((admin, unit), &own).await?;
        for order in orders {
            let is_theirs = own.contains(order["record"].as_str().unwrap_or_default());
            for form in ["", "/html", "/docx"] {
                let path = format!("/v1/orders/{}{form}", order["order"].as_str().context("no order")?);
                let status = unit.get(&path).await?.status;
                assert_eq!(status, if is_theirs { 200 } else { 404 }, "{path}");
            }
        }
        let asked = json!({"fields": {"receipt": "收到"}});
        let command = format!("/v1/hazards/{}/commands/receipt", world.of_other_unit);
        ensure!(unit.post(&command, &asked).await?.status == 404);
        let bulk = json!({"hazards": [world.of_other_unit], "fields": {}});
        let items = unit.post("/v1/commands/receipt", &bulk).await?.json("bulk")?;
        assert_eq!(items["items"][0]["status"], json!(404), "{items}");
        for row in TABLE.iter().filter(|row| row.method == "GET" && row.roles.contains(&Role::Unit)) {
            let path = path_of(row.path, &world.own);
            let text = unit.get(&path).await?.text();
            // Who issued an order stands on it, and here they go by the same word.
            let issuers = [format!("\"issued_by_name\":\"{NOT_OURS}\""), format!(" {NOT_OURS}</span>")];
            let text = issuers.iter().fold(text, |text, issuer| text.replace(issuer, ""));
            ensure!(!text.contains(NOT_OURS) && !text.contains(&world.of_other_unit), "{path}: {text}");
        }
    }
    Ok(())
}
