//! What `ingest_http` is held against: the rows that the server wrote, into the same tables of a fresh database
//! by multi-row statements alone. Nothing is verified, read, decided or folded.
//!
//! The same schema, settings, order and operations a transaction; the rows wait in memory before the clock
//! starts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use firebreak::store::{Database, Store, Transaction};
use sqlx::Connection as _;
use uuid::Uuid;

/// Rows of one statement.
const CHUNK: usize = 256;

pub(crate) type Operation = (i64, Uuid, Vec<u8>, Uuid, Uuid, i64, i64, i64, i64, Vec<u8>);
pub(crate) type Record = (i64, Uuid, i64, i64, i64, i64, i64, i64, i64, Option<i64>, i64, Vec<u8>);
type Run = (i64, Vec<u8>, Uuid, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Option<Uuid>, i64, Vec<u8>);
type Photo = (i64, Vec<u8>, Uuid, Uuid, i64, i64);

/// Everything that the server wrote for operations, in the order of the changes.
pub(crate) struct Rows {
    pub(crate) operations: Vec<Operation>,
    pub(crate) records: Vec<Record>,
    runs: Vec<Run>,
    photos: Vec<Photo>,
}

impl Rows {
    /// Rows in all.
    pub(crate) const fn count(&self) -> usize {
        self.operations.len() + self.records.len() + self.runs.len() + self.photos.len()
    }
}

const OPERATIONS: &str = "SELECT o.district, o.record, o.identity, o.operation, o.device, o.sequence, o.disposition, \
     o.flags, o.received_ms, o.bytes FROM operations o JOIN records r ON r.district = o.district \
     AND r.record = o.record WHERE r.collection = 0 ORDER BY r.change";
const RECORDS: &str = "SELECT district, record, collection, change, class, state, flags, number, received_ms, place, \
     place_since, view FROM records WHERE collection = 0 ORDER BY change";
const RUNS: &str = "SELECT district, bundle, device, first, last, previous, chain, members, proof, presenter, \
     received_ms, receipt FROM runs WHERE presenter IS NOT NULL ORDER BY received_ms";
const PHOTOS: &str = "SELECT p.district, p.sha256, p.record, p.device, p.is_settled, p.named_ms FROM photos p \
     JOIN records r ON r.district = p.district AND r.record = p.record ORDER BY r.change";

macro_rules! read {
    ($connection:expr) => {
        Rows {
            operations: sqlx::query_as(OPERATIONS).fetch_all(&mut $connection).await?,
            records: sqlx::query_as(RECORDS).fetch_all(&mut $connection).await?,
            runs: sqlx::query_as(RUNS).fetch_all(&mut $connection).await?,
            photos: sqlx::query_as(PHOTOS).fetch_all(&mut $connection).await?,
        }
    };
}

/// Reads what a server wrote.
pub(crate) async fn read(database: &Database) -> Result<Rows> {
    Ok(match database {
        Database::Sqlite { path, .. } => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
            read!(connection)
        }
        Database::Postgres(address) => {
            let mut connection = sqlx::PgConnection::connect(address).await?;
            read!(connection)
        }
    })
}

/// How a database wants its parameters. SQLite looks named ones up one by one: plain ones are much faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Marks {
    /// `?`, for SQLite.
    Plain,
    /// `$1`, for PostgreSQL.
    Numbered,
}

/// The text of a statement of so many rows: made once, and kept as long as the process, as a prepared statement is.
pub(crate) fn text(head: &'static str, columns: usize, rows: usize, marks: Marks) -> &'static str {
    static TEXTS: Mutex<BTreeMap<(&str, usize, Marks), &str>> = Mutex::new(BTreeMap::new());
    let row = |row: usize| {
        let mark = |at| match marks {
            Marks::Plain => "?".to_owned(),
            Marks::Numbered => format!("${}", row * columns + at),
        };
        format!("({})", (1..=columns).map(mark).collect::<Vec<_>>().join(", "))
    };
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    texts
        .entry((head, rows, marks))
        .or_insert_with(|| format!("{head} {}", (0..rows).map(row).collect::<Vec<_>>().join(", ")).leak())
}

macro_rules! insert {
    (
        $connection:expr, $marks:expr, $insert:literal, $rows:expr, $columns:literal, $head:literal,
        |$query:ident, $row:ident| $bind:expr
    ) => {
        for chunk in $rows.chunks(CHUNK) {
            let text = text(concat!($insert, $head), $columns, chunk.len(), $marks);
            let mut $query = sqlx::query(text);
            for $row in chunk {
                $query = $bind;
            }
            $query.execute(&mut **$connection).await?;
        }
    };
}

macro_rules! write_part {
    ($connection:expr, $marks:expr, $insert:literal, $operations:expr, $records:expr, $runs:expr, $photos:expr) => {{
        insert!(
            $connection,
            $marks,
            $insert,
            $operations,
            10,
            "operations (district, record, identity, operation, device, \
            sequence, disposition, flags, received_ms, bytes) VALUES",
            |query, row| query
                .bind(row.0)
                .bind(row.1)
                .bind(row.2.as_slice())
                .bind(row.3)
                .bind(row.4)
                .bind(row.5)
                .bind(row.6)
                .bind(row.7)
                .bind(row.8)
                .bind(row.9.as_slice())
        );
        insert!(
            $connection,
            $marks,
            $insert,
            $records,
            12,
            "records (district, record, collection, change, class, state, \
            flags, number, received_ms, place, place_since, view) VALUES",
            |query, row| query
                .bind(row.0)
                .bind(row.1)
                .bind(row.2)
                .bind(row.3)
                .bind(row.4)
                .bind(row.5)
                .bind(row.6)
                .bind(row.7)
                .bind(row.8)
                .bind(row.9)
                .bind(row.10)
                .bind(row.11.as_slice())
        );
        insert!(
            $connection,
            $marks,
            $insert,
            $runs,
            12,
            "runs (district, bundle, device, first, last, previous, chain, \
            members, proof, presenter, received_ms, receipt) VALUES",
            |query, row| query
                .bind(row.0)
                .bind(row.1.as_slice())
                .bind(row.2)
                .bind(row.3)
                .bind(row.4)
                .bind(row.5.as_slice())
                .bind(row.6.as_slice())
                .bind(row.7.as_slice())
                .bind(row.8.as_slice())
                .bind(row.9)
                .bind(row.10)
                .bind(row.11.as_slice())
        );
        insert!(
            $connection,
            $marks,
            $insert,
            $photos,
            6,
            "photos (district, sha256, record, device, is_settled, named_ms) VALUES",
            |query, row| query
                .bind(row.0)
                .bind(row.1.as_slice())
                .bind(row.2)
                .bind(row.3)
                .bind(row.4)
                .bind(row.5)
        );
    }};
}

/// A share of the rows: the `nth` of `of` parts.
fn part<T>(rows: &[T], nth: usize, of: usize) -> &[T] {
    let at = |nth: usize| rows.len() * nth / of;
    rows.get(at(nth)..at(nth + 1)).unwrap_or_default()
}

/// Writes the rows into a fresh database, in so many transactions; how long that took.
pub(crate) async fn write(database: &Database, rows: &Rows, transactions: usize) -> Result<Duration> {
    let store = Store::open(database).await?;
    let started = Instant::now();
    for nth in 0..transactions {
        let operations = part(&rows.operations, nth, transactions);
        let records = part(&rows.records, nth, transactions);
        let runs = part(&rows.runs, nth, transactions);
        let photos = part(&rows.photos, nth, transactions);
        let mut transaction = store.begin().await?;
        match &mut transaction {
            Transaction::Sqlite(held) => {
                write_part!(held, Marks::Plain, "INSERT OR FAIL INTO ", operations, records, runs, photos);
            }
            Transaction::Postgres(held) => {
                write_part!(held, Marks::Numbered, "INSERT INTO ", operations, records, runs, photos);
            }
        }
        transaction.commit().await?;
    }
    let took = started.elapsed();
    store.close().await;
    Ok(took)
}

/// Where the rows of a SQLite server lie.
pub(crate) fn sqlite(path: &std::path::Path) -> Result<Database> {
    let path = path.to_str().context("a path that is no text")?;
    Ok(Database::Sqlite { path: path.into(), max_bytes: None })
}
