"""One process that reads what it is told to, within limits: the part of the fuzzing that may die.

A line of JSON in (`folder`, `main`, `format`, `sheet`), a line of JSON out (`outcome`, `said`, `growth`). What belongs
here: the limits and the judgement of what came out. What does not: which files are tried (`fuzz_readers`).

    python -m benchmarks.fuzz_worker
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, read_file
from codebook.formats import Format

MEMORY = 1 << 30
"""Bytes that a reading may add to what the process has when all libraries are loaded."""
SECONDS = 20
_LONGEST_SENTENCE = 1000
_FORMAT: TypeAdapter[Format] = TypeAdapter(Format)


def main() -> None:
    """Read one case after the other until the input ends."""
    _load_libraries()
    limit = _status("VmSize") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, _out_of_time)
    print(json.dumps({"outcome": "ready"}), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        before = _forget_peak()
        outcome, said = _outcome(case)
        growth = max(_status("VmHWM") - before, 0)
        if growth > MEMORY:
            outcome, said = "memory", f"grew by {growth >> 20} MB"
        print(json.dumps({"outcome": outcome, "said": said, "growth": growth}), flush=True)


def _outcome(case: dict[str, Any]) -> tuple[str, str]:
    signal.alarm(SECONDS)
    try:
        source = read_file(
            Path(case["folder"]) / case["main"], case["main"], _FORMAT.validate_python(case["format"]), case["sheet"]
        )
        fault = fault_of(source)
        return ("wrong frame", fault) if fault else ("frame", "")
    except ReadError as error:
        if _is_memory(error):
            return "memory", str(error)
        fault = fault_of_sentence(str(error), case["main"])
        return (fault, str(error)) if fault else ("sentence", str(error))
    except BaseException as error:
        if isinstance(error, MemoryError):
            return "memory", "MemoryError"
        return type(error).__name__, "".join(traceback.format_exception(error)[-6:])
    finally:
        signal.alarm(0)


def fault_of(source: SourceFrame) -> str:
    """What is wrong with a frame that a reader handed over; '' where nothing is."""
    frame = source.frame
    if frame.schema.get(SOURCE_ROW) != pl.Int64:
        return "no source_row"
    if any(dtype != pl.String for name, dtype in frame.schema.items() if name != SOURCE_ROW):
        return "a column that is no text"
    if frame[SOURCE_ROW].null_count() or (frame[SOURCE_ROW] < 1).any():
        return "a row without its place"
    blank = frame.select((pl.col(pl.String).str.strip_chars() == "").any())
    if any(blank.row(0)):
        return "a blank that is not null"
    known = set(frame.columns)
    if not (set(source.user_missing) <= known and source.identifiers <= known and set(source.form_of) <= known):
        return "something said of a column that is not there"
    return ""


def fault_of_sentence(sentence: str, main: str) -> str:
    """What is wrong with an error's text; '' where it is one sentence about the file."""
    if "\n" in sentence or "Traceback" in sentence or not sentence.strip():
        return "no sentence"
    if len(sentence) > _LONGEST_SENTENCE:
        return "a long sentence"
    if main not in sentence and not sentence.partition(":")[0].strip():
        return "a sentence without the file"
    return ""


def _is_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _out_of_time(signum: int, frame: object) -> None:
    raise TimeoutError(f"no end within {SECONDS} seconds")


def _load_libraries() -> None:
    """Everything that readers import when they are used, so that it counts for none of the cases."""
    import fastexcel  # noqa: F401
    import lxml.etree  # noqa: F401
    import pyarrow  # noqa: F401
    import pyreadstat  # noqa: F401

    pl.DataFrame({"a": ["1"]}).lazy().select(pl.col("a").str.strip_chars()).collect()


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


if __name__ == "__main__":
    main()
