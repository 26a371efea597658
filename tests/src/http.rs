//! A small HTTP client: JSON for the office, CBOR sequences for devices. One connection a request.
//!
//! It reads a reply as far as it comes: a cut is part of the answer, not an error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, Once};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sync_protocol::cbor::Raw;
use sync_protocol::exchange::{Cursor, End, Frame, FrameReader, Hello, Item, Receipt, Refused};
use sync_protocol::ids::PhotoHash;

/// No request of a test takes longer.
const TIMEOUT: Duration = Duration::from_mins(1);

tokio::task_local! {
    static NOTED: Mutex<BTreeSet<String>>;
}

/// Runs something and gives the stable codes that its clients received, in errors, refusals, receipts and notices.
pub async fn noting<F: Future>(work: F) -> (F::Output, BTreeSet<String>) {
    NOTED
        .scope(Mutex::default(), async {
            let output = work.await;
            let codes = NOTED.with(|noted| noted.lock().map(|noted| noted.clone()).unwrap_or_default());
            (output, codes)
        })
        .await
}

/// Notes a code that came back by another way than a [`Client`].
pub fn note(code: Option<&str>) {
    let Some(code) = code else { return };
    let _nobody_listens = NOTED.try_with(|noted| {
        if let Ok(mut noted) = noted.lock() {
            noted.insert(code.to_owned());
        }
    });
}

fn note_frames(frames: &[Frame]) {
    for frame in frames {
        match frame {
            Frame::Error(body) => note(Some(&body.code)),
            Frame::Refused(refused) => note(Some(&refused.code)),
            Frame::Notice(notice) => note(Some(&notice.code)),
            Frame::Receipt(raw) => {
                let Some(receipt) = raw.decode::<Receipt>() else { continue };
                receipt.exceptions.iter().for_each(|(.., code)| note(code.as_deref()));
                receipt.flags.iter().for_each(|(_, code)| note(Some(code)));
            }
            _ => {}
        }
    }
}

/// A client of one server, with one token.
#[derive(Clone)]
pub struct Client {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A plain reply.
#[derive(Debug, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// What the body is said to be; nothing where it is not said.
    pub content_type: String,
    /// The cookie that is set; nothing where none is.
    pub cookie: String,
    /// Where it leads; nothing where it leads nowhere.
    pub location: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What came of a sync.
#[derive(Debug, Default)]
pub struct SyncReply {
    /// HTTP status; 0 where none came.
    pub status: u16,
    /// The frames that came whole.
    pub frames: Vec<Frame>,
    /// Bytes of the body that came.
    pub bytes: usize,
}

impl Client {
    /// A client of the server at this address (`http://…`).
    pub fn new(base: &str, token: &str) -> Result<Self> {
        Self::trusting(base, token, None)
    }

    /// A client of an `https://` server that trusts this certificate (DER) and no other.
    pub fn trusting(base: &str, token: &str, certificate: Option<&[u8]>) -> Result<Self> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails only where one is installed already, which serves as well.
            let _installed = rustls::crypto::ring::default_provider().install_default();
        });
        let mut http = reqwest::Client::builder();
        if let Some(der) = certificate {
            http = http.tls_certs_only([reqwest::Certificate::from_der(der)?]);
        }
        let http = http
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token: token.to_owned(), http })
    }

    /// The address that it asks.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same token at another address.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// Another token at the same address.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Its bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        reply(request.send().await?).await
    }

    /// GET that must succeed, as JSON.
    pub async fn json(&self, path: &str) -> Result<Value> {
        self.get(path).await?.json(path)
    }

    /// Waits until all that is in the ledger is derived: a draft of a report does, for as long as that takes.
    pub async fn derived(&self) -> Result<()> {
        self.json("/v1/reports/work?from=2026-03-01&to=2026-03-31").await.map(drop)
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        reply(request.header("content-type", "application/json").body(body.to_string()).send().await?).await
    }

    /// A request by any method, with a body of JSON where it is no GET.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Reply> {
        let mut request =
            self.http.request(method.parse()?, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if method != "GET" {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        reply(request.send().await?).await
    }

    /// POST of bytes, with further headers.
    pub async fn post_bytes(&self, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Result<Reply> {
        let mut request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.body(body).send().await?).await
    }

    /// The status of a GET; its body, which may never end, is not read.
    pub async fn status(&self, path: &str) -> Result<u16> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        Ok(request.send().await?.status().as_u16())
    }

    /// GET of a stream, with further headers: its reply as it begins.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        ensure!(response.status().is_success(), "{path}: {}", response.status());
        Ok(response)
    }

    /// A request by any method with these headers, and the headers of its reply.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<(Reply, BTreeMap<String, String>)> {
        let mut request =
            self.http.request(method.parse()?, format!("{}{path}", self.base)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.body(body).send().await?;
        let named = named(&response);
        Ok((reply(response).await?, named))
    }

    /// GET with a user and a password instead of the token, or with nothing at all, and the headers of its reply.
    pub async fn get_basic(
        &self,
        path: &str,
        said: Option<(&str, &str)>,
    ) -> Result<(Reply, BTreeMap<String, String>)> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some((user, password)) = said {
            request = request.basic_auth(user, Some(password));
        }
        let response = request.send().await?;
        let named = named(&response);
        Ok((reply(response).await?, named))
    }

    /// POST of a sync request. Whatever of the reply came before a cut is given; `Err` only where no status came.
    pub async fn sync(&self, body: Vec<u8>) -> Result<SyncReply> {
        let request = self.http.post(format!("{}/v1/sync", self.base)).bearer_auth(&self.token);
        let mut response = request.header("content-type", "application/cbor-seq").body(body).send().await?;
        let mut reply = SyncReply { status: response.status().as_u16(), ..SyncReply::default() };
        let mut reader = FrameReader::new();
        while let Ok(Some(piece)) = response.chunk().await {
            reply.bytes += piece.len();
            let frames = reader.push(&piece);
            reply.frames.extend(frames.map_err(|code| anyhow::anyhow!("the reply is not readable: {code}"))?);
        }
        note_frames(&reply.frames);
        Ok(reply)
    }
}

fn named(response: &reqwest::Response) -> BTreeMap<String, String> {
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

async fn reply(response: reqwest::Response) -> Result<Reply> {
    let status = response.status().as_u16();
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (content_type, cookie, location) = (header("content-type"), header("set-cookie"), header("location"));
    // A stream of events has no end: that it begins is all that a reply says of it.
    let is_endless = content_type.starts_with("text/event-stream");
    let body = if is_endless { Vec::new() } else { response.bytes().await?.to_vec() };
    let reply = Reply { status, content_type, cookie, location, body };
    if status >= 400 {
        note(reply.code().as_deref());
    }
    Ok(reply)
}

impl Reply {
    /// The body as JSON, of a reply that must be a success.
    pub fn json(&self, what: &str) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "{what}: {} {}", self.status, self.text());
        serde_json::from_slice(&self.body).with_context(|| format!("{what}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The stable code of an error reply: in JSON, or in a CBOR `error` frame.
    pub fn code(&self) -> Option<String> {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        if let Some(code) = json.as_ref().and_then(|body| body.get("code")?.as_str()) {
            return Some(code.to_owned());
        }
        let frames = FrameReader::new().push(&self.body).ok()?;
        frames
            .into_iter()
            .find_map(|frame| if let Frame::Error(body) = frame { Some(body.code) } else { None })
    }
}

impl SyncReply {
    fn pick<'a, T>(&'a self, pick: impl Fn(&'a Frame) -> Option<T> + 'a) -> impl Iterator<Item = T> + 'a {
        self.frames.iter().filter_map(pick)
    }

    /// The `hello` frame.
    pub fn hello(&self) -> Option<&Hello> {
        self.pick(|frame| if let Frame::Hello(hello) = frame { Some(hello) } else { None }).next()
    }

    /// The `end` frame: the reply came whole.
    pub fn end(&self) -> Option<&End> {
        self.pick(|frame| if let Frame::End(end) = frame { Some(end) } else { None }).next()
    }

    /// The code of an `error` frame.
    pub fn error(&self) -> Option<&str> {
        self.pick(|frame| if let Frame::Error(body) = frame { Some(body.code.as_str()) } else { None }).next()
    }

    /// Receipts as they came, byte for byte.
    pub fn raw_receipts(&self) -> Vec<Raw> {
        self.pick(|frame| if let Frame::Receipt(raw) = frame { Some(raw.clone()) } else { None }).collect()
    }

    /// Receipts, decoded.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.raw_receipts().iter().filter_map(Raw::decode).collect()
    }

    /// Refused bundles.
    pub fn refused(&self) -> Vec<&Refused> {
        self.pick(|frame| if let Frame::Refused(body) = frame { Some(body) } else { None }).collect()
    }

    /// Items, in the order they came.
    pub fn items(&self) -> Vec<&Item> {
        self.pick(|frame| if let Frame::Item(item) = frame { Some(item) } else { None }).collect()
    }

    /// The presenter's own sequences that the server lacks.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        self.pick(|frame| if let Frame::Missing(ranges) = frame { Some(ranges.clone()) } else { None })
            .flatten()
            .collect()
    }

    /// Photos that the server asks for.
    pub fn wanted_photos(&self) -> Vec<PhotoHash> {
        self.pick(|frame| if let Frame::Photos(hashes) = frame { Some(hashes.clone()) } else { None })
            .flatten()
            .collect()
    }

    /// The last cursor.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.pick(|frame| if let Frame::Cursor(cursor) = frame { Some(cursor) } else { None }).last()
    }
}
