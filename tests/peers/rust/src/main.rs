//! A TLS Tunnel peer (version 1.5) on the crates that the original pins, in both roles, for tests only.
//!
//!     peer server --listen 127.0.0.1:0 --cert C --key K --auth-key A
//!     peer client --gateway HOST:PORT --ca C --auth-key A [--proxy NAME:PORT:LOCAL] [--visitor ...]
//!     both: [--transport tls|wss|http2]; client: [--path /]; server: [--behind-proxy true], without TLS
//!
//! It has the habits of the original: streams open with their first write, a length and its body are
//! separate frames, reading a control message is forgotten when something else happens in between, the
//! normal end of a proxied stream is RST, streams that come before the session runs are reset.
//! One line on standard output for each event.

mod client;
mod control;
mod mux;
mod relay;
mod server;
mod transport;

use std::process::exit;

use transport::Transport;

#[derive(Clone, Default)]
pub struct Options {
    pub listen: String,
    pub cert: String,
    pub key: String,
    pub gateway: String,
    pub ca: String,
    pub auth_key: String,
    pub transport: Transport,
    pub path: String,
    pub behind_proxy: bool,
    pub proxies: Vec<Named>,
    pub visitors: Vec<Named>,
}

impl Options {
    /// The gateway's name without the port.
    pub fn host(&self) -> &str {
        self.gateway.rsplit_once(':').map_or("", |(host, _)| host)
    }
}

/// NAME:PUBLISH:OTHER, where OTHER is the local or the bind port.
#[derive(Clone)]
pub struct Named {
    pub name: String,
    pub publish: u16,
    pub other: u16,
}

pub fn say(line: impl AsRef<str>) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}

pub fn fail(why: impl AsRef<str>) -> ! {
    say(format!("failed: {}", why.as_ref()));
    exit(1)
}

fn named(text: &str) -> Named {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [name, publish, other] => match (publish.parse(), other.parse()) {
            (Ok(publish), Ok(other)) => Named {
                name: name.into(),
                publish,
                other,
            },
            _ => fail(format!("{text}: not a port")),
        },
        _ => fail(format!("{text} is not NAME:PORT:PORT")),
    }
}

fn parse(mut args: std::env::Args) -> Options {
    let mut options = Options {
        listen: "127.0.0.1:0".into(),
        path: "/".into(),
        ..Options::default()
    };
    while let Some(flag) = args.next() {
        let value = args
            .next()
            .unwrap_or_else(|| fail(format!("{flag} needs a value")));
        match flag.as_str() {
            "--listen" => options.listen = value,
            "--cert" => options.cert = value,
            "--key" => options.key = value,
            "--gateway" => options.gateway = value,
            "--ca" => options.ca = value,
            "--auth-key" => options.auth_key = value,
            "--transport" => options.transport = Transport::named(&value),
            "--path" => options.path = value,
            "--behind-proxy" => options.behind_proxy = value == "true",
            "--proxy" => options.proxies.push(named(&value)),
            "--visitor" => options.visitors.push(named(&value)),
            _ => fail(format!("unknown option {flag}")),
        }
    }
    options
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut args = std::env::args();
    args.next();
    let role = args.next().unwrap_or_default();
    let options = parse(args);
    match role.as_str() {
        "server" => server::serve(options).await,
        "client" => client::connect(options).await,
        _ => fail("usage: peer server|client [options]"),
    }
}
