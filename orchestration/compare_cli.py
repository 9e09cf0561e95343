"""`concord compare`: what is new, what persists and what was resolved between two days.

What belongs here: arguments, help, layout and exit codes. What does not: the comparison (`orchestration.comparing`).
"""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.days import day
from orchestration.exits import WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    from orchestration.comparing import Compared

FORMATS = ("table", "csv", "json")
GROUPS = {
    "unit": ("site_id", "kind"),
    "instrument": ("site_id", "kind", "instrument"),
    "label": ("site_id", "kind", "instrument", "label"),
}
COUNTS = ("n_new", "n_persisting", "n_resolved", "n_lapsed")


def compare(
    network: NetworkOption = HERE,
    start: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="The earlier day; else seven days before --to.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="The later day; else today.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only this unit; several times for more.")] = None,
    by: Annotated[str, typer.Option(help=f"Count per {', '.join(GROUPS)} (occasion or rule).")] = "unit",
    has_ids: Annotated[
        bool, typer.Option("--ids", help="List every due point and finding with what became of it.")
    ] = False,
    output_format: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "table",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another run to end.")] = 60.0,
) -> None:
    """Compare two days: which overdue due points and open findings are new, persist, or were resolved.

    Both days are computed again from the deliveries known on each, by id; the network's warehouse and pages stay as
    they are. Every run makes this comparison with the day a week before it (quality.compared_days in network.yaml) and
    keeps it as the table quality.change.

    \b
    new         overdue or open on the later day only
    persisting  on both
    resolved    on the earlier day only: came, was answered, was corrected, or is no longer expected
    lapsed      was overdue, and so late by now that it counts as missed

    \b
    concord compare --network demo
    concord compare --network demo --from 2016-12-15 --to 2017-01-08 --by label
    concord compare --network demo --ids --format csv
    """
    from assets.run_context import Clocks
    from codebook.library import load_library
    from orchestration.comparing import compare_days

    if by not in GROUPS:
        stop(f"--by {by}: choose of {', '.join(GROUPS)}", WRONG)
    if output_format not in FORMATS:
        stop(f"--format {output_format}: choose of {', '.join(FORMATS)}", WRONG)
    first, last = day(start, "--from"), day(end, "--to")
    with errors():
        library = load_library(network)
        unknown = sorted(set(site or ()) - set(library.sites))
        if unknown:
            stop(f"no unit is called {unknown[0]}; known: {', '.join(library.sites)}", WRONG)
        later = Clocks.of(None, last, library.network.today).today
        earlier = first or later - dt.timedelta(days=library.network.quality.compared_days)
        if earlier >= later:
            stop(f"--from {earlier}: is not before --to {later}", WRONG)
        _print(compare_days(library, earlier, later, wait), site, GROUPS[by], has_ids, output_format)


def _print(
    compared: Compared, sites: list[str] | None, group: tuple[str, ...], has_ids: bool, output_format: str
) -> None:
    import polars as pl

    from orchestration.comparing import change_lines
    from orchestration.tables import print_table

    is_wanted = pl.col("site_id").is_in(sites) if sites else pl.lit(True)
    rows = compared.changes.filter(is_wanted)
    if has_ids:
        frame = compared.items.filter(is_wanted).rename({"site_id": "unit"})
    else:
        frame = rows.group_by(group).agg(pl.col(*COUNTS).sum()).sort(group).rename({"site_id": "unit"})
        frame = frame.rename({name: name.removeprefix("n_") for name in COUNTS})
    if output_format == "csv":
        sys.stdout.write(frame.write_csv())
    elif output_format == "json":
        sys.stdout.write(frame.write_json() + "\n")
    else:
        for line in change_lines(rows.to_dicts(), compared.earlier, set(compared.first) & set(sites or compared.first)):
            print(line)
        print()
        print_table(frame.columns, frame.iter_rows())
