//! One open connection to a server: the least that a request can cost its sender, whose processor time is also the
//! server's. [`Line`] is for requests that are written before the clock starts, [`Link`] for all others.

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection with one token.
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: String,
}

impl Link {
    /// Connects to `http://host:port`; where the token is empty, nobody asks.
    pub(crate) async fn open(url: &str, token: &str) -> Result<Self> {
        let host = host_of(url)?;
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the server or with its sender; what failed shows in the request.
        tokio::spawn(connection);
        Ok(Self { sender, host: host.to_owned(), token: format!("Bearer {token}") })
    }

    /// What is there, as it is, without being squeezed.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes> {
        Ok(self.ask(path).await?.into_body().collect().await?.to_bytes())
    }

    /// How many bytes it has; they are read and thrown away.
    pub(crate) async fn weigh(&mut self, path: &str) -> Result<usize> {
        let mut reply = self.ask(path).await?;
        let mut bytes = 0;
        while let Some(frame) = reply.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    }

    async fn ask(&mut self, path: &str) -> Result<Response<Incoming>> {
        let request = Request::get(path).header(header::HOST, &self.host);
        let request = if self.token == "Bearer " {
            request
        } else {
            request.header(header::AUTHORIZATION, &self.token)
        };
        let request = request.header(header::ACCEPT_ENCODING, "identity").body(Full::default())?;
        // The end of a large reply may be here before its connection is free again.
        self.sender.ready().await?;
        let reply = self.sender.send_request(request).await?;
        ensure!(reply.status() == 200, "{path}: {}", reply.status());
        Ok(reply)
    }
}

/// A connection that whole requests are written to as they are.
pub(crate) struct Line {
    stream: TcpStream,
    reply: Vec<u8>,
}

/// Headers of a reply that are read.
const HEADERS: usize = 32;

impl Line {
    /// Connects to `http://host:port`.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let stream = TcpStream::connect(host_of(url)?).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reply: Vec::with_capacity(64 << 10) })
    }

    /// A request with one gzipped body of bundles, as it is written.
    pub(crate) fn sync(url: &str, token: &str, body: &[u8]) -> Result<Bytes> {
        let head = format!(
            "POST /v1/sync HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/cbor-seq\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            host_of(url)?,
            body.len()
        );
        Ok([head.as_bytes(), body].concat().into())
    }

    /// Sends a request; the reply is read to its end and thrown away.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.reply.clear();
        let length = loop {
            ensure!(self.stream.read_buf(&mut self.reply).await? > 0, "the server hung up");
            if let Some(length) = whole_length(&self.reply)? {
                break length;
            }
        };
        while self.reply.len() < length {
            ensure!(self.stream.read_buf(&mut self.reply).await? > 0, "the server hung up");
        }
        ensure!(self.reply.len() == length, "more came than the reply");
        Ok(())
    }
}

fn host_of(url: &str) -> Result<&str> {
    url.trim_end_matches('/').strip_prefix("http://").context("not a plain address")
}

/// The length of a reply with its head, as soon as that is here. It must be a good one of known length.
fn whole_length(reply: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(size) = head.parse(reply)? else { return Ok(None) };
    ensure!(head.code == Some(200), "status {:?}", head.code);
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let Some(length) = length else { bail!("a reply of unknown length") };
    Ok(Some(size + std::str::from_utf8(length.value)?.parse::<usize>()?))
}
