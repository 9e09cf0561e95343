"""A private PostgreSQL of Debian's package for tests: a new cluster on a free loopback port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

PASSWORD = "owner-pa55word"
READER_PASSWORD = "reader-pa55word"


@dataclass(frozen=True)
class Cluster:
    """A running server; `run` speaks to it as its owner."""

    port: int
    folder: Path

    def address(self, user: str = "reader", password: str = READER_PASSWORD, database: str = "postgres") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def owner(self) -> str:
        return self.address("owner", PASSWORD)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.owner)
        try:
            with connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


def programs() -> Path | None:
    """Folder of initdb, newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def cluster(binaries: Path) -> Iterator[Cluster]:
    """Make, start, and in the end stop and remove a cluster. PostgreSQL refuses root, so root becomes someone else."""
    folder = Path(tempfile.mkdtemp(prefix="concord-postgres-"))
    other: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", str(folder / "data"), *arguments]
        with (folder / "output").open("ab") as output:
            subprocess.run(command, cwd=folder, stdout=output, stderr=output, check=True, timeout=120, **other)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "output").touch()
        if other:
            shutil.chown(folder / "password", other["user"])
        run("initdb", "-U", "owner", "--pwfile", str(folder / "password"), "--auth=scram-sha-256",
            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            made = Cluster(port, folder)
            made.run(f"create role reader login password '{READER_PASSWORD}'", "grant pg_read_all_data to reader")
            yield made
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
