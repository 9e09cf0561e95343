"""Declared analyses from a warehouse to the tables that are sealed, on data whose results are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from golden import GOLDEN, read

from assets.analysis.declared import AnalysisResults, run_analyses, write_results
from assets.analysis.result_schemas import result_schemas
from codebook.analysis import Analysis
from codebook.analysis_files import load_analyses
from codebook.declaration import Problem, load
from codebook.library import Library
from codebook.network import Network, NetworkFolder

ROOT = Path(__file__).parent.parent.parent
DECLARED = {
    "name": "alliance",
    "title": "Alliance",
    "panel": {
        "name": "alliance_panel",
        "grain": "one row per episode and WAI",
        "measures": {
            "task": {"instruments": ["wai_s"], "scale": "task"},
            "bond": {"instruments": ["wai_s"], "scale": "bond"},
        },
        "covariates": {
            "pred": {"kind": "attribute", "attribute": "pred", "is_value": "yes"},
            "severe": {"kind": "attribute", "attribute": "severity", "is_value": "severe"},
        },
    },
    "outcomes": {"task": "Task", "bond": "Bond"},
    "models": [
        {"name": "growth", "label": "Growth", "terms": ["months"]},
        {"name": "pred", "label": "Pred", "terms": ["months", "pred", "months:pred"], "reference": "growth"},
        {"name": "severe", "label": "Severe", "terms": ["months", "severe"], "reference": "growth"},
    ],
}


def library(*analyses: Analysis) -> Library:
    network = Network(name="test", title="Test", is_synthetic=True)
    return Library(NetworkFolder(Path()), network, {}, {}, {}, {analysis.name: analysis for analysis in analyses})


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """`sim_wai` as scores of the Task scale; severity is known of the first hundred patients only; no Bond."""
    frame, _ = read(GOLDEN, "sim_wai")
    frame["patient_id"] = "p" + frame["id"].astype(str).str.zfill(3)
    first = frame.drop_duplicates("id")
    assert isinstance(first, pd.DataFrame)
    with duckdb.connect() as connection:
        connection.execute("""
            create schema harmonised;
            create table harmonised.scale_score as select
                patient_id || '-' || month as assessment_id, 'e' || patient_id as episode_id, patient_id,
                'north' as site_id, 'wai_s' as instrument, 'patient' as rater, 'task' as scale,
                cast(month as double) as months, cast(null as varchar) as occasion, cast(y as double) as score
            from frame;
            create table harmonised.attribute as
                select 'e' || patient_id as episode_id, 'pred' as attribute,
                    case when pred = 1 then 'yes' else 'no' end as value, date '2010-01-01' as value_date
                from first
                union all
                select 'e' || patient_id, 'severity', severity, date '2010-01-01' from first where id <= 100;
        """)
        yield connection


@pytest.fixture(scope="module")
def results(warehouse: duckdb.DuckDBPyConnection) -> AnalysisResults:
    return run_analyses(warehouse, library(Analysis.model_validate(DECLARED)), lambda sentence: None)


def fits(results: AnalysisResults) -> pd.DataFrame:
    return results.tables["results.fit"].to_pandas().set_index(["outcome", "model"])


def test_tables_have_their_columns(results: AnalysisResults) -> None:
    estimate = results.tables["results.estimate"].column_names
    assert estimate == [
        *("analysis", "outcome", "model", "term", "estimate", "std_error", "df", "statistic", "p_value"),
        *("ci_low", "ci_high", "method", "n_patients", "n_observations"),
    ]
    assert set(results.tables["results.fit"].column_names) >= {
        *("analysis", "outcome", "model", "method", "log_likelihood", "aic", "bic", "is_converged", "is_singular"),
        *("var_intercept", "var_slope", "cov_intercept_slope", "var_residual"),
        *("explained_intercept_pct", "explained_slope_pct", "reason"),
    }
    panel = results.tables["analysis.alliance_panel"]
    assert panel.num_rows == 502 and panel.schema.field("pred").type == pa.int64()


def test_numbers_are_those_of_lme4_from_end_to_end(results: AnalysisResults) -> None:
    _, reference = read(GOLDEN, "sim_wai")
    growth, predictor = reference["ML"]["growth"], reference["ML"]["predictor"]
    rows = fits(results)
    assert rows.loc[("task", "growth"), "aic"] == pytest.approx(growth["AIC"], abs=1e-3)
    row = rows.loc[("task", "pred")]
    assert row["aic"] == pytest.approx(predictor["AIC"], abs=1e-3)
    assert row["reference_aic"] == pytest.approx(growth["AIC"], abs=1e-3)
    explained = reference["ML"]["predictor_explained"]
    assert row["explained_intercept_pct"] == pytest.approx(explained["intercept_pct"], abs=0.1)
    assert row["explained_slope_pct"] == pytest.approx(explained["slope_pct"], abs=0.2)
    estimate = results.tables["results.estimate"].to_pandas()
    terms = estimate[(estimate["outcome"] == "task") & (estimate["model"] == "pred")].set_index("term")
    assert list(terms.index) == ["intercept", "months", "pred", "months:pred"]
    assert terms.loc["months:pred", "estimate"] == pytest.approx(predictor["fixef"]["month:pred"], abs=1e-5)
    assert terms.loc["months:pred", "df"] == pytest.approx(predictor["satterthwaite_df"]["month:pred"], rel=1e-4)
    assert set(terms["n_patients"]) == {155}
    covariance = results.tables["results.fixed_covariance"].to_pandas()
    own = covariance[(covariance["model"] == "pred") & (covariance["term"] == covariance["other_term"])]
    assert own["covariance"].to_numpy() ** 0.5 == pytest.approx(terms["std_error"].to_numpy())


def test_reference_is_refitted_on_the_models_own_rows(results: AnalysisResults) -> None:
    rows = fits(results)
    severe, reference, growth = (rows.loc[("task", name)] for name in ("severe", "growth@severe", "growth"))
    assert severe["n_patients"] == reference["n_patients"] == 100
    assert severe["n_observations"] == reference["n_observations"] < growth["n_observations"]
    assert severe["n_rows_dropped"] == 502 - severe["n_observations"]
    assert severe["reference_aic"] == reference["aic"] != growth["aic"]
    assert severe["explained_intercept_pct"] == pytest.approx(
        100 * (1 - severe["var_intercept"] / reference["var_intercept"])
    )
    assert pd.isna(growth["explained_intercept_pct"]) and pd.isna(growth["reference_aic"])
    assert reference["label"] == "Growth, on the rows of: Severe"


def test_an_outcome_without_scores_has_reasons_and_stops_nothing(results: AnalysisResults) -> None:
    rows = fits(results)
    assert rows.loc["task"]["reason"].isna().all()
    assert rows.loc["bond"]["reason"].str.contains("no row has a value").all()
    assert rows.loc["bond"]["log_likelihood"].isna().all()
    assert len(results.failures) == len(rows.loc["bond"]) == 5


def test_a_panel_that_cannot_be_built_is_empty_typed_and_said() -> None:
    told: list[str] = []
    with duckdb.connect() as empty:
        results = run_analyses(empty, library(Analysis.model_validate(DECLARED)), told.append)
    panel = results.tables["analysis.alliance_panel"]
    assert panel.num_rows == 0 and panel.schema.field("task").type == pa.float64()
    assert all("could not be built" in reason for reason in fits(results)["reason"])
    assert told == ["panel alliance_panel: 0 rows", "analysis alliance: 10 models"]


def test_two_analyses_may_share_a_panel_but_not_its_name_only(warehouse: duckdb.DuckDBPyConnection) -> None:
    growth = {"models": DECLARED["models"][:1], "outcomes": {"task": "Task"}}  # type: ignore[index]
    same = Analysis.model_validate(DECLARED | growth | {"name": "b_same"})
    other = Analysis.model_validate(DECLARED | growth | {"name": "c_other", "panel": _without_limit()})
    first = Analysis.model_validate(DECLARED | growth | {"name": "a_first"})
    rows = run_analyses(warehouse, library(other, same, first), lambda sentence: None).tables["results.fit"].to_pylist()
    assert [row["analysis"] for row in rows] == ["a_first", "b_same", "c_other"]
    assert rows[0]["reason"] is None and rows[1]["log_likelihood"] == rows[0]["log_likelihood"]
    assert "declares the panel 'alliance_panel' differently" in rows[2]["reason"]


def _without_limit() -> dict[str, object]:
    panel = DECLARED["panel"]
    assert isinstance(panel, dict)
    return panel | {"max_months": 12.0}


def test_files_are_typed_even_when_nothing_is_declared(tmp_path: Path, results: AnalysisResults) -> None:
    with duckdb.connect() as connection:
        nothing = run_analyses(connection, library(), lambda sentence: None)
    paths = write_results(nothing, tmp_path / "results")
    assert [path.name for path in paths] == sorted(f"{name}.parquet" for name in result_schemas())
    for name, schema in result_schemas().items():
        table = pq.read_table(tmp_path / "results" / f"{name}.parquet")
        assert table.num_rows == 0 and table.schema.equals(schema)
    written = write_results(results, tmp_path / "full")
    assert "analysis.alliance_panel.parquet" in [path.name for path in written]


def test_results_are_the_same_twice(
    warehouse: duckdb.DuckDBPyConnection, results: AnalysisResults, tmp_path: Path
) -> None:
    again = run_analyses(warehouse, library(Analysis.model_validate(DECLARED)), lambda sentence: None)
    first, second = write_results(results, tmp_path / "1"), write_results(again, tmp_path / "2")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_declared_trial_prints_what_hsaur3_prints(shared: Path) -> None:
    analysis = load(ROOT / "tests" / "networks" / "trials" / "analyses" / "btheb.yaml", Analysis)
    wide = pd.read_csv(shared / "samples" / "trials" / "btheb.csv").assign(row=range(100))
    columns = {"bdi.pre": "baseline", "bdi.2m": "m02", "bdi.3m": "m03", "bdi.5m": "m05", "bdi.8m": "m08"}
    long = wide.rename(columns=columns).melt(["row"], list(columns.values()), "occasion", "score").dropna()
    long["months"] = long["occasion"].map({"baseline": 0, "m02": 2, "m03": 3, "m05": 5, "m08": 8})
    with duckdb.connect() as connection:
        connection.execute("""
            create schema harmonised;
            create table harmonised.scale_score as select 'a' || "row" || occasion as assessment_id,
                'e' || "row" as episode_id, 'p' || "row" as patient_id, 'btheb' as site_id, 'bdi_ii' as instrument,
                'patient' as rater, 'total' as scale, cast(months as double) as months, occasion,
                cast(score as double) as score
            from long;
            create table harmonised.episode as
                select 'e' || "row" as episode_id, lower(treatment) as arm from wide;
            create table harmonised.attribute as
                select 'e' || "row" as episode_id, 'drug' as attribute, lower(drug) as value,
                    cast(null as date) as value_date from wide
                union all select 'e' || "row", 'length', case length when '>6m' then 'over_6m' else 'under_6m' end, null
                from wide;
        """)
        results = run_analyses(connection, library(analysis), lambda sentence: None)
    assert results.failures == []
    rows = results.tables["results.estimate"].to_pandas()
    estimate = rows[rows["model"] == analysis.models[0].name].set_index("term")["estimate"]
    assert estimate[["baseline_bdi", "months", "treatment"]].tolist() == pytest.approx(
        [0.63968, -0.70476, -2.32908], abs=5e-6
    )
    assert results.tables["results.fit"]["aic"].to_pylist()[0] == pytest.approx(1887.5, abs=0.05)


def test_only_the_analyses_that_are_asked_for_are_computed(warehouse: duckdb.DuckDBPyConnection) -> None:
    first, second = (Analysis.model_validate(DECLARED | {"name": name}) for name in ("first", "second"))
    results = run_analyses(warehouse, library(first, second), lambda sentence: None, only=["second"])
    assert set(results.tables["results.fit"]["analysis"].to_pylist()) == {"second"}


def test_analyses_of_the_demo_can_be_read() -> None:
    problems: list[Problem] = []
    analyses = load_analyses(ROOT / "simulation" / "network" / "analyses", problems)
    assert problems == []
    assert analyses["alliance"].estimation == "ML" and analyses["headline"].estimation == "REML"
    assert analyses["alliance_robustness"].panel == analyses["alliance"].panel
    assert analyses["alliance_time_coding"].panel.discharge_at_months is None
