//! Photos: uploading them in chunks against copying the same files, each synced.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::photos::jpeg;
use sync_protocol::ids::{PhotoHash, sha256};
use sync_protocol::limits::PHOTO_CHUNK_BYTES;
use sync_protocol::operation::Photo;
use tempfile::TempDir;

use crate::figure::{Figures, rate};

/// Photos, and bytes of each: what a phone's camera writes.
const PHOTOS: u64 = 24;
const BYTES: usize = 4 << 20;

/// `photos`: bytes a second until each is verified, of one phone, against writing and syncing the same files in the same
/// run. Twice each, in turns, since the machine is not quiet.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    Figures::say("photos: uploads against copies");
    let (mut uploaded, mut copied) = (0.0, 0.0);
    for turn in 0..2 {
        let files: Vec<Vec<u8>> = (0..PHOTOS).map(|nth| jpeg(1 + nth + turn * PHOTOS, BYTES)).collect();
        let bytes = files.iter().map(Vec::len).sum();
        copied += copy(&files, bytes)? / 2.0;
        uploaded += upload(&files, bytes).await? / 2.0;
    }
    figures.print("photos", uploaded / 1e6, "MB/s", uploaded / copied, "file_copy_synced");
    Ok(())
}

fn copy(files: &[Vec<u8>], bytes: usize) -> Result<f64> {
    let folder = TempDir::with_prefix("firebreak-copy")?;
    let began = Instant::now();
    for (nth, bytes) in files.iter().enumerate() {
        let mut file = std::fs::File::create(folder.path().join(nth.to_string()))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    Ok(rate(bytes, began.elapsed()))
}

async fn upload(files: &[Vec<u8>], bytes: usize) -> Result<f64> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let mut report = phone.report("serious");
    let named = files.iter().map(|bytes| Photo {
        role: "before".to_owned(),
        bytes: u64::try_from(bytes.len()).unwrap_or_default(),
        sha256: PhotoHash(sha256(bytes)),
    });
    report.photos = named.collect();
    let hashes: Vec<PhotoHash> = report.photos.iter().map(|photo| photo.sha256).collect();
    let bundle = phone.seal(&[report]);
    ensure!(phone.sync(&[&bundle]).await?.receipts().len() == 1, "the report was not taken");
    let began = Instant::now();
    for (bytes, hash) in files.iter().zip(hashes) {
        send(&phone.client, bytes, hash).await?;
    }
    let took = began.elapsed();
    let left = server.client()?.json("/v1/photos?outstanding=true").await?;
    ensure!(
        left.get("photos").and_then(|photos| photos.as_array()).is_some_and(Vec::is_empty),
        "not every photo is verified: {left}"
    );
    Ok(rate(bytes, took))
}

async fn send(client: &Client, bytes: &[u8], hash: PhotoHash) -> Result<()> {
    let path = format!("/v1/photos/{hash}");
    for (nth, part) in bytes.chunks(PHOTO_CHUNK_BYTES).enumerate() {
        let offset = nth * PHOTO_CHUNK_BYTES;
        let headers = [("upload-offset", offset.to_string()), ("upload-length", bytes.len().to_string())];
        let (reply, told) = client.send("PATCH", &path, &headers, part.to_vec()).await?;
        ensure!(reply.status == 204, "{offset}: {} {}", reply.status, reply.text());
        let is_last = offset + part.len() == bytes.len();
        let complete = told.get("upload-complete").context("no Upload-Complete")?;
        ensure!((complete == "?1") == is_last, "{offset}: {complete}");
    }
    Ok(())
}
