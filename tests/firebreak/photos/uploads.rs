//! Uploads: cut at every edge, twice at once, wrong, early, late, killed.

use std::collections::BTreeSet;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::proxy::{Fault, Proxy};
use firebreak_tests::seed;
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::Report;
use fixtures::device::clock::SystemClock;
use fixtures::device::http::Http;
use fixtures::device::sync::Goal;
use fixtures::device::transport::Encoding;
use fixtures::device::{Device, Options};
use fixtures::office::Office;
use rand::{RngExt as _, SeedableRng as _};
use sync_protocol::exchange::{RequestHeader, encode_request};
use sync_protocol::ids::{PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::limits::{
    BUDGET_MIN, PHOTO_BYTES, PHOTO_CHUNK_BYTES, PHOTOS_WANTED, UNNAMED_PHOTO_DAYS, UNNAMED_PHOTOS,
    UPLOAD_DAYS,
};

use super::{File, report, state};

/// Where a chunk may end that a test cuts: around the first edges, and around the end.
fn edges(length: usize) -> Vec<usize> {
    let chunk = PHOTO_CHUNK_BYTES;
    let near = |at: usize| [at.saturating_sub(1), at, at + 1];
    let mut edges: Vec<usize> = [0, 1, chunk, 2 * chunk, length].into_iter().flat_map(near).collect();
    edges.retain(|edge| *edge <= length);
    edges.sort_unstable();
    edges.dedup();
    edges
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_cut_at_any_edge_goes_on_and_is_never_complete_before_its_end() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        for (nth, edge) in edges(2 * PHOTO_CHUNK_BYTES + 77).into_iter().enumerate() {
            let file = File::new(u64::try_from(nth)?, 2 * PHOTO_CHUNK_BYTES + 77);
            let record = report(&mut phone, &[file.named("before")]).await?;
            ensure!(!file.head(&phone.client).await?.complete);
            if edge > 0 {
                let (reply, at) = file.patch(&phone.client, 0..edge).await?;
                assert_eq!(reply.status, 204, "{edge}: {}", reply.text());
                assert_eq!(
                    (at.offset, at.complete),
                    (u64::try_from(edge)?, edge == file.bytes.len()),
                    "{edge}"
                );
            }
            let is_whole = edge == file.bytes.len();
            let expected = if is_whole { "verified" } else { "named" };
            assert_eq!(state(&server, record, &file).await?.as_deref(), Some(expected), "{edge}");
            let sent = file.upload(&phone.client).await?;
            assert_eq!(sent, file.bytes.len() - edge, "nothing is sent twice after a cut at {edge}");
            assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"), "{edge}");
        }
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_a_chunk_costs_at_most_that_chunk() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let proxy = Proxy::start(server.address()?).await?;
    let mut phone = Phone::enrol(&server).await?;
    let file = File::new(5, 3 * PHOTO_CHUNK_BYTES);
    let record = report(&mut phone, &[file.named("before")]).await?;
    let through = phone.client.at(&proxy.url);
    let mut sent = 0;
    for fault in [
        Fault::CutRequest(90_000),
        Fault::LoseReply,
        Fault::CutReply(20),
        Fault::HalfClose(200_000),
        Fault::Refuse,
        Fault::CutRequest(250_000),
    ] {
        proxy.set(Fault::None);
        let from = usize::try_from(file.head(&through).await?.offset)?;
        let to = (from + PHOTO_CHUNK_BYTES).min(file.bytes.len());
        proxy.set(fault);
        let _cut = file.patch(&through, from..to).await;
        proxy.set(Fault::None);
        let after = usize::try_from(file.head(&through).await?.offset)?;
        ensure!((from..=to).contains(&after), "{fault:?}: {from} → {after}");
        sent += to - from;
        ensure!(
            state(&server, record, &file).await?.as_deref() != Some("verified") || after == file.bytes.len()
        );
    }
    sent += file.upload(&through).await?;
    println!("{sent} bytes sent for {}", file.bytes.len());
    ensure!(sent <= file.bytes.len() + 6 * PHOTO_CHUNK_BYTES, "six cuts cost {sent}");
    assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_uploaders_at_once_do_no_harm() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let other = Phone::enrol(&server).await?;
        let file = File::new(7, 9 * PHOTO_CHUNK_BYTES + 1);
        let record = report(&mut phone, &[file.named("before")]).await?;
        let (one, two) = tokio::join!(file.upload(&phone.client), file.upload(&other.client));
        let sent = one? + two?;
        println!("{sent} bytes sent by both for {}", file.bytes.len());
        ensure!(sent >= file.bytes.len(), "somebody sent it");
        assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"));
        let office = server.client()?;
        assert_eq!(office.get(&file.path()).await?.body, file.bytes);
        // Whoever asks again is told that it is done, and nothing is taken again.
        let (reply, at) = file.patch(&other.client, 0..10).await?;
        assert_eq!((reply.status, at.complete), (204, true));
        let verified = server.rows::<(i64,)>("SELECT count(*) FROM photo_files").await?;
        assert_eq!(verified, [(1,)]);
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_are_refused_and_the_upload_starts_anew() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let file = File::new(11, 1_000_000);
    let record = report(&mut phone, &[file.named("before")]).await?;
    let mut wrong = file.clone();
    *wrong.bytes.get_mut(999_999).context("its last byte")? ^= 1;
    let (reply, _) = wrong.patch(&phone.client, 0..1_000_000).await?;
    assert_eq!((reply.status, reply.code().as_deref()), (422, Some("photo-hash-wrong")));
    let at = file.head(&phone.client).await?;
    assert_eq!((at.status, at.offset, at.complete), (200, 0, false));
    assert_eq!(state(&server, record, &file).await?.as_deref(), Some("named"));
    let (reply, _) = wrong.put(&phone.client).await?;
    assert_eq!((reply.status, reply.code().as_deref()), (422, Some("photo-hash-wrong")));
    // An offset that is not where the file ends: the true one is told.
    let (reply, at) = file.patch(&phone.client, 5..10).await?;
    assert_eq!((reply.status, reply.code().as_deref(), at.offset), (409, Some("photo-offset"), 0));
    assert_eq!(file.upload(&phone.client).await?, file.bytes.len());
    assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_photo_is_refused_and_its_record_stands() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let page = File::of(b"<html><script>alert(1)</script></html>".to_vec());
    let record = report(&mut phone, &[page.named("before")]).await?;
    let (reply, _) = page.put(&phone.client).await?;
    assert_eq!((reply.status, reply.code().as_deref()), (415, Some("photo-not-image")));
    let (reply, _) = page.patch(&phone.client, 0..page.bytes.len()).await?;
    assert_eq!((reply.status, reply.code().as_deref()), (415, Some("photo-not-image")));
    assert_eq!(state(&server, record, &page).await?.as_deref(), Some("named"));
    assert_eq!(server.client()?.get(&page.path()).await?.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_may_come_before_its_record_and_serve_several() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let file = File::new(13, 60_000);
        let (reply, at) = file.put(&phone.client).await?;
        assert_eq!((reply.status, at.complete), (204, true), "{}", reply.text());
        // Nobody sees what no record names.
        assert_eq!(server.client()?.get(&file.path()).await?.status, 404);
        for _ in 0..2 {
            let record = report(&mut phone, &[file.named("before")]).await?;
            assert_eq!(
                state(&server, record, &file).await?.as_deref(),
                Some("verified"),
                "in the same commit"
            );
        }
        // A later operation on a record that is there.
        let record = report(&mut phone, &[]).await?;
        let mut after = phone.on(record, Kind::Photographed, []);
        after.photos = vec![file.named("site")];
        let bundle = phone.seal(&[after.clone()]);
        phone.sync(&[&bundle]).await?;
        assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"));
        let missing = server.client()?.json("/v1/photos?outstanding=true").await?;
        assert_eq!(missing["photos"].as_array().map(Vec::len), Some(0));
        ensure!(head_of(&after).0.iter().any(|byte| *byte != 0));
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn photos_that_no_record_names_are_bounded_at_n_and_n_plus_one() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    for nth in 0..UNNAMED_PHOTOS {
        let (reply, _) = File::new(nth, 1).put(&phone.client).await?;
        assert_eq!(reply.status, 204, "{nth}: {}", reply.text());
    }
    let one_more = File::new(UNNAMED_PHOTOS, 1);
    let (reply, _) = one_more.put(&phone.client).await?;
    assert_eq!((reply.status, reply.code().as_deref()), (429, Some("photos-unnamed")));
    // Named, it is taken; and so is another, since one fewer is unnamed now.
    report(&mut phone, &[one_more.named("before")]).await?;
    assert_eq!(one_more.put(&phone.client).await?.0.status, 204);
    report(&mut phone, &[File::new(0, 1).named("before")]).await?;
    assert_eq!(File::new(1_000, 1).put(&phone.client).await?.0.status, 204);
    Ok(())
}

/// Asks how much of a file is there until nothing is: what is thrown away is so soon after a start.
async fn until_gone(server: &Server, phone: &Phone, file: &File) -> Result<()> {
    let client = server.client_of(phone.token())?;
    let gone = async {
        while file.head(&client).await?.offset > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.context("it is still there")?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_nobody_goes_on_with_and_photos_that_no_record_names_are_thrown_away_in_time()
-> Result<()> {
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let (begun, unnamed, named) = (File::new(61, 2 * PHOTO_CHUNK_BYTES), File::new(62, 1), File::new(63, 1));
    begun.patch(&phone.client, 0..PHOTO_CHUNK_BYTES).await?;
    unnamed.put(&phone.client).await?;
    report(&mut phone, &[named.named("before")]).await?;
    named.put(&phone.client).await?;
    for (days, goes, stays) in
        [(UPLOAD_DAYS + 1, &begun, vec![&unnamed, &named]), (UNNAMED_PHOTO_DAYS + 1, &unnamed, vec![&named])]
    {
        server.stop().await?;
        server.set("FIREBREAK_CLOCK_AHEAD_S", &(days * 86_400).to_string());
        server.resume().await?;
        until_gone(&server, &phone, goes).await?;
        let client = server.client_of(phone.token())?;
        for file in stays {
            ensure!(file.head(&client).await?.complete, "after {days} days");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_are_bounded_and_needed() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let phone = Phone::enrol(&server).await?;
    let file = File::new(17, 100);
    let send = async |offset: &str, length: &str, body: &[u8]| -> Result<(u16, Option<String>)> {
        let headers = [("upload-offset", offset.to_owned()), ("upload-length", length.to_owned())];
        let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let (reply, _) = phone.client.send("PATCH", &file.path(), &headers, body.to_vec()).await?;
        Ok((reply.status, reply.code()))
    };
    let code = |code: &str| Some(code.to_owned());
    assert_eq!(send("0", "", b"x").await?, (400, code("bad-parameter")));
    assert_eq!(send("", "9", b"x").await?, (400, code("bad-parameter")));
    assert_eq!(send("-1", "9", b"x").await?, (400, code("bad-parameter")));
    assert_eq!(send("0", "0", b"").await?, (413, code("photo-file-too-large")));
    assert_eq!(send("0", &(PHOTO_BYTES + 1).to_string(), b"x").await?, (413, code("photo-file-too-large")));
    assert_eq!(send("0", &PHOTO_BYTES.to_string(), b"").await?, (204, None));
    // Another length than the one that it claimed; more than what another claims.
    assert_eq!(send("0", "3", b"four").await?, (409, code("photo-length")));
    let (status, told, ..) = claim(&phone.client, &File::new(18, 100), 0..4, 3).await?;
    assert_eq!((status, told), (413, code("body-too-large")));
    let (reply, _) = phone.client.send("HEAD", "/v1/photos/abc", &[], Vec::new()).await?;
    assert_eq!(reply.status, 400);
    let (reply, _) = phone.client.with_token("").send("HEAD", &file.path(), &[], Vec::new()).await?;
    assert_eq!(reply.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_goes_on_where_it_was() -> Result<()> {
    let seed = seed("a_server_killed_in_the_middle_goes_on_where_it_was", 47);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let mut files: Vec<(RecordId, File)> = Vec::new();
        for nth in 0..4 {
            let file = File::new(100 + nth, 6 * PHOTO_CHUNK_BYTES + 5);
            files.push((report(&mut phone, &[file.named("before")]).await?, file));
        }
        let (mut sent, mut kills) = (0, 0);
        for (record, file) in &files {
            loop {
                let client = phone.client.at(&server.url);
                let now = file.head(&client).await?;
                let from = usize::try_from(now.offset)?;
                let is_verified = state(&server, *record, file).await?.as_deref() == Some("verified");
                ensure!(now.complete == is_verified, "complete and verified are one");
                if now.complete {
                    break;
                }
                let to = (from + PHOTO_CHUNK_BYTES).min(file.bytes.len());
                sent += to - from;
                // A body that is still on its way when the server goes, or an answer that is.
                let wait = std::time::Duration::from_micros(random.random_range(0..30_000));
                let plug = async {
                    tokio::time::sleep(wait).await;
                    if random.random_range(0..3) == 0 {
                        server.kill().await.map(|()| true)
                    } else {
                        Ok(false)
                    }
                };
                let (_patched, killed) = tokio::join!(file.patch(&client, from..to), plug);
                if killed? {
                    kills += 1;
                    server.resume().await?;
                    let after = usize::try_from(file.head(&phone.client.at(&server.url)).await?.offset)?;
                    ensure!(after >= from, "what was told is held: {from} → {after}");
                }
            }
        }
        let whole: usize = files.iter().map(|(_, file)| file.bytes.len()).sum();
        println!("{backend:?}: {kills} kills, {sent} bytes sent for {whole}");
        ensure!(sent <= whole + kills * PHOTO_CHUNK_BYTES, "a kill costs more than a chunk");
        server.check().await?;
    }
    Ok(())
}

/// The list of photos is no longer than what is uploaded between two syncs, and leaves room for records in the smallest
/// budget; what it leaves out, it names once those before are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_asks_for_thirty_two_photos_at_a_time_and_for_all_in_the_end() -> Result<()> {
    let at_a_time = usize::try_from(PHOTOS_WANTED)?;
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let files: Vec<File> = (0..70).map(|seed| File::new(seed, 300)).collect();
        for files in files.chunks(at_a_time) {
            let named: Vec<_> = files.iter().map(|file| file.named("before")).collect();
            report(&mut phone, &named).await?;
        }
        let mut left: BTreeSet<PhotoHash> = files.iter().map(|file| file.hash).collect();
        while !left.is_empty() {
            let header = RequestHeader { budget: Some(BUDGET_MIN), ..phone.header() };
            let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
            let wanted = reply.wanted_photos();
            ensure!(wanted.len() == left.len().min(at_a_time), "{} of {} wanted", wanted.len(), left.len());
            for file in files.iter().filter(|file| wanted.contains(&file.hash)) {
                ensure!(left.remove(&file.hash), "{} is wanted again", file.hash);
                file.upload(&phone.client).await?;
            }
        }
        ensure!(phone.sync::<Vec<u8>>(&[]).await?.wanted_photos().is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_device_uploads_what_it_kept() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let folder = tempfile::TempDir::with_prefix("firebreak-device")?;
    let http = Http::new(&server.url, Encoding::Identity)?;
    let path = folder.path().join("phone.sqlite");
    let mut device = Device::open(&path, http, SystemClock::new(), Options::default()).await?;
    let office = Office::new(&server.url, &server.token)?;
    let person = office.person("巡线员", "inspector").await?;
    device.enrol(&office.enrol_code(person).await?, "巡线员", None).await?;
    let file = File::new(31, 2 * PHOTO_CHUNK_BYTES + 9);
    let named = device.keep_photo("before", file.bytes.clone()).await?;
    assert_eq!(named, file.named("before"));
    let mut report =
        Report::new().author(person).stamp(device.stamp()).at(299_800_000, 1_030_000_000).build();
    report.photos = vec![named];
    device.record(&report).await?;
    let synced = device.sync(Goal::Everything).await?;
    assert_eq!(synced.photos_wanted, 1, "the server asks for it");
    let text = device.keep_photo("site", b"no photo".to_vec()).await?;
    let uploaded = device.upload_photos().await?;
    assert_eq!((uploaded.complete, uploaded.bytes_sent), (1, file.length() + text.bytes));
    assert_eq!(uploaded.refused, ["photo-not-image"]);
    assert!(device.waiting_photos().await?.is_empty());
    assert_eq!(state(&server, report.record, &file).await?.as_deref(), Some("verified"));
    assert_eq!(device.sync(Goal::Everything).await?.photos_wanted, 0);
    device.close().await.map_err(Into::into)
}

/// Sends a part of a file and claims this length for the whole; gives status, code, offset and the length that is told.
async fn claim(
    client: &Client,
    file: &File,
    range: std::ops::Range<usize>,
    length: u64,
) -> Result<(u16, Option<String>, u64, Option<u64>)> {
    let headers = [("upload-offset", range.start.to_string()), ("upload-length", length.to_string())];
    let part = file.bytes.get(range).context("a range outside the file")?.to_vec();
    let (reply, headers) = client.send("PATCH", &file.path(), &headers, part).await?;
    let number = |name: &str| headers.get(name).and_then(|text| text.parse().ok());
    Ok((reply.status, reply.code(), number("upload-offset").unwrap_or(0), number("upload-length")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_length_neither_discards_an_upload_nor_keeps_a_photo_out_for_ever() -> Result<()> {
    let code = |code: &str| Some(code.to_owned());
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let other = Phone::enrol(&server).await?;
        let whole = 2 * PHOTO_CHUNK_BYTES + 5;
        let chunk = u64::try_from(PHOTO_CHUNK_BYTES)?;
        // Somebody says that what is held is all of it: before, that discarded it.
        let file = File::new(71, whole);
        let record = report(&mut phone, &[file.named("before")]).await?;
        file.patch(&phone.client, 0..PHOTO_CHUNK_BYTES).await?;
        for said in [chunk, 1, file.length() + 1] {
            let told = claim(&other.client, &file, PHOTO_CHUNK_BYTES..PHOTO_CHUNK_BYTES, said).await?;
            assert_eq!(told, (409, code("photo-length"), chunk, Some(file.length())), "{backend:?} {said}");
        }
        assert_eq!(file.upload(&other.client).await?, whole - PHOTO_CHUNK_BYTES, "nothing is sent twice");
        assert_eq!(state(&server, record, &file).await?.as_deref(), Some("verified"));

        // A false claim comes first, and the record says the true length: the true one holds at once.
        let file = File::new(72, whole);
        report(&mut phone, &[file.named("before")]).await?;
        assert_eq!(claim(&other.client, &file, 0..10, file.length() + 9).await?.0, 204);
        assert_eq!(file.upload(&phone.client).await?, whole - 10);

        // A short claim that is filled is found out, and then any other holds.
        let file = File::new(73, whole);
        assert_eq!(claim(&other.client, &file, 0..10, 10).await?.1, code("photo-hash-wrong"));
        assert_eq!(file.upload(&phone.client).await?, whole);

        // Nobody knows better: it holds for as long as somebody may be at it, and no longer.
        let file = File::new(74, whole);
        assert_eq!(claim(&other.client, &file, 0..10, file.length() + 9).await?.0, 204);
        let told = claim(&phone.client, &file, 10..20, file.length()).await?;
        assert_eq!(told, (409, code("photo-length"), 10, Some(file.length() + 9)));
        // Whole, it is what its hash says, whatever was claimed.
        let small = File::new(75, 3_000);
        assert_eq!(claim(&other.client, &small, 0..10, 99_999).await?.0, 204);
        assert_eq!(small.put(&phone.client).await?.0.status, 204);
        server.stop().await?;
        server.set("FIREBREAK_CLOCK_AHEAD_S", "3700");
        server.resume().await?;
        let client = phone.client.at(&server.url);
        assert_eq!(file.upload(&client).await?, whole - 10, "{backend:?}");
        server.check().await?;
    }
    Ok(())
}
