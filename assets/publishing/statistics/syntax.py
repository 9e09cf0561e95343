"""A declared mixed model as others would write it: a formula for lme4 (R), and MIXED syntax for SPSS.

What belongs here: the two languages. What does not: which models are declared, or what they found. Time is in months,
as every published estimate is; both programs then give the same estimates (Bates et al. 2015; IBM SPSS MIXED).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

LINE = 78
"""SPSS takes longer lines, people do not."""
PATIENT = "patient_id"


def lme4(
    outcome: str, terms: Sequence[str], random: str, estimation: str, data: str,
    *, texts: Collection[str] = (), only: str = "",
) -> str:  # fmt: skip
    """R code that fits the model; `texts` are columns that hold words, `only` is a condition on rows (`a == 1`)."""
    fixed = " + ".join(":".join(_factor(part, texts) for part in term.split(":")) for term in terms)
    groups = "1 + months" if random == "intercept_and_slope" else "1"
    rows = f"subset({data}, {only})" if only else data
    return (
        "library(lme4)\n"
        f"m <- lmer({outcome} ~ {fixed} + ({groups} | {PATIENT}),\n"
        f"          data = {rows}, REML = {'FALSE' if estimation == 'ML' else 'TRUE'})\n"
        "summary(m)"
    )


def spss(
    outcome: str, terms: Sequence[str], random: str, estimation: str,
    *, texts: Collection[str] = (), only: str = "",
) -> str:  # fmt: skip
    """MIXED syntax. A text column is a factor (BY): SPSS takes its last level as reference, so a comment says it."""
    columns = list(dict.fromkeys(part for term in terms for part in term.split(":")))
    factors = [name for name in columns if name in texts]
    numbers = [name for name in columns if name not in texts]
    head = f"MIXED {outcome}"
    for word, names in (("BY", factors), ("WITH", numbers)):
        head += f" {word} {' '.join(names)}" if names else ""
    fixed = " ".join(term.replace(":", "*") for term in terms)
    effects, kind = ("INTERCEPT months", "UN") if random == "intercept_and_slope" else ("INTERCEPT", "VC")
    lines = [
        *_wrapped(head),
        *_wrapped(f"  /FIXED={fixed} | SSTYPE(3)"),
        f"  /METHOD={estimation}",
        "  /PRINT=SOLUTION TESTCOV COVB",
        f"  /RANDOM={effects} | SUBJECT({PATIENT}) COVTYPE({kind}).",
    ]
    if only:
        lines = ["TEMPORARY.", f"SELECT IF ({only.replace('==', '=')}).", *lines]
    if factors:
        lines.insert(0, f"* {', '.join(factors)}: SPSS compares with the last level, Concord and R with the first.")
    return "\n".join(lines)


def _factor(name: str, texts: Collection[str]) -> str:
    return f"factor({name})" if name in texts else name


def _wrapped(text: str) -> list[str]:
    """The text in lines, broken between words, later lines indented."""
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > LINE and lines[-1].strip():
            lines.append("   ")
        lines[-1] += word if not lines[-1] and word else f" {word}"
    return [line.rstrip() for line in lines]
