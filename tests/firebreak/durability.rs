//! Receipts are durable (law 1): what the server does before it sends one, as the kernel saw it.
//!
//! The other half, pulling the plug, is in `kills`.

use anyhow::{Context as _, Result, ensure};
use firebreak::store::{Database, Store};
use firebreak_tests::phone::Phone;
use firebreak_tests::postgres;
use firebreak_tests::server::{Backend, Server, program};
use firebreak_tests::trace::{self, Step};
use tempfile::TempDir;

#[tokio::test]
async fn every_connection_of_the_pool_syncs_at_every_commit() -> Result<()> {
    let folder = TempDir::new()?;
    let database = Database::Sqlite { path: folder.path().join("ledger.sqlite"), max_bytes: None };
    let store = Store::open(&database).await?;
    let Store::Sqlite { writer, readers, .. } = &store else { anyhow::bail!("not SQLite") };
    let mut seen = 0;
    for pool in [writer, readers] {
        // All at once, so that each is another connection.
        let mut held = Vec::new();
        for _ in 0..pool.options().get_max_connections() {
            held.push(pool.acquire().await?);
        }
        for connection in &mut held {
            let (synchronous,): (i64,) =
                sqlx::query_as("PRAGMA synchronous").fetch_one(&mut **connection).await?;
            let (journal,): (String,) =
                sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut **connection).await?;
            assert_eq!((synchronous, journal.as_str()), (2, "wal"));
            seen += 1;
        }
    }
    assert!(seen >= 2, "a writer and at least one reader were looked at, not {seen}");
    Ok(())
}

#[tokio::test]
async fn a_sync_of_the_log_lies_between_request_and_receipt() -> Result<()> {
    const BUNDLES: usize = 20;
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        fixtures::skipped("strace is not installed");
        return Ok(());
    }
    let mut server = Server::prepare(Backend::Sqlite, TempDir::with_prefix("firebreak-trace")?).await?;
    // So that nothing but bundles is written to the log.
    server.set("FIREBREAK_DERIVE", "false");
    let output = server.data().join("trace");
    let output = output.to_str().context("a path that is no text")?.to_owned();
    server.set_wrapper(
        ["strace", "-f", "-y", "-qq", "-s", "4096", "-o", &output, "-e", trace::CALLS, "--"]
            .map(str::to_owned)
            .to_vec(),
    );
    if let Err(error) = server.resume().await {
        ensure!(server.log_text().contains("ptrace"), "{error:#}");
        fixtures::skipped(&format!("strace may not trace here: {}", server.log_text().trim()));
        return Ok(());
    }
    let mut phone = Phone::enrol(&server).await?;
    for _ in 0..BUNDLES {
        let bundle = phone.reports(3);
        let reply = phone.sync(&[&bundle]).await?;
        assert_eq!(reply.receipts().len(), 1, "{reply:?}");
    }
    let tracer = server.id().context("the server runs")?;
    stop_traced(tracer).await?;
    server.stop().await?;
    let text = String::from_utf8_lossy(&std::fs::read(&output)?).into_owned();
    let steps = trace::steps(&text, ".sqlite-wal");
    let receipts = steps.iter().filter(|step| **step == Step::Receipt).count();
    assert_eq!(receipts, BUNDLES, "every receipt was seen: {steps:?}");
    assert_eq!(trace::every_receipt_follows_a_sync(&steps), Some(true), "{steps:?}");
    Ok(())
}

/// Tells the traced server, the only child of `strace`, to stop; `strace` ends with it.
async fn stop_traced(tracer: u32) -> Result<()> {
    let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"))?;
    for child in children.split_whitespace() {
        tokio::process::Command::new("kill").args(["-TERM", child]).status().await?;
    }
    Ok(())
}

#[test]
fn a_receipt_without_a_sync_is_noticed() {
    use Step::{LogSynced, LogWritten, Receipt, Request};
    let table: &[(&[Step], Option<bool>)] = &[
        (&[Request, LogWritten, LogSynced, Receipt], Some(true)),
        (&[Request, LogWritten, LogWritten, LogSynced, LogSynced, Receipt], Some(true)),
        (&[Request, LogWritten, LogSynced, LogWritten, LogSynced, Receipt], Some(true)),
        // The bundle may be in the second write.
        (&[Request, LogWritten, LogSynced, LogWritten, Receipt], Some(false)),
        (&[Request, LogWritten, LogSynced, LogWritten, Receipt, LogSynced], Some(false)),
        (&[Request, LogSynced, Receipt], Some(false)),
        (&[Request, LogWritten, Receipt, LogSynced], Some(false)),
        (&[Request, LogSynced, LogWritten, Receipt], Some(false)),
        (&[LogWritten, LogSynced, Request, Receipt], Some(false)),
        (&[Request, LogWritten, LogSynced, Receipt, Request, LogWritten, Receipt], Some(false)),
        (&[Request, LogWritten, LogSynced], None),
    ];
    for (steps, expected) in table {
        assert_eq!(trace::every_receipt_follows_a_sync(steps), *expected, "{steps:?}");
    }
}

#[test]
fn interrupted_calls_count_when_they_come_back() {
    use Step::{LogSynced, LogWritten, Receipt, Request};
    let text = r#"
17 recvfrom(9<TCP:[127.0.0.1:1->127.0.0.1:2]>,  <unfinished ...>
18 pwrite64(12</tmp/x/ledger.sqlite-wal>, "7\177\6"..., 4120, 32) = 4120
17 <... recvfrom resumed>"POST /v1/sync HTTP/1.1\r\nhost"..., 8192, 0, NULL, NULL) = 300
18 pwrite64(12</tmp/x/ledger.sqlite-wal>, "7\177\6"..., 4120, 32) = 4120
18 fdatasync(12</tmp/x/ledger.sqlite-wal> <unfinished ...>
17 sendto(9<TCP:[127.0.0.1:2]>, "HTTP/1.1 200 OK\r\n", 40, MSG_NOSIGNAL, NULL, 0) = 40
18 <... fdatasync resumed>) = 0
18 fdatasync(13</tmp/x/ledger.sqlite> ) = 0
17 writev(9<TCP:[127.0.0.1:2]>, [{iov_base="\202greceipt\246"}], 1 <unfinished ...>
17 <... writev resumed>) = 40
"#;
    assert_eq!(trace::steps(text, ".sqlite-wal"), [LogWritten, Request, LogWritten, LogSynced, Receipt]);
}

#[tokio::test]
async fn a_postgres_that_does_not_keep_what_it_commits_is_refused_until_it_does() -> Result<()> {
    let cluster = postgres::Own::start().await?;
    let (folder, url) = (TempDir::new()?, cluster.url());
    let run = async |arguments: &[&str]| -> Result<(bool, String)> {
        let mut command = tokio::process::Command::new(program("firebreak")?);
        command.args(arguments).args(["--database", &url, "--data"]).arg(folder.path());
        let running = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(std::time::Duration::from_mins(2), running);
        let output = output.await.context("it goes on serving")??;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    };
    let (is_taken, said) = run(&["district", "add", "--code", "hekou", "--name", "河口林区"]).await?;
    ensure!(is_taken, "{said}");
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        cluster.set(setting, "off").await?;
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["district", "list"]] {
            let (is_taken, said) = run(arguments).await?;
            let why = format!("PostgreSQL runs with {setting} off");
            ensure!(!is_taken && said.contains(&why) && !said.contains("listening"), "{arguments:?}: {said}");
        }
        cluster.set(setting, "on").await?;
        let (is_taken, said) = run(&["district", "list"]).await?;
        ensure!(is_taken && said.contains("hekou"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_one_folder_is_refused() -> Result<()> {
    let mut server = Server::start(Backend::Sqlite).await?;
    let second = tokio::process::Command::new(program("firebreak")?)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(server.data())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let second = tokio::time::timeout(std::time::Duration::from_secs(20), second);
    let second = second.await.context("a second server serves the same folder")??;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(!second.status.success() && said.contains("another server"), "{said}");
    // Commands beside it go on, and the folder is free once it ended, however it ended.
    server.check().await?;
    server.add_person("inspector").await?;
    server.kill().await?;
    server.resume().await
}
