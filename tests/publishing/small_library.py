"""Declarations of the fixture network: 4 units, one schedule, three analyses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codebook.analysis import Analysis
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.schedule import Schedule
from codebook.site import Site

MONTHS = (3.0, 9.0, 15.0, 21.0, 27.0)
SUBSCALES = ("goal", "bond", "task")

ALLIANCE: dict[str, Any] = {
    "name": "alliance",
    "title": "Working alliance over treatment",
    "panel": {
        "name": "alliance_panel",
        "grain": "episode and alliance assessment",
        "measures": {key: {"instruments": ["wai_s", "wai_sr"], "scale": key} for key in SUBSCALES},
        "covariates": {
            "poor_outcome": {
                "kind": "final_score_below",
                "measure": {"instruments": ["gaf"], "scale": "total", "rater": "clinician"},
                "below": 60,
            },
            "age": {"kind": "age"},
        },
        "discharge_at_months": 36,
    },
    "outcomes": {"goal": "Goal", "bond": "Bond", "task": "Task"},
    "models": [
        {"name": "growth", "label": "Growth", "terms": ["months"]},
        {
            "name": "outcome",
            "label": "Poor outcome (GAF < 60)",
            "terms": ["months", "poor_outcome", "months:poor_outcome"],
            "reference": "growth",
        },
        {"name": "age", "label": "Age", "terms": ["months", "age", "months:age"], "reference": "growth"},
    ],
    "figure": {
        "group": "poor_outcome",
        "labels": {0: "Good outcome", 1: "Poor outcome"},
        "title": "Alliance by outcome at the end of treatment",
    },
}
OUTCOMES: dict[str, Any] = {
    "name": "outcomes",
    "title": "Outcomes over treatment",
    "panel": {
        "name": "outcome_panel",
        "grain": "episode and occasion",
        "measures": {
            "gaf": {"instruments": ["gaf"], "scale": "total", "rater": "clinician"},
            "wsas": {"instruments": ["wsas"], "scale": "total"},
        },
    },
    "outcomes": {"gaf": "GAF", "wsas": "WSAS"},
    "models": [{"name": "growth", "label": "Growth", "terms": ["months"]}],
}
TRIAL: dict[str, Any] = {
    "name": "trial",
    "title": "Two arms on one outcome",
    "panel": {
        "name": "trial_panel",
        "grain": "patient and assessment",
        "measures": {"wsas": {"instruments": ["wsas"], "scale": "total"}},
        "covariates": {
            "treated": {"kind": "episode", "column": "arm", "is_value": "btheb"},
            "age": {"kind": "age"},
        },
    },
    "outcomes": {"wsas": "WSAS"},
    "models": [
        {
            "name": "arms",
            "label": "Arms, adjusted for age",
            "terms": ["months", "treated", "age", "months:treated"],
            "random": "intercept",
        }
    ],
}
SITES = {
    "north": ("Northern Clinic", "snapshot", 35),
    "south": ("<script>alert(1)</script> South & Co", "snapshot", 35),
    "east": ("Eastern Day Unit", "increment", 35),
    "west": ("Western Outpatients", "frozen", None),
}


def schedule() -> Schedule:
    """Alliance from month 3, outcomes from the start; discharge with everything."""
    wai = [{"instrument": "wai_sr"}]
    rest = [{"instrument": "gaf", "rater": "clinician"}, {"instrument": "wsas"}]
    rows = [("baseline", "Baseline", "admission", 0.0, rest)]
    rows += [(f"m{m:02.0f}", f"Month {m:.0f}", "treatment_start", m, wai + rest) for m in MONTHS]
    rows += [("discharge", "Discharge", "discharge", 0.0, wai + rest)]
    return Schedule.model_validate(
        {
            "name": "mbt",
            "title": "MBT, 36 months",
            "valid_from": "2015-01-01",
            "occasions": [
                {
                    "key": key,
                    "label": label,
                    "anchor": anchor,
                    "months": months,
                    "before_days": 30,
                    "after_days": 60,
                    "due": due,
                }
                for key, label, anchor, months, due in rows
            ],
        }
    )


def site(key: str) -> Site:
    """A unit that sends WAI-SR with seven points, so that ranges in words have one version to come from."""
    name, mode, cadence = SITES[key]
    source = {
        "name": "wai",
        "file": "wai.csv",
        "identity": {"columns": ["pid"]},
        "assessments": [{"instrument": "wai_sr", "version": "wai_sr_7", "items": "w{n}"}],
    }
    return Site.model_validate(
        {
            "site": key,
            "name": name,
            "contact": {"name": "Kim Example"},
            "format": {"reader": "delimited"},
            "delivery": {"mode": mode, "cadence_days": cadence},
            "mappings": [{"from_delivery": "2026-01-01", "sources": [source]}],
        }
    )


def make_library(root: Path, *analyses: dict[str, Any], minimum: int = 5, has_schedule: bool = True) -> Library:
    """Declarations in memory, with the instruments of the codebook."""
    network = Network.model_validate(
        {
            "name": "test",
            "title": "Test Network",
            "is_synthetic": True,
            "privacy": {"minimum_cell_count": minimum},
        }
    )
    declared = [Analysis.model_validate(item) for item in analyses]
    return Library(
        NetworkFolder(root),
        network,
        load_instruments(),
        {key: site(key) for key in SITES},
        {"mbt": schedule()} if has_schedule else {},
        {item.name: item for item in declared},
    )
