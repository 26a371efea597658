//! Opening a database: settings asserted on every connection, migrations, the fitness of the library.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::glances::{self, Glances};
use super::unbroken::unbroken;
use super::{Held, StoreError, Transaction, fetch_optional};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// Older SQLite libraries can corrupt a database when the log is reset.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);
/// Readers beside those that are kept for glances.
const SNAPSHOTS: u32 = 2;
/// Connections to PostgreSQL that write. Each may wait for a counter row, so whoever holds the row never asks for another of
/// them; what it reads besides, it reads with one of the readers, who wait for nobody.
const POSTGRES_WRITERS: u32 = 6;
/// Connections to PostgreSQL that read, beside those that are kept for glances.
const POSTGRES_SNAPSHOTS: u32 = 6;
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
const STATEMENTS_CACHED: usize = 256;
/// The page cache of one SQLite connection, KiB (negative: the unit of the pragma).
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-4096";
/// Rows that a SQLite connection reads ahead of whoever takes them: each wait of one for the other costs more than a row.
const ROWS_AHEAD: usize = 256;
const ANALYZE_DERIVED: &str = "VACUUM (ANALYZE) cases, facts, map_hazards, map_states, placements, proposals, stretches, tile_counts, tile_strips, traits";

/// Which database, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file.
    Sqlite {
        /// Its path.
        path: PathBuf,
        /// It may not grow beyond so many bytes.
        max_bytes: Option<u64>,
    },
    /// A PostgreSQL address.
    Postgres(String),
}

/// Pools of connections to one database.
#[derive(Clone, Debug)]
pub enum Store {
    /// SQLite: one writer, several readers.
    Sqlite {
        /// The only connection that writes.
        writer: SqlitePool,
        /// Snapshot readers.
        readers: SqlitePool,
        /// Some of the readers, kept for glances.
        glances: Arc<Glances<sqlx::Sqlite>>,
    },
    /// PostgreSQL.
    Postgres {
        /// Connections that write.
        writers: PgPool,
        /// Connections that only read.
        readers: PgPool,
        /// Some of them, kept for glances.
        glances: Arc<Glances<sqlx::Postgres>>,
    },
}

impl Store {
    /// Opens a database, brings its schema up to date and makes sure that it keeps what it commits.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] where the library is too old or durability is switched off.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        let store = match database {
            Database::Sqlite { path, max_bytes } => open_sqlite(path, *max_bytes).await?,
            Database::Postgres(address) => open_postgres(address).await?,
        };
        store.assert_fit().await?;
        store.fill_tiles().await?;
        Ok(store)
    }

    /// Begins a write. On SQLite it takes the write lock at once.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => {
                Transaction::Sqlite(Held::Transaction(writer.begin_with("BEGIN IMMEDIATE").await?))
            }
            Self::Postgres { writers, .. } => {
                let writers = writers.clone();
                Transaction::Postgres(Held::Transaction(
                    unbroken(async move { writers.begin().await }).await?,
                ))
            }
        })
    }

    /// Begins a read of one snapshot.
    pub async fn read(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Transaction::Sqlite(Held::Transaction(readers.begin().await?)),
            Self::Postgres { readers, .. } => {
                let readers = readers.clone();
                let begun = unbroken(async move { readers.begin_with(BEGIN_SNAPSHOT).await }).await?;
                Transaction::Postgres(Held::Transaction(begun))
            }
        })
    }

    /// A connection for reads of which each may see a newer snapshot than the one before: what costs a request
    /// most are the turns it takes to the database, and a transaction takes two of them.
    pub async fn glance(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            Self::Sqlite { glances, .. } => Transaction::Sqlite(Held::Lent(glances.lend().await?)),
            Self::Postgres { glances, .. } => Transaction::Postgres(Held::Lent(glances.lend().await?)),
        })
    }

    /// Tells PostgreSQL how what is derived is spread, so that what it planned before there was any is planned again, and
    /// which of its pages an index alone can speak for: it would do so by itself within a minute or two. SQLite plans by the
    /// schema alone.
    ///
    /// # Errors
    /// Where it cannot.
    pub async fn analyze_derived(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { .. } => {}
            Self::Postgres { writers, .. } => {
                sqlx::raw_sql(ANALYZE_DERIVED).execute(writers).await?;
            }
        }
        Ok(())
    }

    /// The name of the database's kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    /// Closes every connection; SQLite folds its log into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, glances } => {
                glances.close().await;
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writers, readers, glances } => {
                glances.close().await;
                readers.close().await;
                writers.close().await;
            }
        }
    }

    async fn assert_fit(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let (version,): (String,) =
                    sqlx::query_as("SELECT sqlite_version()").fetch_one(writer).await?;
                require_new_enough(&version)?;
            }
            Self::Postgres { .. } => {
                let mut transaction = self.read().await?;
                for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
                    let row =
                        fetch_optional!(&mut transaction, (String,), "SELECT current_setting($1)", setting);
                    if row.is_none_or(|(value,)| value == "off") {
                        return Err(StoreError::Unfit(format!("PostgreSQL runs with {setting} off")));
                    }
                }
            }
        }
        Ok(())
    }
}

fn require_new_enough(version: &str) -> Result<(), StoreError> {
    if parse_version(version) < OLDEST_SQLITE {
        return Err(StoreError::Unfit(format!("SQLite {version} is older than 3.51.3")));
    }
    Ok(())
}

fn parse_version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

async fn open_sqlite(path: &std::path::Path, max_bytes: Option<u64>) -> Result<Store, StoreError> {
    let base = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        // Pages that a many-row statement would have to restore are kept in memory, not written to a file.
        .pragma("temp_store", "MEMORY")
        .row_buffer_size(ROWS_AHEAD)
        // A page that many groups write is folded into the file once for many of them.
        .pragma("wal_autocheckpoint", "16000")
        .pragma("journal_size_limit", "67108864");
    let mut write = base.clone().pragma("cache_size", WRITER_CACHE);
    if let Some(bytes) = max_bytes {
        write = write.pragma("max_page_count", (bytes / 4_096).max(1).to_string());
    }
    let writer = sqlite_pool(1).connect_with(write).await?;
    SQLITE_MIGRATIONS.run(&writer).await.map_err(|error| StoreError::Unfit(error.to_string()))?;
    let readers = sqlite_pool(SNAPSHOTS + glances::SQLITE_KEPT)
        .connect_with(base.pragma("cache_size", READER_CACHE))
        .await?;
    let glances = Arc::new(Glances::of(&readers, glances::SQLITE_KEPT));
    Ok(Store::Sqlite { writer, readers, glances })
}

fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(30))
        // A file does not hang up; a connection is tried when it comes back to the pool.
        .test_before_acquire(false)
        .before_acquire(|connection, _meta| {
            // A full disk makes SQLite end a transaction by itself; the driver's own ROLLBACK then fails and it
            // believes for ever that one is open. Such a connection is closed, and a fresh one takes its place.
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        })
        .after_connect(|connection, _meta| {
            Box::pin(async move {
                let (synchronous,): (i64,) =
                    sqlx::query_as("PRAGMA synchronous").fetch_one(&mut *connection).await?;
                let (journal,): (String,) =
                    sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
                tracing::debug!(
                    synchronous,
                    journal,
                    "SQLite connection opened: PRAGMA synchronous={synchronous}"
                );
                if synchronous == 2 && journal == "wal" {
                    Ok(())
                } else {
                    Err(sqlx::Error::Configuration(
                        format!("SQLite runs with synchronous={synchronous}, journal_mode={journal}").into(),
                    ))
                }
            })
        })
}

async fn open_postgres(address: &str) -> Result<Store, StoreError> {
    let options = PgConnectOptions::from_str(address)?
        .statement_cache_capacity(STATEMENTS_CACHED)
        // Every statement has its index. A plan made for the values at hand, while the statistics know nothing of the
        // table yet, reads a whole district for a thousand keys; and planning costs more than running.
        .options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")]);
    let pool = |most| PgPoolOptions::new().max_connections(most).acquire_timeout(Duration::from_secs(30));
    let writers = pool(POSTGRES_WRITERS).connect_with(options.clone()).await?;
    POSTGRES_MIGRATIONS.run(&writers).await.map_err(|error| StoreError::Unfit(error.to_string()))?;
    let readers = pool(POSTGRES_SNAPSHOTS + glances::POSTGRES_KEPT).connect_lazy_with(options);
    let glances = Arc::new(Glances::of(&readers, glances::POSTGRES_KEPT));
    Ok(Store::Postgres { writers, readers, glances })
}

/// How SQLite goes about a statement in a ledger without statistics.
#[cfg(test)]
pub(super) async fn planned(statement: &str) -> String {
    let ledger = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await;
    let ledger = ledger.unwrap_or_else(|error| panic!("{error}"));
    SQLITE_MIGRATIONS.run(&ledger).await.unwrap_or_else(|error| panic!("{error}"));
    let plan = sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(format!(
        "EXPLAIN QUERY PLAN {statement}"
    )));
    let steps = plan.fetch_all(&ledger).await.unwrap_or_else(|error| panic!("{error}"));
    steps.into_iter().map(|(_, _, _, step)| step).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_is_too_old_is_unfit() {
        for (version, is_fit) in [
            ("3.51.3", true),
            ("3.51.4", true),
            ("3.51.10", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("3.51.2", false),
            ("3.51", false),
            ("3.9.9", false),
            ("3.50.4", false),
            ("2.99.99", false),
            ("", false),
        ] {
            let checked = require_new_enough(version);
            assert_eq!(checked.is_ok(), is_fit, "{version}: {checked:?}");
        }
        let words = require_new_enough("3.45.1").unwrap_err().to_string();
        assert!(words.contains("SQLite 3.45.1 is older than 3.51.3"), "{words}");
    }
}
