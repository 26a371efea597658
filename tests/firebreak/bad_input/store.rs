//! A store that is not there, or is damaged: the phone is told so, keeps everything, and goes on when it is mended.

use anyhow::{Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use sqlx::Connection as _;
use sync_protocol::codes::Code;

use super::on_both;

const SEQUENCE: (&str, &str) = ("content-type", "application/cbor-seq");

pub(super) async fn damaged(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    server.execute("ALTER TABLE runs RENAME TO runs_away").await?;
    let bundle = phone.reports(1);
    let body = phone.request(&[bundle]);
    let reply = phone.client.post_bytes("/v1/sync", body.clone(), &[SEQUENCE]).await?;
    ensure!(
        reply.status == 500 && reply.code().as_deref() == Some(Code::Internal.as_str()),
        "{}",
        reply.text()
    );
    ensure!(!reply.text().contains("runs"), "the cause is told: {}", reply.text());
    server.execute("ALTER TABLE runs_away RENAME TO runs").await?;
    let reply = phone.client.sync(body).await?;
    ensure!(reply.receipts().len() == 1, "{reply:?}");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_an_internal_error_that_says_nothing_of_its_cause() -> Result<()> {
    on_both(damaged).await
}

/// PostgreSQL lets nobody in; or another process holds the lock of the SQLite file for longer than the server waits.
pub(super) async fn unavailable(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let bundle = phone.reports(1);
    let body = phone.request(&[bundle]);
    let refused = async || -> Result<()> {
        let reply = phone.client.post_bytes("/v1/sync", body.clone(), &[SEQUENCE]).await?;
        ensure!(reply.status == 503, "{} {}", reply.status, reply.text());
        ensure!(reply.code().as_deref() == Some(Code::StorageUnavailable.as_str()), "{}", reply.text());
        Ok(())
    };
    match backend {
        Backend::Sqlite => {
            // Whoever follows the ledger is done: nobody else waits for the writer before the request does.
            server.client()?.derived().await?;
            let mut holder = server.sqlite().await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await?;
            refused().await?;
            sqlx::query("ROLLBACK").execute(&mut holder).await?;
        }
        Backend::Postgres => {
            let url = server.settings().database.unwrap_or_default();
            let (base, name) = url.rsplit_once('/').unwrap_or_default();
            let mut connection = sqlx::PgConnection::connect(&format!("{base}/postgres")).await?;
            let mut run =
                async |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
            run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await?;
            run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
                .await?;
            refused().await?;
            run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await?;
        }
    }
    let reply = phone.client.sync(body).await?;
    ensure!(reply.receipts().len() == 1, "{reply:?}");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_used_is_answered_503_until_it_can() -> Result<()> {
    on_both(unavailable).await
}

/// The SQLite file may not grow: what does not fit is answered 507.
pub(super) async fn full(_backend: Backend) -> Result<()> {
    let mut server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    server.stop().await?;
    let size = std::fs::metadata(server.ledger()?)?.len();
    server.set("FIREBREAK_MAX_BYTES", &(size + (64 << 10)).to_string());
    server.resume().await?;
    let client = server.client_of(phone.token())?;
    let bundle = phone.reports(400);
    let reply = client.sync(phone.request(&[bundle])).await?;
    ensure!(reply.status == 507 && reply.error() == Some(Code::StorageFull.as_str()), "{reply:?}");
    Ok(())
}
