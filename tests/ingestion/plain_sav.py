"""A second, plain reading of `.sav` files, to hold the reader against: variables and cases; no dates, no long names.

What belongs here: as much of the format as the given samples need. What does not: anything that the product uses.
"""

from __future__ import annotations

import struct
from pathlib import Path

_CASES_END, _SYSTEM_MISSING = 252, -1.7976931348623157e308


class PlainSav:
    """Variables in their order, cases as lists of float, str or None, and declared missing values."""

    def __init__(self, path: Path) -> None:
        """Read the whole file, which must be little-endian and either plain or packed by bytes."""
        self._data = path.read_bytes()
        compression, _, self.n_cases, bias = struct.unpack_from("<iiid", self._data, 72)
        self.widths: dict[str, int] = {}
        self.missing: dict[str, list[float | str]] = {}
        self.missing_is_range: dict[str, bool] = {}
        self.labels: dict[str, dict[float, str]] = {}
        self._slots: list[str | None] = []
        self._at = 176
        self._dictionary()
        elements = self._packed(bias) if compression else self._plain()
        self.cases = self._cases(elements)

    def _int(self) -> int:
        value: int = struct.unpack_from("<i", self._data, self._at)[0]
        self._at += 4
        return value

    def _bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _dictionary(self) -> None:
        labels: list[tuple[float, str]] = []
        while (kind := self._int()) != 999:
            if kind == 2:
                self._variable()
            elif kind == 3:
                labels = [self._label() for _ in range(self._int())]
            elif kind == 4:
                for _ in range(self._int()):
                    self.labels[str(self._slots[self._int() - 1])] = dict(labels)
            elif kind == 6:
                self._bytes(80 * self._int())
            else:
                _, size, count = self._int(), self._int(), self._int()
                self._bytes(size * count)
        self._int()

    def _label(self) -> tuple[float, str]:
        value: float = struct.unpack("<d", self._bytes(8))[0]
        size = self._bytes(1)[0]
        text = self._bytes((size + 8) // 8 * 8 - 1)[:size]
        return value, text.decode("utf-8", "replace")

    def _variable(self) -> None:
        width, has_label, n_missing = self._int(), self._int(), self._int()
        self._bytes(8)
        name = self._bytes(8).decode().strip()
        if has_label:
            self._bytes((self._int() + 3) // 4 * 4)
        values = [self._bytes(8) for _ in range(abs(n_missing))]
        self._slots.append(name if width >= 0 else None)
        if width >= 0:
            self.widths[name] = width
            if values:
                self.missing[name] = [
                    value.decode().strip() if width else struct.unpack("<d", value)[0] for value in values
                ]
                self.missing_is_range[name] = n_missing < 0

    def _plain(self) -> list[bytes | float | None]:
        rest = self._data[self._at :]
        return [rest[at : at + 8] for at in range(0, len(rest) - 7, 8)]

    def _packed(self, bias: float) -> list[bytes | float | None]:
        elements: list[bytes | float | None] = []
        while self._at < len(self._data):
            for code in self._bytes(8):
                if code == _CASES_END:
                    return elements
                if code == 253:
                    elements.append(self._bytes(8))
                elif code == 254:
                    elements.append(b" " * 8)
                elif code == 255:
                    elements.append(None)
                elif code:
                    elements.append(code - bias)
        return elements

    def _cases(self, elements: list[bytes | float | None]) -> list[dict[str, float | str | None]]:
        cases = []
        for start in range(0, len(elements) - len(self._slots) + 1, len(self._slots)):
            case: dict[str, float | str | None] = {}
            text = name = ""
            for slot, element in zip(self._slots, elements[start : start + len(self._slots)], strict=True):
                if slot is not None:
                    text, name = "", slot
                if self.widths[name]:
                    assert isinstance(element, bytes)
                    text += element.decode("utf-8", "replace")
                    case[name] = text[: self.widths[name]].strip() or None
                else:
                    number = struct.unpack("<d", element)[0] if isinstance(element, bytes) else element
                    case[name] = None if number is None or number == _SYSTEM_MISSING else number
            cases.append(case)
        return cases
