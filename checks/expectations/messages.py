"""What an expectation says: one sentence with n of N, the limit, and whether that limit was loosened.

What belongs here: sentences. What does not: any judgement (`judging`).
"""

from __future__ import annotations

from typing import Any

from checks.expectations.measures import BY_NAME, Measure


def message(row: dict[str, Any], error: str | None) -> str:
    """A sentence such as `WAI-SR: 3 of 40 answers lie outside their range (7.5 %; at most 0 %).`

    `row`: one of the judged frame, `status` included. `error`: why it could not be counted or judged.
    """
    measure = BY_NAME[row["measure"]]
    if error:
        return f"{row['label']}: {measure.things} {error}."
    if row["status"] == "not_applicable":
        return f"{row['label']}: {_why_not(row, measure)}."
    say = {"share": _share, "drop": _drop, "shift": _shift}[measure.form]
    return f"{row['label']}: {say(row, measure)}."


def _why_not(row: dict[str, Any], measure: Measure) -> str:
    if measure.form == "share":
        return f"no {measure.things} to check"
    if measure.form == "drop":
        if not row["n_beside"]:
            return "no earlier delivery to compare the newest with"
        return (
            f"{_count(row['n_checked'], 'assessment')} expected in the newest delivery, too few below {row['minimum']}"
        )
    if not row["n_told"]:
        return "no new scores to compare with earlier ones"
    if row["n_basis"] < row["minimum"]:
        return (
            f"{row['n_checked']} of {_count(row['n_told'], 'new score')} can be compared with {row['n_beside']} "
            f"earlier ones, fewer than {row['minimum']} say nothing"
        )
    return f"{row['n_checked']} new and {row['n_beside']} earlier scores do not vary"


def _share(row: dict[str, Any], measure: Measure) -> str:
    n = row["n_failed"] if measure.direction == "at_most" else row["n_checked"] - row["n_failed"]
    return f"{n} of {row['n_checked']} {measure.things} {measure.fault} ({_percent(row['observed'])}; {_limit(row)})"


def _drop(row: dict[str, Any], measure: Measure) -> str:
    before = "the delivery" if row["n_beside"] == 1 else f"the {row['n_beside']} deliveries"
    if not row["n_failed"]:
        held = f"the newest delivery holds {_count(row['n_told'], 'assessment')}, {row['n_checked']} were expected"
        return f"{held} from {before} before it (no {measure.fault}; {_limit(row)})"
    held = f"the newest delivery holds {row['n_told']} of {row['n_checked']} assessments expected"
    return f"{held} from {before} before it ({_percent(row['observed'])} {measure.fault}; {_limit(row)})"


def _shift(row: dict[str, Any], measure: Measure) -> str:
    del measure
    side = "higher" if row["difference"] > 0 else "lower"
    new = f"{row['n_checked']} of {_count(row['n_told'], 'new score')}"
    return (
        f"{new} compared with {row['n_beside']} earlier ones of the same occasions, on average "
        f"{row['observed']:.2f} SD {side} ({_limit(row)})"
    )


def _limit(row: dict[str, Any]) -> str:
    side = str(row["direction"]).replace("_", " ")
    limit = f"{side} {_threshold(row, row['threshold'])}"
    if row["waived_until"] is not None:
        return f"{limit}, loosened from {_threshold(row, row['network_threshold'])} until {row['waived_until']}"
    if row["waiver_ended"] is not None:
        return f"{limit}; its waiver ended on {row['waiver_ended']}"
    return limit


def _threshold(row: dict[str, Any], value: float) -> str:
    return f"{value:g} SD" if BY_NAME[row["measure"]].form == "shift" else _percent(value)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
