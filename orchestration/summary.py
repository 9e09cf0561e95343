"""The last lines of `concord run`: what happened, what to look at, what to do.

What belongs here: words. What does not: results (`run`), figures (`assets.publishing`).
"""

from __future__ import annotations

from pathlib import Path

from orchestration.comparing import sealed_change_lines
from orchestration.run import RunResult
from orchestration.status import status_rows
from orchestration.warehouse_reader import NoWarehouseError

COUNTS_SQL = """
select (select count(*) from harmonised.patient), (select count(*) from harmonised.episode),
    (select count(*) from harmonised.assessment),
    (select count(*) from quality.finding where status in ('open', 'reopened')), (select count(*) from quality.finding)
"""


def summary_lines(result: RunResult, warehouse: Path, published: Path) -> list[str]:
    """What a person wants to read after a run, the answer first."""
    counts: dict[str, int] = {}
    for item in result.deliveries:
        counts[item.outcome] = counts.get(item.outcome, 0) + 1
    taken = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "nothing new"
    skipped = f", {result.n_skipped} known before" if result.n_skipped else ""
    lines = [f"Deliveries: {taken}{skipped}."]
    if result.is_built:
        lines += _warehouse_lines(warehouse, result)
    for site, reason in result.held.items():
        lines.append(f"HELD  {site}, {reason}.")
    lines += [f"FAILED  {problem}" for problem in result.problems]
    lines += [f"ANSWERS  {note}" for note in result.notes]
    if result.is_built:
        for audience, who in (("public", "results, for everyone"), ("network", "quality, for the coordinator")):
            lines.append(f"Open {published / audience / 'index.html'}  ({who})")
        lines.append(f"Send {published / 'sites' / 'UNIT'}  (worklist and delivery reports, to that unit alone)")
        lines.append("Then 'concord worklist sent UNIT' counts the answers that come back to answers/UNIT/.")
    else:
        lines.append("The warehouse that was sealed before, if any, is unchanged. 'concord ui' shows the failed step.")
    return lines


def _warehouse_lines(warehouse: Path, result: RunResult) -> list[str]:
    from orchestration.warehouse_reader import open_warehouse

    try:
        with open_warehouse(warehouse) as connection:
            row = connection.execute(COUNTS_SQL).fetchone() or (0, 0, 0, 0, 0)
        units = status_rows(warehouse)
        changed = sealed_change_lines(warehouse)
    except NoWarehouseError:
        return []
    overdue = sum(int(str(unit["overdue"])) for unit in units)
    landed = sum(int(str(unit["n_rows_landed"])) for unit in units)
    accepted = sum(int(str(unit["n_rows_accepted"])) for unit in units)
    return [
        f"Warehouse: {row[0]} patients, {row[1]} episodes, {row[2]} assessments from {len(units)} units.",
        f"Rows of the newest deliveries: {landed} landed = {accepted} accepted + {landed - accepted} quarantined.",
        f"Findings: {row[3]} open of {row[4]}. Overdue on {result.clocks.today}: {overdue} assessments.",
        *changed,
    ]
