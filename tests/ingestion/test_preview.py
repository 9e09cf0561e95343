"""A look at a delivery: says what would come of it, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_network import FORMS, PATIENTS, SITE, TinyNetwork
from typer.testing import CliRunner

from assets.ingestion.landing import LandingError
from assets.ingestion.preview import preview
from codebook.library import load_library
from orchestration.cli import app

PEOPLE = PATIENTS + "4711;Testperson Eén;K;1980;01.02.2013;;fine\n4712;Testperson Zwo;M;1985;01.03.2013;;\n"
ROWS = "4711;WSAS;3;01.05.2013;1;2;3;4;5\n4712;WSAS;3;02.06.2013;11;0;1;2;\n;WSAS;3;02.06.2013;1;1;1;1;1\n"


def look(network: TinyNetwork, delivery: str | None = None):
    library = load_library(network.root)
    return preview(library, library.sites["unit"], network.pseudonyms, delivery)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_it_says_what_taking_the_delivery_then_does(tiny: TinyNetwork) -> None:
    tiny.deliver("2014-01-01", patients=PEOPLE, forms=FORMS + ROWS)
    before = contents(tiny.root)
    seen = look(tiny)
    assert contents(tiny.root) == before
    (staged,) = tiny.take()
    receipt = staged.receipt
    counts = (receipt.n_rows_landed, receipt.n_rows_accepted, receipt.n_rows_quarantined)
    assert (seen.n_landed, seen.n_accepted, seen.n_quarantined) == counts == (5, 4, 1)
    assert (
        sorted(finding.rule for finding in seen.findings) == tiny.rules() == ["row-identity-missing", "wsas-range-01"]
    )
    (form,) = seen.forms
    assert (form.instrument, form.occasion, form.n_assessments, form.n_answered, form.n_items) == (
        "wsas",
        "m03",
        2,
        8,
        10,
    )
    assert not seen.would_be_held


def test_unmapped_and_dropped_columns_are_named(tiny: TinyNetwork) -> None:
    tiny.deliver(
        "2014-01-01", patients=PEOPLE.replace("note\n", "note;extra\n", 1).replace("fine", "fine;x"), forms=FORMS
    )
    seen = look(tiny)
    assert seen.dropped == ("name",)
    assert seen.unmapped == ("patients.csv: extra",)
    assert ("forms", "date", "assessments wsas.date") in seen.mapped


def test_an_old_delivery_is_seen_through_its_own_mapping(make_network: Callable[..., TinyNetwork]) -> None:
    first = SITE.format(mode="snapshot")
    mapping = first[first.index("  - from_delivery") :]
    later = mapping.replace("2013-01-01", "2014-06-01").replace('"3": m03', '"three": m03')
    tiny = make_network(site=first + later)
    tiny.deliver("2014-01-01", patients=PEOPLE, forms=FORMS + ROWS)
    tiny.deliver("2014-07-01", patients=PEOPLE, forms=FORMS + ROWS.replace(";3;", ";three;"))
    assert [form.occasion for form in look(tiny, "2014-01-01").forms] == ["m03"]
    assert [form.occasion for form in look(tiny).forms] == ["m03"]
    with pytest.raises(LandingError, match="holds no delivery '2020-01-01'"):
        look(tiny, "2020-01-01")


def test_the_command_shows_no_person_and_ends_with_3_where_the_gate_would_hold(tiny: TinyNetwork) -> None:
    many = "".join(f";WSAS;3;01.05.2013;{n % 9};2;3;4;5\n" for n in range(25))
    tiny.deliver("2014-01-01", patients=PEOPLE, forms=FORMS + ROWS + many)
    done = CliRunner().invoke(app, ["site", "preview", "unit", "--network", str(tiny.root)])
    assert done.exit_code == 3
    assert "would be HELD" in done.output
    assert "Nothing was written." in done.output
    for told in ("Testperson", "4711", "4712"):
        assert told not in done.output


def test_a_unit_without_a_sample_is_told_where_to_lay_it(tiny: TinyNetwork) -> None:
    done = CliRunner().invoke(app, ["site", "preview", "unit", "--network", str(tiny.root)])
    assert done.exit_code == 1
    assert "landing/unit/<date>/" in done.output
