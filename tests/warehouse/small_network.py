"""A network small enough to check by hand: two sites that deliver in different ways, and one of scoring cases."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assets.warehouse.build import DbtOutcome
from checks.lake_schema import lake_schema
from codebook.cases import all_cases
from codebook.instrument import Instrument, item_column
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.schedule import Schedule
from codebook.site import Site

FIRST_SIX = ("wai_s", "wai_sr", "gaf", "wsas", "bsi_18", "bdi_ii")
CASES: list[dict[str, Any]] = [
    case.model_dump() for case in all_cases() if case.instrument in FIRST_SIX and case.is_form
]
MODES = {"north": "snapshot", "south": "increment", "west": "snapshot", "cases": "frozen"}
TODAY = dt.date(2026, 11, 1)


@dataclass(frozen=True)
class Built:
    """The network after one real build; `lines` are what dbt said."""

    root: Path
    outcome: DbtOutcome
    lines: list[str]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def accepting(instrument: Instrument) -> Instrument:
    """The network's own instrument `<key>_own`: the same, but its rules are accepted by name, its norms are known."""
    data = instrument.model_dump(mode="json")
    data["key"] = f"{instrument.key}_own"
    for scale in data["scales"]:
        if scale["missing_rule"]:
            scale["missing_rule"]["name"] += "-own"
        if scale["versions"] == ["wai_sr_5"]:  # a cut-off of five points must not be held to seven
            scale["cutoffs"] = [{"label": "satisfactory", "operator": ">", "value": 4, "status": "verified"}]
    for version in data["versions"]:
        if version["rescaled_to"]:
            version["rescaled_to"]["name"] += "-own"
    for norm in data["norms"]:
        norm["status"] = "verified"
    return Instrument.model_validate(data)


def library(root: Path) -> Library:
    built_in = {key: i for key, i in load_instruments().items() if key in FIRST_SIX}
    own = {f"{key}_own": accepting(instrument) for key, instrument in built_in.items()}
    names = {s.missing_rule.name for i in own.values() for s in i.scales if s.missing_rule}
    names |= {v.rescaled_to.name for i in own.values() for v in i.versions if v.rescaled_to}
    network = Network(name="small", title="Small network", accepted_unverified=tuple(sorted(names)))
    schedule = Schedule.model_validate(
        {
            "name": "standard",
            "title": "Standard",
            "valid_from": "2010-01-01",
            "occasions": [
                {
                    "key": "baseline",
                    "label": "Baseline",
                    "anchor": "admission",
                    "before_days": 14,
                    "after_days": 28,
                    "due": [{"instrument": "gaf", "rater": "clinician"}],
                },
                *(
                    {
                        "key": f"m{months:02d}",
                        "label": f"Month {months}",
                        "anchor": "treatment_start",
                        "months": months,
                        "before_days": 30,
                        "after_days": 30,
                        "due": [
                            {"instrument": "wai_s", "until_date": "2012-06-01"},
                            {"instrument": "wai_sr", "from_date": "2012-06-01"},
                        ],
                    }
                    for months in (3, 6, 7, 9, 12)
                ),
                {
                    "key": "discharge",
                    "label": "Discharge",
                    "anchor": "discharge",
                    "before_days": 30,
                    "after_days": 30,
                    "due": [{"instrument": "gaf", "rater": "clinician"}],
                },
            ],
        }
    )
    sites = {name: _site(name, mode) for name, mode in MODES.items()}
    return Library(NetworkFolder(root), network, built_in | own, sites, {"standard": schedule}, {})


def _site(name: str, mode: str) -> Site:
    mapping = {"from_delivery": "2000-01-01", "sources": [{"name": "s", "file": "*", "identity": {"columns": ["id"]}}]}
    return Site.model_validate(
        {
            "site": name,
            "name": name.title(),
            "format": {"reader": "delimited"},
            "delivery": {"mode": mode},
            "mappings": [mapping],
        }
    )


def deliveries() -> pl.DataFrame:
    rows = [
        ("north", "2026-06-01", "2026-05-31", 5, 1, "accepted"),
        ("north", "2026-10-01", "2026-09-20", 8, 1, "accepted"),
        ("north", "2026-10-15", "2026-10-14", 9, 0, "held: 40 % of rows are quarantined"),
        ("south", "2026-07-01", "2026-06-30", 4, 0, "accepted"),
        ("south", "2026-08-01", "2026-07-31", 1, 0, "accepted"),
        ("west", "2026-09-01", "2026-08-31", 1, 0, "accepted"),
        ("west", "2026-10-01", "2026-09-30", 10, 0, "accepted"),
        ("cases", "2026-01-01", "2026-01-01", len(CASES), 0, "accepted"),
    ]
    return pl.DataFrame(
        [
            {
                "site_id": site,
                "delivery": delivery,
                "delivery_date": day(delivery),
                "data_through_date": day(through),
                "is_data_through_estimated": False,
                "n_files": 1,
                "n_rows_landed": accepted + quarantined,
                "n_rows_accepted": accepted,
                "n_rows_quarantined": quarantined,
                "content_fingerprint": "c",
                "recipe_fingerprint": "r",
                "received_at": dt.datetime(2026, 10, 20, 12),
                "unmapped_columns": "",
                "gate": gate,
                "n_rows_unused": 0,
                "unused_files": "",
                "notes": "",
            }
            for site, delivery, through, accepted, quarantined, gate in rows
        ]
    )


class Lake:
    """Rows by table, site and delivery; what a row does not name is null."""

    def __init__(self, instruments: dict[str, Instrument]) -> None:
        self.schema = lake_schema(instruments)
        self.rows: dict[tuple[str, str, str], list[dict[str, Any]]] = {}

    def add(self, table: str, site: str, delivery: str, **values: Any) -> None:
        assert set(values) <= set(self.schema[table]), f"{table}: {set(values) - set(self.schema[table])}"
        rows = self.rows.setdefault((table, site, delivery), [])
        rows.append({"source_file": f"{table}.csv", "source_row": len(rows) + 2} | values)

    def assess(self, instrument: str, site: str, delivery: str, key: str, episode: str, **values: Any) -> None:
        answers = values.pop("answers", ())
        items = {item_column(n): answer for n, answer in enumerate(answers, start=1)}
        row = {"version": instrument, "rater": "patient", "sequence": 1, "content_hash": f"h{answers}{values}"}
        ids = {"assessment_id": key, "episode_id": episode, "patient_id": f"p{episode[1:]}"}
        self.add(instrument, site, delivery, **(row | ids | items | values))

    def write(self, lake: Path) -> None:
        for (table, site, delivery), rows in self.rows.items():
            schema = self.schema[table]
            folder = lake / "accepted" / table / f"site={site}" / f"delivery={delivery}"
            folder.mkdir(parents=True)
            full = [{column: row.get(column) for column in schema} for row in rows]
            pl.DataFrame(full, schema=schema).write_parquet(folder / "part.parquet")


def fill(lake: Lake) -> None:
    _north(lake)
    _south(lake)
    _west(lake)
    _cases(lake)


SATISFIED = (5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5)


def _north(lake: Lake) -> None:
    first, second, held = "2026-06-01", "2026-10-01", "2026-10-15"
    for delivery in (first, second, held):
        lake.add("patient", "north", delivery, patient_id="p1", sex="female", birth_year=1990)
        lake.add(
            "episode",
            "north",
            delivery,
            episode_id="e1",
            patient_id="p1",
            admission_date=day("2026-01-10"),
            treatment_start_date=day("2026-02-01"),
        )
        lake.assess(
            "gaf",
            "north",
            delivery,
            "a1",
            "e1",
            version="gaf_split",
            rater="clinician",
            occasion="baseline",
            assessment_date=day("2026-01-12"),
            answers=(55, None if delivery == first else 48),
        )
    lake.add("missing_answer", "north", first, assessment_id="a1", instrument="gaf", item=2, missing_code="0")
    lake.add("patient", "north", first, patient_id="p9", sex="male")
    for delivery in (second, held):
        lake.add("patient", "north", delivery, patient_id="p2", sex="male", birth_year=1980)
        lake.add("patient", "north", delivery, patient_id="p3")
        lake.add(
            "episode",
            "north",
            delivery,
            episode_id="e2",
            patient_id="p2",
            admission_date=day("2012-01-10"),
            discharge_date=day("2012-08-20"),
            treatment_start_date=day("2012-01-20"),
        )
        lake.add("episode", "north", delivery, episode_id="e3", patient_id="p3")
    wai = {"occasion": "m03", "assessment_date": day("2026-06-10"), "version": "wai_sr_7", "answers": SATISFIED}
    lake.assess("wai_sr", "north", second, "a2", "e1", **wai)
    lake.assess("wai_sr", "north", second, "a3", "e1", **(wai | {"assessment_date": day("2026-06-11"), "sequence": 2}))
    lake.assess(
        "wai_s",
        "north",
        second,
        "a4",
        "e2",
        version="wai_s_7",
        occasion="m03",
        assessment_date=day("2012-03-01"),
        answers=(4, 4, 4, 4, 4, 4, 4, 4, 4, 4, None, 4),
    )
    lake.assess(
        "wai_sr",
        "north",
        second,
        "a5",
        "e2",
        version="wai_sr_7",
        occasion="m06",
        assessment_date=day("2012-07-21"),
        answers=(4,) * 12,
    )
    lake.assess(
        "wai_sr",
        "north",
        second,
        "a6",
        "e3",
        version="wai_sr_5",
        occasion="m03",
        declared_months=3.5,
        answers=(5,) * 12,
    )
    lake.assess("wai_sr", "north", second, "a7", "e3", version="wai_sr_5", occasion="m09", answers=(None,) * 12)
    lake.assess("bdi_ii", "north", second, "a8", "e1", assessment_date=day("2026-02-01"), supplied_total=17.0)
    lake.assess("bdi_ii", "north", held, "a99", "e1", assessment_date=day("2026-10-10"), answers=(0,) * 21)
    finding = {"patient_id": "p1", "episode_id": "e1", "class": "conformance", "severity": "void_value", "message": "m"}
    lake.add("finding", "north", first, finding_id="f-gone", rule="gaf-range-02", assessment_id="a1", **finding)
    lake.add("finding", "north", first, finding_id="f-stays", rule="date-implausible", **finding)
    lake.add("finding", "north", second, finding_id="f-stays", rule="date-implausible", **finding)
    lake.add("finding", "north", held, finding_id="f-held", rule="date-implausible", **finding)
    for delivery in (first, second, held):
        lake.add("quarantine", "north", delivery, rule="row-identity-missing", row_json="{}")


def _south(lake: Lake) -> None:
    first, second = "2026-07-01", "2026-08-01"
    lake.add("patient", "south", first, patient_id="p1", sex="female", birth_year=1991)
    for patient in ("p4", "p5"):
        episode = f"e{patient[1:]}"
        lake.add("patient", "south", first, patient_id=patient, sex="other")
        lake.add("episode", "south", first, episode_id=episode, patient_id=patient, admission_date=day("2026-06-01"))
        lake.add("attribute", "south", first, episode_id=episode, patient_id=patient, attribute="work", value="3")
    gaf = {"version": "gaf_global", "rater": "clinician", "occasion": "baseline"}
    date = day("2026-06-02")
    lake.assess("gaf", "south", first, "a10", "e4", **gaf, assessment_date=date, answers=(None, None, 40))
    lake.assess("gaf", "south", second, "a10", "e4", **gaf, assessment_date=date, answers=(None, None, 61))
    lake.assess("gaf", "south", first, "a11", "e5", **gaf, assessment_date=day("2026-05-01"), answers=(None, None, 50))
    lake.add("attribute", "south", second, episode_id="e4", patient_id="p4", attribute="work", value="5")
    lake.add(
        "consent",
        "south",
        second,
        patient_id="p5",
        purpose="research",
        status="withdrawn",
        status_date=day("2026-08-01"),
    )
    finding = {"class": "plausibility", "severity": "flag", "message": "m", "rule": "visit-unscheduled"}
    lake.add(
        "finding",
        "south",
        first,
        finding_id="f-fixed",
        assessment_id="a10",
        episode_id="e4",
        patient_id="p4",
        **finding,
    )
    lake.add(
        "finding", "south", first, finding_id="f-open", assessment_id="a11", episode_id="e5", patient_id="p5", **finding
    )
    lake.add("finding", "south", first, finding_id="f-patient", patient_id="p4", **finding)


ADDS_UP_TO_18 = (0,) * 6 + (1,) * 6 + (2,) * 6
"""A BSI-18 whose 18 answers add up to 18."""


def _west(lake: Lake) -> None:
    """Alliances to be rescaled, and totals that the unit computed itself: right, wrong and blind to missing items."""
    first, second = "2026-09-01", "2026-10-01"
    lake.add("patient", "west", second, patient_id="p6")
    lake.add("episode", "west", second, episode_id="e6", patient_id="p6")
    form: dict[str, Any] = {"declared_months": 3.0}
    five = {**form, "version": "wai_sr_5"}
    bdi, bsi = {**form, "version": "bdi_ii"}, {**form, "version": "bsi_18"}
    lake.assess("wai_sr_own", "west", second, "w-five", "e6", **five, answers=(2, 3) * 6)
    lake.assess("wai_sr_own", "west", second, "w-high", "e6", **five, answers=(5,) * 12)
    lake.assess("wai_sr_own", "west", second, "w-none", "e6", **five, answers=(None,) * 12)
    for delivery in (first, second):
        lake.assess("bdi_ii", "west", delivery, "w-wrong", "e6", **bdi, answers=(1,) * 21, supplied_total=22.0)
    lake.assess("bdi_ii_own", "west", second, "w-norm", "e6", **bdi, answers=(2,) * 21, supplied_total=42.004)
    blank = (None, *(1,) * 20)
    lake.assess("bdi_ii", "west", second, "w-blind", "e6", **bdi, answers=blank, supplied_total=20.0)
    lake.assess("bdi_ii", "west", second, "w-unknown", "e6", **bdi, answers=blank, supplied_total=21.0)
    missing_last = (*ADDS_UP_TO_18[:-1], None)
    lake.assess(
        "bsi_18_own",
        "west",
        second,
        "w-prorated",
        "e6",
        **bsi,
        answers=missing_last,
        supplied_gsi_sum=16.0,
        supplied_gsi_mean=16 / 18,
    )
    lake.assess(
        "bsi_18_own",
        "west",
        second,
        "w-agreed",
        "e6",
        **bsi,
        answers=missing_last,
        supplied_gsi_sum=16 * 18 / 17,
        supplied_gsi_mean=16 / 17,
    )


def _cases(lake: Lake) -> None:
    site, delivery = "cases", "2026-01-01"
    for number, case in enumerate(CASES):
        episode = f"e-case-{number}"
        lake.add("patient", site, delivery, patient_id=f"p-case-{number}")
        lake.add("episode", site, delivery, episode_id=episode, patient_id=f"p-case-{number}")
        key = case["instrument"] + ("_own" if case["accepts_proposed"] else "")
        codes = {"gaf": (0,)}.get(case["instrument"], ())
        answers = [None if answer in codes else answer for answer in case["responses"]]
        lake.assess(
            key, site, delivery, case["id"], episode, version=case["version"], declared_months=1.0, answers=answers
        )
