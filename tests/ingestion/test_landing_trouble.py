"""What the operating system refuses: one clear sentence, and the lake as it was before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_deliveries import FEBRUARY, FORM_ONE, FORM_TWO, JANUARY, ONE, TWO, deliver, gates, lake_of
from tiny_network import FORMS, PATIENTS, TinyNetwork

from assets.ingestion.landing import LandingError, deliveries_of
from assets.ingestion.receipts import read_receipts

ROOT = Path(__file__).resolve().parents[2]


def refused(tiny: TinyNetwork, said: str) -> None:
    """Taking what lies there ends in a sentence, without a file's name, and changes nothing."""
    before = lake_of(tiny), read_receipts(tiny.root / "state", "unit")
    with pytest.raises(LandingError, match=said) as caught:
        tiny.take()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "Testperson" not in str(caught.value)
    assert (lake_of(tiny), read_receipts(tiny.root / "state", "unit")) == before


@pytest.fixture
def started(tiny: TinyNetwork) -> TinyNetwork:
    """A network with a delivery in the lake and a second one that waits."""
    deliver(tiny, JANUARY)
    tiny.take()
    deliver(tiny, FEBRUARY, ONE + TWO, FORM_ONE + FORM_TWO)
    return tiny


def _file_outside(folder: Path, outside: Path) -> None:
    outside.mkdir()
    (outside / "secret.csv").write_text("1;2\n")
    (folder / "Testperson 001.csv").symlink_to(outside / "secret.csv")


def _folder_outside(folder: Path, outside: Path) -> None:
    outside.mkdir()
    (outside / "secret.csv").write_text("1;2\n")
    (folder / "Testperson").symlink_to(outside)


def _dangling(folder: Path, outside: Path) -> None:
    (folder / "Testperson 001.csv").symlink_to(outside / "secret.csv")


def _loop(folder: Path, outside: Path) -> None:
    (folder / "Testperson").symlink_to(folder)


def _pipe(folder: Path, outside: Path) -> None:
    os.mkfifo(folder / "Testperson.csv")


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (_file_outside, "its file 1 of 3, by name, is a link that leads out of landing/unit"),
        (_folder_outside, "a link that leads out of landing/unit or to a folder"),
        (_dangling, "is a link to nothing"),
        (_loop, "or to a folder"),
        (_pipe, "neither a file nor a folder"),
    ],
)
def test_links_and_things_that_are_no_files_are_refused(
    started: TinyNetwork, tmp_path: Path, put: Callable[[Path, Path], None], said: str
) -> None:
    put(started.root / "landing" / "unit" / FEBRUARY, tmp_path / "outside")
    refused(started, said)


def test_a_delivery_that_is_a_link_out_of_landing_is_refused(started: TinyNetwork, tmp_path: Path) -> None:
    folder = started.root / "landing" / "unit" / FEBRUARY
    folder.rename(tmp_path / "secret")
    folder.symlink_to(tmp_path / "secret")
    refused(started, "is a link that leads out of landing/unit")


def test_the_folder_of_a_unit_may_be_a_link(started: TinyNetwork, tmp_path: Path) -> None:
    """Where a unit's files arrive is the administrator's to say; what lies in there is the unit's."""
    (started.root / "landing" / "unit").rename(tmp_path / "arrivals")
    (started.root / "landing" / "unit").symlink_to(tmp_path / "arrivals")
    started.take()
    assert gates(started) == {JANUARY: "accepted", FEBRUARY: "accepted"}
    (started.root / "landing" / "unit").unlink()
    (started.root / "landing" / "unit").symlink_to(tmp_path / "nowhere")
    refused(started, "is a link to nothing")


def test_a_file_beside_the_deliveries_and_names_without_a_date_are_told_without_the_name(started: TinyNetwork) -> None:
    landing = started.root / "landing"
    (landing / "unit" / "Testperson").mkdir()
    with pytest.raises(LandingError, match=r"place 3 of 3, by name, is no delivery: its name must begin") as caught:
        deliveries_of(landing, "unit")
    assert "Testperson" not in str(caught.value)
    (landing / "unit" / "Testperson").rmdir()
    (landing / "unit" / "secret.csv").write_text("")
    refused(started, "place 3 of 3, by name, is no folder")


TAKE = """
import os, sys
from pathlib import Path
root = Path(sys.argv[1])
sys.path[:0] = [sys.argv[2]]
from tiny_network import TinyNetwork
from checks.keys import load_key
from codebook.library import load_library
from assets.ingestion import ingest
tiny = TinyNetwork(root, load_key(root / "secrets" / "pseudonym.key"))
load_library(root)
try:
    exec(sys.argv[3])
    tiny.take()
except Exception as error:
    print(type(error).__name__, error)
else:
    print("taken")
"""


def take_in_child(tiny: TinyNetwork, first: str, *before: str) -> str:
    """Take what waits in another process, after it has done `first`; what it said."""
    command = [*before, sys.executable, "-c", TAKE, str(tiny.root), str(Path(__file__).parent), first]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("what", ["forms.csv", ""])
def test_what_may_not_be_read_is_told(started: TinyNetwork, what: str) -> None:
    """Without root's power over modes, where the tests run as root."""
    path = started.root / "landing" / "unit" / FEBRUARY / what
    powerless: list[str] = []
    if os.geteuid() == 0:
        powerless = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        before = lake_of(started), read_receipts(started.root / "state", "unit")
        said = take_in_child(started, "pass", *powerless)
        assert said == (
            f"LandingError landing/unit/{FEBRUARY} cannot be read (Permission denied); "
            "give the user who runs Concord the right to read it"
        )
        assert (lake_of(started), read_receipts(started.root / "state", "unit")) == before
    finally:
        path.chmod(mode)
    assert take_in_child(started, "pass", *powerless) == "taken"


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


@pytest.mark.parametrize("n_bytes", [0, 300, 2000, 6000])
def test_no_room_for_a_file_leaves_the_lake_as_it_was(started: TinyNetwork, n_bytes: int) -> None:
    """A limit on the size of files fails writing just as a full disk does: in the middle."""
    many = "".join(f"{n};WSAS;3;01.05.2013;{n % 9};2;3;4;{n % 7}\n" for n in range(1, 900))
    people = "".join(f"{n};Testperson {n:04d};K;1980;01.02.2013;;text {n}\n" for n in range(1, 900))
    folder = started.root / "landing" / "unit" / FEBRUARY
    (folder / "patients.csv").write_text(PATIENTS + people)
    (folder / "forms.csv").write_text(FORMS + many)
    before = lake_of(started), read_receipts(started.root / "state", "unit")
    said = take_in_child(started, LIMITED.format(n_bytes))
    assert "File too large" in said or "os error 27" in said, said
    assert (lake_of(started), read_receipts(started.root / "state", "unit")) == before
    assert not list((started.root / "lake" / ".staging").rglob("*.parquet"))
    assert take_in_child(started, "pass") == "taken"
    assert started.table("wsas").height == 900


def test_no_room_for_the_receipt_is_finished_by_the_next_run(started: TinyNetwork) -> None:
    """The promotion had been decided: nothing is read again, and nothing is lost."""
    receipts = started.root / "state" / "deliveries" / "unit.jsonl"
    limit = receipts.stat().st_size + 100
    assert limit > 500, "room for the staged tables is not what this is about"
    padding = (
        "import assets.ingestion.receipts as r; import resource; real = r.append_receipt\n"
        "import assets.ingestion.lake as lake\n"
        "def cut(state, receipt):\n"
        f"    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n"
        "    real(state, receipt)\n"
        "lake.append_receipt = cut"
    )
    assert "File too large" in take_in_child(started, padding)
    assert len(read_receipts(started.root / "state", "unit")) == 1
    from assets.ingestion import lake

    assert lake.recover(started.root / "lake", started.root / "state") == 1
    assert [r.delivery for r in read_receipts(started.root / "state", "unit")] == [JANUARY, FEBRUARY]
    assert started.take() == []
    assert started.table("wsas").height == 3
