"""One instrument version as a form: its fields and what each may hold, whatever system the form is for.

What belongs here: the shape of a form, and the shape that the codebook declares.
What does not: any system's file (`redcap`, `fhir`), scores, or wording (item numbers stand in its place).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from codebook.facts import valid_codes, version_items
from codebook.instrument import Instrument, Version

MOST_CHOICES = 11
"""Up to this many answer codes are offered as choices; more are typed as a number."""


@dataclass(frozen=True)
class FormItem:
    """One item of a form: its field and the answers that the form accepts; None is not said by the form.

    `codes`: the choices offered, ascending, missing codes left out; empty where a number is typed.
    `step`: smallest difference between two answers that the form accepts. `missing`: code → what it means.
    """

    item: int
    field: str
    minimum: float | None
    maximum: float | None
    step: float | None
    codes: tuple[float, ...]
    missing: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Form:
    """One form: `name` and `date_field` are field names, `raters` those it lets a user choose from."""

    name: str
    items: tuple[FormItem, ...]
    other_fields: tuple[str, ...] = ()


def form_name(instrument: Instrument, version: Version) -> str:
    """The instrument's key; the version's where there is more than one."""
    return instrument.key if len(instrument.versions) == 1 else version.key


def field_name(form: str, item: int) -> str:
    """`wai_sr_07`"""
    return f"{form}_{item:02d}"


def declared_form(instrument: Instrument, version: Version) -> Form:
    """The form that the codebook declares for one version; without items where nobody has published them."""
    name = form_name(instrument, version)
    others = (f"{name}_date", *([f"{name}_rater"] if len(instrument.raters) > 1 else []))
    missing = tuple((float(code.code), code.label) for code in instrument.missing_codes)
    items: list[FormItem] = []
    for item in version_items(instrument, version):
        minimum, maximum = version.item_range(item)
        count = (maximum - minimum) / version.step + 1
        codes = valid_codes(instrument, version, item) if count <= MOST_CHOICES and version.step == 1 else ()
        items.append(
            FormItem(item, field_name(name, item), float(minimum), float(maximum), version.step, codes, missing)
        )
    return Form(name, tuple(items), others)


def editions(instruments: Iterable[Instrument]) -> Iterator[tuple[Instrument, Version]]:
    """Every version of every instrument whose items are known: what a form can be made of."""
    for instrument in instruments:
        for version in instrument.versions if instrument.n_items else ():
            yield instrument, version


def without_items(instruments: Mapping[str, Instrument]) -> tuple[str, ...]:
    """Keys of instruments of which no form can be made."""
    return tuple(key for key, instrument in instruments.items() if not instrument.n_items)


def item_label(instrument: Instrument, item: int) -> str:
    """`Item 7`, with the neutral name of an item that is no question; never wording."""
    label = instrument.item_labels.get(item)
    return f"Item {item}: {label}" if label else f"Item {item}"
