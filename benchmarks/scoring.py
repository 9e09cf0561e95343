"""What scoring costs: the generated SQL beside a raw text scan of the same answers and beside pandas, in CPU seconds.

    python -m benchmarks.scoring [--assessments N] [--runs N]

The instrument is synthetic: 60 items, ten of them reversed, five scales of twelve items and a total, each with a
missing rule; 2 % of the answers are missing. The SQL is what dbt compiles in a network's own build: what each scale
rests on is counted from the lake's answers (and stored with the form, which a build pays for, so it is told apart), and
every row and column of `harmonised.scale_score`, a view, is made of that. The peer is DuckDB reading the same rows as
text from one CSV file, every column, nothing else done; the other is pandas by whole columns, which keeps six columns
in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from assets.ingestion.receipts import ACCEPTED, RECEIPT_SCHEMA
from assets.warehouse.build import manifest, prepare_project, run_dbt
from assets.warehouse.inputs import ensure_empty_lake, write_inputs
from checks.lake_schema import lake_schema
from codebook.instrument import Instrument, Scale, item_column
from codebook.library import Library
from codebook.network import Network, NetworkFolder
from codebook.site import Site

N_ITEMS, N_DOMAINS, MISSING_SHARE = 60, 5, 0.02
SITE, DELIVERY, DAY = "unit", "2026-01-01", dt.date(2026, 1, 1)
ITEMS = [item_column(item) for item in range(1, N_ITEMS + 1)]
COUNTED = {"answered", "raw", "supplied", "outside", "gate"}
"""What the columns begin with that hold what a scale rests on."""
SCAN = "select {counts} from read_csv('{path}', all_varchar = true, header = true)"


def main() -> None:
    """Print median CPU seconds of each way and their ratio to the text scan; fail where SQL and pandas disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assessments", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    instrument = questionnaire()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        answers = random_answers(chosen.assessments)
        answers.write_csv(root / "answers.csv")
        build(root, instrument, answers)
        spent: dict[str, list[float]] = {}
        for _ in range(chosen.runs):
            for name, seconds in one_round(root, instrument).items():
                spent.setdefault(name, []).append(seconds)
        compare(root, instrument)
    medians = {name: statistics.median(seconds) for name, seconds in spent.items()}
    scan = medians["text scan"]
    print(
        f"{chosen.assessments:,} assessments of {N_ITEMS} items, {N_DOMAINS + 1} scales; median of {chosen.runs} runs"
    )
    for name, seconds in medians.items():
        print(f"  {name:22} {seconds:7.2f} CPU seconds {seconds / scan:7.2f} times the text scan")


def questionnaire() -> Instrument:
    """Five scales of twelve items and a total, with missing rules that are accepted."""
    rule = {"name": "bench-missing", "prorate": "person_mean", "status": "verified"}
    width = N_ITEMS // N_DOMAINS
    keys = {f"domain_{n + 1}": range(n + 1, N_ITEMS + 1, N_DOMAINS) for n in range(N_DOMAINS)}
    common = {"aggregate": "mean", "minimum": 1, "maximum": 4, "status": "verified"}
    scales = [
        {"key": key, "label": key, "items": list(items), "missing_rule": {**rule, "max_missing": 2}, **common}
        for key, items in keys.items()
    ]
    every = list(range(1, N_ITEMS + 1))
    scales.append({"key": "total", "label": "total", "items": every, "missing_rule": {**rule, "max_missing": width}})
    scales[-1] |= common | {"aggregate": "sum", "minimum": N_ITEMS, "maximum": 4 * N_ITEMS}
    return Instrument.model_validate(
        {
            "key": "bench",
            "family": "bench",
            "name": "Benchmark",
            "citation": "none",
            "licence": "none",
            "direction": "higher_is_worse",
            "raters": ["patient"],
            "n_items": N_ITEMS,
            "versions": [{"key": "bench", "label": "bench", "minimum": 1, "maximum": 4, "status": "verified"}],
            "reversed_items": list(range(3, N_ITEMS + 1, 6)),
            "scales": scales,
        }
    )


def random_answers(n: int) -> pl.DataFrame:
    """One row per assessment: `assessment_id` and the answers 1–4, null where missing; the same every time."""
    rng = np.random.default_rng(20260101)
    frame = pl.DataFrame({"assessment_id": np.char.mod("a%015x", rng.permutation(n))})
    for column in ITEMS:
        value, is_missing = rng.integers(1, 5, n, dtype=np.int16), rng.random(n) < MISSING_SHARE
        frame = frame.with_columns(pl.when(pl.Series(is_missing)).then(None).otherwise(pl.Series(value)).alias(column))
    return frame


def build(root: Path, instrument: Instrument, answers: pl.DataFrame) -> None:
    """Put the answers in the lake of a new network and let dbt build `scale_score` once."""
    source = {"name": "s", "file": "*", "identity": {"columns": ["id"]}}
    site = Site.model_validate(
        {
            "site": SITE,
            "name": SITE,
            "format": {"reader": "delimited"},
            "delivery": {"mode": "frozen"},
            "mappings": [{"from_delivery": DELIVERY, "sources": [source]}],
        }
    )
    network = Network(name="bench", title="Benchmark")
    library = Library(NetworkFolder(root), network, {"bench": instrument}, {SITE: site}, {}, {})
    ensure_empty_lake(root / "lake", library)
    schema = lake_schema(library.instruments)
    one = {"patient_id": "p", "episode_id": "e", "source_file": "answers.csv", "source_row": 1}
    own = one | {"version": "bench", "rater": "patient", "declared_months": 0.0, "sequence": 1, "content_hash": ""}
    tables = {"patient": pl.DataFrame(one), "episode": pl.DataFrame(one)}
    tables["bench"] = answers.with_columns([pl.lit(value).alias(name) for name, value in own.items()])
    for name, frame in tables.items():
        path = root / "lake" / "accepted" / name / f"site={SITE}" / f"delivery={DELIVERY}" / "part.parquet"
        path.parent.mkdir(parents=True)
        columns = [
            (pl.col(column) if column in frame.columns else pl.lit(None)).cast(dtype).alias(column)
            for column, dtype in schema[name].items()
        ]
        frame.select(columns).write_parquet(path)
    known: dict[str, Any] = dict.fromkeys(RECEIPT_SCHEMA)
    known |= {"site_id": SITE, "delivery": DELIVERY, "delivery_date": DAY, "gate": ACCEPTED, "n_rows_landed": 1}
    write_inputs(library, pl.DataFrame([known], schema=RECEIPT_SCHEMA), None, DAY, root / ".build" / "inputs")
    manifest()
    outcome = run_dbt(prepare_project(root / ".build"), only="+scale_score")
    if not outcome.is_success:
        raise RuntimeError(outcome.explain())


def one_round(root: Path, instrument: Instrument) -> dict[str, float]:
    """CPU seconds of the text scan, of the compiled SQL (every column computed; then stored), and of pandas."""
    counts = ", ".join(f"count({column})" for column in ("assessment_id", *ITEMS))
    spent: dict[str, float] = {}
    with duckdb.connect() as connection:
        scan = SCAN.format(counts=counts, path=root / "answers.csv")
        spent["text scan"] = cpu(lambda: connection.execute(scan).fetchall())
    project = root / ".build" / "dbt"
    (compiled,) = (project / "target" / "compiled").rglob("stg_assessment.sql")
    with contextlib.chdir(project), duckdb.connect("../warehouse.duckdb") as connection:
        forms = f"({compiled.read_text(encoding='utf-8')})"
        described = connection.execute(f"describe select * from {forms}").fetchall()
        counts = [row[0] for row in described if row[0].split("_")[0] in COUNTED]
        scores = [row[0] for row in connection.execute("describe harmonised.scale_score").fetchall()]
        counted = f"select {', '.join(f'max({column})' for column in counts)} from {forms}"
        made = f"select {', '.join(f'max({column})' for column in scores)} from harmonised.scale_score"
        stored = f"create or replace table main.counted as select assessment_id, {', '.join(counts)} from {forms}"
        spent["SQL, counted"] = cpu(lambda: connection.execute(counted).fetchall())
        read = cpu(lambda: connection.execute(made).fetchall())
        spent["SQL, scored"] = spent["SQL, counted"] + read
        spent["SQL, scored and stored"] = cpu(lambda: connection.execute(stored).fetchall()) + read
        frame = connection.execute(f"select assessment_id, {', '.join(ITEMS)} from staging.stg_assessment").df()
    spent["pandas, scored"] = cpu(lambda: by_pandas(frame, instrument))
    return spent


def by_pandas(frame: pd.DataFrame, instrument: Instrument) -> pd.DataFrame:
    """The same scores in long form by whole columns, as a careful analyst would write it."""
    version = instrument.versions[0]
    scored = frame[ITEMS].astype("float64")
    backwards = [item_column(item) for item in instrument.reversed_items]
    scored[backwards] = version.minimum + version.maximum - scored[backwards]
    return pd.concat([_scale_by_pandas(frame, scored, scale) for scale in instrument.scales], ignore_index=True)


def _scale_by_pandas(frame: pd.DataFrame, scored: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    rule = scale.missing_rule
    assert rule is not None
    items = scored[[item_column(item) for item in scale.items]]
    n_items, n_answered = len(scale.items), items.notna().sum(axis=1)
    mean = items.mean(axis=1)
    score = (mean if scale.aggregate == "mean" else mean * n_items).where(n_items - n_answered <= rule.max_missing)
    too_many = np.where(n_answered > 0, "too_many_missing", "not_answered")
    given = np.where(n_answered == n_items, "scored", "prorated")
    return pd.DataFrame(
        {
            "assessment_id": frame["assessment_id"],
            "scale": scale.key,
            "score": score,
            "n_items": n_items,
            "n_answered": n_answered,
            "status": np.where(score.notna(), given, too_many),
        }
    )


def compare(root: Path, instrument: Instrument) -> None:
    """Both ways must give the same; AssertionError where they do not."""
    with duckdb.connect(str(root / ".build" / "warehouse.duckdb"), read_only=True) as connection:
        items = connection.execute(f"select assessment_id, {', '.join(ITEMS)} from staging.stg_assessment").df()
        connection.register("theirs", by_pandas(items, instrument))
        (joined, different) = connection.execute(
            """
            select count(*), count(*) filter (
                where ours.status <> theirs.status or ours.n_answered <> theirs.n_answered
                or coalesce(ours.score, -1) - coalesce(theirs.score, -1) not between -1e-9 and 1e-9
            )
            from harmonised.scale_score as ours
            inner join theirs on ours.assessment_id = theirs.assessment_id and ours.scale = theirs.scale
            """
        ).fetchall()[0]
    assert joined == len(items) * len(instrument.scales), f"{joined} scores in common"
    assert different == 0, f"{different} of {joined} scores differ"


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
