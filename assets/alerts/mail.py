"""Alerts as plain-text e-mail over SMTP.

What belongs here: the message, the connection, and what the server made of it. What does not: choosing (`limits`) and
the record (`record`). Whatever goes wrong ends in an outcome: nothing is raised, nothing waits for longer than
MOST_SECONDS, and no word of the server is repeated (it may quote an address), only its number.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Literal

from assets.alerts.alert import Alert
from codebook.network import Network
from codebook.outgoing import ADDRESS, Alerts

MOST_SECONDS = 40.0
"""All messages of one call together: a sensor has a minute."""
PERMANENT = 500
SILENT = "the mail server did not answer in time, or ended the connection"


@dataclass(frozen=True)
class Outcome:
    """What became of one message. refused: for good (5xx); deferred: worth another try. `reason` says why."""

    status: Literal["sent", "refused", "deferred"]
    reason: str = ""


def compose(alert: Alert, to: str, network: Network, at: dt.datetime) -> EmailMessage:
    """One message, to one address. Answers go to the network's contact, where that is an address."""
    settings = network.alerts
    sender = settings.sender or ""
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = _line(f"[{network.name}] {alert.subject}")
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=_domain(sender))
    message["Auto-Submitted"] = "auto-generated"
    if network.contact and ADDRESS.match(network.contact):
        message["Reply-To"] = network.contact
    message.set_content(body(alert, network))
    return message


def body(alert: Alert, network: Network) -> str:
    """The text of a message."""
    asked = f"Questions: {network.contact}\n" if network.contact else ""
    about = "Run" if alert.site is None else "Unit"
    return (
        f"{about}: {alert.about}\n\n"
        f"What: {alert.what}\n\n"
        f"Since: {alert.since}\n\n"
        f"What to do: {alert.to_do}\n\n"
        f"Where to look: {alert.where}\n\n"
        f"{asked}"
        f"Sent by Concord for {network.title}; not again within {network.alerts.quiet_days} days as long as it lasts. "
        "This message holds counts and dates only. Please send no names or numbers of patients in an answer.\n"
    )


def deliver(
    messages: Sequence[EmailMessage], settings: Alerts, password: str | None, most_seconds: float = MOST_SECONDS
) -> Iterator[Outcome]:
    """Send messages over one connection; yields one outcome for each, in order, as soon as it is known."""
    n_done = 0
    trouble: Outcome | None = None
    try:
        with _connection(settings, password, most_seconds) as connection:
            for message in messages:
                outcome = _send(connection, message)
                n_done += 1
                yield outcome
                if connection.sock is None:
                    trouble = outcome
                    break
    except (OSError, smtplib.SMTPException) as error:
        trouble = _outcome(error)
    for _ in messages[n_done:]:
        yield trouble or Outcome("deferred", SILENT)


@contextmanager
def _connection(settings: Alerts, password: str | None, most_seconds: float) -> Iterator[smtplib.SMTP]:
    """An open and, where a user is declared, authenticated connection; cut when its time is over."""
    name, timeout = _domain(settings.sender or ""), settings.timeout_seconds
    context = ssl.create_default_context()
    connection = (
        smtplib.SMTP_SSL(local_hostname=name, timeout=timeout, context=context)
        if settings.security == "ssl"
        else smtplib.SMTP(local_hostname=name, timeout=timeout)
    )
    timer = threading.Timer(most_seconds, _cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        # smtplib checks the certificate against the name it was made with, not the one it connects to.
        connection._host = settings.host or ""  # type: ignore[attr-defined]
        connection.connect(settings.host or "", settings.port_used)
        if settings.security == "starttls":
            connection.starttls(context=context)
        if settings.user:
            connection.login(settings.user, password or "")
        yield connection
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.quit()
    finally:
        timer.cancel()
        connection.close()


def _cut(connection: smtplib.SMTP) -> None:
    """End a connection that somebody is waiting on."""
    sock = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _send(connection: smtplib.SMTP, message: EmailMessage) -> Outcome:
    try:
        connection.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        return _refused(min(code for code, _ in error.recipients.values()))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return _outcome(error)
    return Outcome("sent")


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPNotSupportedError, "the mail server does not offer what network.yaml asks for; see alerts.security"),
    (ssl.SSLError, "no safe connection to the mail server: its certificate or its TLS is not accepted"),
    (smtplib.SMTPServerDisconnected, SILENT),
    (TimeoutError, SILENT),
    (Exception, "the mail server cannot be reached; see alerts.host and alerts.port"),
)
"""Kind of error → what it means, the nearest first."""


def _outcome(error: Exception) -> Outcome:
    """What an error of the connection means, without the server's words."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        reason = "the mail server does not accept user and password; see alerts.user and alerts.password_variable"
        return Outcome("deferred", f"{reason} ({error.smtp_code})")
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(error.smtp_code)
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Outcome("refused", "an address cannot be written as e-mail writes it")
    return Outcome("deferred", next(reason for kind, reason in _REASONS if isinstance(error, kind)))


def _refused(code: int) -> Outcome:
    status: Literal["refused", "deferred"] = "refused" if code >= PERMANENT else "deferred"
    return Outcome(status, f"the mail server answered {code}")


def _domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"


def _line(text: str) -> str:
    """A header holds one line."""
    return " ".join(text.split())
