"""Several links of one client: shared evenly, each for itself when one is cut; only where the gateway can."""

import json
import signal
import socket
import threading
import time

import pytest

import tunnel
from cutter import Cutter
from peers import Peer
from traffic import HEAD, User, exactly, start_users, transfer
from yamux import PING, SYN, Server, frame

CORES = {"cores": 2}
ALWAYS = {"min": "100ms", "max": "100ms", "retry_auth": True}


def linked(world, links=2, through=None, **options):
    """A gateway and a client with several links, both on two workers: gateway, client, port, service."""
    service = world.service()
    gateway = world.gateway(top=CORES).ready()
    port = tunnel.free_port()
    client = world.client(
        through(gateway) if through else gateway,
        proxies=[tunnel.proxy("web", port, service.port)],
        links=links,
        top=CORES,
        **options,
    ).ready()
    wait_links(client, links)
    return gateway, client, port, service


def wait_links(client, count, since=0):
    tunnel.until(
        lambda: len([r for r in client.records(since) if r["msg"] == "link up"]) >= count,
        lambda: f"{count} links\n{client.log()}",
    )


class Counting(Cutter):
    """A cutter that counts the bytes towards the gateway, one figure a connection, and knows all of them."""

    def __init__(self, port):
        self.carried, self.pairs, self.lock = {}, [], threading.Lock()
        super().__init__(port)

    def _forward(self, source, sink, limit, how):
        with self.lock:
            known = [pair for pair in self.pairs if source in pair]
            if not known:
                self.pairs.append((source, sink))
                known = self.pairs[-1:]
            self.carried.setdefault(known[0], 0)
        try:
            while True:
                received = source.recv(65536)
                if not received:
                    sink.shutdown(socket.SHUT_WR)
                    return
                self.carried[known[0]] += len(received)
                sink.sendall(received)
        except OSError:
            return

    def cut_one(self, index):
        self._cut(*self.pairs[index], "reset")


def counting(world):
    """Makes the cutter once the gateway is there."""
    made = []

    def through(gateway):
        made.append(Counting(gateway.port))
        world.closers.append(made[0].close)
        return made[0].address

    return made, through


def test_all_bytes_are_right(world):
    gateway, client, port, service = linked(world)
    transfer(port, 16 << 20, 16 << 20)
    for user in start_users(32, port, 1 << 20, 1 << 20):
        user.finish()
    assert not service.faults()
    links = [r for r in client.records() if r["msg"] == "link up"]
    assert sorted(r["link"] for r in links) == ["1/2", "2/2"]
    assert sorted(r["worker"] for r in links) == [0, 1]
    assert sorted(r["worker"] for r in gateway.records() if r["msg"] == "logged in") == [0, 1]
    assert len(client.matching('"published"')) == 1, client.log()
    assert len(gateway.matching('"published"')) == 1, gateway.log()


def test_more_links_than_workers(world):
    gateway, client, port, service = linked(world, links=5)
    workers = [r["worker"] for r in gateway.records() if r["msg"] == "logged in"]
    assert sorted(workers.count(w) for w in (0, 1)) == [2, 3]
    for user in start_users(20, port, 1 << 18, 1 << 18):
        user.finish()


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("way", ["one by one", "at once"])
def test_equal_users_are_spread_evenly(world, count, way):
    """All stay until all are there, and get as much: what a link has carried tells how many users it had."""
    made, through = counting(world)
    _, _, port, _ = linked(world, links=count, through=through)
    idle = dict(made[0].carried)
    size, per_link = 1 << 20, 8
    users = []
    for _ in range(count * per_link):
        users.append(socket.create_connection(("127.0.0.1", port)))
        if way == "one by one":
            users[-1].sendall(HEAD.pack(next(User.numbers), 0, size))
            assert len(exactly(users[-1], 1)) == 1
    for user in users:
        if way == "at once":
            user.sendall(HEAD.pack(next(User.numbers), 0, size))
    for user in users:
        assert len(exactly(user, size - (way == "one by one"))) >= size - 1
    for user in users:
        user.close()
    carried = [(made[0].carried[pair] - idle[pair]) / size for pair in made[0].pairs]
    assert len(carried) == count
    assert all(per_link - 0.4 < one < per_link + 0.6 for one in carried), carried


def test_one_link_is_cut(world):
    """A hundred users: those of the link that is cut hear of it, the others are whole, new ones come in."""
    made, through = counting(world)
    gateway, client, port, service = linked(
        world, through=through, reconnect={"min": "200ms", "max": "200ms"}
    )
    users = start_users(100, port, 0, 3 << 20)
    for user in users:
        assert user.moving.wait(tunnel.WAIT), user.outcome
    stop, failures, served = threading.Event(), [], []

    def newcomers():
        while not stop.is_set():
            try:
                transfer(port, 100, 1000, timeout=10)
                served.append(time.monotonic())
            except (AssertionError, OSError) as failure:
                failures.append(failure)

    seen = len(client.lines)
    made[0].cut_one(0)
    tunnel.until(lambda: client.matching("link lost", seen), "the client to notice")
    tunnel.until(lambda: gateway.matching("link ended"), "the gateway to notice")
    thread = threading.Thread(target=newcomers)
    thread.start()
    wait_links(client, 1, seen)
    for user in users:
        user.join(60)
    stop.set()
    thread.join()
    assert served and not failures, failures[:3]
    whole = [u for u in users if u.outcome.whole]
    broken = [u for u in users if not u.outcome.whole]
    assert all(u.outcome.fault is None for u in users)
    assert all(u.outcome.end == "reset" for u in broken), [u.outcome for u in broken][:5]
    assert len(whole) >= 50 and len(broken) <= 50
    assert len(client.matching('"published"')) == 1, client.log()
    before = dict(made[0].carried)
    again = start_users(16, port, 0, 1 << 20)
    for user in again:
        user.finish()
    shares = [made[0].carried[pair] - before[pair] for pair in made[0].pairs if pair in before]
    assert sum(share > 6 << 20 for share in shares) == 2, shares


def test_visitors_over_several_links(world):
    """Both the visiting and the publishing client have two: everything over four links, two workers each."""
    gateway, _, port, service = linked(world)
    bind = tunnel.free_port()
    visiting = world.client(
        gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)], links=2, top=CORES
    ).ready()
    wait_links(visiting, 2)
    transfer(bind, 8 << 20, 8 << 20)
    for user in start_users(32, bind, 1 << 19, 1 << 19):
        user.finish()
    assert not service.faults()


@pytest.mark.parametrize("links", [2, 4])
def test_another_client_waits_and_is_refused(world, links):
    """All links of the holder answer, so the second client gets nothing, until the first one has gone."""
    gateway, client, port, _ = linked(world, links)
    other_service = world.service()
    other = world.client(
        gateway,
        name="other",
        proxies=[tunnel.proxy("web", port, other_service.port)],
        links=links,
        top=CORES,
        reconnect=ALWAYS,
    )
    other.wait_line("All proxies rejected")
    transfer(port, 1000, 1000)
    assert other_service.accepted == 0
    client.stop()
    wait_links(other, links)
    transfer(port, 1000, 1000)
    assert other_service.accepted == 1


def test_killed_client_comes_back(world):
    gateway, client, port, service = linked(world, 4)
    client.kill()
    began = time.monotonic()
    again = world.client(gateway, name="again", proxies=client.proxies, links=4, top=CORES)
    wait_links(again, 4)
    transfer(port, 1000, 1000)
    print(f"four links again after {(time.monotonic() - began) * 1000:.0f} ms")


def test_frozen_client_is_taken_over(world):
    """None of its links answers; each is asked, all at the same time."""
    gateway, client, port, service = linked(world, 4)
    client.signal(signal.SIGSTOP)
    try:
        again = world.client(gateway, name="again", proxies=client.proxies, links=4, top=CORES)
        wait_links(again, 4)
        transfer(port, 1000, 1000)
    finally:
        client.signal(signal.SIGCONT)


def test_gateway_is_killed_and_comes_back(world):
    gateway, client, port, service = linked(world, 3)
    seen = len(client.lines)
    gateway.kill()
    world.gateway(name="again", port=gateway.port, top=CORES).ready()
    wait_links(client, 3, seen)
    transfer(port, 1000, 1000)


@pytest.mark.parametrize("who", ["gateway", "client"])
def test_sigterm_lets_running_transfers_finish(world, who):
    gateway, client, port, service = linked(world)
    users = start_users(8, port, 0, 24 << 20)
    for user in users:
        assert user.moving.wait(tunnel.WAIT)
    process = {"gateway": gateway, "client": client}[who]
    process.signal(signal.SIGTERM)
    for user in users:
        user.finish()
    assert process.wait_exit() == 0


def one_link_only(client, port):
    """What a gateway that takes one link gets."""
    client.wait_line("takes one link of a client")
    transfer(port, 1 << 20, 1 << 20, awaits_end=False)
    ups = [r for r in client.records() if r["msg"] == "link up"]
    assert [r["link"] for r in ups] == ["1/4"], client.log()
    assert len(client.matching("takes one link of a client")) == 1


@pytest.mark.parametrize("kind", ["go", "rust"])
def test_stock_gateway_gets_one_link(world, kind):
    server = world.add(Peer.server(kind, world.certificate))
    service, port = world.service(), tunnel.free_port()
    client = world.client(
        server.address, proxies=[tunnel.proxy("web", port, service.port)], links=4, top=CORES
    ).ready()
    one_link_only(client, port)


def test_what_a_gateway_without_the_feature_hears(world):
    """The number of the link stands beside the instance, and no second connection comes."""
    server = Server(world.certificate)
    world.closers.append(server.close)
    client = world.client(server.address, proxies=[tunnel.proxy("web", 8080, 1)], links=4, top=CORES)
    with server.accept() as session:
        params = json.loads(session.hear())["params"]
        assert list(params) == ["auth_key", "features", "instance", "link", "protocol_version"]
        assert params["features"] == ["half-close", "source", "links"] and params["link"] == 0
    with server.accept(timeout=40) as session:
        session.admit()
        client.wait_line("takes one link of a client")
        client.wait_line('"link up"')
        with pytest.raises(socket.timeout):
            server.accept(timeout=0.5)


def admit(session, features):
    """The handshake of a gateway of ours: what the client has shown; None when it goes unpublished."""
    session.send(frame(PING, SYN, 0, 1))
    request = json.loads(session.hear())
    result = {"client_id": "client_1", "features": features, "protocol_version": "1.5.1"}
    session.tell({"jsonrpc": "2.0", "result": result, "id": request["id"]})
    if session.hear() is not None:
        session.tell({"jsonrpc": "2.0", "result": {"rejected_proxies": []}, "id": 2})
        return request["params"]
    return None


def test_further_link_leaves_a_gateway_of_one(world):
    """It would be fighting the first one. When the first finds the feature again, it comes again."""
    server = Server(world.certificate)
    world.closers.append(server.close)
    client = world.client(
        server.address, proxies=[tunnel.proxy("web", 8080, 1)], links=2, top=CORES, reconnect=ALWAYS
    )
    with server.accept() as first:
        assert admit(first, ["half-close", "links"])["link"] == 0
        with server.accept() as second:
            assert admit(second, ["half-close"]) is None
            assert second.pump(lambda: second.ended)
    with server.accept() as first:
        assert admit(first, ["half-close", "links"])["link"] == 0
        with server.accept() as second:
            assert admit(second, ["half-close", "links"])["link"] == 1
            client.wait_line('"link":"2/2".*"worker"')
    assert not client.matching("takes one link of a client")
