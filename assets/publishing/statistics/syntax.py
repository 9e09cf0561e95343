"""A declared mixed model as others would write it: a formula for lme4 (R), and MIXED syntax for SPSS.

What belongs here: the two languages. What does not: which models are declared, or what they found. Time is in months,
as every published estimate is; both programs then give the same estimates (Bates et al. 2015; IBM SPSS MIXED).
"""

from __future__ import annotations

from dataclasses import dataclass

from codebook.analysis import Analysis, Model
from codebook.panel import Level, Panel

LINE = 78
"""SPSS takes longer lines, people do not."""
PATIENT = "patient_id"


@dataclass(frozen=True)
class Syntax:
    """One model of one outcome in both languages."""

    r: str
    spss: str


def syntax(analysis: Analysis, outcome: str, model: Model) -> Syntax:
    """R code and SPSS syntax of the model, with its stratum and the references of its factors."""
    return Syntax(_lme4(analysis, outcome, model), _spss(analysis, outcome, model))


def _columns(model: Model) -> list[str]:
    return list(dict.fromkeys(part for term in model.terms for part in term.split(":")))


def _lme4(analysis: Analysis, outcome: str, model: Model) -> str:
    panel = analysis.panel
    lines = ["library(lme4)"]
    for name in _columns(model):
        if panel.is_text(name):
            reference = panel.reference_of(name)
            factor = f"factor({panel.name}${name})"
            made = f'relevel({factor}, ref = "{reference}")' if reference else factor
            lines.append(f"{panel.name}${name} <- {made}")
    rows = panel.name
    if model.where:
        condition = " & ".join(f"{name} == {_value(panel, name, value)}" for name, value in model.where.items())
        rows = f"subset({panel.name}, {condition})"
    groups = "1 + months" if model.random == "intercept_and_slope" else "1"
    fixed = " + ".join(model.terms)
    reml = "FALSE" if analysis.estimation == "ML" else "TRUE"
    lines += [f"m <- lmer({outcome} ~ {fixed} + ({groups} | {PATIENT}),", f"          data = {rows}, REML = {reml})"]
    return "\n".join([*lines, "summary(m)"])


def _spss(analysis: Analysis, outcome: str, model: Model) -> str:
    """MIXED syntax. A text column is a factor (BY): SPSS takes its last level as reference, so a comment says it."""
    panel = analysis.panel
    factors = [name for name in _columns(model) if panel.is_text(name)]
    numbers = [name for name in _columns(model) if not panel.is_text(name)]
    lines = [_comment(name, panel.reference_of(name)) for name in factors]
    if model.where:
        condition = " AND ".join(f"{name} = {_value(panel, name, value)}" for name, value in model.where.items())
        lines += ["TEMPORARY.", f"SELECT IF ({condition})."]
    head = f"MIXED {outcome}"
    for word, names in (("BY", factors), ("WITH", numbers)):
        head += f" {word} {' '.join(names)}" if names else ""
    fixed = " ".join(term.replace(":", "*") for term in model.terms)
    effects, kind = ("INTERCEPT months", "UN") if model.random == "intercept_and_slope" else ("INTERCEPT", "VC")
    lines += [
        *_wrapped(head),
        *_wrapped(f"  /FIXED={fixed} | SSTYPE(3)"),
        f"  /METHOD={analysis.estimation}",
        "  /PRINT=SOLUTION TESTCOV COVB",
        f"  /RANDOM={effects} | SUBJECT({PATIENT}) COVTYPE({kind}).",
    ]
    return "\n".join(lines)


def _comment(name: str, reference: str | None) -> str:
    against = f"'{reference}'" if reference else "its first level"
    return f"* {name}: Concord compares with {against}, SPSS with the last level."


def _value(panel: Panel, name: str, value: Level) -> str:
    return f'"{value}"' if panel.is_text(name) else str(value)


def _wrapped(text: str) -> list[str]:
    """The text in lines, broken between words, later lines indented."""
    first = len(text) - len(text.lstrip(" "))
    lines = [" " * first]
    for word in text.split():
        if len(lines[-1]) + len(word) > LINE:
            lines.append("   ")
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return lines
