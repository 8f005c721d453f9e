"""The management listener: what it tells is what was carried, what it closes is closed, who may ask."""

import concurrent.futures
import signal
import socket
import time

import pytest

import socks5
import tunnel
from forwarding import forwarding
from linksocks_programs import Client as SocksClient
from linksocks_programs import Server as SocksServer
from management import Management
from traffic import HEAD, TRAILER, User, end_of, exactly, start_users, transfer

# Of TLS Tunnel's own server and client, in their order; ours follow.
SERVER_KEYS = [
    "name",
    "publish_addr",
    "publish_port",
    "local_port",
    "total_connections",
    "active_connections",
    "bytes_sent",
    "bytes_received",
    "start_time",
]
CLIENT_KEYS = [
    "name",
    "proxy_type",
    "bind_addr",
    "bind_port",
    "target_addr",
    "target_port",
    "active_connections",
    "total_connections",
    "bytes_sent",
    "bytes_received",
    "start_time",
    "status",
]
SESSION_KEYS = set("id protocol role peer identity worker since channels bytes_in bytes_out rtt_ms".split())
CHANNEL_KEYS = set("id session kind source target state since bytes_in bytes_out queued_bytes".split())


def told(world, cores=1, **client):
    """Gateway and client that both tell: gateway's, client's, port, service."""
    ours, theirs, service = Management(), Management(), world.service()
    gateway = world.gateway(top={**ours.top, "cores": cores}).ready()
    port = tunnel.free_port()
    world.client(
        gateway,
        proxies=[tunnel.proxy("web", port, service.port)],
        top={**theirs.top, "cores": cores},
        **client,
    ).ready()
    return ours, theirs, port, service


def is_idle(*tellers):
    tunnel.until(
        lambda: all(row["active_connections"] == 0 for one in tellers for row in one.rows("/stats")),
        lambda: f"nobody to be active: {[one.rows('/stats') for one in tellers]}",
    )


def is_told(what, wanted, told_now):
    tunnel.until(lambda: told_now() == wanted, lambda: f"{what}: {told_now()} instead of {wanted}")


def test_what_was_carried_is_told_to_the_byte(world):
    gateway, client, port, service = told(world)
    began = time.time()
    sizes = [(1000, 5), (0, 300_000), (1_000_000, 70_001)]
    for up, down in sizes:
        transfer(port, up, down)
    is_idle(gateway, client)
    up = sum(up + HEAD.size for up, _ in sizes)
    down = sum(down + len(TRAILER) for _, down in sizes)
    ours, theirs = gateway.published(), client.published()
    assert list(ours)[: len(SERVER_KEYS)] == SERVER_KEYS
    assert list(theirs)[: len(CLIENT_KEYS)] == CLIENT_KEYS
    assert {"publish_addr", "publish_port", "local_port"} <= set(theirs)
    assert (ours["publish_addr"], ours["publish_port"]) == ("127.0.0.1", port)
    assert ours["local_port"] == service.port
    assert (ours["total_connections"], ours["active_connections"]) == (3, 0)
    assert (ours["bytes_received"], ours["bytes_sent"]) == (up, down)
    assert (theirs["bytes_received"], theirs["bytes_sent"]) == (up, down)
    assert (theirs["bind_port"], theirs["target_port"]) == (service.port, port)
    assert theirs["total_connections"] == 3 and theirs["status"] == "Idle"
    assert theirs["proxy_type"] == ours["proxy_type"] == "Tcp"
    assert began - 60 < ours["start_time"] <= began + 1 and ours["links"] == 1
    assert gateway.ask("/stats").body.startswith(b'[\n  {\n    "name": "web",\n    "publish_addr": "')
    assert gateway.ask("/stats/").status == 200


def test_what_runs_is_told_while_it_runs(world):
    gateway, client, port, service = told(world)
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.sendall(HEAD.pack(1, 1 << 20, 40_000) + b"")
        exactly(user, 40_000)
        is_told("sent", 40_000, lambda: gateway.published()["bytes_sent"])
        is_told("received", HEAD.size, lambda: client.published()["bytes_received"])
        assert gateway.published()["active_connections"] == 1
        assert client.published()["status"] == "Connected"
        (channel,) = gateway.channels()
        assert CHANNEL_KEYS | {"stalled_seconds"} <= set(channel)
        assert channel["source"].startswith("127.0.0.1:") and channel["target"] == f"web:{port}"
        assert (channel["bytes_in"], channel["bytes_out"]) == (40_000, HEAD.size)
        assert channel["state"] == "open" and channel["kind"] == "published"
        assert set(channel["stalled_seconds"]) == {"peer", "socket", "link", "memory"}
        (link,) = gateway.links()
        assert channel["session"] == link["id"] and link["channels"] == 1
        assert len(client.channels()) == 1
    is_idle(gateway, client)


def test_links_workers_and_page(world):
    gateway, client, port, _ = told(world)
    (ours,), (theirs,) = gateway.links(), client.links()
    for link in (ours, theirs):
        assert (link["transport"], link["generation"]) == ("tls", "1.5")
    assert SESSION_KEYS | {"tls", "features"} <= set(ours)
    assert (ours["protocol"], ours["role"], theirs["role"]) == ("tls-tunnel", "gateway", "client")
    assert ours["tls"].startswith("TLSv1.3") and "ours" in ours["features"]
    assert ours["state"] == theirs["state"] == "open" and ours["bytes_in"] > 0
    assert abs(ours["since"] - time.time()) < 120
    (worker,) = gateway.rows("/api/v1/workers")
    assert (worker["id"], worker["links"]) == (0, 1) and 0 <= worker["busy"] <= 1
    page = gateway.ask("/?x")
    assert page.fields["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.fields["content-security-policy"]
    text = page.body.decode()
    assert f">127.0.0.1:{port}<" in text and "<script" not in text and "http://" not in text


def test_names_are_text_everywhere(world):
    service, port = world.service(), tunnel.free_port()
    management = Management()
    gateway = world.gateway(top=management.top).ready()
    name = '<b>"n"</b>&\'\\'
    world.client(gateway, proxies=[tunnel.proxy(name, port, service.port)]).ready()
    assert management.published(name)["publish_port"] == port
    page = management.ask("/").body.decode()
    assert "&lt;b&gt;&quot;n&quot;&lt;/b&gt;&amp;&#39;\\" in page and "<b>\"" not in page


def test_a_channel_can_be_closed(world):
    gateway, client, port, _ = told(world)
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.sendall(HEAD.pack(1, 1 << 20, 10))
        exactly(user, 10)
        (channel,) = gateway.channels()
        assert gateway.ask(f"/api/v1/channels/{channel['id']}", "DELETE").status == 204
        assert end_of(user)[1] == "reset"
    is_told("channels", [], gateway.channels)
    assert gateway.ask(f"/api/v1/channels/{channel['id']}", "DELETE").status == 404
    transfer(port, 1000, 1000)
    assert len(gateway.links()) == 1


@pytest.mark.parametrize("side", ["gateway", "client"])
def test_a_link_can_be_closed_and_comes_back(world, side):
    gateway, client, port, _ = told(world)
    one = gateway if side == "gateway" else client
    (before,) = one.links()
    assert one.ask(f"/api/v1/sessions/{before['id']}", "DELETE").status == 204
    tunnel.until(
        lambda: [link for link in one.links() if link["id"] != before["id"] and link["state"] == "open"],
        lambda: f"a new link: {one.links()}",
    )
    tunnel.until(lambda: gateway.rows("/stats"), "to be published again")
    tunnel.until(lambda: tunnel.is_listening(port), "the port to be open again")
    transfer(port, 1000, 1000)
    assert one.ask(f"/api/v1/sessions/{before['id']}", "DELETE").status == 404
    assert one.ask("/api/v1/sessions/0", "DELETE").status == 404


def test_several_workers_are_one(world):
    gateway, client, port, _ = told(world, cores=2, links=2)
    tunnel.until(lambda: len(gateway.links()) == 2, "both links")
    tunnel.until(lambda: gateway.published()["links"] == 2, "both links to serve")
    assert {link["worker"] for link in client.links()} == {0, 1}
    assert [worker["id"] for worker in gateway.rows("/api/v1/workers")] == [0, 1]
    users = start_users(16, port, 5000, 7000)
    for user in users:
        user.finish()
    is_idle(gateway, client)
    ours, theirs = gateway.published(), client.published()
    up, down = 16 * (5000 + HEAD.size), 16 * (7000 + len(TRAILER))
    assert (ours["total_connections"], ours["bytes_received"], ours["bytes_sent"]) == (16, up, down)
    assert (theirs["total_connections"], theirs["bytes_received"], theirs["bytes_sent"]) == (16, up, down)
    assert len(gateway.rows("/stats")) == len(client.rows("/stats")) == 1
    for link in client.links():  # the one on the other worker is found as well
        assert client.ask(f"/api/v1/sessions/{link['id']}", "DELETE").status == 204


def test_visitors_count_for_themselves(world):
    ours, theirs, service = Management(), Management(), world.service()
    gateway = world.gateway(top={**ours.top, "cores": 2}).ready()
    port, bind = tunnel.free_port(), tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    visitors = [tunnel.visitor("web", port, bind)]
    world.client(gateway, name="visiting", visitors=visitors, top=theirs.top).ready()
    transfer(bind, 3000, 2000)
    wanted = (1, 0, 3000 + HEAD.size, 2000 + len(TRAILER))

    def seen():
        row = ours.published()
        names = ["total_connections", "active_connections", "bytes_received", "bytes_sent"]
        return tuple(row["visitor_" + name] for name in names)

    is_told("the visitor at the gateway", wanted, seen)
    row = theirs.published()
    assert (row["kind"], row["bytes_sent"], row["bytes_received"]) == ("visitor", wanted[2], wanted[3])
    assert ours.published()["total_connections"] == 0


def test_forwarders_count(world):
    management, service = Management(), world.service()
    _, _, port = forwarding(world, top={**management.top, "cores": 2}, links=2)
    users = start_users(6, service.port, 3000, 2000, dial=socks5.dialer(port))
    for user in users:
        user.finish()
    is_idle(management)
    (row,) = management.rows("/stats")
    assert (row["kind"], row["proxy_type"], row["bind_port"]) == ("forwarder", "Socks5Proxy", port)
    assert (row["target_addr"], row["target_port"], row["total_connections"]) == ("127.0.0.1", 0, 6)
    assert row["bytes_sent"] == 6 * (3000 + HEAD.size)
    assert row["bytes_received"] == 6 * (2000 + len(TRAILER))


def test_links_of_linksocks_are_told(world):
    ours, theirs, service = Management(), Management(), world.service()
    port = tunnel.free_port()
    tokens = [{"token": "a-token-of-ours", "type": "reverse", "socks_addr": f"127.0.0.1:{port}"}]
    server = world.add(
        SocksServer(world.folder, world.engine, world.certificate, tokens, top=ours.top)
    ).ready()
    provider = {"reverse": True, "name": "provider", "top": theirs.top}
    world.add(SocksClient(world.folder, world.engine, server.address, "a-token-of-ours", **provider)).ready()
    server.wait_listening(port)
    user = User(service.port, 1000, 1 << 30, dial=socks5.dialer(port))
    user.start()
    assert user.moving.wait(20)
    (link,), (far,) = ours.links(), theirs.links()
    assert (link["protocol"], link["role"], link["peer_role"]) == ("linksocks", "server", "provider")
    assert (far["role"], far["peer_role"]) == ("provider", "server")
    assert {"credit", "half-close"} <= set(link["features"]) and link["identity"] == ""
    (channel,) = ours.channels()
    assert (channel["kind"], channel["target"]) == ("tcp", f"127.0.0.1:{service.port}")
    assert ours.ask(f"/api/v1/channels/{channel['id']}", "DELETE").status == 204
    user.join(30)
    assert user.outcome.end in ("reset", "eof") and not user.outcome.whole
    assert b"a-token-of-ours" not in ours.ask("/").body + ours.ask("/api/v1/sessions").body


def test_token_is_asked_for(world, certificate):
    token = "0123456789abcdef0123456789abcdef"
    management = Management(token=token, tls_cert=str(certificate.cert), tls_key=str(certificate.key))
    world.gateway(top=management.top).ready().wait_listening(management.port)
    management.trust(certificate)
    for path in ["/", "/stats", "/readyz", "/api/v1/sessions", "/nothing"]:
        refused = management.ask(path)
        assert refused.status == 401 and refused.fields["www-authenticate"].startswith("Bearer")
    for wrong in [token[:-1], token + "0", token.upper(), ""]:
        assert management.ask("/stats", Authorization=f"Bearer {wrong}").status == 401
    assert management.ask("/stats", Authorization=f"Basic {token}").status == 401
    assert management.ask("/stats", Authorization=f"Bearer {token}").json == []
    assert management.ask("/stats", Authorization=f"bearer {token}", Host="gw.example").status == 200
    assert management.ask("/api/v1/sessions/1", "DELETE", Authorization=f"Bearer {token}").status == 404


def test_who_may_ask_and_what(world):
    gateway, _, port, _ = told(world)
    own = f"127.0.0.1:{gateway.port}"
    for host, status in [("evil.example", 403), (f"localhost:{gateway.port}", 200), ("[::1]:1", 200)]:
        assert gateway.ask("/stats", Host=host).status == status
    for origin, status in [("http://evil.example", 403), ("null", 403), (f"http://{own}", 200)]:
        assert gateway.ask("/stats", Origin=origin).status == status
    assert gateway.ask("/api/v1/sessions/1", "DELETE", Origin="http://evil.example").status == 403
    for method in ["POST", "PUT", "DELETE", "OPTIONS"]:
        refused = gateway.ask("/stats", method)
        assert (refused.status, refused.fields["allow"]) == (405, "GET, HEAD")
    assert gateway.ask("/api/v1/channels/12").fields["allow"] == "DELETE"
    for path in ["/metrics", "/events", "/api/stats", "/api/v1/sessions/x", "/stats.json", "/../stats"]:
        assert gateway.ask(path).status == 404
    head = gateway.ask("/stats", "HEAD")
    assert head.status == 200 and not head.body and int(head.fields["content-length"]) > 2
    assert gateway.ask("/stats").fields["cache-control"] == "no-store"


def test_readiness(world):
    ours, theirs, service = Management(), Management(), world.service()
    gateway = world.gateway(top=ours.top).ready()
    tunnel.until(lambda: ours.ask("/readyz").status == 200, "the gateway to be ready")
    port = tunnel.free_port()
    proxies = [tunnel.proxy("web", port, service.port)]
    world.client(gateway, proxies=proxies, top=theirs.top).ready()
    assert theirs.ask("/readyz").status == 200 and theirs.ask("/livez").body == b"alive\n"
    gateway.kill()
    tunnel.until(lambda: theirs.ask("/readyz").status == 503, "the client to miss its gateway")
    assert b"no link" in theirs.ask("/readyz").body and theirs.ask("/livez").status == 200


def test_it_answers_while_the_program_drains(world):
    ours, _, port, _ = told(world)
    gateway = world.processes[0]
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.sendall(HEAD.pack(1, 1 << 20, 10))
        exactly(user, 10)
        gateway.signal(signal.SIGTERM)
        gateway.wait_line("draining")
        assert ours.ask("/readyz").status == 503 and ours.ask("/livez").status == 200
        assert len(ours.channels()) == 1
    assert gateway.wait_exit() == 0


def test_unix_socket(world):
    management = Management(path=str(world.folder / "management.sock"))
    world.gateway(top=management.top).wait_line("management listening")
    assert management.rows("/stats") == [] and management.links() == []


def test_a_port_that_is_taken_ends_the_program(world):
    management = Management()
    with socket.create_server(("127.0.0.1", management.port)):
        gateway = world.gateway(top=management.top)
        assert gateway.wait_exit() == 1
        assert "another process listens there" in gateway.log()


def test_nobody_reaches_it_through_a_tunnel(world):
    """A target that a user names is never one of our own listeners, this one included."""
    management = Management()
    tokens = [{"token": "a-token-of-ours", "type": "forward"}]
    server = world.add(
        SocksServer(world.folder, world.engine, world.certificate, tokens, top=management.top)
    ).ready()
    client = world.add(SocksClient(world.folder, world.engine, server.address, "a-token-of-ours")).ready()
    with pytest.raises(Exception):
        socks5.dialer(client.socks)(management.port, 10)


def test_many_ask_while_bytes_move(world):
    gateway, client, port, _ = told(world, cores=2)
    users = start_users(4, port, 1 << 20, 1 << 22)
    paths = ["/", "/stats", "/api/v1/sessions", "/api/v1/channels", "/api/v1/workers"] * 20
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(gateway.ask, paths)} == {200}
    for user in users:
        user.finish()
