//! The store: one set of SQL texts on two databases.
//!
//! [`Store`] holds the pools, [`Transaction`] a transaction on either; `each_backend!` runs one body on both.
//! The SQL of each noun stands in the module of its name. No rules here: what to write was decided before.

mod accounts;
mod areas;
mod audit;
mod backups;
mod blobs;
mod cases;
mod changes;
mod check;
mod connect;
mod derived;
mod devices;
mod districts;
mod events;
mod exports;
mod facts;
pub mod geopackage;
pub mod geopackage_out;
mod glances;
mod grid;
mod idempotency;
mod inserts;
mod layers;
mod ledger;
mod listing;
mod map;
mod map_rows;
mod map_states;
mod notices;
mod orders;
mod people;
mod photo_files;
mod photos;
mod placements;
mod predicates;
mod presenters;
mod proposals;
mod quarantine;
mod reach;
mod reports;
mod rows;
mod rules;
mod runs;
mod sessions;
mod tile_counts;
mod tile_fill;
mod tile_strips;
mod tiles;
mod traits;
mod unbroken;
mod units;
mod values;

use std::ops::{Deref, DerefMut};

pub use accounts::{AccountRow, LinkFor, LinkRow, Membership};
pub use areas::AreaVersion;
pub use backups::{BackupRow, HeldPhoto};
pub use blobs::{Blobs, Parts, Place};
pub use cases::{CaseFilter, CaseRow, DangerRow, PastOperation};
pub use changes::{FeedRow, InCell, Move, Page, PastPlace};
pub use check::{CheckedDevice, CheckedPlace, CheckedRecord, CheckedRun};
pub use connect::{Database, Store};
pub use derived::{Derivation, FactRow, StretchRow};
pub use devices::Visit;
pub use districts::{Counter, Lineage, Restore};
pub use events::{Candidate, EventRow, Waiting};
pub use facts::{FactFilter, FactListed, FactType, StretchListed, deed};
pub use grid::{ReferenceKind, ReferenceVersion};
pub use idempotency::{Answer, KeptRequest, KeyOf};
pub use layers::{MapFilter, MapTable, OfRecord, WalkedRow};
pub use listing::{
    Condition, ConflictAt, ConflictListed, LedgerOperation, Order, QuarantineAt, QuarantineListed,
    QuarantinePart,
};
pub use map::{Changed, MapHazardRow, Shown, UNNUMBERED};
pub use map_states::MapStateRow;
pub use orders::{NumberGap, OrderRow};
pub use people::{TokenBounds, TokenHolder, TokenRow};
pub use photo_files::{OutstandingAt, OutstandingRow, PhotoFileRow};
pub use placements::{OnLine, PlacementRow};
pub use predicates::is_exact;
pub use presenters::PresenterRow;
pub use proposals::{OpenProposal, ProposalAt, ProposalRow};
pub use quarantine::{Quarantined, REFUSED_KEPT};
pub use reach::reach;
pub use reports::{RedactedFile, ReportRow};
pub use runs::{PlacedOperation, RunSpan, SignedRun, StoredOperation};
pub use sessions::{SessionOf, SessionRow};
pub use tile_strips::InStrips;
pub use tiles::{TileFilter, TileHazard, TileStrips};
pub use traits::{Near, TraitRow};
pub use units::{UnitCount, UnitRow};
pub use values::{
    ConflictRow, DispositionUpdate, OperationRow, PhotoRow, PlaceRow, QuarantineRow, RecordRow, RefusedRow,
    RunRow,
};

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room: nothing was written, reads go on.
    #[error("the storage is full: {0}")]
    Full(sqlx::Error),
    /// The database cannot be reached or is busy for too long.
    #[error("the storage is unavailable: {0}")]
    Unavailable(sqlx::Error),
    /// A statement failed.
    #[error("a statement failed: {0}")]
    Statement(sqlx::Error),
    /// A row does not hold what it must.
    #[error("a stored row is damaged: {0}")]
    Damaged(&'static str),
    /// The database is not fit to bet lives on.
    #[error("the database is refused: {0}")]
    Unfit(String),
}

impl StoreError {
    /// Whether the store was closed by [`Store::close`].
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::PoolClosed))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code =
            error.as_database_error().and_then(|database| database.code().map(std::borrow::Cow::into_owned));
        match (code.as_deref(), &error) {
            // SQLITE_FULL; SQLITE_IOERR_WRITE, _FSYNC and _SHMSIZE where the disk gave no room; PostgreSQL's disk_full.
            (Some("13" | "778" | "1034" | "4874" | "53100"), _) => Self::Full(error),
            // SQLITE_BUSY, _LOCKED, _CANTOPEN, _IOERR; PostgreSQL's shutdowns, refused or
            // exhausted connections and lock timeouts.
            (
                Some(
                    "5" | "6" | "14" | "10" | "261" | "517" | "57P01" | "57P02" | "57P03" | "53300" | "55P03"
                    | "40P01" | "55000" | "08001" | "08003" | "08006",
                ),
                _,
            )
            | (
                None,
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed,
            ) => Self::Unavailable(error),
            _ => Self::Statement(error),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full(sqlx::Error::Io(error))
            }
            _ => Self::Unavailable(sqlx::Error::Io(error)),
        }
    }
}

/// A transaction on either database, or a connection whose statements are each a transaction of their own.
#[derive(Debug)]
pub enum Transaction {
    /// SQLite.
    Sqlite(Held<sqlx::Sqlite>),
    /// PostgreSQL.
    Postgres(Held<sqlx::Postgres>),
}

/// What statements run on.
#[derive(Debug)]
pub enum Held<D: sqlx::Database> {
    /// A transaction, undone where it is dropped.
    Transaction(sqlx::Transaction<'static, D>),
    /// A connection that is kept for glances.
    Lent(glances::Lent<D>),
}

impl<D: sqlx::Database> Deref for Held<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        match self {
            Self::Transaction(transaction) => transaction,
            Self::Lent(connection) => connection,
        }
    }
}

impl<D: sqlx::Database> DerefMut for Held<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        match self {
            Self::Transaction(transaction) => transaction,
            Self::Lent(connection) => connection,
        }
    }
}

/// Runs one body on the connection of either database. Inside, `Db` names the database's type.
macro_rules! each_backend {
    ($transaction:expr, $connection:ident => $body:expr) => {
        match $transaction {
            $crate::store::Transaction::Sqlite(transaction) => {
                type Db = sqlx::Sqlite;
                // Not every body names the database.
                const _: std::marker::PhantomData<Db> = std::marker::PhantomData;
                let $connection = &mut **transaction;
                $body
            }
            $crate::store::Transaction::Postgres(transaction) => {
                type Db = sqlx::Postgres;
                // Not every body names the database.
                const _: std::marker::PhantomData<Db> = std::marker::PhantomData;
                let $connection = &mut **transaction;
                $body
            }
        }
    };
}
pub(crate) use each_backend;

/// Executes one static statement with its parameters on either database and gives the rows it changed.
macro_rules! execute {
    ($transaction:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::each_backend!($transaction, connection => {
            sqlx::query::<Db>($sql)$(.bind($value))*.execute(connection).await?.rows_affected()
        })
    };
}
pub(crate) use execute;

/// Fetches every row of one static statement as tuples, on either database.
macro_rules! fetch_all {
    ($transaction:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::each_backend!($transaction, connection => {
            sqlx::query_as::<Db, $row>($sql)$(.bind($value))*.fetch_all(connection).await?
        })
    };
}
pub(crate) use fetch_all;

/// Fetches at most one row of one static statement as a tuple, on either database.
macro_rules! fetch_optional {
    ($transaction:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::each_backend!($transaction, connection => {
            sqlx::query_as::<Db, $row>($sql)$(.bind($value))*.fetch_optional(connection).await?
        })
    };
}
pub(crate) use fetch_optional;

impl Transaction {
    /// Commits. On SQLite the log is synced before this returns.
    ///
    /// # Errors
    /// Nothing was written; where the connection to PostgreSQL broke, everything may have been.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(Held::Transaction(transaction)) => transaction.commit().await?,
            Self::Postgres(Held::Transaction(transaction)) => {
                unbroken::unbroken(transaction.commit()).await?;
            }
            Self::Sqlite(Held::Lent(_)) | Self::Postgres(Held::Lent(_)) => {}
        }
        Ok(())
    }

    /// Undoes everything.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(Held::Transaction(transaction)) => transaction.rollback().await?,
            Self::Postgres(Held::Transaction(transaction)) => {
                unbroken::unbroken(transaction.rollback()).await?;
            }
            Self::Sqlite(Held::Lent(_)) | Self::Postgres(Held::Lent(_)) => {}
        }
        Ok(())
    }

    /// Sets a savepoint.
    pub async fn savepoint(&mut self) -> Result<(), StoreError> {
        execute!(self, "SAVEPOINT bundle");
        Ok(())
    }

    /// Keeps what was done since the savepoint.
    pub async fn release(&mut self) -> Result<(), StoreError> {
        execute!(self, "RELEASE SAVEPOINT bundle");
        Ok(())
    }

    /// Undoes what was done since the savepoint.
    pub async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        execute!(self, "ROLLBACK TO SAVEPOINT bundle");
        execute!(self, "RELEASE SAVEPOINT bundle");
        Ok(())
    }
}

/// A count or sequence as the store holds it.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count or sequence from the store.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
