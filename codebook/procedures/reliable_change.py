"""Declaration of reliable and clinically significant change, patient by patient.

What belongs here: which measures, methods and cut-offs, and the numbers they rest on: by id from the codebook, or
stated by the network with their source. What does not: formulas (`assets.analysis.change_indices`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.instrument import Instrument
from codebook.panel import Name, Panel
from codebook.procedures.base import ProcedureBase
from codebook.psychometrics import norm_ids, reliability_ids

ChangeMethod = Literal[
    "jacobson_truax", "gulliksen_lord_novick", "hsu_linn_lord", "edwards_nunnally", "hageman_arrindell"
]


class ReliabilityUsed(Declared):
    """A reliability: the codebook's by `id`, or `value` with its `source`."""

    id: str | None = None
    value: float | None = Field(default=None, gt=0, lt=1)
    source: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.id is None) == (self.value is None):
            raise ValueError("give either the id of a reliability or its value")
        if self.value is not None and not self.source:
            raise ValueError("a value needs its source")
        return self


class NormUsed(Declared):
    """Mean and SD of a group: the codebook's by `id`, or `mean` and `sd` with their `source`."""

    id: str | None = None
    mean: float | None = None
    sd: float | None = Field(default=None, gt=0)
    source: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [number is not None for number in (self.mean, self.sd)]
        if any(given) if self.id is not None else not all(given):
            raise ValueError("give either the id of a norm, or mean and sd")
        if self.id is None and not self.source:
            raise ValueError("mean and sd need their source")
        return self


class CutoffStated(Declared):
    """A limit that the network states."""

    value: float
    source: str


class ChangeMeasure(Declared):
    """What the change of one measure is judged by.

    `clinical` is the dysfunctional group: without it, everybody who has the measure at `before`. `functional` is the
    group without disorder. Cut-offs: a (2 SD beyond the clinical mean), b (2 SD within the functional mean), c (between
    the two), one of the codebook's by its label, or one that is stated.
    """

    reliability: ReliabilityUsed
    clinical: NormUsed | None = None
    functional: NormUsed | None = None
    cutoffs: tuple[Literal["a", "b", "c"], ...] = ()
    codebook_cutoff: str | None = None
    stated_cutoff: CutoffStated | None = None

    @model_validator(mode="after")
    def _has_norm(self) -> Self:
        if {"b", "c"} & set(self.cutoffs) and self.functional is None:
            raise ValueError("cut-offs b and c need the functional group's mean and sd")
        return self


class ReliableChange(ProcedureBase):
    """Indices of change in units of error, classes by two criteria, and crossing of a cut-off."""

    kind: Literal["reliable_change"]
    measures: dict[Name, ChangeMeasure] = Field(min_length=1)
    before: str = "baseline"
    after: str = "discharge"
    methods: tuple[ChangeMethod, ...] = Field(default=("jacobson_truax",), min_length=1)
    criteria: tuple[float, float] = (1.28, 1.96)
    """Likely and reliable, in units of the index."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.criteria[0] < self.criteria[1]:
            raise ValueError("criteria are two numbers above 0, the smaller first")
        return self

    def columns(self) -> set[str]:
        """The measures."""
        return set(self.measures)

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """Ids and labels that the codebook lacks."""
        for name, measure in self.measures.items():
            source = panel.measures.get(name)
            if source is None:
                yield f"'{name}' is no measure of the panel"
                continue
            own = [instruments[key] for key in source.instruments if key in instruments]
            known = {used: None for one in own for used in (*norm_ids(one), *reliability_ids(one))}
            for used in (measure.reliability, measure.clinical, measure.functional):
                if used is not None and used.id is not None and used.id not in known:
                    yield f"{name}: the codebook has no '{used.id}'; it has {', '.join(known) or 'none'}"
            labels = {
                cutoff.label: None for one in own for s in one.scales if s.key == source.scale for cutoff in s.cutoffs
            }
            if measure.codebook_cutoff is not None and measure.codebook_cutoff not in labels:
                yield f"{name}: no cut-off is called '{measure.codebook_cutoff}'; known: {', '.join(labels) or 'none'}"
