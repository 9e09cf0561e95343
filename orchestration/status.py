"""`concord status`: per unit what came, how far its data reach, and what is open.

What belongs here: one question to the sealed warehouse. What does not: a second definition of overdue.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.tables import print_table
from orchestration.warehouse_reader import open_warehouse

STATUS_SQL = """
with newest as (
    select * from (
        select *, row_number() over (partition by site_id order by delivery desc) as nth from quality.delivery
    ) as ordered where nth = 1
),
taken as (
    select site_id, max(delivery) as last_accepted, max(data_through_date) as data_through
    from quality.delivery where gate = 'accepted' group by site_id
),
found as (
    select site_id, count(*) filter (where status in ('open', 'reopened')) as n_open, count(*) as n_all
    from quality.finding group by site_id
),
due as (
    select site_id,
        count(*) filter (where status = 'overdue') as n_overdue,
        count(*) filter (where status = 'awaiting_delivery') as n_awaiting
    from quality.expected_assessment group by site_id
)
select newest.site_id, newest.delivery as last_delivery, newest.gate, taken.data_through,
    newest.n_rows_landed, newest.n_rows_accepted, newest.n_rows_quarantined,
    coalesce(found.n_open, 0) as findings_open, coalesce(found.n_all, 0) as findings_all,
    coalesce(due.n_overdue, 0) as overdue, coalesce(due.n_awaiting, 0) as awaiting_delivery
from newest
left join taken on taken.site_id = newest.site_id
left join found on found.site_id = newest.site_id
left join due on due.site_id = newest.site_id
order by newest.site_id
"""
COLUMNS = (
    "unit",
    "last delivery",
    "gate",
    "data through",
    "landed",
    "accepted",
    "quarantined",
    "findings open",
    "overdue",
    "awaiting delivery",
)


def status_rows(warehouse: Path) -> list[dict[str, object]]:
    """One row per unit that has delivered."""
    with open_warehouse(warehouse) as connection:
        result = connection.execute(STATUS_SQL)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def print_status(rows: list[dict[str, object]]) -> None:
    """As a table for people."""
    print_table(COLUMNS, [_line(row) for row in rows])


def _line(row: dict[str, object]) -> list[object]:
    gate = str(row["gate"])
    return [
        row["site_id"],
        row["last_delivery"],
        gate if gate == "accepted" else f"HELD {gate.removeprefix('held: ')}",
        row["data_through"] or "n/a",
        row["n_rows_landed"],
        row["n_rows_accepted"],
        row["n_rows_quarantined"],
        f"{row['findings_open']} of {row['findings_all']}",
        row["overdue"],
        row["awaiting_delivery"],
    ]
