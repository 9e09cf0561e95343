"""Rows that are held back late send only their own patients through again; the tables are as if all had gone."""

from __future__ import annotations

import random
from collections.abc import Callable

import polars as pl
import pytest
from tiny_network import FORMS, PATIENTS, SITE, TinyNetwork

from assets.ingestion import mapping
from assets.ingestion.assembly import Settled
from assets.ingestion.context import KNOWN_EPISODE_COLUMNS, Context
from assets.ingestion.landing import deliveries_of
from assets.ingestion.mapping import MappedDelivery, map_delivery
from assets.ingestion.rows import IdentifiedSource
from assets.ingestion.source import land
from codebook.library import load_library


def mapped(tiny: TinyNetwork, delivery: str) -> MappedDelivery:
    library = load_library(tiny.root)
    site = library.sites["unit"]
    (one,) = [found for found in deliveries_of(library.folder.landing, "unit") if found.name == delivery]
    declared = site.mapping_for(delivery)
    known = pl.DataFrame(schema=KNOWN_EPISODE_COLUMNS)
    return map_delivery(
        land(site, declared, one, library), Context(library, site, declared, tiny.pseudonyms, one.date, known)
    )


def texts(seed: int) -> dict[str, str]:
    """Patients, some twice, some with two courses; forms without a time, of strangers, and twice for one visit."""
    dice = random.Random(seed)
    numbers = [str(n) for n in range(1, 13)]
    patients, forms = [], []
    for number in numbers[:10]:
        for _ in range(dice.choice([1, 1, 1, 2])):
            admitted = dice.choice(["01.02.2010", "05.03.2011", "x", ""])
            patients.append(f"{number};N{number};{dice.choice('KMX')};{dice.choice(['1970', '?'])};{admitted};;")
    for _ in range(60):
        visit, date = dice.choice(["3", "S", "X", "", "Z"]), dice.choice(["04.05.2010", "07.06.2011", "", "soon"])
        answers = ";".join(dice.choice(["1", "2", "8", "9", "999", "a", ""]) for _ in range(5))
        forms.append(f"{dice.choice(numbers)};{dice.choice(['WSAS', 'WSAS', 'other'])};{visit};{date};{answers}")
    return {"patients": PATIENTS + "\n".join(patients) + "\n", "forms": FORMS + "\n".join(forms) + "\n"}


def everyone(rejected: pl.DataFrame, sources: list[IdentifiedSource]) -> pl.Series:
    return pl.concat([source.frame["patient_id"] for source in sources]).drop_nulls().unique()


KEYLESS = SITE.replace("        key: [nr, visit, form]\n", "")
BY_SOURCE_KEY = KEYLESS.replace("date: date,", "date: date, source_key: q5,")


@pytest.mark.parametrize("site", [SITE, KEYLESS, BY_SOURCE_KEY])
def test_settling_again_for_the_touched_is_settling_again_for_all(
    make_network: Callable[..., TinyNetwork], monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    tiny = make_network(site=site.format(mode="snapshot"))
    settle, passes = mapping._settle, list[int]()

    def counted(sources: list[IdentifiedSource], rejected: pl.DataFrame, context: Context) -> Settled:
        passes.append(1)
        return settle(sources, rejected, context)

    monkeypatch.setattr(mapping, "_settle", counted)
    for seed in range(12):
        delivery = f"2013-02-{seed + 1:02d}"
        tiny.deliver(delivery, **texts(seed))
        few = mapped(tiny, delivery)
        with monkeypatch.context() as patched:
            patched.setattr(mapping, "_patients_of", everyone)
            every = mapped(tiny, delivery)
        for name, table in every.tables.items():
            assert few.tables[name].equals(table), (seed, name)
        assert (few.n_quarantined, few.n_rows_unused) == (every.n_quarantined, every.n_rows_unused)
    assert len(passes) > 2 * 12, "no rows were held back late"
