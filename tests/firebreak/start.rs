//! The start of a server: what is missing is said in words, and what it makes belongs to its user alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::{Backend, DISTRICT, Server, program};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

/// Far beyond what a start takes: a test that waits for longer hangs.
const LIMIT: Duration = Duration::from_mins(1);

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_reached_is_said_at_once_and_given_up_after_a_while() -> Result<()> {
    let folder = TempDir::new()?;
    // A port that is held and that nobody listens on: who connects is refused, and nobody else gets it meanwhile.
    let held = tokio::net::TcpSocket::new_v4()?;
    held.bind((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
    let port = held.local_addr()?.port();
    let mut child = Command::new(program("firebreak")?)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path())
        .args(["--database", &format!("postgres://nobody:geheim@127.0.0.1:{port}/ledger")])
        .env("FIREBREAK_DATABASE_WAIT_S", "5")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut log = BufReader::new(child.stderr.take().context("no log")?);
    let mut first = String::new();
    tokio::time::timeout(LIMIT, log.read_line(&mut first)).await.context("silence")??;
    ensure!(first.contains(&format!("PostgreSQL at 127.0.0.1:{port} cannot be reached")), "{first}");
    ensure!(first.contains("trying for"), "{first}");
    ensure!(child.try_wait()?.is_none(), "it said so only as it ended: {first}");
    let mut rest = String::new();
    tokio::time::timeout(LIMIT, log.read_to_string(&mut rest)).await.context("no end")??;
    ensure!(!child.wait().await?.success(), "it ended as if all were well");
    ensure!(rest.contains("the database cannot be used") && rest.contains("refused"), "{rest}");
    ensure!(!rest.contains("geheim") && !first.contains("geheim"), "the password is in the log");
    let mut output = String::new();
    child.stdout.take().context("no output")?.read_to_string(&mut output).await?;
    ensure!(!output.contains("listening"), "{output}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_there_is_no_reason_to_wait() -> Result<()> {
    let mut server = Server::prepare(Backend::Postgres, TempDir::new()?).await?;
    server.set_database("not_there")?;
    let (output, log) = server.serve_in_vain().await?;
    ensure!(output.is_empty() && log.contains("not_there") && !log.contains("trying for"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_and_keys_belong_to_the_servers_user_alone() -> Result<()> {
    let parent = TempDir::new()?;
    let (data, keys) = (parent.path().join("data"), parent.path().join("apart").join("keys"));
    for folder in [None, Some(&keys)] {
        let code = if folder.is_none() { DISTRICT } else { "second" };
        let mut command = Command::new(program("firebreak")?);
        command.args(["district", "add", "--code", code, "--name", "测试林区", "--data"]).arg(&data);
        if let Some(folder) = folder {
            std::fs::remove_dir_all(&data)?;
            command.arg("--keys").arg(folder);
        }
        // A careless operator's mask takes nothing away.
        let output = command.env("FIREBREAK_LOG", "error").stdin(Stdio::null()).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let keys = folder.map_or_else(|| data.join("keys"), Clone::clone);
        assert_eq!((mode(&data)?, mode(&keys)?), (0o700, 0o700), "{}", keys.display());
        let files: Vec<_> = std::fs::read_dir(&keys)?.collect::<std::io::Result<_>>()?;
        assert_eq!(files.len(), 3, "{files:?}");
        for file in files {
            assert_eq!(mode(&file.path())?, 0o600, "{file:?}");
        }
    }
    Ok(())
}

/// Whether a process has a handler of its own for a signal.
fn handles(process: u32, signal: u32) -> Result<bool> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).context("no SigCgt")?;
    Ok(u64::from_str_radix(caught.trim(), 16)? >> (signal - 1) & 1 == 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_that_the_server_listens_may_end_it_at_once() -> Result<()> {
    let mut server = Server::prepare(Backend::Sqlite, TempDir::new()?).await?;
    for start in 0..20 {
        server.resume().await?;
        let id = server.id().context("it does not run")?;
        for (signal, name) in [(2, "SIGINT"), (15, "SIGTERM")] {
            ensure!(handles(id, signal)?, "{name} would have killed the server at start {start}");
        }
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_logs_no_error() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::prepare(backend, TempDir::new()?).await?;
        // The driver warns of a statement that a slow disk held up for a second, which is no fault of a stop.
        server.set("FIREBREAK_LOG", "info,sqlx=error");
        // What follows the ledger has something in hand whenever the server ends.
        for nth in 0..8 {
            server.add_district(&format!("d{nth}")).await?;
        }
        for start in 0..8 {
            server.resume().await?;
            server.stop().await?;
            let log = server.log_text();
            let bad = log.lines().find(|line| [" ERROR ", " WARN "].iter().any(|level| line.contains(level)));
            ensure!(bad.is_none(), "{backend:?}, start {start}: {bad:?}");
            ensure!(log.lines().filter(|line| line.contains("stopped: every request")).count() == start + 1);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_without_a_district_is_checked_and_said_to_be_in_order() -> Result<()> {
    let folder = TempDir::new()?;
    let firebreak = async |arguments: &[&str]| -> Result<std::process::Output> {
        let mut command = Command::new(program("firebreak")?);
        command.args(arguments).arg("--data").arg(folder.path()).stdin(Stdio::null());
        Ok(command.output().await?)
    };
    // A list of what is not there makes a ledger.
    ensure!(firebreak(&["district", "list"]).await?.status.success());
    let checked = firebreak(&["check"]).await?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout)?;
    ensure!(report["ok"] == true && report["received"] == 0 && report["records"] == 0, "{report}");
    // It has the keys that the report of a district has.
    ensure!(
        firebreak(&["district", "add", "--code", DISTRICT, "--name", "测试林区"]).await?.status.success()
    );
    let of_a_district: serde_json::Value = serde_json::from_slice(&firebreak(&["check"]).await?.stdout)?;
    let keys = |report: &serde_json::Value, key: &str| -> Option<Vec<String>> {
        let object = if key.is_empty() { report } else { &report[key] };
        Some(object.as_object()?.keys().cloned().collect())
    };
    for key in ["", "dispositions"] {
        let (nothing, district) = (keys(&report, key), keys(&of_a_district, key));
        ensure!(nothing.is_some() && nothing == district, "{key}: {nothing:?}, {district:?}");
    }
    Ok(())
}
