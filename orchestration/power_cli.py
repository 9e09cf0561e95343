"""`concord power`: how many patients the next trial needs.

What belongs here: options and printing. What does not: the simulation (`power`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Annotated

import typer

from orchestration.exits import WRONG, stop
from orchestration.network_option import HERE, NetworkOption
from orchestration.tables import print_table


def power(
    patients: Annotated[list[int], typer.Option(help="Patients in all arms; give it several times for a curve.")],
    effect: Annotated[
        float | None, typer.Option(help="Difference in slope between the arms, per month. With --like: its own.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Take level, slope and variances from ANALYSIS/OUTCOME/MODEL of this network.")
    ] = None,
    sd_intercept: Annotated[float, typer.Option(help="SD of patients' levels.")] = 1.0,
    sd_slope: Annotated[float, typer.Option(help="SD of patients' slopes, per month.")] = 0.02,
    correlation: Annotated[float, typer.Option(help="Of levels and slopes.")] = -0.2,
    sd_residual: Annotated[float, typer.Option(help="SD of one assessment around the patient's line.")] = 0.74,
    months: Annotated[str, typer.Option(help="Months of the visits, with commas.")] = "0,3,6,9,12,18",
    kept: Annotated[float, typer.Option(help="Chance that a visit takes place.")] = 0.85,
    share: Annotated[float, typer.Option(help="Share of the patients in the second arm.")] = 0.5,
    alpha: Annotated[float, typer.Option(help="Two-sided level of the test.")] = 0.05,
    simulations: Annotated[int, typer.Option(help="Trials drawn for each number of patients.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 20201,
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    network: NetworkOption = HERE,
) -> None:
    """Power of arm × time by simulation: random intercept and slope, REML, Satterthwaite's degrees of freedom.

    Example: concord power --patients 80 --patients 120 --effect 0.03 --months 0,6,12,18. The limits beside each power
    are those of the simulation; four times as many simulations halve them.
    """
    from codebook.network import NetworkFolder
    from orchestration.power import PowerError, simulate, truth_like
    from orchestration.progress import counted
    from simulation.growth import Truth, Visits

    if output_format not in {"table", "json"}:
        stop(f"--format {output_format}: choose table or json", WRONG)
    try:
        when = tuple(sorted({float(month) for month in months.split(",")}))
    except ValueError:
        stop(f"--months {months}: write months as numbers with commas, as in 0,6,12", WRONG)
    visits = Visits(when, None, kept, 1.0, 0.0, 0.0)
    try:
        if like is not None:
            truth = truth_like(NetworkFolder(network).warehouse, like, effect)
        elif effect is None:
            stop("say --effect, the difference in slope per month that the trial should find, or --like a model", WRONG)
        else:
            truth = replace(
                Truth(), group_slope=effect, sd_intercept=sd_intercept, sd_slope=sd_slope, correlation=correlation,
                sd_residual=sd_residual,
            )  # fmt: skip
        found = []
        for size in patients:
            with counted(f"{size} patients", simulations) as tell:
                found.append(
                    simulate(
                        truth, visits, size, simulations=simulations, alpha=alpha, group_share=share, seed=seed,
                        on_progress=tell,
                    )
                )  # fmt: skip
    except PowerError as problem:
        stop(str(problem), WRONG)
    if output_format == "json":
        rows = [asdict(one) | {"power": one.power} for one in found]
        design = {"truth": asdict(truth), "months": when, "kept": kept, "alpha": alpha, "seed": seed}
        print(json.dumps(design | {"power": rows}, indent=1))
        return
    columns = ("patients", "power", "95 % limits", "p below alpha", "singular", "mean estimate", "mean SE")
    print_table(
        columns,
        [
            [
                one.patients,
                f"{100 * (one.power or 0):.1f} %",
                f"{100 * one.low:.1f} to {100 * one.high:.1f}",
                f"{one.n_significant} of {one.n_fitted}",
                f"{one.n_singular} of {one.n_fitted}",
                f"{one.mean_estimate:.5f}",
                f"{one.mean_std_error:.5f}",
            ]
            for one in found
        ],
    )
    print(
        f"\nSlope difference {truth.group_slope:g} per month, visits at months {', '.join(f'{m:g}' for m in when)}, "
        f"{100 * kept:g} % of them kept; REML, Satterthwaite, two-sided alpha {alpha:g}, "
        f"{simulations} simulations each, seed {seed}."
    )
