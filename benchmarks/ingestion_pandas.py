"""What `benchmarks.ingestion` holds Concord against: the same work in pandas and pandera, by whole columns.

What belongs here: reading, mapping, pseudonyms, findings, contract and Parquet for the one questionnaire of the
benchmark. What does not: the leak scan and the flags about a whole delivery, which only Concord does.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from benchmarks.ingestion_network import (
    DELIVERY,
    HIGHEST,
    INSTRUMENT,
    MISSING_CODE,
    QUESTIONS,
    VISITS,
    Dialect,
    dialect_of,
    site_names,
)

ITEMS = [f"item_{number:02d}" for number in range(1, len(QUESTIONS) + 1)]
FINDING = ["rule", "item", "patient_id", "source_file", "source_row"]


def ingest(root: Path, target: Path) -> dict[str, int]:
    """Take every unit of the network in `root`, write its tables under `target`, and count as the truth does."""
    key = (root / "secrets" / "pseudonym.key").read_bytes().strip()
    counts: dict[str, int] = {}
    for site in site_names():
        for name, count in _take(root, site, key, target / site).items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _take(root: Path, site: str, key: bytes, target: Path) -> dict[str, int]:
    dialect = dialect_of(site)
    folder = root / "landing" / site / DELIVERY.isoformat()
    patients = _read(folder / "patients.csv", dialect).drop(columns="name")
    answers = pd.concat([_read(path, dialect) for path in sorted(folder.glob("answers_*.csv"))], ignore_index=True)
    n_landed = len(patients) + len(answers)
    patients["patient_id"] = _patient_ids(patients["nr"], site, key)
    patients["admission_date"] = pd.to_datetime(patients["admitted"], format=dialect.date_format)
    episodes = patients["patient_id"] + f"\x1f{site}\x1f" + patients["admission_date"].dt.strftime("%Y-%m-%d")
    patients["episode_id"] = [_hashed("episode", text, key) for text in episodes]
    findings: list[pd.DataFrame] = []
    rows, held = _rows(answers, patients, site, key, findings)
    rows = _timed(rows, dialect, findings)
    parts = rows["patient_id"] + "\x1f" + rows["episode_id"] + f"\x1f{INSTRUMENT}\x1fpatient\x1f" + rows["occasion"]
    rows["assessment_id"] = [_hashed("assessment", f"{text}\x1f", key) for text in parts]
    rows["content_hash"] = pd.util.hash_pandas_object(rows[[*QUESTIONS, "date", "mean"]], index=False)
    rows, missing = _answered(rows, dialect, findings)
    table = _contracted(rows)
    found = pd.concat(findings, ignore_index=True)
    texts = found["rule"] + f"\x1f{site}\x1f" + found["source_file"] + "\x1f" + found["source_row"].astype(str)
    found["finding_id"] = [_hashed("finding", text, key) for text in texts]
    target.mkdir(parents=True)
    table.to_parquet(target / "answers.parquet", compression="zstd")
    patients.drop(columns="nr").to_parquet(target / "patients.parquet", compression="zstd")
    found.to_parquet(target / "findings.parquet", compression="zstd")
    held.drop(columns="nr").to_parquet(target / "quarantine.parquet", compression="zstd")
    missing.to_parquet(target / "missing.parquet", compression="zstd")
    rules = found["rule"].str.replace(r"-\d\d$", "", regex=True).value_counts().to_dict()
    numbers = {"n_landed": n_landed, "n_quarantined": len(held), "n_accepted": len(table)}
    return {str(rule): int(count) for rule, count in rules.items()} | numbers | {"n_missing_answers": len(missing)}


def _read(path: Path, dialect: Dialect) -> pd.DataFrame:
    """A file as text, its empty cells ''."""
    frame = pd.read_csv(path, sep=dialect.delimiter, encoding=dialect.encoding, dtype=str, keep_default_na=False)
    return frame.assign(source_file=path.name, source_row=range(2, len(frame) + 2))


def _hashed(kind: str, text: str, key: bytes) -> str:
    return kind[0] + hmac.digest(key, f"{kind}\x1f{text}".encode(), "sha256").hex()[:20]


def _patient_ids(numbers: pd.Series[Any], site: str, key: bytes) -> pd.Series[Any]:
    """Ids as Concord makes them: of the number, then of the unit and that."""
    unique = {
        number: _hashed("patient", f"{site}\x1f{_hashed('patient', number, key)}", key) for number in numbers.unique()
    }
    return numbers.map(unique)


def _note(rows: pd.DataFrame, rule: str, item: str = "") -> pd.DataFrame:
    return rows.reindex(columns=FINDING).assign(rule=rule, item=item)


def _rows(
    answers: pd.DataFrame, patients: pd.DataFrame, site: str, key: bytes, findings: list[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that may stay, with their course, and rows that are held back."""
    is_short = answers["mean"] == ""  # pandas fills short rows up without a word; a whole row has its mean
    is_nameless = ~is_short & (answers["nr"] == "")
    rows = answers[~is_short & ~is_nameless].copy()
    rows["patient_id"] = _patient_ids(rows["nr"], site, key)
    content = pd.util.hash_pandas_object(rows.drop(columns=["source_file", "source_row"]), index=False)
    by_key = content.groupby([rows["nr"], rows["visit"]])
    is_conflict = by_key.transform("nunique") > 1
    is_repeat = ~is_conflict & rows.duplicated(["nr", "visit"])
    is_stranger = ~rows["nr"].isin(patients["nr"])
    first_of_conflict = rows[is_conflict].drop_duplicates(["nr", "visit"])
    findings += [
        _note(answers[is_short], "row-unreadable"),
        _note(answers[is_nameless], "row-identity-missing"),
        _note(first_of_conflict, "row-key-conflict"),
        _note(rows[is_repeat], "row-duplicate"),
        _note(rows[is_stranger], "row-episode-unknown"),
    ]
    is_held = is_conflict | is_repeat | is_stranger
    held = pd.concat([answers[is_short | is_nameless], rows[is_held]])
    courses = patients[["patient_id", "episode_id", "admission_date"]]
    return rows[~is_held].merge(courses, on="patient_id", how="left"), held


def _timed(rows: pd.DataFrame, dialect: Dialect, findings: list[pd.DataFrame]) -> pd.DataFrame:
    """Dates and occasions; what is none is voided."""
    date = pd.to_datetime(rows["date"], format=dialect.date_format, errors="coerce")
    is_late = date > pd.Timestamp(DELIVERY)
    findings.append(_note(rows[date.isna() & (rows["date"] != "")], "date-unreadable", "assessment_date"))
    findings.append(_note(rows[is_late], "date-implausible", "assessment_date"))
    occasion = rows["visit"].map({label: label.lower() for label in VISITS})
    return rows.assign(assessment_date=date.mask(is_late), occasion=occasion)


def _answered(rows: pd.DataFrame, dialect: Dialect, findings: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers as numbers: missing codes told apart, unknown codes and what pandera finds outside the range voided."""
    text = rows[QUESTIONS].set_axis(ITEMS, axis=1)
    is_missing = text == MISSING_CODE
    number = text.apply(pd.to_numeric, errors="coerce").mask(is_missing)
    is_unknown = number.isna() & (text != "") & ~is_missing
    for item in is_unknown.columns[is_unknown.any()]:
        findings.append(_note(rows[is_unknown[item]], f"{INSTRUMENT}-code-{item[-2:]}", item))
    in_range = pa.DataFrameSchema(
        {item: pa.Column(float, pa.Check.in_range(0, HIGHEST), nullable=True) for item in ITEMS}
    )
    number = number.astype(float)
    try:
        in_range.validate(number, lazy=True)
    except pandera.errors.SchemaErrors as error:
        for item, cases in error.failure_cases.groupby("column"):
            outside = cases["index"].astype(int)
            findings.append(_note(rows.loc[outside], f"{INSTRUMENT}-range-{str(item)[-2:]}", str(item)))
            number.loc[outside, item] = float("nan")
    is_missing_row, _ = is_missing.to_numpy().nonzero()
    missing = rows[["assessment_id"]].iloc[is_missing_row]
    mean = pd.to_numeric(rows["mean"].str.replace(dialect.decimal, "."), errors="coerce").rename("supplied_total")
    kept = rows.drop(columns=[*QUESTIONS, "date", "visit", "mean", "note", "nr", "admission_date"])
    whole: pd.DataFrame = pd.concat([kept, number.astype("Int16"), mean], axis=1)
    return whole, missing


def _contracted(rows: pd.DataFrame) -> pd.DataFrame:
    """The table under its contract."""
    text = {name: pa.Column(str) for name in ("episode_id", "patient_id", "occasion", "source_file")}
    contract = pa.DataFrameSchema(
        {
            "assessment_id": pa.Column(str, unique=True),
            **text,
            "assessment_date": pa.Column("datetime64[us]", nullable=True, coerce=True),
            "content_hash": pa.Column("uint64"),
            **{item: pa.Column("Int16", pa.Check.in_range(0, HIGHEST), nullable=True) for item in ITEMS},
            "supplied_total": pa.Column(float, nullable=True),
            "source_row": pa.Column(int),
        },
        strict=True,
    )
    return contract.validate(rows)
