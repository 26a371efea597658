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

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_reached_is_said_at_once_and_given_up_after_a_while() -> Result<()> {
    let folder = TempDir::new()?;
    // A port that nobody listens on: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut child = Command::new(program("firebreak")?)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path())
        .args(["--database", &format!("postgres://nobody:geheim@127.0.0.1:{port}/ledger")])
        .env("FIREBREAK_DATABASE_WAIT_S", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut log = BufReader::new(child.stderr.take().context("no log")?);
    let mut first = String::new();
    tokio::time::timeout(Duration::from_secs(10), log.read_line(&mut first)).await.context("silence")??;
    ensure!(first.contains(&format!("PostgreSQL at 127.0.0.1:{port} cannot be reached")), "{first}");
    ensure!(first.contains("trying for"), "{first}");
    ensure!(child.try_wait()?.is_none(), "it said so only as it ended: {first}");
    let mut rest = String::new();
    tokio::time::timeout(Duration::from_secs(10), log.read_to_string(&mut rest))
        .await
        .context("no end")??;
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
