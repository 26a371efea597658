//! The bytes of evidence: uploads that break off anywhere, photos before and after their records, who sees them.

pub(crate) mod codes;
mod redaction;
mod seen;
mod uploads;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Server;
use fixtures::photos::jpeg;
use serde_json::Value;
use sync_protocol::ids::{PhotoHash, RecordId, sha256};
use sync_protocol::limits::PHOTO_CHUNK_BYTES;
use sync_protocol::operation::Photo;

/// A photo as a phone holds it.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: PhotoHash,
}

/// How far an upload is, as a reply says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) status: u16,
    pub(crate) offset: u64,
    pub(crate) complete: bool,
}

impl File {
    pub(crate) fn new(seed: u64, bytes: usize) -> Self {
        Self::of(jpeg(seed, bytes))
    }

    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self { hash: PhotoHash(sha256(&bytes)), bytes }
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/photos/{}", self.hash)
    }

    pub(crate) fn named(&self, role: &str) -> Photo {
        Photo { role: role.to_owned(), bytes: self.length(), sha256: self.hash }
    }

    pub(crate) fn length(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or_default()
    }

    pub(crate) async fn head(&self, client: &Client) -> Result<At> {
        let (reply, headers) = client.send("HEAD", &self.path(), &[], Vec::new()).await?;
        at(&reply, &headers)
    }

    /// Sends the bytes of a range.
    pub(crate) async fn patch(&self, client: &Client, range: std::ops::Range<usize>) -> Result<(Reply, At)> {
        let headers =
            [("upload-offset", range.start.to_string()), ("upload-length", self.bytes.len().to_string())];
        let part = self.bytes.get(range).context("a range outside the file")?.to_vec();
        let (reply, headers) = client.send("PATCH", &self.path(), &headers, part).await?;
        let at = at(&reply, &headers)?;
        Ok((reply, at))
    }

    pub(crate) async fn put(&self, client: &Client) -> Result<(Reply, At)> {
        let (reply, headers) = client.send("PUT", &self.path(), &[], self.bytes.clone()).await?;
        let at = at(&reply, &headers)?;
        Ok((reply, at))
    }

    /// Goes on from where the server says until it is complete; gives the bytes sent.
    pub(crate) async fn upload(&self, client: &Client) -> Result<usize> {
        let mut sent = 0;
        let mut now = self.head(client).await?;
        while !now.complete {
            let from = usize::try_from(now.offset)?;
            let to = (from + PHOTO_CHUNK_BYTES).min(self.bytes.len());
            let (reply, after) = self.patch(client, from..to).await?;
            ensure!(reply.status == 204 || reply.status == 409, "{} {}", reply.status, reply.text());
            sent += to - from;
            now = after;
        }
        Ok(sent)
    }
}

fn at(reply: &Reply, headers: &BTreeMap<String, String>) -> Result<At> {
    let offset = headers.get("upload-offset").map_or(Ok(0), |text| text.parse())?;
    let complete = headers.get("upload-complete").is_some_and(|text| text == "?1");
    Ok(At { status: reply.status, offset, complete })
}

/// A report that names these photos, sent; its record.
pub(crate) async fn report(phone: &mut Phone, photos: &[Photo]) -> Result<RecordId> {
    let mut report = phone.report("serious");
    report.photos = photos.to_vec();
    let bundle = phone.seal(&[report.clone()]);
    let reply = phone.sync(&[&bundle]).await?;
    ensure!(reply.receipts().len() == 1, "{reply:?}");
    Ok(report.record)
}

/// The state of a photo on a record, as the office sees it.
pub(crate) async fn state(server: &Server, record: RecordId, photo: &File) -> Result<Option<String>> {
    let record = server.client()?.json(&format!("/v1/hazards/{record}")).await?;
    let photos = record.get("photos").and_then(Value::as_array).context("no photos")?;
    let found = photos.iter().find(|found| found["sha256"] == photo.hash.to_string());
    Ok(found.and_then(|found| found["state"].as_str()).map(str::to_owned))
}
