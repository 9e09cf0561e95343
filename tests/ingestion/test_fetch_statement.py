"""The look at a query before it is run: one select, and which colons are parameters."""

from __future__ import annotations

import pytest

from assets.ingestion.fetch.protocol import SourceError
from assets.ingestion.fetch.statement import bindable
from codebook.formats import SqlQuery

WRITES = [
    "delete from visits",
    "select 1; delete from visits",
    "with gone as (delete from visits returning *) select * from gone",
    "select * into copied from visits",
    "update visits set note = null",
    "select 'unended from visits",
    "/* select */ drop table visits",
    "",
]


@pytest.mark.parametrize("query", WRITES)
def test_what_is_not_one_select_is_refused_before_connecting(query: str) -> None:
    with pytest.raises(SourceError, match=r"must be one statement|does not end"):
        bindable(SqlQuery(name="q", sql=query))


@pytest.mark.parametrize(
    ("query", "bound"),
    [
        ("select ':watermark', x::text, a[1:2] from t -- :no", r"select '\:watermark', x::text, a[1:2] from t -- \:no"),
        ('select 1 as ":w" where :watermark is null', r'select 1 as "\:w" where :watermark is null'),
        (r"select E'it\'s \:x', $$;:x'$$", r"select E'it\'s \\:x', $$;\:x'$$"),
        ("(select 1)", None),
        ("select 1 ; -- done", "select 1 ; -- done"),
        ("SELECT 1 where 1 = :other", r"SELECT 1 where 1 = \:other"),
    ],
)
def test_only_the_watermark_is_a_parameter(query: str, bound: str | None) -> None:
    has_mark = bound is not None and "where :watermark" in query
    asked = SqlQuery(name="q", sql=query, watermark="x" if has_mark else None)
    if bound is None:
        with pytest.raises(SourceError):
            bindable(asked)
    else:
        assert bindable(asked) == bound
