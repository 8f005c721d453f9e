//! The control stream: a length of four bytes and a JSON text, as two frames.

use std::io::{Error, ErrorKind, Result};

use futures::{AsyncReadExt, AsyncWriteExt};
use serde_json::Value;
use yamux::Stream;

const MESSAGE_MAX: usize = 10 * 1024 * 1024;

pub async fn send(stream: &mut Stream, message: &Value) -> Result<()> {
    let text = message.to_string();
    stream.write_all(&(text.len() as u32).to_be_bytes()).await?;
    stream.flush().await?;
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// Not safe to cancel, as in the original: what was read of a message is forgotten.
pub async fn receive(stream: &mut Stream) -> Result<Value> {
    let mut length = [0u8; 4];
    stream.read_exact(&mut length).await?;
    let size = u32::from_be_bytes(length) as usize;
    if size == 0 || size > MESSAGE_MAX {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("control message of {size} bytes"),
        ));
    }
    let mut text = vec![0u8; size];
    stream.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(|why| Error::new(ErrorKind::InvalidData, why))
}
