"""Trouble: one clear sentence, the right exit code, and the other units are finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from flows import Flow, concord, few_analyses


def empty_of_derived(root: Path) -> None:
    for name in ("lake", "state", ".build", ".dagster", "published"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "warehouse.duckdb").unlink(missing_ok=True)


def test_four_kinds_of_trouble_in_one_run(demo: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(demo)
    few_analyses(root)
    empty_of_derived(root)
    # A wrong column name in a unit's YAML, a missing file, an unreadable .sav, an empty delivery.
    site = (root / "sites" / "north.yaml").read_text()
    (root / "sites" / "sound.yaml").write_text(site.replace("site: north", "site: sound"))
    shutil.copytree(root / "landing" / "north", root / "landing" / "sound")
    (root / "sites" / "north.yaml").write_text(site.replace("column: Kjønn", "column: Kjoenn"))
    shutil.rmtree(root / "landing" / "north" / "2017-01-02")
    (root / "landing" / "sound" / "2016-12-01" / "extra.txt").write_text("not asked for\n")
    (root / "landing" / "sound" / "2017-01-02" / "gaf_syntetisk.csv").unlink()
    for unit, delivery in (("south", "2014-01-02"), ("east", "2017-01-02")):
        shutil.rmtree(root / "landing" / unit / delivery)
    (root / "landing" / "south" / "2016-12-01" / "visits_synthetic.sav").write_bytes(b"$FL2 but nothing behind it")
    for file in (root / "landing" / "east" / "2016-12-01").iterdir():
        file.unlink()
    done = concord("run", "--network", root)
    assert done.returncode == 3, done.stdout + done.stderr
    held = {line.split()[1].rstrip(","): line for line in done.stdout.splitlines() if line.startswith("HELD")}
    assert set(held) == {"north", "sound", "south", "east"}
    assert "'Kjoenn'" in held["north"]
    assert "did you mean 'Kjønn'?" in held["north"]
    assert "'gaf_*.csv'" in held["sound"]
    assert "2016-12-01 stays in" in held["sound"]
    report = (root / "published" / "sites" / "sound" / "deliveries" / "2017-01-02.html").read_text(encoding="utf-8")
    assert "Nothing of this delivery is used yet" in report
    assert "nothing of this unit was accepted yet" in held["south"]
    assert "visits_*.sav (masked-" in held["south"], "what cannot be read cannot say which names to keep out"
    assert "empty" in held["east"]
    assert "west  2016-12-01 taken, 2017-01-02 taken" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    status = concord("status", "--network", root)
    assert status.returncode == 0
    assert status.stdout.count("HELD") == 4
    sites = concord(
        "query", "--network", root, "select distinct site_id from harmonised.assessment order by 1", "--format", "csv"
    )
    assert sites.stdout.split() == ["site_id", "sound", "west"], "what was accepted before stays in"
    again = concord("run", "--network", root)
    assert again.returncode == 3
    assert "nothing new" in again.stdout


def test_an_old_delivery_that_changed_is_an_error_and_the_rest_goes_on(
    demo: Flow, copy_of: Callable[[Flow], Path]
) -> None:
    root = copy_of(demo)
    few_analyses(root)
    with (root / "landing" / "north" / "2016-12-01" / "gaf_syntetisk.csv").open("a") as file:
        file.write("one more line\n")
    done = concord("run", "--network", root)
    assert done.returncode == 1
    assert "landing/north/2016-12-01 has changed since it was taken" in done.stderr
    assert "Traceback" not in done.stderr
    assert "ingest west" in done.stdout


def test_a_look_back_writes_beside_the_warehouse(demo: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(demo)
    few_analyses(root)
    before = (root / "warehouse.duckdb").read_bytes()
    done = concord("run", "--network", root, "--as-of", "2016-12-15")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / "warehouse.duckdb").read_bytes() == before
    arguments = ("query", "--network", root, "--as-of", "2016-12-15", "--format", "csv")
    known = concord(*arguments, "select max(delivery) as newest, count(*) as n from quality.delivery")
    assert known.stdout == "newest,n\n2016-12-01,5\n"
    resolved = concord(*arguments, "select distinct site_id from quality.finding where status = 'resolved'")
    assert resolved.stdout == "site_id\nsouth\n", "the other units' second deliveries are not known yet"
