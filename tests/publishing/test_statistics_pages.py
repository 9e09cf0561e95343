"""An analysis' page and files: every declared model and procedure is there, and nothing of three patients is."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from assets.publishing.disclosure import Disclosure
from assets.publishing.estimates import Estimate, Fitted
from assets.publishing.result_tables import covariate_labels
from assets.publishing.statistics.model_table import model_tables
from assets.publishing.statistics.syntax import syntax
from assets.publishing.statistics.withheld import MARK, withheld
from codebook.analysis import Analysis
from tests.publishing.conftest import Pages
from tests.publishing.reading import tables
from tests.publishing.small_library import ALLIANCE
from tests.publishing.small_procedures import PROCEDURES, SECRET, TITLES
from tests.publishing.small_procedures import tables as procedure_tables
from tests.publishing.test_pages import Page


@pytest.fixture(scope="module")
def public(pages: Pages) -> Path:
    return pages.published / "public"


def _word(path: Path) -> str:
    """The text of a Word document, paragraph by paragraph."""
    xml = zipfile.ZipFile(path).read("word/document.xml").decode()
    runs = [re.sub(r"<[^>]+>", "", text) for text in re.findall(r"<w:t[ >].*?</w:t>", xml)]
    return " ".join(runs).replace("\xa0", " ")


@pytest.mark.parametrize("name", TITLES)
def test_every_procedure_has_its_table_in_three_formats(public: Path, name: str) -> None:
    folder = public / "tables" / "measures"
    assert {".html", ".csv", ".docx"} <= {path.suffix for path in folder.glob(f"{name}.*")}
    assert TITLES[name] in _word(folder / f"{name}.docx")
    assert TITLES[name] in Page(folder / f"{name}.html").words
    assert TITLES[name] in Page(public / "analyses" / "measures.html").words
    assert TITLES[name] in Page(public / "index.html").words


def test_every_declared_model_has_a_table_and_a_figure(public: Path) -> None:
    for analysis in ("alliance", "outcomes", "trial"):
        for suffix in (".html", ".csv", ".docx"):
            assert len([*(public / "tables" / analysis).glob(f"*{suffix}")]) == 1, analysis
    drawn = ("alliance_trajectory", "outcomes_trajectory", "measures_change_forest", "measures_multiverse_gaf_curve")
    for suffix, head in ((".svg", b"<svg"), (".pdf", b"%PDF-"), (".png", b"\x89PNG")):
        for stem in drawn:
            assert (public / "figures" / f"{stem}{suffix}").read_bytes().startswith(head)


def test_groups_stand_side_by_side_as_in_table_two(public: Path) -> None:
    page = public / "analyses" / "measures.html"
    found = next(table for table in tables(page) if "patients" in str(table.attributes))
    assert found.head[:2] == ["Variable", "M (SD) or valid %"]
    assert "Good outcome (n = 31)" in found.head
    assert [cells for _, cells in found.rows] == [
        ["Age, M (SD)", "26.2 (6.1)", "30.3 (6.4)", "3.10 (53)", ".003", "0.80**", "[0.25, 1.35]"],
        ["Women, %", "77", "71", "0.40 (1)", ".53", "0.17", "[−0.36, 0.70]"],
    ]
    words = Page(page).words
    assert "differ beyond chance in 1 of 2 variables: Age" in words
    assert "2 tests are made without a correction" in words


def test_change_is_read_from_the_means_and_the_sizes(public: Path) -> None:
    words = Page(public / "analyses" / "measures.html").words
    assert "GAF 48.1 (5.5) 61.7 (11.7) 13.6 (12.9) 12.80 (54) < .001 55" in words
    assert "GAF rises by 13.6 points, from 48.1 to 61.7." in words
    assert "d_z, over the SD of the change 1.02 [0.70, 1.34] 55" in words
    assert "d_av, over the pooled SD of both occasions 1.49 [1.10, 1.90] 55" in words
    assert "BSI-18: nobody has both occasions." in words
    assert "Not estimated: fewer than two patients have both." in words
    assert "Not estimated: no result." in words


def test_nothing_of_three_patients_is_in_any_file(public: Path) -> None:
    shapes = re.compile(rf"{SECRET}|{SECRET:.2f}|{SECRET:.1f}\b|12\.5\b|5\.4545|0\.0777|\.08\b|63\.5")
    for path in sorted(public.rglob("*measures*")) + sorted((public / "tables" / "measures").iterdir()):
        if path.is_dir() or path.suffix in (".png", ".pdf"):
            continue
        if path.suffix == ".docx":
            text = _word(path)
        elif path.suffix == ".csv":
            text = path.read_text(encoding="utf-8-sig")
        elif path.suffix == ".html":
            text = Page(path).words
        else:
            text = re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8")) if path.suffix == ".svg" else ""
        assert not shapes.search(text), (path.name, shapes.search(text))
    rare = Page(public / "tables" / "measures" / "rare.html").words
    assert "Antisocial, % suppressed suppressed suppressed suppressed" in rare


def test_a_small_part_takes_with_it_what_would_give_it_away() -> None:
    rule, found = Disclosure(5), procedure_tables()
    described = withheld("results.description", found["results.description"], rule)
    assert not {"minimum", "maximum"} & set(described.columns)
    rare = described.filter(pl.col("procedure") == "rare")
    assert rare[MARK].to_list() == [True, True, True]
    assert rare.select("count", "pct", "n_valid").null_count().row(0) == (3, 3, 3)
    age = described.filter((pl.col("procedure") == "patients") & (pl.col("variable") == "age"))
    assert age["n_valid"].to_list() == [None, 24], "two lack an age, so the number of valid ages is not printed"
    assert age["mean"].to_list() == [26.2, 30.3]


def test_categories_of_change_hide_no_more_than_they_must() -> None:
    rule, found = Disclosure(5), procedure_tables()["results.reliable_change"]
    change = withheld("results.reliable_change", found.with_columns(n=pl.Series([20, 15, 17, 3])), rule)
    assert change["n"].to_list() == [20, None, 17, None]
    assert change["threshold"].to_list() == [8.0] * 4
    names = ["recovered", "reliably_improved", "crossed_not_reliably", "unchanged", "reliably_deteriorated"]
    judged = (
        found.head(1)
        .clear()
        .vstack(pl.concat([found.head(1)] * 5))
        .with_columns(
            category=pl.Series(names), n=pl.Series([20, 10, 1, 12, 12]), classification=pl.lit("clinical_significance")
        )
    )
    hidden = withheld("results.reliable_change", judged, rule)
    assert hidden["n"].to_list() == [20, 10, None, None, 12], "the other table gives the sum of both"
    few = withheld("results.reliable_change", judged.with_columns(n=pl.Series([1, 2, 0, 40, 12])), rule)
    assert few["n"].null_count() == 5


def test_samples_and_totals_that_differ_by_few_are_hidden() -> None:
    rule, found = Disclosure(5), procedure_tables()
    sizes = (
        found["results.effect_size"]
        .head(2)
        .with_columns(
            n=pl.Series([55, 58]),
            sample=pl.Series(["both_occasions", "with_drop_outs"]),
            is_primary=pl.Series([True, False]),
        )
    )
    assert withheld("results.effect_size", sizes, rule)["estimate"].to_list() == [1.02, None]
    age = found["results.description"].filter(pl.col("variable") == "age")
    everybody = age.head(1).with_columns(
        group_level=pl.lit(None, pl.String), n_valid=pl.lit(56, pl.Int64), n_total=pl.lit(58, pl.Int64)
    )
    shown = withheld("results.description", pl.concat([age, everybody]), rule)
    assert shown["mean"].to_list() == [26.2, 30.3, None]


def test_every_number_leads_to_the_model_behind_it(public: Path) -> None:
    page = (public / "analyses" / "alliance.html").read_text(encoding="utf-8")
    links = set(re.findall(r'class="behind[^"]*" href="#(fit-[^"]+)"', page))
    assert links == set(re.findall(r'<div class="fitted" id="([^"]+)"', page))
    block = page.split('id="fit-alliance-task-outcome"')[1].split("</details>\n</div>")[0]
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", block))
    assert "Variance of levels 0.51 [0.31, 0.80]" in words
    assert "Growth 17.30 2 &lt; .001 &lt; .001" in words
    assert "largest cook distance 0.210 55 no patient stands out" in words
    assert "statsmodels agrees" in words
    assert "lmer(task ~ months + poor_outcome + months:poor_outcome + (1 + months | patient_id)," in words
    assert "/FIXED=months poor_outcome months*poor_outcome | SSTYPE(3)" in words


def test_the_method_is_written_from_what_was_run(public: Path) -> None:
    words = Page(public / "analyses" / "alliance.html").words.split("Method", 1)[1]
    assert "linear mixed models with random intercepts and slopes by patient (unstructured covariance)" in words
    assert "fitted by maximum likelihood (ML)" in words
    assert "The models rest on 55 to 60 patients with 240 to 262 assessments." in words
    assert "8 of 8 fits converged and 1 had a singular covariance of the random effects (Bond, Poor outcome" in words
    assert "Not shown: Bond, Age (not estimated: too few patients with an age)" in words
    assert "by t with Satterthwaite’s degrees of freedom" in words
    assert "Fits were checked against statsmodels: 1 agrees." in words
    assert "maximum likelihood (ML)" in _word(public / "analyses" / "alliance.docx")


def test_the_document_of_an_analysis_holds_its_figures(public: Path) -> None:
    packed = zipfile.ZipFile(public / "analyses" / "alliance.docx")
    assert [name for name in packed.namelist() if name.endswith(".png")]
    assert b'descr="Alliance by outcome' in packed.read("word/document.xml")
    assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_stratum_and_a_factor_are_written_in_both_languages() -> None:
    panel = ALLIANCE["panel"] | {
        "covariates": ALLIANCE["panel"]["covariates"]
        | {
            "old": {"kind": "attribute", "attribute": "old", "is_value": "yes"},
            "cell": {
                "kind": "cells",
                "of": ["poor_outcome", "old"],
                "cells": {"good_young": [0, 0], "poor_old": [1, 1]},
                "reference": "good_young",
            },
        }
    }
    terms = ["months", "cell", "months:cell"]
    model = {"name": "m", "label": "M", "terms": terms, "random": "intercept", "where": {"poor_outcome": 1}}
    analysis = Analysis.model_validate(ALLIANCE | {"panel": panel, "models": [model], "estimation": "REML"})
    found = syntax(analysis, "task", analysis.models[0])
    assert 'relevel(factor(alliance_panel$cell), ref = "good_young")' in found.r
    assert "(1 | patient_id)" in found.r
    assert "data = subset(alliance_panel, poor_outcome == 1), REML = TRUE" in found.r
    assert found.spss.splitlines()[1:4] == [
        "TEMPORARY.",
        "SELECT IF (poor_outcome = 1).",
        "MIXED task BY cell WITH months",
    ]
    assert "/RANDOM=INTERCEPT | SUBJECT(patient_id) COVTYPE(VC)." in found.spss


def test_a_factor_has_a_row_for_each_level_and_its_models_numbers_once() -> None:
    covariates = {
        "arm": {"kind": "episode", "column": "arm"},
        "cell": {
            "kind": "cells",
            "of": ["arm"],
            "cells": {"a": ["x"], "b": ["y"], "c": ["z"]},
            "reference": "a",
            "labels": {"b": "Arm B"},
        },
    }
    panel = ALLIANCE["panel"] | {"covariates": covariates}
    models = [{"name": "cells", "label": "Arms", "terms": ["months", "cell", "months:cell"]}]
    analysis = Analysis.model_validate(
        {"name": "alliance", "title": "A", "panel": panel, "outcomes": {"task": "Task"}, "models": models}
    )
    found = {("cell[b]",): 0.2, ("cell[b]", "months"): -0.03, ("cell[c]",): 0.1, ("cell[c]", "months"): 0.02}
    estimates = {term: Estimate(value, 0.01, 0.001, None, None) for term, value in found.items()}
    item = Fitted("task", "Task", analysis.models[0], estimates, {"aic": 653.2}, 60, 240, None, {})
    (table,) = model_tables(analysis, [item], covariate_labels(analysis), "")
    rows = [(row.label, [cell.printed for cell in row.cells]) for row in table.rows if not row.is_heading]
    assert rows == [
        ("Task: Arm B", ["0.20 (0.01)**", "−0.03 (0.01)**", "653", "60", "240"]),
        ("Task: Arms: c", ["0.10 (0.01)**", "0.02 (0.01)**", "", "", ""]),
    ]
    assert all(cell.text for row in table.rows for cell in row.cells if cell.link)


def test_two_runs_give_the_same_bytes_of_every_format(
    published_with: Callable[..., Path], public: Path, tmp_path: Path
) -> None:
    again = published_with(ALLIANCE, PROCEDURES) / "public"
    assert again.is_relative_to(tmp_path)
    for path in sorted(again.rglob("*.*")):
        if path.name != "index.html":
            assert path.read_bytes() == (public / path.relative_to(again)).read_bytes(), path.name


def test_a_network_without_results_still_names_what_it_declares(published_with: Callable[..., Path]) -> None:
    public = published_with(PROCEDURES, has_results=False) / "public"
    words = Page(public / "analyses" / "measures.html").words
    assert words.count("Not estimated: no result.") == len(TITLES)
