//! Settings: defaults, then a file, then the environment (`FIREBREAK_*`), then flags.

mod secrets;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};
use sync_protocol::limits;

use self::secrets::hide_password;
use crate::accounts::password::Profile;
use crate::store::Database;

/// Every setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of the SQLite file, and of the keys where `keys` is not set.
    pub data: PathBuf,
    /// A PostgreSQL address; absent: SQLite in `data`.
    pub database: Option<String>,
    /// Seconds to wait for a PostgreSQL that cannot be reached at the start.
    pub database_wait_s: u64,
    /// Folder of the server's keys, outside the database.
    pub keys: Option<PathBuf>,
    /// Folder of the files of photos; absent: `photos` in `data`.
    pub photos: Option<PathBuf>,
    /// Folder of the files of exports, this server's alone and emptied when it starts; absent: `exports` in `data`.
    pub exports: Option<PathBuf>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// PEM certificate chain; with `tls_key`, HTTPS is served.
    pub tls_cert: Option<PathBuf>,
    /// PEM private key.
    pub tls_key: Option<PathBuf>,
    /// How people and phones reach this server, such as `https://firebreak.example.cn`: what every link that leaves it
    /// begins with. Absent: links begin as the request did that asked for them.
    pub public_url: Option<String>,
    /// The SQLite file may not grow beyond so many bytes.
    pub max_bytes: Option<u64>,
    /// Positions that mean "place unknown": `lat,lon` in degrees, separated by semicolons.
    pub default_positions: String,
    /// Seconds that a request may take.
    pub request_timeout_s: u64,
    /// Seconds without a byte taken after which a connection whose reply waits is ended.
    pub stall_timeout_s: u64,
    /// Requests of `/v1/sync` that may be read at once; more are answered 429.
    pub sync_at_once: usize,
    /// Minutes without a request after which a browser's session ends.
    pub session_idle_minutes: u32,
    /// Minutes after which a browser's session ends in any case.
    pub session_most_minutes: u32,
    /// What a password must be.
    pub passwords: Profile,
    /// Whether this server derives what stands beside the records (lines, kilometres, proposals). Of several servers on
    /// one database one that does is enough.
    pub derive: bool,
    /// Whether who closes a hazard must not have verified it.
    pub closer_is_not_reinspector: bool,
    /// Seconds that the server's clock is ahead of the machine's: for drills and tests of deadlines, 0 in earnest.
    pub clock_ahead_s: u64,
    /// What the log says: a filter of `tracing`.
    pub log: String,
    /// `text` or `json`.
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            database: None,
            database_wait_s: 20,
            keys: None,
            photos: None,
            exports: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8470)),
            tls_cert: None,
            tls_key: None,
            public_url: None,
            max_bytes: None,
            default_positions: String::new(),
            request_timeout_s: 120,
            stall_timeout_s: limits::STALL_SECONDS,
            sync_at_once: 256,
            session_idle_minutes: 120,
            session_most_minutes: 720,
            passwords: Profile::default(),
            derive: true,
            closer_is_not_reinspector: true,
            clock_ahead_s: 0,
            log: "info,sqlx=warn".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// Settings given as flags; each wins over the same one from elsewhere.
#[derive(Clone, Debug, Default, Serialize, clap::Args)]
pub struct Flags {
    /// Settings file (TOML). Default: `firebreak.toml` where there is one.
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Folder of the SQLite file and the keys.
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// PostgreSQL address (`postgres://…`); without it SQLite is used.
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Folder of the server's keys.
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// Folder of the files of photos.
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photos: Option<PathBuf>,
    /// What the log says, e.g. `info` or `firebreak=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// Flags of `serve`.
#[derive(Clone, Debug, Default, Serialize, clap::Args)]
pub struct ServeFlags {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// PEM certificate chain.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// PEM private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// How people and phones reach this server, such as `https://firebreak.example.cn`.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// The SQLite file may not grow beyond so many bytes.
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Positions that mean "place unknown": `lat,lon;lat,lon`.
    #[arg(long, value_name = "POSITIONS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_positions: Option<String>,
    /// Whether this server derives lines, kilometres and proposals; of several on one database one is enough.
    #[arg(long, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derive: Option<bool>,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or variable does not hold what it must.
    #[error("the settings cannot be read: {0}")]
    Unreadable(Box<figment::Error>),
    /// `default_positions` is not `lat,lon;lat,lon`.
    #[error("default_positions: `{0}` is not a latitude and longitude in degrees")]
    Position(String),
    /// `public_url` is no address of a server.
    #[error(
        "public_url: `{0}` must be https://NAME or https://NAME:PORT, with nothing behind it; http:// only of this \
         machine itself (localhost, 127.0.0.1)"
    )]
    PublicUrl(String),
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Where a file or variable cannot be read, or names a setting that is none.
    pub fn load(flags: &Flags, serve: Option<&ServeFlags>) -> Result<Self, ConfigError> {
        let file = flags.config.clone().unwrap_or_else(|| PathBuf::from("firebreak.toml"));
        let toml = if flags.config.is_some() { Toml::file_exact(file) } else { Toml::file(file) };
        let environment = Env::prefixed("FIREBREAK_").filter(|key| is_setting(key.as_str()));
        let mut figment = Figment::from(Serialized::defaults(Self::default()))
            .merge(toml)
            .merge(environment)
            .merge(Serialized::defaults(flags));
        if let Some(serve) = serve {
            figment = figment.merge(Serialized::defaults(serve));
        }
        let mut settings: Self =
            figment.extract().map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        settings.public_url = settings.public_url.as_deref().map(public_url).transpose()?;
        Ok(settings)
    }

    /// Which database.
    pub fn database(&self) -> Database {
        match &self.database {
            Some(address) => Database::Postgres(address.clone()),
            None => Database::Sqlite { path: self.data.join("firebreak.sqlite"), max_bytes: self.max_bytes },
        }
    }

    /// Folder of the keys.
    pub fn key_directory(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }

    /// Folder of the files of photos.
    pub fn photo_directory(&self) -> PathBuf {
        self.photos.clone().unwrap_or_else(|| self.data.join("photos"))
    }

    /// Folder of the files of exports.
    pub fn export_directory(&self) -> PathBuf {
        self.exports.clone().unwrap_or_else(|| self.data.join("exports"))
    }

    /// Positions that mean "place unknown", degrees × 1e7.
    pub fn default_positions(&self) -> Result<Vec<(i64, i64)>, ConfigError> {
        self.default_positions
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                let parsed = text.split_once(',').and_then(|(lat, lon)| Some((e7(lat)?, e7(lon)?)));
                parsed.ok_or_else(|| ConfigError::Position(text.to_owned()))
            })
            .collect()
    }

    /// The settings as text, secrets hidden.
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| {
            path.as_deref().map_or_else(|| "-".to_owned(), |path: &Path| path.display().to_string())
        };
        vec![
            ("data", self.data.display().to_string()),
            ("database", self.database.as_deref().map_or_else(|| "- (sqlite)".to_owned(), hide_password)),
            ("database_wait_s", self.database_wait_s.to_string()),
            ("keys", self.key_directory().display().to_string()),
            ("photos", self.photo_directory().display().to_string()),
            ("exports", self.export_directory().display().to_string()),
            ("listen", self.listen.to_string()),
            ("tls_cert", path(&self.tls_cert)),
            ("tls_key", path(&self.tls_key)),
            ("public_url", self.public_url.clone().unwrap_or_else(|| "-".to_owned())),
            ("max_bytes", self.max_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())),
            ("default_positions", self.default_positions.clone()),
            ("request_timeout_s", self.request_timeout_s.to_string()),
            ("stall_timeout_s", self.stall_timeout_s.to_string()),
            ("sync_at_once", self.sync_at_once.to_string()),
            ("closer_is_not_reinspector", self.closer_is_not_reinspector.to_string()),
            ("clock_ahead_s", self.clock_ahead_s.to_string()),
            ("session_idle_minutes", self.session_idle_minutes.to_string()),
            ("session_most_minutes", self.session_most_minutes.to_string()),
            ("passwords", serde_json::to_string(&self.passwords).unwrap_or_default()),
            ("derive", self.derive.to_string()),
            ("log", self.log.clone()),
            ("log_format", format!("{:?}", self.log_format).to_lowercase()),
        ]
    }
}

/// Degrees in decimal notation to degrees × 1e7, exactly.
fn e7(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 7 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = whole.parse().ok().filter(|whole| (0..=180).contains(whole))?;
    let fraction: i64 = format!("{fraction:0<7}").parse().ok()?;
    Some(sign * (whole * 10_000_000 + fraction))
}

/// Characters of an address: a QR of it must stay easy to scan.
const PUBLIC_URL_CHARACTERS: usize = 200;

/// An address as links begin: scheme, name and port, without a slash at its end.
fn public_url(text: &str) -> Result<String, ConfigError> {
    let bad = || ConfigError::PublicUrl(text.to_owned());
    let address = text.trim().trim_end_matches('/');
    let parsed: axum::http::Uri = address.parse().map_err(|_source| bad())?;
    let host = parsed.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let is_this_machine = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let is_safe = match parsed.scheme_str() {
        Some("https") => true,
        Some("http") => is_this_machine,
        _ => false,
    };
    let authority = parsed.authority().map_or("", |authority| authority.as_str());
    // Whatever else it says, a name and password before the host among it, would be lost or printed.
    let is_bare = !authority.contains('@') && address.ends_with(authority);
    if is_safe && is_bare && address.chars().count() <= PUBLIC_URL_CHARACTERS {
        Ok(address.to_owned())
    } else {
        Err(bad())
    }
}

/// Variables of this prefix that are no settings belong to scripts and tests.
fn is_setting(name: &str) -> bool {
    Settings::default().shown().iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_server_and_nothing_behind_it() {
        for (text, taken) in [
            ("https://firebreak.example.cn", Some("https://firebreak.example.cn")),
            (" https://firebreak.example.cn:8443/ ", Some("https://firebreak.example.cn:8443")),
            ("http://127.0.0.1:8470", Some("http://127.0.0.1:8470")),
            ("http://[::1]:8470", Some("http://[::1]:8470")),
            ("http://firebreak.example.cn", None),
            ("https://firebreak.example.cn/office", None),
            ("https://firebreak.example.cn?x=1", None),
            ("https://name:secret@firebreak.example.cn", None),
            ("firebreak.example.cn", None),
            ("ftp://firebreak.example.cn", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(public_url(text).ok().as_deref(), taken, "{text}");
        }
        assert!(public_url(&format!("https://{}", "a".repeat(PUBLIC_URL_CHARACTERS))).is_err());
    }

    #[test]
    fn a_phone_may_take_nothing_for_as_long_as_the_protocol_says() {
        assert_eq!(Settings::default().stall_timeout_s, limits::STALL_SECONDS);
    }

    #[test]
    fn default_positions_are_read_exactly_and_bad_ones_named() {
        let mut settings =
            Settings { default_positions: "42.3594,-71.0587; 0,0".to_owned(), ..Settings::default() };
        assert_eq!(settings.default_positions().unwrap(), [(423_594_000, -710_587_000), (0, 0)]);
        settings.default_positions = "north".to_owned();
        assert!(settings.default_positions().is_err());
    }
}
