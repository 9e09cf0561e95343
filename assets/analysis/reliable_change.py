"""Reliable and clinically significant change as declared: a row for each patient, and the counts.

What belongs here: which numbers are used and where they are from, patients' rows, counts. What does not: formulas
(`change_indices`). Patients' rows go to `analysis.reliable_change` and are never published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from assets.analysis.change_indices import (
    CHANGE_CLASSES,
    SIGNIFICANCE_CLASSES,
    ErrorModel,
    change_classes,
    cutoff,
    indices,
    significance_classes,
)
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.effect_sizes import Occasions, occasions
from assets.analysis.procedure import Found, Room
from codebook.instrument import Cutoff, Fact, Instrument
from codebook.norms import reliable_change_threshold
from codebook.procedures.reliable_change import ChangeMeasure, NormUsed, ReliabilityUsed, ReliableChange
from codebook.psychometrics import norm_ids, reliability_ids
from codebook.reference import is_met

TABLE, PATIENTS = "results.reliable_change", "analysis.reliable_change"
STATED = "stated"
FactT = TypeVar("FactT", bound=Fact)


@dataclass(frozen=True)
class Limit:
    """A cut-off: its kind, its value, and by which comparison a score is functional."""

    kind: str
    value: float
    rule: Cutoff
    met_is_functional: bool = True

    def is_functional(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each score lies on the functional side."""
        met = np.array([bool(is_met(self.rule, float(score))) for score in scores], dtype=np.bool_)
        return met if self.met_is_functional else ~met


@dataclass(frozen=True)
class Basis:
    """The numbers that one measure is judged by, and the columns that say where they are from."""

    model: ErrorModel
    clinical: tuple[float, float]
    functional: tuple[float, float] | None
    higher_is_better: bool
    said: dict[str, Any]


def reliable_change(declared: ReliableChange, room: Room) -> Found:
    """Indices by each method, five classes of change, and five of clinical significance for each cut-off."""
    likely, reliable = declared.criteria
    found = Found(f"reliable beyond {reliable:g}, likely beyond {likely:g}; methods: {', '.join(declared.methods)}")
    found.rows[PATIENTS] = []
    seen: set[str] = set()
    for outcome, measure in declared.measures.items():
        row = {"outcome": outcome, "label": room.analysis.outcomes.get(outcome, outcome)}
        try:
            at = occasions(room.panel, outcome, declared.before, declared.after)
            if not at.is_pair.any():
                raise NotEstimableError(f"nobody has '{outcome}' at {declared.before} and at {declared.after}")
            own = _instruments(room, outcome)
            basis = _basis(measure, own, at, room)
            limits, refused = _limits(measure, basis, own, room.analysis.panel.measures[outcome].scale)
        except NotEstimableError as problem:
            found.add(TABLE, **row, reason=str(problem))
            continue
        seen.update(at.keys.loc[at.is_pair, "patient_id"])
        for kind, reason in refused:
            found.add(TABLE, **row, **basis.said, cutoff_kind=kind, reason=reason)
        _standing(found, row | basis.said, at, limits)
        for method in declared.methods:
            try:
                _by_method(found, row | basis.said, method, at, basis, limits, declared)
            except NotEstimableError as problem:
                found.add(TABLE, **row, **basis.said, method=method, reason=str(problem))
    found.n_patients = len(seen)
    return found


def _instruments(room: Room, outcome: str) -> list[Instrument]:
    names = room.analysis.panel.measures[outcome].instruments
    found = [room.library.instruments[name] for name in names if name in room.library.instruments]
    if len(found) < len(names):
        raise NotEstimableError(f"the codebook lacks an instrument of '{outcome}'")
    if len({instrument.direction for instrument in found}) > 1:
        raise NotEstimableError(f"the instruments of '{outcome}' run in different directions")
    return found


def _basis(measure: ChangeMeasure, instruments: list[Instrument], at: Occasions, room: Room) -> Basis:
    reliability, reliability_source = _reliability(measure.reliability, instruments, room)
    sources = [f"reliability: {reliability_source}"]
    if measure.clinical is None:
        if len(at.before) < 2:
            raise NotEstimableError("fewer than 2 patients before; declare the clinical group's mean and SD")
        clinical = float(at.before.mean()), float(at.before.std(ddof=1))
        sources.append("clinical group: everybody who has the measure before")
    else:
        mean, sd, source = _norm(measure.clinical, instruments, room)
        clinical = mean, sd
        sources.append(f"clinical group: {source}")
    functional = None
    if measure.functional is not None:
        mean, sd, source = _norm(measure.functional, instruments, room)
        functional = mean, sd
        sources.append(f"functional group: {source}")
    used = measure.functional or measure.clinical
    said = {
        "reliability": reliability,
        "reliability_id": measure.reliability.id or STATED,
        "mean": clinical[0],
        "sd": clinical[1],
        "norm_id": None if used is None else used.id or STATED,
        "sources": "; ".join(sources),
    }
    model = ErrorModel(clinical[0], clinical[1], reliability)
    return Basis(model, clinical, functional, instruments[0].direction == "higher_is_better", said)


def _reliability(used: ReliabilityUsed, instruments: list[Instrument], room: Room) -> tuple[float, str]:
    if used.id is None:
        assert used.value is not None
        return used.value, str(used.source)
    known = {name: fact for one in instruments for name, fact in reliability_ids(one).items()}
    fact = _accepted(used.id, known, room)
    if fact.value is None:
        raise NotEstimableError(f"the codebook has no number for '{used.id}'; state a value and its source")
    if not 0 < fact.value < 1:
        raise NotEstimableError(f"'{used.id}' is no reliability between 0 and 1")
    return fact.value, used.id


def _norm(used: NormUsed, instruments: list[Instrument], room: Room) -> tuple[float, float, str]:
    if used.id is None:
        assert used.mean is not None and used.sd is not None
        return used.mean, used.sd, str(used.source)
    known = {name: fact for one in instruments for name, fact in norm_ids(one).items()}
    fact = _accepted(used.id, known, room)
    if fact.mean is None or not fact.sd:
        raise NotEstimableError(f"the codebook has no mean and SD for '{used.id}'; state them and their source")
    return fact.mean, fact.sd, used.id


def _accepted(name: str, known: dict[str, FactT], room: Room) -> FactT:
    if name not in known:
        raise NotEstimableError(f"the codebook has no '{name}'; it has {', '.join(sorted(known)) or 'none'}")
    if known[name].status == "unverified" and name not in room.library.network.accepted_unverified:
        raise NotEstimableError(f"'{name}' is unverified; to use it, name it under accepted_unverified in network.yaml")
    return known[name]


def _limits(
    measure: ChangeMeasure, basis: Basis, instruments: list[Instrument], scale: str
) -> tuple[list[Limit], list[tuple[str, str]]]:
    found, refused = [], []
    operator = ">" if basis.higher_is_better else "<"
    for kind in measure.cutoffs:
        try:
            value = cutoff(kind, basis.clinical, basis.functional, basis.higher_is_better)
            found.append(Limit(kind, value, _rule(operator, value)))
        except NotEstimableError as problem:
            refused.append((str(kind), str(problem)))
    if measure.stated_cutoff is not None:
        value = measure.stated_cutoff.value
        found.append(Limit(f"stated: {measure.stated_cutoff.source}", value, _rule(operator, value)))
    if measure.codebook_cutoff is not None:
        known = [c for one in instruments for s in one.scales if s.key == scale for c in s.cutoffs]
        chosen = next((c for c in known if c.label == measure.codebook_cutoff), None)
        label = f"codebook: {measure.codebook_cutoff}"
        if chosen is None:
            refused.append((label, f"the codebook has no cut-off '{measure.codebook_cutoff}' for this scale"))
        else:
            # at least 0.8 where higher is worse: whoever meets it is not functional
            towards_function = (chosen.operator in (">", ">=")) == basis.higher_is_better
            found.append(Limit(label, chosen.value, chosen, towards_function))
    return found, refused


def _rule(operator: Any, value: float) -> Cutoff:
    return Cutoff(status="verified", label="", operator=operator, value=value)


def _standing(found: Found, row: dict[str, Any], at: Occasions, limits: list[Limit]) -> None:
    """How many of those with both occasions are dysfunctional on each: who can recover at all."""
    before, after = at.pairs()
    for limit in limits:
        shared = row | {"classification": "standing", "cutoff": limit.value, "cutoff_kind": limit.kind}
        for name, scores in (("dysfunctional_before", before), ("dysfunctional_after", after)):
            _count(found, shared, name, int((~limit.is_functional(scores)).sum()), len(scores))


def _by_method(
    found: Found,
    row: dict[str, Any],
    method: str,
    at: Occasions,
    basis: Basis,
    limits: list[Limit],
    declared: ReliableChange,
) -> None:
    before, after = at.pairs()
    index = indices(method, before, after, basis.model)
    improvement = index if basis.higher_is_better else -index
    reliable = declared.criteria[1]
    shared = row | {"method": method, "criterion": reliable}
    if method == "jacobson_truax":
        shared["threshold"] = reliable_change_threshold(basis.model.sd, basis.model.reliability, reliable)
    changed = change_classes(improvement, declared.criteria)
    for name in CHANGE_CLASSES:
        _count(found, shared | {"classification": "change"}, name, changed.count(name), len(changed))
    patients: dict[str, Any] = {"outcome": row["outcome"], "method": method}
    columns = [at.keys.loc[at.is_pair, key].tolist() for key in ("patient_id", "episode_id", "site_id")]
    people = list(zip(*columns, before, after, index, improvement, changed, strict=True))
    judged: list[Limit | None] = [*limits] or [None]
    for limit in judged:
        flags: list[tuple[Any, Any, Any]] = [(None, None, None)] * len(people)
        said: dict[str, Any] = {"cutoff": None, "cutoff_kind": None}
        if limit is not None:
            said = {"cutoff": limit.value, "cutoff_kind": limit.kind}
            first, last = limit.is_functional(before), limit.is_functional(after)
            names = significance_classes(improvement, first, last, reliable)
            flags = list(zip(first.tolist(), last.tolist(), names, strict=True))
            for name in SIGNIFICANCE_CLASSES:
                more = shared | said | {"classification": "clinical_significance"}
                _count(found, more, name, names.count(name), len(names))
        for person, (is_first, is_last, name) in zip(people, flags, strict=True):
            found.add(
                PATIENTS,
                **patients,
                **said,
                patient_id=person[0],
                episode_id=person[1],
                site_id=person[2],
                before=float(person[3]),
                after=float(person[4]),
                change=float(person[4] - person[3]),
                index=float(person[5]),
                improvement=float(person[6]),
                change_class=person[7],
                is_functional_before=is_first,
                is_functional_after=is_last,
                significance_class=name,
            )


def _count(found: Found, row: dict[str, Any], category: str, n: int, n_total: int) -> None:
    found.add(TABLE, **row, category=category, n=n, n_total=n_total, pct=100 * n / n_total if n_total else None)
