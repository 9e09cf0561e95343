"""Is it one statement that only reads? And: what SQLAlchemy makes of it.

What belongs here: looking at the text of a query. What does not: running it (`sql`). The database's own read-only
transaction is what keeps a query from writing; this look says so before a connection is made, and in plain words.
"""

from __future__ import annotations

import re

from assets.ingestion.fetch.protocol import SourceError
from codebook.formats import SqlQuery

PARAMETER = "watermark"

_QUOTED = re.compile(
    r"""
    --[^\n]* | /\*.*?\*/                         # comments
    | [eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*'  # text
    | "(?:[^"]|"")*"                             # names
    | (?P<tag>\$[A-Za-z_0-9]*\$).*?(?P=tag)      # PostgreSQL's dollar quotes
    """,
    re.VERBOSE | re.DOTALL,
)
_BOUND = re.compile(r"\\(?=:\w*(?![:\w]))|(?<![:\w\\]):(?P<name>\w+)(?![:\w])")
"""What SQLAlchemy would take for a parameter, and the backslash that it would take for "this is none"."""
_WRITES = re.compile(r"\binto\b|\(\s*(?:insert|update|delete|merge)\b", re.IGNORECASE)


def bindable(query: SqlQuery) -> str:
    """The query's text for SQLAlchemy's `text`: `:watermark` is a parameter, every other colon stands as it is.

    Raises:
        SourceError: not one select, or the parameter and the declared column do not belong together.
    """
    code = _QUOTED.sub(lambda found: " " * len(found.group()), query.sql)
    if any(sign in code for sign in ("'", '"', "/*")):
        raise SourceError(f"query '{query.name}' has a quote or a comment that does not end; correct its sql")
    bare = code.strip().removesuffix(";").strip()
    if ";" in bare or not re.match(r"(?:select|with)\b", bare, re.IGNORECASE) or _WRITES.search(bare):
        raise SourceError(f"query '{query.name}' must be one statement that begins with select or with and only reads")
    has_parameter = any(found["name"] == PARAMETER for found in _BOUND.finditer(code))
    if has_parameter != (query.watermark is not None):
        raise SourceError(
            f"query '{query.name}' must use :{PARAMETER} if it declares a watermark column, and only then; "
            "correct the site's declaration"
        )

    def escape(found: re.Match[str]) -> str:
        is_parameter = found["name"] == PARAMETER and code[found.start()] == ":"
        return found.group() if is_parameter else "\\" + found.group()

    return _BOUND.sub(escape, query.sql)
