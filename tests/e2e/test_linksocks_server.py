"""The LinkSocks server against peers that are none of ours: who may log in, who serves whom, who manages."""

import asyncio
import http.client
import json
import socket
import uuid

import pytest

import linksocks
import tunnel
from linksocks import ADD, FAILED, NO_PROVIDER, REMOVE, SUCCEEDED, Provider, User, hear, run, within

API_KEY = "the key of the API"


class Server(tunnel.Program):
    """Two workers, so that providers live on both. Tokens: F forward, R and L reverse (L with a login), A."""

    def __init__(self, world, **gateway):
        self.port, self.users, self.users_with_login = (tunnel.free_port() for _ in range(3))
        tokens = [
            {"token": "F", "type": "forward"},
            {
                "token": "R",
                "type": "reverse",
                "socks_addr": f"127.0.0.1:{self.users}",
                "connector_tokens": ["C"],
            },
            {
                "token": "L",
                "type": "reverse",
                "socks_addr": f"127.0.0.1:{self.users_with_login}",
                "username": "u",
                "password": "p",
            },
            {"token": "A", "type": "reverse", "autonomy": True},
        ]
        section = {
            "listen_addr": f"127.0.0.1:{self.port}",
            "api_key": API_KEY,
            "tokens": tokens,
            "connector_wait_provider": "2s",
        }
        config = {
            "cores": 2,
            "access": {"deny": []},
            "gateway": {"listen_addr": "", "linksocks": section, **gateway},
        }
        super().__init__(world.folder, "server", config, world.engine)

    def call(self, method, path, body=None, key=API_KEY):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=tunnel.WAIT)
        connection.request(method, path, body and json.dumps(body), {"X-API-Key": key})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    async def ask(self, *args, **options):
        return await asyncio.to_thread(self.call, *args, **options)

    async def link(self, token, reverse=None, **options):
        link, first = await linksocks.log_in(self.port, token, reverse, **options)
        assert first == linksocks.ACCEPTED
        return link

    async def provider(self, token, **options):
        return await Provider(self.port, token, **options).start()

    async def is_open(self, port):
        await asyncio.to_thread(self.wait_listening, port)


@pytest.fixture
def server(world):
    made = world.add(Server(world))
    return made.wait_listening(made.port)


# ---- login ----

TABLE = [  # token, then who may: reverse, not reverse, unsaid
    ("F", False, True, True),
    ("R", True, False, True),
    ("A", True, False, True),
    ("C", False, True, True),
    ("unknown", False, False, False),
    ("anonymous", False, False, False),
]


def test_logins_by_url(server):
    async def scenario():
        for token, *verdicts in TABLE:
            for reverse, good in zip((True, False, None), verdicts):
                for path in ("/socket", "/socket/", "/socket/any/thing"):
                    link, first = await linksocks.log_in(server.port, token, reverse, path=path)
                    assert first == (linksocks.ACCEPTED if good else linksocks.refusal("invalid token"))
                    await (link.close() if good else linksocks.ended(link))
                if not good:
                    break  # a minute has only so many failures without a delay
        link = await linksocks.dial(server.port, "/socket?token=short")
        assert await within(link.recv()) == linksocks.refusal("invalid token format")

    run(scenario())


def test_logins_by_message(server):
    async def scenario():
        rows = [("F", False, True), ("F", True, False), ("R", True, True), ("C", False, True)]
        rows.append((linksocks.digest("F"), False, False))
        for token, reverse, good in rows:
            link = await linksocks.dial(server.port, "/socket")
            await link.send(linksocks.auth(token, reverse))
            wanted = linksocks.ACCEPTED if good else linksocks.refusal("invalid token")
            assert await within(link.recv()) == wanted
            await link.close()

    run(scenario())


def test_guesses_are_delayed_and_right_tokens_are_not(server):
    async def scenario():
        for number in range(60):  # more than both workers let pass
            link, first = await linksocks.log_in(server.port, f"guess {number}")
            assert first == linksocks.refusal("invalid token")
            await link.close()
            if server.matching("too many failures"):
                break
        assert server.matching("too many failures")
        await server.link("F")

    run(scenario())


def test_guesses_count_for_whom_a_trusted_proxy_names(world):
    """Who is not trusted counts as himself whatever he claims; loopback alone is no reason to be trusted."""

    async def guess(server, source):
        link, first = await linksocks.log_in(server.port, "guess", source=source)
        assert first == linksocks.refusal("invalid token")
        await link.close()

    async def guesses(server, sources):
        for source in sources:
            await guess(server, source)
            if server.matching("too many failures"):
                return True
        return False

    async def scenario(server, limited):
        assert await guesses(server, [f"203.0.{number}.9" for number in range(60)]) == limited
        assert limited or await guesses(server, ["203.0.113.9"] * 60)

    stranger = world.add(Server(world))
    stranger.wait_listening(stranger.port)
    run(scenario(stranger, True))
    stranger.stop()
    trusting = world.add(Server(world, trusted_proxies=["127.0.0.1"]))
    trusting.wait_listening(trusting.port)
    run(scenario(trusting, False))


# ---- users of a reverse token ----


def test_users_go_round_robin(server):
    async def scenario():
        for name in "abc":
            await server.provider("R", name=name)
        await server.is_open(server.users)
        seen = []
        for _ in range(9):
            user = User(server.users)
            assert await user.ask() == SUCCEEDED
            seen.append(await user.take(1))
            user.writer.write(b"x" * 100000)
            assert await user.take(100000) == b"x" * 100000
            user.close()
        assert sorted(seen[:3]) == [b"a", b"b", b"c"]
        assert seen[:3] * 3 == seen

    run(scenario())


def test_users_log_in(server):
    async def scenario():
        await server.provider("L", name="l")
        await server.is_open(server.users_with_login)
        user = User(server.users_with_login)
        assert await user.ask(login=(b"u", b"p")) == SUCCEEDED
        assert await user.take(1) == b"l"
        for login in ((b"u", b"q"), (b"v", b"p"), (b"", b"p")):
            assert await User(server.users_with_login).ask(login=login) is None

    run(scenario())


def test_users_wait_for_a_provider(server):
    async def scenario():
        provider = await server.provider("R")
        await server.is_open(server.users)
        await provider.stop()
        waiting = [asyncio.create_task(User(server.users).ask()) for _ in range(4)]
        done, _ = await asyncio.wait(waiting, timeout=0.5)
        assert not done
        await server.provider("R")
        assert await asyncio.gather(*waiting) == [SUCCEEDED] * 4

    run(scenario())


def test_users_are_refused(server):
    async def scenario():
        provider = await server.provider("R", refuses="no")
        await server.is_open(server.users)
        assert await User(server.users).ask() == FAILED
        await provider.stop()
        assert await User(server.users).ask() == NO_PROVIDER

    run(scenario())


def test_a_provider_that_ends_before_its_answer_is_replaced(server):
    async def scenario():
        mute = await server.provider("R", mute=True)
        await server.is_open(server.users)
        user = User(server.users)
        asking = asyncio.create_task(user.ask())
        await within(mute.opens.get())
        for _ in range(4):
            await server.provider("R", name="n")
        await mute.cut()
        assert await asking == SUCCEEDED
        assert await user.take(1) == b"n"

    run(scenario())


def test_datagrams_of_users(server):
    async def scenario():
        await server.provider("R")
        await server.is_open(server.users)
        user = User(server.users)
        assert await user.ask(command=3) == SUCCEEDED
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.setblocking(False)
            datagrams.connect(("127.0.0.1", int.from_bytes(user.reply[8:10], "big")))
            sent = b"\0\0\0\1\x08\x08\x08\x08\0\x35ping"
            await loop.sock_sendall(datagrams, sent)
            assert await within(loop.sock_recv(datagrams, 1000)) == sent

    run(scenario())


# ---- forward clients ----


async def echo(reader, writer):
    while block := await reader.read(65536):
        writer.write(block)
    writer.close()


def test_forward(server):
    async def scenario():
        target = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = target.sockets[0].getsockname()[1]
        link = await server.link("F")
        channel, refused = linksocks.new_id(), linksocks.new_id()
        await link.send(linksocks.connect(channel, "127.0.0.1", port))
        await link.send(linksocks.data(channel, b"early"))
        assert await hear(link, linksocks.CONNECT_RESPONSE) == linksocks.opened(channel)
        assert await hear(link, linksocks.DATA) == linksocks.data(channel, b"early")
        await link.send(linksocks.connect(refused, "127.0.0.1", 1))
        answer = await hear(link, linksocks.CONNECT_RESPONSE)
        assert answer[:19] == b"\1\5\0" + refused and b"refused" in answer[19:]

    run(scenario())


def test_own_listeners_are_no_targets(server):
    """Nor are those that the API or a provider's login has opened meanwhile."""

    async def refuses(link, host, port):
        channel = linksocks.new_id()
        await link.send(linksocks.connect(channel, host, port))
        answer = await hear(link, linksocks.CONNECT_RESPONSE)
        assert answer[:19] == b"\1\5\0" + channel and b"not permitted" in answer[19:]

    async def scenario():
        link = await server.link("F")
        _, text = await server.ask("POST", "/api/token", {"type": "reverse", "token": "N"})
        chosen = json.loads(text)["port"]
        named = tunnel.free_port()
        await server.ask("POST", "/api/token", {"type": "reverse", "token": "M", "port": named})
        for token in "NMR":
            await server.provider(token, name=token)
        for port in (server.port, server.users, chosen, named):
            await server.is_open(port)
            await refuses(link, "127.0.0.1", port)
            await refuses(link, "0.0.0.0", port)
            await refuses(link, "localhost", port)
        await server.ask("DELETE", "/api/token/M")
        await asyncio.to_thread(tunnel.until, lambda: not tunnel.is_listening(named), "port to close")
        target = await asyncio.start_server(echo, "127.0.0.1", named)
        channel = linksocks.new_id()
        await link.send(linksocks.connect(channel, "127.0.0.1", named))
        assert await hear(link, linksocks.CONNECT_RESPONSE) == linksocks.opened(channel)
        target.close()

    run(scenario())


def test_providers_open_nothing(server):
    async def scenario():
        link, channel = await server.link("R", True), linksocks.new_id()
        await link.send(linksocks.connect(channel, "127.0.0.1", server.port))
        wanted = linksocks.opened(channel, "not allowed")
        assert await hear(link, linksocks.CONNECT_RESPONSE) == wanted

    run(scenario())


# ---- connectors ----


async def open_channel(link, name):
    """A channel whose provider says its name first; data is sent before the answer."""
    channel = linksocks.new_id()
    await link.send(linksocks.connect(channel))
    await link.send(linksocks.data(channel, b"early"))
    assert await hear(link, linksocks.CONNECT_RESPONSE) == linksocks.opened(channel)
    said = b""
    while len(said) < len(name) + 5:
        message = await hear(link, linksocks.DATA)
        assert message[3:19] == channel
        said += linksocks.payload_of(message)
    assert said.endswith(b"early")
    return channel, said[:-5]


def test_connectors_and_their_ends(server):
    async def scenario():
        providers = {name: await server.provider("R", name=name) for name in "abc"}
        link = await server.link("C")
        await linksocks.hear_count(link, 3)
        seen = []
        for _ in range(6):
            channel, name = await open_channel(link, "a")
            await link.send(linksocks.disconnect(channel))  # it reaches the provider
            await within(providers[name.decode()].ends.get())
            seen.append(name)
        assert sorted(seen[:3]) == [b"a", b"b", b"c"] and seen[3:] == seen[:3]
        assert await within(providers["a"].partners.get()) == 1
        channel, name = await open_channel(link, "a")
        await providers[name.decode()].cut()  # and the end of a provider reaches the connector
        assert (await hear(link, linksocks.DISCONNECT))[2:18] == channel
        for other in providers.values():
            await other.stop()
        await linksocks.hear_count(link, 0)

    run(scenario())


def test_the_end_of_a_connector_reaches_the_provider(server):
    async def scenario():
        provider = await server.provider("R", name="a")
        links = [await server.link("C") for _ in range(4)]
        for link in links:
            await linksocks.hear_count(link, 1)
        for link in links:
            await open_channel(link, "a")
        for link in links:
            link.transport.abort()
        opens = [(await within(provider.opens.get()))[3:19] for _ in links]
        ends = [await within(provider.ends.get()) for _ in links]
        assert sorted(ends) == sorted(opens)

    run(scenario())


def test_connectors_wait_for_a_provider(server):
    async def scenario():
        link, channel = await server.link("C"), linksocks.new_id()
        await link.send(linksocks.connect(channel))
        wanted = linksocks.opened(channel, "no available reverse clients")
        assert await hear(link, linksocks.CONNECT_RESPONSE) == wanted
        channel = linksocks.new_id()
        await link.send(linksocks.connect(channel))
        await link.send(linksocks.data(channel, b"early"))
        await server.provider("R")
        assert await hear(link, linksocks.CONNECT_RESPONSE) == linksocks.opened(channel)
        assert await hear(link, linksocks.DATA) == linksocks.data(channel, b"early")

    run(scenario())


def test_datagrams_of_connectors(server):
    async def scenario():
        for _ in range(2):
            await server.provider("R")
        link = await server.link("C")
        await linksocks.hear_count(link, 2)
        for _ in range(2):
            channel = linksocks.new_id()
            await link.send(linksocks.associate(channel))
            assert await hear(link, linksocks.CONNECT_RESPONSE) == linksocks.opened(channel)
            await link.send(linksocks.datagram(channel, b"ping", target=("8.8.8.8", 53)))
            wanted = linksocks.datagram(channel, b"ping", source=("8.8.8.8", 53))
            assert await hear(link, linksocks.DATA) == wanted

    run(scenario())


# ---- autonomy ----


def done(token=""):
    return b"\1" + (bytes([len(token)]) + token.encode() if token else b"")


def failed(text):
    return b"\0" + bytes([len(text)]) + text.encode()


EXISTS = failed("connector token already exists")
UNAUTHORIZED = failed("Unauthorized connector management attempt")


def test_providers_have_connector_tokens_of_their_own(server):
    async def scenario():
        first, second = await server.provider("A", name="1"), await server.provider("A", name="2")
        assert await first.ask("X", ADD) == done("X")
        assert await first.ask("X", ADD) == done("X")
        assert await second.ask("X", ADD) == EXISTS
        assert await second.ask("X", REMOVE) == UNAUTHORIZED
        assert await second.ask("A", REMOVE) == UNAUTHORIZED
        assert await second.ask("C", REMOVE) == UNAUTHORIZED
        assert await second.ask("unknown", REMOVE) == done()
        reserved = "'anonymous' is reserved and cannot be used as a connector token"
        assert await second.ask("anonymous", ADD) == failed(reserved)
        made = await second.ask("", ADD)
        assert made[:2] == b"\1\x10" and int(made[2:], 16) >= 0
        link = await server.link("X")
        for _ in range(3):
            assert (await open_channel(link, "1"))[1] == b"1"
        assert await first.ask("X", REMOVE) == done()
        await linksocks.ended(link)
        plain = await server.provider("R")
        assert await plain.ask("Y", ADD) == UNAUTHORIZED

    run(scenario())


@pytest.mark.parametrize("instance", [None, str(uuid.uuid4())])
def test_a_provider_that_comes_back_has_its_tokens_again(server, instance):
    async def scenario():
        first = await server.provider("A", name="1", instance=instance)
        other = await server.provider("A", name="3")
        assert await first.ask("X", ADD) == done("X")
        assert await other.ask("X", ADD) == EXISTS
        link = await server.link("X")
        await open_channel(link, "1")
        await first.cut()
        await hear(link, linksocks.DISCONNECT)
        channel = linksocks.new_id()
        await link.send(linksocks.connect(channel))  # while nobody provides
        again = await server.provider("A", name="2", instance=instance)
        assert await again.ask("X", ADD) == done("X")
        assert await hear(link, linksocks.CONNECT_RESPONSE) == linksocks.opened(channel)
        assert await hear(link, linksocks.DATA) == linksocks.data(channel, b"2")

    run(scenario())


# ---- the API ----


def test_api_changes_what_clients_may(server):
    async def scenario():
        port = tunnel.free_port()
        body = {"type": "reverse", "token": "N/1", "port": port, "username": "u", "password": "p"}
        wanted = f'{{"success":true,"token":"N/1","port":{port}}}\n'
        for _ in range(2):  # what is removed may be made again
            assert await server.ask("POST", "/api/token", body) == (200, wanted)
            added = await server.ask(
                "POST", "/api/token", {"type": "connector", "token": "NC", "reverse_token": "N/1"}
            )
            assert added == (200, '{"success":true,"token":"NC"}\n')
            providers = [await server.provider("N/1", name="n") for _ in range(3)]
            await server.is_open(port)
            user = User(port)
            assert await user.ask(login=(b"u", b"p")) == SUCCEEDED
            link = await server.link("NC")
            await linksocks.hear_count(link, 3)
            status, text = await server.ask("GET", "/api/status")
            (token,) = [t for t in json.loads(text)["tokens"] if t["token"] == "N/1"]
            assert token["clients_count"] == 3 and token["connector_tokens"] == ["NC"]
            removed = await server.ask("DELETE", "/api/token/N%2F1")
            assert removed == (200, '{"success":true,"token":"N/1"}\n')
            await linksocks.ended(link)
            for provider in providers:
                await within(provider.task)
            await asyncio.to_thread(tunnel.until, lambda: not tunnel.is_listening(port), "port to close")
            _, first = await linksocks.log_in(server.port, "N/1")
            assert first == linksocks.refusal("invalid token")

    run(scenario())


def test_api_paths(server):
    banner = "LinkSocks v1.8.9 is running. API endpoints available at /api/*\n"
    assert server.call("GET", "/") == (200, banner)
    assert server.call("GET", "/nothing") == (404, "404 page not found\n")
    wrong = (401, '{"success":false,"error":"invalid API key"}\n')
    assert server.call("GET", "/api/status", key="wrong") == wrong
    assert server.call("PUT", "/api/token") == (405, "")


def test_a_port_that_is_taken_is_not_the_end(server):
    """Of a random port that somebody else has, another one is taken; status tells which."""

    async def port_of(token):
        _, text = await server.ask("GET", "/api/status")
        return [t["port"] for t in json.loads(text)["tokens"] if t["token"] == token][0]

    async def scenario():
        await server.ask("POST", "/api/token", {"type": "reverse", "token": "N"})
        before = await port_of("N")
        with socket.create_server(("127.0.0.1", before)):
            provider = await server.provider("N", name="n")
            while (after := await port_of("N")) == before:
                pass
            await server.is_open(after)
            assert await User(after).ask() == SUCCEEDED
            await provider.stop()

    run(scenario())
