//! So many syncs are read at once; one more is answered 429, and taken once another has ended.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::codes::Code;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::on_both;

/// A sync that the server has begun to read: its body is promised and held back.
struct Held {
    socket: TcpStream,
    body: Vec<u8>,
}

impl Held {
    /// Begins one. The server has a slot for it when it asks for the body.
    async fn begin(server: &Server, phone: &mut Phone) -> Result<Self> {
        let bundle = phone.reports(1);
        let body = phone.request(&[bundle]);
        let mut socket = TcpStream::connect(server.address()?).await?;
        let head = format!(
            "POST /v1/sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nexpect: 100-continue\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            phone.token(),
            body.len()
        );
        socket.write_all(head.as_bytes()).await?;
        let mut asked = [0; 25];
        socket.read_exact(&mut asked).await?;
        ensure!(&asked == b"HTTP/1.1 100 Continue\r\n\r\n", "{}", String::from_utf8_lossy(&asked));
        Ok(Self { socket, body })
    }

    /// Sends the body, and gives the status line.
    async fn end(mut self) -> Result<String> {
        self.socket.write_all(&self.body).await?;
        let mut reply = Vec::new();
        self.socket.read_to_end(&mut reply).await?;
        Ok(String::from_utf8_lossy(&reply).lines().next().context("no reply")?.to_owned())
    }
}

pub(super) async fn at_once(backend: Backend) -> Result<()> {
    let server = Server::start_with(backend, &[("FIREBREAK_SYNC_AT_ONCE", "2")]).await?;
    let (mut one, mut two, mut third) =
        (Phone::enrol(&server).await?, Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let first = Held::begin(&server, &mut one).await?;
    // At the limit.
    let bundle = third.reports(1);
    ensure!(third.sync(&[bundle]).await?.receipts().len() == 1);
    let second = Held::begin(&server, &mut two).await?;
    // One above it: nothing is taken.
    let bundle = third.reports(1);
    let reply = third.client.sync(third.request(std::slice::from_ref(&bundle))).await?;
    ensure!(reply.status == 429 && reply.error() == Some(Code::TooManyRequests.as_str()), "{reply:?}");
    ensure!(server.check().await?.get("records") == Some(&json!(1)));
    ensure!(first.end().await? == "HTTP/1.1 200 OK");
    ensure!(third.sync(&[bundle]).await?.receipts().len() == 1, "the slot is free again");
    ensure!(second.end().await? == "HTTP/1.1 200 OK");
    ensure!(server.check().await?.get("records") == Some(&json!(4)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_syncs_as_there_are_slots_are_read_and_one_more_is_answered_429() -> Result<()> {
    on_both(at_once).await
}
