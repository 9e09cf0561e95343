"""The gate and the expectations as Dagster asset checks: counts in their metadata, never ids.

What belongs here: specs and the translation of our results into Dagster's.
What does not: any judgement (`checks.gate`, `checks.expectations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg

from checks.gate import GateCheck

GATE: dict[str, str] = {
    "readable": "Every declared file and column is there and can be read.",
    "quarantined_share": "The share of rows held back stays under the network's limit.",
    "volume": "The delivery is not suddenly much smaller than the last one.",
    "leak_scan": "Nothing that would be stored names a person.",
}
SUITES: dict[str, str] = {
    "ranges": "Answers outside their range, per unit and instrument.",
    "versions": "Assessments dated outside the period of their version, or of what the schedule asks for.",
    "uniqueness": "No assessment stands twice.",
    "windows": "Assessments that were due were filled in inside their window.",
    "completeness": "Received, scorable and answered rates against the network's thresholds.",
    "volume": "The newest delivery beside those before it.",
    "drift": "New scores of every scale beside the unit's earlier ones.",
}


def gate_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The blocking checks of a staged delivery: where one fails, promotion never starts."""
    return [dg.AssetCheckSpec(name, asset=asset, blocking=True, description=text) for name, text in GATE.items()]


def gate_results(checks: Iterable[GateCheck]) -> Iterator[dg.AssetCheckResult]:
    """One result per check of the gate; a check that an unreadable delivery never reached warns."""
    judged = {check.name: check for check in checks}
    for name in GATE:
        check = judged.get(name)
        if check is None:
            yield dg.AssetCheckResult(
                passed=False,
                check_name=name,
                severity=dg.AssetCheckSeverity.WARN,
                description="not judged: the delivery could not be read",
            )
        else:
            yield dg.AssetCheckResult(
                passed=check.is_passed,
                check_name=name,
                severity=dg.AssetCheckSeverity.ERROR,
                description=check.message,
                metadata={"n_failed": check.n_failed, "n_checked": check.n_checked},
            )


def suite_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """One check per suite; none blocks."""
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in SUITES.items()]


def suite_results(statuses: Iterable[tuple[str, str]]) -> Iterator[dg.AssetCheckResult]:
    """One result per suite from (suite, status) of every expectation and unit; n/a is counted apart, not as passed."""
    counts: dict[str, dict[str, int]] = {name: {} for name in SUITES}
    for suite, status in statuses:
        by_status = counts.setdefault(suite, {})
        by_status[status] = by_status.get(status, 0) + 1
    for name in SUITES:
        by_status = counts[name]
        n_failed = by_status.get("fail", 0) + by_status.get("error", 0)
        n_judged = n_failed + by_status.get("pass", 0)
        yield dg.AssetCheckResult(
            passed=n_failed == 0,
            check_name=name,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{n_failed} of {n_judged} not met, {by_status.get('not_applicable', 0)} not applicable",
            metadata={"n_failed": n_failed, "n_judged": n_judged},
        )
