//! Connections before there is a request on them: how many there may be, and how long one may keep the server waiting.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// How many connections may be open at once.
const CONNECTIONS: usize = 10_000;
/// How long a client may take nothing of an answer that waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Takes connections up to a number, and closes what comes beyond it: a crowd that only connects cannot use up what the
/// process may open.
#[derive(Clone)]
pub struct Capped(Arc<Semaphore>);

impl Default for Capped {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTIONS)))
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Capped {
    type Stream = Patient<TcpStream>;
    type Service = Permitted<S>;
    type Future = std::future::Ready<io::Result<(Patient<TcpStream>, Permitted<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // The end of an answer does not wait until the client has acknowledged what came before it: on some systems that
        // takes forty milliseconds.
        let _ = stream.set_nodelay(true);
        std::future::ready(match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => Ok((Patient { stream, waits: None }, Permitted { service, permit: Arc::new(permit) })),
            Err(_) => {
                metrics::counter!("org_portal_connections_refused_total").increment(1);
                Err(io::Error::other("too many connections"))
            }
        })
    }
}

/// A connection's service, which holds its place as long as it lives.
#[derive(Clone)]
pub struct Permitted<S> {
    service: S,
    permit: Arc<OwnedSemaphorePermit>,
}

impl<R, S: tower::Service<R>> tower::Service<R> for Permitted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        let _ = &self.permit;
        self.service.call(request)
    }
}

/// A stream whose patience ends: a client that asks and takes nothing of the answer is cut off after
/// [`WRITE_TIMEOUT`]. Only time in which something waits to be written counts, so a stream of events may be silent for
/// as long as it likes.
pub struct Patient<I> {
    stream: I,
    waits: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    fn judge(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        match self.waits.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT))).as_mut().poll(context) {
            Poll::Ready(()) => {
                metrics::counter!("org_portal_connections_cut_total").increment(1);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
