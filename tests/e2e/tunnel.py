"""Gateways and clients as processes: configuration, ports, readiness, standard error.

Nothing here sleeps for a guess: a port is ready when the kernel lists it as listening, a line is there
when it was read. The binary is $TUNNEL_BIN, or build/tunnel of this tree.
"""

import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("TUNNEL_BIN", str(ROOT / "build" / "tunnel"))
KEY = "0123456789abcdef"
FULL = os.environ.get("FULL") == "1"
# Waits are generous where a sanitizer makes everything slow.
_code = pathlib.Path(BIN).read_bytes() if os.path.exists(BIN) else b""
SANITIZED = b"__asan_init" in _code or b"__tsan_init" in _code
PATIENCE = float(os.environ.get("TUNNEL_PATIENCE", "1"))
WAIT = 15 * PATIENCE

PORTS_FIRST, PORTS_END, PORTS_BLOCK = 10000, 32000, 50
_blocks = []  # names that nobody else has: the ports of a block are this run's while it lives


def _own_ports():
    """Ports in blocks that no other run on this machine takes, or one would use what the other publishes."""
    blocks = list(range(PORTS_FIRST, PORTS_END, PORTS_BLOCK))
    random.shuffle(blocks)
    for first in blocks:
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0tunnel-e2e-ports-{first}")
        except OSError:
            name.close()
            continue
        _blocks.append(name)
        yield from range(first, first + PORTS_BLOCK)


_ports = _own_ports()
_ports_lock = threading.Lock()


def _next_port():
    with _ports_lock:
        return next(_ports, None)


def free_port():
    """A port below the ephemeral range that nobody listens on; never the same one twice in a run."""
    while port := _next_port():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no port is left")


def is_listening(port):
    """Whether the kernel lists a listener on the port, without connecting to it."""
    wanted = f":{port:04X} "
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            for line in lines:
                fields = line.split(maxsplit=4)
                if fields[3] == "0A" and (fields[1] + " ").endswith(wanted):
                    return True
    return False


def until(condition, what, timeout=WAIT):
    """Asks again and again until the condition holds, and gives what it gave."""
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(0.005)


class Process:
    """A child whose lines on both outputs are kept as they come."""

    def __init__(self, args, name, env=None, before=None):
        self.name, self.args = name, [str(arg) for arg in args]
        self.lines = []
        self._changed = threading.Condition()
        self.child = subprocess.Popen(
            self.args,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            preexec_fn=before,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(pipe,), daemon=True)
            for pipe in (self.child.stdout, self.child.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe):
        for line in pipe:
            with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self):
        return self.child.pid

    def log(self):
        return f"--- {self.name} ({' '.join(self.args)}), exit {self.child.poll()}\n" + "\n".join(
            self.lines[-80:]
        )

    def matching(self, pattern, since=0):
        return [line for line in self.lines[since:] if re.search(pattern, line)]

    def wait_line(self, pattern, timeout=WAIT, since=0):
        """The first line that matches; fails when the process has ended without it."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                found = self.matching(pattern, since)
                if found:
                    return found[0]
                left = end - time.monotonic()
                ended = self.child.poll() is not None and not any(r.is_alive() for r in self._readers)
                if left <= 0 or ended:
                    raise AssertionError(f"no line /{pattern}/ from\n{self.log()}")
                self._changed.wait(min(left, 0.2))

    def wait_listening(self, port, timeout=WAIT):
        def ready():
            if self.child.poll() is not None:
                raise AssertionError(f"ended before it listened on {port}\n{self.log()}")
            return is_listening(port)

        until(ready, lambda: f"listener on {port}\n{self.log()}", timeout)
        return self

    def wait_exit(self, timeout=WAIT):
        try:
            code = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout:g} s\n{self.log()}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for reader in self._readers:
            reader.join(5)

    def stop(self, timeout=40):
        """SIGTERM, then the end that it promises; a crash or a sanitizer's report fails the test."""
        if self.child.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait_exit(timeout)
        assert code == 0, f"exit {code}\n{self.log()}"

    def status(self, field, file="status"):
        with open(f"/proc/{self.pid}/{file}") as lines:
            for line in lines:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise KeyError(field)

    def memory_kib(self, field):
        return self.status(field, "smaps_rollup")

    def rss_kib(self):
        return self.status("VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def records(self, since=0):
        """The log as objects; what is no JSON (a sanitizer's report, say) is left out."""
        found = []
        for line in self.lines[since:]:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                found.append(record)
        return found

    def about(self, text, since=0):
        """Log records with a fact that contains the text, say a peer's address."""
        return [r for r in self.records(since) if any(text in str(v) for k, v in r.items() if k != "time")]

    def endings(self, peer, since=0):
        """The records that say why a peer's connection ended: they name the peer and a reason."""
        return [r for r in self.about(peer, since) if "reason" in r or r.get("level") in ("warn", "error")]


class Program(Process):
    """tunnel, run from a configuration that is a dict (JSON is YAML)."""

    def __init__(self, folder, name, config, engine, **options):
        self.file = pathlib.Path(folder) / f"{name}.yaml"
        base = {
            "engine": engine,
            "cores": int(os.environ.get("TUNNEL_CORES", "1")),
            "state_dir": str(folder),
            "log": {"level": "info", "format": "json"},
        }
        self.config = {**base, **config}
        self.write()
        super().__init__([BIN, "--config", self.file], name, **options)

    def write(self):
        self.file.write_text(json.dumps(self.config, indent=2) + "\n")
        self.file.chmod(0o600)


class Gateway(Program):
    def __init__(
        self,
        folder,
        engine,
        certificate,
        port=None,
        name="gateway",
        tls_tunnel=None,
        top=None,
        options=None,
        **gateway,
    ):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        section = {
            "listen_addr": self.address,
            "tls_cert": str(certificate.cert),
            "tls_key": str(certificate.key),
            "tls_tunnel": {"auth_key": KEY, **(tls_tunnel or {})},
            **gateway,
        }
        super().__init__(folder, name, {"gateway": section, **(top or {})}, engine, **(options or {}))

    def ready(self):
        return self.wait_listening(self.port)

    def kill(self):
        """The kernel takes a moment to close what an io_uring of a killed process still holds."""
        lives = self.child.poll() is None
        super().kill()
        if lives:
            until(lambda: not is_listening(self.port), f"port {self.port} to be closed")


def proxy(name, publish_port, local_port, **more):
    return {
        "name": name,
        "publish_addr": "127.0.0.1",
        "publish_port": publish_port,
        "local_addr": "127.0.0.1",
        "local_port": local_port,
        **more,
    }


def visitor(name, publish_port, bind_port, **more):
    return {
        "name": name,
        "publish_port": publish_port,
        "bind_addr": "127.0.0.1",
        "bind_port": bind_port,
        **more,
    }


class Client(Program):
    def __init__(
        self,
        folder,
        engine,
        gateway,
        certificate,
        proxies=(),
        visitors=(),
        name="client",
        top=None,
        options=None,
        **client,
    ):
        self.proxies, self.visitors = list(proxies), list(visitors)
        section = {
            "protocol": "tls-tunnel",
            "gateway_addr": gateway,
            "gateway_tls_cert": str(certificate.cert),
            "auth_key": KEY,
            "reconnect": {"min": "200ms", "max": "1s"},
            **client,
        }
        if self.proxies:
            section["proxies"] = self.proxies
        if self.visitors:
            section["visitors"] = self.visitors
        super().__init__(
            folder,
            name,
            {"client": {k: v for k, v in section.items() if v is not None}, **(top or {})},
            engine,
            **(options or {}),
        )

    def ready(self):
        """All published ports and all visitors' ports are listened on."""
        for one in self.proxies:
            self.wait_listening(one["publish_port"])
        for one in self.visitors:
            self.wait_listening(one["bind_port"])
        return self
