"""`concord site`: connecting a unit: a proposal from a sample, and a look at what would be taken and held back.

What belongs here: arguments, help, words on the screen. What does not: any reading or mapping (`assets.ingestion`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from orchestration.exits import FAILED, HELD, WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

site_app = typer.Typer(
    help="Connecting a unit: 'draft' proposes its declaration from a sample, 'preview' shows what would come of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@contextmanager
def _errors() -> Iterator[None]:
    """Every expected error becomes one sentence on stderr and its exit code."""
    from assets.ingestion.readers.protocol import ReadError
    from assets.ingestion.source import DeliveryError

    with errors():
        try:
            yield
        except (ReadError, DeliveryError) as error:
            stop(str(error), FAILED)


@site_app.command()
def draft(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sample of the unit's export, in any known format.")],
    network: NetworkOption = HERE,
    site: Annotated[str, typer.Option(help="Key of the new unit, like north; its file is sites/KEY.yaml.")] = "unit",
    sheet: Annotated[str | None, typer.Option(help="Sheet, table or form inside the file.")] = None,
    from_delivery: Annotated[str, typer.Option(help="First delivery that the mapping is for.")] = "2000-01-01",
    write: Annotated[bool, typer.Option("--write", help="Write sites/KEY.yaml (never over an old one).")] = False,
) -> None:
    """Propose a unit's declaration from a sample: format, identity, questionnaires, codes, and what to check.

    Columns are compared with the codebook by name, numbering and range. Nothing is decided: read every line, correct
    it, then see 'concord site preview'. Without --write the proposal goes to the screen, to be sent to a file.
    """
    from assets.ingestion.draft.proposal import draft_site
    from codebook.library import load_instruments, load_library

    with _errors():
        has_network = (network / "network.yaml").is_file()
        library = load_library(network) if has_network else None
        schedules = library.schedules if library else {}
        name = (library.network.default_schedule if library else None) or next(iter(schedules), None)
        proposed = draft_site(
            file,
            site,
            library.instruments if library else load_instruments(),
            schedules.get(name) if name else None,
            sheet,
            from_delivery,
        )
    if not write:
        typer.echo(proposed.text, nl=False)
        return
    if library is None:
        stop(f"{network}: not a network folder; leave out --write, or name one with --network", WRONG)
    target = library.folder.sites / f"{site}.yaml"
    try:
        with target.open("x", encoding="utf-8") as handle:
            handle.write(proposed.text)
    except FileExistsError:
        stop(f"{target}: is there already; name another unit with --site, or remove it first", WRONG)
    forms = ", ".join(dict.fromkeys(form.instrument for form in proposed.forms)) or "no questionnaire"
    typer.echo(
        f"{target} written: {proposed.n_mapped} of {proposed.n_columns} columns placed, {forms}. "
        f"Read it, lay the sample into landing/{site}/<date>/, then: concord site preview {site}"
    )


@site_app.command()
def preview(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Key of the unit.")],
    network: NetworkOption = HERE,
    delivery: Annotated[str | None, typer.Option(help="Which delivery of landing/SITE/ (default: the newest).")] = None,
) -> None:
    """Show what would come of a delivery: what maps, what does not, the first rows under pseudonyms, the findings.

    Nothing is written. Exit code 3 where the gate would hold the delivery back.
    """
    from assets.ingestion.preview import preview as look
    from checks.keys import load_key
    from codebook.library import load_library
    from orchestration.site_view import print_preview

    with _errors():
        library = load_library(network)
        if site not in library.sites:
            stop(f"no unit is called {site}; known: {', '.join(library.sites)}", WRONG)
        key = load_key(network / library.network.privacy.key_file)
        found = look(library, library.sites[site], key, delivery)
    print_preview(found)
    inside = [unit.site for unit in library.sites[site].units()[1:]]
    if inside:
        typer.echo(
            f"These are the rows of nobody; its {len(inside)} units are looked at one by one: {', '.join(inside)}."
        )
    raise typer.Exit(HELD if found.would_be_held else 0)
