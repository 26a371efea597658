//! The address that every link begins with which leaves the server: on orders, in enrolment codes, in one-time links.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::enrolment::percent_encoded;

use super::send;

const ADDRESS: &str = "https://firebreak.example.cn";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_codes_and_links_lead_to_the_address_that_the_operator_said() -> Result<()> {
    for said in [Some(ADDRESS), None] {
        let mut server = Server::start(Backend::Sqlite).await?;
        server.stop().await?;
        if said.is_some() {
            server.set("FIREBREAK_PUBLIC_URL", "https://firebreak.example.cn/");
        }
        server.resume().await?;
        let office = server.client()?;
        let base = said.map_or_else(|| server.url.clone(), str::to_owned);
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general").with("forest", &false);
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let path = format!("/v1/hazards/{}/commands", report.record);
        office
            .post(&format!("{path}/grade"), &json!({"fields": {"severity": "general"}}))
            .await?
            .json("grade")?;
        let order = json!({"fields": {"responsible_unit": "云顶供电所", "measures": "伐除"}});
        let ordered = office.post(&format!("{path}/order"), &order).await?.json("order")?;
        let key = ordered["order"].as_str().context("no order")?;
        let sheet = office.get(&format!("/v1/orders/{key}/html")).await?.text();
        let code = firebreak::orders::code_svg(&format!("{base}/hazards/{}", report.record))?;
        ensure!(sheet.contains(&code), "{said:?}: the code on the order leads elsewhere");
        let person = server.add_person("clerk").await?;
        let link = office.post(&format!("/v1/people/{person}/link"), &json!({})).await?.json("link")?;
        let (url, path) =
            (link["url"].as_str().context("no url")?, link["path"].as_str().context("no path")?);
        ensure!(url == format!("{base}{path}"), "{link}");
        let code = office.post("/v1/enrol-codes", &json!({"person": person})).await?.json("code")?;
        let uri = code["uri"].as_str().context("no uri")?;
        let address = format!("address={}&", percent_encoded(ADDRESS));
        ensure!(uri.contains(&address) == said.is_some(), "{uri}");
        // A program that knows better says so.
        let other = json!({"person": person, "address": "https://other.example"});
        let code = office.post("/v1/enrol-codes", &other).await?.json("code")?;
        ensure!(code["uri"].as_str().is_some_and(|uri| uri.contains("other.example")), "{code}");
        let body = format!("token={}", server.token).into_bytes();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let cookie = office.with_token("").post_bytes("/login", body, &form).await?.cookie;
        ensure!(cookie.contains("; Secure") == said.is_some(), "{cookie}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_does_not_start_on_an_address_that_is_none_and_says_what_one_is() -> Result<()> {
    let mut server = Server::start(Backend::Sqlite).await?;
    server.stop().await?;
    for wrong in
        ["firebreak.example.cn", "http://firebreak.example.cn", "https://firebreak.example.cn/office"]
    {
        server.set("FIREBREAK_PUBLIC_URL", wrong);
        let (_, log) = server.serve_in_vain().await?;
        ensure!(
            log.contains("public_url") && log.contains(wrong) && log.contains("https://NAME"),
            "{wrong}: {log}"
        );
    }
    server.set("FIREBREAK_PUBLIC_URL", ADDRESS);
    server.resume().await
}
