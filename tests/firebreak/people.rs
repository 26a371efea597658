//! People who leave and tokens that end: what they lose, what stays of theirs, on both databases.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::exchange::Frame;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Position;

fn disposition(checked: &Value, name: &str) -> Option<u64> {
    checked.get("dispositions")?.get(name)?.as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_removed_person_hands_in_later_waits_and_what_they_recorded_before_stays() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let mut phone = Phone::enrol(&server).await?;
        let person = phone.person.to_string();
        let report = phone.report("general");
        let bundle = phone.seal(std::slice::from_ref(&report));
        phone.sync(&[bundle]).await?;
        let offline = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("township", &"青杠镇");
        let offline_bundle = phone.seal(std::slice::from_ref(&offline));
        let code = server.enrol_code(&person).await?;
        let path = format!("/v1/people/{person}");
        let removed = office.call("DELETE", &path, &json!({})).await?.json(&path)?;
        assert_eq!(removed, json!({"person": person, "removed": true}));
        assert_eq!(office.call("DELETE", &path, &json!({})).await?.status, 404, "removed already");
        ensure!(Phone::enrol_with(&server, &code).await.is_err(), "the code of a removed person enrols");
        ensure!(server.enrol_code(&person).await.is_err(), "a removed person gets a code");
        // A colleague's hazard: the phone that everybody left is given nothing more.
        let mut colleague = Phone::enrol(&server).await?;
        let secret = colleague.report("critical");
        let bundle = colleague.seal(&[secret]);
        colleague.sync(&[bundle]).await?;
        let reply = phone.sync(&[&offline_bundle]).await?;
        ensure!(reply.end().is_some() && reply.items().is_empty(), "{backend:?}: {reply:?}");
        let receipt = reply.receipts().first().cloned().context("no receipt")?;
        let told = receipt.exceptions.first().and_then(|(_, _, code)| code.clone());
        assert_eq!(told.as_deref(), Some(Code::AuthorNotBound.as_str()));
        let notices: Vec<&str> = reply
            .frames
            .iter()
            .filter_map(
                |frame| if let Frame::Notice(notice) = frame { Some(notice.code.as_str()) } else { None },
            )
            .collect();
        // That they left, and that their operation waits.
        assert_eq!(notices, [Code::AuthorNotBound.as_str(); 2]);
        let checked = server.check().await?;
        assert_eq!(disposition(&checked, "quarantined"), Some(1), "{checked}");
        let hazard = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(hazard["operations"].as_array().map(Vec::len), Some(1), "what came before stays");
        // The office lets it take effect.
        let waiting = office.json("/v1/quarantine?released=false").await?;
        let identity = waiting["quarantine"][0]["identity"].as_str().context("nothing waits")?;
        let release = format!("/v1/quarantine/{identity}/release");
        office.post(&release, &json!({})).await?.json(&release)?;
        let hazard = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(hazard["township"], "青杠镇");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_phone_goes_on_for_the_colleague_who_stays() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let leaver = phone.person;
    let stays = server.add_person("inspector").await?;
    phone.bind(&server, &server.enrol_code(&stays).await?).await?;
    server
        .command_text(
            &["person", "remove", "--district", DISTRICT, "--person", &leaver.to_string()],
            "person",
        )
        .await?;
    let theirs = phone.report("general");
    let mut ours = phone.report("serious");
    ours.author = stays.parse()?;
    let bundle = phone.seal(&[theirs, ours]);
    let reply = phone.sync(&[bundle]).await?;
    ensure!(!reply.items().is_empty(), "the feed goes on: {reply:?}");
    let checked = server.check().await?;
    assert_eq!(disposition(&checked, "quarantined"), Some(1), "{checked}");
    assert_eq!(checked["records"], json!(1));
    let (_, listed) = server.command(&["person", "list", "--district", DISTRICT]).await?;
    ensure!(listed.get("removed_ms").is_some(), "{listed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_lets_nobody_in_and_the_others_stay() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("reviewer").await?;
        let (first, second) = (server.create_token(&person).await?, server.create_token(&person).await?);
        let status = async |token: &str| -> Result<u16> {
            Ok(server.client()?.with_token(token).get("/v1/totals").await?.status)
        };
        let lines = server.command_lines(&["token", "list", "--district", DISTRICT]).await?;
        assert_eq!(lines.len(), 3, "{lines:?}");
        ensure!(!lines.iter().any(|line| line.to_string().contains("fbo1.")), "a token is shown: {lines:?}");
        let of_person: Vec<&str> = lines
            .iter()
            .filter(|line| line["person"] == json!(person))
            .filter_map(|line| line["id"].as_str())
            .collect();
        assert_eq!(of_person.len(), 2);
        let revoke = ["token", "revoke", "--district", DISTRICT, "--id", of_person[0]];
        assert_eq!(server.command(&revoke).await?, (true, json!({"revoked": 1})));
        let now = [status(&first).await?, status(&second).await?];
        ensure!(now == [401, 200] || now == [200, 401], "{now:?}");
        ensure!(server.command(&revoke).await.is_err(), "a token is revoked twice");
        let all = ["token", "revoke", "--district", DISTRICT, "--person", &person];
        assert_eq!(server.command(&all).await?, (true, json!({"revoked": 1})));
        assert_eq!(
            [status(&first).await?, status(&second).await?, status(&server.token).await?],
            [401, 401, 200]
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_takes_a_box_in_degrees_west_first_as_the_api_does() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let person = server.add_person("inspector").await?;
    let (mut writer, mut reader) = (Phone::enrol(&server).await?, Phone::enrol_for(&server, &person).await?);
    let set = async |area: &str| {
        server.command(&["area", "set", "--district", DISTRICT, "--person", &person, "--box", area]).await
    };
    for wrong in [
        "29,103,30,104",
        "104,29,103,30",
        "103,29,181,30",
        "103,29,104",
        "290000000,1030000000,300000000,1040000000",
        "west",
    ] {
        let refused = set(wrong).await.err().map(|error| format!("{error:#}"));
        let words = refused.with_context(|| format!("{wrong} is taken"))?;
        ensure!(words.contains("WEST,SOUTH,EAST,NORTH in degrees"), "{words}");
    }
    ensure!(set("103,29.5,104,30").await?.0);
    let inside = writer.report("general");
    let mut outside = writer.report("general");
    outside = outside
        .with("position", &Position { lat_e7: 294_000_000, lon_e7: 1_035_000_000, ..Position::default() });
    let bundle = writer.seal(&[inside.clone(), outside]);
    writer.sync(&[bundle]).await?;
    let reply = reader.sync::<Vec<u8>>(&[]).await?;
    let held: Vec<RecordId> = reply.items().iter().map(|item| item.record).collect();
    assert_eq!(held, [inside.record]);
    Ok(())
}
