//! The pages of what is derived: where a hazard stands, which lines there are and what of them was not walked, which
//! hazards are probably one.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::MORNING_MS;
use serde_json::json;

use super::{at, import, line, position, send};

/// The text of a page.
async fn page(server: &Server, path: &str) -> Result<String> {
    let reply = server.client()?.get(path).await?;
    ensure!(reply.status == 200, "{path}: {}", reply.status);
    Ok(reply.text())
}

fn shows(page: &str, wanted: &[&str]) -> Result<()> {
    for wanted in wanted {
        ensure!(page.contains(wanted), "the page lacks {wanted}:\n{page}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_show_line_and_span_of_a_hazard_and_why_a_severity_is_suggested() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    import(&server, &[line(1, "青杠线", "110000", 29.98, 6), line(2, "松坪线", "35000", 29.99, 6)].concat())
        .await?;
    let mut phone = Phone::enrol(&server).await?;
    let here = position(299_800_500, 1_030_030_000, 30);
    let near = phone
        .report("general")
        .with("position", &here)
        .with("type", &"tree")
        .with("forest", &true)
        .with("vertical_dm", &21);
    let contradicts = phone.report("general").with("position", &here).with("line_name", &"松坪线");
    let far = phone.report("general").with("position", &position(305_000_000, 1_050_000_000, 30));
    send(&mut phone, &[near.clone(), contradicts.clone(), far.clone()]).await?;
    shows(
        &page(&server, &format!("/hazards/{}", near.record)).await?,
        &[
            "所在线路",
            "青杠线 N001–N002",
            "确定",
            "面向大号侧的左侧 5.5 米",
            "保护区内",
            "建议等级",
            "危急",
            "垂直距离 2.1 m",
        ],
    )?;
    shows(
        &page(&server, &format!("/hazards/{}", contradicts.record)).await?,
        &["松坪线", "按所填线路", "坐标远离所填线路", "次近线路 青杠线"],
    )?;
    shows(&page(&server, &format!("/hazards/{}", far.record)).await?, &["不在线路附近"])?;
    let townships = json!({"type": "FeatureCollection", "features": [{
        "type": "Feature", "properties": {"code": "001", "name": "青杠镇", "level": "township"},
        "geometry": {"type": "Polygon", "coordinates": [[[102.9, 29.9], [103.1, 29.9], [103.1, 30.1], [102.9, 30.1], [102.9, 29.9]]]},
    }]});
    let headers = [("content-type", "application/geo+json")];
    let body = townships.to_string().into_bytes();
    let imported = server.client()?.post_bytes("/v1/grid/regions", body, &headers).await?;
    ensure!(imported.status == 200, "{}", imported.text());
    shows(&page(&server, &format!("/hazards/{}", near.record)).await?, &["计入 青杠镇"])?;
    shows(&page(&server, "/hazards").await?, &["青杠镇 青杠线 N001–N002"])?;
    for path in ["/hazards", "/"] {
        shows(&page(&server, path).await?, &["青杠线 N001–N002", "线路待核"])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_the_grid_shows_what_was_assumed_and_what_was_not_walked() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    shows(&page(&server, "/grid").await?, &["还没有线路台账", "firebreak import lines"])?;
    import(&server, &line(1, "青杠线", "132000", 29.98, 6)).await?;
    // 0.01° of longitude at 29.98° N by the ellipsoid of WGS-84 are 965 m.
    let all = page(&server, "/grid").await?;
    shows(&all, &["青杠线", "132000 → <b>154–220 kV</b>", "保护区 15 米", "介于两个等级之间"])?;
    ensure!(all.matches("0.965 公里").count() == 2, "its length, and as much not walked:\n{all}");
    let wrong = server.client()?.get("/grid?since=yesterday").await?;
    ensure!(wrong.status == 400, "{}", wrong.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_the_grid_goes_on_where_its_first_page_ends() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let lines = (1..=51).map(|nth| {
        let lat = 29.0 + 0.01 * f64::from(u32::try_from(nth).unwrap_or(0));
        line(nth, &format!("线路{nth:02}"), "10000", lat, 3)
    });
    import(&server, &lines.collect::<Vec<_>>().concat()).await?;
    let first = page(&server, "/grid?since=2026-01-01").await?;
    let next = first.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let second = page(&server, &next.context("no next page")?.replace("&amp;", "&")).await?;
    let names = |page: &str| page.matches("data-label=\"线路\"").count();
    ensure!((names(&first), names(&second)) == (50, 1), "{} and {}", names(&first), names(&second));
    // Nothing was walked: of the last line, too, all of its length.
    let last = second.rsplit("data-label=\"长度\">").next().context("no length")?;
    let length = last.split('<').next().unwrap_or_default();
    ensure!(!length.starts_with("0.000") && second.matches(length).count() == 2, "{second}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_proposals_shows_both_hazards_and_the_requests_that_decide() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    import(&server, &line(1, "青杠线", "110000", 29.98, 6)).await?;
    shows(&page(&server, "/proposals").await?, &["没有待定的重复"])?;
    let mut pair = Vec::new();
    for east in [0, 100] {
        let mut phone = Phone::enrol(&server).await?;
        let report = phone
            .report("general")
            .with("position", &position(299_800_500, 1_030_030_000 + east, 50))
            .with("found_at_ms", &(MORNING_MS + east));
        send(&mut phone, std::slice::from_ref(&report)).await?;
        pair.push(report.record.to_string());
    }
    pair.sort();
    let act = format!("/v1/proposals/{}/{}/accept", pair[0], pair[1]);
    let shown = page(&server, "/proposals").await?;
    shows(&shown, &[&act, "先发现，将保留", "青杠线 N001–N002", "类别和类型相同"])?;
    ensure!(pair.iter().all(|record| shown.contains(&format!("/hazards/{record}"))), "{shown}");
    ensure!(!shown.contains("action=\"/v1"), "a page only shows:\n{shown}");
    let accepted = server.client()?.post(&act, &json!({})).await?;
    ensure!(accepted.status == 200, "{}", accepted.text());
    shows(&page(&server, "/proposals").await?, &["没有待定的重复"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_counts_spans_as_a_hazard_does_and_has_the_zone_of_the_rules_in_force() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    import(&server, &line(1, "青杠线", "110000", 29.98, 6)).await?;
    let office = server.client()?;
    let mut phone = Phone::enrol(&server).await?;
    let report = phone.report("general").with("position", &position(299_800_500, 1_030_030_000, 30));
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let hazard = office.json(&format!("/v1/hazards/{}", report.record)).await?;
    let on = at(&hazard, "/placement/line/id")?.as_str().context("no line")?.to_owned();
    let told = office.json(&format!("/v1/grid/lines/{on}")).await?;
    let second = at(&told, "/spans/1")?;
    ensure!(at(second, "/span")? == at(&hazard, "/placement/line/span")?, "{second} and {hazard}");
    ensure!(at(&told, "/class/zone_mm")? == 10_000, "{told}");
    let rules = office.json("/v1/rules").await?;
    let text = at(&rules, "/source")?.as_str().context("no source")?.to_owned();
    // The zone of 35 to 110 kV is the one of 100 dm.
    let wider = text.replacen("\"35-110\" = 100", "\"35-110\" = 130", 1);
    ensure!(wider != text, "the rules have no zone of 100 dm:\n{text}");
    let set = office.call("PUT", "/v1/rules", &json!({"source": wider})).await?;
    ensure!(set.status == 200, "{}", set.text());
    let told = office.json(&format!("/v1/grid/lines/{on}")).await?;
    ensure!(at(&told, "/class/zone_mm")? == 13_000, "{told}");
    Ok(())
}
