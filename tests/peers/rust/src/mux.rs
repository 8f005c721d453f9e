//! One yamux connection, driven by a task of its own.

use std::future::poll_fn;
use std::task::Poll;

use futures::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use yamux::{Config, Connection, Mode, Stream};

type Answer = oneshot::Sender<Stream>;

#[derive(Clone)]
pub struct Opener(mpsc::Sender<Answer>);

impl Opener {
    pub async fn open(&self) -> Option<Stream> {
        let (answer, stream) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        stream.await.ok()
    }
}

pub struct Mux {
    pub opener: Opener,
    pub inbound: mpsc::UnboundedReceiver<Stream>,
    pub driver: JoinHandle<()>,
}

impl Mux {
    pub fn start<T>(socket: T, mode: Mode) -> Mux
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (opens, wanted) = mpsc::channel(100);
        let (found, inbound) = mpsc::unbounded_channel();
        let connection = Connection::new(socket, Config::default(), mode);
        Mux {
            opener: Opener(opens),
            inbound,
            driver: tokio::spawn(drive(connection, wanted, found)),
        }
    }
}

/// Like the original, a stream that cannot be opened yet (256 without an ACK) stops everything else.
async fn drive<T>(
    mut connection: Connection<T>,
    mut wanted: mpsc::Receiver<Answer>,
    found: mpsc::UnboundedSender<Stream>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut pending: Option<Answer> = None;
    poll_fn(|turn| loop {
        if pending.is_none() {
            if let Poll::Ready(Some(answer)) = wanted.poll_recv(turn) {
                pending = Some(answer);
            }
        }
        if let Some(answer) = pending.take() {
            match connection.poll_new_outbound(turn) {
                Poll::Ready(Ok(stream)) => {
                    let _ = answer.send(stream);
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    pending = Some(answer);
                    return Poll::Pending;
                }
            }
        }
        match connection.poll_next_inbound(turn) {
            Poll::Ready(Some(Ok(stream))) => {
                let _ = found.send(stream);
            }
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    })
    .await
}
