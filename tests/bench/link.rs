//! One open connection to a server: the least that a request can cost its sender, whose processor time is also the
//! server's.

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
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
        let host = url.trim_end_matches('/').strip_prefix("http://").context("not a plain address")?;
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the server or with its sender; what failed shows in the request.
        tokio::spawn(connection);
        Ok(Self { sender, host: host.to_owned(), token: format!("Bearer {token}") })
    }

    /// One gzipped sync request; the bytes of the reply are read and thrown away.
    pub(crate) async fn sync(&mut self, body: Bytes) -> Result<()> {
        let request = Request::post("/v1/sync")
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, &self.token)
            .header(header::CONTENT_TYPE, "application/cbor-seq")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(Full::new(body))?;
        let mut reply = self.sender.send_request(request).await?;
        ensure!(reply.status() == 200, "sync: {}", reply.status());
        while let Some(frame) = reply.frame().await {
            frame?;
        }
        Ok(())
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
