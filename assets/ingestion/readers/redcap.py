"""REDCap exports: raw CSV together with the data dictionary that came in the same delivery.

What belongs here: what the dictionary says about the columns: form, checkbox, identifying or not, decimal comma; and
that an unticked checkbox is exported as 0 on forms that nobody touched, where it means nothing.
What does not: which events, forms and repeats are wanted (the mapping).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.ingestion.readers.delimited import decode, split_text
from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame
from assets.ingestion.readers.records import Dialect
from codebook.formats import ReadingLimits, RedcapFormat

SYSTEM_COLUMNS = frozenset(
    {
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "redcap_data_access_group",
        "redcap_survey_identifier",
    }
)
"""Columns that REDCap adds by itself."""

IDENTIFYING_SYSTEM_COLUMNS = frozenset({"redcap_survey_identifier"})
"""Holds a participant's e-mail address or name where surveys are sent out."""

_DESCRIBED = {
    "choices": ("choices", "select choices"),
    "validation": ("text validation type",),
    "minimum": ("text validation min",),
    "maximum": ("text validation max",),
    "note": ("field note",),
}
"""What a dictionary may say of a field → how the header of that column begins, in either style."""

_CHECKBOX = re.compile(r"^(?P<name>.+?)___(?P<code>.+)$")


@dataclass(frozen=True)
class DictionaryField:
    """One line of a data dictionary, as far as it matters here."""

    name: str
    form: str
    kind: str
    is_identifier: bool
    choices: str = ""
    """As it stands: `1, never | 2, seldom`; of a calculated field its formula."""
    validation: str = ""
    minimum: str = ""
    maximum: str = ""
    note: str = ""


def read(
    path: Path, relative: str, format: RedcapFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read an export and its dictionary (`assets.ingestion.readers.protocol.read_file` says what comes out).

    Fields that the dictionary validates as numbers with a decimal comma stand with a point where the site declares
    points: one project may have both, and each row keeps one decimal sign.
    `identifiers` and `form_of` name columns of this export. Columns that the dictionary does not know are in `notes`.

    Raises:
        ReadError: the export or its dictionary cannot be read, or there is not exactly one dictionary.
    """
    text, notes = decode(path.read_bytes(), format.encoding, relative)
    split = split_text(text, Dialect(format.delimiter), relative)
    fields = read_dictionary(find_dictionary(path, relative, format.dictionary), format)
    columns = [column for column in split.frame.columns if column != SOURCE_ROW]
    form_of = {column: form for column in columns if (form := _form(column, fields)) is not None}
    marked = {column for column in columns if (known := _field(column, fields)) and known.is_identifier}
    unknown = [column for column in columns if column not in form_of and column not in SYSTEM_COLUMNS]
    if unknown:
        notes = (*notes, f"has columns that its dictionary does not know: {', '.join(unknown)}")
    frame = _untouched_as_blank(split.frame, form_of, fields)
    if format.decimal == ".":
        frame = _commas_as_points(frame, fields)
    return SourceFrame(
        relative,
        None,
        frame,
        split.unreadable,
        labels={name: codes for name in columns if name in fields and (codes := _labels(fields[name]))},
        identifiers=frozenset(marked | (IDENTIFYING_SYSTEM_COLUMNS & set(columns))),
        form_of=form_of,
        notes=notes,
    )


def _labels(field: DictionaryField) -> dict[str, str]:
    """Code → label of a field with choices."""
    if field.kind not in {"radio", "dropdown"}:
        return {}
    pairs = (choice.partition(",") for choice in field.choices.split("|"))
    return {code.strip(): label.strip() for code, comma, label in pairs if comma}


def _untouched_as_blank(
    frame: pl.DataFrame, form_of: Mapping[str, str], fields: Mapping[str, DictionaryField]
) -> pl.DataFrame:
    """Blank the checkboxes of forms that were never opened: their 0 is no answer.

    Such a form has the status blank or, as REDCap exports it unless told otherwise, 0 like one that was begun; then it
    is untouched if nothing in it is filled in or ticked. The record's own name stands on every form's rows, and a
    calculated field may come out of itself: they do not count.
    """
    record = next(iter(fields), "")
    boxes: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for column, form in form_of.items():
        field = _field(column, fields)
        if field is not None and field.kind == "checkbox":
            boxes.setdefault(form, []).append(column)
        elif field is not None and field.kind != "calc" and column != record:
            others.setdefault(form, []).append(column)
    for form, columns in boxes.items():
        status = f"{form}_complete"
        is_filled = frame.select(
            pl.any_horizontal(
                pl.lit(False),
                pl.col(others.get(form, [])).is_not_null(),
                (pl.col([*columns, status] if status in frame.columns else columns) != "0").fill_null(False),
            ).alias("is_filled")
        )["is_filled"]
        frame = frame.with_columns(pl.when(is_filled).then(pl.col(columns)).otherwise(None))
    return frame


def _commas_as_points(frame: pl.DataFrame, fields: Mapping[str, DictionaryField]) -> pl.DataFrame:
    """Numbers of fields with a decimal comma, written with a point; what is no such number stays."""
    commas = [
        name for name, field in fields.items() if name in frame.columns and field.validation.endswith("comma_decimal")
    ]
    return frame.with_columns(pl.col(commas).str.replace(r"^([+-]?\d*),(\d+)$", "$1.$2"))


def find_dictionary(path: Path, relative: str, pattern: str) -> Path:
    """The one file of the delivery that `pattern` names; `relative` tells where the delivery's folder is.

    Raises:
        ReadError: none, or several.
    """
    delivery = path.parents[len(Path(relative).parts) - 1]
    try:
        found = sorted(file for file in delivery.glob(pattern) if file.is_file() and file != path)
    except (ValueError, NotImplementedError):
        found = []
    if len(found) != 1 or ".." in Path(pattern).parts:
        what = "no data dictionary" if not found else f"{len(found)} data dictionaries"
        raise ReadError(f"{relative}: {what} like '{pattern}' in the delivery; there must be one beside the export")
    return found[0]


def read_dictionary(path: Path, format: RedcapFormat) -> dict[str, DictionaryField]:
    """Fields of a data dictionary by name: a CSV under either header style (`Form Name`, `form_name`), or project XML.

    Raises:
        ReadError: not a dictionary.
    """
    if path.suffix.lower() == ".xml":
        from assets.ingestion.readers.redcap_xml import redcap_fields_from_xml

        return redcap_fields_from_xml(path, path.name)
    text, _ = decode(path.read_bytes(), format.encoding, path.name)
    delimiter = "," if "," in text.partition("\n")[0] else format.delimiter
    split = split_text(text, Dialect(delimiter), path.name)
    named = {_plain(column): column for column in split.frame.columns}
    name = named.get("variable / field name") or named.get("field name")
    form, kind = named.get("form name"), named.get("field type")
    identifier = named.get("identifier")
    more = {
        field: next((column for name, column in named.items() if name.startswith(starts)), None)
        for field, starts in _DESCRIBED.items()
    }
    if name is None or form is None or kind is None:
        raise ReadError(f"{path.name}: is no REDCap data dictionary; export it from the project's designer")
    if split.unreadable:
        line = split.unreadable[0].source_row
        raise ReadError(f"{path.name}: line {line} cannot be read; export the dictionary again without editing it")
    return {
        str(row[name]): DictionaryField(
            name=str(row[name]),
            form=str(row[form] or ""),
            kind=str(row[kind] or ""),
            is_identifier=identifier is not None and str(row[identifier] or "").lower() in {"y", "yes", "1"},
            **{field: str(row[column] or "") for field, column in more.items() if column is not None},
        )
        for row in split.frame.iter_rows(named=True)
        if row[name] is not None
    }


def _plain(column: str) -> str:
    return column.lower().replace("_", " ").rstrip("? ")


def _field(column: str, fields: Mapping[str, DictionaryField]) -> DictionaryField | None:
    """The field that a column comes from; a checkbox field has one column for each code."""
    if column in fields:
        return fields[column]
    ticked = _CHECKBOX.match(column)
    known = fields.get(ticked["name"]) if ticked else None
    return known if known and known.kind == "checkbox" else None


def _form(column: str, fields: Mapping[str, DictionaryField]) -> str | None:
    """The form that a column belongs to: by its field, or because it is the form's own status or time stamp."""
    known = _field(column, fields)
    if known is not None:
        return known.form
    forms = {field.form for field in fields.values()}
    return next((form for form in sorted(forms) if column in (f"{form}_complete", f"{form}_timestamp")), None)
