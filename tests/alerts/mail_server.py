"""A mail server for tests: real SMTP over a real socket on loopback, which takes messages, refuses them, or fails.

What belongs here: the protocol as far as a client needs it (EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, RSET, QUIT), with
and without TLS, and its ways of failing.
"""

from __future__ import annotations

import base64
import datetime as dt
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

USER, PASSWORD = "concord@example.org", "correct horse"


@dataclass
class MailServer:
    """What it took, and how it behaves.

    `replies`: to a command (`MAIL`, `DATA` after the text) instead of 250, or to a recipient (`RCPT a@b`).
    `fault`: hang (no greeting), drip (a byte at a time for ever), drop (ends after EHLO), lose (takes the text and
    ends without a word).
    """

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    is_tls_at_once: bool = False
    offers_tls: bool = False
    n_connections: int = 0
    greeted_as: set[str] = field(default_factory=set)
    encrypted: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    context: ssl.SSLContext | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def to(self) -> list[str]:
        return [str(message["To"]) for message in self.taken]


class _Handler(socketserver.BaseRequestHandler):
    mail: MailServer

    def handle(self) -> None:
        mail = self.mail
        mail.n_connections += 1
        if mail.is_tls_at_once and not self._secure():
            return
        if mail.fault == "hang":
            mail.released.wait(30)
            return
        if mail.fault == "drip":
            self._drip()
            return
        self._open()
        self._say("220 mail.example.org ESMTP")
        while line := self.lines.readline():
            command, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            if not self._answer(command.upper(), rest):
                return

    def _open(self) -> None:
        self.lines = self.request.makefile("rb")

    def _say(self, text: str) -> None:
        self.request.sendall(text.encode() + b"\r\n")

    def _drip(self) -> None:
        try:
            self.request.sendall(b"220-")
            while not self.mail.released.wait(0.05):
                self.request.sendall(b".")
        except OSError:
            pass

    def _secure(self) -> bool:
        assert self.mail.context is not None
        try:
            self.request = self.mail.context.wrap_socket(self.request, server_side=True)
        except (OSError, ssl.SSLError):
            return False
        return True

    def _answer(self, command: str, rest: str) -> bool:
        """Answer one command; False where the connection ends."""
        given = self.mail.replies.get(command)
        ways = {"EHLO": self._greet, "STARTTLS": self._start_tls, "AUTH": self._log_in, "RCPT": self._recipient}
        if command == "DATA":
            return self._take(given)
        if command in ways:
            return ways[command](rest)
        self._say("221 bye" if command == "QUIT" else given or "250 ok")
        return command != "QUIT" and not (given or "").startswith("421")

    def _greet(self, name: str) -> bool:
        self.mail.greeted_as.add(name)
        is_plain = not isinstance(self.request, ssl.SSLSocket)
        tls = ["250-STARTTLS"] if self.mail.offers_tls and is_plain else []
        for line in ("250-mail.example.org", "250-8BITMIME", *tls, "250 AUTH PLAIN"):
            self._say(line)
        return self.mail.fault != "drop"

    def _start_tls(self, _: str) -> bool:
        self._say("220 go on")
        is_secure = self._secure()
        if is_secure:
            self._open()
        return is_secure

    def _log_in(self, rest: str) -> bool:
        said = base64.b64decode(rest.split(" ")[1]).decode().split("\0")[1:]
        self.mail.users.append(said[0])
        self._say("235 ok" if said == [USER, PASSWORD] else f"535 {said[0]} is not known")
        return True

    def _recipient(self, rest: str) -> bool:
        address = rest.partition("<")[2].partition(">")[0]
        self._say(self.mail.replies.get(f"RCPT {address}") or "250 ok")
        return True

    def _take(self, given: str | None) -> bool:
        self._say("354 go on")
        text = b""
        while (line := self.lines.readline()) and line != b".\r\n":
            text += line[1:] if line.startswith(b"..") else line
        if given is None:
            self.mail.taken.append(message_from_bytes(text, policy=policy.default))
            self.mail.encrypted.append(isinstance(self.request, ssl.SSLSocket))
        if self.mail.fault == "lose":
            return False
        self._say(given or "250 taken")
        return True


@contextmanager
def serving(mail: MailServer) -> Iterator[MailServer]:
    handler: Any = type("Handler", (_Handler,), {"mail": mail})
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    mail.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield mail
    finally:
        mail.released.set()
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def certificate(folder: Path, address: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """A certificate for an address that nobody vouches for, and a server's context with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.org")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{address}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context
