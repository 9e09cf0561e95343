"""The models of a unit's export: which reader reads its files, and from where they are fetched if nobody sends them.

What belongs here: one model per file format and per source of fetching, discriminated by name.
What does not: what the columns mean (`codebook.site`), and the reading itself (`assets.ingestion.readers`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codebook.declaration import Declared


class DelimitedFormat(Declared):
    """Delimited text. `decimal` is the sign before decimals; `quote` may not be empty."""

    reader: Literal["delimited"]
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    quote: str = Field(default='"', min_length=1, max_length=1)
    title_rows: int = Field(default=0, ge=0)


class ExcelFormat(Declared):
    """Excel workbook, read as text.

    `title_rows` stand above the header of every sheet. With several `header_rows` (merged cells above the columns) a
    column is called by all of them, from the top, joined with ` / `.
    """

    reader: Literal["excel"]
    title_rows: int = Field(default=0, ge=0)
    header_rows: int = Field(default=1, ge=1, le=5)
    decimal: Literal[".", ","] = "."


class SpssFormat(Declared):
    """SPSS `.sav`; user-missing values become declared missing codes of their column."""

    reader: Literal["spss"]
    encoding: str | None = None
    decimal: Literal["."] = "."


class StataFormat(Declared):
    """Stata `.dta`; its extended missing values (.a to .z) become declared missing codes of their column."""

    reader: Literal["stata"]
    encoding: str | None = None
    decimal: Literal["."] = "."


class ParquetFormat(Declared):
    """Parquet, every column as text."""

    reader: Literal["parquet"]
    decimal: Literal["."] = "."


class RedcapFormat(Declared):
    """REDCap CSV export (raw values) with its data dictionary in the same delivery."""

    reader: Literal["redcap"]
    dictionary: str
    """Name (glob) of the dictionary: CSV under either header style, or the project's XML."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"


class OdmFormat(Declared):
    """CDISC ODM 1.3, as XML or as the only ODM file of a zip (OpenClinica, secuTrial, REDCap project XML with data).

    `sheet` of a source names a form or an item group by OID or by name. A form gives a row per filled form, with all
    its item groups that do not repeat, and a row per occurrence of each group that does; an item group gives a row per
    occurrence. Columns are the items' names (or OIDs).
    """

    reader: Literal["odm"]
    columns: Literal["name", "oid"] = "name"
    decimal: Literal[".", ","] = "."


class SecutrialFormat(Declared):
    """secuTrial CSV export as a zip; `sheet` of a source names the table (a form), in its short or long name."""

    reader: Literal["secutrial"]
    encoding: str = "utf-8"
    delimiter: str = Field(default="\t", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."


class DatasetJsonFormat(Declared):
    """CDISC Dataset-JSON 1.1; types come from the file's own columns."""

    reader: Literal["dataset_json"]
    decimal: Literal["."] = "."


class FhirFormat(Declared):
    """FHIR R4 QuestionnaireResponse: a Bundle, NDJSON or a single resource; a row per response, a column per linkId.

    Coded answers become their ordinal value where a Questionnaire or ValueSet of `definitions` (glob inside the
    delivery) gives one, else the code as it stands.
    """

    reader: Literal["fhir"]
    definitions: str | None = None
    decimal: Literal["."] = "."


Format = Annotated[
    DelimitedFormat
    | ExcelFormat
    | SpssFormat
    | StataFormat
    | ParquetFormat
    | RedcapFormat
    | OdmFormat
    | SecutrialFormat
    | DatasetJsonFormat
    | FhirFormat,
    Field(discriminator="reader"),
]


class ReadingLimits(Declared):
    """Sizes above which a file is refused instead of filling the machine's memory (`network.yaml`).

    With these defaults no compressed or binary file, however it was made, takes more than 1 GB while it is read.
    """

    max_file_megabytes: int = Field(default=2000, ge=1)
    max_unpacked_megabytes: int = Field(default=500, ge=1)
    """Of one archive or compressed table, all its parts together."""
    max_sheet_cells: int = Field(default=6_000_000, ge=1)
    """Of one sheet or table of Excel, SPSS, Stata, FHIR or Dataset-JSON; reading takes 150 bytes of memory for each."""


class RedcapApi(Declared):
    """Records, dictionary and events of one REDCap project, fetched over its API into a delivery."""

    source: Literal["redcap_api"]
    url: str = Field(pattern=r"^https?://.+/api/$")
    token_variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    """Environment variable that holds the token; the token itself never stands in a file."""
    page_records: int = Field(default=200, ge=1)
    timeout_seconds: float = Field(default=60, gt=0)
    attempts: int = Field(default=4, ge=1)
    forms: tuple[str, ...] = ()
    """Only these instruments; none named: all."""


class SqlQuery(Declared):
    """One read-only query; its result becomes `<name>.parquet` of the delivery.

    `watermark`: a column that only grows (an id, a time of change). The query then holds the parameter `:watermark`,
    which is the largest value fetched before (null at first).
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    sql: str
    watermark: str | None = None


class SqlDatabase(Declared):
    """A database that SQLAlchemy knows, read in a read-only transaction into Parquet files of a delivery."""

    source: Literal["sql"]
    url_variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    """Environment variable that holds the address with user and password."""
    queries: tuple[SqlQuery, ...] = Field(min_length=1)
    timeout_seconds: float = Field(default=300, gt=0)


Fetch = Annotated[RedcapApi | SqlDatabase, Field(discriminator="source")]
