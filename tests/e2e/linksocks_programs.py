"""LinkSocks programs: ours by configuration, and the original by its library."""

import functools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading

import pytest

import tunnel
from acceptor import hang_up
from peers import OUT

PEER = pathlib.Path(tunnel.ROOT / "tests" / "peers" / "linksocks" / "peer.py")
# The one that the protocol was taken from; and the newest that comes built: of later ones there are sources
# only, which lack a part.
VERSIONS = ["1.8.9", "1.10.1"]


class Server(tunnel.Program):
    """Our gateway with LinkSocks: `url` is its own listener in clear, `secure` its TLS port."""

    def __init__(
        self, folder, engine, certificate, tokens, name="server", top=None, options=None, **linksocks
    ):
        self.port, self.tls_port = tunnel.free_port(), tunnel.free_port()
        self.url, self.address = f"ws://127.0.0.1:{self.port}", f"127.0.0.1:{self.port}"
        self.secure = f"127.0.0.1:{self.tls_port}"
        section = {"listen_addr": self.address, "tokens": tokens, **linksocks}
        gateway = {
            "listen_addr": self.secure,
            "tls_cert": str(certificate.cert),
            "tls_key": str(certificate.key),
            "linksocks": {k: v for k, v in section.items() if v is not None},
        }
        config = {"gateway": gateway, "access": {"deny": []}, **(top or {})}
        super().__init__(folder, name, config, engine, **(options or {}))

    def ready(self):
        self.wait_listening(self.port)
        return self.wait_listening(self.tls_port)


class Client(tunnel.Program):
    """Ours: a forward client, a connector (the token decides) or, with reverse=True, a provider."""

    def __init__(self, folder, engine, server, token, name="client", top=None, options=None, **client):
        self.socks = None if client.get("reverse") else tunnel.free_port()
        section = {
            "protocol": "linksocks",
            "gateway_addr": server,
            "plaintext": True,
            "token": token,
            "reconnect": {"min": "200ms", "max": "1s"},
            **client,
        }
        if self.socks:
            section.setdefault("socks5", {})
            section["socks5"] = {"listen_addr": f"127.0.0.1:{self.socks}", **section["socks5"]}
        config = {"client": section, "access": {"deny": []}, **(top or {})}
        super().__init__(folder, name, config, engine, **(options or {}))

    def ready(self):
        self.wait_line('"logged in"')
        return self.wait_listening(self.socks) if self.socks else self


@functools.lru_cache
def original(version):
    """The interpreter of an environment that has the original, or why there is none."""
    folder = OUT / f"linksocks-{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, timeout=120
        )
        if made.returncode:
            return None, f"no virtual environment (python3-venv): {made.stdout.strip()[-200:]}"
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--only-binary=linksocks",
        f"linksocks=={version}",
    ]
    check = [str(python), "-c", "import linksocks"]
    if subprocess.run(check, capture_output=True, timeout=60).returncode:
        try:
            fetched = subprocess.run(install, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            return None, "the package cannot be fetched in time"
        if fetched.returncode:
            return None, f"the package cannot be fetched: {fetched.stderr.strip()[-200:]}"
    return python, None


class Original(tunnel.Process):
    """The original: Original(world, version, "server", port, "--forward", token) and the like."""

    def __init__(self, version, role, *arguments):
        python, why = original(version)
        if python is None:
            pytest.skip(f"linksocks {version}: {why}")
        # Its Go library makes its own threads; two are enough here.
        super().__init__([python, PEER, role, *arguments], f"original {role}", env={"GOMAXPROCS": "2"})

    def ready(self):
        self.wait_line("^ready", 40)
        return self


class Echo:
    """A UDP service that sends back what it gets, with "echo:" in front."""

    def __init__(self, host="127.0.0.1", family=socket.AF_INET):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.sources = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                payload, source = self.socket.recvfrom(65536)
                if source is None:  # it was shut down
                    return
                self.sources.add(source)
                self.socket.sendto(b"echo:" + payload, source)
            except OSError:
                return

    def close(self):
        hang_up(self.socket, self._thread)
