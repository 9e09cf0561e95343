"""Which columns of an export a declaration names, and where.

What belongs here: reading declarations. What does not: files and rows (`assets.ingestion.source`).
"""

from __future__ import annotations

from collections.abc import Iterator

from codebook.library import Library
from codebook.site import AssessmentMapping, FieldMapping, RelativeTime, SourceMapping

OUTSIDE_ANSWERS = {"identity", "key", "local_ref", "where", "pivot.rows", "parts.column"}
"""Places of a declaration that never name an answer of a pivoted file."""
OF_ITEMS = ".items"
"""How the places end that name the answer to an item."""


def columns_of(source: SourceMapping, library: Library) -> dict[str, str]:
    """Every column that a source's declaration names → where it is named first."""
    named: dict[str, str] = {}
    for column, where in (*_of_rows(source), *_of_facts(source)):
        if column is not None:
            named.setdefault(column, where)
    for form in source.forms:
        for column, where in _of_form(form, library):
            if column is not None:
                named.setdefault(column, where)
    if source.where is not None:
        named.setdefault(source.where.column, "where")
    return named


def columns_needed(source: SourceMapping, library: Library, parts_column: str | None) -> dict[str, str]:
    """Columns that every file of a source must have → where they are named; of a pivoted file not its answers."""
    named = columns_of(source, library)
    if parts_column is not None:
        named.setdefault(parts_column, "parts.column")
    if source.pivot is None:
        return named
    inside = {column: where for column, where in named.items() if where in OUTSIDE_ANSWERS}
    return {**inside, source.pivot.names: "pivot.names", source.pivot.values: "pivot.values"}


def _of_rows(source: SourceMapping) -> Iterator[tuple[str | None, str]]:
    """Columns that say whose row this is and which rows count."""
    for column in source.identity.columns:
        yield column, "identity"
    for column in source.key:
        yield column, "key"
    yield source.local_ref, "local_ref"
    if source.pivot is not None:
        for column in source.pivot.rows:
            yield column, "pivot.rows"


def _of_facts(source: SourceMapping) -> Iterator[tuple[str | None, str]]:
    """Columns about patients, courses, sessions, attributes and consents."""
    for part, where in ((source.patient, "patient"), (source.episode, "episode"), (source.sessions, "sessions")):
        for key, value in part or ():
            if isinstance(value, FieldMapping):
                yield value.column, f"{where}.{key}"
            elif isinstance(value, str):
                yield value, f"{where}.{key}"
    for attribute in source.attributes:
        yield attribute.column, f"attribute {attribute.attribute}"
        yield attribute.date, f"attribute {attribute.attribute}.date"
    for column in source.kept:
        yield column, "kept"
    for consent in source.consents:
        yield consent.status.column, f"consent {consent.purpose}.status"
        yield consent.date, f"consent {consent.purpose}.date"


def _of_form(form: AssessmentMapping, library: Library) -> Iterator[tuple[str | None, str]]:
    where = f"assessments {form.instrument}"
    for column in item_columns(form, library).values():
        yield column, where + OF_ITEMS
    for column in form.supplied_scores.values():
        yield column, f"{where}.supplied_scores"
    yield form.date, f"{where}.date"
    yield form.sequence if isinstance(form.sequence, str) else None, f"{where}.sequence"
    yield form.source_key, f"{where}.source_key"
    yield form.status.column if form.status else None, f"{where}.status"
    yield form.months.column if isinstance(form.months, RelativeTime) else None, f"{where}.months"
    yield form.occasion.column if form.occasion else None, f"{where}.occasion"
    yield form.rater.column if isinstance(form.rater, FieldMapping) else None, f"{where}.rater"
    for condition in form.when:
        yield condition.column, f"{where}.when"


def answer_columns(source: SourceMapping, library: Library) -> set[str]:
    """Columns that hold answers to items and nothing else."""
    rest = {column for column, _ in (*_of_rows(source), *_of_facts(source))} | set(source.identifiers)
    answers: set[str] = set()
    for form in source.forms:
        answers.update(item_columns(form, library).values())
        rest.update(column for column, where in _of_form(form, library) if not where.endswith(OF_ITEMS))
    if source.where is not None:
        rest.add(source.where.column)
    return answers - rest


def item_columns(form: AssessmentMapping, library: Library) -> dict[int, str]:
    """Item number → column of the export, for the items that the form's version has."""
    if form.items is None:
        return {}
    if not isinstance(form.items, str):
        return dict(form.items)
    instrument = library.instruments[form.instrument]
    items = instrument.version(form.version).items or range(1, instrument.n_items + 1)
    return {item: form.items.format(n=item) for item in items}


def personal_columns(source: SourceMapping) -> set[str]:
    """Columns that say who someone is, or could: their text is stored nowhere but where the declaration says so."""
    personal = {*source.identity.columns, *source.identifiers, *(a.column for a in source.facts if a.is_free_text)}
    for column in (
        source.local_ref,
        source.patient.birth_date if source.patient else None,
        source.episode.therapist if source.episode else None,
        source.episode.key if source.episode else None,
    ):
        if column is not None:
            personal.add(column)
    return personal
