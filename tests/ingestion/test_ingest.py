"""One delivery at a time: every landed row ends accepted or quarantined, and what was voided says why."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable

import polars as pl
import pytest
from tiny_network import FORMS, PATIENTS, SITE, TinyNetwork

from assets.ingestion import ingest, lake
from assets.ingestion.landing import LandingError
from assets.ingestion.receipts import read_receipts, receipts_file
from checks.keys import KeyFileError, load_key, write_key
from codebook.library import load_library

TWO_PATIENTS = PATIENTS + "1;Testperson 001;K;1980;01.02.2013;;fine\n2;Testperson 002;M;1985;01.03.2013;;\n"


def deliver(tiny: TinyNetwork, forms: str, patients: str = TWO_PATIENTS, name: str = "2014-01-01") -> None:
    tiny.deliver(name, patients=patients, forms=FORMS + forms)


def test_a_clean_delivery_leaves_no_finding(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n2;WSAS;3;02.06.2013;8;0;;999;1\n")
    (staged,) = tiny.take()
    assert staged.receipt.gate == "accepted"
    assert (staged.receipt.n_rows_landed, staged.receipt.n_rows_accepted, staged.receipt.n_rows_quarantined) == (
        4,
        4,
        0,
    )
    assert tiny.rules() == []
    answers = tiny.table("wsas").sort("source_row")
    assert answers.select("item_01", "item_05").rows() == [(1, 5), (8, 1)]
    assert answers["item_03"].to_list() == [3, None]
    explicit = tiny.table("missing_answer")
    assert explicit.select("item", "missing_code").rows() == [(4, "999")]


@pytest.mark.parametrize(
    ("row", "rule", "n_quarantined"),
    [
        ("1;WSAS;3;01.05.2013;9;2;3;4;5\n", "wsas-range-01", 0),
        ("1;WSAS;3;01.05.2013;1;2;x;4;5\n", "wsas-code-03", 0),
        ("1;WSAS;3;01.05.2013;1;2;3;4,5;5\n", "wsas-code-04", 0),
        ("1;WSAS;3;31.02.2013;1;2;3;4;5\n", "date-unreadable", 0),
        ("1;WSAS;3;01.05.2031;1;2;3;4;5\n", "date-implausible", 0),
        ("1;WSAS;3;01.05.2003;1;2;3;4;5\n", "date-implausible", 0),
        ("1;WSAS;?;01.05.2013;1;2;3;4;5\n", "occasion-unknown", 0),
        ("1;WSAS;X;01.05.2013;1;2;3;4;5\n", "visit-unscheduled", 0),
        (";WSAS;3;01.05.2013;1;2;3;4;5\n", "row-identity-missing", 1),
        ("7;WSAS;3;01.05.2013;1;2;3;4;5\n", "row-episode-unknown", 1),
        ("1;WSAS;;;1;2;3;4;5\n", "row-time-missing", 1),
        ("1;WSAS;3;01.05.2013;1;2\n", "row-unreadable", 1),
    ],
)
def test_each_defect_leaves_its_one_finding(tiny: TinyNetwork, row: str, rule: str, n_quarantined: int) -> None:
    deliver(tiny, row)
    (staged,) = tiny.take()
    assert staged.receipt.is_accepted
    assert tiny.rules() == [rule]
    assert staged.receipt.n_rows_quarantined == n_quarantined == tiny.table("quarantine").height
    assert staged.receipt.n_rows_landed == 3


def test_a_voided_value_is_missing_and_its_row_stays(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;9;2;3;4;5\n")
    tiny.take()
    assert tiny.table("wsas").select("item_01", "item_02").rows() == [(None, 2)]


def test_one_key_with_two_contents_holds_both_rows_back(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n1;WSAS;3;01.05.2013;5;2;3;4;5\n")
    tiny.take()
    assert tiny.rules() == ["row-key-conflict"]
    assert tiny.table("quarantine")["source_row"].to_list() == [2, 3]
    assert tiny.table("wsas").height == 0


def test_two_rows_without_identity_are_two_findings(tiny: TinyNetwork) -> None:
    deliver(tiny, ";WSAS;3;01.05.2013;1;2;3;4;5\n;WSAS;3;01.05.2013;5;2;3;4;5\n")
    tiny.take()
    assert tiny.rules() == ["row-identity-missing", "row-identity-missing"]


def test_the_same_row_twice_is_kept_once(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    tiny.take()
    assert tiny.rules() == ["row-duplicate"]
    assert tiny.table("wsas")["source_row"].to_list() == [2]


def test_two_labels_that_mean_one_occasion_are_a_conflict(make_network: Callable[..., TinyNetwork]) -> None:
    tiny = make_network(site=SITE.format(mode="snapshot").replace('"3": m03', '"3": m03, "3m": m03'))
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n1;WSAS;3m;03.05.2013;5;2;3;4;5\n")
    tiny.take()
    assert tiny.rules() == ["row-key-conflict", "row-key-conflict"]
    assert tiny.table("wsas").height == 0


def test_ids_do_not_depend_on_row_order(make_network: Callable[..., TinyNetwork]) -> None:
    tiny = make_network()
    rows = ["1;WSAS;3;01.05.2013;9;2;3;4;5\n", "2;WSAS;S;02.06.2013;8;0;1;1;1\n", "2;WSAS;X;02.09.2013;8;0;1;1;1\n"]
    deliver(tiny, "".join(rows), name="2014-01-01")
    deliver(tiny, "".join(reversed(rows)), name="2014-02-01")
    tiny.take()
    for table, column in (("wsas", "assessment_id"), ("finding", "finding_id"), ("episode", "episode_id")):
        frame = tiny.table(table)
        first, second = (
            sorted(frame.filter(pl.col("delivery").cast(pl.String) == name)[column])
            for name in ("2014-01-01", "2014-02-01")
        )
        assert first == second != []


def test_a_wrong_date_leaves_the_id_as_it_was(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2031;1;2;3;4;5\n", name="2014-01-01")
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n", name="2014-02-01")
    tiny.take()
    frame = tiny.table("wsas")
    assert frame["assessment_id"].n_unique() == 1
    assert frame["content_hash"].n_unique() == 2


@pytest.mark.parametrize(
    "text",
    [
        "write to a.b@example.org",
        "call 22 85 50 50",
        "born 010180 12345",
        "Testperson 002 said so",
        "ring +47 22 85 50 50",
    ],
)
def test_free_text_that_names_someone_is_not_stored(tiny: TinyNetwork, text: str) -> None:
    patients = PATIENTS + f"1;Testperson 001;K;1980;01.02.2013;;{text}\n2;Testperson 002;M;1985;01.03.2013;;well\n"
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n", patients)
    (staged,) = tiny.take()
    assert tiny.rules() == ["text-identifier"]
    assert tiny.table("attribute")["value"].to_list() == ["well"]
    assert staged.receipt.is_accepted


def test_an_identifier_in_a_coded_column_is_not_stored(make_network: Callable[..., TinyNetwork]) -> None:
    tiny = make_network(site=SITE.format(mode="snapshot").replace(", is_free_text: true", ""))
    patients = PATIENTS + "1;Testperson 001;K;1980;01.02.2013;;see a.b@example.org\n"
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n", patients)
    (staged,) = tiny.take()
    assert staged.receipt.is_accepted
    assert tiny.rules() == ["text-identifier"]
    assert tiny.table("attribute").height == 0


def test_nothing_that_names_a_person_reaches_the_lake(tiny: TinyNetwork) -> None:
    rows = ["1;WSAS;3;01.05.2013;1;2;3;4;5\n", "1;WSAS;3;01.05.2013;2;2;3;4;5\n"]
    deliver(
        tiny, "".join(rows), TWO_PATIENTS.replace("1;Testperson 001", "4711;Testperson 001").replace("\n1;", "\n4711;")
    )
    tiny.take()
    for file in (tiny.root / "lake" / "accepted").rglob("*.parquet"):
        text = pl.read_parquet(file).select(pl.col(pl.String)).write_csv()
        assert "Testperson" not in text
        assert "4711" not in text
    private = next((tiny.root / "lake" / "local_ref").rglob("*.parquet"))
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert set(pl.read_parquet(private)["local_ref"]) == {"4711", "2"}


def test_quarantine_keeps_the_answers_and_not_the_person(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;;;1;2;3;4;5\n")
    tiny.take()
    (row,) = tiny.table("quarantine")["row_json"].to_list()
    assert json.loads(row) == {"form": "WSAS", "q1": "1", "q2": "2", "q3": "3", "q4": "4", "q5": "5"}


def test_what_is_known_is_skipped_and_a_new_recipe_is_read_again(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    assert len(tiny.take()) == 1
    assert tiny.take() == []
    site = tiny.root / "sites" / "unit.yaml"
    site.write_text(site.read_text().replace("name: The unit", "name: The same unit, renamed"))
    assert tiny.take() == []
    site.write_text(site.read_text().replace('"999": not answered', '"888": not answered'))
    assert len(tiny.take()) == 1


def test_new_content_under_an_old_name_is_an_error(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    tiny.take()
    (tiny.root / "landing/unit/2014-01-01/forms.csv").write_text(FORMS)
    with pytest.raises(LandingError, match="has changed since it was taken"):
        tiny.take()


def test_a_lost_lake_is_read_again_with_the_first_receipt_time(tiny: TinyNetwork) -> None:
    import shutil

    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    (first,) = tiny.take()
    before = {f.relative_to(tiny.root): f.read_bytes() for f in (tiny.root / "lake").rglob("*.parquet")}
    shutil.rmtree(tiny.root / "lake")
    (again,) = tiny.take()
    assert again.receipt == first.receipt
    assert {f.relative_to(tiny.root): f.read_bytes() for f in (tiny.root / "lake").rglob("*.parquet")} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "forms.csv").unlink(), "asks for the file 'forms.csv'"),
        (
            lambda folder: (folder / "forms.csv").write_text("nr;form;visit;dato;q1;q2;q3;q4;q5\n"),
            "did you mean 'dato'",
        ),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "is empty"),
        (lambda folder: (folder / "forms.csv").write_bytes(b"nr;form\xe6\n"), "forms.csv"),
    ],
)
def test_an_unusable_delivery_is_held_with_one_sentence(tiny: TinyNetwork, change: Callable, said: str) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    change(tiny.root / "landing/unit/2014-01-01")
    (staged,) = tiny.take()
    assert [check.name for check in staged.failed] == ["readable"]
    assert said in staged.receipt.gate
    assert "\n" not in staged.receipt.gate
    assert tiny.take() == [], "a held delivery is not read at every run"


def test_a_sudden_drop_in_volume_is_held_and_the_last_delivery_stays(tiny: TinyNetwork) -> None:
    many = "".join(f"{n};WSAS;3;01.05.2013;1;2;3;4;5\n" for n in range(1, 31))
    people = PATIENTS + "".join(f"{n};Testperson {n:03d};K;1980;01.02.2013;;\n" for n in range(1, 31))
    deliver(tiny, many, people, "2014-01-01")
    deliver(tiny, many[:60], people.split("\n4;")[0] + "\n", "2014-02-01")
    first, second = tiny.take()
    assert first.receipt.is_accepted
    assert [check.name for check in second.failed] == ["volume"]
    library = load_library(tiny.root)
    assert [r.gate.split(":")[0] for r in ingest.known_receipts(library)] == ["accepted", "held"]
    assert lake.holds(tiny.root / "lake", "unit", "2014-01-01")
    assert not lake.holds(tiny.root / "lake", "unit", "2014-02-01")


def test_too_many_rows_held_back_hold_the_delivery(tiny: TinyNetwork) -> None:
    deliver(tiny, "".join(f"7;WSAS;3;01.05.2013;1;2;3;4;{n % 8}\n" for n in range(30)))
    (staged,) = tiny.take()
    assert [check.name for check in staged.failed] == ["quarantined_share"]


def test_an_increment_finds_the_course_of_an_earlier_delivery(make_network: Callable[..., TinyNetwork]) -> None:
    tiny = make_network(mode="increment")
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n", name="2014-01-01")
    tiny.deliver("2014-02-01", patients=PATIENTS, forms=FORMS + "2;WSAS;3;02.06.2013;1;1;1;1;1\n")
    _, second = tiny.take()
    assert second.receipt.is_accepted
    assert tiny.rules() == []
    assert set(tiny.table("wsas")["episode_id"]) == set(tiny.table("episode")["episode_id"])


def test_a_promotion_that_was_killed_is_finished(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    library = load_library(tiny.root)
    (planned,) = ingest.plan_site(library, library.sites["unit"], tiny.pseudonyms)
    ingest.stage_delivery(library, library.sites["unit"], planned, tiny.pseudonyms)
    folder = tiny.root / "lake"
    journal = folder / ".promoting" / "unit" / "2014-01-01"
    journal.parent.mkdir(parents=True)
    (folder / ".staging" / "unit" / "2014-01-01").rename(journal)
    target = folder / "accepted" / "attribute" / "site=unit" / "delivery=2014-01-01"
    target.parent.mkdir(parents=True)
    (journal / "attribute").rename(target)
    assert lake.recover(folder, tiny.root / "state") == 1
    assert lake.holds(folder, "unit", "2014-01-01")
    assert not list((folder / ".promoting").rglob("*.parquet"))
    assert [staged.receipt.is_accepted for staged in tiny.take()] == [True], "no receipt yet: it is taken again"
    assert tiny.table("wsas").height == 1


def test_a_new_reading_takes_the_earlier_one_out_whole(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    tiny.take()
    site = tiny.root / "sites" / "unit.yaml"
    site.write_text(site.read_text().replace("values: [WSAS]", "values: [BDI]"))
    (staged,) = tiny.take()
    assert staged.receipt.is_accepted
    assert tiny.table("wsas").height == 0
    assert tiny.table("patient").height == 2


def test_a_receipt_cut_off_by_a_crash_is_passed_over(tiny: TinyNetwork) -> None:
    deliver(tiny, "1;WSAS;3;01.05.2013;1;2;3;4;5\n")
    tiny.take()
    path = receipts_file(tiny.root / "state", "unit")
    whole = path.read_text()
    path.write_text(whole[:-40])
    assert read_receipts(tiny.root / "state", "unit") == []
    assert len(tiny.take()) == 1
    assert len(read_receipts(tiny.root / "state", "unit")) == 1


def test_the_key_must_be_there_and_private(tiny: TinyNetwork) -> None:
    path = tiny.root / "secrets" / "pseudonym.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_key(path)
    os.chmod(path, 0o644)  # noqa: PTH101
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_key(path)
    path.unlink()
    with pytest.raises(KeyFileError, match="missing"):
        load_key(path)


def test_names_that_are_no_delivery_are_refused(tiny: TinyNetwork) -> None:
    tiny.deliver("christmas", forms=FORMS)
    with pytest.raises(LandingError, match="must begin with its date"):
        tiny.take()
