//! A network that fails on purpose: a TCP proxy that cuts, half-closes, slows or delays what passes.
//!
//! A [`Fault`] counts the bytes of one direction of one connection. It knows nothing of HTTP: where in a request
//! or reply a byte lies is for the test to find out (see [`Proxy::seen`]).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to the connections made after it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Everything passes.
    #[default]
    None,
    /// The connection is closed before a byte has passed.
    Refuse,
    /// Both sides are reset after so many bytes of the request.
    CutRequest(usize),
    /// Both sides are reset after so many bytes of the reply.
    CutReply(usize),
    /// The whole request passes; both sides are reset before a byte of the reply.
    LoseReply,
    /// The server sees the end of the request after so many bytes; its reply passes.
    HalfClose(usize),
    /// The request passes in pieces of so many bytes, with this pause between them.
    SlowRequest(usize, Duration),
    /// The reply passes in pieces of so many bytes, with this pause between them.
    SlowReply(usize, Duration),
    /// Everything passes after this pause.
    Delay(Duration),
}

/// Bytes that passed on the last connection that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// From the device to the server.
    pub request: usize,
    /// From the server to the device.
    pub reply: usize,
}

#[derive(Default)]
struct Shared {
    fault: Fault,
    /// The faults of the next connections, before `fault`.
    coming: VecDeque<Fault>,
    seen: Seen,
    heard: Vec<u8>,
    cuts: usize,
}

/// A running proxy; it ends when dropped.
pub struct Proxy {
    /// Where devices connect, as an `http://` URL.
    pub url: String,
    shared: Arc<Mutex<Shared>>,
    /// Connections that are open.
    open: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy before this server address.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let open = watch::Sender::new(0);
        let (state, counter) = (Arc::clone(&shared), open.clone());
        let task = tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                counter.send_modify(|open| *open += 1);
                let (state, counter) = (Arc::clone(&state), counter.clone());
                tokio::spawn(async move {
                    connection(device, upstream, state).await;
                    counter.send_modify(|open| *open -= 1);
                });
            }
        });
        Ok(Self { url, shared, open, task })
    }

    /// Sets the fault of the connections to come.
    pub fn set(&self, fault: Fault) {
        lock(&self.shared).fault = fault;
    }

    /// Sets the faults of the next connections, one each; those after them have none.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut shared = lock(&self.shared);
        (shared.fault, shared.coming) = (Fault::None, faults.into_iter().collect());
    }

    /// How many planned faults no connection has met yet.
    pub fn coming(&self) -> usize {
        lock(&self.shared).coming.len()
    }

    /// How many connections it has cut.
    pub fn cuts(&self) -> usize {
        lock(&self.shared).cuts
    }

    /// Waits until no connection is open and gives the bytes of the reply on the last one, head and framing included.
    pub async fn heard(&self) -> Vec<u8> {
        self.seen().await;
        lock(&self.shared).heard.clone()
    }

    /// Waits until no connection is open and says what passed on the last one.
    pub async fn seen(&self) -> Seen {
        let mut open = self.open.subscribe();
        // It fails only without a sender, and this is one.
        let _sender_lives = open.wait_for(|open| *open == 0).await.is_ok();
        lock(&self.shared).seen
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How one direction passes.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Stop after so many bytes.
    limit: Option<usize>,
    /// Pieces of so many bytes with a pause.
    pace: Option<(usize, Duration)>,
}

/// How one direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its sender closed, or the receiver is gone.
    Closed,
    /// The limit was reached.
    Limit,
}

async fn connection(device: TcpStream, upstream: SocketAddr, shared: Arc<Mutex<Shared>>) {
    let fault = {
        let mut shared = lock(&shared);
        shared.coming.pop_front().unwrap_or(shared.fault)
    };
    if fault == Fault::Refuse {
        lock(&shared).cuts += 1;
        reset(&device);
        return;
    }
    if let Fault::Delay(pause) = fault {
        tokio::time::sleep(pause).await;
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (mut request, mut reply) = (Way::default(), Way::default());
    match fault {
        Fault::None | Fault::Refuse | Fault::Delay(_) => {}
        Fault::CutRequest(bytes) | Fault::HalfClose(bytes) => request.limit = Some(bytes),
        Fault::CutReply(bytes) => reply.limit = Some(bytes),
        Fault::LoseReply => reply.limit = Some(0),
        Fault::SlowRequest(bytes, pause) => request.pace = Some((bytes, pause)),
        Fault::SlowReply(bytes, pause) => reply.pace = Some((bytes, pause)),
    }
    let (mut sent, mut heard) = (Vec::new(), Vec::new());
    let (sockets, is_cut) = relay(device, server, fault, (request, reply), (&mut sent, &mut heard)).await;
    {
        let mut shared = lock(&shared);
        shared.seen = Seen { request: sent.len(), reply: heard.len() };
        shared.heard = heard;
        shared.cuts += usize::from(is_cut);
    }
    drop(sockets);
}

/// Passes both directions until both have ended or one is cut. Gives the sockets back, so that what was seen is
/// on record before the device notices, and whether it was cut.
async fn relay(
    device: TcpStream,
    server: TcpStream,
    fault: Fault,
    (request, reply): (Way, Way),
    (sent, heard): (&mut Vec<u8>, &mut Vec<u8>),
) -> (Option<(TcpStream, TcpStream)>, bool) {
    let (mut from_device, mut to_device) = device.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let cut = {
        let up = pass(&mut from_device, &mut to_server, request, sent);
        let down = pass(&mut from_server, &mut to_device, reply, heard);
        tokio::pin!(up, down);
        tokio::select! {
            ended = &mut up => match (ended, fault) {
                (Ended::Limit, Fault::HalfClose(_)) | (Ended::Closed, _) => down.await == Ended::Limit,
                (Ended::Limit, _) => true,
            },
            ended = &mut down => ended == Ended::Limit,
        }
    };
    let (device, server) = (from_device.reunite(to_device).ok(), from_server.reunite(to_server).ok());
    if cut {
        device.iter().chain(&server).for_each(reset);
    }
    (device.zip(server), cut)
}

async fn pass(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, way: Way, seen: &mut Vec<u8>) -> Ended {
    let mut buffer = vec![0; way.pace.map_or(16 << 10, |(bytes, _)| bytes.max(1))];
    loop {
        let room = way.limit.map_or(buffer.len(), |limit| (limit - seen.len()).min(buffer.len()));
        let Some(piece) = buffer.get_mut(..room) else { return Ended::Closed };
        if room == 0 {
            // For a reply of which nothing may pass, wait until there is one: the request has been taken then.
            let nothing_passed = seen.is_empty();
            if nothing_passed && from.readable().await.is_err() {
                return Ended::Closed;
            }
            let _gone = to.shutdown().await;
            return Ended::Limit;
        }
        match from.read(piece).await {
            Ok(read) if read > 0 => {
                let Some(piece) = buffer.get(..read) else { return Ended::Closed };
                if to.write_all(piece).await.is_err() {
                    return Ended::Closed;
                }
                seen.extend_from_slice(piece);
            }
            _ => {
                let _gone = to.shutdown().await;
                return Ended::Closed;
            }
        }
        if let Some((_, pause)) = way.pace {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Makes the close of this socket a reset.
fn reset(socket: &TcpStream) {
    let _unsupported = socket.set_zero_linger();
}
