"""REDCap over its API: the same files as an export by hand, whatever the server does on the way, or nothing at all."""

from __future__ import annotations

import datetime as dt
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from redcap_server import DICTIONARY_COLUMNS, TOKEN, RedcapServer, serving

from assets.ingestion.fetch import redcap_api
from assets.ingestion.fetch.fetching import FetchedDelivery, fetch_site, next_name
from assets.ingestion.fetch.protocol import FetchError, SourceError
from assets.ingestion.landing import deliveries_of
from assets.ingestion.readers.protocol import read_file
from codebook.library import load_library

TODAY = dt.date(2026, 11, 2)
NETWORK = "name: tiny\ntitle: A tiny network\n"
SITE = """
site: {site}
name: Unit {site}
format: {{reader: redcap, dictionary: dictionary.csv}}
fetch: {{source: redcap_api, url: "{url}", token_variable: UNIT_TOKEN, page_records: 2, timeout_seconds: 0.4,
         attempts: 3{more}}}
mappings:
  - from_delivery: "2016-01-01"
    sources:
      - name: patients
        file: data.csv
        identity: {{columns: [record_id]}}
        key: [record_id]
        attributes: [{{attribute: height, column: height}}]
"""
FIELDS = [["record_id", "one", "text"], ["height", "one", "text"], ["note", "one", "notes"]]


def project() -> RedcapServer:
    rows = [
        {
            "record_id": str(n),
            "redcap_data_access_group": "north",
            "height": f"1{n}0",
            "note": note,
            "one_complete": done,
        }
        for n, (note, done) in enumerate(
            [("", "2"), ('said "no", then\nyes', "2"), ("blåbær", ""), ("a\\b", "0"), ("NA", "1")], start=1
        )
    ]
    dictionary = [
        dict.fromkeys(DICTIONARY_COLUMNS, "") | {"field_name": name, "form_name": form, "field_type": kind}
        for name, form, kind in FIELDS
    ]
    return RedcapServer(rows, dictionary)


@pytest.fixture
def server() -> Iterator[RedcapServer]:
    with serving(project()) as running:
        yield running


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIT_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(redcap_api, "BACKOFF_SECONDS", 0.01)


@pytest.fixture
def fetch(tmp_path: Path, server: RedcapServer) -> Callable[..., FetchedDelivery | None]:
    def once(url: str | None = None, more: str = "", today: dt.date = TODAY) -> FetchedDelivery | None:
        write_site(tmp_path, url or server.url, more=more)
        library = load_library(tmp_path)
        return fetch_site(library, library.sites["unit"], today)

    return once


def write_site(root: Path, url: str, site: str = "unit", more: str = "") -> None:
    (root / "sites").mkdir(exist_ok=True)
    (root / "network.yaml").write_text(NETWORK)
    (root / "sites" / f"{site}.yaml").write_text(SITE.format(site=site, url=url, more=more))


def landed(root: Path) -> list[str]:
    return [delivery.name for delivery in deliveries_of(root / "landing", "unit")]


def left_over(root: Path) -> list[Path]:
    return list((root / "landing" / "unit").glob(".fetch-*"))


def test_pages_make_one_file_in_redcaps_own_form(
    tmp_path: Path, server: RedcapServer, fetch: Callable[..., FetchedDelivery | None]
) -> None:
    delivery = fetch()
    assert delivery is not None
    assert (delivery.name, dict(delivery.n_rows)) == ("2026-11-02", {"data.csv": 5, "dictionary.csv": 3})
    assert sorted(path.name for path in delivery.folder.iterdir()) == ["data.csv", "dictionary.csv"]
    assert (delivery.folder / "data.csv").read_bytes().decode() == (
        "record_id,redcap_data_access_group,height,note,one_complete\n"
        '1,north,110,,2\n2,north,120,"said ""no"", then\nyes",2\n3,north,130,blåbær,\n'
        '4,north,140,"a\\b",0\n5,north,150,NA,1\n'
    )
    pages = [asked for asked in server.asked if "records[0]" in asked]
    assert [[asked[k] for k in asked if k.startswith("records[")] for asked in pages] == [["1", "2"], ["3", "4"], ["5"]]
    assert all(asked["rawOrLabel"] == "raw" for asked in pages)
    format = load_library(tmp_path).sites["unit"].format
    frame = read_file(delivery.folder / "data.csv", "data.csv", format)
    assert frame.frame["note"].to_list() == [None, 'said "no", then\nyes', "blåbær", "a\\b", "NA"]
    assert frame.notes == ()


@pytest.mark.parametrize(
    "sample",
    ["blank-for-gray-status", "dag", "decimal-comma-and-dot", "longitudinal", "repeating-instruments", "survey"],
)
def test_real_exports_come_back_as_they_were(shared: Path, tmp_path: Path, sample: str) -> None:
    folder = shared / "samples" / "redcap" / "REDCapR" / sample
    with serving(RedcapServer.of_sample(folder)) as server:
        write_site(tmp_path, server.url)
        library = load_library(tmp_path)
        delivery = fetch_site(library, library.sites["unit"], TODAY)
    assert delivery is not None
    assert (delivery.folder / "data.csv").read_bytes() == (folder / "data.csv").read_bytes()
    assert ("events.csv" in delivery.n_rows) == (sample == "longitudinal")
    format = library.sites["unit"].format
    fetched, exported = (read_file(path / "data.csv", "data.csv", format) for path in (delivery.folder, folder))
    assert_frame_equal(fetched.frame, exported.frame)
    assert (fetched.identifiers, fetched.form_of) == (exported.identifiers, exported.form_of)


def test_only_the_forms_that_are_named_come(server: RedcapServer, fetch: Callable[..., FetchedDelivery | None]) -> None:
    server.dictionary[2]["form_name"] = "two"
    delivery = fetch(more=", forms: [one]")
    assert delivery is not None
    header = (delivery.folder / "data.csv").read_text().splitlines()[0]
    assert header == "record_id,redcap_data_access_group,height,one_complete"


@pytest.mark.parametrize("content", ["metadata", "record", "page", "project"])
@pytest.mark.parametrize("fault", ["500", "503", "429", "drop", "half", "half_fitting", "html", "hang"])
def test_what_passes_is_asked_again(
    server: RedcapServer, fetch: Callable[..., FetchedDelivery | None], content: str, fault: str
) -> None:
    server.fail(content, fault, times=2)
    delivery = fetch()
    assert delivery is not None
    assert len((delivery.folder / "data.csv").read_text(encoding="utf-8").split("north")) == 6
    assert not server.faults


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("500", "status 500"),
        ("429", "status 429"),
        ("drop", "cannot be reached, or broke"),
        ("half", "broke"),
        ("half_fitting", "broken off"),
        ("html", "web page"),
        ("hang", "within 0.4 seconds"),
        ("leave_out", "left out 1 of 2 records"),
        ("twice", "twice"),
        ("foreign", "not asked for"),
    ],
)
def test_a_page_that_fails_for_good_lands_nothing(
    tmp_path: Path, server: RedcapServer, fetch: Callable[..., FetchedDelivery | None], fault: str, said: str
) -> None:
    server.fail("page", fault, times=3)
    with pytest.raises(FetchError, match=rf"^unit: page 1 of the records .*3 attempts.*{said}") as error:
        fetch()
    assert (landed(tmp_path), left_over(tmp_path)) == ([], [])
    assert TOKEN not in repr(error.value.__context__) + str(error.value)
    assert fetch() is not None, "the next night it works"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("400", "status 400"),
        ("404", "no REDCap API"),
        ("302", "has moved"),
        ("error", "answers with an error"),
        ("401", "refuses the token"),
    ],
)
def test_what_would_be_answered_the_same_is_not_asked_again(
    tmp_path: Path, server: RedcapServer, fetch: Callable[..., FetchedDelivery | None], fault: str, said: str
) -> None:
    server.fail("page", fault, times=2)
    with pytest.raises(FetchError, match=said):
        fetch()
    assert len(server.faults) == 1
    assert landed(tmp_path) == []


def test_a_wrong_token_is_refused_once_and_never_told(
    monkeypatch: pytest.MonkeyPatch, server: RedcapServer, fetch: Callable[..., FetchedDelivery | None]
) -> None:
    wrong = "F" * 32
    monkeypatch.setenv("UNIT_TOKEN", wrong)
    with pytest.raises(FetchError, match=r"^unit: the REDCap server refuses the token in UNIT_TOKEN") as error:
        fetch()
    assert len(server.asked) == 1
    assert wrong not in str(error.value) + repr(error.value.__context__) + repr(error.value.__cause__)


@pytest.mark.parametrize(("token", "said"), [("", "is not set"), ("secret-but-short", "is no API token")])
def test_a_token_that_cannot_be_one_is_told_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    server: RedcapServer,
    fetch: Callable[..., FetchedDelivery | None],
    token: str,
    said: str,
) -> None:
    monkeypatch.setenv("UNIT_TOKEN", token)
    with pytest.raises(FetchError, match=said) as error:
        fetch()
    assert "secret" not in str(error.value)
    assert server.asked == []


def test_the_token_does_not_travel_in_the_clear(fetch: Callable[..., FetchedDelivery | None]) -> None:
    with pytest.raises(FetchError, match="write https://"):
        fetch(url="http://redcap.example/api/")


def test_a_server_that_is_not_there(fetch: Callable[..., FetchedDelivery | None]) -> None:
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch(url="http://127.0.0.1:9/api/")


def test_no_records_are_an_error_and_not_an_empty_snapshot(
    tmp_path: Path, server: RedcapServer, fetch: Callable[..., FetchedDelivery | None]
) -> None:
    server.rows.clear()
    with pytest.raises(FetchError, match="no record is visible"):
        fetch()
    assert landed(tmp_path) == []


def test_the_same_content_is_not_landed_twice(
    tmp_path: Path, server: RedcapServer, fetch: Callable[..., FetchedDelivery | None]
) -> None:
    assert fetch() is not None
    assert fetch(today=TODAY + dt.timedelta(days=1)) is None
    server.rows[0]["height"] = "111"
    changed = fetch()
    assert changed is not None
    assert changed.name == "2026-11-02-b"
    assert landed(tmp_path) == ["2026-11-02", "2026-11-02-b"]
    assert left_over(tmp_path) == []


def test_what_a_killed_fetch_left_is_no_delivery_and_is_swept(
    tmp_path: Path, fetch: Callable[..., FetchedDelivery | None]
) -> None:
    left = tmp_path / "landing" / "unit" / ".fetch-2026-11-01"
    left.mkdir(parents=True)
    (left / "data.csv").write_text("record_id\n1\n")
    assert landed(tmp_path) == []
    assert fetch() is not None
    assert landed(tmp_path) == ["2026-11-02"]
    assert not left.exists()


def test_one_fetch_of_a_unit_at_a_time(tmp_path: Path, fetch: Callable[..., FetchedDelivery | None]) -> None:
    assert fetch() is not None
    with (tmp_path / "landing" / "unit" / ".fetch.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="is being fetched already"):
            fetch()


def test_a_clock_set_back_is_told(fetch: Callable[..., FetchedDelivery | None], server: RedcapServer) -> None:
    assert fetch() is not None
    server.asked.clear()
    with pytest.raises(FetchError, match="put the machine's clock right"):
        fetch(today=TODAY - dt.timedelta(days=1))
    assert server.asked == []


def test_a_landing_that_cannot_be_written_is_told(tmp_path: Path, fetch: Callable[..., FetchedDelivery | None]) -> None:
    (tmp_path / "landing").write_text("a file where the folder should be")
    with pytest.raises(FetchError, match=r"^unit: landing/unit or state/ cannot be used"):
        fetch()


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ([], "2026-11-02"),
        (["2026-11-01-c"], "2026-11-02"),
        (["2026-11-02"], "2026-11-02-b"),
        (["2026-11-02", "2026-11-02-7"], "2026-11-02-b"),
        (["2026-11-02", "2026-11-02-b2"], "2026-11-02-c"),
        (["2026-11-02-y", "2026-11-02-z"], "2026-11-02-za"),
        (["2026-11-02-zz"], "2026-11-02-zza"),
    ],
)
def test_a_new_delivery_sorts_behind_all_others(known: list[str], name: str) -> None:
    assert next_name(known, TODAY) == name
    assert sorted([*known, name])[-1] == name
    with pytest.raises(SourceError):
        next_name(["2026-11-03"], TODAY)


def test_a_site_that_declares_no_fetch(tmp_path: Path, server: RedcapServer) -> None:
    write_site(tmp_path, server.url)
    library = load_library(tmp_path)
    site = library.sites["unit"].model_copy(update={"fetch": None})
    with pytest.raises(FetchError, match="declares no 'fetch'"):
        fetch_site(library, site, TODAY)
    assert not (tmp_path / "landing").exists()
