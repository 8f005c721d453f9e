"""`tunnel status`, `top` and `health`: what a running program is asked, on a terminal and without one."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import threading

import pytest

import tunnel
from acceptor import Acceptor, hang_up
from management import Management
from terminal import Terminal
from traffic import transfer

ORIGINAL = [
    {
        "name": "old\x1b[2J",
        "publish_addr": "0.0.0.0",
        "publish_port": 8080,
        "local_port": 3000,
        "total_connections": 7,
        "active_connections": 2,
        "bytes_sent": 1536,
        "bytes_received": 10,
        "start_time": 1700000000,
    }
]


def ask(*args):
    return subprocess.run([tunnel.BIN, *args], capture_output=True, text=True, timeout=60)


def rows(text):
    """The tables of plain output: for each its rows, as dicts by the titles."""
    tables = []
    for block in text.strip("\n").split("\n\n"):
        head, *lines = block.split("\n")
        titles = head.split()
        tables.append([dict(zip(titles, re.split(r"\s{2,}", line))) for line in lines])
    return tables


def told(world, **client):
    ours, theirs, service = Management(), Management(), world.service()
    gateway = world.gateway(top=ours.top).ready()
    port = tunnel.free_port()
    proxies = [tunnel.proxy("web", port, client.pop("local", service.port))]
    world.client(gateway, proxies=proxies, top=theirs.top, **client).ready()
    return ours, theirs, port


class Sink:
    """Accepts and reads nothing until it is told to."""

    def __init__(self):
        self.reads = threading.Event()
        self.socks, self.readers = [], []
        self.acceptor = Acceptor(self._take)
        self.port = self.acceptor.port

    def _take(self, sock):
        self.socks.append(sock)
        reader = threading.Thread(target=self._read, args=(sock,), daemon=True)
        self.readers.append(reader)
        reader.start()

    def _read(self, sock):
        self.reads.wait()
        try:
            while sock.recv(1 << 16):
                pass
        except OSError:
            pass

    def close(self):
        self.reads.set()
        self.acceptor.close()
        for sock, reader in zip(self.socks, self.readers):
            hang_up(sock, reader)


def pour(world, port):
    """Sends without end, in the background."""
    sock = socket.create_connection(("127.0.0.1", port))

    def send():
        try:
            while True:
                sock.sendall(bytes(1 << 16))
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    world.closers.append(lambda: hang_up(sock, sender))


def serve(world, answer):
    """A listener that reads one request and answers with these bytes, then closes: its port."""

    def take(sock):
        with sock:
            request = sock.recv(4096)
            sock.sendall(answer(request.split()[1].decode()) if request else b"")

    acceptor = Acceptor(take)
    world.closers.append(acceptor.close)
    return acceptor.port


def originals_answer(with_length):
    def answer(path):
        body = json.dumps(ORIGINAL, indent=2).encode() if path == "/stats" else b"404 Not Found"
        head = b"HTTP/1.1 200 OK\r\n" if path == "/stats" else b"HTTP/1.1 404 Not Found\r\n"
        length = b"Content-Length: %d\r\n" % len(body) if with_length else b""
        return head + b"Content-Type: application/json\r\n" + length + b"\r\n" + body

    return answer


def test_status(world):
    gateway, client, port = told(world)
    transfer(port, 1000, 100_000)
    tunnel.until(lambda: gateway.published()["active_connections"] == 0, "the transfer to be over")
    published, links = rows(ask("status", "--url", f"http://{gateway.address}").stdout)
    assert len(published) == 1 and len(links) == 1
    assert published[0]["NAME"] == "web" and published[0]["PUBLISHED"] == f"127.0.0.1:{port}"
    assert published[0]["TOTAL"] == "1" and published[0]["SENT"].endswith(" KB")
    assert links[0]["PROTOCOL"] == "tls-tunnel" and links[0]["ROLE"] == "gateway"
    published, links = rows(ask("status", "-u", client.address).stdout)
    assert published[0]["KIND"] == "proxy" and links[0]["ROLE"] == "client"


def test_health(world):
    ours, theirs = Management(), Management()
    gateway = world.gateway(top=ours.top).ready()
    done = ask("health", f"--url=http://{ours.address}")
    assert (done.returncode, done.stdout) == (0, "ready\n")
    nowhere = f"127.0.0.1:{tunnel.free_port()}"
    client = world.client(nowhere, proxies=[tunnel.proxy("web", 1, 2)], top=theirs.top)
    client.wait_listening(theirs.port)
    done = ask("health", "-u", theirs.address)
    assert done.returncode == 1 and done.stdout.strip() not in ("", "ready") and not done.stderr
    gateway.stop()
    done = ask("health", "-u", ours.address)
    assert done.returncode == 1 and "nobody listens there" in done.stderr


def test_a_token(world, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef\n")
    (tmp_path / "other").write_text("0123456789abcdeg\n")
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    ours = Management(token="0123456789abcdef")
    world.gateway(top=ours.top).ready().wait_listening(ours.port)
    assert ask("status", "-u", ours.address, "--token-file", tmp_path / "token").returncode == 0
    for more in ((), ("--token-file", tmp_path / "other")):
        for command in ("status", "top", "health"):
            done = ask(command, "-u", ours.address, *more)
            assert done.returncode == 1 and not done.stdout
            assert done.stderr == f"tunnel: {ours.address} wants a token: --token-file FILE\n"
    done = ask("status", "-u", ours.address, "--token-file", tmp_path / "none")
    assert done.returncode == 1 and "none" in done.stderr


@pytest.mark.parametrize("scheme", ["unix:", "http://unix:"])
def test_a_unix_socket(world, scheme):
    path = world.folder / "stats.sock"
    ours = Management(str(path))
    world.gateway(top=ours.top).ready()
    tunnel.until(path.exists, "the socket")
    done = ask("health", "--url", f"{scheme}{path}")
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr


def test_plain_output_has_rates_and_causes(world):
    sink = Sink()
    world.closers.append(sink.close)
    _, client, port = told(world, local=sink.port)
    pour(world, port)
    tunnel.until(
        lambda: any(row["stalled_seconds"]["socket"] > 0 for row in client.channels()),
        "the sink to hold back",
    )
    done = ask("top", "--interval", "1", "-u", client.address)
    published, links, channels = rows(done.stdout)
    for table in (published, links, channels):
        assert len(table) == 1 and "socket" in str(table[0]), done.stdout
    sink.reads.set()

    def rate():
        return rows(ask("top", "-i1", "-u", client.address).stdout)[0][0]["RATE"]

    tunnel.until(lambda: re.match(r"[0-9.]+ [KMG]B/s", rate()), "bytes to flow")


@pytest.mark.parametrize("with_length", [True, False])
def test_the_originals_statistics(world, with_length):
    port = serve(world, originals_answer(with_length))
    done = ask("status", "--url", f"http://127.0.0.1:{port}/")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    ((row,),) = rows(done.stdout)
    assert row["NAME"] == "old?[2J" and row["PUBLISHED"] == "0.0.0.0:8080"
    assert " 1.50 KB " in done.stdout
    done = ask("health", "-u", f"127.0.0.1:{port}")
    assert done.returncode == 1 and "it is not this program" in done.stderr
    terminal = Terminal(["top", "-u", f"127.0.0.1:{port}", "-i", "1"])
    world.closers.append(terminal.close)
    terminal.shows("old?[2J")
    assert not any("links" in line for line in terminal.lines)
    terminal.press("q")
    assert terminal.ends() == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>\x1b[2J</html>",
        b"HTTP/1.1 500 No\r\n\r\n\x1b[2Jbroken",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10000,
    ],
)
def test_what_is_no_statistics(world, answer):
    port = serve(world, lambda _: answer)
    for command in ("status", "top"):
        done = ask(command, "-u", f"127.0.0.1:{port}")
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr
        assert done.stderr.startswith(f"tunnel: 127.0.0.1:{port}")


def test_nobody_listens():
    done = ask("top", "-u", f"127.0.0.1:{tunnel.free_port()}")
    assert done.returncode == 1 and "stats.listen_addr" in done.stderr


@pytest.fixture
def terminal(world):
    gateway, _, port = told(world)
    made = Terminal(["top", "-u", gateway.address, "--interval", "1"])
    made.gateway, made.port = world.processes[0], port
    world.closers.append(made.close)
    return made


def test_a_terminal(terminal):
    lines = terminal.shows(f"127.0.0.1:{terminal.port}")
    assert "?1049" in terminal.modes and "?25" not in terminal.modes
    assert lines[1].startswith("[proxies]") and "NAME*" in lines[2] and lines[3].startswith("web ")
    assert "q quit" in lines[13] and terminal.colored
    terminal.shows("B/s")
    terminal.press("c")
    terminal.shows("ACTIVE*")
    terminal.press(">")
    terminal.shows("TOTAL*")
    terminal.press("\x1b[D")
    terminal.shows("ACTIVE*")
    terminal.press("\t")
    terminal.shows("[links]")
    terminal.shows("tls-tunnel")
    terminal.press("\t")
    terminal.shows("no channels")
    with socket.create_connection(("127.0.0.1", terminal.port)):
        terminal.press("r")
        terminal.shows(f"web:{terminal.port}")
        terminal.press("\x1b[Z")
        terminal.shows("[links]")
        terminal.resize(8, 60)
        terminal.until(lambda lines: "q quit" in lines[7], "the smaller screen to be filled")
        assert all(len(line) <= 60 for line in terminal.lines)
    terminal.press("q")
    assert terminal.ends() == 0


def test_only_what_changes_is_written(terminal):
    terminal.shows("B/s")
    terminal.raw = b""
    terminal.press("r" * 20)
    terminal.press("\t")
    terminal.shows("[links]")
    assert b"\x1b[2J" not in terminal.raw
    assert terminal.raw.count(b"q quit") == 1
    terminal.press("\x1b")
    assert terminal.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_give_the_terminal_back(terminal, number):
    terminal.shows("web ")
    terminal.child.send_signal(number)
    assert terminal.ends() == 0


# What a shell does with a job in the foreground that is stopped and goes on: JOB STOPPED GO.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if not child:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[3], sys.argv[3:])
_, status = os.waitpid(child, os.WUNTRACED)
assert os.WIFSTOPPED(status), status
os.tcsetpgrp(0, os.getpgrp())
open(sys.argv[1], "w").close()
open(sys.argv[2]).read()
os.tcsetpgrp(0, child)
os.kill(child, signal.SIGCONT)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_suspended_and_resumed(world):
    """By Ctrl-Z: the shell gets its terminal, and top comes back to it."""
    gateway, _, _ = told(world)
    stopped, go = world.folder / "stopped", world.folder / "go"
    os.mkfifo(go)
    args = ["-c", SHELL, str(stopped), str(go), str(tunnel.BIN), "top", "-u", gateway.address]
    terminal = Terminal(args, program=sys.executable)
    world.closers.append(terminal.close)
    terminal.shows("web ")
    terminal.press("\x1a")
    tunnel.until(stopped.exists, "the shell to have the terminal")
    terminal.read()
    assert "?1049" not in terminal.modes and termios.tcgetattr(terminal.slave) == terminal.before
    go.write_text("\n")
    terminal.until(lambda _: "?1049" in terminal.modes, "the screen to be back")
    terminal.shows("web ")
    terminal.press("\t")
    terminal.shows("[links]")
    terminal.press("q")
    assert terminal.ends() == 0


def test_stopped_from_outside(terminal):
    terminal.shows("web ")
    terminal.child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, terminal.child.pid, os.WSTOPPED | os.WNOWAIT)
    termios.tcsetattr(terminal.slave, termios.TCSANOW, terminal.before)
    terminal.lines = [""] * terminal.rows
    terminal.child.send_signal(signal.SIGCONT)
    terminal.shows("web ")
    terminal.press("q")
    assert terminal.ends() == 0


def test_the_end_of_the_other_side_is_shown(terminal):
    terminal.shows("web ")
    terminal.gateway.stop()
    terminal.shows("nobody listens there")
    assert any(line.startswith("web ") for line in terminal.lines)
    terminal.press("q")
    assert terminal.ends() == 0


def test_no_color(world):
    gateway, _, _ = told(world)
    terminal = Terminal(["top", "-u", gateway.address], env={"NO_COLOR": "1"})
    world.closers.append(terminal.close)
    terminal.shows("web ")
    assert not terminal.colored
    terminal.press("q")
    assert terminal.ends() == 0


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["top", "-i1"]])
def test_a_pipe_that_nobody_reads(world, command):
    gateway, _, _ = told(world)
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [tunnel.BIN, *command, "-u", gateway.address],
        stdout=writes,
        stderr=subprocess.PIPE,
        restore_signals=False,
    )
    os.close(writes)
    assert done.returncode == -signal.SIGPIPE and not done.stderr


def test_output_into_a_pipe_that_is_full(world):
    gateway, _, _ = told(world)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [tunnel.BIN, "status", "-u", gateway.address], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and "cannot be written" in done.stderr
