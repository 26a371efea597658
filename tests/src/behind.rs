//! Behind the server's back: its database, opened beside it.

use std::time::Duration;

use anyhow::Result;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::server::Server;

impl Server {
    /// A connection of its own to its SQLite file. It waits for whoever writes, and is to be closed: dropped, it would end
    /// its work beside whatever comes next.
    pub async fn sqlite(&self) -> Result<sqlx::SqliteConnection> {
        let options = SqliteConnectOptions::new().filename(self.ledger()?);
        Ok(options.busy_timeout(Duration::from_mins(1)).connect().await?)
    }

    /// A statement behind the server's back.
    pub async fn execute(&self, sql: &'static str) -> Result<()> {
        self.execute_text(sql.to_owned()).await
    }

    /// A statement that a test puts together.
    pub async fn execute_text(&self, sql: String) -> Result<()> {
        let sql = sqlx::AssertSqlSafe(sql);
        match self.database() {
            None => {
                let mut connection = self.sqlite().await?;
                sqlx::query(sql).execute(&mut connection).await?;
                connection.close().await?;
            }
            Some(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await?;
                sqlx::query(sql).execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Rows behind the server's back.
    pub async fn rows<T>(&self, sql: &'static str) -> Result<Vec<T>>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>
            + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
            + Send
            + Unpin,
    {
        Ok(match self.database() {
            None => {
                let mut connection = self.sqlite().await?;
                let rows = sqlx::query_as(sql).fetch_all(&mut connection).await?;
                connection.close().await?;
                rows
            }
            Some(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await?;
                let rows = sqlx::query_as(sql).fetch_all(&mut connection).await?;
                connection.close().await?;
                rows
            }
        })
    }
}
