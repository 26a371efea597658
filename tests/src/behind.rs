//! Behind the server's back: its database, opened beside it.

use anyhow::Result;
use sqlx::Connection as _;

use crate::server::Server;

impl Server {
    /// A connection of its own to its SQLite file.
    pub async fn sqlite(&self) -> Result<sqlx::SqliteConnection> {
        let url = format!("sqlite://{}", self.ledger()?.display());
        Ok(sqlx::SqliteConnection::connect(&url).await?)
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
                sqlx::query(sql).execute(&mut self.sqlite().await?).await?;
            }
            Some(url) => {
                sqlx::query(sql).execute(&mut sqlx::PgConnection::connect(url).await?).await?;
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
            None => sqlx::query_as(sql).fetch_all(&mut self.sqlite().await?).await?,
            Some(url) => sqlx::query_as(sql).fetch_all(&mut sqlx::PgConnection::connect(url).await?).await?,
        })
    }
}
