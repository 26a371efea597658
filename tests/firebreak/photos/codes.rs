//! Every code of photos, received by a client.

use anyhow::{Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::limits::{PHOTO_BYTES, UNNAMED_PHOTOS};

use super::{File, report};

/// The head of a PNG of more pixels than are taken.
fn too_many_pixels() -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(10_001_u32.to_be_bytes());
    chunk.extend(10_000_u32.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(chunk);
    bytes.extend(crc.sum().to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

/// Plays them.
pub(crate) async fn play(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let client = phone.client.clone();
    let file = File::new(1, 3_000);
    file.patch(&client, 5..10).await?;
    // Another length than the one that was claimed.
    let claim = |length: u64| [("upload-offset", "0".to_owned()), ("upload-length", length.to_string())];
    client.send("PATCH", &file.path(), &claim(file.length() + 1), Vec::new()).await?;
    let mut wrong = File::new(2, 3_000);
    wrong.bytes.reverse();
    wrong.put(&client).await?;
    File::of(b"no photo".to_vec()).put(&client).await?;
    File::of(too_many_pixels()).put(&client).await?;
    let headers = [("upload-offset", "0".to_owned()), ("upload-length", (PHOTO_BYTES + 1).to_string())];
    client.send("PATCH", &File::new(3, 9).path(), &headers, Vec::new()).await?;
    let mut heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    heif.resize(100, 0);
    let heif = File::of(heif);
    let record = report(&mut phone, &[heif.named("before")]).await?;
    heif.put(&client).await?;
    let office = server.client()?;
    office.get(&format!("{}?thumbnail=160", heif.path())).await?;
    let redact = json!({"fields": {"photo": heif.hash.to_string(), "reason": "拍到行人"}});
    office.post(&format!("/v1/hazards/{record}/commands/redact"), &redact).await?.json("redact")?;
    office.get(&heif.path()).await?;
    for seed in 0..=UNNAMED_PHOTOS {
        File::new(100 + seed, 1).put(&client).await?;
    }
    ensure!(file.upload(&client).await? == file.bytes.len(), "an upload that began goes on");
    Ok(())
}
