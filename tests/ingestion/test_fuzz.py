"""Spoilt and harmful files of every format: a frame or one sentence, and nothing else, each in a limited process.

The same engine runs for minutes as `python -m benchmarks.fuzz_readers`; here it has a fixed seed and few cases.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz_readers import ALLOWED, READERS, Report, Worker, cases, run
from benchmarks.fuzz_seeds import one, seeds

N_CASES = 80


@pytest.fixture(scope="module")
def report() -> Report:
    """One run over all readers."""
    return run(list(READERS), start=1, n_cases=N_CASES, scale=0.001)


@pytest.mark.parametrize("reader", READERS)
def test_whatever_the_file_a_reader_hands_over_a_frame_or_says_one_sentence(reader: str, report: Report) -> None:
    failures = [(case, outcome, said) for case, outcome, said in report.failures if case.reader == reader]
    assert [f"{case.what} --seed {case.number}: {outcome}: {said}" for case, outcome, said in failures] == []
    outcomes = {outcome: n for (name, outcome), n in report.outcomes.items() if name == reader}
    assert sum(outcomes.values()) > N_CASES
    assert outcomes.keys() == ALLOWED, "some files are read and some refused"


def test_a_case_is_the_same_each_time() -> None:
    first, second = (
        [case.seed.files for case, _ in zip(cases("excel", 7, [], 0.001), range(60), strict=False)] for _ in range(2)
    )
    assert first == second


def test_a_reader_that_dies_hangs_or_throws_is_told(tmp_path: Path) -> None:
    """The engine itself: what is no frame and no sentence must not pass for one."""
    worker = Worker()
    try:
        (tmp_path / "a.csv").write_text("a\n1\n")
        good = one("a.csv", b"", reader="delimited")
        assert worker.read(tmp_path, good)["outcome"] == "frame"
        assert worker.read(tmp_path, one("a.csv", b"", reader="no such reader"))["outcome"] == "ValidationError"
        process = worker._process
        assert process is not None
        process.kill()
        process.wait()
        assert worker.read(tmp_path, good)["outcome"] == "died"
        assert worker.read(tmp_path, good)["outcome"] == "frame"
    finally:
        worker.close()


def test_one_helper_process_outlives_the_files_that_end_it(tmp_path: Path) -> None:
    """A workbook that makes its library end the process costs that workbook only."""
    from assets.ingestion.readers.protocol import ReadError, read_file
    from codebook.formats import ExcelFormat

    old = seeds("excel")[2]
    deadly = bytearray(old.files["a.xls"])
    deadly[44:48] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.xls").write_bytes(bytes(deadly))
    (tmp_path / "b.xls").write_bytes(old.files["a.xls"])
    for _ in range(2):
        with pytest.raises(ReadError, match="ended the process that read it, as it is damaged or needs more memory"):
            read_file(tmp_path / "a.xls", "a.xls", ExcelFormat(reader="excel"), "Data")
        assert read_file(tmp_path / "b.xls", "b.xls", ExcelFormat(reader="excel"), "Data").frame.height == 3
