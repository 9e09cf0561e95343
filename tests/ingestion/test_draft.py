"""A proposal from a sample: what is recognised is right, what is not is said, and the YAML validates."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from assets.ingestion.draft.proposal import Draft, draft_site
from assets.ingestion.draft.sniff import sniff
from assets.ingestion.readers.protocol import ReadError
from codebook.library import load_instruments
from codebook.schedule import Schedule
from codebook.site import Site
from codebook.site_checks import Known, check_site

INSTRUMENTS = load_instruments()


def synthetic_numbers(n: int) -> list[str]:
    """Norwegian numbers with right check digits and a month raised by 80, as nobody has."""
    numbers = []
    for individual in range(100, 1000):
        first = [int(digit) for digit in f"018180{individual}"]
        k1 = 11 - sum(w * d for w, d in zip((3, 7, 6, 1, 8, 9, 4, 5, 2), first, strict=True)) % 11
        k2 = 11 - sum(w * d for w, d in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), [*first, k1 % 11], strict=True)) % 11
        if k1 != 10 and k2 != 10:
            numbers.append("".join(map(str, [*first, k1 % 11, k2 % 11])))
    return numbers[:n]


NUMBERS = synthetic_numbers(8)
SCHEDULE = Schedule.model_validate(
    {
        "name": "plan",
        "title": "Plan",
        "valid_from": "2010-01-01",
        "occasions": [
            {"key": "start", "label": "Start", "anchor": "treatment_start", "before_days": 9, "after_days": 9,
             "due": [{"instrument": "wsas"}]},
            {"key": "half_year", "label": "Half a year", "anchor": "treatment_start", "months": 6, "before_days": 9,
             "after_days": 9, "due": [{"instrument": "wsas"}]},
        ],
    }
)  # fmt: skip


def draft(path: Path, schedule: Schedule | None = None) -> tuple[Draft, Site]:
    proposed = draft_site(path, "unit", INSTRUMENTS, schedule)
    return proposed, Site.model_validate(yaml.safe_load(proposed.text))


def forms_of(site: Site) -> dict[str, str | dict[int, str] | None]:
    return {form.instrument: form.items for form in site.mappings[0].sources[0].assessments}


@pytest.fixture
def norwegian(tmp_path: Path) -> Path:
    """Semicolons, decimal commas, cp1252, a title row, Norwegian names, items of two forms."""
    lines = ["Uttrekk fra journal", "PasientNr;Fødselsnummer;Navn;Kjønn;Innskrevet;Tidspunkt;Dato;Vekt;"
             + ";".join([f"WSAS{n}" for n in range(1, 6)] + [f"bsi_{n:02d}" for n in range(1, 19)])]  # fmt: skip
    for patient in range(1, 9):
        for number, visit in enumerate(("Start", "6 mnd", "Avslutning")):
            items = [str((patient * n + number) % 9) for n in range(5)] + [str((patient + n) % 5) for n in range(18)]
            if patient == 3:
                items[7] = "99"
            head = (
                f"{1000 + patient};{NUMBERS[patient - 1]};Testperson {patient};{'KM'[patient % 2]};01.02.2015;{visit}"
            )
            lines.append(f"{head};1{number}.03.2015;7{patient},5;{';'.join(items)}")
    path = tmp_path / "uttrekk_20150401.csv"
    path.write_bytes("\r\n".join(lines).encode("cp1252"))
    return path


def test_a_norwegian_export_is_understood(norwegian: Path) -> None:
    proposed, site = draft(norwegian, SCHEDULE)
    assert site.format.model_dump() == {
        "reader": "delimited", "encoding": "cp1252", "delimiter": ";", "decimal": ",", "quote": '"', "title_rows": 1,
    }  # fmt: skip
    (mapping,) = site.mappings
    (source,) = mapping.sources
    assert mapping.date_format == "%d.%m.%Y"
    assert mapping.missing_codes == {"99": "no answer"}
    assert source.file == "uttrekk_*.csv"
    assert source.identity.columns == ("Fødselsnummer",)
    assert (source.identity.scope, source.identity.number) == ("network", "norwegian")
    assert source.local_ref == "PasientNr"
    assert source.key == ("Fødselsnummer", "Tidspunkt")
    assert source.identifiers == ("Navn",)
    assert source.patient is not None
    assert source.patient.sex is not None
    assert source.patient.sex.codes == {"K": "female", "M": "male"}
    assert source.episode is not None
    assert source.episode.admission_date == "Innskrevet"
    assert forms_of(site) == {"wsas": "WSAS{n}", "bsi_18": "bsi_{n:02d}"}
    for form in source.assessments:
        assert form.date == "Dato"
        assert form.occasion is not None
        assert form.occasion.codes == {"6 mnd": "half_year", "Avslutning": "discharge", "Start": "start"}
    assert "Vekt" in proposed.text.split("site: unit")[0]


def test_nothing_of_a_person_stands_in_a_proposal(norwegian: Path) -> None:
    proposed, _ = draft(norwegian)
    assert "Testperson" not in proposed.text
    assert not any(number in proposed.text for number in NUMBERS)


def test_a_form_per_ending_becomes_suffixes(tmp_path: Path) -> None:
    columns = [f"wai_{n}_{visit}" for visit in ("m03", "m06") for n in range(1, 13)]
    rows = [[str((row + n) % 7 + 1) for n in range(24)] for row in range(10)]
    text = "\n".join([",".join(["id", *columns]), *(f"p{n},{','.join(row)}" for n, row in enumerate(rows))])
    path = tmp_path / "wide.csv"
    path.write_text(text)
    _, site = draft(path)
    (form,) = site.mappings[0].sources[0].assessments
    assert form.items == "wai_{n}_{suffix}"
    assert {suffix: meaning.months for suffix, meaning in form.suffixes.items()} == {"m03": 3.0, "m06": 6.0}


def test_a_file_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(ReadError, match="no reader knows"):
        sniff(path)


def test_the_trials_are_understood(shared: Path) -> None:
    _, btheb = draft(shared / "samples" / "trials" / "btheb.csv")
    (form,) = btheb.mappings[0].sources[0].assessments
    assert (form.instrument, form.supplied_scores) == ("bdi_ii", {"total": "bdi.{suffix}"})
    assert {s: m.months for s, m in form.suffixes.items()} == {"pre": 0, "2m": 2, "3m": 3, "5m": 5, "8m": 8}
    proposed, helpfull = draft(shared / "samples" / "trials" / "HELPfull.csv")
    (form,) = helpfull.mappings[0].sources[0].assessments
    assert form.instrument == "ces_d"
    assert form.supplied_scores == {"total": "CES_D"}
    assert form.occasion is not None
    assert form.occasion.codes == {"0": "baseline", "6": "m06", "12": "m12", "18": "m18", "24": "m24"}
    assert "by number and range of items only" in proposed.text


def test_a_response_is_read_with_the_definitions_beside_it(shared: Path) -> None:
    folder = shared / "samples" / "fhir"
    (path,) = folder.glob("QuestionnaireResponse*.json")
    _, site = draft(path)
    (source,) = site.mappings[0].sources
    assert site.format.model_dump() == {"reader": "fhir", "definitions": "*.json", "decimal": "."}
    assert (source.identity.columns, source.key) == (("subject",), ("id",))
    (form,) = source.assessments
    assert (form.instrument, form.items, form.supplied_scores) == ("phq_9", "PHQ.{n}", {"total": "PHQ.Score"})
    assert form.status is not None
    assert form.status.codes["entered-in-error"] == "void"
    (definition,) = folder.glob("Questionnaire-*.json")
    with pytest.raises(ReadError, match="holds no response; name the file with filled forms"):
        draft(definition)


def test_one_answer_per_row_is_pivoted_by_the_name_of_the_test(shared: Path) -> None:
    _, site = draft(shared / "samples" / "dataset_json" / "qsph.json")
    (source,) = site.mappings[0].sources
    assert source.pivot is not None
    assert source.pivot.model_dump() == {
        "rows": ("USUBJID", "VISIT", "QSDTC"), "names": "QSTESTCD", "values": "QSSTRESN",
    }  # fmt: skip
    assert source.key == ("USUBJID", "VISIT")
    (form,) = source.assessments
    assert (form.instrument, form.items, form.supplied_scores, form.date) == (
        "phq_9", "PHQ01{n:02d}", {"total": "PHQ0111"}, "QSDTC",
    )  # fmt: skip


def test_what_a_system_names_itself_is_known(shared: Path) -> None:
    folder = shared / "samples" / "redcap" / "REDCapR"
    _, repeats = draft(folder / "repeating-instruments" / "data.csv")
    (source,) = repeats.mappings[0].sources
    assert source.key == ("record_id", "redcap_repeat_instrument", "redcap_repeat_instance")
    assert source.patient is not None
    assert source.patient.sex is not None
    assert source.patient.sex.codes == {"0": "female", "1": "male"}, "by the dictionary"
    proposed, _ = draft(folder / "longitudinal" / "data.csv")
    assert "could be wsas" not in proposed.text, "ticked boxes are no questionnaire"
    assert "redcap_data_access_group may say which unit" in draft(folder / "dag" / "data.csv")[0].text
    (package,) = (shared / "samples" / "secutrial").glob("*_utf16.zip")
    with pytest.raises(ReadError, match=r"has 8 forms with rows \(baseline, outcome,.*--sheet"):
        draft(package)
    outcome = draft_site(package, "unit", INSTRUMENTS, None, "outcome")
    (source,) = Site.model_validate(yaml.safe_load(outcome.text)).mappings[0].sources
    assert (source.identity.columns, source.key) == (("mnpaid",), ("mnpdocid",))


def test_time_since_the_start_is_proposed(shared: Path) -> None:
    proposed, trial = draft(shared / "samples" / "trials" / "antidepressant_data.csv")
    (form,) = trial.mappings[0].sources[0].assessments
    assert form.months is not None
    assert form.model_dump()["months"] == {"column": "RELDAYS", "unit": "days"}
    assert "POOLINV may say which unit" in proposed.text


@pytest.mark.parametrize(
    "name",
    [
        "redcap/REDCapR/blank-for-gray-status/data.csv", "redcap/REDCapR/clinical-trial-1/data.csv",
        "redcap/REDCapR/decimal-comma-and-dot/data.csv", "redcap/REDCapR/survey/data.csv", "dataset_json/sv.json",
        "spss/sample_missing.sav", "spss/ordered_category.sav", "trials/HELPfull.csv",
    ],
)  # fmt: skip
def test_a_proposal_for_any_sample_is_a_sound_declaration(shared: Path, tmp_path: Path, name: str) -> None:
    proposed, site = draft(shared / "samples" / name)
    path = tmp_path / "unit.yaml"
    path.write_text(proposed.text)
    assert check_site(path, site, Known(INSTRUMENTS, {})) == []
