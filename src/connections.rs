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

/// How many connections may be open at once, where the process may open as many files.
const CONNECTIONS: usize = 10_000;
/// What is left for the database and for the servers of others.
const OWN: usize = 96;
/// How long a client may take less than [`LEAST`] of an answer that waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(12);
/// Bytes: what the slowest mobile network brings in that time.
const LEAST: usize = 16 * 1024;
/// How many bytes of an answer the system may keep that it has not sent yet. By default it takes megabytes, and who asks and
/// asks and takes nothing has hundreds of pages made before anybody notices. What is on its way does not count, so distance
/// slows nobody down.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 16 * 1024;

/// Takes connections up to a number, and closes what comes beyond it: a crowd that only connects cannot use up what the
/// process may open.
#[derive(Clone)]
pub struct Capped(Arc<Semaphore>);

impl Default for Capped {
    fn default() -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self(Arc::new(Semaphore::new(most(&limits))))
    }
}

/// How many connections there may be under the system's limits on the process: what connects must not use up what the
/// database needs.
fn most(limits: &str) -> usize {
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok());
    files.map_or(CONNECTIONS, |files| files.saturating_sub(OWN).clamp(16, CONNECTIONS))
}

impl<S: Send + 'static> Accept<TcpStream, S> for Capped {
    type Stream = Patient<TcpStream>;
    type Service = Permitted<S>;
    type Future = std::future::Ready<io::Result<(Patient<TcpStream>, Permitted<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // The end of an answer does not wait until the client has acknowledged what came before it: on some systems that
        // takes forty milliseconds.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        std::future::ready(match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => Ok((Patient { stream, waits: None, taken: 0 }, Permitted { service, permit: Arc::new(permit) })),
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

/// A stream whose patience ends: a client that asks and takes nothing of the answer, or next to nothing, is cut off after
/// [`WRITE_TIMEOUT`]. Only time in which something waits to be written counts, so a stream of events may be silent for
/// as long as it likes.
pub struct Patient<I> {
    stream: I,
    waits: Option<Pin<Box<Sleep>>>,
    /// Bytes that were taken since something waits.
    taken: usize,
}

impl<I> Patient<I> {
    fn judge(&mut self, context: &mut Context<'_>, offered: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(n)) => {
                self.taken = self.taken.saturating_add(n);
                if n >= offered || self.taken >= LEAST {
                    self.waits = None;
                }
                return written;
            }
            Poll::Ready(Err(_)) => return written,
            Poll::Pending => {}
        }
        if self.waits.is_none() {
            self.taken = 0;
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
        self.judge(context, bytes.len(), written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, pieces.iter().map(|piece| piece.len()).sum(), written)
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

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, task::Poll};

    use super::{CONNECTIONS, LEAST, OWN, Patient, most};

    /// Whether the end is still near after some of what was offered was taken, and then nothing for a moment.
    async fn waits_after(taken: &[(usize, usize)]) -> bool {
        let mut stream = Patient { stream: (), waits: None, taken: 0 };
        let nothing: Poll<io::Result<usize>> = poll_fn(|context| Poll::Ready(stream.judge(context, 100, Poll::Pending))).await;
        assert!(nothing.is_pending());
        for (offered, n) in taken {
            let taken: Poll<io::Result<usize>> = poll_fn(|context| Poll::Ready(stream.judge(context, *offered, Poll::Ready(Ok(*n))))).await;
            assert!(matches!(taken, Poll::Ready(Ok(m)) if m == *n));
        }
        stream.waits.is_some()
    }

    #[tokio::test]
    async fn next_to_nothing_that_is_taken_gains_no_time() {
        assert!(waits_after(&[]).await);
        assert!(waits_after(&[(1 << 20, 1), (1 << 20, LEAST - 2)]).await);
        assert!(!waits_after(&[(1 << 20, 1), (1 << 20, LEAST - 1)]).await);
        // Nothing waits any more.
        assert!(!waits_after(&[(100, 100)]).await);
    }

    #[test]
    fn there_are_fewer_connections_than_the_process_may_open_files() {
        let limits = |files: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \nMax cpu time              unlimited            unlimited            seconds   \nMax open files            {files}                 524288               files     \n"
            )
        };
        assert_eq!(most(&limits("1024")), 1024 - OWN);
        assert_eq!(most(&limits("20000")), CONNECTIONS);
        assert_eq!(most(&limits("64")), 16);
        assert_eq!((most(&limits("unlimited")), most("")), (CONNECTIONS, CONNECTIONS));
    }
}
