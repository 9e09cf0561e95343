"""How a command ends: exit codes and the one sentence on stderr.

What belongs here: what the commands share of it. What does not: errors that one command alone knows (its own module).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

FAILED, WRONG, HELD = 1, 2, 3


def stop(message: str, code: int) -> NoReturn:
    """Say one sentence on stderr and leave with `code`."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


@contextmanager
def errors() -> Iterator[None]:
    """Every expected error becomes one sentence on stderr and its exit code; so does a full disk."""
    from assets.ingestion.clock import ClockError
    from assets.ingestion.landing import LandingError
    from assets.lock import FolderBusyError
    from assets.warehouse.ledgers import LedgerError
    from checks.keys import KeyFileError
    from codebook.declaration import DeclarationError
    from orchestration.run import UnknownSiteError
    from orchestration.trouble import sentence_for
    from orchestration.warehouse_reader import NoWarehouseError, QueryError

    try:
        yield
    except typer.Exit:
        raise
    except (DeclarationError, KeyFileError, UnknownSiteError) as error:
        stop(str(error), WRONG)
    except (LandingError, FolderBusyError, ClockError, LedgerError, NoWarehouseError, QueryError) as error:
        stop(str(error), FAILED)
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        stop(sentence, FAILED)
