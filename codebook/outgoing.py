"""The models of what a network sends out: the dialect of its CSV files, and alerts by e-mail (`network.yaml`).

What belongs here: the settings. What does not: what is sent to whom (`assets.alerts`), and writing files
(`assets.spreadsheet`).
"""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared

ADDRESS = re.compile(r"^[^@\s<>,;:\"]+@[^@\s<>,;:\"]+$", re.ASCII)
"""One e-mail address as a mail server takes it, without a name beside it."""
PORTS = {"starttls": 587, "ssl": 465, "none": 25}


class CsvDialect(Declared):
    """How CSV files for units are written, so that a double click opens them in the spreadsheet that they use.

    `utf-8-sig` is UTF-8 with the mark that spreadsheets look for; `windows-1252` writes `?` for a letter it lacks.
    """

    delimiter: Literal[",", ";", "\t"] = ","
    decimal: Literal[".", ","] = "."
    encoding: Literal["utf-8-sig", "utf-8", "windows-1252"] = "utf-8-sig"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.delimiter == self.decimal:
            raise ValueError("delimiter and decimal must differ")
        return self


class Alerts(Declared):
    """Alerts by e-mail: off until `is_enabled`. The password never stands in a file.

    `engineer` is told of failed runs; a unit's contact (`contact.email` of its declaration) of its own deliveries.
    """

    is_enabled: bool = False
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    """None: 587 with starttls, 465 with ssl, 25 with none."""
    security: Literal["starttls", "ssl", "none"] = "starttls"
    user: str | None = None
    password_variable: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")
    """Environment variable that holds the password of `user`."""
    sender: str | None = None
    engineer: str | None = None
    quiet_days: int = Field(default=7, ge=1)
    """So many days pass before the same alert is sent again."""
    at_most_per_day: int = Field(default=20, ge=1)
    """Messages a day in all; what is left waits for the next."""
    timeout_seconds: float = Field(default=10, gt=0, le=30)

    @property
    def port_used(self) -> int:
        """The declared port, or the usual one."""
        return self.port or PORTS[self.security]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in ("sender", "engineer"):
            address = getattr(self, name)
            if address is not None and not ADDRESS.match(address):
                raise ValueError(f"{name}: not an e-mail address")
        if self.is_enabled and not (self.host and self.sender):
            raise ValueError("host and sender are needed where is_enabled is true")
        if (self.user is None) != (self.password_variable is None):
            raise ValueError("user and password_variable belong together; give both or none")
        if self.user and self.security == "none":
            raise ValueError("security: none would send the password readable for all; use starttls or ssl")
        return self
