"""The model of an instrument: what is known about a questionnaire or rating, with the status of each fact.

What belongs here: items, ranges, versions, scales, missing rules, cut-offs, norms, reliability.
What does not: item wording (never), or how a site names its columns (`codebook.site`).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared

Status = Literal["verified", "one_paper", "unverified"]
Rater = Literal["patient", "therapist", "observer", "clinician", "group"]
Aggregate = Literal[
    "mean",
    "sum",
    "min",
    "count_at_least",
    "diagnosis",
    "ratio",
    "linear",
    "value_set",
]
"""How a scale is put together.

mean, sum, min: of the scored answers. count_at_least: how many answers reach `threshold`. diagnosis: 1 where at least
`needed` answers reach `threshold`, 0 where even the unanswered could not make it so, else undecided. ratio: `factor` ×
scale `numerator` / scale `denominator`, undefined where that is 0. linear: `constant` + Σ weight × scale (`terms`).
value_set: `values`, an index over the levels of the items.
"""

Construct = Literal[
    "alliance",
    "depression",
    "anxiety",
    "distress",
    "somatic_symptoms",
    "interpersonal_problems",
    "emotion_regulation",
    "impulsivity",
    "metacognition_and_mentalizing",
    "personality_functioning",
    "personality_disorder",
    "quality_of_life",
    "functioning",
    "self_harm",
    "treatment_fidelity",
    "interaction",
]
"""What a scale measures, so that measures of one thing are found together."""

KeyAccess = Literal["public", "licensed", "unknown"]
"""public: the key is here. licensed: it exists and the network must supply it. unknown: nobody has published it."""

MAX_ITEMS = 999


class Fact(Declared):
    """Anything that can be right or wrong: how well it is known and from where."""

    status: Status
    sources: tuple[str, ...] = ()


class MissingCode(Declared):
    """A number in the answers that means 'no answer'."""

    code: int
    label: str


class ItemException(Declared):
    """Items of a version whose range differs, or that collapse to fewer values when scored.

    `recode` lists the scored value of minimum, minimum + 1, … maximum.
    """

    items: tuple[int, ...]
    minimum: int
    maximum: int
    recode: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.recode and len(self.recode) != self.maximum - self.minimum + 1:
            raise ValueError("recode must list one scored value for every value from minimum to maximum")
        return self


class Rescaling(Fact):
    """Linear map of a version's means onto another version's range; `name` is what a network accepts."""

    name: str
    version: str
    note: str = ""


class Version(Fact):
    """One edition or answer format; the range of every item in it (inclusive, unit: answer code)."""

    key: str
    label: str
    minimum: int
    maximum: int
    items: tuple[int, ...] = ()
    """Items of this version; empty: all."""
    exceptions: tuple[ItemException, ...] = ()
    valid_from: str | None = None
    """First date (ISO) on which the field's first network used it; None: no limit."""
    valid_until: str | None = None
    """First date (ISO) on which it was no longer used; None: no limit."""
    step: float = 1.0
    """Smallest difference between two answers; 0.5 where raters give half points."""
    reversed_in_export: tuple[int, ...] = ()
    """Reversed items that forms of this version already hold reversed: they are not reversed again."""
    rescaled_to: Rescaling | None = None
    """How its means are brought to another version's metric, where the network accepts that."""

    @property
    def scale_points(self) -> int:
        """Number of answer points, maximum - minimum + 1."""
        return self.maximum - self.minimum + 1

    def item_range(self, item: int) -> tuple[int, int]:
        """Smallest and largest valid answer of `item` as it stands in an export."""
        for exception in self.exceptions:
            if item in exception.items:
                return exception.minimum, exception.maximum
        return self.minimum, self.maximum

    def scored_range(self, item: int) -> tuple[int, int]:
        """Smallest and largest value that an answer to `item` can have once recoded: what reversal goes by."""
        recode = self.recode_of(item)
        return (min(recode.values()), max(recode.values())) if recode else self.item_range(item)

    def recode_of(self, item: int) -> dict[int, int]:
        """Exported value to scored value, for items that collapse; else empty."""
        for exception in self.exceptions:
            if item in exception.items and exception.recode:
                return dict(zip(range(exception.minimum, exception.maximum + 1), exception.recode, strict=True))
        return {}


class MissingRule(Fact):
    """How many items of a scale may be missing, and what then happens.

    `name` is what a network writes under `accepted_unverified` to accept an unverified rule.
    `prorate`: `person_mean` scales a sum up by n_items / n_answered (a mean is taken over the answered
    items, which is the same thing); `none` keeps the raw aggregate of the answered items.
    """

    name: str
    max_missing: int = Field(ge=0)
    only_items: tuple[int, ...] = ()
    prorate: Literal["person_mean", "none"] = "person_mean"
    note: str = ""


class Cutoff(Fact):
    """A threshold on a scale; `operator` is literal: `>` is strict."""

    label: str
    operator: Literal[">", ">=", "<", "<="]
    value: float
    versions: tuple[str, ...] = ()
    note: str = ""


class ValueSet(Fact):
    """An index over item levels: `constant` + the first-step term + the worst-level term + one term per item and level.

    `any_above_lowest` is added once where any item is above its lowest level, `any_at_highest` once where any item is
    at its highest. `levels` gives item → terms of level 2, 3, …; rounded to `decimals`.
    """

    name: str
    constant: float
    any_above_lowest: float
    any_at_highest: float
    levels: dict[int, tuple[float, ...]]
    decimals: int = 3


class Gate(Declared):
    """A diagnosis needs more than its count: `item` must be at least `minimum` (age, an earlier disorder)."""

    item: int
    minimum: float
    label: str


class Scale(Fact):
    """One score: which items, how they are put together, and what is allowed to be missing.

    `items` is empty for ratio and linear scales, and where the key is not public (`Instrument.key_access`).
    """

    key: str
    label: str
    items: tuple[int, ...]
    aggregate: Aggregate
    minimum: float
    maximum: float
    versions: tuple[str, ...] = ()
    """Versions this rule is for; empty: all."""
    missing_rule: MissingRule | None = None
    """None: every item must be answered."""
    cutoffs: tuple[Cutoff, ...] = ()
    is_primary: bool = False
    measures: Construct | None = None
    threshold: float | None = None
    """count_at_least and diagnosis: an answer counts from here on."""
    needed: int | None = None
    """diagnosis: how many answers must count."""
    gates: tuple[Gate, ...] = ()
    numerator: str | None = None
    denominator: str | None = None
    factor: float = 1.0
    terms: dict[str, float] = {}
    constant: float = 0.0
    values: ValueSet | None = None
    note: str = ""

    def source_scales(self) -> tuple[str, ...]:
        """Scales that a ratio (numerator, denominator) or a linear scale is made of, in that order; else none."""
        if self.aggregate == "ratio":
            return tuple(key for key in (self.numerator, self.denominator) if key)
        return tuple(self.terms) if self.aggregate == "linear" else ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {
            "count_at_least": self.threshold is not None,
            "diagnosis": self.threshold is not None and self.needed is not None,
            "ratio": self.numerator is not None and self.denominator is not None,
            "linear": bool(self.terms),
            "value_set": self.values is not None,
        }
        if not needed.get(self.aggregate, True):
            raise ValueError(f"scale '{self.key}' lacks what '{self.aggregate}' needs")
        return self


class Norm(Fact):
    """Mean and SD of a named sample, or a sentence where the numbers are not public."""

    sample: str
    scale: str | None = None
    n: int | None = None
    mean: float | None = None
    sd: float | None = None
    note: str = ""


class Reliability(Fact):
    """One published reliability; `value` is null where the source gives a range (then `note`)."""

    kind: str
    scale: str | None = None
    value: float | None = None
    note: str = ""


class Instrument(Declared):
    """A questionnaire or rating form. `family` joins instruments whose scales are pooled."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    family: str
    name: str
    citation: str
    licence: str
    direction: Literal["higher_is_better", "higher_is_worse"]
    raters: tuple[Rater, ...]
    n_items: int = Field(ge=0, le=MAX_ITEMS)
    """Number of items; 0 where nobody has published it and the network declares none."""
    key_access: KeyAccess = "public"
    versions: tuple[Version, ...] = Field(min_length=1)
    missing_codes: tuple[MissingCode, ...] = ()
    reversed_items: tuple[int, ...] = ()
    reversed_status: Status = "verified"
    scales: tuple[Scale, ...] = ()
    identical_items: dict[str, tuple[int, ...]] = {}
    """Instrument of the same family → item numbers whose wording is the same in both: the only items to be pooled."""
    item_labels: dict[int, str] = {}
    """Neutral names of items that are no questions (global rating, minutes coded, window in days); never wording."""
    languages: tuple[str, ...] = ()
    norms: tuple[Norm, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    sensitive_items: tuple[int, ...] = ()
    """Items about suicide or self-harm: kept whatever happens to the score."""
    conflicts: tuple[str, ...] = ()
    """Where sources disagree, one sentence each."""
    notes: tuple[str, ...] = ()
    is_outcome: bool = False
    """True: its scores appear in `harmonised.outcome`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known_items = set(range(1, self.n_items + 1))
        version_keys = [version.key for version in self.versions]
        if len(set(version_keys)) != len(version_keys):
            raise ValueError("two versions have the same key")
        if not set(self.reversed_items) <= known_items:
            raise ValueError(f"reversed_items must lie in 1–{self.n_items}")
        for scale in self.scales:
            if not set(scale.items) <= known_items:
                raise ValueError(f"scale '{scale.key}' names an item outside 1–{self.n_items}")
            if not set(scale.versions) <= set(version_keys):
                raise ValueError(f"scale '{scale.key}' names a version that is not declared")
        for key in version_keys:
            names = [scale.key for scale in self.scales_of(key)]
            if len(set(names)) != len(names):
                raise ValueError(f"version '{key}' has two rules for one scale")
        return self

    def version(self, key: str) -> Version:
        """The version named `key`; KeyError if it is not declared."""
        for version in self.versions:
            if version.key == key:
                return version
        raise KeyError(f"{self.key} has no version '{key}'; declared: {', '.join(v.key for v in self.versions)}")

    def scales_of(self, version: str) -> tuple[Scale, ...]:
        """Scales that are scored for a version."""
        return tuple(scale for scale in self.scales if not scale.versions or version in scale.versions)

    @property
    def scale_keys(self) -> tuple[str, ...]:
        """Every scale once, in the order declared."""
        return tuple(dict.fromkeys(scale.key for scale in self.scales))


def item_column(item: int) -> str:
    """Canonical column of an item: `item_01`."""
    return f"item_{item:02d}"
