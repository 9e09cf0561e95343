"""A run as a command: progress while it goes on, what it came to, and the exit code.

What belongs here: what 'concord run' and 'concord rework' say. What does not: the run (`orchestration.run`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from orchestration.exits import errors

if TYPE_CHECKING:
    from orchestration.run import Wanted


def run_and_say(network: Path, wanted: Wanted) -> NoReturn:
    """Run, tell, and leave with the run's exit code."""
    from rich.console import Console

    from codebook.network import NetworkFolder
    from orchestration.progress import Progress
    from orchestration.run import run_network
    from orchestration.summary import summary_lines

    console = Console(highlight=False)
    with errors():
        result = run_network(network, Progress(console), wanted)
        root = network / "asof" / wanted.as_of.isoformat() if wanted.as_of else network
        target = NetworkFolder(root)
        console.print()
        for line in summary_lines(result, target.warehouse, target.published):
            console.print(line, soft_wrap=True)
    for problem in result.problems:
        typer.echo(problem, err=True)
    raise typer.Exit(result.exit_code)
