//! How the original joins a TCP connection and a stream: three ways, none of which passes a half-close.

use futures::{AsyncReadExt, AsyncWriteExt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use yamux::Stream;

const BUFFER: usize = 8 * 1024;

async fn up(mut from: impl tokio::io::AsyncRead + Unpin, mut to: impl futures::AsyncWrite + Unpin) {
    let mut buffer = [0u8; BUFFER];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..size]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

async fn down(mut from: impl futures::AsyncRead + Unpin, mut to: impl tokio::io::AsyncWrite + Unpin) {
    let mut buffer = [0u8; BUFFER];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

/// The client's way: whichever direction ends first ends both; the stream is dropped, which is a reset.
pub async fn either(local: TcpStream, stream: Stream) {
    let (local_in, local_out) = local.into_split();
    let (stream_in, stream_out) = stream.split();
    tokio::select! {
        _ = up(local_in, stream_out) => {}
        _ = down(stream_in, local_out) => {}
    }
}

/// The server's way: both directions must end, and neither end is told of the other's.
pub async fn both(user: TcpStream, stream: Stream) {
    let (mut user_in, mut user_out) = user.into_split();
    let (mut stream_in, mut stream_out) = stream.split();
    let first = async {
        up(&mut user_in, &mut stream_out).await;
    };
    let second = async {
        down(&mut stream_in, &mut user_out).await;
    };
    tokio::join!(first, second);
}

/// A visitor's way: the first end is passed on as FIN, then everything is dropped.
pub async fn visitor(local: TcpStream, stream: Stream) {
    let (mut local_in, mut local_out) = local.into_split();
    let (mut stream_in, mut stream_out) = stream.split();
    tokio::select! {
        _ = up(&mut local_in, &mut stream_out) => { let _ = stream_out.close().await; }
        _ = down(&mut stream_in, &mut local_out) => { let _ = local_out.shutdown().await; }
    }
}

/// The same between two streams, in the server.
pub async fn streams(from: Stream, to: Stream) {
    let (from_in, mut from_out) = from.split();
    let (to_in, mut to_out) = to.split();
    tokio::select! {
        _ = futures::io::copy(from_in, &mut to_out) => { let _ = to_out.close().await; }
        _ = futures::io::copy(to_in, &mut from_out) => { let _ = from_out.close().await; }
    }
}
