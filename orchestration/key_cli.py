"""`concord key`: making the pseudonym key of a new network, and changing it.

What belongs here: arguments, help, words on the screen. What does not: what a new key changes
(`assets.ingestion.rotation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from orchestration.exits import FAILED, WRONG, stop
from orchestration.network_option import HERE, NetworkOption

key_app = typer.Typer(
    help="The pseudonym key: alone, makes the key of a new network (never over an old one); 'rotate' changes it.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@contextmanager
def _errors() -> Iterator[None]:
    from assets.ingestion.rotation import RotationError
    from assets.lock import FolderBusyError
    from checks.identity import IdentityError
    from checks.keys import KeyFileError
    from codebook.declaration import DeclarationError

    try:
        yield
    except (DeclarationError, KeyFileError, IdentityError) as error:
        stop(str(error), WRONG)
    except (RotationError, FolderBusyError) as error:
        stop(str(error), FAILED)


@key_app.callback(invoke_without_command=True)
def make(context: typer.Context, network: NetworkOption = HERE) -> None:
    """Make the pseudonym key of a new network (never over an old one)."""
    if context.invoked_subcommand is not None:
        return
    from checks.keys import write_key
    from codebook.library import load_library

    with _errors():
        path = network / load_library(network).network.privacy.key_file
    try:
        write_key(path)
    except FileExistsError:
        stop(f"{path}: there is a key already; another one would change every id ('concord key rotate' does)", WRONG)
    typer.echo(f"{path} written, mode 0600. Keep a copy in a safe: without it no id can be made again.")


@key_app.command()
def rotate(
    context: typer.Context,
    network: Annotated[
        Path | None, typer.Option("--network", "-n", envvar="CONCORD_NETWORK", help="Folder of the network.")
    ] = None,
) -> None:
    """Make a new key and every id anew with it: lake, state and answers. The old key is kept beside, retired.

    landing/ has to hold every delivery that was taken. A rotation that was cut is finished or undone first.
    """
    from assets.ingestion import rotation
    from assets.lock import folder_lock
    from codebook.library import load_library

    root = network or (context.parent.params["network"] if context.parent else HERE)
    with _errors():
        library = load_library(root)
        key = library.folder.root / library.network.privacy.key_file
        with folder_lock(library.folder.root, is_exclusive=True):
            left = rotation.finish(library.folder.root, key)
            if left is not None:
                typer.echo(f"{left[0].upper()}{left[1:]}. Type the command again to change the key once more.")
                return
            done = rotation.rotate(library, key)
    typer.echo(
        f"{done.n_ids} ids in {done.n_deliveries} deliveries made anew. The old key is {done.retired.name}: keep it in "
        "the safe, and nowhere else, for as long as old exports have to be understood."
    )
    if done.n_lost:
        typer.echo(f"{done.n_lost} ids in state/ or answers/ are of nothing that is known; they were left.")
    typer.echo(f"Next: concord run --network {root}")
