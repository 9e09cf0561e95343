"""Names, numbers and addresses planted wherever a unit can put them are in no byte of what Concord writes or prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import people_network
import polars as pl
import pytest
import xlsxwriter
from flows import concord
from people_network import DELIVERY, Person

INPUTS = {"landing", "sites", "schedules", "analyses", "instruments", "secrets", "answers", "counts"}
NAMES = [person.name for person in people_network.people()]
PLANTED = [
    *sorted({part for name in NAMES for part in name.split()}),
    "Gunnvor", "Hellemyr", "Torbjørg", "Kvalsvoll",
    *people_network.numbers(),
    *(f"{number[:6]} {number[6:]}" for number in people_network.numbers()),
    "kari.nordmann@example.org", "ola@post.example.no", "47 22 85 50 50", "91 23 45 67",
]  # fmt: skip
"""Distinctive names: each part of at least three letters is searched for, in any case."""
WEST = """
site: west
name: West
format: {reader: excel}
delivery: {mode: snapshot}
mappings:
  - from_delivery: "2013-01-01"
    date_format: "%Y-%m-%d"
    sources:
      - name: people
        file: "*.xlsx"
        sheet: People
        identity: {columns: [Study no], scope: site}
        local_ref: Study no
        key: [Study no]
        identifiers: [Name]
        episode: {admission_date: Admitted, treatment_start_date: Admitted, arm: {column: Arm},
                  therapist: Therapist}
"""


def plant(root: Path) -> None:
    folder = root / "landing" / "north" / DELIVERY
    patients = (folder / "patients.csv").read_text(encoding="utf-8").splitlines()
    cells = [line.split(";") for line in patients]
    n = people_network.numbers()
    cells[0].append("what Kari said")
    cells[1][8:] = ["Karis mother called, 15:30", "ask Ola Brekkan", "yes"]
    cells[2][8:] = [f"has {n[3][:6]} {n[3][6:]} too", "kari.nordmann@example.org", "no"]
    cells[3][8:] = ["ring +47 22 85 50 50", "FLATØYEN", "no"]
    cells[4][7:] = ["given by Siri", "write to ola@post.example.no or 91 23 45 67", "yes", ""]
    filler = [Person("north", f"N-{k}", "", "Gunnvor Hellemyr", "2013-05-01") for k in range(10, 12)]
    for person in filler:  # nobody's rows: held back, with a leaking cell
        cells.append(["", person.ref, person.name, "K", "1980", person.admitted, "", "given", "", "for Gunnvor", ""])
    (folder / "patients.csv").write_text("\n".join(";".join(row) for row in cells) + "\n", encoding="utf-8")
    forms = (folder / "forms.csv").read_text(encoding="utf-8").splitlines()
    forms[2] = forms[2].replace(";A;", ";Nordmann;")
    forms.append(f"{n[0]};3;;A;1;2;3;4;see {n[1]}")
    forms.append(";X;2013-04-01;Hellemyr;1;2;3;4;5")
    (folder / "forms.csv").unlink()
    (folder / "forms_KariNordmann.csv").write_text("\n".join(forms) + "\n", encoding="utf-8")
    (folder / f"letter {n[4]}.txt").write_text("Dear Ola", encoding="utf-8")
    held = people_network.deliver(root, "south", [], "2014-05-15")
    (held / "forms.csv").rename(held / "forms Unni Skoglie.csv")
    (held / "patients.csv").write_text("number;ref;Peder Ottesrud;sex\n1;2;3;4\n", encoding="utf-8")
    (root / "sites" / "west.yaml").write_text(WEST, encoding="utf-8")
    west = root / "landing" / "west" / DELIVERY
    west.mkdir(parents=True)
    with xlsxwriter.Workbook(str(west / "export.xlsx")) as book:
        sheet = book.add_worksheet("People")
        sheet.write_row(0, 0, ["Study no", "Name", "Admitted", "Arm", "Therapist", "Note of Torbjørg"])
        for row in range(1, 31):
            arm = "with Torbjørg" if row == 3 else "group"
            sheet.write_row(
                row, 0, [f"W{row:03d}", "Torbjørg Lie", "2013-02-01", arm, "Ellen Kvalsvoll", "called Kvalsvoll"]
            )
        other = book.add_worksheet("about Kvalsvoll")
        other.write_row(0, 0, ["a", "b"])
        other.write_row(1, 0, ["1", "2"])


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The network after a run, and everything that commands printed."""
    root = tmp_path_factory.mktemp("privacy") / "people"
    people_network.write_network(root)
    settings = "gate: {max_leaking_share: 0.5, max_quarantined_share: 0.5}\n"
    (root / "network.yaml").write_text(people_network.NETWORK + settings, encoding="utf-8")
    plant(root)
    said = [concord("key", "--network", root), concord("run", "--network", root)]
    assert said[1].returncode == 3, said[1].stdout + said[1].stderr
    said += [concord("status", "--network", root)]
    said += [concord("site", "preview", site, "--network", root) for site in ("north", "south", "west")]
    return root, "\n".join(done.stdout + done.stderr for done in said)


def written(root: Path) -> Iterator[tuple[str, str]]:
    """Every byte that is not an input, as text; Parquet and DuckDB read as well, since they compress."""
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root).as_posix()
        if place.split("/")[0] in INPUTS or place == "network.yaml":
            continue
        yield place, place
        if not path.is_file():
            continue
        yield place, path.read_bytes().decode("utf-8", errors="replace")
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            yield place, ";".join(frame.columns)
            yield place, frame.select(pl.exclude(pl.List, pl.Struct).cast(pl.String)).write_csv()
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
        names = connection.execute("select table_schema, table_name from information_schema.tables").fetchall()
        for schema, name in names:
            frame = connection.execute(f'select * from "{schema}"."{name}"').pl()
            yield f"{schema}.{name}", frame.select(pl.all().cast(pl.String)).write_csv()


def test_nothing_that_names_a_person_is_written(leaky: tuple[Path, str]) -> None:
    root, _ = leaky
    needles = re.compile(
        "|".join(rf"(?<!\w){re.escape(planted)}s?(?!\w)|_{re.escape(planted)}" for planted in PLANTED), re.I
    )
    found = {(place, match.group()) for place, text in written(root) for match in needles.finditer(text)}
    assert not found


def test_nothing_that_names_a_person_is_printed(leaky: tuple[Path, str]) -> None:
    assert "quarantined" in leaky[1]
    assert [planted for planted in PLANTED if re.search(rf"(?<!\w){re.escape(planted)}", leaky[1], re.I)] == []


def test_every_planted_leak_has_its_finding(leaky: tuple[Path, str]) -> None:
    root, _ = leaky
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select site_id, rule, item from quality.finding where class = 'privacy' order by all"
        ).fetchall()
        notes = connection.execute("select count(*) from harmonised.attribute where attribute = 'note'").fetchone()
        arms = connection.execute(
            "select arm, count(*) from harmonised.episode where site_id = 'west' group by 1 order by 1"
        )
        assert arms.fetchall() == [("group", 29), (None, 1)]
    items = [(site, item) for site, rule, item in found if rule == "text-identifier"]
    assert items.count(("north", "note")) == 4
    assert items.count(("north", "work")) >= 4
    assert ("north", "ward") in items and ("north", "q5") in items and ("west", "arm") in items
    names = [site for site, rule, _ in found if rule == "file-name-identifier"]
    assert names.count("north") == 3
    assert names.count("west") == 2
    assert notes == (1,)


def test_the_store_of_local_numbers_holds_nothing_else(leaky: tuple[Path, str]) -> None:
    files = sorted((leaky[0] / "lake" / "local_ref").rglob("*.parquet"))
    refs = {ref for file in files for ref in pl.read_parquet(file)["local_ref"]}
    assert refs and all(re.fullmatch(r"[NSW]-?\d{2,3}", ref) for ref in refs)


def test_the_reason_of_a_held_delivery_names_nobody(leaky: tuple[Path, str]) -> None:
    lines = (leaky[0] / "state").rglob("*.jsonl")
    gates = [json.loads(line).get("gate", "") for file in lines for line in file.read_text().splitlines()]
    (reason,) = [gate for gate in gates if gate.startswith("held")]
    assert "column 'name'" in reason or "number" in reason or "has" in reason
