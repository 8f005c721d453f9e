"""LinkSocks by way of proxies: the gateway behind one (upstream_proxy), targets behind one (target_proxy)."""

import pytest

import tunnel
from proxy import Proxy, Refused, connect, transfer

FORWARD = {"token": "forward-token", "type": "forward"}


@pytest.fixture(params=["http", "socks5"])
def proxy(world, request):
    made = Proxy(request.param, "user", "p%4:ss")
    world.closers.append(made.close)
    return made


def login(proxy):
    return proxy.url("user", "p%254%3Ass")


def server(world, token=None, access=None, **linksocks):
    """Our gateway: `address` is the listener in clear, `secure` the TLS port."""
    port, tls_port = tunnel.free_port(), tunnel.free_port()
    gateway = {
        "listen_addr": f"127.0.0.1:{tls_port}",
        "tls_cert": str(world.certificate.cert),
        "tls_key": str(world.certificate.key),
        "linksocks": {"listen_addr": f"127.0.0.1:{port}", "tokens": [token or FORWARD], **linksocks},
    }
    config = {"gateway": gateway, "access": access or {"deny": []}}
    made = world.add(tunnel.Program(world.folder, "server", config, world.engine))
    made.address, made.secure = f"127.0.0.1:{port}", f"127.0.0.1:{tls_port}"
    made.wait_listening(port)
    return made.wait_listening(tls_port)


def client(world, address, **options):
    section = {
        "protocol": "linksocks",
        "gateway_addr": address,
        "plaintext": True,
        "token": "forward-token",
        "reconnect": {"min": "200ms", "max": "1s"},
        **options,
    }
    socks = tunnel.free_port()
    if not section.get("reverse"):
        section["socks5"] = {"listen_addr": f"127.0.0.1:{socks}"}
    config = {"client": section, "access": {"deny": []}}
    made = world.add(tunnel.Program(world.folder, "client", config, world.engine))
    made.socks = socks
    return made


def ready(made):
    made.wait_line('"logged in"')
    return made.wait_listening(made.socks)


@pytest.mark.parametrize("secure", [False, True])
def test_gateway_behind_a_proxy(world, proxy, secure):
    service, gateway = world.service(), server(world)
    address = gateway.secure if secure else gateway.address
    tls = {"plaintext": False, "gateway_tls_cert": str(world.certificate.cert)} if secure else {}
    made = ready(client(world, address, upstream_proxy=login(proxy), **tls))
    transfer(made.socks, service.port, 500_000)
    host, port = address.split(":")
    assert proxy.asked == [(host, int(port))] and not proxy.strangers
    assert not service.faults()


def test_proxy_that_refuses_the_login_is_not_the_gateway(world, proxy):
    """The token is not called wrong, the proxy is named, and it is tried again."""
    gateway = server(world)
    made = client(world, gateway.address, upstream_proxy=proxy.url("user", "wrong"))
    made.wait_line("proxy 127.0.0.1: the proxy")
    tunnel.until(lambda: proxy.strangers >= 2, made.log)
    assert made.child.poll() is None
    assert "invalid token" not in made.log() and not proxy.asked


def test_proxy_that_is_not_there(world):
    gateway = server(world)
    made = client(world, gateway.address, upstream_proxy=f"socks5://127.0.0.1:{tunnel.free_port()}")
    made.wait_line("proxy 127.0.0.1: connection refused")
    assert made.child.poll() is None


@pytest.mark.parametrize("reverse", [False, True])
def test_targets_behind_a_proxy(world, proxy, reverse):
    """The exit's proxy gets the name as it was given, and resolves it."""
    service, socks = world.service(), tunnel.free_port()
    if reverse:
        token = {"token": "reverse-token", "type": "reverse", "socks_addr": f"127.0.0.1:{socks}"}
        gateway = server(world, token)
        client(world, gateway.address, token="reverse-token", reverse=True, target_proxy=login(proxy))
        gateway.wait_listening(socks)
    else:
        gateway = server(world, target_proxy=login(proxy))
        socks = ready(client(world, gateway.address)).socks
    transfer(socks, service.port, 500_000, "localhost")
    transfer(socks, service.port, 1000)
    assert proxy.asked == [("localhost", service.port), ("127.0.0.1", service.port)]
    with pytest.raises(Refused):
        connect(socks, tunnel.free_port())
    assert not service.faults()


def test_access_is_asked_before_the_proxy(world, proxy):
    access = {"deny": ["*.forbidden.test", "10.0.0.0/8"]}
    gateway = server(world, access=access, target_proxy=login(proxy))
    made = ready(client(world, gateway.address))
    for host in ("a.Forbidden.test.", "10.1.2.3"):
        with pytest.raises(Refused):
            connect(made.socks, 80, host)
    assert not proxy.asked
    gateway.wait_line("target not permitted")


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_proxy_that_denies_the_target(world, kind):
    proxy = Proxy(kind, deny=True)
    world.closers.append(proxy.close)
    made = ready(client(world, server(world, target_proxy=proxy.url()).address))
    with pytest.raises(Refused):
        connect(made.socks, 80, "a.test")
    assert proxy.asked == [("a.test", 80)]
