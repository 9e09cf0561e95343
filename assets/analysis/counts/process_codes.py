"""Process codes of sessions: rates by code, and how they change over a course's sessions.

What belongs here: from coded moments to sessions, and rows. What does not: the count models.

One assessment is one coded moment. A session's count of a code is the sum over its moments that were coded for it; its
exposure is how many these are, or their minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.counts.data import Floats, count_data
from assets.analysis.counts.procedure import add_model, fit_count_model
from assets.analysis.counts.rates import observed_rate
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.procedure import Found, Room
from codebook.procedures.process_codes import ProcessCodes

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

PATIENT, SESSION = "patient_id", "session"
TABLE = "analysis.process_code_session"
TREND = "analysis.process_code_trend"
MINIMUM_OF_PATIENT = 3
"""Sessions below which a patient's own trend is not told."""
SQL = """
with coded as (
    select
        score.assessment_id,
        score.patient_id,
        score.episode_id,
        assessment.assessment_date,
        assessment.months,
        score.scale,
        score.score
    from harmonised.scale_score as score
    inner join harmonised.assessment as assessment on score.assessment_id = assessment.assessment_id
    where score.instrument = $instrument and score.rater = $rater and score.score is not null
),
held as (
    select episode_id, session_date, min(session_number) as session
    from harmonised.session
    where session_date is not null
    group by episode_id, session_date
)
select
    coded.*,
    case when $is_order then dense_rank() over (
        partition by coded.episode_id order by coded.assessment_date, coded.months
    ) else held.session end as session
from coded
left join held on coded.episode_id = held.episode_id and coded.assessment_date = held.session_date
order by coded.patient_id, coded.episode_id, coded.months, coded.assessment_id, coded.scale
"""


def process_codes(declared: ProcessCodes, room: Room) -> Found:
    """Observed rates and trends by code, and one row for each patient's session and code in `analysis`."""
    moments = coded_moments(room.connection, declared)
    if moments.empty:
        raise NotEstimableError(f"no coded moment of {declared.instrument} by the rater '{declared.rater}'")
    placed = moments.loc[moments[SESSION].notna()]
    n_all, n_placed = moments["assessment_id"].nunique(), placed["assessment_id"].nunique()
    if placed.empty:
        text = f"none of {n_all} coded moments falls on the date of a session; declare `sessions: order` to number days"
        raise NotEstimableError(text)
    unit = declared.exposure or "coded moments"
    found = Found(
        f"counts of a code by {unit}, a session's moments taken together", placed[PATIENT].nunique(), n_placed
    )
    found.note = f"{n_placed} of {n_all} coded moments belong to a session"
    for code in declared.codes:
        sessions = session_counts(placed, code, declared.exposure)
        row: dict[str, Any] = {"outcome": code, "exposure_unit": declared.exposure_unit or unit, "per": declared.per}
        sessions = sessions.loc[sessions["exposure"] > 0]
        if sessions.empty:
            found.add("results.rate", **row, measure="observed rate", reason=f"no moment was coded for '{code}'")
            continue
        for entry in sessions.to_dict("records"):
            found.add(TABLE, code=code, exposure_unit=unit, **{str(key): value for key, value in entry.items()})
        for entry in patient_trends(sessions).to_dict("records"):
            found.add(TREND, code=code, exposure_unit=unit, **{str(key): value for key, value in entry.items()})
        _add_rates(found, declared, row, sessions)
        _add_trend(found, declared, code, sessions)
    return found


def coded_moments(connection: duckdb.DuckDBPyConnection, declared: ProcessCodes) -> pd.DataFrame:
    """One row for each moment and scale: keys, months, `session` (null where none was held that day) and score."""
    values = {
        "instrument": declared.instrument,
        "rater": declared.rater,
        "is_order": declared.sessions == "order",
    }
    return connection.execute(SQL, values).df()


def session_counts(moments: pd.DataFrame, code: str, exposure: str | None) -> pd.DataFrame:
    """One row for each session with a moment coded for `code`: its keys, n_moments, count and exposure.

    A moment without the exposure is left out; a moment that was not coded for the code is not 0.
    """
    keys = [PATIENT, "episode_id", SESSION]
    counted = moments.loc[moments["scale"] == code, [*keys, "assessment_id", "score"]]
    counted = counted.rename(columns={"score": "count"})
    if exposure is None:
        counted = counted.assign(exposure=1.0)
    else:
        by = moments.loc[moments["scale"] == exposure, ["assessment_id", "score"]]
        counted = counted.merge(by.rename(columns={"score": "exposure"}), on="assessment_id")
    grouped = counted.groupby(keys, sort=True)
    found = grouped.agg(n_moments=("assessment_id", "size"), count=("count", "sum"), exposure=("exposure", "sum"))
    return found.reset_index().astype({SESSION: float})


def patient_trends(sessions: pd.DataFrame) -> pd.DataFrame:
    """One row for each patient: n_sessions, count, exposure, log_rate_per_session and its std_error, or a reason.

    A Poisson regression of the patient's own sessions on their number, its error multiplied by the root of the
    dispersion where that is above 1 (quasi-Poisson).
    """
    import pandas as pd

    rows = []
    for patient, part in sessions.groupby(PATIENT, sort=True):
        y, exposure, number = (part[name].to_numpy(dtype=float) for name in ("count", "exposure", SESSION))
        row: dict[str, Any] = {PATIENT: patient, "n_sessions": len(part), "count": y.sum(), "exposure": exposure.sum()}
        reason: str | None = None
        if len(set(number)) < MINIMUM_OF_PATIENT:
            reason = f"fewer than {MINIMUM_OF_PATIENT} sessions"
        elif np.count_nonzero(y) < 2:
            reason = "fewer than 2 sessions with the code"
        else:
            slope, error = _poisson_slope(y, exposure, number)
            reason = None if np.isfinite(error) else "no estimate with a bound"
            row |= {"log_rate_per_session": slope, "std_error": error} if reason is None else {}
        rows.append({"log_rate_per_session": None, "std_error": None} | row | {"reason": reason})
    return pd.DataFrame(rows)


def _poisson_slope(y: Floats, exposure: Floats, number: Floats) -> tuple[float, float]:
    """Newton's method for intercept and slope."""
    x = np.column_stack([np.ones(len(y)), number - number.mean()])
    at = np.array([np.log(y.sum() / exposure.sum()), 0.0])
    for _ in range(50):
        mean = exposure * np.exp(np.clip(x @ at, -50, 50))
        information = x.T @ (mean[:, None] * x)
        step = np.linalg.solve(information, x.T @ (y - mean))
        at = at + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    else:
        return float("nan"), float("nan")
    dispersion = max(float(np.sum((y - mean) ** 2 / mean)) / (len(y) - 2), 1.0)
    return float(at[1]), float(np.sqrt(dispersion * np.linalg.inv(information)[1, 1]))


def _add_rates(found: Found, declared: ProcessCodes, row: dict[str, Any], sessions: pd.DataFrame) -> None:
    """Over all sessions, and by session number."""
    groups = [(None, sessions), *((f"session {number:g}", part) for number, part in sessions.groupby(SESSION))]
    for level, part in groups:
        columns = (part[name].to_numpy() for name in ("count", "exposure", PATIENT))
        rate = observed_rate(*columns)
        limits = [None if limit is None else declared.per * limit for limit in (rate.ci_low, rate.ci_high)]
        found.add(
            "results.rate", **row, measure="observed rate", group_level=level, n_events=rate.n_events,
            n_events_total=int(sessions["count"].sum()),
            exposure=rate.exposure, estimate=declared.per * rate.rate, ci_low=limits[0], ci_high=limits[1],
            method=f"events / exposure; 95 % interval: {rate.ci_method}", n_patients=rate.n_patients,
            n_observations=rate.n_observations,
        )  # fmt: skip


def _add_trend(found: Found, declared: ProcessCodes, code: str, sessions: pd.DataFrame) -> None:
    """The declared count model of a session's count on the session's number."""
    row = {"outcome": code, "measure": "rate ratio", "term": SESSION}
    try:
        longest = int(sessions.groupby(PATIENT).size().max())
        if longest < declared.minimum_sessions:
            text = f"no patient has {declared.minimum_sessions} coded sessions (at most {longest}); a trend needs them"
            raise NotEstimableError(text)
        data = count_data(sessions, "count", [SESSION], PATIENT, SESSION, "exposure")
        add_model(found, code, declared.name, data, fit_count_model(data, declared), declared)
    except NotEstimableError as problem:
        found.add("results.rate", **row, reason=str(problem))
