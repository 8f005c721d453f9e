//! The client: logs in, serves its proxies and opens its visitors until the session ends.

use std::io::Result;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use serde_json::{json, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, timeout};
use tokio_rustls::rustls::pki_types::{pem::PemObject, CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_util::compat::TokioAsyncReadCompatExt;
use yamux::{Mode, Stream};

use crate::mux::{Mux, Opener};
use crate::transport::Pipe;
use crate::{control, fail, relay, say, Named, Options};

const WAIT: Duration = Duration::from_secs(10);

async fn dial(options: &Options) -> Result<Pipe> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&options.ca).unwrap_or_else(|why| fail(why.to_string()))
    {
        let _ = roots.add(certificate.unwrap_or_else(|why| fail(why.to_string())));
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = options.transport.alpn();
    let name = ServerName::try_from(options.host().to_string()).unwrap_or_else(|why| fail(why.to_string()));
    let socket = TlsConnector::from(Arc::new(config))
        .connect(name, TcpStream::connect(&options.gateway).await?)
        .await?;
    options.transport.connect(socket, options).await
}

async fn request(stream: &mut Stream, message: Value) -> Value {
    control::send(stream, &message)
        .await
        .unwrap_or_else(|why| fail(format!("send: {why}")));
    loop {
        let answer = match timeout(WAIT, control::receive(stream)).await {
            Err(_) => fail(format!("no answer to {} in time", message["method"])),
            Ok(Err(why)) => fail(format!("no answer to {}: {why}", message["method"])),
            Ok(Ok(answer)) => answer,
        };
        if answer.get("id").is_none() {
            say(format!("message {answer}"));
        } else if answer["id"] == message["id"] {
            if let Some(error) = answer.get("error") {
                fail(format!(
                    "refused {} {}",
                    error["code"],
                    error["message"].as_str().unwrap_or("")
                ));
            }
            return answer["result"].clone();
        }
    }
}

/// Two connections to every local service, opened and never used.
async fn warm(proxies: &[Named]) -> Vec<TcpStream> {
    let mut pool = Vec::new();
    for proxy in proxies.iter().flat_map(|proxy| [proxy, proxy]) {
        if let Ok(Ok(local)) = timeout(WAIT / 2, TcpStream::connect(("127.0.0.1", proxy.other))).await {
            pool.push(local);
        }
    }
    pool
}

fn configuration(options: &Options) -> Value {
    let proxy = |p: &Named| {
        let (address, port) = ("127.0.0.1", p.publish);
        json!({"local_port": p.other, "name": p.name, "proxy_type": "tcp",
               "publish_addr": address, "publish_port": port})
    };
    let visitor = |v: &Named| {
        let (address, port) = ("127.0.0.1", v.other);
        json!({"bind_addr": address, "bind_port": port, "name": v.name,
               "proxy_type": "tcp", "publish_port": v.publish})
    };
    json!({"proxies": options.proxies.iter().map(proxy).collect::<Vec<_>>(),
           "visitors": options.visitors.iter().map(visitor).collect::<Vec<_>>()})
}

pub async fn connect(options: Options) {
    let socket = dial(&options)
        .await
        .unwrap_or_else(|why| fail(format!("connect: {why}")));
    let mut mux = Mux::start(socket.compat(), Mode::Client);
    let mut stream = mux.opener.open().await.unwrap_or_else(|| fail("open"));
    let result = request(
        &mut stream,
        json!({"jsonrpc": "2.0", "method": "authenticate",
               "params": {"auth_key": options.auth_key, "protocol_version": "1.5.1"}, "id": 1}),
    )
    .await;
    say(format!("authenticated {result}"));
    let _pool = warm(&options.proxies).await;
    let params = configuration(&options);
    let result = request(
        &mut stream,
        json!({"jsonrpc": "2.0", "method": "submit_config", "params": params, "id": 2}),
    )
    .await;
    say(format!("configured {result}"));
    while let Ok(early) = mux.inbound.try_recv() {
        say("reset an early stream");
        drop(early);
    }
    for named in options.visitors.clone() {
        tokio::spawn(visit(mux.opener.clone(), named));
    }
    say("running");
    run(&options, &mut mux, &mut stream).await
}

async fn run(options: &Options, mux: &mut Mux, stream: &mut Stream) {
    let mut ticks = interval(Duration::from_secs(30));
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let beat = json!({"jsonrpc": "2.0", "method": "heartbeat", "params": null});
                let _ = control::send(stream, &beat).await;
            }
            message = control::receive(stream) => match message {
                Ok(message) if message.get("params").is_some() => say(format!("message {message}")),
                Ok(message) => fail(format!("session ended: no params in {message}")),
                Err(why) => fail(format!("session ended: {why}")),
            },
            inbound = mux.inbound.recv() => match inbound {
                Some(inbound) => { tokio::spawn(serve(options.proxies.clone(), inbound)); }
                None => fail("session ended: connection closed"),
            },
        }
    }
}

async fn serve(proxies: Vec<Named>, mut stream: Stream) {
    let mut port = [0u8; 2];
    if stream.read_exact(&mut port).await.is_err() {
        return;
    }
    let published = u16::from_be_bytes(port);
    let Some(proxy) = proxies.iter().find(|proxy| proxy.publish == published) else {
        return;
    };
    for _ in 0..3 {
        if let Ok(local) = TcpStream::connect(("127.0.0.1", proxy.other)).await {
            return relay::either(local, stream).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    say(format!("no local service on {}", proxy.other));
}

async fn visit(opener: Opener, visitor: Named) {
    let listener = TcpListener::bind(("127.0.0.1", visitor.other))
        .await
        .unwrap_or_else(|why| fail(why.to_string()));
    say(format!("visiting 127.0.0.1:{}", visitor.other));
    while let Ok((user, _)) = listener.accept().await {
        let (opener, visitor) = (opener.clone(), visitor.clone());
        tokio::spawn(async move {
            if let Err(why) = open_visitor(opener, visitor, user).await {
                say(format!("visitor refused: {why}"));
            }
        });
    }
}

async fn open_visitor(opener: Opener, visitor: Named, user: TcpStream) -> Result<()> {
    let Some(mut stream) = opener.open().await else {
        return Err(std::io::ErrorKind::NotConnected.into());
    };
    for part in [
        &(visitor.name.len() as u16).to_be_bytes()[..],
        visitor.name.as_bytes(),
        &visitor.publish.to_be_bytes()[..],
    ] {
        stream.write_all(part).await?;
    }
    stream.flush().await?;
    let mut verdict = [0u8; 1];
    stream.read_exact(&mut verdict).await?;
    if verdict[0] == 1 {
        relay::visitor(user, stream).await;
        return Ok(());
    }
    let mut length = [0u8; 2];
    stream.read_exact(&mut length).await?;
    let mut text = vec![0u8; u16::from_be_bytes(length) as usize];
    stream.read_exact(&mut text).await?;
    Err(std::io::Error::other(String::from_utf8_lossy(&text).into_owned()))
}
