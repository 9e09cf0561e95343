"""A large simulated sample looks like the published one: item answers are scored here, not taken from the draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from codebook.library import load_instruments
from simulation.answers import Forms, fill_in
from simulation.drawing import Floats
from simulation.intake import draw_intake
from simulation.population import DISCHARGE, Population, draw_population

PUBLISHED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent.parent / "data" / "published.yaml").read_text(encoding="utf-8")
)
PATIENTS = 3000
WHENEVER = np.datetime64("2100-01-01")


@pytest.fixture(scope="module")
def population() -> Population:
    return draw_population(PATIENTS, 4, seed=20)


@pytest.fixture(scope="module")
def forms(population: Population) -> Forms:
    rng = np.random.default_rng(7)
    return fill_in(population, np.arange(PATIENTS), WHENEVER, load_instruments(), "gaf_split", rng)


def scale(forms: Forms, key: str, name: str) -> tuple[Floats, np.ndarray]:
    """Scores of one scale where every item is valid, and which rows those are."""
    form = forms[key]
    instrument = load_instruments()[key]
    version = instrument.version(form.version)
    declared = next(s for s in instrument.scales_of(form.version) if s.key == name)
    columns = [form.numbers.index(item) for item in declared.items]
    answers = form.items[:, columns].astype(float)
    complete = ((answers >= version.minimum) & (answers <= version.maximum)).all(axis=1)
    for place, item in enumerate(declared.items):
        if item in instrument.reversed_items:
            answers[:, place] = version.minimum + version.maximum - answers[:, place]
    return getattr(answers, declared.aggregate)(axis=1), complete


def alliance(forms: Forms, population: Population, name: str) -> tuple[Floats, Floats, np.ndarray]:
    """Scores, months (discharge at 36) and patients of both WAI versions."""
    scores, months, patients = [], [], []
    for key in ("wai_s", "wai_sr"):
        form = forms[key]
        values, complete = scale(forms, key, name)
        days = (form.date - population.start[form.patient]).astype(float)
        time = np.where(form.occasion == DISCHARGE, PUBLISHED["discharge_at_months"], days / 30.4375)
        scores.append(values[complete])
        months.append(time[complete])
        patients.append(form.patient[complete])
    return np.concatenate(scores), np.concatenate(months), np.concatenate(patients)


def slopes(y: Floats, columns: list[Floats]) -> Floats:
    """Least squares on the columns with an intercept: population-average growth."""
    return np.linalg.lstsq(np.column_stack([np.ones_like(y), *columns]), y, rcond=None)[0]


def test_number_of_alliance_assessments(population: Population) -> None:
    counts = population.has_wai.sum(axis=1)
    mean, sd = PUBLISHED["assessments_per_patient"]
    assert counts.mean() == pytest.approx(mean, abs=0.15)
    assert counts.std() == pytest.approx(sd, abs=0.15)
    assert counts.min() == 1
    assert 100 * (counts == 1).mean() == pytest.approx(PUBLISHED["only_one_pct"], abs=3)
    assert 100 * (counts >= 3).mean() == pytest.approx(PUBLISHED["at_least_three_pct"], abs=4)
    assert 100 * (counts >= 4).mean() == pytest.approx(PUBLISHED["four_or_more_pct"], abs=4)


def test_missing_final_assessments(population: Population) -> None:
    assert 100 * (1 - population.has_wai[:, DISCHARGE].mean()) == pytest.approx(
        PUBLISHED["lacked_final_wai_pct"], abs=4
    )
    for key, has in (("gaf", population.has_gaf), ("wsas", population.has_wsas), ("bsi_18", population.has_bsi)):
        share = PUBLISHED["lacking_final"][key] / PUBLISHED["patients"]
        assert 1 - has[:, DISCHARGE].mean() == pytest.approx(share, abs=0.03), key


def test_fewer_assessments_go_with_a_poorer_initial_alliance(population: Population) -> None:
    first = population.wai[np.arange(PATIENTS), np.argmax(population.has_wai, axis=1)].mean(axis=1)
    correlation = np.corrcoef(population.has_wai.sum(axis=1), first)[0, 1]
    assert 0.08 < correlation < 0.35


def test_versions_follow_from_dates(population: Population, forms: Forms) -> None:
    has = {key: np.isin(np.arange(PATIENTS), forms[key].patient) for key in ("wai_s", "wai_sr")}
    found = {
        "wai_s": has["wai_s"] & ~has["wai_sr"],
        "wai_sr": has["wai_sr"] & ~has["wai_s"],
        "both": has["wai_s"] & has["wai_sr"],
    }
    for key, mask in found.items():
        share = PUBLISHED["wai_versions"][key] / PUBLISHED["patients"]
        assert mask.mean() == pytest.approx(share, abs=0.05), key
    assert forms["wai_s"].date.max() < np.datetime64("2012-06-01") <= forms["wai_sr"].date.min()


def test_treatment_length(population: Population) -> None:
    months = (population.discharge - population.start)[~np.isnat(population.discharge)].astype(float) / 30.4375
    mean, sd = PUBLISHED["treatment_months"]
    assert months.mean() == pytest.approx(mean, abs=1)
    assert months.std() == pytest.approx(sd, abs=1)
    assert 100 * (months < 6).mean() == pytest.approx(PUBLISHED["early_dropout_pct"], abs=1)


def test_who_they_are_by_outcome(population: Population) -> None:
    for group, members in enumerate((~population.is_poor, population.is_poor)):
        for name, values in (
            ("paranoid", population.is_paranoid),
            ("mood", population.is_mood),
            ("female", population.sex == "female"),
        ):
            assert 100 * values[members].mean() == pytest.approx(PUBLISHED[f"{name}_pct_by_outcome"][group], abs=1.5)
        ended = members & (population.termination != "")
        completed = 100 * (population.termination[ended] == "completed").mean()
        assert completed == pytest.approx(PUBLISHED["completed_pct_by_outcome"][group], abs=4)
        years = (population.start - population.birth)[members].astype(float) / 365.25
        mean, sd = PUBLISHED["age_by_outcome"][group]
        assert years.mean() == pytest.approx(mean, abs=0.7)
        assert years.std() == pytest.approx(sd, abs=0.7)
        assert years.min() > 16


def test_what_is_written_down_at_intake_looks_like_table_2(population: Population) -> None:
    intake = draw_intake(population, 20)
    for group, members in enumerate((~population.is_poor, population.is_poor)):
        part = intake.filter(members)
        for name, shares in PUBLISHED["table_2_pct"].items():
            assert 100 * part[name].mean() == pytest.approx(shares[group], abs=0.2), name
        for name, moments in PUBLISHED["table_2_mean_sd"].items():
            mean, sd = moments[group]
            assert part[name].mean() == pytest.approx(mean, abs=0.12 * sd), name
            assert part[name].std() == pytest.approx(sd, rel=0.12 if name != "n_pds" else 0.5), name
        known = part["work_months"].drop_nulls()
        assert 100 * (known == 0).mean() == pytest.approx(PUBLISHED["no_work_pct_by_outcome"][group], abs=2)
    five = intake["borderline_criteria"].to_numpy() >= 5
    assert (five == population.is_borderline).all(), "five criteria or more are the diagnosis"
    assert intake["eq5d_index"].null_count() > 0 and intake["sipp_identity"].null_count() > 0


@pytest.mark.parametrize(
    ("key", "name", "tolerance"), [("gaf", "gaf_global", 0.6), ("wsas", "total", 0.6), ("bsi_18", "gsi_mean", 0.06)]
)
def test_change_from_admission_to_discharge(forms: Forms, key: str, name: str, tolerance: float) -> None:
    values, complete = scale(forms, key, name)
    for occasion, when in ((0, "admission"), (DISCHARGE, "discharge")):
        chosen = values[complete & (forms[key].occasion == occasion)]
        mean, sd = PUBLISHED[key][when]
        assert chosen.mean() == pytest.approx(mean, abs=tolerance), when
        assert chosen.std() == pytest.approx(sd, abs=2 * tolerance), when


def test_poor_outcome_is_what_the_final_gaf_says(population: Population, forms: Forms) -> None:
    values, complete = scale(forms, "gaf", "gaf_global")
    final = complete & (forms["gaf"].occasion == DISCHARGE)
    is_poor = values[final] < PUBLISHED["poor_below"]
    assert (is_poor == population.is_poor[forms["gaf"].patient[final]]).all()
    assert 100 * is_poor.mean() == pytest.approx(PUBLISHED["poor_outcome_pct"], abs=1.5)


@pytest.mark.parametrize("name", ["task", "goal", "bond"])
def test_growth_of_the_alliance(population: Population, forms: Forms, name: str) -> None:
    y, months, patients = alliance(forms, population, name)
    level, slope = slopes(y, [months])
    assert level == pytest.approx(PUBLISHED["intercept"][name], abs=0.12)
    assert slope == pytest.approx(PUBLISHED["slope"][name], abs=0.006)
    poor = population.is_poor[patients].astype(float)
    by_outcome = slopes(y, [months, poor, poor * months])[3]
    assert by_outcome == pytest.approx(PUBLISHED["slope_poor_outcome"][name], abs=0.008)
    own = slopes(y[poor == 1], [months[poor == 1]])[1]
    assert abs(own) < 0.012, "the alliance of those with a poor outcome does not change"


def test_moderators_of_the_task_scale(population: Population, forms: Forms) -> None:
    y, months, patients = alliance(forms, population, "task")
    both = (population.is_poor & population.is_paranoid)[patients].astype(float)
    slope = slopes(y, [months, both, both * months])[3]
    assert slope == pytest.approx(PUBLISHED["slope_poor_with_paranoid"]["task"], abs=0.02)
    mood = population.is_mood[patients].astype(float)
    level, change = slopes(y, [months, mood, mood * months])[2:]
    assert level == pytest.approx(PUBLISHED["intercept_mood_disorder"]["task"], abs=0.15)
    assert abs(change) < 0.008


def test_the_default_network_is_close_too() -> None:
    population = draw_population(155, 4, seed=1)
    assert population.is_poor.sum() == 67
    assert (~population.has_gaf[:, DISCHARGE]).sum() == PUBLISHED["lacking_final"]["gaf"]
    assert population.has_wai.sum(axis=1).mean() == pytest.approx(3.2, abs=0.25)
