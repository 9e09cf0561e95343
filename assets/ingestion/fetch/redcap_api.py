"""A REDCap project, fetched over its API by PyCap into data.csv, dictionary.csv and, if longitudinal, its events.

What belongs here: asking, asking again, pages, and whether everything asked for came. What does not: what the columns
mean (`readers.redcap` reads the files like any other export).
Answers are asked for as JSON, since a broken-off JSON is no JSON, while half a CSV is a shorter CSV; they are written
in the form of REDCap's own CSV. PyCap looks at no status code and takes every error of its `is_longitudinal` for "no",
so status codes are judged here and the project's own description says whether it has events.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from assets.ingestion.fetch.protocol import Fetched, FetchedFile, SourceError, secret
from codebook.formats import RedcapApi

if TYPE_CHECKING:
    from redcap.project import Project

BACKOFF_SECONDS = 1.0
"""Wait before the second attempt; each further one waits twice as long."""
LONGEST_WAIT_SECONDS = 60.0
TOKEN_LENGTH = 32
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
POSITION = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
"""With the record's id, what tells the rows of an export apart."""

Rows = list[dict[str, str]]


class _AgainError(Exception):
    """An attempt that may succeed later."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


def fetch_redcap(api: RedcapApi, folder: Path) -> Fetched:
    """Write the project's records, dictionary and events into `folder`.

    Records come in pages of `page_records`, after the list of their ids; every id must come back, none twice.

    Raises:
        SourceError: anything that keeps one page from being complete; what was written so far is the caller's to drop.
    """
    caller = _Caller(api, _project(api))
    project = caller.project
    dictionary = caller.ask("the dictionary", lambda: project.metadata)
    if not dictionary or "field_name" not in dictionary[0]:
        raise SourceError("the project has no data dictionary that its token may export; give the token's user rights")
    key = dictionary[0]["field_name"]
    listed = caller.ask("the list of records", lambda: project.export_records(fields=[key]))
    ids = list(dict.fromkeys(row.get(key, "") for row in listed))
    if not ids or "" in ids:
        raise SourceError("no record is visible to the token; check the rights and data access group of its user")
    files = [FetchedFile("data.csv", _write_records(caller, key, ids, folder / "data.csv"))]
    files.append(_write_table(folder / "dictionary.csv", dictionary))
    about = caller.ask("the project's description", lambda: [cast("Any", project.export_project_info())])
    if about[0].get("is_longitudinal") == "1":
        events = caller.ask("the events", project.export_events)
        forms = caller.ask("the forms of the events", project.export_instrument_event_mappings)
        files += [_write_table(folder / "events.csv", events), _write_table(folder / "form_events.csv", forms)]
    return Fetched(tuple(files))


def _project(api: RedcapApi) -> Project:
    """PyCap's project; nothing is asked yet."""
    from redcap.project import Project

    address = urlsplit(api.url)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        raise SourceError(
            "the REDCap server's url begins with http://, which would show the token to everyone on the way; "
            "write https://"
        )
    token = secret(api.token_variable, "the project's API token")
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{TOKEN_LENGTH}}}", token):
        raise SourceError(
            f"what {api.token_variable} holds is no API token ({TOKEN_LENGTH} digits and letters A to F); copy it again"
        )
    hooks = {"response": lambda response, *_, **__: _judge(response, api)}
    return Project(api.url, token, timeout=api.timeout_seconds, allow_redirects=False, hooks=hooks)


def _judge(response: Any, api: RedcapApi) -> None:
    """Sort an answer by its status and kind before PyCap reads it.

    Raises:
        _AgainError: the server is busy or out of order.
        SourceError: it will answer the same again.
    """
    status = int(response.status_code)
    if status == 429 or status >= 500:
        told = response.headers.get("Retry-After", "")
        raise _AgainError(f"answers with status {status}", float(told) if told.isdecimal() else 0.0)
    if status in {401, 403}:
        raise SourceError(
            f"the REDCap server refuses the token in {api.token_variable} (status {status}); ask the project for a new "
            "one with the right to export by API"
        )
    if 300 <= status < 400:
        raise SourceError("the REDCap server has moved; correct the url to its present address")
    if status == 404:
        raise SourceError("there is no REDCap API at this address (status 404); correct the url")
    if status >= 400:
        raise SourceError(f"the REDCap server refuses the request (status {status}); check the forms that are named")
    if "html" in response.headers.get("Content-Type", "").lower():
        raise _AgainError("answers with a web page instead of data (is it being maintained, or is the url wrong?)")


class _Caller:
    """Asks one project, several times where that may help."""

    def __init__(self, api: RedcapApi, project: Project) -> None:
        self.api = api
        self.project = project

    def ask(self, what: str, call: Callable[[], Any], check: Callable[[Rows], None] = lambda rows: None) -> Rows:
        """The rows that a call answers with, as text.

        Args:
            what: what is asked for, for the error.
            call: one request by PyCap.
            check: raises `_AgainError` where the answer is not complete.

        Raises:
            SourceError: refused, or failed as many times as declared.
        """
        reason, wait = "", BACKOFF_SECONDS
        for attempt in range(1, self.api.attempts + 1):
            try:
                rows = _as_rows(self._once(call))
                check(rows)
                return rows
            except _AgainError as again:
                reason = str(again)
                pause = min(max(wait, again.wait_seconds), LONGEST_WAIT_SECONDS)
            if attempt < self.api.attempts:
                time.sleep(pause)
                wait *= 2
        tries = f"{self.api.attempts} attempts" if self.api.attempts > 1 else "one attempt"
        raise SourceError(f"{what} could not be had in {tries}: the REDCap server {reason}; nothing of it was kept")

    def _once(self, call: Callable[[], Any]) -> Any:
        from requests import exceptions as web

        seconds = f"{self.api.timeout_seconds:g}"
        try:
            return call()
        except web.SSLError:
            refused = "the REDCap server's certificate is not trusted; have it renewed, or add its authority"
        except web.Timeout:
            raise _AgainError(f"does not answer within {seconds} seconds (timeout_seconds)") from None
        except web.JSONDecodeError:
            raise _AgainError("answers with something broken off (smaller page_records may help)") from None
        except (web.ConnectionError, web.ChunkedEncodingError, web.ContentDecodingError):
            raise _AgainError("cannot be reached, or broke the connection off") from None
        except (web.RequestException, AttributeError, KeyError, TypeError):
            refused = "the REDCap server answers with an error; check the url, the token's rights and the forms named"
        raise SourceError(refused)


def _as_rows(answer: Any) -> Rows:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise _AgainError("answers with something else than rows")
    return [{str(name): "" if cell is None else str(cell) for name, cell in row.items()} for row in answer]


def _write_records(caller: _Caller, key: str, ids: Sequence[str], path: Path) -> int:
    """Every page of records; the number of rows."""
    api, project = caller.api, caller.project
    columns: list[str] = []
    n_rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for start in range(0, len(ids), api.page_records):
            page = list(ids[start : start + api.page_records])
            rows = caller.ask(
                f"page {start // api.page_records + 1} of the records",
                lambda page=page: project.export_records(  # type: ignore[misc]
                    records=page,
                    forms=list(api.forms) or None,
                    export_survey_fields=True,
                    export_data_access_groups=True,
                    export_blank_for_gray_form_status=True,
                ),
                lambda rows, page=page: _check_page(rows, key, page),  # type: ignore[misc]
            )
            if not columns:
                columns = list(rows[0])
                file.write(csv_line(columns))
            if any(list(row) != columns for row in rows):
                raise SourceError("the project's fields changed while it was fetched; fetch again")
            file.writelines(csv_line(row.values()) for row in rows)
            n_rows += len(rows)
    return n_rows


def _check_page(rows: Rows, key: str, page: Sequence[str]) -> None:
    came = {row.get(key, "") for row in rows}
    missing = len(set(page) - came)
    if missing:
        raise _AgainError(
            f"left out {missing} of {len(page)} records that were asked for (smaller page_records may help)"
        )
    if came - set(page):
        raise _AgainError("sent records that were not asked for")
    if len({(row[key], *(row.get(name, "") for name in POSITION)) for row in rows}) < len(rows):
        raise _AgainError("sent a record twice")


def _write_table(path: Path, rows: Sequence[Mapping[str, str]]) -> FetchedFile:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line(columns))
        file.writelines(csv_line(row.get(name, "") for name in columns) for row in rows)
    return FetchedFile(path.name, len(rows))


def csv_line(cells: Iterable[str]) -> str:
    """One line as REDCap itself writes it: quoted where a cell holds a comma, quote, blank, line end or backslash."""
    return ",".join(f'"{cell.replace(QUOTE, QUOTE * 2)}"' if _QUOTED.search(cell) else cell for cell in cells) + "\n"


QUOTE = '"'
_QUOTED = re.compile(r'[,"\s\\]')
