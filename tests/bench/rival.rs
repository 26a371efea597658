//! The fixed rival: `rival.sql` over the operations and views that the server wrote.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::same_rows::{self, Marks, Rows};

const SQL: &str = include_str!("rival.sql");
/// Operations of one transaction.
const TRANSACTION: usize = 1_000;
/// Rows of one statement.
const CHUNK: usize = 250;

/// Writes the rows as the rival would; how long that took.
pub(crate) async fn write(path: &Path, rows: &Rows) -> Result<Duration> {
    let mut parts = SQL.split("-- rows\n");
    let mut next = || parts.next().map(str::trim).context("rival.sql lacks a part");
    let (schema, operation, record, change) = (next()?, next()?, next()?, next()?);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut connection).await?;
    let started = Instant::now();
    let mut number = 0_i64;
    for (operations, records) in rows.operations.chunks(TRANSACTION).zip(rows.records.chunks(TRANSACTION)) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (operations, records) in operations.chunks(CHUNK).zip(records.chunks(CHUNK)) {
            let mut query = sqlx::query(same_rows::text(operation, 2, operations.len(), Marks::Plain));
            for row in operations {
                query = query.bind(row.2.as_slice()).bind(row.9.as_slice());
            }
            query.execute(&mut *transaction).await?;
            let mut query = sqlx::query(same_rows::text(record, 3, records.len(), Marks::Plain));
            for row in records {
                query = query.bind(row.1).bind(row.9).bind(row.11.as_slice());
            }
            query.execute(&mut *transaction).await?;
            let mut query = sqlx::query(same_rows::text(change, 2, records.len(), Marks::Plain));
            for row in records {
                number += 1;
                query = query.bind(number).bind(row.1);
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    let took = started.elapsed();
    connection.close().await?;
    Ok(took)
}
