"""The model of a network and of its folder: settings, thresholds, privacy, and where everything lies.

What belongs here: `network.yaml` and the paths of a network folder.
What does not: sites, schedules, analyses and thresholds of quality, which have a model each.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from codebook.declaration import Declared
from codebook.formats import ReadingLimits
from codebook.outgoing import Alerts, CsvDialect
from codebook.quality import QualityThresholds


class Privacy(Declared):
    """Where the key lies (outside the lake, mode 0600) and the smallest count that may be published."""

    key_file: str = "secrets/pseudonym.key"
    minimum_cell_count: int = Field(default=5, ge=1)
    identifier_patterns: dict[str, str] = {}
    """Further patterns (name → regular expression) that the leak scan looks for."""
    common_words: tuple[str, ...] = ()
    """Everyday words of this network that are also names: a text that holds one is flagged, not voided."""


class GateThresholds(Declared):
    """What holds a delivery back: shares of rows, 0–1."""

    max_quarantined_share: float = Field(default=0.10, ge=0, le=1)
    max_volume_drop_share: float = Field(default=0.50, ge=0, le=1)
    max_leaking_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the stored texts that name somebody. They are voided in any case; above it somebody should be asked."""


class Plausible(Declared):
    """Limits of what a date can be, in days."""

    max_days_before_admission: int = Field(default=60, ge=0)
    """An assessment dated longer before admission is a typing error."""
    max_days_after_discharge: int | None = Field(default=None, ge=0)
    """An assessment dated longer after discharge is flagged; None: the schedule's last window decides."""


class Network(Declared):
    """One clinical network: `network.yaml`."""

    name: str
    title: str
    is_synthetic: bool = False
    contact: str | None = None
    licence: str = "not for redistribution"
    timezone: str = "UTC"
    nightly_at: str = Field(default="02:30", pattern=r"^\d\d:\d\d$")
    today: dt.date | None = None
    """A closed or synthetic network's clock stands still: the day that decides what is overdue."""
    default_schedule: str | None = None
    accepted_unverified: tuple[str, ...] = ()
    """Names of unverified rules that this network accepts (`wai_s-missing`)."""
    privacy: Privacy = Privacy()
    gate: GateThresholds = GateThresholds()
    plausible: Plausible = Plausible()
    quality: QualityThresholds = QualityThresholds()
    limits: ReadingLimits = ReadingLimits()
    csv: CsvDialect = CsvDialect()
    alerts: Alerts = Alerts()


@dataclass(frozen=True)
class NetworkFolder:
    """Paths of one network. Everything under `derived()` can be deleted and comes back the same."""

    root: Path

    @property
    def declaration(self) -> Path:
        """network.yaml"""
        return self.root / "network.yaml"

    @property
    def sites(self) -> Path:
        """Site declarations."""
        return self.root / "sites"

    @property
    def schedules(self) -> Path:
        """Schedule declarations."""
        return self.root / "schedules"

    @property
    def analyses(self) -> Path:
        """Analysis declarations."""
        return self.root / "analyses"

    @property
    def instruments(self) -> Path:
        """The network's own or licensed instruments (optional)."""
        return self.root / "instruments"

    @property
    def landing(self) -> Path:
        """What arrived: landing/<site>/<delivery>/; immutable."""
        return self.root / "landing"

    @property
    def state(self) -> Path:
        """Append-only records: receipts, merges, withdrawals."""
        return self.root / "state"

    @property
    def lake(self) -> Path:
        """Accepted rows, findings and quarantine by table, site and delivery."""
        return self.root / "lake"

    @property
    def build(self) -> Path:
        """Work in progress; swept by the next run."""
        return self.root / ".build"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own records of this network."""
        return self.root / ".dagster"

    @property
    def warehouse(self) -> Path:
        """The sealed DuckDB file that readers open."""
        return self.root / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """published/{public,network,sites/<site>}"""
        return self.root / "published"

    def derived(self) -> tuple[Path, ...]:
        """Everything a run makes again from landing, state and declarations."""
        return self.lake, self.build, self.dagster_home, self.warehouse, self.published
