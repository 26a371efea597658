//! A full disk: 507, reads go on, nothing lost, and it recovers by itself once there is room.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use sync_protocol::cbor::Raw;
use sync_protocol::limits::PHOTO_CHUNK_BYTES;
use tempfile::TempDir;

use crate::photos::{File, report, state};

/// The setting that bounds the SQLite file.
const MAX_BYTES: &str = "FIREBREAK_MAX_BYTES";
const NOTHING: [&[u8]; 0] = [];
const REPORTS: usize = 40;
/// A disk of this size is full long before so many bundles.
const BUNDLES: usize = 400;

/// A small disk of its own; unmounted when dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// `None` where this user or this machine may not mount.
    fn mount(megabytes: usize) -> Result<Option<Self>> {
        let folder = TempDir::with_prefix("firebreak-disk")?;
        let size = format!("size={megabytes}m,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self { folder }))
    }

    /// Takes all the room that is left and gives the file that has it.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("ballast");
        let mut file = std::fs::File::create(&path)?;
        for size in [64 << 10, 4 << 10, 512, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _already_gone = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

/// Bundles with their receipts, and the one that was refused.
struct Pushed {
    taken: Vec<(Vec<u8>, Raw)>,
    refused: Vec<u8>,
}

/// Pushes until the storage is full.
async fn push_until_full(phone: &mut Phone) -> Result<Pushed> {
    let mut taken = Vec::new();
    for _ in 0..BUNDLES {
        let bundle = phone.reports(REPORTS);
        let reply = phone.client.sync(phone.request(&[&bundle])).await?;
        match (reply.status, reply.raw_receipts().as_slice()) {
            (200, [receipt]) => taken.push((bundle, receipt.clone())),
            (507, []) => {
                assert_eq!(reply.error(), Some("storage-full"));
                return Ok(Pushed { taken, refused: bundle });
            }
            _ => anyhow::bail!("neither a receipt nor 507: {reply:?}"),
        }
    }
    anyhow::bail!("{BUNDLES} bundles did not fill it")
}

/// With no room at all every read is answered.
async fn reads_go_on(server: &Server, phone: &Phone) -> Result<()> {
    let office = server.client()?;
    for path in ["/v1/hazards?limit=5", "/v1/conflicts", "/healthz", "/metrics", "/"] {
        assert_eq!(office.get(path).await?.status, 200, "{path}");
    }
    let pull = phone.client.sync(phone.request(&NOTHING)).await?;
    ensure!(pull.status == 200 && !pull.items().is_empty(), "a pull is a read: {:?}", pull.error());
    Ok(())
}

/// With room again: the refused bundle is taken, the receipts are the old ones, the ledger is whole.
async fn all_is_well(server: &Server, phone: &Phone, pushed: &Pushed) -> Result<()> {
    let reply = phone.client.sync(phone.request(&[&pushed.refused])).await?;
    assert_eq!((reply.status, reply.receipts().len()), (200, 1), "{:?}", reply.error());
    for (bundle, receipt) in &pushed.taken {
        let reply = phone.client.sync(phone.request(&[bundle])).await?;
        assert_eq!(reply.raw_receipts().as_slice(), std::slice::from_ref(receipt));
    }
    let check = server.check().await?;
    let reports = u64::try_from((pushed.taken.len() + 1) * REPORTS)?;
    ensure!(check.get("records").and_then(serde_json::Value::as_u64) >= Some(reports), "{check}");
    Ok(())
}

#[tokio::test]
async fn a_full_disk_is_answered_507_and_recovers_by_itself() -> Result<()> {
    let Some(disk) = Disk::mount(48)? else {
        fixtures::skipped("no small disk can be mounted here (needs root)");
        return Ok(());
    };
    let folder = TempDir::new_in(disk.folder.path())?;
    let mut server = Server::prepare(Backend::Sqlite, folder).await?;
    server.resume().await?;
    let mut phone = Phone::enrol(&server).await?;
    let first = phone.reports(REPORTS);
    ensure!(phone.sync(&[&first]).await?.receipts().len() == 1, "with room it is taken");
    phone.cursor = None;

    let ballast = disk.fill()?;
    let pushed = push_until_full(&mut phone).await?;
    println!("full after {} bundles", pushed.taken.len());
    reads_go_on(&server, &phone).await?;
    std::fs::remove_file(ballast)?;
    all_is_well(&server, &phone, &pushed).await?;
    assert!(server.is_running(), "it needed no restart");
    server.stop().await
}

#[tokio::test]
async fn a_ledger_at_its_own_bound_is_answered_507_and_goes_on_with_a_wider_one() -> Result<()> {
    let mut server = Server::start_with(Backend::Sqlite, &[(MAX_BYTES, "2000000")]).await?;
    let mut phone = Phone::enrol(&server).await?;
    let pushed = push_until_full(&mut phone).await?;
    ensure!(!pushed.taken.is_empty(), "there was room for something");
    reads_go_on(&server, &phone).await?;
    let size = std::fs::metadata(server.ledger()?)?.len();
    assert!(size <= 2_000_000, "the file has {size} bytes");

    server.stop().await?;
    server.set(MAX_BYTES, "200000000");
    server.resume().await?;
    phone.client = phone.client.at(&server.url);
    all_is_well(&server, &phone, &pushed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_meets_a_full_disk_and_goes_on_where_it_was_once_there_is_room() -> Result<()> {
    let Some(disk) = Disk::mount(48)? else {
        fixtures::skipped("no small disk can be mounted here (needs root)");
        return Ok(());
    };
    let mut server = Server::prepare(Backend::Sqlite, TempDir::new_in(disk.folder.path())?).await?;
    server.resume().await?;
    let mut phone = Phone::enrol(&server).await?;
    let file = File::new(51, 4 * PHOTO_CHUNK_BYTES);
    let record = report(&mut phone, &[file.named("before")]).await?;
    let (begun, _) = file.patch(&phone.client, 0..PHOTO_CHUNK_BYTES).await?;
    assert_eq!(begun.status, 204, "{}", begun.text());
    let ballast = disk.fill()?;
    let (refused, _) = file.patch(&phone.client, PHOTO_CHUNK_BYTES..2 * PHOTO_CHUNK_BYTES).await?;
    assert_eq!((refused.status, refused.code().as_deref()), (507, Some("storage-full")));
    let at = file.head(&phone.client).await?;
    assert_eq!((at.offset, at.complete), (u64::try_from(PHOTO_CHUNK_BYTES)?, false), "nothing is lost");
    std::fs::remove_file(ballast)?;
    assert_eq!(file.upload(&phone.client).await?, 3 * PHOTO_CHUNK_BYTES);
    assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"));
    server.stop().await
}

/// Room that is left for the log of the audit, bytes: less than any of the files takes.
const LITTLE_ROOM: u64 = 90_000;
/// Hazards of a file that has no room.
const FILED: usize = 4_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_for_which_there_is_no_room_is_refused_and_leaves_nothing_behind() -> Result<()> {
    let Some(disk) = Disk::mount(96)? else {
        fixtures::skipped("no small disk can be mounted here (needs root)");
        return Ok(());
    };
    let mut server = Server::prepare(Backend::Sqlite, TempDir::new_in(disk.folder.path())?).await?;
    server.resume().await?;
    let mut phone = Phone::enrol(&server).await?;
    for _ in 0..FILED / 500 {
        let bundle = phone.reports(500);
        phone.sync(&[bundle]).await?;
    }
    phone.cursor = None;
    let office = server.client()?;
    // Nothing of what is derived is left to be written on the full disk.
    office.derived().await?;
    let whole = office.get("/v1/exports/hazards.geojson?severity=general").await?;
    ensure!(whole.status == 200, "with room it is made: {}", whole.text());
    let exports = exports_of(&server)?;
    let kept = names(&exports)?;
    let ballast = disk.fill()?;
    let file = std::fs::OpenOptions::new().write(true).open(&ballast)?;
    file.set_len(file.metadata()?.len().saturating_sub(LITTLE_ROOM))?;
    // As long as it is open, its room is not given back.
    drop(file);
    for format in ["geojson", "gpkg", "fgb", "shp", "kml", "kmz", "csv", "xlsx", "geojsonseq"] {
        let path = format!("/v1/exports/hazards.{format}");
        let asked = office.post(&path, &serde_json::json!({})).await?;
        ensure!(asked.status == 202, "{format}: {}", asked.text());
        // What fails gives its room back, which the log of who takes a file needs.
        let told = settled(&office, &asked.location).await?;
        ensure!(told["state"] == "failed" && told["code"] == "storage-full", "{format}: {told}");
        let refused = office.get(&format!("{}/file", asked.location)).await?;
        let code = refused.code();
        ensure!(
            (refused.status, code.as_deref()) == (507, Some("storage-full")),
            "{format}: {} {code:?}",
            refused.status
        );
        assert_eq!(names(&exports)?, kept, "{format}: something is left behind");
    }
    // The rest goes on.
    reads_go_on(&server, &phone).await?;
    let again = office.get("/v1/exports/hazards.geojson?severity=general").await?;
    ensure!(again.status == 200 && again.body == whole.body, "the file that is there is given");
    std::fs::remove_file(ballast)?;
    let made = office.get("/v1/exports/hazards.geojson").await?;
    ensure!(
        made.status == 200 && made.body.len() > whole.body.len(),
        "with room again it is made: {} {} bytes, {}",
        made.status,
        made.body.len(),
        made.code().unwrap_or_default()
    );
    assert!(server.is_running(), "it needed no restart");
    server.check().await?;
    server.stop().await
}

/// How a file is that was asked for, once it is made or has failed.
async fn settled(office: &Client, place: &str) -> Result<Value> {
    let looking = async {
        loop {
            let told = office.json(place).await?;
            if !matches!(told["state"].as_str(), Some("waiting" | "making")) {
                return anyhow::Ok(told);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(5), looking).await.context("it is never settled")?
}

/// Where a server keeps its files.
fn exports_of(server: &Server) -> Result<PathBuf> {
    let ledger = server.ledger()?;
    let folder = ledger.parent().map(|data| data.join("exports")).filter(|folder| folder.is_dir());
    folder.ok_or_else(|| anyhow::anyhow!("no folder of exports beside {}", ledger.display()))
}

/// What is in a folder.
fn names(folder: &std::path::Path) -> Result<Vec<std::ffi::OsString>> {
    let mut names: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    names.sort_unstable();
    Ok(names)
}
