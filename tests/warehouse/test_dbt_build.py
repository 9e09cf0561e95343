"""Inputs, the dbt subprocess and the seal."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest
import small_network as small

from assets.warehouse.build import CHECKOUT, manifest, prepare_project, run_dbt
from assets.warehouse.inputs import INPUTS, ensure_empty_lake, write_inputs
from assets.warehouse.seal import seal


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.parquet"))}


def test_inputs_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    library = small.library(tmp_path)
    for name in ("one", "two"):
        write_inputs(library, small.deliveries().sample(fraction=1, shuffle=True), None, small.TODAY, tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert set(digests(tmp_path / "one")) == {f"{name}.parquet" for name in INPUTS}


def test_as_of_leaves_later_deliveries_out(tmp_path: Path) -> None:
    write_inputs(small.library(tmp_path), small.deliveries(), small.day("2026-07-15"), small.TODAY, tmp_path)
    known = pl.read_parquet(tmp_path / "delivery.parquet")
    assert known["delivery"].to_list() == ["2026-01-01", "2026-06-01", "2026-07-01"]
    assert known["mode"].to_list() == ["frozen", "snapshot", "increment"]


def test_a_delivery_table_without_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gate"):
        write_inputs(small.library(tmp_path), small.deliveries().drop("gate"), None, small.TODAY, tmp_path)


def test_scale_input_says_which_rules_are_accepted(tmp_path: Path) -> None:
    write_inputs(small.library(tmp_path), small.deliveries(), None, small.TODAY, tmp_path)
    scales = pl.read_parquet(tmp_path / "scale.parquet").filter(pl.col("instrument").is_in(["wsas", "wsas_own"]))
    accepted = {(row["instrument"], row["scale"]): row["is_rule_accepted"] for row in scales.iter_rows(named=True)}
    assert accepted == {
        ("wsas", "total"): False,
        ("wsas", "raw_sum"): True,
        ("wsas", "prorated_40"): False,
        ("wsas_own", "total"): False,
        ("wsas_own", "raw_sum"): True,
        ("wsas_own", "prorated_40"): True,
    }


def test_empty_lake_follows_the_codebook(tmp_path: Path) -> None:
    library = small.library(tmp_path)
    ensure_empty_lake(tmp_path / "lake", library)
    path = tmp_path / "lake/accepted/gaf/site=__none__/delivery=__none__/part.parquet"
    before = path.stat().st_mtime_ns
    ensure_empty_lake(tmp_path / "lake", library)
    assert path.stat().st_mtime_ns == before
    pl.DataFrame({"old": [1]}).clear().write_parquet(path)
    ensure_empty_lake(tmp_path / "lake", library)
    assert "supplied_gaf_global" in pl.read_parquet_schema(path)


def test_an_empty_network_builds(tmp_path: Path) -> None:
    library = small.library(tmp_path)
    ensure_empty_lake(tmp_path / "lake", library)
    write_inputs(library, small.deliveries().clear(), None, small.TODAY, tmp_path / ".build" / "inputs")
    outcome = run_dbt(prepare_project(tmp_path / ".build"))
    assert outcome.is_success, outcome.explain()
    seal(tmp_path / ".build", tmp_path / "warehouse.duckdb")
    with duckdb.connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM harmonised.scale_score").fetchall() == [(0,)]


def test_the_parse_of_the_checkout_holds_in_the_copy(built: small.Built) -> None:
    assert not [line for line in built.lines if "full parse" in line.lower() or "unable to do partial" in line.lower()]
    assert (built.root / ".build/dbt/target/partial_parse.msgpack").is_file()
    assert manifest().parent == CHECKOUT / "dbt_project" / "target"


def test_the_manifest_is_parsed_again_when_the_project_changes(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "dbt_project", tmp_path / "dbt_project")
    first = manifest(tmp_path).stat().st_mtime_ns
    assert manifest(tmp_path).stat().st_mtime_ns == first
    model = tmp_path / "dbt_project" / "models" / "quality" / "quarantine.sql"
    model.with_name("rejected.sql").write_text(model.read_text(encoding="utf-8"), encoding="utf-8")
    assert "model.concord.rejected" in manifest(tmp_path).read_text(encoding="utf-8")


def test_a_broken_build_says_why(tmp_path: Path) -> None:
    outcome = run_dbt(prepare_project(tmp_path / ".build"))
    assert not outcome.is_success
    assert "inputs" in outcome.explain()


def test_dbt_ends_with_its_caller(built: small.Built, tmp_path: Path) -> None:
    """SIGTERM to the caller ends dbt too: nothing goes on writing."""
    shutil.copytree(built.root / ".build" / "inputs", tmp_path / ".build" / "inputs")
    (tmp_path / "lake").symlink_to(built.root / "lake")
    project = prepare_project(tmp_path / ".build")
    # Another test of this process may have left SIGTERM ignored or blocked, and children inherit that.
    hear = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL);"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM});"
    )
    script = (
        hear
        + "import sys; from pathlib import Path; from assets.warehouse.build import run_dbt;"
        + ("run_dbt(Path(sys.argv[1]), on_line=lambda line: print(line, flush=True))")
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", script, str(project)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert caller.stdout is not None
    for line in caller.stdout:
        if "START" in line:
            break
    children = _children(caller.pid)
    assert children
    caller.send_signal(signal.SIGTERM)
    assert caller.wait(20) == 128 + signal.SIGTERM
    deadline = time.monotonic() + 10
    while any(_lives(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in children if _lives(pid)]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_seal_loads_results_while_a_reader_goes_on(built: small.Built, tmp_path: Path) -> None:
    build, target = tmp_path / ".build", tmp_path / "warehouse.duckdb"
    (build / "results").mkdir(parents=True)
    shutil.copy2(built.root / ".build" / "warehouse.duckdb", build / "warehouse.duckdb")
    with duckdb.connect(target) as old:
        old.execute("CREATE TABLE age AS SELECT 'old' AS age")
    pl.DataFrame({"analysis": ["a"], "estimate": [1.5]}).write_parquet(build / "results" / "results.estimate.parquet")
    pl.DataFrame({"months": [1.0]}).write_parquet(build / "results" / "analysis.alliance_panel.parquet")
    reader = duckdb.connect(target, read_only=True)
    seal(build, target)
    assert reader.execute("SELECT age FROM age").fetchall() == [("old",)]
    reader.close()
    with duckdb.connect(target, read_only=True) as fresh:
        assert fresh.execute("SELECT estimate FROM results.estimate").fetchall() == [(1.5,)]
        assert fresh.execute("SELECT months FROM analysis.alliance_panel").fetchall() == [(1.0,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".build", "warehouse.duckdb"]
    assert not (build / "warehouse.duckdb").exists()


def test_views_work_under_another_name(built: small.Built, tmp_path: Path) -> None:
    """A release copies the sealed file; its view must not name the file that it came from."""
    copy = tmp_path / "release.duckdb"
    shutil.copy2(built.root / ".build" / "warehouse.duckdb", copy)
    with duckdb.connect(copy, read_only=True, config={"enable_external_access": "false"}) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM harmonised.item_response").fetchall()
        ((n_scores,),) = connection.execute("SELECT count(score) FROM staging.stg_scale").fetchall()
        ((n_stored,),) = connection.execute("SELECT count(score) FROM harmonised.scale_score").fetchall()
    assert count > 1000
    assert n_scores == n_stored > 100


def test_seal_refuses_a_name_that_is_no_table(built: small.Built, tmp_path: Path) -> None:
    build = tmp_path / ".build"
    (build / "results").mkdir(parents=True)
    shutil.copy2(built.root / ".build" / "warehouse.duckdb", build / "warehouse.duckdb")
    pl.DataFrame({"a": [1]}).write_parquet(build / "results" / "estimate.parquet")
    with pytest.raises(ValueError, match=r"estimate\.parquet"):
        seal(build, tmp_path / "warehouse.duckdb")
    assert not (tmp_path / "warehouse.duckdb").exists()
    with pytest.raises(FileNotFoundError):
        seal(tmp_path / "nothing", tmp_path / "warehouse.duckdb")
