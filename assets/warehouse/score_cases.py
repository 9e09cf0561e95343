"""Forms scored by the warehouse's own SQL, outside any network: for worked cases and for comparing scorers.

What belongs here: a throw-away network of nothing but forms, and the scores that dbt makes of it.
What does not: judging the scores (`codebook.cases`), and any rule of scoring (`dbt_project/macros/scoring.sql`).
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from assets.ingestion.receipts import RECEIPT_SCHEMA
from assets.warehouse.build import prepare_project, run_dbt
from assets.warehouse.inputs import ensure_empty_lake, write_inputs
from checks.lake_schema import lake_schema
from codebook.case import Case, CaseResult
from codebook.cases import accepted_by, judge
from codebook.instrument import Instrument, item_column
from codebook.library import Library
from codebook.network import Network, NetworkFolder
from codebook.reference import Score
from codebook.site import Site

SITE, DELIVERY = "forms", "2000-01-01"
DAY = dt.date(2000, 1, 1)


@dataclass(frozen=True)
class Form:
    """One answered form; `answers` has an entry per item, item 1 first, already checked against the ranges."""

    id: str
    instrument: str
    version: str
    answers: Sequence[float | None]
    supplied: Mapping[str, float] = field(default_factory=dict)


class ScoringError(Exception):
    """dbt could not build the scores."""


def score_forms(
    instruments: Mapping[str, Instrument], forms: Sequence[Form], accepted: Iterable[str]
) -> dict[str, dict[str, Score]]:
    """Score forms by SQL: one real dbt build in a folder of its own.

    Args:
        instruments: by key; those of the forms.
        forms: with distinct ids.
        accepted: names of the unverified missing rules that may be used.

    Returns:
        Form id → scale → `Score`.

    Raises:
        ScoringError: the build failed; the message is dbt's.
    """
    with tempfile.TemporaryDirectory(prefix="concord-scoring-") as temporary:
        root = Path(temporary)
        _write_network(root, instruments, forms, accepted)
        outcome = run_dbt(prepare_project(root / ".build"), only="+scale_score")
        if not outcome.is_success:
            raise ScoringError(outcome.explain())
        return _read_scores(root / ".build" / "warehouse.duckdb", forms)


def _write_network(
    root: Path, instruments: Mapping[str, Instrument], forms: Sequence[Form], accepted: Iterable[str]
) -> None:
    network = Network(name="forms", title="Forms", accepted_unverified=tuple(sorted(accepted)))
    site = Site.model_validate(
        {
            "site": SITE,
            "name": "Forms",
            "format": {"reader": "delimited"},
            "delivery": {"mode": "frozen"},
            "mappings": [
                {
                    "from_delivery": DELIVERY,
                    "sources": [{"name": "forms", "file": "none", "identity": {"columns": ["id"]}}],
                }
            ],
        }
    )
    library = Library(NetworkFolder(root), network, dict(instruments), {SITE: site}, {}, {})
    ensure_empty_lake(root / "lake", library)
    schema = lake_schema(instruments)
    for key in sorted({form.instrument for form in forms}):
        chosen = [form for form in forms if form.instrument == key]
        _write(root, key, _answers(chosen, instruments[key]), schema[key])
    people = {"patient_id": ["p"], "source_file": ["forms"], "source_row": [1]}
    _write(root, "patient", pl.DataFrame(people), schema["patient"])
    _write(root, "episode", pl.DataFrame({**people, "episode_id": ["e"]}), schema["episode"])
    receipt = {
        "site_id": SITE,
        "delivery": DELIVERY,
        "delivery_date": DAY,
        "data_through_date": DAY,
        "is_data_through_estimated": False,
        "n_files": 1,
        "n_rows_landed": len(forms),
        "n_rows_accepted": len(forms),
        "n_rows_quarantined": 0,
        "content_fingerprint": "",
        "recipe_fingerprint": "",
        "received_at": dt.datetime(2000, 1, 1),
        "unmapped_columns": "",
        "gate": "accepted",
    }
    write_inputs(library, pl.DataFrame([receipt], schema=RECEIPT_SCHEMA), None, DAY, root / ".build" / "inputs")


def _answers(forms: Sequence[Form], instrument: Instrument) -> pl.DataFrame:
    n = len(forms)
    codes = {code.code for code in instrument.missing_codes}
    columns: dict[str, Sequence[object]] = {
        "assessment_id": [form.id for form in forms],
        "episode_id": ["e"] * n,
        "patient_id": ["p"] * n,
        "version": [form.version for form in forms],
        "rater": [instrument.raters[0]] * n,
        "declared_months": [0.0] * n,
        "sequence": list(range(n)),
        "content_hash": [""] * n,
        "source_file": ["forms"] * n,
        "source_row": list(range(1, n + 1)),
    }
    for item in range(1, instrument.n_items + 1):
        given = [form.answers[item - 1] for form in forms]
        columns[item_column(item)] = [None if answer is None or answer in codes else float(answer) for answer in given]
    for scale in instrument.scale_keys:
        columns[f"supplied_{scale}"] = [form.supplied.get(scale) for form in forms]
    return pl.DataFrame(columns, strict=False)


def _write(root: Path, table: str, frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> None:
    fitted = frame.select(
        [(pl.col(c) if c in frame.columns else pl.lit(None)).cast(dtype).alias(c) for c, dtype in schema.items()]
    )
    folder = root / "lake" / "accepted" / table / f"site={SITE}" / f"delivery={DELIVERY}"
    folder.mkdir(parents=True)
    fitted.write_parquet(folder / "part.parquet")


def _read_scores(database: Path, forms: Sequence[Form]) -> dict[str, dict[str, Score]]:
    import duckdb

    scores: dict[str, dict[str, Score]] = {form.id: {} for form in forms}
    with duckdb.connect(str(database), read_only=True) as connection:
        result = connection.execute(
            "select assessment_id, scale, score, n_items, n_answered, is_prorated, status from harmonised.scale_score"
        )
        for identifier, scale, *rest in result.fetchall():
            scores[identifier][scale] = Score(*rest)
    return scores


def run_sql(cases: Sequence[Case], instruments: Mapping[str, Instrument]) -> dict[str, CaseResult]:
    """Hold the SQL to worked cases; those that no scorer takes (formulas, refused forms, errors) are left out.

    Returns:
        Case id → what was expected and what came.
    """
    forms = [case for case in cases if case.is_form and case.expected_error is None]
    results: dict[str, CaseResult] = {}
    for accepts in (False, True):
        chosen = [case for case in forms if case.accepts_proposed == accepts]
        if not chosen:
            continue
        accepted = {name for case in chosen for name in accepted_by(case, instruments[case.instrument])}
        scored = score_forms(
            {case.instrument: instruments[case.instrument] for case in chosen},
            [Form(c.id, c.instrument, c.version, c.responses, c.supplied) for c in chosen],
            accepted,
        )
        results |= {case.id: judge(case, instruments[case.instrument], scored[case.id]) for case in chosen}
    return results
