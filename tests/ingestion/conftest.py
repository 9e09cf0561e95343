"""Fixtures of the ingestion tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import Cluster, cluster, programs
from tiny_network import NETWORK, SCHEDULE, SITE, TinyNetwork

from checks.keys import load_key, write_key


@pytest.fixture
def make_network(tmp_path: Path) -> Callable[..., TinyNetwork]:
    def make(mode: str = "snapshot", site: str | None = None, settings: str = "") -> TinyNetwork:
        root = tmp_path / "network"
        for folder in ("sites", "schedules", "landing/unit"):
            (root / folder).mkdir(parents=True)
        (root / "network.yaml").write_text(NETWORK + settings)
        (root / "schedules" / "plan.yaml").write_text(SCHEDULE)
        (root / "sites" / "unit.yaml").write_text(site or SITE.format(mode=mode))
        write_key(root / "secrets" / "pseudonym.key")
        return TinyNetwork(root, load_key(root / "secrets" / "pseudonym.key"))

    return make


@pytest.fixture
def tiny(make_network: Callable[..., TinyNetwork]) -> TinyNetwork:
    return make_network()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Cluster]:
    """A private PostgreSQL on loopback."""
    binaries = programs()
    if binaries is None:
        pytest.skip("needs PostgreSQL's initdb; install the package postgresql")
    with cluster(binaries) as running:
        yield running
