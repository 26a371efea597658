//! The real server, as a process of its own, on a port and a data folder of its own.
//!
//! [`Server::start`] gives one with a district, a person and a token. It is killed when dropped. Commands beside it are in
//! `commands`.

mod commands;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use firebreak::config::Settings;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::http::Client;
use crate::postgres;

/// A server that does not listen by then has failed.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// The code of the district that every server under test has.
pub const DISTRICT: &str = "test";
/// The zone that districts are added with.
const TIME_ZONE: &str = "Asia/Shanghai";
/// The setting by which a server's clock is ahead, seconds.
const CLOCK_AHEAD: &str = "FIREBREAK_CLOCK_AHEAD_S";

/// Which database stands behind the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A SQLite file in the data folder.
    Sqlite,
    /// A database of the private cluster.
    Postgres,
}

impl Backend {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// A server under test.
pub struct Server {
    /// Where it listens, as an `http://` URL.
    pub url: String,
    /// The district of [`DISTRICT`].
    pub district: String,
    /// A person of the role `admin` in it.
    pub person: String,
    /// That person's token.
    pub token: String,
    folder: TempDir,
    /// Apart from the data, whose disk a test may fill.
    logs: TempDir,
    database: Option<String>,
    settings: Vec<(String, String)>,
    /// What its clients trust, where it serves HTTPS.
    certificate: Option<Vec<u8>>,
    wrapper: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts a server with default settings.
    pub async fn start(backend: Backend) -> Result<Self> {
        Self::start_with(backend, &[]).await
    }

    /// Starts a server with these environment settings (`FIREBREAK_…`).
    pub async fn start_with(backend: Backend, settings: &[(&str, &str)]) -> Result<Self> {
        let mut server = Self::prepare(backend, TempDir::with_prefix("firebreak-test")?).await?;
        server.settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        server.resume().await?;
        Ok(server)
    }

    /// Starts a server that has the next noon of its district's time zone now: no day ends for it while a test reads what
    /// goes by the day.
    pub async fn start_at_noon(backend: Backend) -> Result<Self> {
        let now = jiff::Timestamp::now().in_tz(TIME_ZONE)?;
        let noon = now.date().at(12, 0, 0, 0).in_tz(TIME_ZONE)?;
        let noon = if noon < now { noon.tomorrow()? } else { noon };
        let ahead_s = noon.timestamp().as_second() - now.timestamp().as_second();
        Self::start_with(backend, &[(CLOCK_AHEAD, &ahead_s.to_string())]).await
    }

    /// A district, a person and a token in a data folder; the server does not run yet: see [`Self::resume`].
    pub async fn prepare(backend: Backend, folder: TempDir) -> Result<Self> {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(postgres::database().await?),
        };
        let mut server = Self {
            url: String::new(),
            district: String::new(),
            person: String::new(),
            token: String::new(),
            folder,
            logs: TempDir::with_prefix("firebreak-log")?,
            database,
            settings: Vec::new(),
            certificate: None,
            wrapper: Vec::new(),
            child: None,
        };
        server.district = server.add_district(DISTRICT).await?;
        server.person = server.add_person("admin").await?;
        server.token = server.create_token(&server.person).await?;
        Ok(server)
    }

    /// Another server on the same database with the same keys, and a folder of its own. PostgreSQL.
    pub async fn beside(&self) -> Result<Self> {
        let database = self.database.clone().context("it has no PostgreSQL")?;
        let keys = self.data().join("keys");
        let mut server = Self {
            url: String::new(),
            district: self.district.clone(),
            person: self.person.clone(),
            token: self.token.clone(),
            folder: TempDir::with_prefix("firebreak-beside")?,
            logs: TempDir::with_prefix("firebreak-log")?,
            database: Some(database),
            settings: self.settings.clone(),
            certificate: None,
            wrapper: Vec::new(),
            child: None,
        };
        server.set("FIREBREAK_KEYS", keys.to_str().context("a folder whose name is no text")?);
        server.resume().await?;
        Ok(server)
    }

    /// Runs the server under another program, such as `strace …`, from the next start on.
    pub fn set_wrapper(&mut self, wrapper: Vec<String>) {
        self.wrapper = wrapper;
    }

    /// Takes another database of the same cluster from the next start on.
    pub fn set_database(&mut self, name: &str) -> Result<()> {
        let database = self.database.as_mut().context("it has no PostgreSQL")?;
        let (cluster, _) = database.rsplit_once('/').context("no database in its address")?;
        *database = format!("{cluster}/{name}");
        Ok(())
    }

    /// Sets an environment setting from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process on the data that is there and waits until it listens.
    pub async fn resume(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the server runs already");
        let mut command = self.wrapped(&program("firebreak")?);
        command.arg("serve").args(["--listen", "127.0.0.1:0"]).args(self.where_data_is()?);
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut child = without_settings(&mut command)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("no standard output")?;
        self.child = Some(child);
        let mut lines = BufReader::new(output).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Ok(url.trim().to_owned());
                }
            }
            bail!("the server ended before it listened")
        };
        let url = tokio::time::timeout(START_TIMEOUT, listening).await;
        self.url = url.context("the server does not listen").flatten().with_context(|| self.last_words())?;
        // The pipe is kept and read, so that the server never blocks on it nor finds it closed.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(())
    }

    fn wrapped(&self, program: &Path) -> Command {
        match self.wrapper.split_first() {
            None => Command::new(program),
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
        }
    }

    /// SIGKILL: nothing is flushed, nothing is said. Waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        child.kill().await?;
        Ok(())
    }

    /// SIGTERM: the server finishes what it has in hand. Waits until it is gone; it must end well.
    pub async fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        let id = child.id().context("the server has ended already")?;
        let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        ensure!(sent.success(), "the server could not be told to stop");
        let status =
            tokio::time::timeout(START_TIMEOUT, child.wait()).await.context("it does not stop")??;
        ensure!(status.success() || !self.wrapper.is_empty(), "the server ended with {status}");
        Ok(())
    }

    /// The process id.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// The address of its database, where that is PostgreSQL.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The SQLite file.
    pub fn ledger(&self) -> Result<PathBuf> {
        let files = std::fs::read_dir(self.data())?.filter_map(Result::ok).map(|entry| entry.path());
        let mut ledgers = files.filter(|path| path.extension().is_some_and(|found| found == "sqlite"));
        ledgers.next().context("there is no SQLite file in the data folder")
    }

    /// The settings that the process runs with, for the library's own doors to the same ledger.
    pub fn settings(&self) -> Settings {
        let ahead = self.settings.iter().find(|(name, _)| name == CLOCK_AHEAD);
        let clock_ahead_s = ahead.and_then(|(_, seconds)| seconds.parse().ok()).unwrap_or_default();
        let (data, database) = (self.data().to_owned(), self.database.clone());
        Settings { data, database, clock_ahead_s, ..Settings::default() }
    }

    /// The address to connect to.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.url.trim_start_matches("http://").trim_end_matches('/').parse()?)
    }

    /// A client with the admin's token.
    pub fn client(&self) -> Result<Client> {
        self.client_of(&self.token)
    }

    /// A client with any token.
    pub fn client_of(&self, token: &str) -> Result<Client> {
        Client::trusting(&self.url, token, self.certificate.as_deref())
    }

    /// From now on clients trust this certificate (DER).
    pub fn trust(&mut self, certificate: &[u8]) {
        self.certificate = Some(certificate.to_vec());
    }

    /// Runs `firebreak serve` where it must fail; gives what it printed and what it logged.
    pub async fn serve_in_vain(&self) -> Result<(String, String)> {
        let mut command = self.wrapped(&program("firebreak")?);
        command.arg("serve").args(["--listen", "127.0.0.1:0"]).args(self.where_data_is()?);
        let running = without_settings(&mut command)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(START_TIMEOUT, running).await.context("it goes on serving")??;
        ensure!(!output.status.success(), "it ended as if all were well");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&output.stdout), text(&output.stderr)))
    }

    /// The log so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.logs.path().join("server.log")
    }

    fn last_words(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    fn where_data_is(&self) -> Result<Vec<String>> {
        let data = self.data().to_str().context("a data folder whose name is no text")?;
        let mut arguments = vec!["--data".to_owned(), data.to_owned()];
        if let Some(database) = &self.database {
            arguments.extend(["--database".to_owned(), database.clone()]);
        }
        Ok(arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's last words:\n{}", self.last_words());
        }
    }
}

/// Settings of whoever runs the tests are not those of the server under test.
fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("FIREBREAK_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The path of one of the workspace's programs, built by the same profile as this test.
pub fn program(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOLDER.get_or_init(|| build().map_err(|error| format!("{error:#}"))) {
        Ok(folder) => Ok(folder.join(name)),
        Err(error) => bail!("the programs under test: {error}"),
    }
}

/// Builds the programs where cargo runs the tests, so that a test never runs a stale one.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().context("no target folder")?;
    // Tests lie in `deps` below the programs; programs lie beside them.
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    let folder = if is_test { folder.parent().context("no target folder")? } else { folder }.to_owned();
    let is_debug = folder.file_name().is_some_and(|name| name == "debug");
    if let Some(cargo) = std::env::var_os("CARGO").filter(|_| is_debug) {
        let mut command = std::process::Command::new(cargo);
        // What cargo tells a test of its package would make build scripts that read it run again, each time.
        for (name, _) in std::env::vars_os() {
            let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            if name.to_str().is_some_and(|name| of_package.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(name);
            }
        }
        let output = command
            .args(["build", "--quiet", "--workspace", "--bins", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(folder)
}
