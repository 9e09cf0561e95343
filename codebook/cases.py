"""Worked cases: reading them, and holding the reference scorer to them.

What belongs here: the cases that Concord ships (`codebook/cases/<instrument>.yaml`), and judging scores by a case.
What does not: the model of a case (`codebook.case`), the spellings of other files (`codebook.vectors`), any scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from codebook.case import TOLERANCE, Case, CaseFile, CaseResult, ExpectedError
from codebook.declaration import DeclarationError, Problem, load
from codebook.instrument import Instrument
from codebook.library import accepted_rules
from codebook.norms import difference_error, reliable_change_threshold, t_score
from codebook.reference import AnswerOutOfRange, Score, is_met, score
from codebook.vectors import load_vectors

__all__ = [
    "BUILT_IN_CASES",
    "TOLERANCE",
    "Case",
    "CaseResult",
    "accepted_by",
    "all_cases",
    "judge",
    "load_cases",
    "load_vectors",
    "run_reference",
]

BUILT_IN_CASES = Path(__file__).parent / "cases"
FORMULAS = "formulas"
"""Cases of formulas that belong to no instrument."""


def load_cases(folder: Path = BUILT_IN_CASES) -> dict[str, tuple[Case, ...]]:
    """Cases of one folder by instrument; the file `<key>.yaml` holds those of instrument `key`.

    Raises:
        DeclarationError: with everything that is wrong in any file.
    """
    problems: list[Problem] = []
    cases: dict[str, tuple[Case, ...]] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            file = load(path, CaseFile)
        except DeclarationError as error:
            problems.extend(error.problems)
            continue
        if file.instrument != path.stem:
            text = f"has the cases of '{file.instrument}'; name the file {file.instrument}.yaml"
            problems.append(Problem(path, 1, "", text))
        cases[file.instrument] = file.cases
    if problems:
        raise DeclarationError(problems)
    return cases


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case that Concord ships: forms, forms to be refused, and formulas (`Case.is_form` tells them apart)."""
    return tuple(case for cases in load_cases().values() for case in cases)


def accepted_by(case: Case, instrument: Instrument) -> frozenset[str]:
    """Names of the missing rules that a case lets a scorer use."""
    proposed = [scale.missing_rule.name for scale in instrument.scales if scale.missing_rule]
    return accepted_rules([instrument], proposed if case.accepts_proposed else [])


def run_reference(case: Case, instruments: Mapping[str, Instrument]) -> CaseResult:
    """Score a case by the reference scorer, or work its formula, and say what was expected and what came.

    Args:
        case: the case.
        instruments: by key; needs the case's own.

    Raises:
        KeyError: the case's instrument or version is not declared.
    """
    if case.formula is not None:
        return _judge_formula(case, instruments)
    instrument = instruments[case.instrument]
    instrument.version(case.version)
    try:
        scores = score(instrument, case.version, case.responses, accepted_by(case, instrument))
    except AnswerOutOfRange as error:
        found = ExpectedError(item=error.item, value=error.value, minimum=error.minimum, maximum=error.maximum)
        return CaseResult(case, _expected(case), {"error": _told(found)})
    except ValueError as error:
        refusal = case.expected_refusal
        is_meant = refusal is not None and refusal in str(error)
        return CaseResult(case, _expected(case), {"refusal": refusal if is_meant else str(error)})
    return judge(case, instrument, _with_supplied(scores, case.supplied))


def judge(case: Case, instrument: Instrument, scores: Mapping[str, Score]) -> CaseResult:
    """Hold scores to a case, whoever computed them.

    Args:
        case: a form (`Case.is_form`).
        instrument: the case's instrument; its cut-offs are applied to the scores.
        scores: scale key to `Score`; unit: that of the scale.
    """
    cutoffs = {scale.key: {cut.label: cut for cut in scale.cutoffs} for scale in instrument.scales_of(case.version)}
    got: dict[str, Any] = {}
    for scale, found in scores.items():
        got[scale] = found.value
        got[f"{scale} status"] = found.status
        got[f"{scale} n_answered"] = found.n_answered
        for label, cutoff in cutoffs.get(scale, {}).items():
            got[f"{scale}: {label}"] = is_met(cutoff, found.value)
    return CaseResult(case, _expected(case), got)


def _expected(case: Case) -> dict[str, Any]:
    if case.expected_error is not None:
        return {"error": _told(case.expected_error)}
    if case.expected_refusal is not None:
        return {"refusal": case.expected_refusal}
    return {
        **case.expected,
        **{f"{scale} status": status for scale, status in case.expected_status.items()},
        **{f"{scale} n_answered": count for scale, count in case.expected_n_answered.items()},
        **{
            f"{scale}: {label}": met for scale, labels in case.expected_cutoffs.items() for label, met in labels.items()
        },
    }


def _told(error: ExpectedError) -> str:
    return f"item {error.item} value {error.value:g} outside {error.minimum:g}..{error.maximum:g}"


def _with_supplied(scores: Mapping[str, Score], supplied: Mapping[str, float]) -> dict[str, Score]:
    """A score that a unit computed itself counts where no item of the scale came."""
    return {
        scale: replace(found, value=supplied[scale], status="supplied")
        if scale in supplied and found.value is None and found.n_answered == 0
        else found
        for scale, found in scores.items()
    }


def _judge_formula(case: Case, instruments: Mapping[str, Instrument]) -> CaseResult:
    formula = case.formula
    assert formula is not None
    got: dict[str, Any] = {}
    if formula.name == "t_score":
        value = t_score(**formula.inputs)
        got["t"] = value
        for scale in instruments[case.instrument].scales if formula.scale else ():
            if scale.key == formula.scale:
                got |= {f"{scale.key}: {cutoff.label}": is_met(cutoff, value) for cutoff in scale.cutoffs}
    else:
        inputs = formula.inputs
        got["s_diff"] = difference_error(inputs["sd"], inputs["reliability"])
        got["threshold"] = reliable_change_threshold(**inputs)
    return CaseResult(case, _expected(case), got)
