"""How `tunnel status`, `top` and `health` ask: TLS and whom they trust, tokens, and what may answer."""

import json
import socket
import ssl
import subprocess

import pytest

import tunnel
from acceptor import Acceptor
from certificate import Certificate
from management import Management
from test_top import ORIGINAL, ask, originals_answer, serve, told

TOKEN = "0123456789abcdef0123456789abcdef"


def secret(folder, name, text=TOKEN):
    file = folder / name
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


def test_json_for_scripts(world):
    ours, theirs, _ = told(world)
    for management, role in ((ours, "gateway"), (theirs, "client")):
        done = ask("status", "--json", "-u", management.address)
        assert done.returncode == 0 and not done.stderr
        answer = json.loads(done.stdout)
        assert list(answer) == ["stats", "sessions"]
        assert [row["name"] for row in answer["stats"]] == ["web"]
        assert [row["role"] for row in answer["sessions"]] == [role]


def test_json_of_the_original(world):
    port = serve(world, originals_answer(True))
    done = ask("status", "--json", "-u", f"127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"stats": ORIGINAL, "sessions": None}


@pytest.mark.parametrize("answer", [b"<p>", b"[", b"{}", b"[]]", b"[] []"])
def test_json_is_read_before_it_is_passed_on(world, answer):
    port = serve(world, lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + answer)
    done = ask("status", "--json", "-u", f"127.0.0.1:{port}")
    assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1


@pytest.fixture
def secured(world, certificate):
    """A gateway whose management listener speaks TLS and wants a token: its port."""
    ours = Management(token=TOKEN, tls_cert=str(certificate.cert), tls_key=str(certificate.key))
    world.gateway(top=ours.top).ready().wait_listening(ours.port)
    return ours.port


def test_tls_by_pin_and_by_file(secured, certificate, tmp_path):
    token = secret(tmp_path, "token")
    for host in ("127.0.0.1", "localhost"):
        for trust in (f"pin={certificate.pin()}", f"ca={certificate.cert}"):
            url = f"https://{host}:{secured}/?{trust}"
            done = ask("health", "-u", url, "--token-file", token)
            assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")
    for command in ("status", "top"):
        done = ask(command, "-u", url, "--token-file", token)
        assert done.returncode == 0 and "NAME" in done.stdout and not done.stderr


def test_a_certificate_that_is_not_trusted(secured, certificate, tmp_path):
    token = secret(tmp_path, "token")
    other = Certificate(tmp_path, name="other")
    place = f"https://127.0.0.1:{secured}"
    for trust in (f"?pin={other.pin()}", f"?ca={other.cert}", ""):
        done = ask("status", "-u", place + trust, "--token-file", token)
        assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"tunnel: {place}: ")
        assert certificate.pin() in done.stderr and "?pin=" in done.stderr
    done = ask("status", "-u", f"https://127.0.0.2:{secured}?ca={certificate.cert}")
    assert done.returncode == 1 and "127.0.0.2" in done.stderr
    done = ask("status", "-u", f"{place}?ca={tmp_path}/none", "--token-file", token)
    assert done.returncode == 1 and "none" in done.stderr
    done = ask("status", "-u", f"{place}?ca={token}")
    assert done.returncode == 1 and "token" in done.stderr and TOKEN not in done.stderr


def test_a_token_over_tls(secured, certificate, tmp_path):
    url = f"https://127.0.0.1:{secured}?pin={certificate.pin()}"
    for more in ((), ("--token-file", secret(tmp_path, "other", TOKEN[::-1]))):
        for command in ("status", "top", "health"):
            done = ask(command, "-u", url, *more)
            assert done.returncode == 1 and not done.stdout
            assert done.stderr.endswith("wants a token: --token-file FILE\n")


def own_address():
    """Of this machine, and not loopback; no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def test_a_token_in_clear_stays_on_the_machine(world, tmp_path):
    """To another address it goes only when that is insisted on, and before that nobody is even called."""
    token = secret(tmp_path, "token")
    speaker = Speaker(world, lambda talk: talk.sendall(b"HTTP/1.1 200 OK\r\n\r\nready\n"), host="0.0.0.0")
    url = f"http://{own_address()}:{speaker.port}"
    for command in ("status", "top", "health"):
        done = ask(command, "-u", url, "--token-file", token)
        assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1
        assert "in clear" in done.stderr and "--plaintext" in done.stderr and TOKEN not in done.stderr
    assert not speaker.heard
    for place, more in ((url, ["--plaintext"]), (f"http://localhost:{speaker.port}", [])):
        assert ask("health", "-u", place, "--token-file", token, *more).returncode == 0
        assert TOKEN.encode() in speaker.heard.pop()
    assert ask("health", "-u", url).returncode == 0
    assert b"Authorization" not in speaker.heard.pop()


def test_the_wrong_scheme_is_named(world, secured, certificate):
    ours = Management()
    world.gateway(top=ours.top).ready().wait_listening(ours.port)
    done = ask("status", "-u", f"https://{ours.address}?pin={certificate.pin()}")
    assert done.returncode == 1 and "http://" in done.stderr and "no TLS" in done.stderr
    done = ask("status", "-u", f"http://127.0.0.1:{secured}")
    assert done.returncode == 1 and "https://" in done.stderr


class Speaker:
    """A listener that does `speak(sock)` with everyone who comes, over TLS where there is a certificate."""

    def __init__(self, world, speak, certificate=None, host="127.0.0.1"):
        self.speak, self.tls, self.heard = speak, None, []
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate.cert, certificate.key)
        acceptor = Acceptor(self._take, address=(host, 0))
        world.closers.append(acceptor.close)
        self.port = acceptor.port
        self.url = f"http://127.0.0.1:{self.port}"
        if certificate:
            self.url = f"https://127.0.0.1:{self.port}?pin={certificate.pin()}"

    def _take(self, sock):
        try:
            with self.tls.wrap_socket(sock, server_side=True) if self.tls else sock as talk:
                self.heard.append(talk.recv(4096))
                self.speak(talk)
        except OSError:
            pass


@pytest.fixture(params=["clear", "tls"])
def spoken(request, world, certificate):
    """Makes speakers in clear, and over TLS."""
    return lambda speak: Speaker(world, speak, certificate if request.param == "tls" else None)


def test_another_listener_with_another_tls(world, certificate):
    """What stands before a listener may speak TLS 1.2 only, and end its answers by hanging up."""

    def speak(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n[]")
        sock.unwrap()

    speaker = Speaker(world, speak, certificate)
    speaker.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    done = ask("status", "-u", speaker.url)
    assert done.returncode == 0, done.stderr
    assert speaker.heard[0].startswith(b"GET /stats HTTP/1.1\r\nHost: 127.0.0.1:")


def test_an_end_that_nobody_vouches_for(world, certificate):
    """Without close_notify the answer may have been cut."""
    speaker = Speaker(world, lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n[]"), certificate)
    done = ask("status", "-u", speaker.url)
    assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1


def test_a_redirection_is_not_followed(world, spoken):
    target = Speaker(world, lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n[]"))
    answer = b"HTTP/1.1 302 Found\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n" % target.url.encode()
    done = ask("status", "-u", spoken(lambda sock: sock.sendall(answer)).url)
    assert done.returncode == 1 and "302" in done.stderr and not target.heard


def test_a_page_is_no_answer(spoken):
    page = b"<!doctype html>\x1b[2J<p>Sign in"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page
    speaker = spoken(lambda sock: sock.sendall(answer))
    for command in ("status", "top"):
        done = ask(command, "-u", speaker.url)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr


def test_an_answer_without_end_is_given_up(spoken):
    blanks = bytes(1 << 20).replace(b"\0", b" ")

    def speak(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n[")
        for _ in range(1000):
            sock.sendall(blanks)

    done = ask("status", "-u", spoken(speak).url)
    # What comes first depends on the machine.
    assert done.returncode == 1 and ("too long" in done.stderr or "no answer within" in done.stderr)


def test_who_says_nothing_is_not_waited_for(world, certificate):
    """Neither without TLS, nor in its handshake, nor behind it, nor within an answer."""
    silent = Speaker(world, lambda sock: sock.recv(1))

    def begin(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[")
        sock.recv(1)

    half = Speaker(world, begin)
    behind = Speaker(world, lambda sock: sock.recv(1), certificate)
    urls = [silent.url, half.url, behind.url, f"https://127.0.0.1:{silent.port}?pin={certificate.pin()}"]
    commands = [[tunnel.BIN, "status", "-u", url] for url in urls[:3]]
    for process in [subprocess.Popen(c, stderr=subprocess.PIPE, text=True) for c in commands]:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1 and "no answer within 5 s" in errors
    done = ask("status", "-u", urls[3])
    assert done.returncode == 1 and "no answer within 5 s" in done.stderr
