"""`concord trace`: a score, an estimate or a finding back to file, row and delivery.

What belongs here: the way back. What does not: values of other patients, and what earlier deliveries said
(`orchestration.record_history`).
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

from checks.identity import read_identities
from codebook.library import Library
from orchestration.receipt import score_receipts
from orchestration.record_history import record_history
from orchestration.tables import print_records
from orchestration.warehouse_reader import QueryError, open_warehouse

if TYPE_CHECKING:
    import duckdb

Section = tuple[str, list[dict[str, object]]]

ENTITY_QUERIES: dict[str, list[tuple[str, str]]] = {
    "a": [
        (
            "assessment",
            "select assessment_id, site_id, instrument, version, rater, occasion, assessment_date, months, delivery, "
            "source_file, source_row from harmonised.assessment where assessment_id = ?",
        ),
        (
            "answers",
            "select item, value, missing_code from harmonised.item_response where assessment_id = ? order by item",
        ),
    ],
    "e": [
        ("episode", "select * from harmonised.episode where episode_id = ?"),
        (
            "assessments",
            "select instrument, occasion, months, assessment_id, delivery, source_file, source_row "
            "from harmonised.assessment where episode_id = ? order by months, instrument",
        ),
    ],
    "p": [
        ("patient", "select * from harmonised.patient where patient_id = ?"),
        ("units", "select * from harmonised.patient_site where patient_id = ?"),
        ("episodes", "select episode_id, site_id, treatment from harmonised.episode where patient_id = ?"),
    ],
    "f": [("finding", "select * from quality.finding where finding_id = ?")],
    "d": [("due point", "select * from quality.expected_assessment where due_point_id = ?")],
}
ESTIMATE_PARTS = 4


def trace(warehouse: Path, identifier: str, library: Library, as_of: dt.date | None = None) -> list[Section]:
    """Everything that leads back from an id (`a…`, `e…`, `p…`, `f…`, `d…`) or from `analysis/outcome/model/term`.

    Of an assessment, a course or a patient also what every delivery until `as_of` said, from the lake.

    Raises:
        QueryError: nothing has that id, or the warehouse lacks a table.
    """
    import duckdb

    with open_warehouse(warehouse) as connection:
        try:
            sections = _sections(connection, identifier, library)
        except (duckdb.BinderException, duckdb.CatalogException):
            raise QueryError("the warehouse was built by an earlier Concord; run 'concord run' first") from None
    known = sections[0][1] if sections else []
    instrument = str(known[0]["instrument"]) if known and "instrument" in known[0] else None
    history = [] if "/" in identifier else record_history(library, identifier, as_of, instrument)
    sections.extend(history)
    if known and identifier.startswith("e"):
        person = record_history(library, str(known[0]["patient_id"]), as_of)
        sections.extend((f"patient {title}", rows) for title, rows in person)
    if not known and not history:
        raise QueryError(
            f"nothing is called '{identifier}'; give an id (a…, e…, p…, f…, d…) or analysis/outcome/model/term"
        )
    return sections


def _sections(connection: duckdb.DuckDBPyConnection, identifier: str, library: Library) -> list[Section]:
    if "/" in identifier:
        return _trace_estimate(connection, identifier)
    known = read_identities(library.folder.state)
    events = known.events_of(identifier)
    identifier = known.patient(identifier)
    queries = ENTITY_QUERIES.get(identifier[:1], [])
    sections = [(title, _rows(connection, sql, [identifier])) for title, sql in queries]
    if events or (events := known.events_of(identifier)):
        sections.append(("merges and splits", [event.record() for event in events]))
    if identifier.startswith("a"):
        receipts = score_receipts(library, connection, identifier)
        sections.insert(1, ("scores", [receipt.record() for receipt in receipts]))
    return sections


def _trace_estimate(connection: duckdb.DuckDBPyConnection, identifier: str) -> list[Section]:
    parts = identifier.split("/")
    if len(parts) != ESTIMATE_PARTS:
        return []
    estimate = _rows(
        connection,
        "select * from results.estimate where analysis = ? and outcome = ? and model = ? and term = ?",
        parts,
    )
    fit = _rows(connection, "select * from results.fit where analysis = ? and outcome = ? and model = ?", parts[:3])
    deliveries = _rows(
        connection,
        "select assessment.site_id, assessment.delivery, assessment.source_file, count(*) as n_assessments "
        "from harmonised.assessment where delivery is not null group by all order by all",
        [],
    )
    return [("estimate", estimate), ("fit", fit), ("deliveries that the warehouse was built from", deliveries)]


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: list[str]) -> list[dict[str, object]]:
    result = connection.execute(sql, values)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def print_trace(sections: list[Section], output_format: str = "table") -> None:
    """Section by section: scores as sentences, one record downwards, several as a table; or everything as JSON."""
    if output_format == "json":
        print(json.dumps(dict(sections), indent=1, default=str))
        return
    for title, rows in sections:
        print(f"{title}: {'none' if not rows else ''}".rstrip())
        if title == "scores":
            for row in rows:
                print(f"  {row['sentence']}")
            print(_rules_line(rows))
        else:
            print_records(rows)
        print()


def _rules_line(scores: list[dict[str, object]]) -> str:
    """Which declaration the scores stand on, and whether it was changed since."""
    if not scores:
        return "  the codebook declares no scale for this form"
    line = f"  rules: {scores[0]['rule_version']}"
    if not all(score["is_rule_current"] for score in scores):
        line += "; the declaration was changed since: 'concord run' scores by the new one"
    return line
