"""Who a user is: PROXY headers in front and towards the service, host names that TLS may ask for, rates."""

import shutil
import socket
import struct
import subprocess
import time

import pytest

import proxy_header
import tunnel
import yamux
from proxy_header import Front
from traffic import exactly, transfer
from yamux import Server, dial, published

SHOWN = "198.51.100.77"  # whom proxies speak for
HERE = "127.77.0.1"  # of local services: other tests on this machine knock at 127.0.0.1


@pytest.fixture
def local(world):
    """A listening socket of the test in the place of a local service."""
    listener = socket.create_server((HERE, 0), backlog=64)
    listener.settimeout(tunnel.WAIT)
    world.closers.append(listener.close)
    return listener


def told(name, publish_port, local_port, version):
    """A proxy of ours that tells its service whose a connection is."""
    return tunnel.proxy(
        name, publish_port, local_port, local_addr=HERE, proxy_protocol=f"v{version}"
    )


@pytest.fixture
def front(world):
    """Makes proxies that say a header."""

    def go(*args, **options):
        made = Front(*args, **options)
        world.closers.append(made.close)
        return made

    return go


def user(port, source="127.0.0.9"):
    sock = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    sock.settimeout(tunnel.WAIT)
    return sock


def accept(listener):
    sock, _ = listener.accept()
    sock.settimeout(tunnel.WAIT)
    return sock


# ---- towards the service


@pytest.mark.parametrize("version", [1, 2])
def test_the_service_hears_whose_it_is(world, local, version):
    """The header comes first, also where the user says nothing, and everything else is as it was."""
    gateway, port = world.gateway().ready(), tunnel.free_port()
    proxies = [told("web", port, local.getsockname()[1], version)]
    world.client(gateway, proxies=proxies).ready()
    with user(port) as silent, accept(local) as service:
        expected = (version, "127.0.0.9", silent.getsockname()[1], HERE, port)
        assert proxy_header.read(service) == expected
        service.sendall(b"welcome")
        assert exactly(silent, 7) == b"welcome"
    with user(port, "127.1.2.3") as asking:
        asking.sendall(b"question")
        with accept(local) as service:
            expected = (version, "127.1.2.3", asking.getsockname()[1], HERE, port)
            assert proxy_header.read(service) == expected
            assert exactly(service, 8) == b"question"
            asking.shutdown(socket.SHUT_WR)
            assert service.recv(1) == b""
            service.sendall(b"answer")
            service.shutdown(socket.SHUT_WR)
            assert exactly(asking, 7) == b"answer"


@pytest.mark.parametrize("cores", [1, 2])
def test_a_visitor_s_user(world, local, cores):
    """From the visitor's port to the service of another client, over a ferry where there are workers."""
    top = {"cores": cores}
    gateway, port, bind = world.gateway(top=top).ready(), tunnel.free_port(), tunnel.free_port()
    proxies = [told("web", port, local.getsockname()[1], 2)]
    world.client(gateway, proxies=proxies, top=top).ready()
    visitors = [tunnel.visitor("web", port, bind)]
    world.client(gateway, name="visiting", visitors=visitors, top=top).ready()
    for source in ("127.0.0.5", "127.0.0.6"):
        with user(bind, source) as asking, accept(local) as service:
            expected = (2, source, asking.getsockname()[1], HERE, port)
            assert proxy_header.read(service) == expected


@pytest.mark.parametrize("version", [1, 2])
def test_a_stock_gateway_tells_nothing(world, certificate, local, version):
    proxies = [told("web", 8080, local.getsockname()[1], version)]
    with Server(certificate) as server:
        world.client(server.address, proxies=proxies)
        with server.accept() as session:
            session.admit()
            session.open(struct.pack(">H", 8080) + b"hello")
            with accept(local) as service:
                assert proxy_header.read(service) == (version, None, None, None, None)
                assert exactly(service, 5) == b"hello"


def test_a_service_that_starts_late_hears_it_too(world):
    """Each connection that is tried has the header, the one that works as well."""
    gateway, port, late = world.gateway().ready(), tunnel.free_port(), tunnel.free_port()
    client = world.client(
        gateway,
        proxies=[told("web", port, late, 1)],
        local_retries=50,
        local_retry_delay="100ms",
    ).ready()
    with user(port) as asking:
        asking.sendall(b"x")
        asking.settimeout(0.2)
        with pytest.raises(socket.timeout):
            asking.recv(1)
        with socket.create_server((HERE, late)) as listener:
            listener.settimeout(tunnel.WAIT)
            with accept(listener) as service:
                assert proxy_header.read(service)[1:3] == ("127.0.0.9", asking.getsockname()[1]), client.log()
                assert exactly(service, 1) == b"x"


@pytest.mark.parametrize("version", [1, 2])
def test_nginx_understands(world, version):
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        pytest.skip("nginx is not installed")
    listen, port, folder = tunnel.free_port(), tunnel.free_port(), world.folder
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; master_process off;\n"
        "events {}\nhttp { access_log off;\n"
        f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"server {{ listen 127.0.0.1:{listen} proxy_protocol;\n"
        "location / { return 200 "
        '"$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port\\n"; } } }\n'
    )
    nginx = world.add(
        tunnel.Process(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"], "nginx")
    )
    nginx.wait_listening(listen)
    gateway = world.gateway().ready()
    proxies = [tunnel.proxy("web", port, listen, proxy_protocol=f"v{version}")]
    world.client(gateway, proxies=proxies).ready()
    with user(port, "127.7.7.7") as asking:
        asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while more := asking.recv(65536):
            answer += more
        assert f"127.7.7.7 {asking.getsockname()[1]} {port}\n".encode() in answer, answer


# ---- in front of the gateway


def trusting_gateway(world, *trusted, **options):
    return world.gateway(
        proxy_protocol="accept", trusted_proxies=list(trusted or ["127.0.0.1"]), **options
    ).ready()


@pytest.mark.parametrize("piece", [None, 1, 7])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("source", [SHOWN, "2001:db8::77"])
def test_a_header_in_front(world, front, version, source, piece):
    gateway = trusting_gateway(world)
    proxy = front(gateway.port, proxy_header.make(version, source, 4711), piece=piece)
    service, port = world.service(), tunnel.free_port()
    world.client(proxy.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    host = f"[{source}]" if ":" in source else source
    tunnel.until(lambda: gateway.about(f"{host}:4711"), gateway.log)
    transfer(port, 1 << 20, 1 << 20)


def test_local_and_unknown_are_the_proxy_itself(world, front):
    gateway = trusting_gateway(world)
    for header in (b"PROXY UNKNOWN\r\n", proxy_header.v2(SHOWN, 1, command=0)):
        with dial(front(gateway.port, header).port) as session:
            session.login()
    tunnel.until(lambda: len(gateway.matching("logged in")) == 2, gateway.log)
    assert not gateway.about(SHOWN), gateway.log()


BAD = {
    "none": b"",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "family": b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
    "port": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
    "endless": b"PROXY TCP4 " + b"1" * 200,
    "version": proxy_header.SIGNATURE + b"\x31\x11\0\x0c" + bytes(12),
    "short": proxy_header.SIGNATURE + b"\x21\x11\0\x04" + bytes(4),
    "long": proxy_header.SIGNATURE + b"\x21\x11\xff\xff" + bytes(64),
    "checksum": proxy_header.v2(SHOWN, 1, extensions=b"\3\0\4" + bytes(4)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_header_is_refused(world, front, name):
    """Also TLS without any: a proxy that is trusted says whom it speaks for, or nothing comes of it."""
    gateway = trusting_gateway(world)
    with pytest.raises(OSError):
        dial(front(gateway.port, BAD[name]).port)
    line = gateway.wait_line("connection refused")
    assert "PROXY header" in line, line
    assert not gateway.about(SHOWN), gateway.log()
    with dial(front(gateway.port, proxy_header.v1(SHOWN, 9)).port) as session:
        session.login()


def test_no_header_comes_in_time(world):
    gateway = trusting_gateway(world)
    with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
        sock.sendall(b"PROXY TCP4")
        sock.settimeout(30)
        assert sock.recv(1) == b""
    gateway.wait_line("no PROXY header came in time")


def test_strangers_say_nothing_of_others(world, front):
    """Who is not trusted is taken as it comes: without a header; with one it speaks no TLS."""
    gateway = trusting_gateway(world, "127.0.0.2", "127.3.0.0/16")
    with dial(gateway.port) as session:
        session.login()
        tunnel.until(lambda: gateway.about(session.peer), gateway.log)
    with pytest.raises(OSError):
        dial(front(gateway.port, proxy_header.v1(SHOWN, 5)).port)
    gateway.wait_line("connection refused")
    assert not gateway.about(SHOWN), gateway.log()
    for trusted in ("127.0.0.2", "127.3.9.9"):
        with dial(front(gateway.port, proxy_header.v2(SHOWN, 5), source=trusted).port) as session:
            session.login()
    tunnel.until(lambda: len(gateway.about(f"{SHOWN}:5")) >= 2, gateway.log)


def refused_at_once(port):
    try:
        with dial(port) as session:
            session.pump(lambda: False, 5)
            return session.ended is not None
    except OSError:
        return True


def test_rules_are_about_the_source(world, front):
    """sources: the address in the header is asked; the proxy itself is only denied by name."""
    rules = {"allow": ["198.51.100.0/24"], "deny": ["198.51.100.66", "127.0.0.3"]}
    gateway = trusting_gateway(world, "127.0.0.0/8", sources=rules)
    with dial(front(gateway.port, proxy_header.v1(SHOWN, 1)).port) as session:
        session.login()
    for source in ("198.51.100.66", "203.0.113.1"):
        assert refused_at_once(front(gateway.port, proxy_header.v1(source, 1)).port)
        tunnel.until(lambda: gateway.about(f"{source}:1"), gateway.log)
    assert refused_at_once(front(gateway.port, proxy_header.v1(SHOWN, 1), source="127.0.0.3").port)
    gateway.wait_line("127.0.0.3")


def test_connections_are_counted_for_the_source(world, front):
    gateway = trusting_gateway(world, top={"limits": {"connections_per_source": 2}})
    ours = front(gateway.port, proxy_header.v1(SHOWN, 1)).port
    others = front(gateway.port, proxy_header.v1("203.0.113.5", 1)).port
    held = [dial(ours), dial(ours)]
    for session in held:
        session.login()
    assert refused_at_once(ours)
    gateway.wait_line("connections_per_source")
    with dial(others) as session:
        session.login()
    held.pop().close()

    def again():
        try:
            session = dial(ours)
        except OSError:
            return None
        held.append(session)
        return session

    tunnel.until(again, gateway.log).login()
    for session in held:
        session.close()


@pytest.mark.parametrize("version", [1, 2])
def test_a_port_in_clear(world, front, version):
    """behind_proxy: the header comes before HTTP."""
    port = tunnel.free_port()
    gateway = world.add(
        tunnel.Program(
            world.folder,
            "gateway",
            {
                "gateway": {
                    "listen_addr": f"127.0.0.1:{port}",
                    "behind_proxy": True,
                    "proxy_protocol": "accept",
                    "trusted_proxies": ["127.0.0.0/8"],
                    "tls_tunnel": {"auth_key": tunnel.KEY, "transports": ["wss", "http2"]},
                }
            },
            world.engine,
        )
    ).wait_listening(port)
    service, published_at = world.service(), tunnel.free_port()
    world.client(
        front(port, proxy_header.make(version, SHOWN, 99), piece=5).address,
        proxies=[tunnel.proxy("web", published_at, service.port)],
        transport="wss",
        plaintext=True,
        gateway_tls_cert=None,
    ).ready()
    tunnel.until(lambda: gateway.about(f"{SHOWN}:99"), gateway.log)
    transfer(published_at, 1 << 20, 1 << 20)


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl"])
def test_haproxy_in_front(world, option):
    """With its health checks, which say LOCAL."""
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        pytest.skip("haproxy is not installed")
    gateway = trusting_gateway(world)
    listen = tunnel.free_port()
    config = world.folder / "haproxy.cfg"
    config.write_text(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
        " timeout check 10s\n"
        f"listen front\n bind 127.0.0.1:{listen}\n"
        f" server gateway 127.0.0.1:{gateway.port} {option} check check-ssl verify none inter 200ms "
        f"check-send-proxy\n"
    )
    haproxy = world.add(tunnel.Process(["/usr/sbin/haproxy", "-db", "-f", config], "haproxy"))
    haproxy.wait_listening(listen)
    plain = socket.create_connection(("127.0.0.1", listen), 10, ("127.0.0.44", 0))
    shown = "127.0.0.44:%d" % plain.getsockname()[1]
    with yamux.Session(yamux.trusting().wrap_socket(plain), True) as session:
        session.login()
        tunnel.until(lambda: gateway.about(shown), gateway.log)
    assert not gateway.matching("PROXY header"), gateway.log()


# ---- host names that TLS may ask for


NAMES = ["gw.example", "*.wild.example"]


def ask(port, *options):
    """What `openssl s_client` says."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    done = subprocess.run(command, input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_host_names(world, version):
    gateway = world.gateway(tls_server_names=NAMES, tls_min_version=version).ready()
    protocol = ["-tls1_2"] if version == "1.2" else ["-tls1_3"]
    for name in ("gw.example", "GW.Example", "a.wild.example"):
        answer = ask(gateway.port, *protocol, "-servername", name)
        assert "Cipher is (NONE)" not in answer and "BEGIN CERTIFICATE" in answer, answer
    assert not gateway.matching("tls_server_names"), gateway.log()
    wrong = ("other.example", "wild.example", "a.b.wild.example", "gw.example.evil")
    for name in wrong:
        answer = ask(gateway.port, *protocol, "-servername", name)
        assert "unrecognized name" in answer and "BEGIN CERTIFICATE" not in answer, answer
        gateway.wait_line(f"asked for {name}, ")
        assert len(gateway.matching(f"asked for {name}, ")) == 1, gateway.log()
    answer = ask(gateway.port, *protocol, "-noservername")
    assert "unrecognized name" in answer, answer
    gateway.wait_line(r"no host name \(SNI\)")


def test_a_resumed_session_is_judged_again(world):
    gateway = world.gateway(tls_server_names=NAMES).ready()
    kept = world.folder / "session.pem"
    command = ["openssl", "s_client", "-connect", gateway.address, "-servername", "gw.example"]
    first = subprocess.Popen(
        [*command, "-sess_out", str(kept)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    tunnel.until(lambda: kept.exists() and "END SSL SESSION" in kept.read_text(), "openssl keeps a session")
    first.communicate(b"Q\n", 30)
    answer = ask(gateway.port, "-servername", "gw.example", "-sess_in", str(kept))
    assert "Cipher is (NONE)" not in answer, answer
    answer = ask(gateway.port, "-servername", "other.example", "-sess_in", str(kept))
    assert "unrecognized name" in answer, answer


def test_our_client_asks_for_the_gateway_s_name(world):
    service, port = world.service(), tunnel.free_port()
    gateway = world.gateway(tls_server_names=["localhost"]).ready()
    world.client(
        f"localhost:{gateway.port}", proxies=[tunnel.proxy("web", port, service.port)]
    ).ready()
    transfer(port, 1 << 16, 1 << 16)


# ---- rates


def test_each_source_has_a_rate_of_its_own(world):
    """Told by a trusted proxy, since loopback itself is exempt."""
    rate = {"requests_per_second": 1000, "burst_size": 2000, "per_source": 1}
    gateway = world.gateway(
        tls_tunnel={"rate_limit": rate}, proxy_protocol="accept", trusted_proxies=["127.0.0.0/8"]
    ).ready()

    def admitted(source):
        plain = socket.create_connection(("127.0.0.1", gateway.port), tunnel.WAIT)
        plain.sendall(f"PROXY TCP4 {source} 192.0.2.1 4000 443\r\n".encode())
        with yamux.Session(yamux.trusting().wrap_socket(plain), True) as session:
            session.tell(yamux.authenticate())
            return session.answer() is not None

    begun = time.monotonic()
    count = sum(admitted("203.0.113.7") for _ in range(12))
    assert 2 <= count <= 3 + time.monotonic() - begun
    assert admitted("203.0.113.8")
    assert "per_source" in gateway.wait_line("a limit was reached")


def test_new_links_have_a_rate(world):
    """Two at once and one a second: what is above is closed, the rest works."""
    rate = {"requests_per_second": 1, "burst_size": 2}
    gateway = world.gateway(tls_tunnel={"rate_limit": rate}).ready()
    begun = time.monotonic()
    admitted, sessions = 0, [dial(gateway.port) for _ in range(8)]
    for session in sessions:
        session.tell(yamux.authenticate())
        admitted += session.answer() is not None
    assert 2 <= admitted <= 2 + 1 + time.monotonic() - begun
    assert admitted < len(sessions)
    assert "rate_limit" in gateway.wait_line("a limit was reached")
    for session in sessions:
        session.close()

    def later():
        session = dial(gateway.port)
        session.tell(yamux.authenticate())
        return session.answer() is not None

    tunnel.until(later, gateway.log)


def test_a_peer_opens_no_more_channels_a_second(world):
    gateway = world.gateway(top={"limits": {"opens_per_second": 3}}).ready()
    service, port = world.service(), tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    header = struct.pack(">H", 3) + b"web" + struct.pack(">H", port)
    with dial(gateway.port) as session:
        session.login([published("other", tunnel.free_port())])
        begun = time.monotonic()
        opened = [session.open(header) for _ in range(20)]
        verdicts = [session.read(number, 1) for number in opened]
        accepted = verdicts.count(b"\1")
        assert 3 <= accepted <= 3 + 3 * (1 + time.monotonic() - begun) and accepted < 20
        assert verdicts.count(b"\0") + accepted == 20
        refused = opened[verdicts.index(b"\0")]
        assert session.pump(lambda: session.stream(refused).rst)
        assert b"opens_per_second" in session.stream(refused).received
        assert session.stream(opened[0]).rst is False and not session.ended

        def later():
            number = session.open(header)
            return session.read(number, 1) == b"\1"

        tunnel.until(later, gateway.log)
