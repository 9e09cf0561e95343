"""How a command ends: exit codes and the one sentence on stderr.

What belongs here: what every command shares of it. What does not: which error is which (each command's module).
"""

from __future__ import annotations

from typing import NoReturn

import typer

FAILED, WRONG = 1, 2


def stop(message: str, code: int) -> NoReturn:
    """Say one sentence on stderr and leave with `code`."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
