//! Backups: a copy that was read and found whole lets phones go of what they sent, and is what a lost server comes back from.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::postgres;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::photos::{File, report};

const NOTHING: [&[u8]; 0] = [];

/// What a phone is told that it need keep no longer.
async fn safe_through(phone: &mut Phone) -> Result<Option<u64>> {
    let reply = phone.sync(&NOTHING).await?;
    Ok(reply.end().context("the reply ends early")?.safe_through)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a folder whose name is no text")
}

/// A copy of a server's ledger, made as its operator would.
async fn copied(server: &Server, folder: &Path) -> Result<(bool, Value)> {
    let to = text(folder)?;
    let Some(database) = server.database() else {
        return server.command(&["backup", "make", "--to", to]).await;
    };
    let restored = postgres::copy_of(database).await?;
    std::fs::create_dir_all(folder.join("photos"))?;
    for entry in walk(&server.data().join("photos"))? {
        let target = folder.join("photos").join(entry.strip_prefix(server.data().join("photos"))?);
        std::fs::create_dir_all(target.parent().context("a file is in a folder")?)?;
        std::fs::copy(&entry, target)?;
    }
    server.command(&["backup", "verify", "--of", to, "--restored", &restored]).await
}

fn walk(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[tokio::test]
async fn a_phone_is_told_what_a_verified_backup_holds_and_nothing_before() -> Result<()> {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir()?;
        let server = Server::start(backend).await?;
        let (mut whole, mut torn) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let photo = File::new(7, 30_000);
        report(&mut whole, &[photo.named("site")]).await?;
        photo.upload(&whole.client).await?;
        let four = [whole.reports(2), torn.reports(2), torn.reports(1), torn.reports(1)];
        whole.sync(&four[..1]).await?;
        // The fourth of its operations comes, the third does not.
        torn.sync(&[&four[1], &four[3]]).await?;
        assert_eq!(safe_through(&mut whole).await?, None, "nothing is known of any backup");
        let office = server.client()?;
        ensure!(office.get("/").await?.text().contains("尚无经核验的备份"), "the first page does not warn");

        let (is_whole, verdict) = copied(&server, folder.path()).await?;
        ensure!(is_whole && verdict["photos"] == json!(1) && verdict["records"] == json!(6), "{verdict}");
        assert_eq!(verdict["state_hash"], server.check().await?["state_hash"]);
        let later = whole.reports(1);
        whole.sync(&[&later]).await?;
        torn.sync(&[&four[2]]).await?;
        assert_eq!(safe_through(&mut whole).await?, Some(3), "what came since is in no backup");
        assert_eq!(safe_through(&mut torn).await?, Some(2), "nothing behind a gap counts");
        ensure!(office.get("/").await?.text().contains("上次核验备份"), "the first page does not say when");
        let told = office.json("/v1/devices").await?;
        let devices = told["devices"].as_array().context("no devices")?;
        let torn_one = devices.iter().find(|device| device["id"] == torn.device.to_string());
        assert_eq!(torn_one.context("it is not listed")?["safe_through"], json!(2), "{told}");

        let (is_whole, verdict) = copied(&server, folder.path()).await?;
        ensure!(is_whole, "{verdict}");
        assert_eq!((safe_through(&mut whole).await?, safe_through(&mut torn).await?), (Some(4), Some(4)));
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_server_comes_back_from_its_backup_and_phones_that_let_go_of_the_rest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let photo = File::new(8, 30_000);
    report(&mut phone, &[photo.named("site")]).await?;
    photo.upload(&phone.client).await?;
    copied(&server, folder.path()).await?;
    assert_eq!(safe_through(&mut phone).await?, Some(1));
    let late = phone.reports(3);
    phone.sync(&[&late]).await?;
    let before = server.check().await?;

    // The disk is gone but for the keys, which are kept elsewhere.
    server.kill().await?;
    let ledger = server.ledger()?;
    for end in ["", "-wal", "-shm"] {
        let _gone = std::fs::remove_file(format!("{}{end}", ledger.display()));
    }
    std::fs::remove_dir_all(server.data().join("photos"))?;
    std::fs::copy(folder.path().join("firebreak.sqlite"), &ledger)?;
    for file in walk(&folder.path().join("photos"))? {
        let target = server.data().join("photos").join(file.strip_prefix(folder.path().join("photos"))?);
        std::fs::create_dir_all(target.parent().context("a file is in a folder")?)?;
        std::fs::copy(&file, target)?;
    }
    server.resume().await?;
    phone.client = phone.client.at(&server.url);
    // What lay above `safe_through` is offered again, and nothing else is needed.
    phone.sync(&[&late]).await?;
    let healed = server.check().await?;
    for key in ["state_hash", "received", "records"] {
        assert_eq!(healed[key], before[key], "{key}");
    }
    assert_eq!(server.client()?.status(&photo.path()).await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_copy_that_is_not_whole_is_named_and_lets_no_phone_go() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let photo = File::new(9, 30_000);
    report(&mut phone, &[photo.named("site")]).await?;
    photo.upload(&phone.client).await?;
    let to = text(folder.path())?;
    let (is_whole, _) = copied(&server, folder.path()).await?;
    ensure!(is_whole, "a good copy is refused");
    let verify = ["backup", "verify", "--of", to];
    let later = phone.reports(1);
    phone.sync(&[&later]).await?;

    let files = walk(&folder.path().join("photos"))?;
    let kept = std::fs::read(&files[0])?;
    std::fs::write(&files[0], b"rotten")?;
    let (is_whole, verdict) = server.command(&verify).await?;
    ensure!(!is_whole && verdict["faults"][0].to_string().contains("has other bytes"), "{verdict}");
    std::fs::write(&files[0], kept)?;
    ensure!(server.command(&verify).await?.0, "the photo is whole again");

    let copy = folder.path().join("firebreak.sqlite");
    let statement = "UPDATE operations SET bytes = x'00' WHERE sequence = 1";
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await?;
    sqlx::query(statement).execute(&mut connection).await?;
    connection.close().await?;
    let (is_whole, verdict) = server.command(&verify).await?;
    ensure!(!is_whole && verdict["faults"].as_array().is_some_and(|faults| !faults.is_empty()), "{verdict}");
    assert_eq!(safe_through(&mut phone).await?, Some(1), "the later operation is in no copy that is whole");

    // The photo is gone in the ledger itself: said, but no fault of the copy.
    for file in walk(&server.data().join("photos"))? {
        std::fs::remove_file(file)?;
    }
    std::fs::remove_dir_all(folder.path().join("photos"))?;
    let (is_whole, verdict) = copied(&server, folder.path()).await?;
    ensure!(is_whole && verdict["photos_lost"] == json!([photo.hash.to_string()]), "{verdict}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_copy_of_this_ledger_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(Backend::Sqlite).await?;
    let stranger = Server::start(Backend::Sqlite).await?;
    copied(&stranger, folder.path()).await?;
    for (of, said) in [
        (text(folder.path())?, "belongs to deployment"),
        (text(server.data())?, "that is the ledger itself"),
        ("/nowhere", "there is no copy at"),
    ] {
        let refused = server.command_lines(&["backup", "verify", "--of", of]).await;
        let words = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(words.contains(said), "{of}: {words}");
    }
    let postgres = Server::start(Backend::Postgres).await?;
    let refused = postgres.command_lines(&["backup", "make", "--to", text(folder.path())?]).await;
    let words = refused.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(words.contains("by its own means"), "{words}");
    Ok(())
}
