"""What `benchmarks.ingestion` holds Concord against: the same work in pandas and pandera, as their manuals show it.

What belongs here: reading, mapping, pseudonyms, findings, flags, leak scan, contract and Parquet for the one
questionnaire of the benchmark. What does not: flags beside an earlier delivery, since a first delivery has none.

It is meant to be what somebody who knows pandas well would write, and no straw man: whole columns throughout, one text
of a kind judged once, no loop over rows but for the keyed hashes. pandera judges as its manual says: a
`DataFrameSchema` with a column per answer, checks by column (`isin`, `str_matches`, `str_length`, `in_range`) and by
row, `lazy=True`, and `failure_cases` turned into findings; what passes is put under a second, coercing schema.
"""

from __future__ import annotations

import hmac
import re
from pathlib import Path
from typing import Any

import numpy as np
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
CODES = [*(str(code) for code in range(HIGHEST + 1)), "", MISSING_CODE]
DATES = {"%Y-%m-%d": r"^\d{4}-\d{2}-\d{2}$", "%d.%m.%Y": r"^\d{2}\.\d{2}\.\d{4}$", "%d/%m/%Y": r"^\d{2}/\d{2}/\d{4}$"}
IDENTIFIER = (
    r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+|\+\d{2}[ ()\d/-]{6,}\d|(?:^|[^\d.,-])\d{2} \d{2} \d{2} \d{2}(?:\D|$)"
    r"|(?:^|\D)\d{6}[ -]?\d{5}(?:\D|$)"
)
"""E-mail addresses, telephone numbers and national numbers."""
SHORTEST_NAME, SAMPLE, CLEARLY_NEGATIVE, WINDOW_DAYS, DAYS_PER_MONTH = 3, 20_000, -0.3, 30, 30.4375


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
    patients = _read(folder / "patients.csv", dialect)
    people = {word for name in patients.pop("name").str.lower().unique() for word in re.findall(r"\w+", name)}
    answers = pd.concat([_read(path, dialect) for path in sorted(folder.glob("answers_*.csv"))], ignore_index=True)
    n_landed = len(patients) + len(answers)
    patients["patient_id"] = _patient_ids(patients["nr"], site, key)
    patients["admission_date"] = pd.to_datetime(patients["admitted"], format=dialect.date_format)
    episodes = patients["patient_id"] + f"\x1f{site}\x1f" + patients["admission_date"].dt.strftime("%Y-%m-%d")
    patients["episode_id"] = [_hashed("episode", text, key) for text in episodes]
    findings: list[pd.DataFrame] = []
    failed = _failed(answers, dialect)
    rows, held = _rows(answers, failed, patients, site, key, findings)
    rows = _timed(rows, failed, dialect, findings)
    parts = rows["patient_id"] + "\x1f" + rows["episode_id"] + f"\x1f{INSTRUMENT}\x1fpatient\x1f" + rows["occasion"]
    rows["assessment_id"] = [_hashed("assessment", f"{text}\x1f", key) for text in parts]
    rows["content_hash"] = pd.util.hash_pandas_object(rows[[*QUESTIONS, "date", "sum"]], index=False)
    rows, missing = _answered(rows, failed, dialect, findings)
    table = _contracted(rows)
    _flag(table, patients, findings)
    for frame in (table[["occasion", "source_file"]], held[["date", "visit", "sum", "note", *QUESTIONS]]):
        _scan(frame, people, findings)
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


def _failed(answers: pd.DataFrame, dialect: Dialect) -> pd.DataFrame:
    """What pandera finds in the texts as they arrived: a line per failure (column, check, failure_case, index)."""
    decimal = re.escape(dialect.decimal)
    landed = pa.DataFrameSchema(
        {
            "nr": pa.Column(str, pa.Check.str_length(min_value=1)),
            "date": pa.Column(str, pa.Check.str_matches(DATES[dialect.date_format])),
            "visit": pa.Column(str, pa.Check.isin(list(VISITS))),
            **{question: pa.Column(str, pa.Check.isin(CODES)) for question in QUESTIONS},
            "sum": pa.Column(str, pa.Check.str_matches(rf"^\d+(?:{decimal}\d+)?$")),
            "note": pa.Column(str),
            "source_file": pa.Column(str),
            "source_row": pa.Column(int),
        },
        checks=pa.Check(lambda rows: ~rows.duplicated(["nr", "visit"], keep=False), name="one row per key"),
        strict=True,
    )
    try:
        landed.validate(answers, lazy=True)
    except pandera.errors.SchemaErrors as error:
        failed: pd.DataFrame = error.failure_cases
        return failed.assign(index=failed["index"].astype(int))
    return pd.DataFrame(columns=["column", "check", "failure_case", "index"])


def _of(failed: pd.DataFrame, check: str, column: str | None = None) -> pd.Index[Any]:
    chosen = failed["check"].str.startswith(check)
    return pd.Index(
        (failed[chosen] if column is None else failed[chosen & (failed["column"] == column)])["index"].unique()
    )


def _rows(
    answers: pd.DataFrame,
    failed: pd.DataFrame,
    patients: pd.DataFrame,
    site: str,
    key: bytes,
    findings: list[pd.DataFrame],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that may stay, with their course, and rows that are held back."""
    is_short = answers.index.isin(_of(failed, "str_matches", "sum"))  # pandas fills short rows up without a word
    is_nameless = ~is_short & answers.index.isin(_of(failed, "str_length", "nr"))
    rows = answers[~is_short & ~is_nameless].copy()
    rows["patient_id"] = _patient_ids(rows["nr"], site, key)
    several = rows[rows.index.isin(_of(failed, "one row per key"))]
    several = several[several.duplicated(["nr", "visit"], keep=False)]
    contents = pd.util.hash_pandas_object(several.drop(columns=["source_file", "source_row"]), index=False)
    n_contents = contents.groupby([several["nr"], several["visit"]]).transform("nunique")
    is_conflict = rows.index.isin(several.index[n_contents > 1])
    is_repeat = ~is_conflict & rows.index.isin(several.index[several.duplicated(["nr", "visit"])])
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
    kept = rows[~is_held].reset_index(names="landed").merge(courses, on="patient_id", how="left")
    return kept.set_index("landed"), held


def _timed(rows: pd.DataFrame, failed: pd.DataFrame, dialect: Dialect, findings: list[pd.DataFrame]) -> pd.DataFrame:
    """Dates and occasions; what is none is voided."""
    is_unread = rows.index.isin(_of(failed, "str_matches", "date"))
    date = pd.to_datetime(rows["date"].mask(is_unread), format=dialect.date_format, errors="coerce")
    is_late = date > pd.Timestamp(DELIVERY)
    findings.append(_note(rows[date.isna() & (rows["date"] != "")], "date-unreadable", "assessment_date"))
    findings.append(_note(rows[is_late], "date-implausible", "assessment_date"))
    occasion = rows["visit"].map({label: label.lower() for label in VISITS})
    return rows.assign(assessment_date=date.mask(is_late), occasion=occasion)


def _answered(
    rows: pd.DataFrame, failed: pd.DataFrame, dialect: Dialect, findings: list[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers as numbers: missing codes told apart, and what pandera found outside the codes voided."""
    text = rows[QUESTIONS].set_axis(ITEMS, axis=1)
    is_code = failed["check"].str.startswith("isin") & failed["column"].isin(QUESTIONS)
    wrong = failed[is_code & failed["index"].isin(rows.index)]
    for question, cases in wrong.groupby("column"):
        item = ITEMS[QUESTIONS.index(str(question))]
        is_number = pd.to_numeric(cases["failure_case"], errors="coerce").notna()
        for rule, some in (("range", cases[is_number]), ("code", cases[~is_number])):
            findings.append(_note(rows.loc[some["index"]], f"{INSTRUMENT}-{rule}-{item[-2:]}", item))
        text.loc[cases["index"], item] = ""
    is_missing = text == MISSING_CODE
    number = text.mask(is_missing | (text == "")).apply(pd.to_numeric)
    is_missing_row, _ = is_missing.to_numpy().nonzero()
    missing = rows[["assessment_id"]].iloc[is_missing_row]
    supplied = pd.to_numeric(rows["sum"].str.replace(dialect.decimal, "."), errors="coerce").rename("supplied_total")
    kept = rows.drop(columns=[*QUESTIONS, "date", "visit", "sum", "note", "nr", "admission_date"])
    whole: pd.DataFrame = pd.concat([kept, number, supplied], axis=1)
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
            **{item: pa.Column("Int16", pa.Check.in_range(0, HIGHEST), nullable=True, coerce=True) for item in ITEMS},
            "supplied_total": pa.Column(float, nullable=True),
            "source_row": pa.Column(int),
        },
        strict=True,
    )
    return contract.validate(rows, lazy=True)


def _flag(table: pd.DataFrame, patients: pd.DataFrame, findings: list[pd.DataFrame]) -> None:
    """Runs of one answer, items turned round, days and months changed about, and courses that begin before a birth."""
    answers = table[ITEMS]
    lowest, highest = answers.min(axis=1, skipna=False), answers.max(axis=1, skipna=False)
    findings.append(_note(table[(lowest == highest).fillna(False) & (lowest > 0).fillna(False)], "straight-lining"))
    complete = answers.sort_index().head(SAMPLE).dropna().astype(float)
    rest = complete.rsub(complete.sum(axis=1), axis=0)
    turned = complete.corrwith(rest) <= CLEARLY_NEGATIVE
    findings.append(_note(table.head(int(turned.sum())), "item-reversed"))
    dated = table.merge(patients[["episode_id", "admission_date"]], on="episode_id").dropna(subset=["assessment_date"])
    date = dated["assessment_date"]
    either = (date.dt.day <= 12) & (date.dt.day != date.dt.month)
    dated, date = dated[either], date[either]
    swapped = pd.to_datetime({"year": date.dt.year, "month": date.dt.day, "day": date.dt.month})
    months = dated["occasion"].map({label.lower(): months for label, months in VISITS.items()})
    due = dated["admission_date"] + pd.to_timedelta((months * DAYS_PER_MONTH).round(), unit="D")
    fits = [(when - due).abs() <= pd.Timedelta(days=WINDOW_DAYS) for when in (date, swapped)]
    n_swapped = int((~fits[0] & fits[1]).sum())
    findings.append(_note(table.head(int(n_swapped >= 10 and 2 * n_swapped >= len(dated))), "dates-swapped"))
    born = pd.to_numeric(patients["born"], errors="coerce")
    findings.append(_note(patients[born > patients["admission_date"].dt.year], "dates-order"))


def _scan(frame: pd.DataFrame, people: set[str], findings: list[pd.DataFrame]) -> None:
    """Texts about to be stored that name somebody, or hold an address or a number of somebody; each text once."""
    texts = pd.Series(np.unique(np.concatenate([frame[column].unique().astype(object) for column in frame.columns])))
    words = texts.str.lower().str.findall(r"[^\W\d_]+").explode()
    names = {word for word in people if len(word) >= SHORTEST_NAME}
    names |= {f"{word}s" for word in names}
    is_named = words.isin(names).groupby(level=0).any()
    leaking = texts[is_named | texts.str.contains(IDENTIFIER)]
    for column in frame.columns if len(leaking) else ():
        findings.append(_note(frame[frame[column].isin(leaking)], "text-identifier", column))
