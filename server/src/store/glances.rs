//! Connections that are lent for glances and put back without the pool.
//!
//! The pool tries each connection that comes back: a turn to the thread that owns it, and a task to wait for that,
//! after every reply; on PostgreSQL each is tried before it is lent as well. These are tried once a second. They hold no transaction, so there is nothing to undo where
//! whoever held one goes away; what still comes of its statement is thrown away by the driver.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database, Pool};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::StoreError;

/// Connections kept of SQLite, which reads on so many threads.
pub(super) const SQLITE_KEPT: u32 = 3;
/// Connections kept of PostgreSQL.
pub(super) const POSTGRES_KEPT: u32 = 6;
/// How long a connection is lent without being tried; another is taken in its place where it does not answer.
const TRIED_EVERY: Duration = Duration::from_secs(1);

/// A connection, and when it was tried; none before it is needed.
type Place<D> = Option<(PoolConnection<D>, Instant)>;

/// Connections of a pool, kept for glances.
#[derive(Debug)]
pub struct Glances<D: Database> {
    pool: Pool<D>,
    places: Vec<Arc<Mutex<Place<D>>>>,
    free: Arc<Semaphore>,
}

/// A connection that is put back where it is dropped.
#[derive(Debug)]
pub struct Lent<D: Database> {
    connection: OwnedMappedMutexGuard<Place<D>, PoolConnection<D>>,
    // Dropped last: who gets the permit finds a place.
    _permit: OwnedSemaphorePermit,
}

impl<D: Database> Glances<D> {
    pub(super) fn of(pool: &Pool<D>, kept: u32) -> Self {
        let places: Vec<Arc<Mutex<Place<D>>>> = (0..kept).map(|_| Arc::default()).collect();
        Self { pool: pool.clone(), free: Arc::new(Semaphore::new(places.len())), places }
    }

    /// A connection, once one is free.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolClosed`] behind [`Glances::close`]; the pool's.
    pub(super) async fn lend(&self) -> Result<Lent<D>, StoreError> {
        let closed = || StoreError::Unavailable(sqlx::Error::PoolClosed);
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_source| closed())?;
        let free = self.places.iter().find_map(|place| Arc::clone(place).try_lock_owned().ok());
        let mut place = free.ok_or_else(closed)?;
        self.renew(&mut place).await?;
        let connection = OwnedMutexGuard::try_map(place, |place| place.as_mut().map(|(held, _)| held));
        connection.map(|connection| Lent { connection, _permit: permit }).map_err(|_source| closed())
    }

    /// Fills an empty place, and tries a connection that was lent often.
    async fn renew(&self, place: &mut Place<D>) -> Result<(), StoreError> {
        if let Some((connection, tried)) = place {
            if tried.elapsed() < TRIED_EVERY {
                return Ok(());
            }
            if connection.ping().await.is_ok() {
                *tried = Instant::now();
                return Ok(());
            }
        }
        // What does not answer goes back to the pool, which closes it.
        *place = None;
        *place = Some((self.pool.acquire().await?, Instant::now()));
        Ok(())
    }

    /// Gives every connection back to the pool, once it is free.
    pub(super) async fn close(&self) {
        self.free.close();
        for place in &self.places {
            drop(place.lock().await.take());
        }
    }
}

impl<D: Database> Deref for Lent<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        &self.connection
    }
}

impl<D: Database> DerefMut for Lent<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        &mut self.connection
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    const KEPT: u32 = 3;

    #[tokio::test]
    async fn what_is_put_back_is_lent_again_and_a_closed_keeper_lends_no_more() {
        let pool = SqlitePoolOptions::new().max_connections(KEPT).connect("sqlite::memory:").await.unwrap();
        let glances = Glances::of(&pool, KEPT);
        for _ in 0..KEPT * 2 {
            let mut lent = glances.lend().await.unwrap();
            sqlx::query("SELECT 1").execute(&mut *lent).await.unwrap();
        }
        assert_eq!(pool.size(), 1, "one at a time needs one connection");
        let mut held = Vec::new();
        for _ in 0..KEPT {
            held.push(glances.lend().await.unwrap());
        }
        assert_eq!((pool.size(), glances.free.available_permits()), (KEPT, 0));
        // What is held keeps the rest of them waiting, not the pool.
        held.clear();
        glances.close().await;
        pool.close().await;
        assert!(matches!(glances.lend().await, Err(StoreError::Unavailable(_))));
    }
}
