"""A TLS 1.3 peer with the keys and no manners: OpenSSL shakes hands, then every record is made here.

A Forger looks like a socket, so that a yamux Session can live on it; `forge` sends a record of any type,
padding and length, `alerts` has the alerts that came as (level, code).
"""

import hashlib
import hmac
import os
import socket
import ssl
import struct
import tempfile

import pytest

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
except ImportError:
    AESGCM = None

ALERT, HANDSHAKE, DATA = 21, 22, 23
RECORD = 16384
KEY_UPDATE = b"\x18\x00\x00\x01"


def needed():
    if AESGCM is None:
        pytest.skip("python3-cryptography is not installed")


def _expand(digest, secret, label, size):
    """HKDF-Expand-Label with an empty hash (RFC 8446, 7.1); one block is enough here."""
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\x00"
    return hmac.new(secret, info + b"\x01", digest).digest()[:size]


class Way:
    """The keys of one direction."""

    def __init__(self, suite, secret):
        self.digest = hashlib.sha384 if "SHA384" in suite else hashlib.sha256
        self.cipher = ChaCha20Poly1305 if "CHACHA" in suite else AESGCM
        self.key_size = 16 if "AES_128" in suite else 32
        self._begin(secret)

    def _begin(self, secret):
        self.secret, self.sequence = secret, 0
        self.aead = self.cipher(_expand(self.digest, secret, b"key", self.key_size))
        self.iv = int.from_bytes(_expand(self.digest, secret, b"iv", 12), "big")

    def update(self):
        self._begin(_expand(self.digest, self.secret, b"traffic upd", self.digest().digest_size))

    def nonce(self):
        self.sequence += 1
        return (self.iv ^ (self.sequence - 1)).to_bytes(12, "big")

    def seal(self, inner):
        header = struct.pack(">BHH", DATA, 0x0303, len(inner) + 16)
        return header + self.aead.encrypt(self.nonce(), inner, header)

    def open(self, record):
        """Content and type."""
        inner = self.aead.decrypt(self.nonce(), record[5:], record[:5]).rstrip(b"\x00")
        return inner[:-1], inner[-1]


class Forger:
    def __init__(self, sock, certificate=None):
        """Shakes hands: as a server with a certificate, else as a client."""
        needed()
        self.sock, self.server = sock, certificate is not None
        self.alerts, self.updates = [], 0
        self._plain, self._wire, self._ended = b"", b"", False
        secrets, suite = self._shake(certificate)
        client, server = Way(suite, secrets["CLIENT"]), Way(suite, secrets["SERVER"])
        self.says, self.hears = (server, client) if self.server else (client, server)

    def _shake(self, certificate):
        settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if self.server else ssl.PROTOCOL_TLS_CLIENT)
        settings.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.server:
            settings.num_tickets = 0
            settings.load_cert_chain(certificate.cert, certificate.key)
        else:
            settings.check_hostname = False
            settings.verify_mode = ssl.CERT_NONE
        with tempfile.TemporaryDirectory(prefix="tunnel-keys-") as folder:
            settings.keylog_filename = os.path.join(folder, "keys")
            suite = self._exchange(settings)
            with open(settings.keylog_filename) as lines:
                words = [line.split() for line in lines if "_TRAFFIC_SECRET_0" in line]
        return {word[0].split("_")[0]: bytes.fromhex(word[2]) for word in words}, suite

    def _exchange(self, settings):
        """What is read behind the handshake stays in `_wire`: records for us."""
        taken, given = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = settings.wrap_bio(taken, given, server_side=self.server)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(given.read())
                taken.write(self._record())
        self.sock.sendall(given.read())
        return tls.cipher()[0]

    def _fill(self, size):
        while len(self._wire) < size:
            more = self.sock.recv(1 << 18)
            if not more:
                return False
            self._wire += more
        return True

    def _record(self):
        """The next record as it came, or nothing at the end."""
        if not self._fill(5) or not self._fill(5 + struct.unpack(">H", self._wire[3:5])[0]):
            return b""
        size = 5 + struct.unpack(">H", self._wire[3:5])[0]
        record, self._wire = self._wire[:size], self._wire[size:]
        return record

    # --- what is sent

    def raw(self, record):
        self.sock.sendall(record)

    def sealed(self, kind, content=b"", padding=0):
        return self.says.seal(content + bytes([kind]) + bytes(padding))

    def forge(self, kind, content=b"", padding=0):
        self.raw(self.sealed(kind, content, padding))

    def update(self, request=0):
        self.forge(HANDSHAKE, KEY_UPDATE + bytes([request]))
        self.says.update()

    def sendall(self, content):
        for at in range(0, len(content), RECORD):
            self.forge(DATA, content[at : at + RECORD])

    # --- what comes

    def _take(self):
        record = self._record()
        if not record:
            self._ended = True
            return
        try:
            content, kind = self.hears.open(record)
        except InvalidTag:
            raise OSError("a record that does not open") from None
        if kind == ALERT:
            self.alerts.append(tuple(content))
        elif kind == HANDSHAKE and content[0] == KEY_UPDATE[0]:
            self.hears.update()
            self.updates += 1
        elif kind == DATA:
            self._plain += content

    def recv(self, size):
        while not self._plain and not self._ended and not self.alerts:
            self._take()
        found, self._plain = self._plain[:size], self._plain[size:]
        return found

    def last_words(self, timeout=10):
        """Reads to the end, or to a reset. Gives the alerts."""
        self.sock.settimeout(timeout)
        try:
            while not self._ended:
                self._take()
        except socket.timeout:
            raise AssertionError("the connection is kept open") from None
        except OSError:
            pass
        return self.alerts

    # --- as a socket

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def getsockname(self):
        return self.sock.getsockname()

    def close(self):
        self.sock.close()
