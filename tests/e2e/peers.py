"""Builds and runs the peers of tests/peers: TLS Tunnel on other people's yamux.

They are built once into $PEERS_DIR (or build/peers of this tree); without a compiler, or for Rust without
what it depends on, the tests that need them are skipped with the reason.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from tunnel import KEY, ROOT, Process

OUT = pathlib.Path(os.environ.get("PEERS_DIR", str(ROOT / "build" / "peers")))
SOURCES = ROOT / "tests" / "peers"
GOCODE = "/usr/share/gocode"


def _find(name, *places):
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))


def _run(command, **options):
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, **options
    )


def _go(folder, library, package):
    """Path of the program in tests/peers/FOLDER, which needs a library of Debian, or why there is none."""
    go = _find("go", "/usr/local/go/bin", "/usr/lib/go/bin")
    if not go:
        return None, "go is not installed (golang-go)"
    if not os.path.isdir(f"{GOCODE}/src/github.com/{library}"):
        return None, f"{package} is not installed"
    OUT.mkdir(parents=True, exist_ok=True)
    binary = OUT / f"peer-{folder}"
    env = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": GOCODE,
        "GOFLAGS": "",
        "GOCACHE": str(OUT / "go-cache"),
    }
    built = _run([go, "build", "-o", str(binary), "."], cwd=SOURCES / folder, env=env)
    if built.returncode:
        raise RuntimeError(f"the Go peer does not build:\n{built.stdout}")
    return binary, None


@functools.lru_cache
def go_peer():
    """Path of the peer on hashicorp/yamux, or why there is none."""
    return _go("go", "hashicorp/yamux", "golang-github-hashicorp-yamux-dev")


@functools.lru_cache
def websocket_peer():
    """Path of the peer on gorilla/websocket, which stock LinkSocks uses; skips where there is none."""
    binary, why = _go("websocket", "gorilla/websocket", "golang-github-gorilla-websocket-dev")
    if binary is None:
        pytest.skip(f"Go peer: {why}")
    return binary


@functools.lru_cache
def rust_peer():
    """Path of the peer on the yamux crate, or why there is none."""
    cargo = _find("cargo", "/root/.cargo/bin", os.path.expanduser("~/.cargo/bin"))
    if not cargo:
        return None, "cargo is not installed"
    target = OUT / "rust"
    env = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_NET_RETRY": "1", "CARGO_HTTP_TIMEOUT": "20"}
    # Cargo writes its lock beside the sources: these are a copy.
    sources = OUT / "rust-sources"
    shutil.copytree(SOURCES / "rust", sources, dirs_exist_ok=True)
    try:
        fetched = _run([cargo, "fetch"], cwd=sources, env=env)
    except subprocess.TimeoutExpired:
        return None, "crates cannot be fetched in time"
    if fetched.returncode:
        return None, f"crates cannot be fetched: {fetched.stdout.strip().splitlines()[-1]}"
    built = _run([cargo, "build", "--release", "--offline"], cwd=sources, env=env)
    if built.returncode and "could not compile `tls-tunnel-peer`" in built.stdout:
        raise RuntimeError(f"the Rust peer does not build:\n{built.stdout}")
    if built.returncode:
        return None, f"a crate does not build with this compiler: {built.stdout.strip().splitlines()[-1]}"
    return target / "release" / "peer", None


def peer_binary(kind):
    binary, why = go_peer() if kind == "go" else rust_peer()
    if binary is None:
        pytest.skip(f"{kind} peer: {why}")
    return binary


class Peer(Process):
    """A running peer. Its events are lines on standard output."""

    def __init__(self, kind, role, *flags):
        super().__init__([peer_binary(kind), role, "--auth-key", KEY, *flags], f"{kind} {role}")

    @classmethod
    def server(cls, kind, certificate, *flags):
        peer = cls(kind, "server", "--cert", certificate.cert, "--key", certificate.key, *flags)
        peer.port = int(re.search(r":(\d+)$", peer.wait_line("^listening ")).group(1))
        peer.address = f"127.0.0.1:{peer.port}"
        return peer

    @classmethod
    def client(cls, kind, gateway_port, certificate, proxies=(), visitors=(), flags=()):
        """proxies are (name, publish port, local port), visitors (name, publish port, bind port)."""
        trust = ["--ca", certificate.cert] if kind == "rust" else []
        wanted = [part for one in proxies for part in ("--proxy", "%s:%d:%d" % one)]
        wanted += [part for one in visitors for part in ("--visitor", "%s:%d:%d" % one)]
        return cls(kind, "client", "--gateway", f"127.0.0.1:{gateway_port}", *trust, *wanted, *flags)

    def running(self):
        self.wait_line("^running")
        return self
