//! One private PostgreSQL cluster for the test process, one database for each test.
//!
//! The cluster is started at first use, on a free port of 127.0.0.1, in a temporary folder, with `fsync` on
//! (the server refuses anything less). A watchdog process waits on a pipe that closes when this process ends,
//! however it ends; it then stops the cluster and removes the folder.
//!
//! A test that changes what a whole cluster does starts [`Own`].

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::{Connection as _, PgConnection};

/// Connections of all servers under test together.
const MAX_CONNECTIONS: u32 = 300;
/// Another process may take the free port between choosing and starting.
const START_ATTEMPTS: usize = 5;

/// A cluster that one test has for itself. It is stopped when dropped.
pub struct Own(Cluster);

impl Own {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        Ok(Self(tokio::task::spawn_blocking(start).await??))
    }

    /// The URL of its first database, which is empty.
    pub fn url(&self) -> String {
        url(self.0.port, "postgres")
    }

    /// Sets a setting of the cluster, and comes back when it is in force.
    pub async fn set(&self, setting: &str, value: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        let alter = format!("ALTER SYSTEM SET {setting} = {value}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut connection).await?;
        sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut connection).await?;
        // The cluster reads its settings when it comes to it; who connects then has them.
        loop {
            let mut connection = PgConnection::connect(&self.url()).await?;
            let (now,): (String,) =
                sqlx::query_as("SELECT current_setting($1)").bind(setting).fetch_one(&mut connection).await?;
            if now == value {
                return Ok(());
            }
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The watchdog waits on this pipe, and stops the cluster.
        drop(self.0.watchdog.stdin.take());
        let _stopped = self.0.watchdog.wait();
    }
}

struct Cluster {
    port: u16,
    /// Holds the pipe open that the watchdog waits on.
    watchdog: Child,
}

/// Makes an empty database and gives its URL.
pub async fn database() -> Result<String> {
    let cluster = tokio::task::spawn_blocking(cluster).await??;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&url(cluster.port, "postgres")).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    connection.close().await?;
    Ok(url(cluster.port, &name))
}

/// Copies a database of the cluster as an operator would, and gives the URL of the copy.
pub async fn copy_of(database_url: &str) -> Result<String> {
    let (from, to) = (database_url.to_owned(), database().await?);
    let copy = to.clone();
    tokio::task::spawn_blocking(move || {
        let programs = programs()?;
        let script = r#""$1/pg_dump" "$2" | "$1/psql" --quiet --set ON_ERROR_STOP=1 "$3""#;
        run(&mut owner("bash", ["-o", "pipefail", "-c", script, "copy", &text(&programs)?, &from, &copy])?)
    })
    .await??;
    Ok(to)
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://firebreak@127.0.0.1:{port}/{database}")
}

fn cluster() -> Result<&'static Cluster> {
    static CLUSTER: OnceLock<Result<Cluster>> = OnceLock::new();
    match CLUSTER.get_or_init(start) {
        Ok(cluster) => Ok(cluster),
        Err(error) => bail!("no PostgreSQL cluster: {error:#}"),
    }
}

fn start() -> Result<Cluster> {
    let programs = programs()?;
    let folder = PathBuf::from(run(&mut owner("mktemp", ["-d", "/tmp/firebreak-pg.XXXXXX"])?)?.trim());
    let watchdog = watch(&programs, &folder)?;
    let data = text(&folder.join("data"))?;
    let mut initdb =
        owner(&text(&programs.join("initdb"))?, ["-D", &data, "-U", "firebreak", "-A", "trust"])?;
    run(initdb.args(["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]))?;
    let mut last = None;
    for _ in 0..START_ATTEMPTS {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} \
             -c max_connections={MAX_CONNECTIONS} -c shared_buffers=64MB",
            text(&folder)?
        );
        let log = text(&folder.join("log"))?;
        let pg_ctl = text(&programs.join("pg_ctl"))?;
        match run(&mut owner(&pg_ctl, ["-D", &data, "-l", &log, "-w", "-t", "300", "-o", &options, "start"])?)
        {
            Ok(_) => return Ok(Cluster { port, watchdog }),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("never tried")))
}

/// Starts the process that stops the cluster once the pipe to it closes.
fn watch(programs: &Path, folder: &Path) -> Result<Child> {
    let script = r#"read -r _; "$1/pg_ctl" -D "$2/data" -m immediate -s stop 2>/dev/null; rm -rf "$2""#;
    owner("sh", ["-c", script, "watchdog", &text(programs)?, &text(folder)?])?
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("starting the watchdog")
}

/// The newest PostgreSQL server programs: `FIREBREAK_POSTGRES_BIN`, or where Debian puts them.
fn programs() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("FIREBREAK_POSTGRES_BIN") {
        return Ok(folder.into());
    }
    let entries = std::fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is not installed: run scripts/setup test, or set FIREBREAK_POSTGRES_BIN")?;
    let newest = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    newest.map(|(_, bin)| bin).context("no PostgreSQL server programs under /usr/lib/postgresql")
}

/// A command run by the owner of the cluster: PostgreSQL refuses to run as root, so that root hands over to the
/// `postgres` user.
fn owner<const N: usize>(program: &str, arguments: [&str; N]) -> Result<Command> {
    let is_root = std::fs::metadata("/proc/self")?.uid() == 0;
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).current_dir("/").env_remove("PGDATA").env_remove("PGPORT");
    Ok(command)
}

/// Runs a command to its end. Its output goes through files, not pipes: the cluster inherits them and lives on.
fn run(command: &mut Command) -> Result<String> {
    use std::io::{Read as _, Seek as _};
    let mut output = tempfile::tempfile()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    output.rewind()?;
    let mut said = String::new();
    output.read_to_string(&mut said)?;
    ensure!(status.success(), "{command:?}: {status}: {said}");
    Ok(said)
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).context("a temporary folder whose name is no text")
}
