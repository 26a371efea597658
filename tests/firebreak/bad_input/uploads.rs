//! Photos at the limits of their bytes: sent whole, and claimed by uploads that no record names.

use anyhow::{Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use sync_protocol::codes::Code;
use sync_protocol::limits::{PHOTO_BYTES, PHOTO_WHOLE_BYTES, UNNAMED_PHOTO_BYTES};

use super::on_both;
use crate::photos::File;

async fn whole(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let phone = Phone::enrol(&server).await?;
    let most = usize::try_from(PHOTO_WHOLE_BYTES)?;
    let (at, above) = (File::new(1, most), File::new(2, most + 1));
    ensure!(at.bytes.len() == most && above.bytes.len() == most + 1);
    ensure!(at.put(&phone.client).await?.0.status == 204);
    let (reply, _) = above.put(&phone.client).await?;
    ensure!(
        (reply.status, reply.code().as_deref()) == (413, Some(Code::BodyTooLarge.as_str())),
        "{}",
        reply.text()
    );
    // In parts it is taken.
    ensure!(above.upload(&phone.client).await? == above.bytes.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_is_sent_whole_up_to_the_limit_and_in_parts_above_it() -> Result<()> {
    on_both(whole).await
}

/// Claims so many bytes for a photo, and sends none of them.
async fn claim(client: &Client, seed: u64, bytes: u64) -> Result<(u16, Option<String>)> {
    let headers = [("upload-offset", "0".to_owned()), ("upload-length", bytes.to_string())];
    let (reply, _) = client.send("PATCH", &File::new(seed, 9).path(), &headers, Vec::new()).await?;
    Ok((reply.status, reply.code()))
}

async fn unnamed(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let phone = Phone::enrol(&server).await?;
    let count = UNNAMED_PHOTO_BYTES / PHOTO_BYTES;
    for seed in 1..count {
        ensure!(claim(&phone.client, seed, PHOTO_BYTES).await?.0 == 204, "photo {seed}");
    }
    // All but one byte; one byte too many; the last one.
    ensure!(claim(&phone.client, count, PHOTO_BYTES - 1).await?.0 == 204);
    let unnamed = (429, Some(Code::PhotosUnnamed.as_str().to_owned()));
    let refused = claim(&phone.client, count + 1, 2).await?;
    ensure!(refused == unnamed, "{refused:?}");
    ensure!(claim(&phone.client, count + 2, 1).await?.0 == 204, "at the limit");
    let refused = claim(&phone.client, count + 3, 1).await?;
    ensure!(refused == unnamed, "{refused:?}");
    // Another phone has its own.
    let other = Phone::enrol(&server).await?;
    ensure!(claim(&other.client, count + 3, 1).await?.0 == 204);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_photos_that_no_record_names_are_bounded_at_n_and_n_plus_1() -> Result<()> {
    on_both(unnamed).await
}
