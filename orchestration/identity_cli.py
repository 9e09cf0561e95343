"""`concord identity`: who is whom. Merging two records of one person, splitting one record of two, and taking it back.

What belongs here: arguments, help, words on the screen. What does not: what may be merged (`checks.identity`), and how
tables follow (SQL).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.exits import FAILED, WRONG, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    from checks.identity import IdentityEvent
    from codebook.library import Library

identity_app = typer.Typer(
    help="Who is whom: 'merge' two patients who are one, 'split' courses off a patient who is two, 'undo', 'list'.\n\n"
    "Ids are those of the warehouse. Nothing is lost: every word stands in state/identity.jsonl with who, when and "
    "why, and an undo followed by a run gives the tables as they were.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ReasonOption = Annotated[str, typer.Option(help="Why, without names and numbers of people.")]
ByOption = Annotated[str, typer.Option(help="Who says so.")]
NEXT = "The tables follow with the next 'concord run'."


@contextmanager
def _errors() -> Iterator[None]:
    from assets.lock import FolderBusyError
    from checks.identity import IdentityError
    from checks.keys import KeyFileError
    from codebook.declaration import DeclarationError

    try:
        yield
    except (DeclarationError, KeyFileError, IdentityError) as error:
        stop(str(error), WRONG)
    except FolderBusyError as error:
        stop(str(error), FAILED)


@identity_app.command()
def merge(
    stays: Annotated[str, typer.Argument(metavar="ID_A", help="The patient who stays (p…).")],
    gone: Annotated[str, typer.Argument(metavar="ID_B", help="The patient who is the same person (p…).")],
    reason: ReasonOption,
    by: ByOption,
    network: NetworkOption = HERE,
) -> None:
    """Declare that two patients are one person; everything of ID_B becomes ID_A's."""
    from assets.ingestion.people import patients_of
    from checks.identity import merge as declare
    from checks.identity import read_identities

    def event(library: Library) -> IdentityEvent:
        folder = library.folder
        return declare(read_identities(folder.state), stays, gone, set(patients_of(folder.lake)))

    with _errors():
        number = _declare(network, event, reason, by)
    typer.echo(f"Event {number}: {gone} is {stays}. {NEXT}")


@identity_app.command()
def split(
    episodes: Annotated[list[str], typer.Argument(metavar="EPISODE_ID...", help="Courses of one patient (e…).")],
    reason: ReasonOption,
    by: ByOption,
    network: NetworkOption = HERE,
) -> None:
    """Declare that courses of a patient are another person's; they get a patient of their own."""
    from assets.ingestion.people import owners_of
    from checks.identity import read_identities, split_patient
    from checks.identity import split as declare

    made: list[str | None] = []

    def event(library: Library) -> IdentityEvent:
        declared = declare(read_identities(library.folder.state), episodes, owners_of(library.folder.lake))
        made.append(split_patient(declared))
        return declared

    with _errors():
        number = _declare(network, event, reason, by)
    typer.echo(f"Event {number}: {', '.join(sorted(set(episodes)))} now of {made[0]}. {NEXT}")


@identity_app.command()
def undo(
    number: Annotated[int, typer.Argument(metavar="N", help="Number of a merge or split, as 'list' shows it.")],
    reason: ReasonOption,
    by: ByOption,
    network: NetworkOption = HERE,
) -> None:
    """Take a merge or a split back; after the next run the tables are as if it had never been."""
    from checks.identity import read_identities
    from checks.identity import undo as declare

    with _errors():
        done = _declare(network, lambda library: declare(read_identities(library.folder.state), number), reason, by)
    typer.echo(f"Event {done}: event {number} is undone. {NEXT}")


@identity_app.command(name="list")
def list_events(network: NetworkOption = HERE) -> None:
    """Every merge, split and undo, oldest first."""
    from checks.identity import read_identities
    from codebook.library import load_library

    with _errors():
        known = read_identities(load_library(network).folder.state)
    for event in known.events:
        typer.echo(event_sentence(event, is_active=event in known.active))
    if not known.events:
        typer.echo("Nobody was merged and nothing was split.")


def event_sentence(event: IdentityEvent, is_active: bool) -> str:
    """One event in words: number, day, who, what, why."""
    from checks.identity import split_patient

    if event.action == "merge":
        what = f"{event.ids[1]} is {event.ids[0]}"
    elif event.action == "split":
        what = f"{', '.join(event.ids)} of {split_patient(event)}"
    else:
        what = f"event {event.undoes} undone"
    mark = "" if is_active or event.action == "undo" else " [undone]"
    return f"{event.number}  {event.at:%Y-%m-%d %H:%M} UTC  {event.by}  {event.action}: {what}  ({event.reason}){mark}"


def _declare(network: Path, event: Callable[[Library], IdentityEvent], reason: str, by: str) -> int:
    """Write the event that `event(library)` gives, under the folder's lock; returns its number."""
    import datetime as dt
    from dataclasses import replace

    from assets.lock import folder_lock
    from checks.identity import IdentityError, append_event
    from checks.leaks import scanner_for
    from codebook.library import load_library

    library = load_library(network)
    if not reason.strip() or not by.strip():
        raise IdentityError("--reason and --by may not be blank: a merge without a reason cannot be judged later")
    if scanner_for([], as_of=dt.date.today()).leaks(reason):
        raise IdentityError("--reason holds a number or an address of a person; say it without")
    with folder_lock(library.folder.root, is_exclusive=True):
        declared = replace(event(library), reason=reason.strip(), by=by.strip())
        append_event(library.folder.state, declared)
    return declared.number
