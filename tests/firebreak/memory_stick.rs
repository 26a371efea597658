//! A phone that reaches no server is emptied onto a memory stick: export, import, and receipts when it is back.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server, program};
use fixtures::builders::Report;
use fixtures::device::clock::SystemClock;
use fixtures::device::http::Http;
use fixtures::device::outbox::OperationStanding;
use fixtures::device::sync::Goal;
use fixtures::device::transport::Encoding;
use fixtures::device::{Device, Options};
use fixtures::office::Office;
use serde_json::{Value, json};
use sync_protocol::cbor;
use tokio::process::Command;

/// Runs the reference device's program; gives the JSON it printed.
async fn device_program(arguments: &[&str]) -> Result<Value> {
    let output = Command::new(program("device")?).args(arguments).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_phone_exported_is_imported_once_and_receipted_at_its_next_sync() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (outbox, stick) = (path("phone.sqlite"), path("stick.bundles"));
        let open = async || -> Result<Device<Http, SystemClock>> {
            let http = Http::new(&server.url, Encoding::Zstd)?;
            Ok(Device::open(outbox.as_ref(), http, SystemClock::new(), Options::default()).await?)
        };
        let mut device = open().await?;
        let office = Office::new(&server.url, &server.token)?;
        let person = office.person("巡线员", "inspector").await?;
        device.enrol(&office.enrol_code(person).await?, "巡线员", None).await?;
        for nth in 0..3 {
            let report =
                Report::new().author(person).stamp(device.stamp()).at(299_800_000 + nth, 1_030_000_000);
            device.record(&report.build()).await?;
        }
        device.close().await?;
        let exported = device_program(&["export", "--outbox", &outbox, "--out", &stick]).await?;
        assert_eq!(exported, json!({"file": stick, "bundles": 1}));
        let import = ["import", "bundle", "--district", DISTRICT, &stick];
        let (succeeded, first) = server.command(&import).await?;
        ensure!(succeeded, "{first}");
        assert_eq!((&first["taken"], &first["known"]), (&json!(1), &json!(0)), "{first}");
        let imported = server.check().await?;
        assert_eq!(imported["records"], json!(3));
        // A second time nothing is new.
        let (succeeded, second) = server.command(&import).await?;
        ensure!(succeeded, "{second}");
        assert_eq!((&second["taken"], &second["known"]), (&json!(0), &json!(1)), "{second}");
        let mut device = open().await?;
        let waiting = device.outbox().count(OperationStanding::Waiting, 0).await?;
        assert_eq!(waiting, 3, "until a receipt comes the phone keeps what it has");
        let report = device.sync(Goal::Everything).await?;
        assert_eq!(report.receipts, 1, "{report:?}");
        assert_eq!(device.outbox().count(OperationStanding::Waiting, 0).await?, 0);
        assert_eq!(server.check().await?, imported, "nothing came twice");
        device.close().await?;
        let emptied = device_program(&["export", "--outbox", &outbox, "--out", &stick]).await?;
        assert_eq!(emptied["bundles"], json!(0), "what has a receipt is not exported again");
        // A file of nothing is said to be one, and keeps none of the others out.
        let full = path("full.bundles");
        let mut late = Phone::enrol(&server).await?;
        let mut file = Vec::new();
        cbor::write_byte_string(&mut file, &late.reports(1));
        std::fs::write(&full, file)?;
        ensure!(std::fs::metadata(&stick)?.len() == 0, "the empty export is no empty file");
        let import = ["import", "bundle", "--district", DISTRICT, &stick, &full];
        let (succeeded, printed) = server.command(&import).await?;
        ensure!(!succeeded && printed["taken"] == json!(1), "{printed}");
        let alone = server.command(&["import", "bundle", "--district", DISTRICT, &stick]).await;
        let words = alone.err().map(|error| format!("{error:#}")).context("an empty file is imported")?;
        ensure!(words.contains(&stick) && words.contains("the file is empty"), "{words}");
    }
    let nowhere = ["export", "--outbox", "/nowhere/phone.sqlite", "--out", "/nowhere/stick"];
    let error = device_program(&nowhere).await.err().context("a phone that is not there is exported")?;
    ensure!(error.to_string().contains("there is no phone's database"), "{error}");
    Ok(())
}
