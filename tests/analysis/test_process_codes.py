"""Process codes: moments taken together by session, rates, trends, and where there are none."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedures import column, run

DECLARED = {
    "kind": "process_codes",
    "name": "omi_codes",
    "title": "Process codes",
    "codes": ["focusing", "rewarding"],
    "model": "poisson_mixed",
    "points": 7,
}
PANEL = pd.DataFrame({"patient_id": ["p"], "episode_id": ["e"], "months": [0.0], "any": [1.0]})


def warehouse(
    patients: int = 30, sessions: int = 4, moments: int = 3, *, has_sessions: bool = True
) -> duckdb.DuckDBPyConnection:
    """Each session has 3 coded moments; `focusing` rises by 20 % a session; `rewarding` is coded in the first only."""
    random = np.random.default_rng(3)
    rows, held = [], []
    for patient in range(patients):
        level = random.normal(0, 0.4)
        for session in range(1, sessions + 1):
            date = pd.Timestamp("2015-01-01") + pd.Timedelta(days=7 * session + patient)
            held.append((f"e{patient}", 2 * session, date))
            for moment in range(moments):
                key = (f"a{patient}-{session}-{moment}", f"p{patient:02d}", f"e{patient}", date, session / 4)
                rows.append((*key, "focusing", float(random.poisson(np.exp(0.3 + 0.18 * session + level)))))
                rows.append((*key, "minutes", 5.0 + moment))
                if moment == 0:
                    rows.append((*key, "rewarding", 1.0))
    names = ["assessment_id", "patient_id", "episode_id", "assessment_date", "months", "scale", "score"]
    coded = pd.DataFrame(rows, columns=names)  # noqa: F841  read by DuckDB
    session_frame = pd.DataFrame(held, columns=["episode_id", "session_number", "session_date"])  # noqa: F841
    connection = duckdb.connect()
    connection.execute("""
        create schema harmonised;
        create table harmonised.scale_score as
            select assessment_id, patient_id, episode_id, scale, score, 'omi' as instrument, 'observer' as rater
            from coded;
        create table harmonised.assessment as
            select distinct assessment_id, cast(assessment_date as date) as assessment_date, months from coded;
        create table harmonised.session as
            select episode_id, session_number, cast(session_date as date) as session_date from session_frame;
    """)
    if not has_sessions:
        connection.execute("delete from harmonised.session")
    return connection


def test_rates_and_trend_by_code() -> None:
    row, rows = run(DECLARED, PANEL, warehouse())
    assert row.get("reason") is None and row["note"] == "360 of 360 coded moments belong to a session"
    rates = {(r["outcome"], r["measure"], r.get("group_level"), r.get("term")): r for r in rows["results.rate"]}
    overall = rates[("focusing", "observed rate", None, None)]
    sessions = [rates[("focusing", "observed rate", f"session {2 * k}", None)] for k in (1, 2, 3, 4)]
    assert overall["exposure"] == 360 and all(r["exposure"] == 90 for r in sessions)
    assert overall["n_events"] == sum(r["n_events"] for r in sessions)
    assert overall["estimate"] == pytest.approx(overall["n_events"] / 360)
    trend = rates[("focusing", "rate ratio", None, "session")]
    assert trend["estimate"] == pytest.approx(np.exp(0.09), rel=0.03) and trend["ci_low"] > 1  # sessions are 2, 4, 6, 8
    # a moment that was not coded for a code is not 0: one moment a session
    assert rates[("rewarding", "observed rate", None, None)]["exposure"] == 120
    table = pd.DataFrame(rows["analysis.process_code_session"])
    trends = pd.DataFrame(rows["analysis.process_code_trend"])
    first = trends[trends["code"] == "focusing"].iloc[0]
    own = table[(table["code"] == "focusing") & (table["patient_id"] == first["patient_id"])]
    import statsmodels.api as sm

    x = sm.add_constant(own["session"].to_numpy())
    plain = sm.GLM(own["count"].to_numpy(), x, family=sm.families.Poisson(), exposure=own["exposure"].to_numpy())
    result = plain.fit(tol=1e-12)
    assert first["log_rate_per_session"] == pytest.approx(result.params[1])
    assert first["std_error"] == pytest.approx(result.bse[1] * np.sqrt(max(result.pearson_chi2 / 2, 1)))
    assert len(table) == 240 and set(table.loc[table["code"] == "focusing", "n_moments"]) == {3}


def test_minutes_as_exposure_and_days_in_order() -> None:
    declared = DECLARED | {"exposure": "minutes", "sessions": "order", "per": 10}
    row, rows = run(declared, PANEL, warehouse(has_sessions=False))
    assert row.get("reason") is None
    overall = rows["results.rate"][0]
    assert overall["exposure"] == 120 * (5 + 6 + 7) and overall["exposure_unit"] == "minutes"
    assert overall["estimate"] == pytest.approx(10 * overall["n_events"] / overall["exposure"])
    assert "session 1" in column(rows["results.rate"], "group_level")


def test_refusals() -> None:
    assert "declare `sessions: order`" in run(DECLARED, PANEL, warehouse(has_sessions=False))[0]["reason"]
    assert "no coded moment" in run(DECLARED | {"rater": "patient"}, PANEL, warehouse())[0]["reason"]
    row, rows = run(DECLARED | {"codes": ["smiles"]}, PANEL, warehouse())
    assert rows["results.rate"][0]["reason"] == "no moment was coded for 'smiles'"
    row, rows = run(DECLARED, PANEL, warehouse(sessions=2))
    reasons = [r["reason"] for r in rows["results.rate"] if r["measure"] == "rate ratio"]
    assert row.get("reason") is None and "no patient has 3 coded sessions (at most 2)" in reasons[0]
    row, rows = run(DECLARED, PANEL, warehouse(patients=1))
    assert any("fewer than 2 patients" in str(r.get("reason")) for r in rows["results.rate"])
