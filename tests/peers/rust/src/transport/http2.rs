//! One CONNECT stream of HTTP/2, which is all that the connection is for.

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use h2::{client, server, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::http::{Method, Request, Response, StatusCode};
use tokio_tungstenite::tungstenite::Bytes;

use super::{broken, Pipe, Socket};
use crate::say;

struct Tunnel {
    send: SendStream<Bytes>,
    receive: RecvStream,
    rest: Bytes,
}

impl Tunnel {
    fn pipe(send: SendStream<Bytes>, receive: RecvStream) -> Pipe {
        Box::new(Tunnel {
            send,
            receive,
            rest: Bytes::new(),
        })
    }
}

pub async fn connect(socket: impl Socket, host: &str) -> Result<Pipe> {
    let (requests, connection) = client::handshake(socket).await.map_err(broken)?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut requests = requests.ready().await.map_err(broken)?;
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(host)
        .body(())
        .map_err(broken)?;
    let (response, send) = requests.send_request(request, false).map_err(broken)?;
    let response = response.await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        return Err(broken(format!("CONNECT is answered with {}", response.status())));
    }
    Ok(Tunnel::pipe(send, response.into_body()))
}

pub async fn accept(socket: impl Socket) -> Result<Pipe> {
    let mut connection = server::handshake(socket).await.map_err(broken)?;
    let Some(first) = connection.accept().await else {
        return Err(broken("no request"));
    };
    let (request, mut respond) = first.map_err(broken)?;
    let connects = request.method() == Method::CONNECT;
    let status = if connects {
        StatusCode::OK
    } else {
        StatusCode::METHOD_NOT_ALLOWED
    };
    let mut response = Response::new(());
    *response.status_mut() = status;
    let send = respond.send_response(response, !connects).map_err(broken)?;
    if !connects {
        return Err(broken(format!("{} is no CONNECT", request.method())));
    }
    tokio::spawn(async move { while let Some(Ok(_)) = connection.accept().await {} });
    Ok(Tunnel::pipe(send, request.into_body()))
}

impl AsyncRead for Tunnel {
    /// What stays behind of a frame is handed out later, and its window never comes back: every byte of it
    /// is told of, for a sender should not let it come to that.
    fn poll_read(
        mut self: Pin<&mut Self>,
        turn: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if !self.rest.is_empty() {
            let size = self.rest.len().min(out.remaining());
            out.put_slice(&self.rest.split_to(size));
            return Poll::Ready(Ok(()));
        }
        let mut frame = match ready!(self.receive.poll_data(turn)) {
            None => return Poll::Ready(Ok(())),
            Some(frame) => frame.map_err(broken)?,
        };
        let size = frame.len().min(out.remaining());
        out.put_slice(&frame.split_to(size));
        self.receive
            .flow_control()
            .release_capacity(size)
            .map_err(broken)?;
        if !frame.is_empty() {
            say(format!("leak: {} bytes of a window", frame.len()));
        }
        self.rest = frame;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, turn: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(bytes.len());
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(turn)) {
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                Some(capacity) => capacity.map_err(broken)?,
            };
        }
        let size = self.send.capacity().min(bytes.len());
        self.send
            .send_data(Bytes::copy_from_slice(&bytes[..size]), false)
            .map_err(broken)?;
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
