"""The demo network from landing to pages: what was planted is found, nothing else, and no row is lost."""

from __future__ import annotations

import csv
from collections import Counter
from statistics import fmean, pvariance
from typing import Any

import polars as pl
import pytest
from flows import Flow

from checks.keys import load_key
from codebook.library import load_library
from tests.publishing.browsing import open_page, stays_inside

BALANCE_SQL = """
select site_id, delivery, n_rows_landed, n_rows_accepted + n_rows_quarantined,
    (select count(*) from quality.quarantine as held
     where held.site_id = delivery.site_id and held.delivery = delivery.delivery), n_rows_quarantined
from quality.delivery as delivery order by all
"""
FOUND_SQL = """
select finding.site_id, finding.rule, finding.status, finding.patient_id, finding.instrument, finding.item,
    finding.first_delivery
from quality.finding as finding
"""


def patients_by_ref(flow: Flow) -> dict[tuple[str, str], str]:
    """(site, the unit's own number) → patient_id, from the store that only a unit's worklist joins."""
    refs: dict[tuple[str, str], str] = {}
    for file in sorted((flow.root / "lake" / "local_ref").rglob("part.parquet")):
        site = file.parts[-3].removeprefix("site=")
        refs |= {
            (site, ref): patient for patient, ref in pl.read_parquet(file).select("patient_id", "local_ref").rows()
        }
    return refs


def test_planted_defects_and_findings_agree_exactly(demo: Flow) -> None:
    refs = patients_by_ref(demo)
    with (demo.root / "truth" / "truth.csv").open(encoding="utf-8") as file:
        planted = list(csv.DictReader(file))
    assert {row["defect"] for row in planted} >= {
        "out_of_range", "unknown_code", "double_entry_conflict", "double_entry", "wrong_date", "unscheduled_visit",
        "identifier_in_text", "correction", "identity_missing", "cut_off",
    }  # fmt: skip
    truth = Counter(
        (row["site"], row["rule"], row["status"], refs.get((row["site"], row["local_ref"])), row["delivery"])
        for row in planted
    )
    found = Counter(
        (site, rule, status, patient, first) for site, rule, status, patient, _, _, first in demo.rows(FOUND_SQL)
    )
    assert found - truth == Counter(), "invented"
    assert truth - found == Counter(), "missed"


def test_findings_name_the_planted_instrument_and_item(demo: Flow) -> None:
    with (demo.root / "truth" / "truth.csv").open(encoding="utf-8") as file:
        planted = [row for row in csv.DictReader(file) if not row["rule"].startswith(("row-", "assessment-"))]
    truth = Counter((row["site"], row["rule"], row["instrument"] or None, row["item"] or None) for row in planted)
    found = Counter(
        (site, rule, instrument, item)
        for site, rule, _, _, instrument, item, _ in demo.rows(FOUND_SQL)
        if not str(rule).startswith(("row-", "assessment-"))
    )
    assert found == truth


def test_planted_declines_are_found_where_they_were_planted_and_nowhere_else(demo: Flow) -> None:
    """Drift and drop fail at the unit and form that they were planted in; what was not filled in is overdue."""
    refs = patients_by_ref(demo)
    with (demo.root / "truth" / "quality.csv").open(encoding="utf-8") as file:
        planted = list(csv.DictReader(file))
    failed = demo.rows(
        "select distinct suite, site_id, instrument from quality.expectation "
        "where suite in ('volume', 'drift', 'windows', 'completeness') and status in ('fail', 'error')"
    )
    suites = {"drift": "drift", "drop": "volume"}
    told = {(suites[row["decline"]], row["site"], row["instrument"]) for row in planted if row["decline"] in suites}
    assert set(failed) == told
    overdue = demo.rows(
        "select site_id, patient_id, instrument, occasion from quality.expected_assessment where status = 'overdue'"
    )
    left_out = {
        (row["site"], refs[row["site"], row["local_ref"]], row["instrument"], row["occasion"])
        for row in planted
        if row["decline"] == "overdue"
    }
    assert left_out
    assert left_out <= set(overdue)


def test_planted_declines_show_on_the_overview_without_scrolling(demo: Flow, browser: Any) -> None:
    """Each unit and form that a decline was planted in stands above the fold, under its heading."""
    page, complaints = open_page(browser, demo.root / "published" / "network" / "index.html")
    lines = page.evaluate(
        """() => [...document.querySelectorAll('.attention li')].map(e => [
            [...e.closest('.look').classList].find(name => name.startsWith('look-')).slice(5),
            e.dataset.unit, e.innerText, e.getBoundingClientRect().bottom])"""
    )
    assert complaints == []
    assert max(bottom for *_, bottom in lines) < 800
    with (demo.root / "truth" / "quality.csv").open(encoding="utf-8") as file:
        planted = {(row["decline"], row["site"], row["instrument"]) for row in csv.DictReader(file)}
    assert {decline for decline, *_ in planted} == {"overdue", "drift", "drop"}
    for decline, site, instrument in planted:
        own = [text for kind, unit, text, _ in lines if (kind, unit) == (decline, site)]
        assert own, (decline, site)
        if decline != "overdue":
            assert any(instrument.upper().replace("_", "-") in text for text in own), (decline, site, own)
    for site, n in demo.rows(
        "select site_id, count(*) from quality.expected_assessment where status = 'overdue' group by all"
    ):
        assert any(f": {n} overdue" in text for kind, unit, text, _ in lines if (kind, unit) == ("overdue", site))
    page.context.close()


def test_every_quality_page_of_the_demo_works_offline_on_a_phone(demo: Flow, browser: Any) -> None:
    published = demo.root / "published"
    pages = [*sorted((published / "network").rglob("*.html")), *sorted((published / "sites").glob("*/report.html"))]
    assert len(pages) == 7 + 4 + 4
    for path in pages:
        page, complaints = open_page(browser, path, width=390)
        assert complaints == [], path.name
        assert stays_inside(page), path.name
        page.context.close()


def test_the_last_deliveries_are_the_weeks_news(demo: Flow) -> None:
    """A week before the network's day only the earlier deliveries were known."""
    days = demo.rows("select distinct from_as_of::varchar, to_today::varchar from quality.change")
    assert days == [("2017-01-01", "2017-01-08")]
    with (demo.root / "truth" / "truth.csv").open(encoding="utf-8") as file:
        planted = [row for row in csv.DictReader(file) if row["defect"] != "correction"]
    news = Counter(
        (row["site"], "resolved" if row["status"] == "resolved" else "new")
        for row in planted
        if row["site"] != "south" and (row["status"] == "resolved" or row["delivery"] == "2017-01-02")
    )
    counted = {
        str(row[0]): [int(str(n)) for n in row[1:]]
        for row in demo.rows(
            "select site_id, sum(n_new), sum(n_resolved), sum(n_persisting) from quality.change "
            "where kind = 'finding' group by site_id"
        )
    }
    told = Counter({(site, "new"): n[0] for site, n in counted.items()})
    told.update({(site, "resolved"): n[1] for site, n in counted.items()})
    assert +told == news
    open_now = demo.rows("select count(*) from quality.finding where status in ('open', 'reopened')")
    assert open_now == [(sum(new + persisting for new, _, persisting in counted.values()),)]


def test_drift_is_what_the_scores_say(demo: Flow) -> None:
    """The standardised difference of one scale, computed from its scores and from which delivery held them first."""
    held: dict[str, set[str]] = {}
    for file in sorted((demo.root / "lake" / "accepted" / "wsas" / "site=south").glob("*/part.parquet")):
        held[file.parent.name] = set(pl.read_parquet(file, columns=["assessment_id"])["assessment_id"])
    first, last = sorted(held)
    scores = [
        (occasion, float(str(score)), identifier in held[first])
        for identifier, occasion, score in demo.rows(
            "select assessment_id, occasion, score from harmonised.scale_score "
            "where site_id = 'south' and instrument = 'wsas' and scale = 'total' and score is not null"
        )
        if identifier in held[last]
    ]
    total = weights = squares = freedom = 0.0
    for occasion in {item[0] for item in scores}:
        new, earlier = ([s for o, s, was in scores if o == occasion and was is side] for side in (False, True))
        if new and earlier:
            weight = len(new) * len(earlier) / (len(new) + len(earlier))
            total += weight * (fmean(new) - fmean(earlier))
            weights += weight
            squares += pvariance(new) * len(new) + pvariance(earlier) * len(earlier)
            freedom += len(new) + len(earlier) - 2
    by_hand = total / weights / (squares / freedom) ** 0.5
    told = demo.rows(
        "select standardised_difference from quality.scale_drift "
        "where site_id = 'south' and instrument = 'wsas' and scale = 'total'"
    )
    assert told == [(pytest.approx(by_hand, abs=1e-5),)]


def test_every_landed_row_is_accepted_or_quarantined(demo: Flow) -> None:
    rows = demo.rows(BALANCE_SQL)
    assert {row[0] for row in rows} == {"north", "south", "east", "west"}
    for _, _, landed, accounted, in_quarantine, quarantined in rows:
        assert landed == accounted
        assert in_quarantine == quarantined
    with (demo.root / "truth" / "truth.csv").open(encoding="utf-8") as file:
        planted = Counter[tuple[str, str]]()
        for row in csv.DictReader(file):
            planted[row["site"], row["delivery"]] += int(row["n_rows"])
    counted = {(row[0], row[1]): row[5] for row in rows}
    assert all(counted[key] == n for key, n in planted.items() if n)


def test_every_voided_value_has_a_finding_and_the_value_is_gone(demo: Flow) -> None:
    voided = demo.rows(
        "select finding.instrument, finding.item from quality.finding as finding "
        "where finding.severity = 'void_value' and finding.status = 'open' and starts_with(finding.item, 'item_')"
    )
    assert voided
    known = load_library(demo.root).instruments
    for instrument, version, item, value in demo.rows(
        "select assessment.instrument, assessment.version, response.item, response.value "
        "from harmonised.item_response as response "
        "inner join harmonised.assessment as assessment using (assessment_id) where response.value is not null"
    ):
        low, high = known[str(instrument)].version(str(version)).item_range(int(str(item)))
        assert low <= float(str(value)) <= high


def test_the_summary_names_the_pages(demo: Flow) -> None:
    for audience in ("public", "network"):
        page = demo.root / "published" / audience / "index.html"
        assert str(page) in demo.done.stdout
        assert "ynthetic" in page.read_text(encoding="utf-8")
    assert "quarantined" in demo.done.stdout


def test_every_declared_model_has_a_fit_and_says_how(demo: Flow) -> None:
    library = load_library(demo.root)
    declared = {
        (a.name, outcome, model.name) for a in library.analyses.values() for outcome in a.outcomes for model in a.models
    }
    fits = demo.rows("select analysis, outcome, model, is_converged, is_singular, reason, method from results.fit")
    assert declared <= {(row[0], row[1], row[2]) for row in fits}
    assert all(row[3] is not None and row[4] is not None and row[5] is None and row[6] for row in fits)


def test_every_table_of_the_paper_has_its_numbers(demo: Flow) -> None:
    assert demo.rows("select analysis, procedure from results.procedure where reason is not null") == []
    table = "from results.group_test where analysis = 'patients_by_outcome'"
    assert demo.rows(f"select count(distinct variable), count(p_value), count(smd) {table}") == [(33, 33, 33)]
    compared = "from results.comparison where analysis in ('alliance', 'outcomes', 'gaf_predictors')"
    assert demo.rows(f"select distinct reason {compared}") == [(None,)]
    shares = "select count(*), count(ci_low) from results.variance_component where component = 'explained_slope_pct' "
    [(explained, intervals)] = demo.rows(f"{shares} and analysis = 'alliance' and estimate is not null")
    assert (explained, intervals) == (24, 3)
    assert demo.rows("select count(kappa) from results.agreement") == [(6,)]


def test_every_declared_procedure_of_the_measures_has_rows(demo: Flow) -> None:
    declared = {procedure.name for procedure in load_library(demo.root).analyses["measures"].procedures}
    said = demo.rows("select procedure, reason from results.procedure where analysis = 'measures'")
    assert {row[0] for row in said} == declared and all(row[1] is None for row in said)
    for table in ("effect_size", "reliability", "reliable_change", "linking"):
        found = demo.rows(f"select count(*), count(reason) from results.{table} where analysis = 'measures'")
        assert int(str(found[0][0])) > 0 and found[0][1] == 0, table


def test_counts_of_reliable_change_are_those_of_the_patients(demo: Flow) -> None:
    counted = demo.rows(
        "select outcome, method, cutoff_kind, category, n from results.reliable_change "
        "where classification = 'clinical_significance' and n > 0 order by all"
    )
    patients = demo.rows(
        "select outcome, method, cutoff_kind, significance_class, count(*) from analysis.reliable_change "
        "group by all order by all"
    )
    assert counted == patients and len(counted) > 40


def test_scores_say_on_how_many_items_they_rest(demo: Flow) -> None:
    assert demo.rows(
        "select count(*) from harmonised.scale_score "
        "where score is not null and (n_answered is null or n_items is null)"
    ) == [(0,)]
    statuses = {row[0] for row in demo.rows("select distinct status from harmonised.scale_score")}
    assert {"scored", "prorated"} <= statuses
    assert statuses <= {"scored", "prorated", "too_many_missing", "no_accepted_rule", "not_answered", "supplied"}


def test_versions_follow_the_date_of_the_form(demo: Flow) -> None:
    wrong = demo.rows(
        "select count(*) from harmonised.assessment "
        "where (instrument = 'wai_s' and assessment_date >= date '2012-06-01') "
        "or (instrument = 'wai_sr' and assessment_date < date '2012-06-01')"
    )
    assert wrong == [(0,)]
    assert {row[0] for row in demo.rows("select distinct version_group from harmonised.working_alliance")} == {
        "wai_s", "wai_sr", "both",
    }  # fmt: skip


def test_no_identifier_reaches_lake_warehouse_or_pages(demo: Flow) -> None:
    names: set[str] = set()
    for file in (demo.root / "landing" / "north").rglob("pasienter*.csv"):
        lines = file.read_text(encoding="cp1252").splitlines()
        names |= {cell for line in lines[1:] for cell in line.split(";") if cell.startswith("Testperson")}
    assert len(names) > 20
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (demo.root / "published").rglob("*.*ml")]
    texts += [path.read_text(encoding="utf-8") for path in (demo.root / "published").rglob("*.csv")]
    for file in (demo.root / "lake" / "accepted").rglob("part.parquet"):
        texts.append(pl.read_parquet(file).select(pl.col(pl.String)).write_csv())
    texts += [path.read_text(encoding="utf-8") for path in (demo.root / "state").rglob("*.jsonl")]
    assert not [name for name in names for text in texts if name in text]
    key = load_key(demo.root / "secrets" / "pseudonym.key")
    assert key.key_id


def test_pages_hold_no_patient_id(demo: Flow) -> None:
    ids = {str(row[0]) for row in demo.rows("select patient_id from harmonised.patient")}
    for path in (demo.root / "published").rglob("*"):
        if path.suffix in {".html", ".csv", ".svg", ".json"}:
            text = path.read_text(encoding="utf-8")
            assert not [identifier for identifier in ids if identifier in text], path.name


def test_items_are_pooled_only_where_the_wording_is_the_same(demo: Flow) -> None:
    pooled = demo.rows(
        "select instrument, string_agg(distinct item::varchar, ',' order by item::varchar) "
        "from harmonised.pooled_item group by 1 order by 1"
    )
    assert pooled == [("wai_s", "11,12,2,3,6,7"), ("wai_sr", "11,12,2,3,6,7")]


def test_measures_of_one_construct_are_found_together(demo: Flow) -> None:
    rows = demo.rows("select distinct instrument from harmonised.scale where construct = 'depression' order by 1")
    assert {"bdi_ii", "phq_9", "ces_d", "hamd_17"} <= {row[0] for row in rows}
    assert demo.rows("select count(*) from harmonised.outcome where construct is null") == [(0,)]


def test_slopes_of_the_subscales_are_compared_in_one_model(demo: Flow) -> None:
    failed = demo.rows(
        "select procedure, reason from results.procedure where analysis = 'headline' and reason is not null"
    )
    assert failed == []
    found = demo.rows(
        "select outcome, estimate, std_error, p_value, p_adjusted from results.contrast "
        "where procedure = 'tasks_differ_most'"
    )
    by_outcome = {row[0]: row[1:] for row in found}
    assert set(by_outcome) == {"task", "goal", "bond", "task - goal", "task - bond", "goal - bond"}
    for first, second in (("task", "goal"), ("task", "bond"), ("goal", "bond")):
        difference, error, p, adjusted = by_outcome[f"{first} - {second}"]
        assert difference == pytest.approx(by_outcome[first][0] - by_outcome[second][0])
        # the scales are correlated, so that the difference is surer than two separate models would have it
        assert error < (by_outcome[first][1] ** 2 + by_outcome[second][1] ** 2) ** 0.5
        assert p <= adjusted <= 1


def test_no_therapist_is_named_by_the_results(demo: Flow) -> None:
    ids = {str(row[0]) for row in demo.rows("select distinct therapist_id from harmonised.episode")}
    (row,) = demo.rows("select note from results.procedure where procedure = 'therapists'")
    assert f"{len(ids)} therapists" in row[0]
    for path in (demo.root / "published").rglob("*"):
        if path.suffix in {".html", ".csv", ".svg", ".json"}:
            text = path.read_text(encoding="utf-8")
            assert not [identifier for identifier in ids if identifier in text], path.name
