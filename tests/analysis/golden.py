"""Reference models from lme4 by name, for the tests of this folder: which terms, which rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

GOLDEN = Path(__file__).parent.parent / "data" / "golden"
FORMULAS = {
    "means": "1",
    "random_intercept": "{t}",
    "growth": "{t}",
    "predictor": "{t} * {p}",
    "moderator": "{t} * {p} * mod",
    "sens_version": "{t} + version",
    "sens_version_predictor": "{t} * {p} + version",
    "sens_pattern_mixture": "{t} * nobs",
    "sens_pattern_mixture_predictor": "{t} * {p} + {t} * nobs",
    "pattern_mixture_predictor": "{t} * {p} + {t} * nobs",
    "cells": "{t} * cell",
}
PREDICTORS = {
    **{"sim_wai": "pred", "sim_singular": "pred", "sim_schedule": "poor", "btheb_long": "btheb"},
    **{"orthodont": "female", "chickweight": "diet2 + {t} * diet3 + {t} * diet4"},
}
INTERCEPT_ONLY = {"means", "random_intercept"}


def read(folder: Path, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The data set, with its factor as text, and its reference results."""
    frame = pd.read_csv(folder / f"{name}.csv")
    if "version" in frame:
        frame["version"] = frame["version"].astype(str)
    return frame, json.loads((folder / f"{name}.json").read_text())


def formula(name: str, model: str, time: str) -> str:
    """Our formula of a reference model."""
    key = "growth" if model.startswith(("stratum", "only")) else model
    return "y ~ " + FORMULAS[key].format(t=time, p=PREDICTORS.get(name, "").format(t=time))


def rows(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    """The rows a stratum's model was fitted on; else all."""
    if model.startswith("stratum_"):
        return frame[frame["severity"] == model.removeprefix("stratum_")]
    if model.startswith("only_"):
        return frame[frame["poor"] == int(model == "only_poor")]
    return frame


def r_name(term: str) -> str:
    """Our name of a term as R writes it; the parts sorted, since R orders them otherwise."""
    if term == "intercept":
        return "(Intercept)"
    return ":".join(sorted(part.replace("[", "").replace("]", "") for part in term.split(":")))
