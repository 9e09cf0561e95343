"""The option that every command about a network takes.

What belongs here: how a command is told its folder. What does not: reading what lies in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NetworkOption = Annotated[
    Path, typer.Option("--network", "-n", envvar="CONCORD_NETWORK", help="Folder of the network.", show_default=True)
]
HERE = Path()
"""Where no network is named: the folder in which the command was given."""
