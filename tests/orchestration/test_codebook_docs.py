"""The pages about instruments are generated: a stale one fails; and what they leave out nobody would miss."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.publishing.codebook.docs import GENERATED, INDEX, UNVERIFIED, pages, stale, write
from codebook.cases import load_cases
from codebook.facts import statements
from codebook.library import load_instruments
from orchestration.cli import app

INSTRUMENTS = load_instruments()
CASES = load_cases()
PAGES = pages(INSTRUMENTS, CASES)


def test_the_pages_are_up_to_date() -> None:
    done = CliRunner().invoke(app, ["codebook", "docs", "--check"])
    assert done.exit_code == 0, f"run: concord codebook docs\n{done.stderr}"


def test_every_page_says_that_it_is_generated() -> None:
    assert set(PAGES) == {Path("instruments") / f"{key}.md" for key in INSTRUMENTS} | {INDEX, UNVERIFIED}
    assert all(text.startswith(f"{GENERATED}\n# ") for text in PAGES.values())


@pytest.mark.parametrize("key", INSTRUMENTS)
def test_a_page_has_every_scale_case_and_source(key: str) -> None:
    page = PAGES[Path("instruments") / f"{key}.md"]
    for scale in INSTRUMENTS[key].scales:
        assert f"(`{scale.key}`)" in page
    for case in CASES[key]:
        assert f"| `{case.id}` |" in page
    assert page.count("| unverified") == sum(one.status == "unverified" for one in statements(INSTRUMENTS[key]))


def test_everything_open_stands_on_one_page() -> None:
    wanted = sum(one.status == "unverified" for i in INSTRUMENTS.values() for one in statements(i))
    wanted += sum(len(instrument.conflicts) for instrument in INSTRUMENTS.values())
    assert wanted > 50
    assert PAGES[UNVERIFIED].count("\n- [ ] ") == wanted
    assert PAGES[UNVERIFIED].count("*Look up:*") + PAGES[UNVERIFIED].count("**Sources disagree.**") == wanted


def test_a_changed_a_missing_and_a_left_over_page_are_told_and_mended(tmp_path: Path) -> None:
    assert len(write(tmp_path, PAGES)) == len(PAGES)
    assert stale(tmp_path, PAGES) == []
    (tmp_path / "instruments" / "gaf.md").write_text("by hand")
    (tmp_path / "instruments" / "wsas.md").unlink()
    (tmp_path / "instruments" / "gone.md").write_text("of an instrument that was removed")
    assert sorted(stale(tmp_path, PAGES)) == [
        "docs/instruments/gaf.md is stale",
        "docs/instruments/gone.md has no instrument",
        "docs/instruments/wsas.md is missing",
    ]
    assert {path.name for path in write(tmp_path, PAGES)} == {"gaf.md", "gone.md", "wsas.md"}
    assert stale(tmp_path, PAGES) == []
