"""Who is whom, through the command line: one person in two units, re-admission, merge, split, undo, and a new key."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import people_network
import polars as pl
import pytest
from flows import Flow, concord, tables

from assets.ingestion import rotation
from checks.keys import load_key
from codebook.library import load_library

SAID = ["--reason", "letter of 3 May", "--by", "data manager"]
ID = re.compile(r"\b(?:[a-z][0-9a-f]{20}|f[0-9a-f]{32}|d[0-9a-f]{32})\b")


def run(root: Path) -> Flow:
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Flow(root, done)


def say(*arguments: object) -> str:
    done = concord(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refs(root: Path) -> dict[str, str]:
    """The unit's own number → patient_id."""
    files = sorted((root / "lake" / "local_ref").rglob("part.parquet"))
    return {ref: patient for file in files for patient, ref in pl.read_parquet(file).rows()}


def courses(flow: Flow) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for patient, episode in flow.rows("select patient_id, episode_id from harmonised.episode order by admission_date"):
        found[str(patient)].append(str(episode))
    return found


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    root = tmp_path_factory.mktemp("identity") / "people"
    people_network.write_network(root)
    later = [person for person in people_network.people() if person.unit == "south" and person.ref != "S-05"]
    people_network.deliver(root, "south", later, "2014-05-20")
    (root / "counts").mkdir()
    treated = "period_start,period_end,n_treated\n2013-01-01,2013-12-31,4\n2014-01-01,2014-12-31,some\n"
    (root / "counts" / "north.csv").write_text(treated, encoding="utf-8")
    say("key", "--network", root)
    return run(root)


@pytest.fixture(scope="module")
def settled(known: Flow, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """The network with a merge, a split, two accepted findings (one of the key's, one of SQL's) and two answers."""
    root = tmp_path_factory.mktemp("settled") / "people"
    shutil.copytree(known.root, root, symlinks=True)
    who, of = refs(root), courses(known)
    say("identity", "merge", who["N-04"], who["S-02"], *SAID, "--network", root)
    say("identity", "split", of[who["S-03"]][1], *SAID, "--network", root)
    (finding,) = known.rows("select finding_id from quality.finding where rule = 'wsas-range-05' and site_id = 'north'")
    (vanished,) = known.rows("select finding_id from quality.finding where rule = 'record-vanished'")
    for accepted in (finding[0], vanished[0]):
        say("findings", "accept", accepted, "--until", "2015-01-01", *SAID, "--network", root)
    (asked,) = known.rows("select finding_id from quality.finding where rule = 'wsas-range-05' and site_id = 'south'")
    (root / "answers" / "south").mkdir(parents=True)
    still_there = "select min(due_point_id) from quality.expected_assessment where site_id = 'south' and reason is null"
    ((due,),) = known.rows(still_there)
    answer = f"finding_id;due_point_id;answer;comment\n{asked[0]};;confirmed;looked it up\n;{due};in progress;\n"
    (root / "answers" / "south" / "2014-05-25.csv").write_text(answer, encoding="utf-8")
    return run(root)


def test_the_treated_are_counted_against_the_registered(known: Flow) -> None:
    """Three people in north had begun a course by the end of 2013; a row that is wrong is told and left out."""
    assert known.rows("select site_id, n_treated, n_registered, coverage_rate from quality.coverage") == [
        ("north", 4, 3, 0.75)
    ]
    assert "counts/north.csv, row 3, column n_treated: not a whole number of patients" in known.done.stdout


def test_one_national_number_in_two_units_is_one_patient_with_two_courses(known: Flow) -> None:
    who = refs(known.root)
    assert who["N-01"] == who["S-01"]
    assert len(courses(known)[who["N-01"]]) == 2
    sites = known.rows(f"select site_id from harmonised.patient_site where patient_id = '{who['N-01']}' order by 1")
    assert sites == [("north",), ("south",)]


def test_readmission_is_a_course_of_its_own(known: Flow) -> None:
    who = refs(known.root)
    assert who["N-02"] == who["N-03"]
    assert len(courses(known)[who["N-02"]]) == 2
    assert known.rows("select count(*), count(distinct episode_id) from harmonised.assessment") == [(9, 9)]


def test_merge_and_split_move_courses_forms_consents_and_counts(known: Flow, settled: Flow) -> None:
    who, before, after = refs(known.root), courses(known), courses(settled)
    stays, gone, two = who["N-04"], who["S-02"], who["S-03"]
    assert after[stays] == before[stays] + before[gone]
    assert gone not in after
    assert after[two] == before[two][:1]
    (new,) = set(after) - set(before)
    assert after[new] == before[two][1:]
    counts = dict(settled.rows("select patient_id, n_episodes from harmonised.patient"))
    assert counts == {patient: len(episodes) for patient, episodes in after.items()}
    for table in ("harmonised.assessment", "harmonised.attribute", "harmonised.scale_score", "quality.finding"):
        owners = settled.rows(f"select distinct patient_id, episode_id from {table} where episode_id is not null")
        assert owners and all(episode in after[str(patient)] for patient, episode in owners), table
    consents = settled.rows(
        f"select patient_id, status from harmonised.consent where patient_id in ('{stays}', '{gone}')"
    )
    assert len(consents) == 1 and consents[0][0] == stays
    assert settled.rows(f"select sex, birth_year from harmonised.patient where patient_id = '{new}'") == [(None, None)]


def test_undo_gives_every_table_back(known: Flow, settled: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(settled)
    accepted = settled.rows("select finding_id from quality.finding where status = 'accepted'")
    for number in (2, 1):
        say("identity", "undo", number, *SAID, "--network", root)
    for (finding,) in accepted:
        say("findings", "reopen", finding, *SAID, "--network", root)
    again = tables(run(root).root / "warehouse.duckdb")
    was = tables(known.root / "warehouse.duckdb")
    answered = {"quality.finding", "quality.expected_assessment", "quality.change"}
    assert {name for name in was if again[name] != was[name]} <= answered, "what units said is not undone"
    assert "undo" in say("identity", "list", "--network", root)


def test_trace_tells_who_merged_when_and_why(known: Flow, settled: Flow) -> None:
    who = refs(known.root)
    for patient in (who["N-04"], who["S-02"]):
        said = say("trace", patient, "--network", settled.root)
        assert "merge" in said and "letter of 3 May" in said and "data manager" in said
    traced = json.loads(say("trace", who["S-03"], "--network", settled.root, "--format", "json"))
    assert traced["episodes"]


@pytest.mark.parametrize(
    ("action", "ids", "said"),
    [
        ("merge", ("S-02", "N-01"), "was merged into"),
        ("merge", ("N-01", "N-04"), "therefore has to stay"),
        ("merge", ("N-01", "N-01"), "with itself"),
        ("merge", ("N-01", "nobody"), "no patient is called"),
        ("undo", (9,), "no merge and no split"),
    ],
)
def test_chains_circles_and_strangers_are_refused(
    known: Flow, settled: Flow, action: str, ids: tuple[object, ...], said: str
) -> None:
    who = refs(known.root)
    named = [who.get(str(name), name) for name in ids]
    before = (settled.root / "state" / "identity.jsonl").read_bytes()
    done = concord("identity", action, *named, *SAID, "--network", settled.root)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert (settled.root / "state" / "identity.jsonl").read_bytes() == before


def test_all_courses_of_a_patient_are_no_split_and_a_reason_names_nobody(known: Flow, settled: Flow) -> None:
    who, of = refs(known.root), courses(settled)
    done = concord("identity", "split", *of[who["N-02"]], *SAID, "--network", settled.root)
    assert done.returncode == 2 and "nothing is split" in done.stderr
    reason = ["--reason", f"same number {people_network.numbers()[2]}", "--by", "x"]
    done = concord("identity", "merge", who["N-01"], who["S-05"], *reason, "--network", settled.root)
    assert done.returncode == 2 and "say it without" in done.stderr


def bijection(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Old id → new id such that the tables agree; ids of a table's rows are paired where all else fits once."""
    assert set(before) == set(after)
    pairs: dict[str, str] = {}
    for name in sorted(before):
        rows = [_rows_without_ids(text) for text in (before[name], after[name])]
        assert sorted(rows[0]) == sorted(rows[1]), name
        for shape, old in rows[0].items():
            if len(old) == len(rows[1][shape]) == 1:
                for one, other in zip(old[0], rows[1][shape][0], strict=True):
                    assert pairs.setdefault(one, other) == other, name
    assert len(set(pairs.values())) == len(pairs)
    return pairs


def _rows_without_ids(text: str) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = defaultdict(list)
    for row in csv.reader(io.StringIO(text)):
        line = "\x1f".join(row)
        rows[ID.sub("id", line)].append(ID.findall(line))
    return rows


def rewritten(text: str, pairs: dict[str, str]) -> list[str]:
    return sorted(ID.sub(lambda found: pairs.get(found.group(), found.group()), line) for line in text.splitlines())


def test_after_rotation_tables_are_the_same_up_to_a_bijection_of_ids(
    settled: Flow, copy_of: Callable[[Flow], Path]
) -> None:
    root = copy_of(settled)
    old_key = load_key(root / "secrets" / "pseudonym.key")
    assert "made anew" in say("key", "rotate", "--network", root)
    key = root / "secrets" / "pseudonym.key"
    (retired,) = key.parent.glob("pseudonym.key.retired-*")
    assert load_key(retired).key_id == old_key.key_id != load_key(key).key_id
    assert stat.S_IMODE(retired.stat().st_mode) == stat.S_IMODE(key.stat().st_mode) == 0o600
    done = run(root)
    assert "nothing new" in done.done.stdout
    before, after = tables(settled.root / "warehouse.duckdb"), tables(root / "warehouse.duckdb")
    before, after = ({n: _without_recipe(n, t) for n, t in kind.items()} for kind in (before, after))
    pairs = bijection(before, after)
    assert all(old != new for old, new in pairs.items())
    for name, text in before.items():
        assert rewritten(text, pairs) == sorted(after[name].splitlines()), name
    standing = (
        "select status, count(*) from quality.finding where status in ('accepted', 'answered') group by 1 order by 1"
    )
    assert done.rows(standing) == settled.rows(standing) == [("accepted", 2), ("answered", 1)]
    files = [path for place in ("state", "answers") for path in (root / place).rglob("*") if path.is_file()]
    texts = [path.read_text(encoding="utf-8") for path in files]
    (kept,) = root.glob(".answers-before-*/south/*.csv")
    assert kept.read_bytes() == (settled.root / "answers" / "south" / "2014-05-25.csv").read_bytes()
    assert not [old for old in pairs for text in texts if old in text]
    answers = pl.read_csv(next((root / "answers").rglob("*.csv")), infer_schema=False)
    (due,) = answers["due_point_id"].drop_nulls()
    assert done.rows(f"select site_id from quality.expected_assessment where due_point_id = '{due}'") == [("south",)]


def _without_recipe(name: str, text: str) -> str:
    if name != "quality.delivery":
        return text
    return pl.read_csv(io.StringIO(text), infer_schema=False).drop("recipe_fingerprint").write_csv()


def test_a_landing_that_is_not_complete_refuses_the_rotation(settled: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(settled)
    shutil.move(root / "landing" / "south" / people_network.DELIVERY, root / "elsewhere")
    before = _bytes(root)
    done = concord("key", "rotate", "--network", root)
    assert done.returncode == 1
    assert "put it back" in done.stderr and "Nothing was changed" in done.stderr
    assert _bytes(root) == before


class Cut(BaseException):
    """The machine stopped."""


@pytest.mark.parametrize("n_moves", range(10))
def test_a_rotation_that_is_cut_is_finished(
    settled: Flow, copy_of: Callable[[Flow], Path], monkeypatch: pytest.MonkeyPatch, n_moves: int
) -> None:
    """Between two keys files move nine times: the old key's copy, the key, old and new lake, state and answers, and
    the answers as they were sent."""
    root = copy_of(settled)
    library, key = load_library(root), root / "secrets" / "pseudonym.key"
    old = load_key(key).key_id
    done: list[Path] = []

    def cut(move: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def moved(path: Path, target: Path) -> Path:
            if rotation.is_cut(root):
                if len(done) == n_moves:
                    raise Cut
                done.append(path)
            return move(path, target)

        return moved

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cut(Path.rename))
        patched.setattr(Path, "replace", cut(Path.replace))
        if n_moves < 9:
            with pytest.raises(Cut):
                rotation.rotate(library, key)
        else:
            rotation.rotate(library, key)
            assert len(done) == 9
    if n_moves < 9:
        if n_moves in (0, 3):
            held = concord("run", "--network", root)
            assert held.returncode == 2 and "rotate" in held.stderr
        assert "finished" in (rotation.finish(root, key) or "")
    assert load_key(key).key_id != old
    (retired,) = key.parent.glob("*.retired-*")
    assert load_key(retired).key_id == old
    assert not (root / ".rotation").exists()
    assert rotation.finish(root, key) is None
    assert not set(refs(root).values()) & set(refs(settled.root).values())


def test_a_rotation_cut_before_it_is_ready_leaves_nothing(
    settled: Flow, copy_of: Callable[[Flow], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_of(settled)
    library, key = load_library(root), root / "secrets" / "pseudonym.key"
    before = _bytes(root)

    def cut(*_: object) -> int:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_translate", cut)
        with pytest.raises(Cut):
            rotation.rotate(library, key)
    assert _bytes(root) == before


def _bytes(root: Path) -> dict[str, bytes]:
    places = ("lake", "state", "secrets", "warehouse.duckdb")
    files = [path for place in places for path in [root / place, *(root / place).rglob("*")] if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files if ".known" not in path.parts}
