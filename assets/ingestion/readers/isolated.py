"""Readers whose libraries are written in C or Rust, run in a process of their own with a limit on memory and time.

Such a library may answer a damaged file by ending the whole process, or by asking for memory that is not there; here
only the helper process ends, and the file becomes one sentence. What belongs here: the helper process and the way to
it. What does not: the reading (`read_here` of the reader's module does that, in the helper).

    python -m assets.ingestion.readers.isolated
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from assets.ingestion.readers.native import damage_as
from assets.ingestion.readers.protocol import MEGABYTE, ReadError, SourceFrame, UnreadableRow
from codebook.formats import Format, ReadingLimits

_ROOT = Path(__file__).resolve().parents[3]
_SMALLEST_MEMORY = 900 * MEGABYTE
_BYTES_PER_CELL = 150
"""Of address space while a sheet is read: measured 120 on numbers, of which 85 are used."""
_START_SECONDS, _SECONDS, _SECONDS_PER_MEGABYTE = 60.0, 15.0, 10.0
_LARGE = 5 * MEGABYTE
"""After a larger file the helper process is ended, since it may not give back what it took."""
_ONE_THREAD = {
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_TOO_LARGE = (
    "{file}: needs more memory than limits.max_sheet_cells in network.yaml stands for; have it exported in parts, or "
    "raise that limit"
)
_ENDED = (
    "{file}: ended the process that read it, as it is damaged or needs more memory than limits.max_sheet_cells in "
    "network.yaml stands for; have it exported again, in parts or as text"
)
_PACKAGE = "assets.ingestion.readers"
_FORMAT: TypeAdapter[Format] = TypeAdapter(Format)

_lock = threading.Lock()
_helper: subprocess.Popen[str] | None = None


def read_isolated(
    path: Path, relative: str, format: Format, sheet: str | None, limits: ReadingLimits, damaged: str
) -> SourceFrame:
    """What `read_here` of the format's reader hands over, read in the helper process.

    Args:
        path, relative, format, sheet, limits: as in `assets.ingestion.readers.protocol.read_file`.
        damaged: the sentence to say if what came back is no frame.

    Raises:
        ReadError: what `read_here` raised, or that the process ended, did not end in time, or lacked memory.
    """
    with _lock, tempfile.TemporaryDirectory(prefix="read-") as folder:
        frame_file = Path(folder) / "frame.arrow"
        request = {
            "path": str(path.resolve()),
            "relative": relative,
            "format": format.model_dump(mode="json"),
            "sheet": sheet,
            "limits": limits.model_dump(mode="json"),
            "frame": str(frame_file),
        }
        size = path.stat().st_size
        answer = _ask(request, _SECONDS + _SECONDS_PER_MEGABYTE * size / MEGABYTE)
        if size > _LARGE:
            _end()
        if answer is None:
            raise ReadError(_ENDED.format(file=relative))
        if "error" in answer:
            raise ReadError(answer["error"])
        with damage_as(damaged):
            frame = pl.read_ipc(frame_file)
    return SourceFrame(
        relative,
        answer["sheet"],
        frame,
        tuple(UnreadableRow(row, reason) for row, reason in answer["unreadable"]),
        user_missing=answer["user_missing"],
        labels=answer["labels"],
        other_sheets=tuple(answer["other_sheets"]),
        notes=tuple(answer["notes"]),
    )


def _ask(request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """The helper's answer; None where it ended, or had to be ended."""
    try:
        helper = _started()
        if helper is None or helper.stdin is None:
            return None
        helper.stdin.write(json.dumps(request) + "\n")
        helper.stdin.flush()
        answer = _line(helper, seconds)
    except (BrokenPipeError, json.JSONDecodeError):
        answer = None
    except BaseException:
        _end()
        raise
    if answer is None:
        _end()
    return answer


def _started() -> subprocess.Popen[str] | None:
    global _helper  # noqa: PLW0603 - one helper for the process
    if _helper is not None and _helper.poll() is None:
        return _helper
    _end()
    _helper = subprocess.Popen(
        [sys.executable, "-m", f"{_PACKAGE}.isolated"],
        cwd=_ROOT,
        env={**os.environ, **_ONE_THREAD},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    return _helper if _line(_helper, _START_SECONDS) is not None else None


def _line(helper: subprocess.Popen[str], seconds: float) -> dict[str, Any] | None:
    if helper.stdout is None or not select.select([helper.stdout], [], [], seconds)[0]:
        return None
    line = helper.stdout.readline()
    answer: dict[str, Any] | None = json.loads(line) if line else None
    return answer


def _end() -> None:
    global _helper
    helper, _helper = _helper, None
    if helper is not None:
        helper.kill()
        with suppress(OSError, ValueError):
            helper.communicate()


def _forget() -> None:
    """A forked process starts its own helper."""
    global _helper, _lock
    _helper, _lock = None, threading.Lock()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def main() -> None:
    """Serve requests, one line of JSON each, until the input ends."""
    import fastexcel  # noqa: F401 - loaded before the memory is limited
    import pyarrow  # noqa: F401
    import pyreadstat  # noqa: F401

    answers, sys.stdout = sys.stdout, sys.stderr
    print("{}", file=answers, flush=True)
    base = _size()
    for line in sys.stdin:
        request = json.loads(line)
        limits = ReadingLimits.model_validate(request["limits"])
        _limit(base + max(_SMALLEST_MEMORY, limits.max_sheet_cells * _BYTES_PER_CELL))
        try:
            answer = _read(request, limits)
        except ReadError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": _TOO_LARGE.format(file=request["relative"])}
        print(json.dumps(answer), file=answers, flush=True)


def _read(request: dict[str, Any], limits: ReadingLimits) -> dict[str, Any]:
    format = _FORMAT.validate_python(request["format"])
    module = import_module(f"{_PACKAGE}.{format.reader}")
    source: SourceFrame = module.read_here(Path(request["path"]), request["relative"], format, request["sheet"], limits)
    source.frame.write_ipc(request["frame"])
    return {
        "sheet": source.sheet,
        "unreadable": [(row.source_row, row.reason) for row in source.unreadable],
        "user_missing": {column: dict(codes) for column, codes in source.user_missing.items()},
        "labels": {column: dict(codes) for column, codes in source.labels.items()},
        "other_sheets": list(source.other_sheets),
        "notes": list(source.notes),
    }


def _size() -> int:
    """Bytes of address space that the process has now; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    return next(
        int(line.split()[1]) * 1024
        for line in status.read_text(encoding="ascii").splitlines()
        if line.startswith("VmSize:")
    )


def _limit(memory: int) -> None:
    """No more address space than this, where the system can be told so; never more than it had allowed."""
    if not _size():
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    main()
