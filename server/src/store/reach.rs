//! Waiting for a PostgreSQL that is not up yet: said in words at once, tried again for a while, then given up.
//!
//! What would not change by waiting (a wrong password, no such database) is an error at once.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Database, StoreError};

/// One attempt takes no longer.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until a database can be reached; a file always can.
///
/// # Errors
/// The last attempt's, once the time is over, or at once where waiting does not help.
pub async fn reach(database: &Database, patience: Duration) -> Result<(), StoreError> {
    let Database::Postgres(address) = database else { return Ok(()) };
    let options = PgConnectOptions::from_str(address)?;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let began = Instant::now();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, options.connect()).await;
        let error = match attempt.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(connection) => return Ok(connection.close().await?),
            Err(error) => StoreError::from(error),
        };
        let left = patience.saturating_sub(began.elapsed());
        if !matches!(error, StoreError::Unavailable(_)) || left.is_zero() {
            return Err(error);
        }
        tracing::warn!(
            error = %error,
            "PostgreSQL at {place} cannot be reached ({error}); trying for {} s more",
            left.as_secs().max(1)
        );
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}
