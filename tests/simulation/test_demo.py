"""The demo network as a folder: reproducible, readable by the codebook, marked synthetic, with a complete truth."""

from __future__ import annotations

import csv
import hashlib
import re
import stat
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from checks.national_numbers import normalise
from codebook.library import load_library
from simulation.demo import FolderNotEmpty, site_names, write_demo

KINDS = {
    "out_of_range",
    "unknown_code",
    "wrong_date",
    "double_entry_conflict",
    "double_entry",
    "identity_missing",
    "identity_invalid",
    "unscheduled_visit",
    "identifier_in_text",
    "correction",
    "cut_off",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "network"
    write_demo(folder)
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth" / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_bytes(demo: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "again")
    assert digests(tmp_path / "again") == digests(demo)


def test_another_seed_gives_other_people(demo: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "other", seed=2)
    before, after = digests(demo), digests(tmp_path / "other")
    same = {name for name in before if before[name] == after.get(name)}
    assert not any(name.endswith((".sav", ".xlsx")) or "wai_" in name for name in same)
    assert before["secrets/pseudonym.key"] != after["secrets/pseudonym.key"]


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderNotEmpty, match="not empty"):
        write_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    said: list[str] = []
    summary = write_demo(tmp_path, patients=8, on_progress=said.append)
    assert summary.n_patients == 8
    assert said[0] == "drawing 8 patients"
    assert said[-1] == "writing west"


def test_fewer_patients_than_sites_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 patients at 4 sites"):
        write_demo(tmp_path / "new", patients=3)
    assert not (tmp_path / "new").exists()


def test_the_codebook_reads_every_declaration(demo: Path) -> None:
    library = load_library(demo)
    assert library.network.is_synthetic
    assert list(library.sites) == ["east", "north", "south", "west"]
    assert {"alliance", "outcomes", "patients_by_outcome"} <= set(library.analyses)
    schedule = library.schedules["mbt"]
    assert [occasion.key for occasion in schedule.occasions][:3] == ["baseline", "m03", "m09"]
    assert library.network.today is not None
    last = max(path.name for path in (demo / "landing").glob("*/*"))
    assert last < library.network.today.isoformat()


def test_more_sites_repeat_the_four_formats(tmp_path: Path) -> None:
    assert site_names(6) == ("north", "south", "east", "west", "north_2", "south_2")
    summary = write_demo(tmp_path / "six", patients=60, sites=6)
    assert summary.sites == site_names(6)
    library = load_library(tmp_path / "six")
    assert library.sites["north_2"].format.reader == "delimited"
    assert library.sites["south_2"].format.reader == "spss"


def test_the_key_is_private_and_says_what_it_is(demo: Path) -> None:
    key = demo / "secrets" / "pseudonym.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text(encoding="ascii").startswith("demo-key-not-secret-")


def test_the_truth_names_every_kind_of_defect(demo: Path) -> None:
    lines = truth(demo)
    assert {line["defect"] for line in lines} == KINDS
    for site in ("north", "south", "east", "west"):
        kinds = {line["defect"] for line in lines if line["site"] == site}
        assert {"out_of_range", "unknown_code", "wrong_date", "unscheduled_visit", "identifier_in_text"} <= kinds
    assert {line["rule"] for line in lines if line["defect"] == "wrong_date"} == {"date-implausible", "date-unreadable"}
    assert {line["site"] for line in lines if line["defect"] == "correction"} == {"north", "south", "east", "west"}
    resolved = [line for line in lines if line["status"] == "resolved" and line["defect"] != "correction"]
    assert len(resolved) == 4
    assert all(line["defect"] == "out_of_range" for line in resolved)
    assert {line["status"] for line in lines if line["defect"] == "correction"} == {"resolved"}


def test_each_decline_is_planted_at_a_unit_of_its_own_and_written_down(demo: Path) -> None:
    with (demo / "truth" / "quality.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    places = {(line["decline"], line["site"], line["instrument"]) for line in lines if line["decline"] != "overdue"}
    assert places == {("drift", "south", "wsas"), ("drop", "east", "wai_s")}
    overdue = [line for line in lines if line["decline"] == "overdue"]
    assert {line["site"] for line in overdue} == {"west"}
    assert len({(line["local_ref"], line["instrument"]) for line in overdue}) == len(overdue) >= 2
    cut = [line for line in truth(demo) if line["defect"] == "cut_off"]
    [drop] = [line for line in lines if line["decline"] == "drop"]
    assert int(drop["n_forms"]) == len(cut) > 10


def test_nobody_is_listed_before_admission(demo: Path) -> None:
    import pyreadstat

    first, second = (
        pyreadstat.read_sav(str(demo / "landing" / "south" / name / "patients_synthetic.sav"), output_format="dict")[0]
        for name in ("2014-01-02", "2016-12-01")
    )
    assert set(first["ID"]) < set(second["ID"])
    assert max(first["ADMITTED"]).isoformat() <= "2013-12-19"


def test_no_two_defects_share_a_visit(demo: Path) -> None:
    visits = Counter(
        (line["site"], line["local_ref"], line["occasion"])
        for line in truth(demo)
        if line["occasion"] and line["local_ref"] and line["defect"] != "correction"
    )
    assert set(visits.values()) == {1}


def test_planted_rows_stand_in_the_first_delivery_of_north(demo: Path) -> None:
    folder = demo / "landing" / "north" / "2016-12-01"
    tables = {
        "wai": folder / "wai_syntetisk.csv",
        "wsas": folder / "wsas_syntetisk.csv",
        "bsi_18": folder / "bsi18_syntetisk.csv",
        "gaf": folder / "gaf_syntetisk.csv",
    }
    read = {
        key: pl.read_csv(path.read_bytes().decode("cp1252").encode(), separator=";", infer_schema=False)
        for key, path in tables.items()
    }
    lines = [line for line in truth(demo) if line["site"] == "north"]
    for line in lines:
        if line["defect"] != "out_of_range":
            continue
        family = "wai" if line["instrument"].startswith("wai") else line["instrument"]
        number = int(line["item"].removeprefix("item_"))
        rows = read[family].filter(pl.col("PasientNr") == line["local_ref"])
        column = next(name for name in rows.columns if name.endswith(f"_{number}"))
        top = {"wai": 7, "wsas": 8, "bsi_18": 4, "gaf": 100}[family]
        values = rows[column].cast(pl.Int64, strict=False).drop_nulls()
        assert ((values > top) | (values == 0)).any(), line
    nameless = sum(table["Fødselsnummer"].null_count() for table in read.values())
    assert nameless == sum(line["defect"] == "identity_missing" for line in lines)
    key = {"wai": ["Fødselsnummer", "Skjema", "Tidspunkt"]}
    twice = sum(
        table.drop_nulls("Fødselsnummer")
        .filter(pl.struct(key.get(name, ["Fødselsnummer", "Tidspunkt"])).is_duplicated())
        .height
        for name, table in read.items()
    )
    assert twice == 2 * sum(line["defect"] in {"double_entry", "double_entry_conflict"} for line in lines)


def test_everything_says_that_it_is_synthetic_and_nobody_has_a_real_name(demo: Path) -> None:
    names = [path.name.lower() for path in (demo / "landing").rglob("*") if path.is_file()]
    assert all("synthetic" in name or "syntetisk" in name for name in names)
    assert (demo / "README.txt").read_text(encoding="utf-8").startswith("SYNTHETIC DATA")
    text = (demo / "landing/north/2016-12-01/pasienter_syntetisk.csv").read_bytes().decode("cp1252")
    for line in text.splitlines()[1:]:
        national, _, name = line.split(";")[:3]
        assert re.fullmatch(r"Testperson \d{3}", name)
        assert 81 <= int(national[2:4]) <= 92, "a month no real number has"
        assert normalise("norwegian", pl.Series([national]))["is_valid"].all()


def test_national_numbers_are_right_and_nobody_elses_except_where_one_was_mistyped(demo: Path) -> None:
    folder = demo / "landing" / "north" / "2016-12-01"
    numbers = {
        name: pl.read_csv(
            (folder / f"{name}_syntetisk.csv").read_bytes().decode("cp1252").encode(), separator=";", infer_schema=False
        )["Fødselsnummer"].drop_nulls()
        for name in ("pasienter", "wai", "wsas", "bsi18", "gaf")
    }
    assert numbers["pasienter"].is_unique().all()
    every = pl.concat(list(numbers.values()))
    wrong = every.filter(~normalise("norwegian", every)["is_valid"])
    assert len(wrong) == sum(line["defect"] == "identity_invalid" for line in truth(demo)) == 1


def test_an_increment_holds_only_records_that_are_new_or_changed(demo: Path) -> None:
    first, second = (
        pl.read_csv(demo / f"landing/west/{date}/SyntheticMBT_DATA_{date}.csv", infer_schema=False)
        for date in ("2016-12-01", "2017-01-02")
    )
    corrected = {line["local_ref"] for line in truth(demo) if line["site"] == "west" and line["defect"] == "correction"}
    sent = set(second["record_id"])
    assert corrected <= sent < set(first["record_id"])
    assert second.filter(pl.col("redcap_event_name") == "baseline_arm_1")["record_id"].n_unique() == len(sent)
    assert first.null_count().sum_horizontal()[0] > 0


def test_user_missing_values_are_declared_in_the_spss_file(demo: Path) -> None:
    import pyreadstat

    path = demo / "landing" / "south" / "2016-12-01" / "visits_synthetic.sav"
    _, meta = pyreadstat.read_sav(str(path), user_missing=True, output_format="dict")
    assert meta.missing_ranges["BSI_1"][0]["lo"] == 9
    assert meta.variable_value_labels["TIME"][7] == "Discharge"
    assert "SYNTHETIC" in meta.file_label


def test_three_units_count_whom_they_treated(demo: Path) -> None:
    files = sorted((demo / "counts").iterdir())
    assert [path.stem for path in files] == ["east", "north", "south"]
    for path in files:
        counts = pl.read_csv(path, try_parse_dates=True)
        assert counts["period_start"].dt.year().to_list() == list(range(2010, 2017))
        assert counts["n_treated"].min() > 0
