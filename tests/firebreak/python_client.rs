//! The Python client of `tests/python`, written from `docs/protocol.md` alone: does the page say enough?

use anyhow::{Result, ensure};
use firebreak_tests::python::{self, project};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::Value;

/// Runs the client; the JSON that it prints, which must say that all is as the page says.
async fn client<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Result<Value> {
    python::program("client.py", arguments).await
}

#[tokio::test]
async fn a_client_written_from_the_page_makes_the_golden_bytes_again() -> Result<()> {
    let (golden, page) = (project("fixtures/golden"), project("docs/protocol.md"));
    let (golden, page) = (golden.into_os_string(), page.into_os_string());
    let said = client(&["self-check".into(), "--golden".into(), golden, "--page".into(), page]).await?;
    ensure!(said.get("bundles").and_then(Value::as_u64) == Some(49), "{said}");
    Ok(())
}

async fn enrols_pushes_and_pulls(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut offers = Vec::new();
    for _person in 0..2 {
        let person = server.add_person("inspector").await?;
        let arguments = ["enrol-code", "--district", DISTRICT, "--person", &person, "--address", &server.url];
        offers.push(server.command_text(&arguments, "uri").await?);
    }
    let [offer, again] = offers.as_slice() else { anyhow::bail!("two offers") };
    let said = client(&["run", "--enrol", offer, "--enrol-again", again]).await?;
    let count = |name: &str| said.get(name).and_then(Value::as_u64);
    ensure!(count("operations") == Some(5), "{said}");
    ensure!(
        count("errors") == Some(21),
        "faults of requests and bundles, each answered as the page says: {said}"
    );
    ensure!(count("persons") == Some(2), "{said}");
    let check = server.check().await?;
    let quarantined = check.pointer("/dispositions/quarantined").and_then(Value::as_u64);
    ensure!(quarantined == Some(1), "one operation is quarantined: {check}");
    Ok(())
}

#[tokio::test]
async fn a_client_written_from_the_page_enrols_pushes_and_pulls_on_sqlite() -> Result<()> {
    enrols_pushes_and_pulls(Backend::Sqlite).await
}

#[tokio::test]
async fn a_client_written_from_the_page_enrols_pushes_and_pulls_on_postgresql() -> Result<()> {
    enrols_pushes_and_pulls(Backend::Postgres).await
}
