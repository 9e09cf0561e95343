"""E-mail over a real socket: what goes out, and that a server that fails in any way is an outcome and costs little."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_server import PASSWORD, USER, MailServer, certificate, free_port, serving

from assets.alerts.alert import Alert
from assets.alerts.mail import Outcome, compose, deliver
from codebook.network import Network

NOW = dt.datetime(2026, 11, 27, 8, 30, tzinfo=dt.UTC)
ADDRESSES = ("north@example.org", "south@example.org", "east@example.org")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


def network(port: int, **settings: Any) -> Network:
    usual = {"is_enabled": True, "host": "127.0.0.1", "port": port, "security": "none", "timeout_seconds": 0.5}
    alerts = usual | {"sender": "concord@klinikk.example.org"} | settings
    given = {"name": "demo", "title": "Démo network", "contact": "coordinator@example.org", "alerts": alerts}
    return Network.model_validate(given)


def alert(key: str = "a", about: str = "Nørth\r\nBcc: all@example.org") -> Alert:
    return Alert(key, "missing_delivery", "north", about, "It is late.", dt.date(2026, 11, 1), "Send it.", "There.")


def send(to: Network, *, password: str | None = None, most_seconds: float = 20) -> list[Outcome]:
    messages = [compose(alert(), address, to, NOW) for address in ADDRESSES]
    return list(deliver(messages, to.alerts, password, most_seconds))


def test_messages_are_plain_text_with_what_a_reader_needs(mail: MailServer) -> None:
    assert send(network(mail.port)) == [Outcome("sent")] * 3
    assert mail.to() == list(ADDRESSES) and mail.n_connections == 1
    message = mail.taken[0]
    assert message["Subject"] == "[demo] Nørth Bcc: all@example.org: no delivery since 2026-11-01"
    assert (message["From"], message["Bcc"]) == ("concord@klinikk.example.org", None)
    assert (message["Reply-To"], message["Auto-Submitted"]) == ("coordinator@example.org", "auto-generated")
    assert message["Message-ID"].endswith("@klinikk.example.org>") and message.get_content_type() == "text/plain"
    assert mail.greeted_as == {"klinikk.example.org"}
    text = message.get_content()
    for part in ("What: It is late.", "Since: 2026-11-01", "What to do: Send it.", "Where to look: There.", "Démo"):
        assert part in text


@pytest.mark.parametrize(
    ("replies", "outcomes"),
    [
        ({"RCPT south@example.org": "550 south@example.org is not here"}, ["sent", "refused 550", "sent"]),
        ({"RCPT north@example.org": "450 later"}, ["deferred 450", "sent", "sent"]),
        ({"DATA": "452 no room"}, ["deferred 452"] * 3),
        ({"DATA": "554 looks like spam"}, ["refused 554"] * 3),
        ({"MAIL": "421 going down"}, ["deferred 421"] * 3),
    ],
)
def test_one_message_refused_stops_no_other(mail: MailServer, replies: dict[str, str], outcomes: list[str]) -> None:
    mail.replies = replies
    found = send(network(mail.port))
    assert [f"{one.status} {one.reason[-3:]}".strip() for one in found] == outcomes
    assert len(mail.taken) == outcomes.count("sent")
    assert not any("example.org" in one.reason or "spam" in one.reason for one in found), "no word of the server"


@pytest.mark.parametrize("fault", ["hang", "drop", "lose"])
def test_a_server_that_fails_is_tried_again(mail: MailServer, fault: str) -> None:
    mail.fault = fault
    found = send(network(mail.port))
    assert {one.status for one in found} == {"deferred"} and len(found) == 3
    assert "did not answer in time, or ended the connection" in found[0].reason


def test_a_server_that_drips_is_cut_when_its_time_is_over(mail: MailServer) -> None:
    mail.fault = "drip"
    began = time.monotonic()
    assert {one.status for one in send(network(mail.port), most_seconds=0.6)} == {"deferred"}
    assert time.monotonic() - began < 5


def test_nobody_listens() -> None:
    found = send(network(free_port()))
    assert [one.status for one in found] == ["deferred"] * 3
    assert "cannot be reached" in found[0].reason
    assert "cannot be reached" in send(network(25, host="nowhere.invalid"))[0].reason


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_over_tls_with_user_and_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mail: MailServer, security: str
) -> None:
    path, mail.context = certificate(tmp_path)
    mail.is_tls_at_once, mail.offers_tls = security == "ssl", security == "starttls"
    safe = network(mail.port, security=security, user=USER, password_variable="X")
    found = send(safe, password=PASSWORD)
    assert {one.reason for one in found} == {
        "no safe connection to the mail server: its certificate or its TLS is not accepted"
    }
    assert mail.taken == [] and mail.users == [], "nothing is said to a server that nobody vouches for"
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert send(safe, password=PASSWORD) == [Outcome("sent")] * 3
    assert mail.users == [USER] and mail.encrypted == [True] * 3
    wrong = send(safe, password="wrong")
    assert {one.status for one in wrong} == {"deferred"}
    assert "(535)" in wrong[0].reason and USER not in wrong[0].reason and len(mail.taken) == 3


def test_a_certificate_for_another_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mail: MailServer
) -> None:
    path, mail.context = certificate(tmp_path, "192.0.2.1")
    mail.offers_tls = True
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert "certificate" in send(network(mail.port, security="starttls"))[0].reason
    assert mail.taken == []


def test_a_server_without_tls_is_not_talked_to_where_tls_is_asked_for(mail: MailServer) -> None:
    found = send(network(mail.port, security="starttls"))
    assert {one.status for one in found} == {"deferred"} and mail.taken == []
    assert "alerts.security" in found[0].reason
