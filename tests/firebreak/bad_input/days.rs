//! Limits of days, with the server's clock moved: nothing goes on the last of them, all of it does after.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::Report;
use fixtures::device::clock::SystemClock;
use fixtures::device::http::Http;
use fixtures::device::sync::Goal;
use fixtures::device::transport::Encoding;
use fixtures::device::{Device, Options};
use fixtures::office::Office;
use sync_protocol::limits::{KEEP_DAYS_WITHOUT_BACKUP, PHOTO_CHUNK_BYTES, UNNAMED_PHOTO_DAYS, UPLOAD_DAYS};

use super::on_both;
use crate::photos::File;

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

/// Starts the server again with its clock so far ahead of the machine's.
async fn ahead(server: &mut Server, seconds: u64) -> Result<()> {
    server.stop().await?;
    server.set("FIREBREAK_CLOCK_AHEAD_S", &seconds.to_string());
    server.resume().await
}

/// Sends a file, whole or its first chunk, by a phone that looks where the server is now.
async fn send(server: &Server, phone: &mut Phone, file: &File, is_whole: bool) -> Result<()> {
    phone.client = phone.client.at(&server.url);
    if is_whole {
        ensure!(file.upload(&phone.client).await? == file.bytes.len());
    } else {
        ensure!(file.patch(&phone.client, 0..PHOTO_CHUNK_BYTES).await?.0.status == 204);
    }
    Ok(())
}

async fn photos(backend: Backend) -> Result<()> {
    for (days, is_whole) in [(UPLOAD_DAYS, false), (UNNAMED_PHOTO_DAYS, true)] {
        let mut server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let mut files = [71, 72].map(|seed| File::new(seed, 2 * PHOTO_CHUNK_BYTES));
        // They are looked at in the order of their hashes: when the second is gone, the first was let be.
        files.sort_by_key(|file| file.hash);
        let [younger, older] = files;
        send(&server, &mut phone, &older, is_whole).await?;
        ahead(&mut server, 2 * HOUR_S).await?;
        send(&server, &mut phone, &younger, is_whole).await?;
        ahead(&mut server, days * DAY_S + HOUR_S).await?;
        let client = phone.client.at(&server.url);
        let gone = async {
            while older.head(&client).await?.offset > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_mins(1), gone).await.context("the older is still there")??;
        let at = younger.head(&client).await?;
        ensure!(at.offset > 0 && at.complete == is_whole, "{backend:?}: {days} days less an hour: {at:?}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_or_an_unnamed_photo_stays_for_its_days_and_goes_after_them() -> Result<()> {
    on_both(photos).await
}

/// Opens a device on its file, syncs it and gives how many operations it keeps.
async fn keeps(path: &Path, server: &Server) -> Result<usize> {
    let http = Http::new(&server.url, Encoding::Identity)?;
    let mut device = Device::open(path, http, SystemClock::new(), Options::default()).await?;
    device.sync(Goal::Everything).await?;
    let kept = device.outbox().operations().await?.len();
    device.close().await?;
    Ok(kept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_keeps_what_it_sent_for_its_days_where_there_is_no_backup() -> Result<()> {
    let mut server = Server::start(Backend::Sqlite).await?;
    let folder = tempfile::TempDir::with_prefix("firebreak-device")?;
    let path = folder.path().join("phone.sqlite");
    let http = Http::new(&server.url, Encoding::Identity)?;
    let mut device = Device::open(&path, http, SystemClock::new(), Options::default()).await?;
    let office = Office::new(&server.url, &server.token)?;
    let person = office.person("巡线员", "inspector").await?;
    device.enrol(&office.enrol_code(person).await?, "巡线员", None).await?;
    let report = Report::new().author(person).stamp(device.stamp()).at(299_800_000, 1_030_000_000).build();
    device.record(&report).await?;
    device.close().await?;
    ensure!(keeps(&path, &server).await? == 1, "it is sent, and kept");
    let keep_s = KEEP_DAYS_WITHOUT_BACKUP * DAY_S;
    for (ahead_s, kept) in [(keep_s - HOUR_S, 1), (keep_s + 1, 0)] {
        ahead(&mut server, ahead_s).await?;
        let found = keeps(&path, &server).await?;
        ensure!(found == kept, "{found} kept, {kept} expected, {ahead_s} s later");
    }
    Ok(())
}
