"""Peers of a LinkSocks server that are none of ours: messages written by hand over python3-websockets."""

import asyncio
import hashlib
import json
import struct
import uuid

import pytest

import tunnel

websockets = pytest.importorskip("websockets", reason="python3-websockets is not installed")

AUTH, AUTH_RESPONSE, CONNECT, DATA, CONNECT_RESPONSE, DISCONNECT = range(1, 7)
CONNECTOR, CONNECTOR_RESPONSE, LOG, PARTNERS = range(7, 11)
TCP, UDP = 1, 2
ADD, REMOVE = 1, 2
ACCEPTED = b"\1\2\1"
SUCCEEDED, NO_PROVIDER, FAILED = 0, 3, 4


def refusal(text):
    return b"\1\2\0" + bytes([len(text)]) + text.encode()


def new_id():
    return uuid.uuid4().bytes


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def auth(token, reverse):
    return b"\1\1" + bytes([len(token)]) + token.encode() + bytes([reverse]) + bytes(16)


def connect(channel, host="target.example", port=80):
    return b"\1\3\1" + channel + bytes([len(host)]) + host.encode() + struct.pack(">H", port)


def associate(channel):
    return b"\1\3\2" + channel


def data(channel, payload):
    return b"\1\4\1" + channel + b"\0" + struct.pack(">I", len(payload)) + payload


def block(host, port):
    return bytes([len(host)]) + host.encode() + struct.pack(">H", port)


def datagram(channel, payload, source=("", 0), target=("", 0)):
    head = b"\1\4\2" + channel + b"\0" + struct.pack(">I", len(payload))
    return head + payload + block(*source) + block(*target)


def opened(channel, why=None):
    if why is None:
        return b"\1\5\1" + channel
    return b"\1\5\0" + channel + bytes([len(why)]) + why.encode()


def disconnect(channel):
    return b"\1\6" + channel


def connector(request, token, operation):
    return b"\1\7" + request + bytes([len(token)]) + token.encode() + bytes([operation])


def payload_of(message):
    size = struct.unpack(">I", message[20:24])[0]
    return message[24 : 24 + size]


def count_of(message):
    return json.loads(message[6:])["count"]


async def within(awaitable, timeout=tunnel.WAIT):
    return await asyncio.wait_for(awaitable, timeout)


links = []


async def dial(port, path, source=None):
    """`source`: whom the peer claims to speak for."""
    options = {"compression": None, "max_size": 1 << 25, "ping_interval": None}
    if source:
        options["extra_headers"] = {"X-Forwarded-For": source}
    link = await within(websockets.connect(f"ws://127.0.0.1:{port}{path}", **options))
    links.append(link)
    return link


def run(scenario):
    """One scenario; the links that it leaves behind are cut, or the library waits for their ends."""

    async def whole():
        try:
            await within(scenario, 8 * tunnel.WAIT)
        finally:
            while links:
                links.pop().transport.abort()

    asyncio.run(whole())


async def log_in(port, token, reverse=None, instance=None, path="/socket", source=None):
    """A link by its URL, and what the server said first."""
    query = f"?token={digest(token)}"
    query += "" if reverse is None else f"&reverse={'true' if reverse else 'false'}"
    query += f"&instance={instance}" if instance else ""
    link = await dial(port, path + query, source)
    return link, await within(link.recv())


async def hear(link, *types, skip=(LOG, PARTNERS)):
    """The next message of one of those types; what may come between is passed over."""
    while True:
        message = await within(link.recv())
        if message[1] in types:
            return message
        assert message[1] in skip, message


async def hear_count(link, count):
    """Until that is how many partners there are."""
    while True:
        message = await within(link.recv())
        if message[1] == PARTNERS and count_of(message) == count:
            return


async def ended(link):
    """The server has closed the link; how is for tests of the carrier."""
    with pytest.raises(websockets.ConnectionClosed):
        while True:
            await within(link.recv())


class Provider:
    """Says its name on every channel, then what it hears; `refuses` and `mute` say what they are."""

    def __init__(self, port, token, name="", instance=None, refuses=None, mute=False):
        self.port, self.token, self.name, self.instance = port, token, name.encode(), instance
        self.refuses, self.mute = refuses, mute
        self.opens, self.ends, self.partners, self.answers = (asyncio.Queue() for _ in range(4))

    async def start(self):
        self.link, first = await log_in(self.port, self.token, True, self.instance)
        assert first == ACCEPTED
        self.task = asyncio.create_task(self.run())
        return self

    async def run(self):
        try:
            async for message in self.link:
                await self.take(message)
        except websockets.ConnectionClosed:
            pass

    async def take(self, message):
        kind = message[1]
        if kind == CONNECT:
            channel = message[3:19]
            self.opens.put_nowait(message)
            if not self.mute:
                await self.link.send(opened(channel, self.refuses))
            if self.name and message[2] == TCP and not self.mute and not self.refuses:
                await self.link.send(data(channel, self.name))
        elif kind == DATA and message[2] == TCP:
            await self.link.send(data(message[3:19], payload_of(message)))
        elif kind == DATA:
            payload = payload_of(message)
            tail = message[24 + len(payload) + 3 :]  # behind the empty source
            await self.link.send(
                b"\1\4\2" + message[3:20] + struct.pack(">I", len(payload)) + payload + tail + bytes(3)
            )
        elif kind == DISCONNECT:
            self.ends.put_nowait(message[2:18])
        elif kind == PARTNERS:
            self.partners.put_nowait(count_of(message))
        elif kind == CONNECTOR_RESPONSE:
            self.answers.put_nowait(message)

    async def ask(self, token, operation):
        """For a connector token: the answer behind its id."""
        request = new_id()
        await self.link.send(connector(request, token, operation))
        answer = await within(self.answers.get())
        assert answer[2:18] == request
        return answer[18:]

    async def stop(self):
        await self.link.close()
        await self.task

    async def cut(self):
        self.link.transport.abort()
        await self.task


class User:
    """One SOCKS5 request and its reply."""

    def __init__(self, port):
        self.port = port

    async def ask(self, command=1, host=b"target.example", login=None):
        self.reader, self.writer = await within(asyncio.open_connection("127.0.0.1", self.port))
        self.writer.write(b"\5\1" + (b"\2" if login else b"\0"))
        assert await self.take(2) == (b"\5\2" if login else b"\5\0")
        if login:
            user, password = login
            self.writer.write(b"\1" + bytes([len(user)]) + user + bytes([len(password)]) + password)
            if await self.take(2) != b"\1\0":
                return None
        self.writer.write(b"\5" + bytes([command]) + b"\0\3" + bytes([len(host)]) + host + b"\0\x50")
        self.reply = await self.take(10)
        assert self.reply[0] == 5
        return self.reply[1]

    async def take(self, size):
        return await within(self.reader.readexactly(size), 2 * tunnel.WAIT)

    def close(self):
        self.writer.close()
