"""Every sample through a site of its own: each row that the file holds by another count lands and is accounted for."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from flows import ROOT, SAMPLES, Flow

from codebook.library import load_library
from codebook.site import Site

ODM = "{http://www.cdisc.org/ns/odm/v1.3}"
AUDIT = "{http://www.openclinica.org/ns/odm_ext_v130/v3.1}AuditLog"
NETWORK = ROOT / "tests" / "networks" / "samples"
LEFT_OUT = {
    "README.md",
    "openclinica/LICENSE",
    "redcap/REDCapR/LICENSE.md",
    "redcap/iu/LICENSE",
    "redcap/iu/longitudinal-data-import.csv",
    "redcap/iu/longitudinal-metadata.csv",
    "redcap/iu/longitudinal-project-info.csv",
    "secutrial/LICENSE",
    "spss/LICENSE",
    "trials/HELPfull.csv",
    "trials/btheb.csv",
}
"""Licences, and what other networks of these tests read."""
SECUTRIAL = ("secutrial_utf8", "secutrial_utf16")


def tree(path: Path) -> ElementTree.Element:
    if path.suffix != ".zip":
        return ElementTree.fromstring(path.read_bytes())
    with zipfile.ZipFile(path) as package:
        return ElementTree.fromstring(package.read(next(n for n in package.namelist() if n.endswith(".xml"))))


def table_of(path: Path, name: str) -> list[list[str]]:
    """Rows of one table of secuTrial's export, header first."""
    with zipfile.ZipFile(path) as package:
        content = package.read(next(n for n in package.namelist() if n == f"{name}.xls"))
    encoding = "utf-8-sig" if "utf8" in path.name else "utf-16-be"
    text = content.decode(encoding).replace("\ufeff", "")
    return [row for row in csv.reader(text.splitlines(), delimiter="\t") if row]


def rows_of_form(root: ElementTree.Element, oid: str) -> int:
    """Filled forms (a document that is changed later is one), and occurrences of item groups that repeat."""
    repeating = {one.get("OID") for one in root.iter(f"{ODM}ItemGroupDef") if one.get("Repeating") == "Yes"}
    documents: set[str] = set()
    occurrences = 0
    for number, form in enumerate(one for one in root.iter(f"{ODM}FormData") if one.get("FormOID") == oid):
        groups = [group.get("ItemGroupOID") for group in form.iter(f"{ODM}ItemGroupData")]
        occurrences += sum(group in repeating for group in groups)
        said = form.findtext(f"{ODM}AuditRecord/{ODM}SourceID") or ""
        if any(group not in repeating for group in groups):
            documents.add(said.split(".")[1] if said.startswith("mnpdid") else f"form {number}")
    return len(documents) + occurrences


def count(site: Site, folder: Path) -> int:
    """Rows of a delivery's declared files, by other means than Concord's readers."""
    n = 0
    for file, sheet in {(source.file, source.sheet) for mapping in site.mappings for source in mapping.sources}:
        (path,) = folder.glob(file)
        reader = site.format.reader
        if reader in {"delimited", "redcap"}:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                n += sum(1 for _ in csv.DictReader(handle))
        elif reader == "odm":
            n += rows_of_form(tree(path), str(sheet))
        elif reader == "secutrial":
            n += len(table_of(path, str(sheet))) - 1
        elif reader == "dataset_json":
            n += len(json.loads(path.read_bytes())["rows"])
        elif reader == "fhir":
            n += json.loads(path.read_bytes())["resourceType"] == "QuestionnaireResponse"
        else:
            import pyreadstat

            n += len(pyreadstat.read_sav(path, user_missing=True)[0])
    return n


def antidepressant(shared: Path) -> list[dict[str, str]]:
    with (shared / "samples" / "trials" / "antidepressant_data.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_sample_has_a_site(shared: Path) -> None:
    root = shared / "samples"
    taken = {
        str(file.relative_to(root)) for patterns in SAMPLES.values() for one in patterns for file in root.glob(one)
    }
    everything = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    assert everything - taken == LEFT_OUT
    assert {place.partition("/")[0] for place in SAMPLES} == {path.stem for path in (NETWORK / "sites").glob("*.yaml")}


def test_every_row_is_accounted_for(samples: Flow) -> None:
    deliveries = samples.rows(
        "select site_id, n_rows_landed, n_rows_accepted, n_rows_quarantined, gate, unused_files from quality.delivery"
    )
    landed = {str(site): int(str(n)) for site, n, *_ in deliveries}
    assert all(n == accepted + quarantined for _, n, accepted, quarantined, *_ in deliveries)
    assert {gate for *_, gate, _ in deliveries} == {"accepted"}
    assert {unused for *_, unused in deliveries if unused} == set()
    library = load_library(samples.root)
    assert set(landed) == set(library.sites)
    for place in SAMPLES:
        site = library.sites[place.partition("/")[0]]
        inside = [unit.site for unit in site.units()]
        assert sum(landed[unit] for unit in inside) == count(site, samples.root / "landing" / place), site.site


def test_only_records_of_no_unit_are_held_back(samples: Flow) -> None:
    held = samples.rows("select site_id, rule, count(*) from quality.quarantine group by all")
    assert held == [("blank_for_gray", "row-site-unknown", 2)]


def test_seventeen_investigators_are_units_and_nothing_is_lost(samples: Flow, shared: Path) -> None:
    records = antidepressant(shared)
    expected = {
        f"investigator_{code}": (n, len({r["PATIENT"] for r in records if r["POOLINV"] == code}))
        for code, n in Counter(r["POOLINV"] for r in records).items()
    }
    units = samples.rows(
        "select d.site_id, d.n_rows_accepted, count(distinct p.patient_id) from quality.delivery as d "
        "left join harmonised.patient_site as p on p.site_id = d.site_id "
        "where d.site_id like 'investigator%' or d.site_id = 'antidepressant' group by all"
    )
    assert {str(site): (n, patients) for site, n, patients in units} == {**expected, "antidepressant": (0, 0)}
    assert (len(expected), sum(n for n, _ in expected.values()), sum(n for _, n in expected.values())) == (17, 608, 172)


@pytest.mark.parametrize(("instrument", "column"), [("hamd_17", "HAMDTL17"), ("ham_a", "HAMATOTL")])
def test_supplied_totals_and_days_are_the_trials(samples: Flow, shared: Path, instrument: str, column: str) -> None:
    scores = samples.rows(
        "select s.site_id, s.occasion, round(s.months * 30.4375), s.score, s.status from harmonised.scale_score as s "
        f"where s.instrument = '{instrument}' and s.site_id like 'investigator%'"
    )
    expected = Counter(
        (f"investigator_{r['POOLINV']}", f"visit_{r['VISIT']}", float(r["RELDAYS"]), float(r[column]), "supplied")
        for r in antidepressant(shared)
    )
    assert Counter(scores) == expected


def test_na_is_no_answer_where_it_is_declared_as_none(samples: Flow, shared: Path) -> None:
    rated = [float(r["PGIIMP"]) for r in antidepressant(shared) if r["PGIIMP"] != "NA"]
    scores = samples.rows("select score from harmonised.scale_score where instrument = 'pgi_i'")
    assert Counter(score for (score,) in scores) == Counter(rated)
    assert len(rated) == 605
    found = samples.rows(
        "select count(*) from quality.finding where site_id like 'investigator_%' and severity <> 'flag'"
    )
    assert found == [(0,)]


def test_the_fhir_response_scores_what_it_says_itself(samples: Flow, shared: Path) -> None:
    (path,) = (shared / "samples" / "fhir").glob("QuestionnaireResponse*.json")
    answers = {item["linkId"]: item["answer"][0] for item in json.loads(path.read_bytes())["item"]}
    said = answers["PHQ.Score"]["valueQuantity"]["value"]
    scored = samples.rows(
        "select score, score_supplied, n_answered, status from harmonised.scale_score "
        "where site_id = 'fhir_phq9' and scale = 'total'"
    )
    assert scored == [(said, said, 9, "scored")]
    assert said == 27


def test_dataset_json_scores_by_its_numeric_results(samples: Flow, shared: Path) -> None:
    document = json.loads((shared / "samples" / "dataset_json" / "qsph.json").read_bytes())
    names = [column["name"] for column in document["columns"]]
    totals: Counter[tuple[str, str]] = Counter()
    said: dict[tuple[str, str], float] = {}
    for cells in document["rows"]:
        row = dict(zip(names, cells, strict=True))
        form = (row["USUBJID"], row["QSDTC"])
        if row["QSTESTCD"] <= "PHQ0109":
            totals[form] += row["QSSTRESN"]
        elif row["QSTESTCD"] == "PHQ0111":
            said[form] = row["QSSTRESN"]
    scores = samples.rows(
        "select a.assessment_date, s.score, s.score_supplied from harmonised.scale_score as s "
        "join harmonised.assessment as a using (assessment_id) where s.site_id = 'cdisc_pilot' and s.scale = 'total'"
    )
    expected = Counter((day, float(n), float(said[subject, day])) for (subject, day), n in totals.items())
    assert Counter((str(day), score, supplied) for day, score, supplied in scores) == expected
    differing = sum(n != said[form] for form, n in totals.items())
    found = samples.rows(
        "select count(*) from quality.finding where site_id = 'cdisc_pilot' and rule = 'supplied-differs'"
    )
    assert (len(totals), differing, found) == (30, 1, [(1,)])


def test_both_encodings_of_secutrial_give_equal_tables(samples: Flow) -> None:
    """Patients have one number in both exports, so that whole rows can be compared."""
    columns = {
        "attribute": "patient_id, attribute, value, value_date",
        "episode": "patient_id, arm, treatment_start_date, is_completed_as_planned",
        "patient_site": "patient_id",
    }
    for table, wanted in columns.items():
        one, other = (
            Counter(samples.rows(f"select {wanted} from harmonised.{table} where site_id = '{site}'"))
            for site in SECUTRIAL
        )
        assert one == other, table
        assert one.total() >= 11, table


def test_secutrials_values_are_those_of_its_tables(samples: Flow, shared: Path) -> None:
    (path,) = (shared / "samples" / "secutrial").glob("*_utf8bom.zip")
    header, *rows = table_of(path, "baseline")
    weights = Counter(row[header.index("weight")] for row in rows if row[header.index("weight")])
    for site in SECUTRIAL:
        stored = samples.rows(
            f"select value from harmonised.attribute where site_id = '{site}' and attribute = 'weight_kg'"
        )
        assert Counter(str(value) for (value,) in stored) == weights


def test_one_study_number_is_one_patient_in_every_export(samples: Flow) -> None:
    shared_by = samples.rows(
        "select patient_id, count(distinct site_id) from harmonised.patient_site "
        "where site_id like 'ctu05%' or site_id like 'secutrial%' group by 1"
    )
    assert [n for _, n in shared_by] == [3] * 11


def test_audit_records_of_openclinica_are_kept(samples: Flow, shared: Path) -> None:
    """Those about the forms, and about the values that the declaration maps."""
    (path,) = (shared / "samples" / "openclinica").glob("*.xml")
    root = tree(path)
    site = load_library(NETWORK).sites["openclinica"]
    mapped = {
        column
        for source in site.mappings[0].sources
        for fact in source.attributes
        if not fact.is_free_text
        for column in (fact.column, fact.date)
    } | {"ELIGIBILITY_CONF", "VERI_DATE"}
    names = {one.get("OID"): one.get("Name") for one in root.iter(f"{ODM}ItemDef")}
    expected = Counter(names[item.get("ItemOID")] for item in root.iter(f"{ODM}ItemData") for _ in item.iter(AUDIT))
    expected = Counter({name: n for name, n in expected.items() if name in mapped})
    expected["form_status"] = sum(
        1 for form in root.iter(f"{ODM}FormData") for logs in form.findall(f"{AUDIT}s") for _ in logs
    )
    kept = pl.read_parquet(samples.root / "lake/accepted/audit/site=hospital_*/**/*.parquet")
    assert Counter(kept["column"].str.strip_suffix(".status")) == expected
    assert expected["form_status"] == 55
    assert kept["user_id"].drop_nulls().str.contains("USR").sum() == 0
    (harmonised,) = samples.rows("select count(*) from harmonised.audit where site_id like 'hospital_%'")
    assert harmonised == (expected.total(),)


def test_redcaps_xml_and_csv_tell_the_same(samples: Flow) -> None:
    told = [
        Counter(
            samples.rows(
                "select r.patient_id, r.occasion, i.item, i.value from harmonised.item_response as i "
                f"join harmonised.assessment as r using (assessment_id) where r.site_id = '{site}'"
            )
        )
        for site in ("longitudinal_csv", "longitudinal_xml")
    ]
    assert told[0] == told[1]
    assert told[0].total() == 40


def test_decimal_commas_and_points_are_the_same_numbers(samples: Flow) -> None:
    pairs = samples.rows(
        "select episode_id, split_part(attribute, '_by_', 1), min(value), max(value), count(*) "
        "from harmonised.attribute where site_id = 'decimals' group by 1, 2"
    )
    assert len(pairs) == 8 + 4
    assert all(low == high and n == 2 for _, name, low, high, n in pairs if name in {"weight", "bmi"})


def test_values_that_share_a_day_are_said_and_not_silently_dropped(samples: Flow) -> None:
    """Blood pressure was taken three times on one day; two visits of the pilot began on one day."""
    found = samples.rows(
        "select site_id, item, source_row, count(*) from quality.finding where rule = 'attribute-conflict' "
        "and site_id in ('repeats', 'openclinica', 'cdisc_pilot') group by all order by all"
    )
    assert [(site, item, row) for site, item, row, _ in found if site == "repeats"] == [
        ("repeats", "diastolic", 3),
        ("repeats", "systolic", 3),
    ]
    visits = {item for site, item, *_ in found if site == "cdisc_pilot"}
    assert visits == {"visit"}
    assert sum(1 for site, *_ in found if site == "cdisc_pilot") == 6
    kept = samples.rows("select value from harmonised.attribute where site_id = 'repeats' and attribute = 'systolic'")
    assert sorted(kept) == [("110",), ("114",)]


def test_checkboxes_of_the_untouched_form_are_no_answers(samples: Flow) -> None:
    ticked = samples.rows(
        "select attribute, value, count(*) from harmonised.attribute "
        "where site_id like 'gray_dag%' and attribute like 'race%' group by all"
    )
    assert sum(int(str(n)) for *_, n in ticked) == 4 * 6
    lake = pl.read_parquet(samples.root / "lake/accepted/attribute/site=blank_for_gray/**/*.parquet")
    assert lake.height == 0


def test_trailing_blanks_of_odm_are_gone(samples: Flow) -> None:
    arms = samples.rows(
        "select arm, count(*) from harmonised.episode where site_id like 'ctu05%' group by 1 order by 1"
    )
    assert [arm for arm, _ in arms] == ["placebo", "verum"]
    assert sum(int(str(n)) for _, n in arms) == 11


def identifying_values(shared: Path) -> set[str]:
    """What stands in columns that a declaration or a dictionary calls identifiers, and in no other column."""
    personal, others = {"John Doe", "johndoe@iu.edu", "johndoe@gmail.com", "123-456-7890", "1980-10-05"}, set()
    for path in sorted((shared / "samples" / "redcap" / "REDCapR").glob("*/data.csv")):
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle):
                for column, value in row.items():
                    is_personal = re.search(r"name|address|phone|email|^dob$", column) and column != "redcap_event_name"
                    (personal if is_personal else others).add(value.strip())
                    others.update(re.findall(r"^(\d{4}-\d\d-\d\d) ", value))
    return personal - others


def test_nobodys_name_address_or_birthday_is_stored(samples: Flow, shared: Path) -> None:
    """Short names, which may be part of any other word, are left out; addresses, numbers and dates of birth are not."""
    planted = {value for value in identifying_values(shared) if len(value) >= 8 or "@" in value}
    assert len(planted) > 2000
    needles = re.compile(b"|".join(re.escape(value.encode()) for value in sorted(planted, key=len, reverse=True)))
    found: Counter[str] = Counter()
    n_files = 0
    for place in ("lake", "published", "state", ".dagster", ".build", "warehouse.duckdb"):
        root = samples.root / place
        for path in [root] if root.is_file() else [file for file in root.rglob("*") if file.is_file()]:
            n_files += 1
            content = pl.read_parquet(path).write_csv().encode() if path.suffix == ".parquet" else path.read_bytes()
            found[place] += len(needles.findall(content))
    assert n_files > 500
    assert found.total() == 0, found
    with_values = samples.rows("select count(*) from harmonised.patient where birth_year is not null")
    assert int(str(with_values[0][0])) > 500
