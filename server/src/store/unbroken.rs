//! Turns to PostgreSQL that are taken whole, whoever waits for them.
//!
//! Whoever waits for a transaction may go away: a phone hangs up, a server stops. The driver counts a transaction once the
//! answer to its `BEGIN` was read. One that is dropped in between goes back to the pool with a transaction open that nobody
//! knows of: a glance would see its one snapshot for as long as the connection lives, and a write beside it would never be
//! committed. (sqlx 0.9.0, <https://github.com/transact-rs/sqlx/issues/4393>; SQLite's side of the driver undoes such a `BEGIN`
//! itself.) So a transaction is begun, and ended, in a task of its own, which is not dropped; what it began is undone where
//! nobody takes it.

use sqlx::Error;

/// Takes a turn to its end, also where nobody waits for it any more.
///
/// # Errors
/// The turn's; [`Error::WorkerCrashed`] where the runtime ends before it.
pub(super) async fn unbroken<T: Send + 'static>(
    turn: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(turn).await.map_err(|_ended| Error::WorkerCrashed)?
}
