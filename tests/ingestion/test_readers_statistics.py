"""Files of statistics packages, and Parquet: typed cells as text, and what the file itself declares missing."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import polars as pl
import pytest
from plain_sav import PlainSav

from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, read_file
from codebook.formats import ParquetFormat, ReadingLimits, SpssFormat, StataFormat


def rows(source: SourceFrame) -> list[tuple[object, ...]]:
    return source.frame.rows()


# SPSS


def test_spss_codes_dates_and_declared_missing(tmp_path: Path) -> None:
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(
        {
            "item": [1.0, 2.5, 98, 99, -9, None],
            "seen": [dt.date(2026, 1, 2), None, None, None, None, dt.date(1899, 12, 31)],
            "word": ["yes", "NA", "", "no", "no", "NA"],
        }
    )
    pyreadstat.write_sav(
        frame,
        str(tmp_path / "a.sav"),
        missing_ranges={"item": [{"lo": 98, "hi": 100}, -9], "word": ["NA"]},
        variable_value_labels={"item": {1: "rarely", 99: "refused"}, "word": {"NA": "not asked"}},
    )
    source = read_file(tmp_path / "a.sav", "in/a.sav", SpssFormat(reader="spss"))
    assert rows(source)[0] == ("1", "2026-01-02", "yes", 1)
    assert source.frame["item"].to_list() == ["1", "2.5", "98", "99", "-9", None]
    assert source.frame["word"].to_list() == ["yes", "NA", None, "no", "no", "NA"]
    assert source.user_missing == {
        "item": {"-9": "declared missing in the file", "98": "declared missing in the file", "99": "refused"},
        "word": {"NA": "not asked"},
    }
    assert source.labels["item"] == {"1": "rarely", "99": "refused"}


def test_a_file_that_is_no_spss_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.sav").write_text("id,score\n1,2\n")
    with pytest.raises(ReadError, match="is no SPSS file"):
        read_file(tmp_path / "a.sav", "a.sav", SpssFormat(reader="spss"))


def test_real_spss_files(shared: Path) -> None:
    folder = shared / "samples" / "spss"
    found = {path.name: read_file(path, path.name, SpssFormat(reader="spss")) for path in sorted(folder.glob("*.sav"))}
    heights = {"missing_char.sav": 2, "missing_test.sav": 2, "ordered_category.sav": 4, "sample_missing.sav": 7}
    assert {name: source.frame.height for name, source in found.items()} == heights
    sample = found["sample_missing.sav"]
    assert sample.user_missing["mynum"].keys() == {"-1", "2500"}
    assert sample.user_missing["mylabl"] == {"-1": "undetermined"}
    assert sample.frame["mydate"].to_list()[:2] == ["2018-05-06", "1880-05-06"]
    assert sample.frame["dtime"].to_list()[:3] == ["2018-05-06 10:10:10", "1880-05-06 10:10:10", "1960-01-01"]
    assert found["missing_char.sav"].user_missing == {"mychar": {"Z": "declared missing in the file"}}
    assert found["ordered_category.sav"].user_missing == {}


def _as_said(value: float | str | None) -> str | None:
    return value if value is None or isinstance(value, str) else f"{value:.10g}"


def test_every_cell_of_the_real_spss_files_agrees_with_a_second_reading(shared: Path) -> None:
    origin = dt.datetime(1582, 10, 14)
    files = sorted((shared / "samples" / "spss").glob("*.sav"))
    assert len(files) == 4
    for path in files:
        plain, source = PlainSav(path), read_file(path, path.name, SpssFormat(reader="spss"))
        frame = source.frame.rename(str.upper)
        assert frame.height == plain.n_cases == len(plain.cases)
        for name in plain.widths:
            values = [case[name] for case in plain.cases]
            if name in {"MYDATE", "DTIME"}:
                moments = [None if value is None else origin + dt.timedelta(seconds=float(value)) for value in values]
                expected = [None if moment is None else str(moment).removesuffix(" 00:00:00") for moment in moments]
            elif name == "MYTIME":
                expected = [
                    None if v is None else str((origin + dt.timedelta(seconds=float(v))).time()) for v in values
                ]
            else:
                expected = [_as_said(value) for value in values]
            assert frame[name].to_list() == expected, (path.name, name)
        for name, declared in plain.missing.items():
            found = {column.upper(): codes for column, codes in source.user_missing.items()}[name]
            within = {
                str(_as_said(value))
                for value in (case[name] for case in plain.cases)
                if value is not None
                and (
                    value in declared
                    or (plain.missing_is_range[name] and float(declared[0]) <= float(value) <= float(declared[1]))
                )
            }
            assert set(found) == within, (path.name, name)
            for code, label in found.items():
                assert label == plain.labels.get(name, {}).get(float(code) if code != "Z" else -1, label)


def test_spss_text_in_cp1252_is_read_with_the_declared_encoding(tmp_path: Path) -> None:
    import pandas as pd
    import pyreadstat

    path = tmp_path / "a.sav"
    pyreadstat.write_sav(pd.DataFrame({"word": ["Aase", "nein"]}), str(path))
    data = path.read_bytes().replace(b"Aase", "Åsë ".encode("cp1252"))
    path.write_bytes(data)
    assert read_file(path, "a.sav", SpssFormat(reader="spss", encoding="cp1252")).frame["word"][0] == "Åsë"
    with pytest.raises(ReadError, match="is not in the encoding that it names"):
        read_file(path, "a.sav", SpssFormat(reader="spss"))


def test_statistics_files_above_the_limits_are_refused(tmp_path: Path) -> None:
    import pandas as pd
    import pyreadstat

    path = tmp_path / "a.sav"
    pyreadstat.write_sav(pd.DataFrame({"a": range(100), "b": range(100)}), str(path))
    assert read_file(path, "a.sav", SpssFormat(reader="spss"), None, ReadingLimits(max_sheet_cells=200))
    with pytest.raises(ReadError, match="spans more than 199 cells"):
        read_file(path, "a.sav", SpssFormat(reader="spss"), None, ReadingLimits(max_sheet_cells=199))


# Stata


def test_stata_codes_dates_and_extended_missing_values(tmp_path: Path) -> None:
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(
        {
            "item": pd.Series([1.0, 2.5, "a", "z", None], dtype=object),
            "seen": [dt.date(2026, 1, 2)] * 5,
            "moment": [dt.datetime(2026, 1, 2, 3, 4, 5)] * 5,
            "month": [600.0, 601.0, None, 611.0, -1.0],
            "word": ["a", "Åse", "", " z", "NA"],
            "sex": [1, 2, 1, 2, 2],
        }
    )
    pyreadstat.write_dta(
        frame,
        str(tmp_path / "a.dta"),
        missing_user_values={"item": ["a", "z"]},
        variable_value_labels={"sex": {1: "female", 2: "male"}},
        variable_format={"month": "%tm"},
    )
    source = read_file(tmp_path / "a.dta", "a.dta", StataFormat(reader="stata"))
    assert source.frame["item"].to_list() == ["1", "2.5", ".a", ".z", None]
    assert source.frame["seen"].to_list() == ["2026-01-02"] * 5
    assert source.frame["moment"].to_list() == ["2026-01-02 03:04:05"] * 5
    assert source.frame["month"].to_list() == ["2010-01", "2010-02", None, "2010-12", "1959-12"]
    assert source.frame["word"].to_list() == ["a", "Åse", None, "z", "NA"], "a letter in text is no missing value"
    assert source.frame["sex"].to_list() == ["1", "2", "1", "2", "2"]
    assert {column: set(codes) for column, codes in source.user_missing.items()} == {"item": {".a", ".z"}}
    assert source.labels == {"sex": {"1": "female", "2": "male"}}
    assert source.frame[SOURCE_ROW].to_list() == [1, 2, 3, 4, 5]


def test_older_stata_files_are_cp1252_and_short_floats_stay_short(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"score": pd.Series([1.1, 2.5, 16777216], dtype="float32"), "word": ["Åse", "né", "x"]})
    frame.to_stata(tmp_path / "a.dta", version=114, write_index=False)
    source = read_file(tmp_path / "a.dta", "a.dta", StataFormat(reader="stata"))
    assert source.frame["score"].to_list() == ["1.1", "2.5", "16777216"]
    assert source.frame["word"].to_list() == ["Åse", "né", "x"]
    (tmp_path / "b.dta").write_bytes((tmp_path / "a.dta").read_bytes()[:300])
    with pytest.raises(ReadError, match="is no Stata file, is damaged"):
        read_file(tmp_path / "b.dta", "b.dta", StataFormat(reader="stata"))


# Parquet


def test_parquet_columns_become_text(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5)
    pl.DataFrame(
        {
            "n": [1, None, -3],
            "share": [3.0, 1.5, float("nan")],
            "large": [1e300, 2.0**53, -0.0],
            "is_in": [True, False, None],
            "seen": [dt.date(2026, 1, 2), None, None],
            "moment": [dt.datetime(2026, 1, 2), moment, None],
            "zoned": pl.Series([moment] * 3, dtype=pl.Datetime("us", "UTC")),
            "clock": [dt.time(3, 4), dt.time(1, 2, 3, 500_000), None],
            "word": [" x ", "", "NA"],
            "kind": pl.Series(["a", "b", "a"], dtype=pl.Categorical),
            "money": pl.Series([decimal.Decimal("1.50"), decimal.Decimal("2.00"), None], dtype=pl.Decimal(10, 2)),
            "nothing": [None, None, None],
        }
    ).write_parquet(tmp_path / "a.parquet")
    source = read_file(tmp_path / "a.parquet", "a.parquet", ParquetFormat(reader="parquet"))
    told = {name: source.frame[name].to_list() for name in source.frame.columns}
    assert told == {
        "n": ["1", None, "-3"],
        "share": ["3", "1.5", None],
        "large": ["1e+300", "9007199254740992.0", "0"],
        "is_in": ["true", "false", None],
        "seen": ["2026-01-02", None, None],
        "moment": ["2026-01-02", "2026-01-02 03:04:05", None],
        "zoned": ["2026-01-02 03:04:05+00:00"] * 3,
        "clock": ["03:04:00", "01:02:03.500", None],
        "word": ["x", None, "NA"],
        "kind": ["a", "b", "a"],
        "money": ["1.50", "2", None],
        "nothing": [None, None, None],
        SOURCE_ROW: [1, 2, 3],
    }


def test_parquet_with_parts_inside_columns_or_too_large_is_refused(tmp_path: Path) -> None:
    path, format = tmp_path / "a.parquet", ParquetFormat(reader="parquet")
    pl.DataFrame({"id": [1], "answers": [[1, 2]], "picture": [b"x"]}).write_parquet(path)
    with pytest.raises(ReadError, match="the columns answers, picture hold lists, parts or bytes"):
        read_file(path, "a.parquet", format)
    pl.DataFrame({"a": ["x" * 1000] * 2000}).write_parquet(path)
    assert path.stat().st_size < 20_000
    with pytest.raises(ReadError, match="unpacks to more than 1 MB"):
        read_file(path, "a.parquet", format, None, ReadingLimits(max_unpacked_megabytes=1))
    path.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(ReadError, match="is no Parquet file, or is damaged"):
        read_file(path, "a.parquet", format)


def test_many_rows_keep_their_number_over_batches(tmp_path: Path) -> None:
    pl.DataFrame({"n": range(450_000)}).write_parquet(tmp_path / "a.parquet", row_group_size=70_000)
    frame = read_file(tmp_path / "a.parquet", "a.parquet", ParquetFormat(reader="parquet")).frame
    assert frame.select((pl.col("n").cast(pl.Int64) + 1 == pl.col(SOURCE_ROW)).all()).item()
    assert frame.height == 450_000


@pytest.mark.parametrize(("kind", "n"), [("sav", 10), ("sav", 12), ("dta", 10), ("dta", 12), ("sav", 0), ("dta", 1)])
def test_files_read_in_parts_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, n: int) -> None:
    import pandas as pd
    import pyreadstat

    from assets.ingestion.readers import readstat, spss, stata

    frame = pd.DataFrame({"n": pd.Series(range(n), dtype="float"), "late": pd.Series([0.0] * n)})
    path = tmp_path / f"a.{kind}"
    limits = ReadingLimits()
    monkeypatch.setattr(readstat, "_CELLS", 10)
    if kind == "sav":
        frame.loc[frame["n"] >= 8, "late"] = 99
        pyreadstat.write_sav(frame, str(path), missing_ranges={"late": [99]} if n else None)
        source = spss.read_here(path, "a.sav", SpssFormat(reader="spss"), None, limits)
        assert source.user_missing == ({"late": {"99": "declared missing in the file"}} if n else {})
    else:
        pyreadstat.write_dta(frame, str(path))
        source = stata.read_here(path, "a.dta", StataFormat(reader="stata"), None, limits)
    assert source.frame["n"].to_list() == [str(number) for number in range(n)]
    assert source.frame[SOURCE_ROW].to_list() == list(range(1, n + 1))
