//! The pages for people.

use anyhow::{Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};

use super::{contend, send};

#[tokio::test]
async fn the_pages_show_what_they_must_and_escape_what_people_write() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    contend(&mut one, &mut other).await?;
    let evil =
        one.report("critical").with("description", &"<script>alert(1)</script>").with("township", &"<b>&");
    send(&mut one, std::slice::from_ref(&evil)).await?;
    let start = office.get("/").await?;
    assert_eq!(start.status, 200);
    let start = start.text();
    for wanted in [
        "lang=\"zh-CN\"",
        "测试林区",
        "最紧急的隐患",
        "待裁定的冲突",
        "超过 24 小时未联系的设备",
        "白果镇",
        "松坪镇",
        &format!("/hazards/{}", evil.record),
        "&lt;b&gt;&amp;",
    ] {
        assert!(start.contains(wanted), "the page lacks {wanted}");
    }
    let record = office.get(&format!("/hazards/{}", evil.record)).await?.text();
    assert!(record.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for path in ["/", "/hazards", "/conflicts", "/devices", "/quarantine"] {
        let page = office.get(path).await?;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text().contains("<script"), "{path}");
        assert!(!page.text().contains("<b>&"), "{path}");
    }
    assert!(!record.contains("<script"));
    let stranger = office.with_token("nobody").get("/").await?;
    assert_eq!(stranger.status, 401);
    assert!(stranger.text().contains("name=\"token\"") && !stranger.text().contains("白果镇"));
    Ok(())
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let client = Client::new(&server.url, "")?;
    let own = server.url.clone();
    for (headers, status) in [
        (vec![("origin", "https://elsewhere.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "same-origin"), ("origin", own.as_str())], 303),
        (vec![("origin", own.as_str())], 303),
        (vec![], 303),
    ] {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(&headers);
        let form = format!("token={}", server.token).into_bytes();
        let reply = client.post_bytes("/login", form, &all).await?;
        ensure!(reply.status == status, "{headers:?}: {}", reply.status);
        let reply = client.post_bytes("/logout", Vec::new(), &all).await?;
        ensure!(reply.status == status, "sign-out, {headers:?}: {}", reply.status);
    }
    Ok(())
}
