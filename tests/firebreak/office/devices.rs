//! Devices and what they owe.

use anyhow::Result;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;

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
