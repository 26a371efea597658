//! Part 1: landing page, conformance, collections, features.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak::layers::Layer;
use firebreak_tests::server::Backend;
use serde_json::{Value, json};

use super::clients::bounds_of;
use super::{HARD, HAZARDS, PLACED, World, features, found_ms, linked, place};
use crate::derived;
use crate::map::whole::furnish;

const ITEMS: &str = "/ogc/collections/hazards/items";

fn code(reply: &firebreak_tests::http::Reply) -> (u16, String) {
    (reply.status, reply.code().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_landing_page_leads_to_everything_else() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let landing = world.get("/ogc").await?;
        for rel in ["self", "alternate", "service-desc", "service-doc", "conformance", "data"] {
            let address = linked(&landing, rel).with_context(|| format!("no {rel}: {landing}"))?;
            let path = world.path_of(&address)?;
            let reply = world.office.get(&path).await?;
            ensure!(matches!(reply.status, 200 | 303), "{path}: {}", reply.status);
        }
        // OWSLib puts a slash behind the address.
        let (moved, headers) = world.reply("/ogc/?f=json", &[]).await?;
        assert_eq!((moved.status, headers["location"].as_str()), (308, "/ogc?f=json"));
        ensure!(landing["title"].is_string() && landing["description"].is_string());
        for link in landing["links"].as_array().context("no links")? {
            ensure!(link["rel"].is_string() && link["type"].is_string(), "{link}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_definition_names_every_path_below_its_server() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let (reply, _) = world.reply("/ogc/api", &[]).await?;
    ensure!(reply.content_type.starts_with("application/vnd.oai.openapi+json"), "{}", reply.content_type);
    let document = reply.json("/ogc/api")?;
    assert_eq!(document["openapi"], "3.0.3");
    let server = document["servers"][0]["url"].as_str().context("no server")?;
    assert_eq!(world.path_of(server)?, "/ogc");
    let paths = document["paths"].as_object().context("no paths")?;
    for path in ["/", "/conformance", "/collections", "/collections/{collection}/items"] {
        ensure!(paths.contains_key(path), "{path}: {:?}", paths.keys());
    }
    let parameters = &document["paths"]["/collections/{collection}/items"]["get"]["parameters"];
    let limit = parameters.as_array().context("no parameters")?.iter().find(|it| it["name"] == "limit");
    let schema = &limit.context("no limit")?["schema"];
    assert_eq!(
        (&schema["minimum"], &schema["maximum"], &schema["default"]),
        (&json!(1), &json!(10_000), &json!(100))
    );
    let names: BTreeSet<&str> =
        parameters.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    for name in ["bbox", "datetime", "crs", "bbox-crs", "filter", "filter-lang", "filter-crs"] {
        ensure!(names.contains(name), "{name}: {names:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_page_names_the_classes_that_are_met() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let told = world.get("/ogc/conformance").await?;
    let told: BTreeSet<&str> =
        told["conformsTo"].as_array().context("no classes")?.iter().filter_map(Value::as_str).collect();
    for class in [
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
        "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
        "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
        "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
        "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
        "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
        "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
        "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
        "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixset",
        "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
        "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    ] {
        ensure!(told.contains(class), "{class}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_layer_is_a_collection_with_links_to_its_features() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let all = world.get("/ogc/collections").await?;
    ensure!(linked(&all, "self").is_some() && linked(&all, "alternate").is_some());
    let collections = all["collections"].as_array().context("no collections")?;
    let names: Vec<&str> = collections.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(names, Layer::ALL.iter().map(|layer| layer.name()).collect::<Vec<_>>());
    for told in collections {
        let name = told["id"].as_str().context("no id")?;
        let alone = world.get(&format!("/ogc/collections/{name}")).await?;
        assert_eq!(told, &alone, "{name}");
        assert_eq!(alone["itemType"], "feature");
        let links = alone["links"].as_array().context("no links")?;
        let kinds: BTreeSet<&str> = links
            .iter()
            .filter(|link| link["rel"] == "items")
            .filter_map(|link| link["type"].as_str())
            .collect();
        assert_eq!(kinds, BTreeSet::from(["application/geo+json", "text/html"]));
        ensure!(links.iter().all(|link| link["rel"].is_string() && link["type"].is_string()), "{links:?}");
        let items = linked(&alone, "items").context("no items")?;
        let page = world.get(&world.path_of(&items)?).await?;
        assert_eq!(page["type"], "FeatureCollection", "{name}");
    }
    let reply = world.office.get("/ogc/collections/nothing").await?;
    assert_eq!(code(&reply), (404, "not-found".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queryables_are_a_schema_of_the_columns() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    for layer in Layer::ALL {
        let collection = world.get(&format!("/ogc/collections/{}", layer.name())).await?;
        let rel = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
        let path = world.path_of(&linked(&collection, rel).context("no link")?)?;
        let (reply, _) = world.reply(&path, &[]).await?;
        assert_eq!(reply.content_type, "application/schema+json");
        let schema = reply.json(&path)?;
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(world.path_of(schema["$id"].as_str().context("no id")?)?, path);
        let properties = schema["properties"].as_object().context("no properties")?;
        assert_eq!(properties.len(), layer.columns().len() + 1);
        for column in layer.columns() {
            ensure!(properties[column.name]["type"].is_string(), "{}", column.name);
        }
        ensure!(properties["geometry"]["format"].as_str().is_some_and(|it| it.starts_with("geometry-")));
        let path = world.path_of(&linked(&collection, "describedBy").context("no schema")?)?;
        let described = world.get(&path).await?;
        let columns = described.pointer("/properties/properties/properties").context("no properties")?;
        for column in layer.columns() {
            assert_eq!(columns[column.name], properties[column.name], "{}", column.name);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_how_many_there_are_and_where_the_next_one_is() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let first = world.get(&format!("{ITEMS}?limit=10")).await?;
        assert_eq!(features(&first)?.len(), 10);
        assert_eq!((&first["numberReturned"], &first["numberMatched"]), (&json!(10), &json!(HAZARDS)));
        let stamp = first["timeStamp"].as_str().context("no time")?;
        ensure!(stamp.parse::<jiff::Timestamp>().is_ok(), "{stamp}");
        for rel in ["self", "alternate", "next", "collection"] {
            ensure!(linked(&first, rel).is_some(), "{rel}: {}", first["links"]);
        }
        let links = first["links"].as_array().context("no links")?;
        ensure!(links.iter().all(|link| link["rel"].is_string() && link["type"].is_string()), "{links:?}");
        let own = world.get(&world.path_of(&linked(&first, "self").context("no self")?)?).await?;
        assert_eq!(own["features"], first["features"]);
        let mut pages = 0;
        let mut path = Some(format!("{ITEMS}?limit=10"));
        let mut ids = Vec::new();
        while let Some(at) = path {
            let page = world.get(&at).await?;
            ids.extend(features(&page)?.iter().filter_map(|feature| feature["id"].as_i64()));
            path = linked(&page, "next").map(|next| world.path_of(&next)).transpose()?;
            pages += 1;
        }
        assert_eq!((pages, ids.len()), (4, HAZARDS));
        ensure!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        // Whole pages alone: each but the last leads on, and the last does not.
        let placed = world.ids(&format!("{ITEMS}?limit=10&filter=geometry%20IS%20NOT%20NULL")).await?;
        assert_eq!(placed.len(), PLACED);
        let last = format!("{ITEMS}?limit={PLACED}&filter=geometry%20IS%20NOT%20NULL");
        assert_eq!(linked(&world.get(&last).await?, "next"), None);
        // A page that holds all has no next one, however many are asked for.
        for limit in [HAZARDS, 1_000, 10_000, 4_000_000_000] {
            let page = world.get(&format!("{ITEMS}?limit={limit}")).await?;
            assert_eq!((features(&page)?.len(), linked(&page, "next")), (HAZARDS, None), "{limit}");
        }
        let default = world.get(ITEMS).await?;
        ensure!(features(&default)?.len() == HAZARDS, "fewer than the default of 100");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feature_is_geojson_with_a_number_and_its_columns() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let (reply, headers) = world.reply(&format!("{ITEMS}?limit=1000"), &[]).await?;
        assert_eq!(reply.content_type, "application/geo+json");
        ensure!(headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>", "{headers:?}");
        let page = reply.json("items")?;
        let mut hard = 0;
        for feature in features(&page)? {
            assert_eq!(feature["type"], "Feature");
            let properties = feature["properties"].as_object().context("no properties")?;
            let names: Vec<&str> = Layer::Hazards.columns().iter().map(|column| column.name).collect();
            assert_eq!(
                properties.keys().map(String::as_str).collect::<BTreeSet<_>>(),
                names.into_iter().collect()
            );
            let uuid = properties["uuid"].as_str().context("no uuid")?;
            ensure!(uuid::Uuid::parse_str(uuid).is_ok(), "{uuid}");
            hard += usize::from(properties["description"] == HARD);
            let id = feature["id"].as_i64().context("no number")?;
            let alone = world.get(&format!("{ITEMS}/{id}")).await?;
            for member in ["type", "id", "geometry", "properties"] {
                assert_eq!(alone[member], feature[member], "{member}");
            }
            for rel in ["self", "alternate", "collection"] {
                ensure!(linked(&alone, rel).is_some(), "{rel}");
            }
        }
        assert_eq!(hard, 1, "a text is spoilt");
        let nowhere = features(&page)?.iter().filter(|feature| feature["geometry"].is_null()).count();
        assert_eq!(nowhere, HAZARDS - PLACED);
        for id in ["0", "-1", "999999", "9223372036854775807", "-9223372036854775808", "x", "1.0"] {
            let reply = world.office.get(&format!("{ITEMS}/{id}")).await?;
            assert_eq!(code(&reply), (404, "not-found".to_owned()), "{id}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_gives_the_features_that_meet_it() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let degrees = |e7: i64| format!("{}.{:07}", e7 / 10_000_000, e7 % 10_000_000);
        let (south, west) = place(3);
        let (north, east) = place(12);
        let [west, south, east, north] = [west, south, east, north].map(degrees);
        // The edges go through two of them.
        let within = world.get(&format!("{ITEMS}?bbox={west},{south},{east},{north}")).await?;
        assert_eq!((features(&within)?.len(), &within["numberMatched"]), (10, &json!(10)));
        let high = world.get(&format!("{ITEMS}?bbox={west},{south},-100,{east},{north},9000")).await?;
        assert_eq!(high["features"], within["features"]);
        let around = world.get(&format!("{ITEMS}?bbox=100,-90,-100,90&limit=1000")).await?;
        assert_eq!(features(&around)?.len(), PLACED, "across the 180th meridian");
        let beyond = world.get(&format!("{ITEMS}?bbox=150,-90,110,90&limit=1000")).await?;
        assert_eq!(features(&beyond)?.len(), PLACED, "in the part beyond the 180th meridian");
        ensure!(features(&world.get(&format!("{ITEMS}?bbox=-100,-90,100,90")).await?)?.is_empty());
        // Lines meet a box that none of their vertices is in.
        let lines = world.get("/ogc/collections/lines/items?bbox=103.0005,29.97,103.0006,29.985").await?;
        assert_eq!(features(&lines)?.len(), 1, "{lines}");
        for wrong in
            ["1,2,3", "a,b,c,d", "1,2,3,4,5", "0,10,1,5", "181,0,182,1", "NaN,0,1,1", "1e999,0,1,1", ""]
        {
            let reply = world.office.get(&format!("{ITEMS}?bbox={wrong}")).await?;
            assert_eq!(code(&reply), (400, "bad-parameter".to_owned()), "{wrong}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_gives_the_features_of_it() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let count = async |datetime: &str| -> Result<usize> {
            Ok(features(&world.get(&format!("{ITEMS}?limit=1000&datetime={datetime}")).await?)?.len())
        };
        ensure!(found_ms(0) == 1_761_955_200_000);
        assert_eq!(count("2025-11-01T00:00:00Z").await?, 1);
        assert_eq!(count("2025-11-01T08:00:00%2B08:00").await?, 1);
        assert_eq!(count("2025-11-01T00:00:00Z/2025-11-01T04:00:00Z").await?, 5);
        assert_eq!(count("../2025-11-01T04:30:00Z").await?, 5);
        assert_eq!(count("/2025-11-01T04:30:00Z").await?, 5);
        assert_eq!(count("2025-11-02T00:00:00Z/..").await?, HAZARDS - 24);
        assert_eq!(count("2024-01-01T00:00:00Z").await?, 0);
        // A state goes on until the next one, and the last of a hazard until now and on.
        let states = async |datetime: &str| -> Result<usize> {
            let path = format!("/ogc/collections/hazard_states/items?limit=1000&datetime={datetime}");
            Ok(features(&world.get(&path).await?)?.len())
        };
        for datetime in ["2026-01-01T00:00:00Z/..", "9999-01-01T00:00:00Z", "../.."] {
            assert_eq!(states(datetime).await?, HAZARDS, "{datetime}");
        }
        assert_eq!(states("../2025-11-01T00:00:00Z").await?, 0, "before anything came");
        // What has no time is of any time.
        let lines = world.get("/ogc/collections/lines/items?datetime=2024-01-01T00:00:00Z").await?;
        assert_eq!(features(&lines)?.len(), 2);
        for wrong in
            ["yesterday", "2026-13-01T00:00:00Z", "2025-11-02T00:00:00Z/2025-11-01T00:00:00Z", "", "a/b"]
        {
            let reply = world.office.get(&format!("{ITEMS}?datetime={wrong}")).await?;
            assert_eq!(code(&reply), (400, "bad-parameter".to_owned()), "{wrong}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_is_a_parameter() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let count = async |query: &str| -> Result<usize> {
            Ok(features(&world.get(&format!("{ITEMS}?limit=1000&{query}")).await?)?.len())
        };
        assert_eq!(count("severity=critical").await?, PLACED / 3);
        assert_eq!(count("severity=critical&township=%E9%9D%92%E6%9D%A0%E9%95%87").await?, PLACED / 15);
        assert_eq!(count("open=true").await?, HAZARDS);
        // Nobody wrote the name of a line: it is that of the line on which a hazard stands.
        let on_line = count("filter=line%20IS%20NOT%20NULL").await?;
        ensure!(on_line > 0, "none stands on a line");
        let named = "filter=line_name%20IN%20('%E9%9D%92%E6%9D%A0%E4%B8%80%E7%BA%BF',%20'%E7%99%BD%E6%9E%9C%E4%BA%8C%E7%BA%BF')";
        assert_eq!(count(named).await?, on_line);
        assert_eq!(count("open=false").await?, 0);
        assert_eq!(count("found=2025-11-01T02:00:00Z").await?, 1);
        assert_eq!(count("accuracy_m=8").await?, PLACED);
        let all = world.get(&format!("{ITEMS}?limit=1")).await?;
        let uuid = features(&all)?[0]["properties"]["uuid"].as_str().context("no uuid")?.to_owned();
        assert_eq!(count(&format!("uuid={uuid}")).await?, 1);
        assert_eq!(count(&format!("uuid={}", uuid.to_uppercase())).await?, 0);
        for wrong in ["open=1", "accuracy_m=x", "found=today", "severity=a&severity=b"] {
            let reply = world.office.get(&format!("{ITEMS}?{wrong}")).await?;
            assert_eq!(code(&reply), (400, "bad-parameter".to_owned()), "{wrong}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_there_is_not_is_refused_everywhere() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    for path in [
        "/ogc",
        "/ogc/api",
        "/ogc/conformance",
        "/ogc/collections",
        "/ogc/collections/hazards",
        "/ogc/collections/hazards/queryables",
        ITEMS,
        "/ogc/collections/hazards/items/1",
    ] {
        for wrong in ["nothing=1", "f=xml"] {
            let reply = world.office.get(&format!("{path}?{wrong}")).await?;
            assert_eq!(code(&reply), (400, "bad-parameter".to_owned()), "{path}?{wrong}");
        }
    }
    for wrong in ["limit=0", "limit=-1", "limit=x", "limit=", "limit=1&limit=2", "filter-lang=cql2-json"] {
        let reply = world.office.get(&format!("{ITEMS}?{wrong}")).await?;
        assert_eq!(code(&reply), (400, "bad-parameter".to_owned()), "{wrong}");
    }
    let reply = world.office.get(&format!("{ITEMS}?cursor=nothing")).await?;
    assert_eq!(code(&reply), (400, "cursor-invalid".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_document_is_a_page_for_a_browser() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8".to_owned())];
    for (path, words) in [
        ("/ogc", "令牌"),
        ("/ogc/conformance", "ogcapi-features-1"),
        ("/ogc/collections", "隐患历史状态"),
        ("/ogc/collections/hazards", "EPSG/0/4543"),
        ("/ogc/collections/hazards/queryables", "整改期限"),
        (ITEMS, "&quot;青杠&quot;"),
        ("/ogc/collections/hazards/items/8", "&quot;青杠&quot;"),
    ] {
        let (by_header, headers) = world.reply(path, &browser).await?;
        ensure!(by_header.content_type.starts_with("text/html"), "{path}: {}", by_header.content_type);
        ensure!(headers["content-security-policy"].starts_with("default-src 'none'"), "{headers:?}");
        ensure!(by_header.text().contains(words), "{path}: {}", by_header.text());
        let by_parameter = world.office.get(&format!("{path}?f=html")).await?;
        assert_eq!(by_parameter.text(), by_header.text(), "{path}");
        let (json, _) = world.reply(&format!("{path}?f=json"), &browser).await?;
        ensure!(json.content_type.contains("json"), "{path}: {}", json.content_type);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_be_said_as_a_password_on_the_map_alone() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let token = world.server.token.as_str();
    for user in ["", "qgis", "用户"] {
        assert_eq!(world.office.get_basic(ITEMS, Some((user, token))).await?.0.status, 200, "{user}");
    }
    for path in ["/ogc", ITEMS, "/ogc/collections"] {
        for said in [None, Some(("qgis", "wrong")), Some(("qgis", ""))] {
            let (reply, told) = world.office.get_basic(path, said).await?;
            assert_eq!(code(&reply), (401, "unauthenticated".to_owned()), "{path}");
            ensure!(told["www-authenticate"].starts_with("Basic "), "{told:?}");
        }
    }
    // Elsewhere a browser would be asked for a password that it keeps.
    let (reply, told) = world.office.get_basic("/v1/hazards", Some(("qgis", token))).await?;
    ensure!(reply.status == 401 && !told.contains_key("www-authenticate"), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_map_was_read_stands_in_the_audit_log_once() -> Result<()> {
    let world = World::new(Backend::Sqlite).await?;
    let read = async || -> Result<Vec<Value>> {
        let log = world.get("/v1/audit").await?;
        let rows = log["rows"].as_array().with_context(|| format!("{log}"))?;
        Ok(rows.iter().filter(|row| row["action"] == "map.read").cloned().collect())
    };
    for _again in 0..3 {
        world.get(ITEMS).await?;
        world.get("/ogc/collections/lines/items").await?;
    }
    let rows = read().await?;
    let layers: BTreeSet<&str> = rows.iter().filter_map(|row| row["object"].as_str()).collect();
    assert_eq!((rows.len(), layers), (2, BTreeSet::from(["hazards", "lines"])));
    ensure!(rows.iter().all(|row| row["actor"] == format!("person:{}", world.server.person)), "{rows:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_stay_right_while_devices_sync() -> Result<()> {
    for backend in Backend::ALL {
        let mut world = World::new(backend).await?;
        let there: BTreeSet<i64> = world.ids(&format!("{ITEMS}?limit=1000")).await?.into_iter().collect();
        let mut seen = Vec::new();
        let mut next = Some(format!("{ITEMS}?limit=4"));
        while let Some(path) = next {
            let page = world.get(&path).await?;
            seen.extend(features(&page)?.iter().filter_map(|feature| feature["id"].as_i64()));
            next = linked(&page, "next").map(|next| world.path_of(&next)).transpose()?;
            // A few come between two pages, as long as there are pages of old ones.
            if seen.len() < HAZARDS {
                let new = world.phone.report("general");
                derived::send(&mut world.phone, &[new]).await?;
            }
        }
        let distinct: BTreeSet<i64> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "{backend:?}: one came twice");
        ensure!(there.is_subset(&distinct), "{backend:?}: {:?} did not come", there.difference(&distinct));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_extent_of_a_layer_holds_every_feature_of_it() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        furnish(&world.server).await?;
        for layer in Layer::ALL {
            let name = layer.name();
            let page = world.get(&format!("/ogc/collections/{name}/items?limit=1000")).await?;
            let extent = world.get(&format!("/ogc/collections/{name}")).await?["extent"].clone();
            let told: Vec<f64> = extent["spatial"]["bbox"][0]
                .as_array()
                .with_context(|| format!("{name} is nowhere: {extent}"))?
                .iter()
                .filter_map(Value::as_f64)
                .collect();
            let [west, south, east, north] = bounds_of(features(&page)?).context("nothing has a place")?;
            let holds = told[0] <= west && told[1] <= south && east <= told[2] && north <= told[3];
            ensure!(holds, "{name}: {told:?} does not hold {west} {south} {east} {north}");
            // Some tens of kilometres more, not the whole world.
            ensure!(told[2] - told[0] < 2.0 && told[3] - told[1] < 2.0, "{name}: {told:?}");
            let time = match layer {
                Layer::Hazards => "found",
                Layer::HazardStates => "valid_from",
                Layer::Patrolled | Layer::Works => "day",
                Layer::Lines | Layer::Structures | Layer::NotPatrolled | Layer::Regions | Layer::Unsent => {
                    ensure!(extent["temporal"].is_null(), "{name} has no time: {extent}");
                    continue;
                }
            };
            let interval = &extent["temporal"]["interval"][0];
            let moment = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            let from = moment(&interval[0]).with_context(|| format!("{name}: {extent}"))?;
            let to = moment(&interval[1]).unwrap_or(jiff::Timestamp::MAX);
            for feature in features(&page)? {
                let text = feature["properties"][time].as_str().context("no time")?;
                let at = match text.len() {
                    10 => text.parse::<jiff::civil::Date>()?.in_tz("Asia/Shanghai")?.timestamp(),
                    _ => text.parse()?,
                };
                ensure!(from <= at && at <= to, "{name}: {at} is not in {interval}");
            }
        }
        // What one unit sees does not tell where the others' are.
        let unit = json!({"name": "青山管护队", "kind": "responsible"});
        let unit = world.office.post("/v1/units", &unit).await?.json("unit")?;
        let unit = unit["unit"].as_str().context("no unit")?.to_owned();
        let arguments =
            ["person", "add", "--district", "test", "--name", "甲", "--role", "unit", "--unit", &unit];
        let person = world.server.command_text(&arguments, "person").await?;
        let theirs = world.server.client_of(&world.server.create_token(&person).await?)?;
        let hazards = theirs.json("/ogc/collections/hazards").await?;
        ensure!(hazards["extent"].is_null(), "{hazards}");
    }
    Ok(())
}
