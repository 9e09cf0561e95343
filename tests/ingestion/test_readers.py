"""Readers on files that are as awkward as real ones: every record is read or named as unreadable."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import polars as pl
import pytest

from assets.ingestion.readers import cuts, delimited, lines
from assets.ingestion.readers.lines import split_lines
from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, UnreadableRow, read_file
from assets.ingestion.readers.records import Dialect, split_records
from codebook.formats import DelimitedFormat


def read_text(folder: Path, content: str | bytes, **declared: object) -> SourceFrame:
    path = folder / "export.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, "export.csv", DelimitedFormat.model_validate({"reader": "delimited", **declared}))


def rows(source: SourceFrame) -> list[tuple[object, ...]]:
    return source.frame.rows()


# Delimited text


def test_cells_stay_text_without_surrounding_blanks(tmp_path: Path) -> None:
    source = read_text(tmp_path, 'id;score;note\n007; 1,50 ;"a;b"\n008;;"  "\n', delimiter=";")
    assert source.frame.schema == {"id": pl.String, "score": pl.String, "note": pl.String, SOURCE_ROW: pl.Int64}
    assert rows(source) == [("007", "1,50", "a;b", 2), ("008", None, None, 3)]


def test_title_rows_empty_lines_and_quoted_line_breaks_keep_the_line_to_look_up(tmp_path: Path) -> None:
    source = read_text(tmp_path, 'Unit A, "2026\n\nid,note\r\n1,"two\r\nlines"\r\n\r\n2,one\r\n', title_rows=1)
    assert rows(source) == [("1", "two\nlines", 4), ("2", "one", 7)]


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        ("näme\nÅse\n".encode("cp1252"), "cp1252"),
        ("näme\nÅse\n".encode(), "utf-8"),
        ("näme\nÅse\n".encode("utf-8-sig"), "utf-8"),
        ("näme\nÅse\n".encode("utf-16"), "utf-16"),
        ("\ufeffnäme\n\ufeffÅse\n".encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_declared_encodings_are_read(tmp_path: Path, content: bytes, declared: str) -> None:
    source = read_text(tmp_path, content, encoding=declared)
    assert (rows(source), source.notes) == ([("Åse", 2)], ())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_a_file_that_is_not_in_the_declared_encoding_is_read_and_noted(tmp_path: Path, encoding: str) -> None:
    source = read_text(tmp_path, "näme\nÅse\n".encode(encoding), encoding="cp1252")
    assert rows(source) == [("Åse", 2)]
    assert len(source.notes) == 1
    assert "cp1252" in source.notes[0]


def test_bytes_that_are_not_the_encoding_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"export.csv: line 3 holds bytes that are not utf-8"):
        read_text(tmp_path, "a\n1\nÅ\n".encode("cp1252"))
    with pytest.raises(ReadError, match="encoding 'cp0' is unknown"):
        read_text(tmp_path, "a\n1\n", encoding="cp0")


def test_too_many_or_too_few_cells_are_unreadable_but_trailing_blank_ones_are_fine(tmp_path: Path) -> None:
    source = read_text(tmp_path, "a\tb\t\n1\t2\t\n3\n4\t5\t \t\n6\t7\t8\n9\t10\n", delimiter="\t")
    assert rows(source) == [("1", "2", 2), ("4", "5", 4), ("9", "10", 6)]
    assert source.unreadable == (
        UnreadableRow(3, "has 1 cells, the header has 2"),
        UnreadableRow(5, "has 3 cells, the header has 2"),
    )


def test_a_broken_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    source = read_text(tmp_path, 'a,b\n1,"open\n2,"fine"\n3,x "y" z\n4,"he said "no""\n5,"never closed\n6,7\n')
    assert rows(source) == [("2", "fine", 3), ("3", 'x "y" z', 4), ("6", "7", 7)]
    assert [row.source_row for row in source.unreadable] == [2, 5, 6]


def test_nul_bytes_make_a_row_unreadable(tmp_path: Path) -> None:
    source = read_text(tmp_path, "a,b\n1,2\n\x003,4\n")
    assert rows(source) == [("1", "2", 2)]
    assert source.unreadable == (UnreadableRow(3, "holds NUL bytes"),)


def test_a_header_alone_is_a_frame_without_rows(tmp_path: Path) -> None:
    source = read_text(tmp_path, "a,b\n")
    assert source.frame.shape == (0, 3)
    assert source.frame.schema[SOURCE_ROW] == pl.Int64


def test_row_names_without_a_header_are_kept_under_their_position(tmp_path: Path) -> None:
    assert read_text(tmp_path, '"","x"\n"1","2"\n').frame.columns == ["column_1", "x", SOURCE_ROW]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("a,b,a \n1,2,3\n", "names a more than once"),
        ("a,source_row\n1,2\n", "may not be called source_row"),
        (",,\n1,2,3\n", "header row is blank"),
        ('a,"b\n1,2\n', "the header in line 1 has a quotation mark"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ReadError, match=said) as error:
        read_text(tmp_path, content)
    assert str(error.value).startswith("export.csv: ")


def test_title_rows_beyond_the_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="below its 5 title rows"):
        read_text(tmp_path, "a\n1\n", title_rows=5)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="does not exist"):
        read_file(tmp_path / "no.csv", "no.csv", DelimitedFormat(reader="delimited"))


# The fast way and the careful way


def _awkward(seed: int) -> tuple[str, Dialect]:
    """Lines of random cells; in every third text some are ragged, and in every fourth some are badly quoted."""
    dice = random.Random(seed)
    dialect = Dialect(dice.choice(",;\t|"), dice.choice("\"'"))
    cells = ["1", "", " ", "7", "NA", "Åse", " x ", "#NULL!", dialect.quote * 2, dialect.quote + " " + dialect.quote]
    cells += [f"{dialect.quote}a{dialect.delimiter}b{dialect.quote * 2}c{dialect.quote}", "2026-01-02"]
    cells += ["abcd", "abcde", "abcdefgh", "abcdefghijkl", "abcdefghijklm", "\u00a0x\u2003", "ÅÅ", "Å" * 7]
    if seed % 4 == 0:
        cells += [f"a{dialect.quote}b", dialect.quote + "line\nbreak" + dialect.quote]
    lines = [dialect.delimiter.join(["id", "b", "c", "d"] + [""] * (seed % 2))]
    for _ in range(60):
        width = 4 + seed % 2 + (dice.choice([-1, 0, 0, 1]) if seed % 3 == 0 else 0)
        lines.append(dialect.delimiter.join(dice.choice(cells) for _ in range(width)) if dice.random() > 0.1 else "")
    return "\n".join(lines) + dice.choice(["", "\n", "\n\n"]), dialect


def test_both_ways_agree_wherever_the_fast_one_applies() -> None:
    n_fast = 0
    for seed in range(120):
        text, dialect = _awkward(seed)
        fast, careful = split_lines(text, dialect, "x"), split_records(text, dialect, "x")
        if fast is None:
            continue
        n_fast += 1
        assert fast.frame.equals(careful.frame), seed
        assert fast.unreadable == careful.unreadable, seed
    assert n_fast == 120


def test_both_ways_agree_on_any_heap_of_quotes_delimiters_and_line_ends() -> None:
    pieces = ["a", "1", " ", "Å", '"', '"', '""', '","', ",", ",", "\n", "\n", '"\n"', "\n\n", '"x"', "\u00a0"]
    n_fast = 0
    for seed in range(3000):
        dice = random.Random(seed)
        text = "a,b,c\n" + "".join(dice.choice(pieces) for _ in range(dice.randint(1, 60)))
        fast, careful = split_lines(text, Dialect(), "x"), split_records(text, Dialect(), "x")
        if fast is None:
            continue
        n_fast += 1
        assert fast.frame.equals(careful.frame), text
        assert fast.unreadable == careful.unreadable, text
    assert n_fast >= 2900


def test_lines_are_told_apart_the_same_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 7, 64):
        monkeypatch.setattr(lines, "_BLOCK_BYTES", size)
        monkeypatch.setattr(cuts, "_CELLS_AT_ONCE", size)
        for seed in range(0, 120, 7):
            text, dialect = _awkward(seed)
            fast, careful = split_lines(text, dialect, "x"), split_records(text, dialect, "x")
            assert fast is not None
            assert fast.frame.equals(careful.frame), (size, seed)
            assert fast.unreadable == careful.unreadable, (size, seed)


def test_a_quoted_delimiter_at_the_edge_of_a_cell_is_a_blank_too_where_it_is_a_tab() -> None:
    split = split_lines('a\tb\n"x\t"\t1\n"\ty"\t2\n', Dialect("\t"), "x")
    assert split is not None
    assert split.frame.rows() == [("x", "1", 2), ("y", "2", 3)]


def test_a_file_of_one_column_has_no_delimiters() -> None:
    split = split_lines("a\n1\n\n 2\n", Dialect(), "x")
    assert split is not None
    assert split.frame.rows() == [("1", 2), ("2", 4)]


def test_torn_lines_cost_themselves_and_not_the_fast_way() -> None:
    split = split_lines('a,b\n1,"x\ny"\n2,x "y"\n3,fine\n4,"never closed\n5,fine\n', Dialect(), "x")
    assert split is not None
    assert split.frame.rows() == [("1", "x\ny", 2), ("2", 'x "y"', 4), ("3", "fine", 5), ("5", "fine", 7)]
    assert [row.source_row for row in split.unreadable] == [6]


@pytest.mark.parametrize("text", ["a,b\n\x001,2\n", "a,b\n1,\r2\n", '"a\nb",c\n1,2\n'])
def test_the_fast_way_leaves_what_it_cannot_know_to_the_careful_one(text: str) -> None:
    assert split_lines(text, Dialect(), "x") is None


def test_large_files_take_the_fast_way_and_lose_nothing(tmp_path: Path) -> None:
    lines = [f'{n},"Name, {n}",{n % 7}' for n in range(20_000)]
    lines[500] = "500,too,many,cells"
    source = read_text(tmp_path, "id,name,wai\n" + "\n".join(lines) + "\n")
    assert (tmp_path / "export.csv").stat().st_size > delimited.FAST_FROM_CHARACTERS
    assert source.frame.height == 19_999
    assert source.frame.row(-1) == ("19999", "Name, 19999", "0", 20_001)
    assert [row.source_row for row in source.unreadable] == [502]


# Trial data


@pytest.mark.parametrize(("name", "n"), [("btheb.csv", 100), ("antidepressant_data.csv", 608), ("HELPfull.csv", 1472)])
def test_real_trial_files(shared: Path, name: str, n: int) -> None:
    path = shared / "samples" / "trials" / name
    source = read_file(path, name, DelimitedFormat(reader="delimited"))
    assert source.frame.height + len(source.unreadable) == n
    assert source.unreadable == ()
    with path.open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))[1:]
    assert source.frame.drop(SOURCE_ROW).rows() == [tuple(cell.strip() or None for cell in row) for row in records]
