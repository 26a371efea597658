//! Sockets that give up on a reader who takes nothing: a phone that stops reading would hold its reply for ever.
//!
//! The bound is on the wait between two bytes that the other side takes, not on the whole reply. It ends the
//! connection, and with it the tasks that write its reply. TLS, where there is any, lies on top of this.

use std::future::{Ready, ready};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready as finished};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Accepts connections and bounds how long each waits for its reader.
#[derive(Clone, Copy, Debug)]
pub struct Patience(pub Duration);

impl<I, S> Accept<I, S> for Patience {
    type Stream = Patient<I>;
    type Service = S;
    type Future = Ready<Result<(Self::Stream, S)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        ready(Ok((Patient { stream, patience: self.0, waiting: None }, service)))
    }
}

/// A stream whose writes fail once nothing was taken for as long as its patience lasts.
#[derive(Debug)]
pub struct Patient<I> {
    stream: I,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    /// Passes on what a write came to, unless it has waited for too long.
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        finished!(waiting.as_mut().poll(context));
        tracing::info!("a reader took nothing for {} s: its connection ends", patience.as_secs());
        metrics::counter!("firebreak_stalled_total").increment(1);
        Poll::Ready(Err(Error::from(ErrorKind::TimedOut)))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn a_reader_who_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut stream = Patient { stream: ours, patience: PATIENCE, waiting: None };
        // Slow: each byte well within the patience, all of them beyond it.
        let reading = async {
            for _ in 0..8 {
                sleep(PATIENCE / 4).await;
                theirs.read_exact(&mut [0]).await.unwrap();
            }
        };
        // The reader first: where both have slept for too long, since the machine stood still, it takes its byte in time.
        let ((), written) = tokio::join!(biased; reading, stream.write_all(&[0; 12]));
        written.unwrap();
        let started = tokio::time::Instant::now();
        let given_up = stream.write_all(&[0; 1]).await;
        assert_eq!(given_up.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
        assert!(started.elapsed() >= PATIENCE);
    }
}
