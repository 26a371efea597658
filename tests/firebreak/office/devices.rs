//! Devices and what they owe.

use anyhow::Result;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

use super::all;

#[tokio::test]
async fn a_device_that_left_a_gap_is_listed_with_what_it_owes() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let first = phone.reports(2);
        let lost = phone.reports(3);
        let third = phone.reports(1);
        phone.sync(&[first, third]).await?;
        let devices = all(&office, "/v1/devices", "devices", 1).await?;
        assert_eq!(devices.len(), 1, "the server's own device is hidden");
        assert_eq!(devices[0]["outstanding"], json!([[3, 5]]));
        assert_eq!((&devices[0]["received_through"], &devices[0]["whole_through"]), (&json!(6), &json!(2)));
        phone.sync(&[lost]).await?;
        assert_eq!(office.json("/v1/devices").await?["devices"][0]["outstanding"], json!([]));
    }
    Ok(())
}

#[tokio::test]
async fn what_an_app_lost_is_written_off_asked_for_no_more_and_counts_where_it_comes_after_all() -> Result<()>
{
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let (one, lost, three) = (phone.reports(1), phone.reports(2), phone.reports(1));
        let (gap, five) = (phone.reports(1), phone.reports(1));
        let reply = phone.sync(&[one, three, five]).await?;
        assert_eq!(reply.missing(), [(2, 3), (5, 5)]);
        let path = format!("/v1/devices/{}/give-up", phone.device);
        for (through, reason) in [(1, "应用损坏"), (7, "应用损坏"), (3, " ")] {
            let refused = office.post(&path, &json!({"through": through, "reason": reason})).await?;
            assert_eq!(
                (refused.status, refused.code().as_deref()),
                (400, Some("bad-parameter")),
                "{through}"
            );
        }
        let body = json!({"through": 3, "reason": "应用损坏"});
        office.post(&path, &body).await?.json(&path)?;
        let told = async || -> Result<Value> { Ok(office.json("/v1/devices").await?["devices"][0].clone()) };
        let device = told().await?;
        assert_eq!((&device["outstanding"], &device["whole_through"]), (&json!([[5, 5]]), &json!(4)));
        let more = phone.reports(1);
        assert_eq!(phone.sync(&[more]).await?.missing(), [(5, 5)], "it is asked for what may still come");
        let before = server.check().await?["received"].as_u64();
        phone.sync(&[lost, gap]).await?;
        assert_eq!(server.check().await?["received"].as_u64(), before.map(|received| received + 3));
        assert_eq!(told().await?["outstanding"], json!([]));
        office.post(&format!("/v1/devices/{}/lose", phone.device), &json!({})).await?.json("lose")?;
        let _never_sent = phone.reports(2);
        let ten = phone.reports(1);
        phone.sync(&[ten]).await?;
        let device = told().await?;
        assert_eq!((&device["outstanding"], &device["lost"]), (&json!([]), &json!([[8, 9]])));
    }
    Ok(())
}

#[tokio::test]
async fn the_shell_lists_devices_with_their_status_in_stable_words() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phones = Vec::new();
    for _ in 0..3 {
        let mut phone = Phone::enrol(&server).await?;
        let bundle = phone.reports(2);
        phone.sync(&[bundle]).await?;
        phones.push(phone);
    }
    let ids: Vec<String> = phones.iter().map(|phone| phone.device.to_string()).collect();
    server.command_text(&["device", "lost", "--device", &ids[1]], "status").await?;
    server.command_text(&["device", "revoke", "--device", &ids[2]], "status").await?;
    let listed = server.command_lines(&["device", "list"]).await?;
    let of =
        |id: &String| listed.iter().find(|line| line["device"] == json!(id)).cloned().unwrap_or_default();
    let said = |line: &Value| ["status", "last_sequence", "last_chain"].map(|key| line[key].clone());
    assert_eq!(said(&of(&ids[0])), [json!("active"), Value::Null, Value::Null]);
    assert_eq!(said(&of(&ids[1])), [json!("lost"), Value::Null, Value::Null]);
    let chain = phones[2].chain.to_string();
    assert_eq!(said(&of(&ids[2])), [json!("revoked"), json!(2), json!(chain)]);
    Ok(())
}
