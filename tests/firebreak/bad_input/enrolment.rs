//! Enrolment codes at their bounds: how long they are, how long they are good, and whom they let in no more.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use fixtures::device::clock::now_ms;
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::limits::{ENROL_CODE_BYTES, ENROL_CODE_MINUTES};

use super::on_both;

/// Enrolling or registering failed with this status and code.
fn refused<T>(outcome: Result<T>, (status, code): (u16, Code)) -> Result<()> {
    let error = outcome.err().map(|error| format!("{error:#}")).context("it was taken")?;
    ensure!(error.contains(&status.to_string()) && error.contains(code.as_str()), "{error}");
    Ok(())
}

async fn bytes(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let person = server.add_person("inspector").await?;
    let code = server.enrol_code(&person).await?;
    ensure!(hex::decode(&code)?.len() == ENROL_CODE_BYTES, "{code}");
    let shorter = code.get(..2 * (ENROL_CODE_BYTES - 1)).context("too short")?;
    for wrong in [shorter.to_owned(), format!("{code}00")] {
        refused(Phone::enrol_with(&server, &wrong).await, (403, Code::EnrolCodeInvalid))?;
    }
    // Neither used it up.
    Phone::enrol_with(&server, &code).await?;
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_a_byte_more_or_less_is_no_code() -> Result<()> {
    on_both(bytes).await
}

async fn minutes(backend: Backend) -> Result<()> {
    let mut server = Server::start(backend).await?;
    let person = server.add_person("inspector").await?;
    let before_ms = now_ms();
    let (_, made) = server.command(&["enrol-code", "--district", DISTRICT, "--person", &person]).await?;
    let good_for_ms = i64::try_from(ENROL_CODE_MINUTES)? * 60_000;
    let expires_ms = made.get("expires_ms").and_then(Value::as_i64).context("it does not expire")?;
    ensure!((before_ms + good_for_ms..=now_ms() + good_for_ms).contains(&expires_ms), "{made}");
    let code = made.get("code").and_then(Value::as_str).context("no code")?;
    let other = server.enrol_code(&person).await?;
    for (ahead_s, is_good) in
        [((ENROL_CODE_MINUTES - 1) * 60 + 1, true), (ENROL_CODE_MINUTES * 60 + 1, false)]
    {
        server.stop().await?;
        server.set("FIREBREAK_CLOCK_AHEAD_S", &ahead_s.to_string());
        server.resume().await?;
        if is_good {
            // In its last minute.
            Phone::enrol_with(&server, code).await?;
        } else {
            refused(Phone::enrol_with(&server, &other).await, (410, Code::EnrolCodeExpired))?;
        }
    }
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_in_its_last_minute_and_not_in_the_next() -> Result<()> {
    on_both(minutes).await
}

async fn of_a_revoked_device(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let device = phone.device.to_string();
    server.command_text(&["device", "revoke", "--device", &device], "status").await?;
    let revoked = (403, Code::DeviceRevoked);
    let code = server.enrol_code(&phone.person.to_string()).await?;
    refused(phone.bind(&server, &code).await, revoked)?;
    let client = phone.client.clone();
    refused(phone.register_again(&client).await, revoked)?;
    // The code is still good: for a new key.
    let new = Phone::enrol_with(&server, &code).await?;
    ensure!(new.person == phone.person && new.device != phone.device);
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_comes_back_neither_by_a_code_nor_by_its_certificate() -> Result<()> {
    on_both(of_a_revoked_device).await
}
