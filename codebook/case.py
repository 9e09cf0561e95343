"""The model of a worked case: one answered form and what any scorer must make of it.

What belongs here: the shape of a case and of its outcome.
What does not: reading files or scoring (`codebook.cases`), and the spellings of other files (`codebook.vectors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import model_validator

from codebook.declaration import Declared

CaseKind = Literal["hand", "outside", "key_lock"]
"""hand: worked with a pencil. outside: copied from other people's tests. key_lock: answers laid out so that an item in
the wrong scale, or a wrong reversal, changes a score."""

TOLERANCE = 6e-5
"""Expected values are rounded to 4 decimals."""

Number = int | float


class ExpectedError(Declared):
    """The answer that must be refused, and the range that it misses."""

    item: int
    value: Number
    minimum: Number
    maximum: Number


class Formula(Declared):
    """A formula of `codebook.norms` instead of a form; `scale` has the cut-offs that its result is held to."""

    name: Literal["t_score", "reliable_change"]
    inputs: dict[str, float]
    scale: str | None = None


class Case(Declared):
    """One form. `responses` has one entry per item, item 1 first, as exported; null is no answer.

    A scale that is not named under `expected` is not checked; null under it means that there must be no score.
    `accepts_proposed`: every missing rule of the instrument may be used, else only those that are not unverified.
    `supplied`: scores that a unit computed itself. `expected_refusal`: part of the message with which a form is refused
    that is no form of this instrument.
    """

    id: str
    instrument: str
    version: str = ""
    kind: CaseKind = "hand"
    accepts_proposed: bool = False
    responses: tuple[Number | None, ...] = ()
    supplied: dict[str, float] = {}
    formula: Formula | None = None
    expected: dict[str, Number | None] = {}
    expected_status: dict[str, str] = {}
    expected_n_answered: dict[str, int] = {}
    expected_cutoffs: dict[str, dict[str, bool | None]] = {}
    expected_error: ExpectedError | None = None
    expected_refusal: str | None = None
    note: str = ""
    provenance: str

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.formula is None and not self.version:
            raise ValueError(f"case '{self.id}' names no version")
        return self

    @property
    def is_form(self) -> bool:
        """True: an answered form that a scorer can take; false: a formula, or a form that must be refused as such."""
        return self.formula is None and self.expected_refusal is None


class CaseFile(Declared):
    """The cases of one instrument; `instrument` is said once and holds for each of them."""

    instrument: str
    cases: tuple[Case, ...]

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("cases"), list):
            key = data.get("instrument")
            cases = [{"instrument": key} | case if isinstance(case, dict) else case for case in data["cases"]]
            return data | {"cases": cases}
        return data

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [case.id for case in self.cases]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"two cases have one id: {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class CaseResult:
    """What a case expects and what came, by the same names: `total`, `total status`, `total: mild`, `error`."""

    case: Case
    expected: dict[str, Any]
    got: dict[str, Any]

    @property
    def differences(self) -> tuple[str, ...]:
        """Names under which the two differ; numbers may differ by `TOLERANCE`."""
        return tuple(name for name, value in self.expected.items() if not _same(value, self.got.get(name)))

    @property
    def passed(self) -> bool:
        """True where everything that the case expects was given."""
        return not self.differences


def _same(expected: Any, got: Any) -> bool:
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return expected is got or expected == got
    if got is None or isinstance(got, bool | str):
        return False
    return abs(float(expected) - float(got)) <= TOLERANCE
