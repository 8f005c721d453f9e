//! The server: accepts clients, publishes their ports, joins visitors with owners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::{AsyncReadExt, AsyncWriteExt};
use serde_json::{json, Value};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{timeout, Duration};
use tokio_rustls::rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;
use tokio_util::compat::TokioAsyncReadCompatExt;
use yamux::{Mode, Stream};

use crate::mux::{Mux, Opener};
use crate::{control, fail, relay, say, Options};

type Registry = Arc<Mutex<HashMap<(String, u16), Opener>>>;

#[derive(PartialEq)]
enum State {
    Connected,
    Authenticated,
    Running,
}

fn acceptor(options: &Options) -> TlsAcceptor {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&options.cert)
        .and_then(|found| found.collect())
        .unwrap_or_else(|why| fail(why.to_string()));
    let key = PrivateKeyDer::from_pem_file(&options.key).unwrap_or_else(|why| fail(why.to_string()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap_or_else(|why| fail(why.to_string()));
    config.alpn_protocols = options.transport.alpn();
    TlsAcceptor::from(Arc::new(config))
}

pub async fn serve(options: Options) {
    let acceptor = (!options.behind_proxy).then(|| acceptor(&options));
    let transport = options.transport;
    let listener = TcpListener::bind(&options.listen)
        .await
        .unwrap_or_else(|why| fail(why.to_string()));
    say(format!("listening {}", listener.local_addr().unwrap()));
    let registry = Registry::default();
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, registry, key) = (acceptor.clone(), registry.clone(), options.auth_key.clone());
        tokio::spawn(async move {
            let pipe = match acceptor {
                None => transport.accept(socket).await,
                Some(acceptor) => match acceptor.accept(socket).await {
                    Ok(socket) => transport.accept(socket).await,
                    Err(why) => Err(why),
                },
            };
            match pipe {
                Ok(pipe) => {
                    let mux = Mux::start(pipe.compat(), Mode::Server);
                    say(format!("session ended: {}", session(mux, registry, key).await));
                }
                Err(why) => say(format!("no tunnel: {why}")),
            }
        });
    }
}

async fn session(mut mux: Mux, registry: Registry, auth_key: String) -> String {
    let Some(mut stream) = mux.inbound.recv().await else {
        return "no control stream".into();
    };
    let mut state = State::Connected;
    let mut owned = Vec::new();
    let mut listeners = JoinSet::new();
    let why = loop {
        tokio::select! {
            message = control::receive(&mut stream) => {
                let message = match message {
                    Ok(message) => message,
                    Err(why) => break why.to_string(),
                };
                say(format!("message {message}"));
                let params = &message["params"];
                match (message["method"].as_str().unwrap_or(""), &state) {
                    ("authenticate", _) if params["auth_key"] == auth_key.as_str() => {
                        state = State::Authenticated;
                        let result = json!({"client_id": "client_3f0e8a52-7c1b-4d7e-9a55-0c6d2b1e4f90",
                                            "min_client_version": "1.4.0", "protocol_version": "1.5.1"});
                        let answer = json!({"jsonrpc": "2.0", "result": result, "id": message["id"]});
                        let _ = control::send(&mut stream, &answer).await;
                    }
                    // Refusals never leave: the connection goes before they are flushed.
                    ("authenticate", _) => break "wrong key".into(),
                    ("submit_config", State::Authenticated) => {
                        publish(params, &mux.opener, &registry, &mut owned, &mut listeners);
                        let result = json!({"rejected_proxies": []});
                        let answer = json!({"jsonrpc": "2.0", "result": result, "id": message["id"]});
                        let _ = control::send(&mut stream, &answer).await;
                        state = State::Running;
                        say("running");
                    }
                    ("heartbeat", _) => {}
                    (method, _) => break format!("unexpected {method}"),
                }
            }
            inbound = mux.inbound.recv() => match inbound {
                Some(inbound) if state == State::Running => {
                    tokio::spawn(visit(registry.clone(), inbound));
                }
                Some(_) => say("reset an early stream"),
                None => break "connection closed".into(),
            },
        }
    };
    mux.driver.abort();
    registry.lock().unwrap().retain(|key, _| !owned.contains(key));
    why
}

fn publish(
    params: &Value,
    opener: &Opener,
    registry: &Registry,
    owned: &mut Vec<(String, u16)>,
    listeners: &mut JoinSet<()>,
) {
    for proxy in params["proxies"].as_array().into_iter().flatten() {
        let port = proxy["publish_port"].as_u64().unwrap_or(0) as u16;
        let name = proxy["name"].as_str().unwrap_or("").to_string();
        let address = format!("{}:{}", proxy["publish_addr"].as_str().unwrap_or("0.0.0.0"), port);
        registry
            .lock()
            .unwrap()
            .insert((name.clone(), port), opener.clone());
        owned.push((name, port));
        listeners.spawn(published(address, port, opener.clone()));
    }
}

async fn published(address: String, port: u16, opener: Opener) {
    let Ok(listener) = TcpListener::bind(&address).await else {
        return say(format!("cannot bind {address}"));
    };
    say(format!("published {address}"));
    while let Ok((user, _)) = listener.accept().await {
        let opener = opener.clone();
        tokio::spawn(async move {
            if let Some(stream) = open_proxy(&opener, port).await {
                relay::both(user, stream).await;
            }
        });
    }
}

async fn open_proxy(opener: &Opener, port: u16) -> Option<Stream> {
    let mut stream = opener.open().await?;
    stream.write_all(&port.to_be_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    Some(stream)
}

async fn visit(registry: Registry, mut stream: Stream) {
    let head = timeout(Duration::from_secs(30), async {
        let mut number = [0u8; 2];
        stream.read_exact(&mut number).await.ok()?;
        let mut name = vec![0u8; u16::from_be_bytes(number) as usize];
        stream.read_exact(&mut name).await.ok()?;
        stream.read_exact(&mut number).await.ok()?;
        Some((String::from_utf8(name).ok()?, u16::from_be_bytes(number)))
    });
    let Ok(Some((name, port))) = head.await else {
        return;
    };
    let owner = registry.lock().unwrap().get(&(name.clone(), port)).cloned();
    let Some(owner) = owner else {
        let text = format!("Proxy '{name}' with publish_port {port} not found or client not connected");
        for part in [
            &[0u8][..],
            &(text.len() as u16).to_be_bytes()[..],
            text.as_bytes(),
        ] {
            let _ = stream.write_all(part).await;
        }
        let _ = stream.flush().await;
        return;
    };
    if stream.write_all(&[1]).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    if let Some(target) = open_proxy(&owner, port).await {
        relay::streams(stream, target).await;
    }
}
