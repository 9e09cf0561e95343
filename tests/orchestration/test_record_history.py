"""A record's values over its deliveries, read from a real lake."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "ingestion"))

from tiny_network import FORMS, NETWORK, PATIENTS, SCHEDULE, SITE, TinyNetwork

from checks.keys import load_key, write_key
from codebook.library import load_library
from orchestration.record_history import record_history

DELIVERIES = {
    "2014-01-01": ("01.02.2013;", "1;WSAS;3;01.05.2013;1;2;3;4;5\n"),
    "2014-02-01": ("01.02.2013;", "1;WSAS;3;01.05.2013;1;2;3;4;5\n"),
    "2014-03-01": ("01.02.2013;", ""),
    "2014-04-01": ("01.02.2013;31.03.2014", "1;WSAS;3;02.05.2013;7;2;;4;5\n"),
    "2014-05-01": ("01.02.2013;31.03.2014", "1;WSAS;3;02.05.2013;7;2;;4;5\n1;WSAS;3;02.05.2013;8;2;;4;5\n"),
}


@pytest.fixture
def tiny(tmp_path: Path) -> TinyNetwork:
    for folder in ("sites", "schedules", "landing/unit"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "network.yaml").write_text(NETWORK + "gate: {max_quarantined_share: 1, max_volume_drop_share: 1}\n")
    (tmp_path / "schedules" / "plan.yaml").write_text(SCHEDULE)
    (tmp_path / "sites" / "unit.yaml").write_text(SITE.format(mode="snapshot"))
    write_key(tmp_path / "secrets" / "pseudonym.key")
    network = TinyNetwork(tmp_path, load_key(tmp_path / "secrets" / "pseudonym.key"))
    for name, (dates, forms) in DELIVERIES.items():
        patients = f"1;Testperson 001;K;1980;{dates};\n"
        network.deliver(name, patients=PATIENTS + patients, forms=FORMS + forms)
    network.take()
    return network


def test_every_value_of_an_assessment_says_where_it_comes_from(tiny: TinyNetwork) -> None:
    (identifier,) = set(tiny.table("wsas")["assessment_id"])
    sections = dict(record_history(load_library(tiny.root), identifier))
    values = {row["field"]: (row["value"], row["delivery"]) for row in sections["values"]}
    assert values["item_01"] == (7, "2014-04-01")
    assert values["item_02"] == (2, "2014-01-01")
    assert values["assessment_date"] == (dt.date(2013, 5, 2), "2014-04-01")
    assert "item_03" not in values, "it holds no value any more"
    changes = [(r["delivery"], r["what"], r["field"], r["from"], r["to"]) for r in sections["history"]]
    assert changes == [
        ("2014-01-01", "first delivered", None, None, None),
        ("2014-03-01", "not delivered", None, None, None),
        ("2014-04-01", "delivered again", None, None, None),
        ("2014-04-01", "changed", "assessment_date", dt.date(2013, 5, 1), dt.date(2013, 5, 2)),
        ("2014-04-01", "changed", "item_01", 1, 7),
        ("2014-04-01", "changed", "item_03", 3, None),
        ("2014-05-01", "not delivered", None, None, None),  # two rows with one key: neither is a word on it
    ]


def test_a_look_back_knows_nothing_of_what_came_later(tiny: TinyNetwork) -> None:
    (identifier,) = set(tiny.table("wsas")["assessment_id"])
    library = load_library(tiny.root)
    sections = dict(record_history(library, identifier, dt.date(2014, 2, 15), "wsas"))
    assert [row["what"] for row in sections["history"]] == ["first delivered"]
    assert record_history(library, identifier, dt.date(2013, 12, 31)) == []


def test_courses_and_patients_have_a_history_and_findings_have_none(tiny: TinyNetwork) -> None:
    library = load_library(tiny.root)
    (episode,) = set(tiny.table("episode")["episode_id"])
    sections = dict(record_history(library, episode))
    changed = [(r["delivery"], r["field"], r["to"]) for r in sections["history"] if r["what"] == "changed"]
    assert changed == [("2014-04-01", "discharge_date", dt.date(2014, 3, 31))]
    (patient,) = set(tiny.table("patient")["patient_id"])
    values = {row["field"]: row["value"] for row in dict(record_history(library, patient))["values"]}
    assert (values["sex"], values["birth_year"]) == ("female", 1980)
    assert record_history(library, "f0123") == []
    assert record_history(library, "a0123") == []
