//! The harness itself: a test that stands on a proxy or a private cluster must be able to trust it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use firebreak_tests::postgres;
use firebreak_tests::proxy::{Fault, Proxy, Seen};
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const REQUEST: &[u8] = &[b'q'; 50_000];
const REPLY: &[u8] = &[b'r'; 70_000];

/// A server that reads one request to its end, or to its full length, and says how much came; then replies.
async fn sink() -> Result<(std::net::SocketAddr, tokio::sync::mpsc::Receiver<usize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = vec![0; REQUEST.len()];
            let mut read = 0;
            while read < REQUEST.len() {
                match socket.read(buffer.get_mut(read..).unwrap_or_default()).await {
                    Ok(more) if more > 0 => read += more,
                    _ => break,
                }
            }
            let _unheard = sender.send(read).await;
            let _gone = socket.write_all(REPLY).await;
        }
    });
    Ok((address, receiver))
}

/// Sends [`REQUEST`] through the proxy and gives the reply's length, as far as it came.
async fn exchange(proxy: &Proxy) -> Result<usize> {
    let mut socket = TcpStream::connect(proxy.url.trim_start_matches("http://")).await?;
    let _cut = socket.write_all(REQUEST).await;
    let mut reply = Vec::new();
    let mut piece = vec![0; 4_096];
    while let Ok(read) = socket.read(&mut piece).await {
        if read == 0 {
            break;
        }
        reply.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
    Ok(reply.len())
}

#[tokio::test]
async fn the_proxy_passes_as_much_as_its_fault_says() -> Result<()> {
    let (upstream, mut received) = sink().await?;
    let proxy = Proxy::start(upstream).await?;
    let pause = Duration::from_millis(2);
    // Fault, bytes the server gets, bytes the device gets.
    let table = [
        (Fault::None, REQUEST.len(), REPLY.len()),
        (Fault::CutRequest(0), 0, 0),
        (Fault::CutRequest(1_234), 1_234, 0),
        (Fault::CutReply(40_960), REQUEST.len(), 40_960),
        (Fault::LoseReply, REQUEST.len(), 0),
        (Fault::HalfClose(777), 777, REPLY.len()),
        (Fault::SlowRequest(10_000, pause), REQUEST.len(), REPLY.len()),
        (Fault::SlowReply(10_000, pause), REQUEST.len(), REPLY.len()),
        (Fault::Delay(pause), REQUEST.len(), REPLY.len()),
    ];
    for (fault, to_server, to_device) in table {
        proxy.set(fault);
        let reply = exchange(&proxy).await?;
        let request = received.recv().await.context("the server is gone")?;
        assert_eq!((request, reply), (to_server, to_device), "{fault:?}");
        assert_eq!(proxy.seen().await, Seen { request: to_server, reply: to_device }, "{fault:?}");
    }
    proxy.set(Fault::Refuse);
    assert_eq!(exchange(&proxy).await?, 0);
    Ok(())
}

#[tokio::test]
async fn each_test_gets_an_empty_durable_database_of_its_own() -> Result<()> {
    let began = Instant::now();
    let (one, other) = (postgres::database().await?, postgres::database().await?);
    println!("cluster and two databases in {:?}", began.elapsed());
    assert_ne!(one, other);
    for url in [one, other] {
        let mut connection = sqlx::PgConnection::connect(&url).await?;
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            let (value,): (String,) =
                sqlx::query_as("SELECT current_setting($1)").bind(setting).fetch_one(&mut connection).await?;
            assert_eq!(value, "on", "{setting}");
        }
        let (tables,): (i64,) = sqlx::query_as("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .fetch_one(&mut connection)
            .await?;
        assert_eq!(tables, 0);
    }
    Ok(())
}
