//! A store that is not there, or is damaged: the phone is told so, keeps everything, and goes on when it is mended.

use anyhow::{Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use sqlx::Connection as _;
use sync_protocol::codes::Code;

const SEQUENCE: (&str, &str) = ("content-type", "application/cbor-seq");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_an_internal_error_that_says_nothing_of_its_cause() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let url = format!("sqlite://{}", server.ledger()?.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await?;
    sqlx::query("ALTER TABLE runs RENAME TO runs_away").execute(&mut connection).await?;
    let bundle = phone.reports(1);
    let body = phone.request(&[bundle]);
    let reply = phone.client.post_bytes("/v1/sync", body.clone(), &[SEQUENCE]).await?;
    ensure!(
        reply.status == 500 && reply.code().as_deref() == Some(Code::Internal.as_str()),
        "{}",
        reply.text()
    );
    ensure!(!reply.text().contains("runs"), "the cause is told: {}", reply.text());
    sqlx::query("ALTER TABLE runs_away RENAME TO runs").execute(&mut connection).await?;
    let reply = phone.client.sync(body).await?;
    ensure!(reply.receipts().len() == 1, "{reply:?}");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_connections_is_answered_503_until_it_takes_them_again() -> Result<()> {
    let server = Server::start(Backend::Postgres).await?;
    let mut phone = Phone::enrol(&server).await?;
    let url = server.library_settings().database.unwrap_or_default();
    let (base, name) = url.rsplit_once('/').unwrap_or_default();
    let mut connection = sqlx::PgConnection::connect(&format!("{base}/postgres")).await?;
    let mut run = async |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
    run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await?;
    run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await?;
    let bundle = phone.reports(1);
    let body = phone.request(&[bundle]);
    let reply = phone.client.post_bytes("/v1/sync", body.clone(), &[SEQUENCE]).await?;
    ensure!(reply.status == 503, "{} {}", reply.status, reply.text());
    ensure!(reply.code().as_deref() == Some(Code::StorageUnavailable.as_str()), "{}", reply.text());
    run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await?;
    let reply = phone.client.sync(body).await?;
    ensure!(reply.receipts().len() == 1, "{reply:?}");
    server.check().await.map(drop)
}
