//! Putting the server together: store, keys, engine; serving and stopping.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::http;
use crate::http::socket::Patience;
use crate::keys::{self, Keyring};
use crate::lifecycle::Profile;
use crate::store::{self, Blobs, Database, Store};
use crate::sync::exports::{self, Exports};
use crate::sync::photos::{self, Photos};
use crate::sync::{Engine, derive, events};
use crate::time::Clock;
use crate::{telemetry, tls};

/// Seconds that requests in flight get when the server stops.
const GRACE: Duration = Duration::from_secs(20);

/// Opens store, keys and engine.
///
/// # Errors
/// In words for the operator.
pub async fn open(settings: &Settings) -> anyhow::Result<Arc<Engine>> {
    keys::make_private(&settings.data)
        .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
    open_on(settings, &settings.database(), &settings.photo_directory()).await
}

/// Opens a copy of the ledger, with the ledger's own keys.
///
/// # Errors
/// In words for the operator.
pub async fn open_copy(
    settings: &Settings,
    database: &Database,
    photos: &Path,
) -> anyhow::Result<Arc<Engine>> {
    open_on(settings, database, photos).await.context("the copy cannot be opened")
}

async fn open_on(settings: &Settings, database: &Database, photos: &Path) -> anyhow::Result<Arc<Engine>> {
    let keys = Keyring::open(&settings.key_directory())?;
    store::reach(database, Duration::from_secs(settings.database_wait_s))
        .await
        .context("the database cannot be used")?;
    let store = Store::open(database).await?;
    keys::make_private(photos)
        .with_context(|| format!("the folder of photos {} cannot be made", photos.display()))?;
    let photos = Photos::new(Blobs::open(photos)?);
    let exports = settings.export_directory();
    keys::make_private(&exports)
        .with_context(|| format!("the folder of exports {} cannot be made", exports.display()))?;
    let profile = Profile { closer_is_not_reinspector: settings.closer_is_not_reinspector };
    let positions = settings.default_positions()?;
    Ok(Engine::open(store, keys, clock(settings), positions, profile, photos, Exports::new(&exports)).await?)
}

/// Serves until a signal, then lets requests in flight end.
///
/// # Errors
/// Where the address cannot be had, or the certificate not be read.
pub async fn serve(settings: &Settings) -> anyhow::Result<()> {
    // Before anything else: what is wrong with them shows at once, and never after `listening on`.
    let tls = tls::load(settings)?;
    let _lock = lock(settings)?;
    let engine = open(settings).await?;
    engine.begin_incarnation().await?;
    let metrics = telemetry::begin_metrics()?;
    let listener = listen(settings.listen)
        .with_context(|| format!("the address {} cannot be listened on", settings.listen))?;
    let address = listener.local_addr()?;
    let pin = tls.as_ref().map(|tls| tls.pin.clone());
    let router = http::router(&engine, metrics, settings, pin);
    let handle = Handle::new();
    let stop = Stop::taken().context("the signals that end the server cannot be waited for")?;
    tokio::spawn(stop_on_signal(stop, handle.clone()));
    engine.exports.clear();
    let mut followers = JoinSet::new();
    if settings.derive {
        followers.spawn(derive::follow(Arc::clone(&engine)));
        followers.spawn(events::follow(Arc::clone(&engine)));
    }
    followers.spawn(photos::follow(Arc::clone(&engine)));
    followers.spawn(exports::follow(Arc::clone(&engine)));
    let service = router.into_make_service();
    let patience = Patience(Duration::from_secs(settings.stall_timeout_s));
    let scheme = if tls.is_some() { "https" } else { "http" };
    announce(&format!("listening on {scheme}://{address}"))?;
    tracing::info!(store = engine.store.kind(), "serving on {scheme}://{address}");
    match tls {
        Some(tls) => {
            let config = axum_server::tls_rustls::RustlsConfig::from_config(tls.config);
            let acceptor = RustlsAcceptor::new(config).acceptor(patience);
            axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle).serve(service).await?;
        }
        None => axum_server::from_tcp(listener)?.acceptor(patience).handle(handle).serve(service).await?,
    }
    // What follows the ledger of its own accord ends before the store does: what it has in hand it begins anew at the next start.
    followers.shutdown().await;
    engine.store.close().await;
    tracing::info!("stopped: every request was answered, the store is closed");
    Ok(())
}

/// Two servers on one SQLite file would each hold the district's writing to be theirs. The lock is the operating
/// system's: it ends with the process, however that ends. Commands beside a server take no lock.
fn lock(settings: &Settings) -> anyhow::Result<Option<File>> {
    let Database::Sqlite { path, .. } = settings.database() else { return Ok(None) };
    std::fs::create_dir_all(&settings.data)
        .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
    let path = path.with_extension("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another server serves this folder: it holds {}", path.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

/// The machine's clock, or ahead of it for a drill.
fn clock(settings: &Settings) -> Clock {
    let ahead_s = settings.clock_ahead_s;
    if ahead_s > 0 {
        tracing::warn!(ahead_s, "the clock is set {ahead_s} s ahead: this is a drill");
    }
    Clock::system().shifted(Duration::from_secs(ahead_s))
}

/// Connections that may wait to be taken: a whole district that comes into coverage at once. Where there is no room,
/// a phone tries again a second later.
const BACKLOG: u32 = 4_096;

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started again takes its port at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Scripts wait for this line.
fn announce(line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

/// What ends the server. Taken before `listening on` is said: whoever reads that line may end the server at once, and what
/// is in hand is then finished.
struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
    #[cfg(windows)]
    signals: [tokio::signal::windows::CtrlC; 1],
}

impl Stop {
    #[cfg(unix)]
    fn taken() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signals: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?] })
    }

    #[cfg(windows)]
    fn taken() -> std::io::Result<Self> {
        Ok(Self { signals: [tokio::signal::windows::ctrl_c()?] })
    }

    async fn said(mut self) {
        let signals = self.signals.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(signals).await;
    }
}

async fn stop_on_signal(stop: Stop, handle: Handle<SocketAddr>) {
    stop.said().await;
    tracing::info!("stopping: no new request is taken, those in flight have {} s", GRACE.as_secs());
    handle.graceful_shutdown(Some(GRACE));
}
