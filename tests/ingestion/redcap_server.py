"""A stand-in for a REDCap server: real HTTP on loopback, answering as REDCap's API documentation says, or failing."""

from __future__ import annotations

import csv
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "0123456789ABCDEF0123456789ABCDEF"
DICTIONARY_COLUMNS = [
    *("field_name", "form_name", "section_header", "field_type", "field_label", "select_choices_or_calculations"),
    *("field_note", "text_validation_type_or_show_slider_number", "text_validation_min", "text_validation_max"),
    *("identifier", "branching_logic", "required_field", "custom_alignment", "question_number"),
    *("matrix_group_name", "matrix_ranking", "field_annotation"),
]
POSITION = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
Answer = tuple[int, str, str]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass
class RedcapServer:
    """One project. `faults`: how the next requests for a content go wrong; `asked`: what was asked for."""

    rows: list[dict[str, str]]
    dictionary: list[dict[str, str]]
    events: list[dict[str, str]] = field(default_factory=list)
    form_events: list[dict[str, str]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of_sample(cls, folder: Path) -> RedcapServer:
        """The project whose exports lie in `folder` (the dictionary under the headings of REDCap's pages)."""
        described = table(folder / "dictionary.csv")
        dictionary = [dict(zip(DICTIONARY_COLUMNS, row.values(), strict=True)) for row in described]
        rows = table(folder / "data.csv")
        names = dict.fromkeys(row["redcap_event_name"] for row in rows if "redcap_event_name" in row)
        events = [{"event_name": name, "arm_num": "1", "unique_event_name": name} for name in names]
        forms = dict.fromkeys(row["form_name"] for row in dictionary)
        mapping = [{"arm_num": "1", "unique_event_name": name, "form": form} for name in names for form in forms]
        return cls(rows, dictionary, events, mapping)

    @property
    def key(self) -> str:
        return self.dictionary[0]["field_name"]

    def fail(self, content: str, fault: str, times: int = 1) -> None:
        self.faults += [(content, fault)] * times

    def answer(self, asked: dict[str, str]) -> Answer:
        if asked.get("token") != TOKEN:
            return _error(403, "You do not have permissions to use the API")
        content = asked.get("content", "")
        if asked.get("format") not in {"json", "csv"}:
            return _error(400, "The value of the parameter 'format' is not valid")
        if content in {"event", "formEventMapping"} and not self.events:
            return _error(400, "You cannot export events for classic projects")
        answers: dict[str, Any] = {
            "metadata": self.dictionary,
            "event": self.events,
            "formEventMapping": self.form_events,
            "project": {"project_id": 7, "is_longitudinal": int(bool(self.events)), "project_title": "Stand-in"},
        }
        if content == "record":
            answers["record"] = self._records(asked)
        if content not in answers:
            return _error(400, "The value of the parameter 'content' is not valid")
        return 200, "application/json; charset=utf-8", json.dumps(answers[content])

    def _records(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        def listed(name: str) -> set[str]:
            return {value for key, value in asked.items() if re.fullmatch(rf"{name}\[\d+\]", key)}

        def is_on(name: str) -> bool:
            return asked.get(name, "").lower() in {"true", "1"}

        records, fields, forms = listed("records"), listed("fields"), listed("forms")
        fields |= {row["field_name"] for row in self.dictionary if row["form_name"] in forms}
        form_of = {row["field_name"]: row["form_name"] for row in self.dictionary}
        shown = []
        for column in self.rows[0] if self.rows else []:
            survey = column == "redcap_survey_identifier" or column in {f"{f}_timestamp" for f in form_of.values()}
            if column == "redcap_data_access_group":
                is_shown = is_on("exportDataAccessGroups")
            elif survey:
                is_shown = is_on("exportSurveyFields")
            else:
                is_shown = column in POSITION or column in fields or column.partition("___")[0] in fields
            shown += [column] if is_shown else []
        answer = []
        for row in self.rows:
            if records and row[self.key] not in records:
                continue
            cells: dict[str, Any] = {column: row[column] for column in shown}
            for column, cell in cells.items():
                if column.endswith("_complete") and not cell and not is_on("exportBlankForGrayFormStatus"):
                    cells[column] = "0"
                if column == "redcap_repeat_instance" and cell:
                    cells[column] = int(cell)
            answer.append(cells)
        return answer


def _error(status: int, message: str) -> Answer:
    return status, "application/json; charset=utf-8", json.dumps({"error": message})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    project: RedcapServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = dict(parse_qsl(body, keep_blank_values=True))
        self.project.asked.append(asked)
        kind = "page" if any(name.startswith("records[") for name in asked) else asked.get("content", "")
        fault = next((fault for fault in self.project.faults if fault[0] == kind), None)
        if fault is not None:
            self.project.faults.remove(fault)
        self._send(self.project.answer(asked), fault[1] if fault else "")

    def _send(self, answer: Answer, fault: str) -> None:
        status, kind, text = answer
        if fault == "hang":
            self.project.released.wait(30)
        if fault in {"hang", "drop"}:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if fault.isdigit():
            status, text = int(fault), json.dumps({"error": "out of order"})
        if fault == "html":
            kind, text = "text/html; charset=utf-8", "<html><body>REDCap is being upgraded</body></html>"
        if fault == "error":
            text = json.dumps({"error": "REDCap ran out of server memory."})
        rows = json.loads(text) if fault in {"leave_out", "twice", "foreign"} else []
        if rows:
            changed = {"leave_out": rows[:-1], "twice": [*rows, rows[-1]], "foreign": [*rows, {**rows[-1]}]}[fault]
            if fault == "foreign":
                changed[-1][self.project.key] = "nobody asked"
            text = json.dumps(changed)
        data = text.encode()
        length = len(data)
        if fault in {"half", "half_fitting"}:
            data = data[: length // 2]
            length = len(data) if fault == "half_fitting" else length
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if fault == "429":
            self.send_header("Retry-After", "0")
        if fault == "302":
            self.send_header("Location", "/elsewhere/")
        self.end_headers()
        self.wfile.write(data)
        if length != len(data):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextmanager
def serving(project: RedcapServer) -> Iterator[RedcapServer]:
    handler = type("Handler", (_Handler,), {"project": project})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    project.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield project
    finally:
        project.released.set()
        server.shutdown()
        server.server_close()
