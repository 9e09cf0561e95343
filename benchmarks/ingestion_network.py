"""The network that `benchmarks.ingestion` takes in: 100 files of answers in three dialects, with planted defects.

What belongs here: writing the files and telling how many findings each planted defect must raise.
What does not: reading them, whoever does it.

Ten units deliver a list of patients, and ten files of answers to a questionnaire of 60 items, eight visits a patient;
once for every million assessments. A third of the units exports comma/UTF-8/point, a third semicolon/cp1252/decimal
comma with quoted text, a third tab/UTF-16. One row in two hundred has a defect, each of ten kinds equally often, never
two in one row. Typing errors come on top where they are asked for: a share of the answers of all other rows.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from checks.keys import write_key

INSTRUMENT, N_ITEMS, HIGHEST = "bench60", 60, 4
N_SITES, FILES_PER_SITE = 10, 10
DELIVERY, LATER, TODAY = dt.date(2026, 1, 5), dt.date(2029, 1, 5), dt.date(2029, 2, 1)
MOST_AT_ONCE = 1_000_000
"""Assessments of all units together; more come in as many increments."""
VISITS = {"T0": 0, "T1": 3, "T2": 6, "T3": 9, "T4": 12, "T5": 18, "T6": 24, "T7": 36}
"""Label in the export → months after the start of treatment."""
QUESTIONS = [f"q{item}" for item in range(1, N_ITEMS + 1)]
DEFECT_SHARE, BLANK_SHARE = 0.005, 0.02
MISSING_CODE = "99"
FIRST_NAMES = ("Åse", "Bjørn", "Cathrine", "Dag", "Eli", "Frøydis", "Geir", "Hœgh", "Ida", "Jørn")
SYLLABLES = ("bak", "dal", "eng", "fjell", "gard", "haug", "land", "mo", "nes", "ås", "rud", "sæt", "vik", "øy")
KINDS = (
    "outside_range",
    "unknown_code",
    "missing_code",
    "date_unreadable",
    "date_in_future",
    "identity_missing",
    "patient_unknown",
    "too_few_cells",
    "repeated",
    "conflicting",
)


@dataclass(frozen=True)
class Dialect:
    """How one unit writes its files."""

    delimiter: str
    encoding: str
    decimal: str
    date_format: str
    is_quoted: bool


DIALECTS = (
    Dialect(",", "utf-8", ".", "%Y-%m-%d", False),
    Dialect(";", "cp1252", ",", "%d.%m.%Y", True),
    Dialect("\t", "utf-16", ".", "%d/%m/%Y", False),
)


def site_names() -> list[str]:
    """The units, in order; the dialect of each is `dialect_of`."""
    return [f"unit_{number:02d}" for number in range(1, N_SITES + 1)]


def dialect_of(site: str) -> Dialect:
    """The dialect of a unit's export."""
    return DIALECTS[int(site[-2:]) % len(DIALECTS)]


def add_delivery(root: Path, site: str, n_assessments: int, seed: int = 1) -> None:
    """One more delivery of a unit: `n_assessments` of patients who are new."""
    _write_site(root, site, max(1, n_assessments // len(VISITS)), np.random.default_rng(seed), 0.0, LATER)


def write_network(root: Path, n_assessments: int, typing_errors: float = 0.0, seed: int = 20260105) -> dict[str, int]:
    """Write a network of about `n_assessments` (whole patients per unit) and return what is true of it.

    Args:
        root: a folder that does not exist.
        n_assessments: rows of answers over all units.
        typing_errors: share of the answers that are out of range or no code at all.
        seed: the same seed gives the same files.

    Returns:
        Findings by rule (`bench60-range` and `bench60-code` over all items), `n_landed` and `n_quarantined` rows,
        `n_accepted` assessments and `n_missing_answers`.
    """
    _declare(root)
    rng = np.random.default_rng(seed)
    n_deliveries = -(-n_assessments // MOST_AT_ONCE)
    n_patients = max(1, round(n_assessments / n_deliveries / len(VISITS) / N_SITES))
    truth: dict[str, int] = {}
    for number in range(n_deliveries):
        delivery = DELIVERY + dt.timedelta(days=30 * number)
        for site in site_names():
            for name, count in _write_site(root, site, n_patients, rng, typing_errors, delivery).items():
                truth[name] = truth.get(name, 0) + count
    return truth


def _declare(root: Path) -> None:
    for folder in ("sites", "schedules", "instruments", "landing"):
        (root / folder).mkdir(parents=True)
    write_key(root / "secrets" / "pseudonym.key")
    network = {"name": "bench", "title": "Benchmark of ingestion", "is_synthetic": True, "today": TODAY}
    _dump(root / "network.yaml", network | {"default_schedule": "plan"})
    _dump(root / "instruments" / f"{INSTRUMENT}.yaml", _instrument())
    occasions = [
        {
            "key": label.lower(),
            "label": label,
            "anchor": "treatment_start",
            "months": months,
            "before_days": 30,
            "after_days": 30,
            "due": [{"instrument": INSTRUMENT}],
        }
        for label, months in VISITS.items()
    ]
    _dump(
        root / "schedules" / "plan.yaml",
        {"name": "plan", "title": "Eight visits", "valid_from": dt.date(2010, 1, 1), "occasions": occasions},
    )
    for site in site_names():
        _dump(root / "sites" / f"{site}.yaml", _site(site))


def _instrument() -> dict[str, Any]:
    width = N_ITEMS // 5
    known: dict[str, Any] = {"aggregate": "sum", "minimum": 0, "status": "verified"}
    rule = {"name": f"{INSTRUMENT}-missing", "prorate": "person_mean", "status": "verified"}
    parts = [
        {"key": f"part_{n + 1}", "items": list(range(n + 1, N_ITEMS + 1, 5)), "missing_rule": rule | {"max_missing": 2}}
        for n in range(5)
    ]
    scales = [*parts, {"key": "total", "items": list(range(1, N_ITEMS + 1)), "missing_rule": rule | {"max_missing": 9}}]
    return {
        "key": INSTRUMENT,
        "family": INSTRUMENT,
        "name": "Benchmark 60",
        "citation": "none",
        "licence": "none",
        "direction": "higher_is_worse",
        "raters": ["patient"],
        "n_items": N_ITEMS,
        "is_outcome": True,
        "versions": [{"key": "v1", "label": "v1", "minimum": 0, "maximum": HIGHEST, "status": "verified"}],
        "scales": [
            known
            | scale
            | {"label": scale["key"], "maximum": HIGHEST * (width if scale["key"] != "total" else N_ITEMS)}
            for scale in scales
        ],
    }


def _site(site: str) -> dict[str, Any]:
    dialect = dialect_of(site)
    identity = {"columns": ["nr"], "scope": "site"}
    return {
        "site": site,
        "name": site.replace("_", " "),
        "format": {
            "reader": "delimited",
            "delimiter": dialect.delimiter,
            "encoding": dialect.encoding,
            "decimal": dialect.decimal,
        },
        "delivery": {"mode": "increment"},
        "mappings": [
            {
                "from_delivery": "2010-01-01",
                "date_format": dialect.date_format,
                "missing_codes": {MISSING_CODE: "not answered"},
                "sources": [
                    {
                        "name": "patients",
                        "file": "patients.csv",
                        "identity": identity,
                        "key": ["nr"],
                        "identifiers": ["name"],
                        "patient": {
                            "sex": {"column": "sex", "codes": {"K": "female", "M": "male"}},
                            "birth_year": "born",
                        },
                        "episode": {"admission_date": "admitted", "treatment_start_date": "admitted"},
                    },
                    {
                        "name": "answers",
                        "file": "answers_*.csv",
                        "identity": identity,
                        "key": ["nr", "visit"],
                        "ignored": ["note"],
                        "assessments": [
                            {
                                "instrument": INSTRUMENT,
                                "version": "v1",
                                "items": "q{n}",
                                "supplied_scores": {"total": "sum"},
                                "date": "date",
                                "occasion": {"column": "visit", "codes": {label: label.lower() for label in VISITS}},
                            }
                        ],
                    },
                ],
            }
        ],
    }


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _write_site(
    root: Path,
    site: str,
    n_patients: int,
    rng: np.random.Generator,
    typing_errors: float,
    delivery: dt.date,
) -> dict[str, int]:
    dialect = dialect_of(site)
    folder = root / "landing" / site / delivery.isoformat()
    folder.mkdir(parents=True)
    patients = _patients(f"{site[-2:]}{delivery:%y%m%d}", n_patients, rng)
    shown = patients.with_columns(pl.col("admitted").dt.strftime(dialect.date_format))
    _write(folder / "patients.csv", shown, dialect, quoted={"nr", "name"})
    answers = _answers(patients, dialect, rng)
    answers, truth = _plant(answers, dialect, typing_errors, delivery, rng)
    size = -(-answers.height // FILES_PER_SITE)
    for number in range(FILES_PER_SITE):
        part = answers.slice(number * size, size)
        _write(folder / f"answers_{number + 1}.csv", part, dialect, quoted={"nr", "visit", "note"})
    n_landed = patients.height + answers.height
    n_held = truth.pop("n_held")
    truth |= {"n_landed": n_landed, "n_quarantined": n_held, "n_accepted": answers.height - n_held}
    return truth


def _patients(prefix: str, n: int, rng: np.random.Generator) -> pl.DataFrame:
    days = rng.integers(0, 3650, n)
    return pl.DataFrame(
        {
            "nr": [f"{prefix}-{number:05d}" for number in range(n)],
            "name": [f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {_surname(number)}" for number in range(n)],
            "sex": rng.choice(["K", "M"], n),
            "born": rng.integers(1950, 2000, n).astype(str),
            "admitted": [dt.date(2010, 6, 1) + dt.timedelta(days=int(day)) for day in days],
        }
    )


def _surname(number: int) -> str:
    """A name of letters only, another one for every patient of a unit."""
    syllables = []
    for _ in range(4):
        number, position = divmod(number, len(SYLLABLES))
        syllables.append(SYLLABLES[position])
    return "".join(syllables).capitalize()


def _answers(patients: pl.DataFrame, dialect: Dialect, rng: np.random.Generator) -> pl.DataFrame:
    """One row per patient and visit, in order of visits, as text."""
    visits = pl.DataFrame({"visit": list(VISITS), "months": list(VISITS.values())})
    frame = patients.select("nr", "admitted").join(visits, how="cross").sort("months", "nr")
    n = frame.height
    late = pl.Series("late", rng.integers(0, 20, n))
    date = pl.col("admitted") + pl.duration(days=(pl.col("months") * 30.4375).round().cast(pl.Int64) + late)
    frame = frame.select("nr", date.dt.strftime(dialect.date_format).alias("date"), "visit")
    numbers = rng.integers(0, HIGHEST + 1, (N_ITEMS, n), dtype=np.int8)
    blank = rng.random((N_ITEMS, n), dtype=np.float32) < BLANK_SHARE
    items = [
        pl.Series(QUESTIONS[row], numbers[row]).cast(pl.String).set(pl.Series(blank[row]), "") for row in range(N_ITEMS)
    ]
    n_answered = N_ITEMS - blank.sum(axis=0)
    total = np.where(blank, 0, numbers).sum(axis=0) * N_ITEMS / n_answered
    supplied = pl.Series("sum", total.round(2)).cast(pl.String).str.replace(".", dialect.decimal, literal=True)
    notes = pl.Series(["", "", "", "kommer tilbake", "ønsket pause", 'sa "nei", senere ja'])
    note = notes.gather(pl.Series(rng.integers(0, len(notes), n), dtype=pl.UInt32)).alias("note")
    return frame.with_columns([*items, supplied, note])


def _plant(
    answers: pl.DataFrame, dialect: Dialect, typing_errors: float, delivery: dt.date, rng: np.random.Generator
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Spoil rows and say what must be found; `is_cut` marks those of which too few cells are written."""
    n_each = max(1, round(answers.height * DEFECT_SHARE / len(KINDS)))
    shuffled = rng.permutation(answers.height)
    chosen = shuffled[: n_each * len(KINDS)].reshape(len(KINDS), n_each)
    answers, n_outside, n_unknown = _mistype(answers, shuffled[n_each * len(KINDS) :], typing_errors, rng)
    answers = answers.with_row_index("position")

    def spoilt(kind: str, column: str, value: str | pl.Expr) -> None:
        nonlocal answers
        rows = pl.Series(chosen[KINDS.index(kind)])
        new = pl.lit(value) if isinstance(value, str) else value
        is_chosen = pl.col("position").is_in(rows.implode())
        answers = answers.with_columns(pl.when(is_chosen).then(new).otherwise(pl.col(column)).alias(column))

    spoilt("outside_range", "q7", "7")
    spoilt("unknown_code", "q12", "2x")
    spoilt("missing_code", "q31", MISSING_CODE)
    spoilt("date_unreadable", "date", "last week")
    future = (delivery + dt.timedelta(days=40)).strftime(dialect.date_format)
    spoilt("date_in_future", "date", future)
    spoilt("identity_missing", "nr", "")
    spoilt("patient_unknown", "nr", pl.lit("gone-") + pl.col("position").cast(pl.String))
    answers = answers.with_columns(pl.lit(False).alias("is_cut"))
    is_cut = pl.col("position").is_in(pl.Series(chosen[KINDS.index("too_few_cells")]).implode())
    answers = answers.with_columns(is_cut.alias("is_cut"))
    again = answers.filter(pl.col("position").is_in(pl.Series(chosen[KINDS.index("repeated")]).implode()))
    other = answers.filter(pl.col("position").is_in(pl.Series(chosen[KINDS.index("conflicting")]).implode()))
    other = other.with_columns(pl.when(pl.col("q1") == "0").then(pl.lit("1")).otherwise(pl.lit("0")).alias("q1"))
    answers = pl.concat([answers, again, other]).sort("position", maintain_order=True).drop("position")
    truth = {
        f"{INSTRUMENT}-range": n_each + n_outside,
        f"{INSTRUMENT}-code": n_each + n_unknown,
        "n_missing_answers": n_each,
        "date-unreadable": n_each,
        "date-implausible": n_each,
        "row-identity-missing": n_each,
        "row-episode-unknown": n_each,
        "row-unreadable": n_each,
        "row-duplicate": n_each,
        "row-key-conflict": n_each,
        "n_held": 6 * n_each,
    }
    return answers, truth


def _mistype(
    answers: pl.DataFrame, sound: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, int, int]:
    """Answers out of range and unknown codes among the sound rows, and how many of each."""
    n_outside = n_unknown = 0
    columns = []
    for question in QUESTIONS if share else ():
        rows = np.sort(rng.choice(sound, round(share * sound.size), replace=False))
        is_unknown = rng.random(rows.size) < 0.5
        texts = pl.Series(np.where(is_unknown, "1o", str(HIGHEST + 5)))
        columns.append(answers[question].scatter(pl.Series(rows, dtype=pl.UInt32), texts))
        n_unknown += int(is_unknown.sum())
        n_outside += int((~is_unknown).sum())
    return answers.with_columns(columns), n_outside, n_unknown


def _write(path: Path, frame: pl.DataFrame, dialect: Dialect, quoted: set[str]) -> None:
    """One line per row; text in quotes where the dialect has them or a cell needs them."""
    names = [name for name in frame.columns if name != "is_cut"]

    def cell(name: str) -> pl.Expr:
        text = pl.col(name)
        escaped = pl.lit('"') + text.str.replace_all('"', '""', literal=True) + pl.lit('"')
        if dialect.is_quoted and name in quoted:
            return escaped
        needs = text.str.contains(dialect.delimiter, literal=True) | text.str.contains('"', literal=True)
        return pl.when(needs).then(escaped).otherwise(text) if name in quoted else text

    cells = [cell(name).alias(name) for name in names]
    whole = pl.concat_str(cells, separator=dialect.delimiter)
    if "is_cut" in frame.columns:
        cut = pl.concat_str(cells[:20], separator=dialect.delimiter)
        whole = pl.when("is_cut").then(cut).otherwise(whole)
    lines = frame.select(whole.alias("line"))["line"]
    text = "\n".join([dialect.delimiter.join(names), *lines]) + "\n"
    path.write_bytes(text.encode(dialect.encoding))
