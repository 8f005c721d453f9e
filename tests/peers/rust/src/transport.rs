//! What carries the tunnel: the bytes of TLS as they are, messages of a WebSocket, or one stream of HTTP/2.
//!
//! Bytes in, bytes out for the mux, with the original's own ways: an HTTP/2 window that is given back only
//! for what the first read of a frame took, empty frames and messages as ends, no goodbye of any kind.

mod http2;
mod websocket;

use std::io::{Error, Result};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{fail, Options};

pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for T {}

pub type Pipe = Box<dyn Socket>;

#[derive(Clone, Copy, Default, PartialEq)]
pub enum Transport {
    #[default]
    Tls,
    Wss,
    Http2,
}

impl Transport {
    pub fn named(name: &str) -> Transport {
        match name {
            "tls" => Transport::Tls,
            "wss" => Transport::Wss,
            "http2" => Transport::Http2,
            _ => fail(format!("{name} is no transport")),
        }
    }

    pub fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Transport::Http2 => vec![b"h2".to_vec()],
            _ => Vec::new(),
        }
    }

    pub async fn connect(self, socket: impl Socket, options: &Options) -> Result<Pipe> {
        match self {
            Transport::Tls => Ok(Box::new(socket)),
            Transport::Wss => websocket::connect(socket, options.host(), &options.path).await,
            Transport::Http2 => http2::connect(socket, options.host()).await,
        }
    }

    pub async fn accept(self, socket: impl Socket) -> Result<Pipe> {
        match self {
            Transport::Tls => Ok(Box::new(socket)),
            Transport::Wss => websocket::accept(socket).await,
            Transport::Http2 => http2::accept(socket).await,
        }
    }
}

fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::other(why)
}
