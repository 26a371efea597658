//! Where hazards stand: by position, by what the inspector named, after another grid; and what a measured clearance
//! suggests.

use anyhow::{Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

use super::{at, import, line, number, position, send};

/// A list that waits until everything is derived.
const FOLLOWED: &str = "/v1/stretches?kind=patrol&from=2020-01-01&to=2020-01-02";

/// Two lines a kilometre apart.
fn grid() -> Vec<Value> {
    [line(1, "青杠线", "110000", 29.98, 6), line(2, "松坪线", "35000", 29.99, 6)].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_is_told_its_line_span_chainage_side_and_zone() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        import(&server, &grid()).await?;
        let mut phone = Phone::enrol(&server).await?;
        // 5.5 m to the north of the middle of the second span: left, looking east.
        let report = phone.report("general").with("position", &position(299_800_500, 1_030_030_000, 30));
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let hazard = server.client()?.json(&format!("/v1/hazards/{}", report.record)).await?;
        let told = at(&hazard, "/placement")?;
        ensure!(at(told, "/line/name")? == "青杠线" && at(told, "/certainty")? == "certain", "{told}");
        ensure!(
            at(told, "/line/structure_from")? == "N001" && at(told, "/line/structure_to")? == "N002",
            "{told}"
        );
        ensure!(at(told, "/line/side")? == "left" && at(told, "/line/in_zone")? == true, "{told}");
        let (chainage_m, offset_m) = (number(told, "/line/chainage_m")?, number(told, "/line/offset_m")?);
        // 0.003° of longitude at 29.98° N by the ellipsoid of WGS-84: 289.5 m; 0.00005° of latitude: 5.54 m.
        ensure!((chainage_m - 289.5).abs() < 0.5 && (offset_m - 5.54).abs() < 0.1, "{chainage_m} {offset_m}");
        // In the middle of nowhere it is on no line.
        let far = phone.report("general").with("position", &position(305_000_000, 1_050_000_000, 30));
        send(&mut phone, std::slice::from_ref(&far)).await?;
        let far = server.client()?.json(&format!("/v1/hazards/{}", far.record)).await?;
        ensure!(
            at(&far, "/placement/line")?.is_null() && at(&far, "/placement/certainty")? == "none",
            "{far}"
        );
        ensure!(at(&server.check().await?, "/ok")? == true);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_inspector_named_wins_and_a_contradiction_is_a_note() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    import(&server, &grid()).await?;
    let mut phone = Phone::enrol(&server).await?;
    let here = position(299_800_500, 1_030_030_000, 30);
    let office = server.client()?;
    // Named: the other line, a kilometre off.
    let report = phone.report("general").with("position", &here).with("line_name", &"松坪线");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let told = office.json(&format!("/v1/hazards/{}", report.record)).await?;
    ensure!(at(&told, "/placement/line/name")? == "松坪线", "{told}");
    ensure!(at(&told, "/placement/named_by_hand")? == true, "{told}");
    ensure!(at(&told, "/placement/notes/0/code")? == "line-contradicts", "{told}");
    // Named: the right line and another span.
    let report = phone
        .report("general")
        .with("position", &here)
        .with("line_id", &"1")
        .with("structure_from", &"004#")
        .with("structure_to", &"5");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let told = office.json(&format!("/v1/hazards/{}", report.record)).await?;
    ensure!(at(&told, "/placement/notes/0/code")? == "span-contradicts", "{told}");
    ensure!(at(&told, "/placement/line/structure_from")? == "N004", "{told}");
    // Named: a line that the grid does not have; the position still says where.
    let report = phone.report("general").with("position", &here).with("line_name", &"白果线");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let told = office.json(&format!("/v1/hazards/{}", report.record)).await?;
    ensure!(at(&told, "/placement/line/name")? == "青杠线", "{told}");
    ensure!(at(&told, "/placement/notes/0/code")? == "line-unknown", "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_grid_places_every_hazard_anew_and_a_view_stays_as_it_is() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general").with("position", &position(299_800_500, 1_030_030_000, 30));
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let office = server.client()?;
        let line_of = async || {
            let listed = office.json("/v1/hazards").await?;
            let told = office.json(&format!("/v1/hazards/{}", report.record)).await?;
            anyhow::Ok((listed, at(&told, "/placement/line")?.clone(), at(&told, "/view_sha256")?.clone()))
        };
        let (_, before, view) = line_of().await?;
        ensure!(before.is_null(), "{before}");
        import(&server, &grid()).await?;
        let (_, after, same_view) = line_of().await?;
        ensure!(at(&after, "/name")? == "青杠线" && view == same_view, "{after}");
        // The rows follow by themselves: the line's hazards are listed.
        let id = at(&after, "/id")?.as_str().unwrap_or_default().to_owned();
        office.json(FOLLOWED).await?;
        let listed = office.json(&format!("/v1/hazards?line={id}")).await?;
        ensure!(at(&listed, "/hazards/0/id")? == &json!(report.record.to_string()), "{listed}");
        // Without that line the next one is a kilometre off, and out of reach.
        import(&server, &line(2, "松坪线", "35000", 29.99, 6)).await?;
        let (_, retired, _) = line_of().await?;
        ensure!(retired.is_null() || at(&retired, "/name")? == "松坪线", "{retired}");
        office.json(FOLLOWED).await?;
        let listed = office.json(&format!("/v1/hazards?line={id}")).await?;
        ensure!(at(&listed, "/hazards")?.as_array().is_some_and(Vec::is_empty), "{listed}");
        ensure!(at(&server.check().await?, "/ok")? == true);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_measured_clearance_suggests_a_severity_and_lowers_none() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    import(&server, &grid()).await?;
    let mut phone = Phone::enrol(&server).await?;
    let office = server.client()?;
    let here = position(299_800_500, 1_030_030_000, 30);
    let told = async |report: &sync_protocol::operation::Operation| {
        office.json(&format!("/v1/hazards/{}", report.record)).await
    };
    // 110 kV in forest: at least 4.0 m (domain §3). 3.9 m is critical.
    let near = phone.report("general").with("position", &here).with("vertical_dm", &39).with("forest", &true);
    // 6.5 m lies within 3 m above it: serious; the inspector had said critical.
    let serious =
        phone.report("critical").with("position", &here).with("vertical_dm", &65).with("forest", &true);
    send(&mut phone, &[near.clone(), serious.clone()]).await?;
    let near = told(&near).await?;
    ensure!(at(&near, "/placement/suggestion/severity")? == "critical", "{near}");
    ensure!(at(&near, "/placement/suggestion/worse")? == "critical", "{near}");
    ensure!(at(&near, "/severity")? == "general", "what shows is what was observed: {near}");
    let reasons = at(&near, "/placement/suggestion/reasons")?.to_string();
    ensure!(reasons.contains("3.9") && reasons.contains("4"), "{reasons}");
    let serious = told(&serious).await?;
    ensure!(at(&serious, "/placement/suggestion/severity")? == "serious", "{serious}");
    ensure!(at(&serious, "/placement/suggestion/worse")? == "critical", "{serious}");
    Ok(())
}
