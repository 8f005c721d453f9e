//! A WebSocket whose binary messages, one for each write, are the bytes of the tunnel.

use std::io::Result;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{accept_async, client_async, WebSocketStream};

use super::{broken, Pipe, Socket};

struct Messages<T> {
    socket: WebSocketStream<T>,
    rest: Bytes,
}

fn pipe<T: Socket>(socket: WebSocketStream<T>) -> Pipe {
    Box::new(Messages {
        socket,
        rest: Bytes::new(),
    })
}

pub async fn connect(socket: impl Socket, host: &str, path: &str) -> Result<Pipe> {
    let request = format!("wss://{host}{path}");
    Ok(pipe(client_async(request, socket).await.map_err(broken)?.0))
}

pub async fn accept(socket: impl Socket) -> Result<Pipe> {
    Ok(pipe(accept_async(socket).await.map_err(broken)?))
}

impl<T: Socket> AsyncRead for Messages<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        turn: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(turn)) {
                None | Some(Ok(Message::Close(_))) => return Poll::Ready(Ok(())),
                Some(Err(why)) => return Poll::Ready(Err(broken(why))),
                Some(Ok(Message::Binary(empty))) if empty.is_empty() => return Poll::Ready(Ok(())),
                Some(Ok(Message::Binary(payload))) => self.rest = payload,
                Some(Ok(_)) => {}
            }
        }
        let size = self.rest.len().min(out.remaining());
        out.put_slice(&self.rest.split_to(size));
        Poll::Ready(Ok(()))
    }
}

impl<T: Socket> AsyncWrite for Messages<T> {
    fn poll_write(mut self: Pin<&mut Self>, turn: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(turn)).map_err(broken)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.socket).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, turn: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(turn).map_err(broken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
