"""Synthetic patients: who they are, when they were treated, how they fared, and which forms were filled in.

What belongs here: latent courses drawn so that the sample looks like a published one (Folmo et al. 2020,
doi:10.1080/10503307.2020.1831097); every parameter of the draw stands at the top.
What does not: answers to items (`simulation.answers`), anything that a site would write (`simulation.writers`).
Nobody in here exists. Arrays are by patient (n) or by patient and occasion (n × 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codebook.schedule import DAYS_PER_MONTH
from simulation.drawing import Bools, Floats, Ints, by_group, even, exact, normal

Dates = NDArray[np.datetime64]

OCCASIONS = ("baseline", "m03", "m09", "m15", "m21", "m27", "m33", "discharge")
UNSCHEDULED = len(OCCASIONS)
"""Number of the occasion that is none."""
DISCHARGE = OCCASIONS.index("discharge")
ROUTINE_MONTHS = np.array([3.0, 9.0, 15.0, 21.0, 27.0, 33.0])
END_MONTHS = 36.0
"""Where the end of treatment stands on the latent time axis, however long the treatment was."""
EPOCH = np.datetime64("2009-01-01")
LAST_DISCHARGE = np.datetime64("2016-10-25")
NEWEST_VISITS = (np.datetime64("2016-11-22"), np.datetime64("2016-12-14"))
"""Between the first and the second delivery: whoever is still in treatment has a visit here."""
WAI_SR_FROM = np.datetime64("2012-06-01")

# Sample. Shares are [good outcome, poor outcome].
POOR_SHARE = 0.43
ONGOING_SHARE, FINAL_GAF_LOST_SHARE = 0.030, 0.015
FEMALE = (0.85, 0.81)
PARANOID = (0.07, 0.16)
MOOD = (0.65, 0.83)
BORDERLINE = (0.73, 0.73)
AVOIDANT = (0.18, 0.19)
ANXIETY = (0.74, 0.71)
NO_WORK = (0.27, 0.51)
COMPLETED = (0.935, 0.595)
ADVISED = (0.02, 0.12)
REFERRED = (0.00, 0.13)
DROPPED_OUT = (0.00, 0.09)
YOUNGEST = 17.0
AGE = ((26.0, 6.0), (30.0, 6.0))

# Treatment: gamma on top of six months, except early drop-outs; starts follow a beta over the years of the study.
EARLY_DROPOUT_SHARE = 0.025
LENGTH_BEYOND_SIX = (21.6, 12.8)
LONGEST_MONTHS = 72.0
START_SHAPE = (1.75, 1.95)
START_SPAN_MONTHS = 72.0

# Alliance: level and monthly slope per scale; slopes of [good, poor without, poor with paranoid PD].
SCALES = ("task", "goal", "bond")
ALLIANCE_LEVEL = np.array([4.987, 4.935, 5.10])  # fitted levels are 0.04 higher: few slopes go beyond 7
ALLIANCE_SLOPES = np.array([[0.041, 0.010, -0.036], [0.037, 0.015, -0.020], [0.036, 0.014, -0.020]])
MOOD_ON_LEVEL = np.array([-0.54, -0.46, -0.44])
LEVEL_SD, LEVEL_SCALE_SD = 0.82, 0.45
SLOPE_SD, SLOPE_SCALE_SD = 0.014, 0.009
LEVEL_SLOPE_CORRELATION = -0.35
VISIT_SD, VISIT_SCALE_SD = 0.50, 0.48

# Outcome: (mean, sd) at baseline and at the end, correlation of end with GAF and with its own baseline.
GAF = ((48.1, 5.5), (61.7, 11.7))
MOOD_ON_GAF = 2.0
EARLY = {"gaf": 0.75, "wsas": 0.82, "bsi": 0.87}
"""Change is quicker at first: the way made by a share s of the time is s to this power."""
WSAS = ((25.9, 8.1), (14.2, 11.6))
BSI = ((2.11, 0.81), (1.16, 0.92))
END_WITH_GAF = {"wsas": 0.86, "bsi": 0.58}
END_WITH_BASELINE = 0.33

# Which forms were filled in. Counts of alliance forms by how often they occur; final form by count.
WAI_COUNTS = (0.22, 0.195, 0.175, 0.135, 0.105, 0.085, 0.085)
WAI_FINAL = np.array([0.42, 0.34, 0.38, 0.42, 0.46, 0.50, 1.0])
EARLY_FIRST = 0.12
COUNT_LOADINGS = (0.72, 0.34)
"""Of treatment length and of the alliance's level on the number of alliance forms."""
GAF_BASELINE, GAF_ROUTINE = 0.98, 0.62
SELF_REPORT_BASELINE = 0.96
SELF_REPORT_WITH_WAI, SELF_REPORT_WITHOUT = 0.82, 0.22
SELF_REPORT_FINAL_WITH_WAI, SELF_REPORT_FINAL_WITHOUT = 0.93, 0.54


@dataclass(frozen=True)
class Population:
    """Every patient with the latent course; `discharge` is NaT for those still in treatment.

    `wai` (n × 8 × 3, scales as in SCALES, 1–7), `gaf` (1–100), `wsas` (sum, 0–40) and `bsi` (mean, 0–4) are what a
    form would say at an occasion; `has_*` whether one was filled in, on `dates`.
    """

    site: Ints
    sex: NDArray[np.str_]
    birth: Dates
    admission: Dates
    start: Dates
    discharge: Dates
    therapist: Ints
    is_poor: Bools
    is_paranoid: Bools
    is_mood: Bools
    is_borderline: Bools
    is_avoidant: Bools
    is_anxiety: Bools
    work_months: Ints
    termination: NDArray[np.str_]
    dates: Dates
    wai: Floats
    gaf: Floats
    wsas: Floats
    bsi: Floats
    has_wai: Bools
    has_gaf: Bools
    has_wsas: Bools
    has_bsi: Bools

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.site)


def draw_population(patients: int, sites: int, seed: int) -> Population:
    """Draw patients with all they would answer; the same arguments give the same people.

    Raises:
        ValueError: no site, or fewer patients than sites.
    """
    if sites < 1 or patients < sites:
        raise ValueError(f"{patients} patients at {sites} sites: there must be a site, and a patient for each")
    rng = np.random.default_rng([seed, 1])
    n = patients
    end_z, is_poor = _outcome(rng, n)
    group = is_poor.astype(np.int64)
    is_paranoid, is_mood, is_female = (by_group(rng, group, shares) for shares in (PARANOID, MOOD, FEMALE))
    months, is_ongoing, newest = _lengths(rng, n)
    start = _starts(rng, months, is_ongoing, newest)
    discharge = np.where(is_ongoing, np.datetime64("NaT"), start + _days(months))
    mean, sd = np.array(AGE)[group].T
    age = YOUNGEST + rng.gamma(((mean - YOUNGEST) / sd) ** 2) * sd**2 / (mean - YOUNGEST)
    level, slope = _alliance(rng, group, is_paranoid, is_mood)
    dates, is_open = _calendar(rng, start, months, discharge, is_ongoing)
    time = (dates - start[:, None]) / np.timedelta64(1, "D") / DAYS_PER_MONTH
    time[:, DISCHARGE] = END_MONTHS
    has_wai = _alliance_forms(rng, is_open, months, level.mean(axis=1), is_ongoing)
    if is_ongoing.any():
        has_wai[is_ongoing, newest[is_ongoing] + 1] = True
    share = np.clip(time / END_MONTHS, 0, 1)
    has_wsas, has_bsi = (_self_report_forms(rng, is_open, has_wai) for _ in range(2))
    return Population(
        site=_sites(rng, is_ongoing, sites),
        sex=np.where(is_female, "female", "male"),
        birth=start - _days(age * 12),
        admission=start - rng.integers(0, 29, n).astype("timedelta64[D]"),
        start=start,
        discharge=discharge,
        therapist=rng.integers(1, 5, n),
        is_poor=is_poor,
        is_paranoid=is_paranoid,
        is_mood=is_mood,
        is_borderline=by_group(rng, group, BORDERLINE),
        is_avoidant=by_group(rng, group, AVOIDANT),
        is_anxiety=by_group(rng, group, ANXIETY),
        work_months=np.where(by_group(rng, group, NO_WORK), 0, rng.integers(1, 13, n)),
        termination=_terminations(rng, group, months, is_ongoing),
        dates=dates,
        wai=_alliance_course(rng, level, slope, time),
        gaf=_gaf_course(rng, end_z, is_mood, share ** EARLY["gaf"]),
        wsas=_course(rng, WSAS, _linked(rng, -end_z, END_WITH_GAF["wsas"]), share ** EARLY["wsas"], 40.0),
        bsi=_course(rng, BSI, _linked(rng, -end_z, END_WITH_GAF["bsi"]), share ** EARLY["bsi"], 4.0),
        has_wai=has_wai,
        has_gaf=_gaf_forms(rng, is_open, is_ongoing),
        has_wsas=has_wsas,
        has_bsi=has_bsi,
    )


def _days(months: Floats) -> NDArray[np.timedelta64]:
    return np.rint(months * DAYS_PER_MONTH).astype("timedelta64[D]")


def _linked(rng: np.random.Generator, z: Floats, correlation: float) -> Floats:
    linked: Floats = correlation * z + np.sqrt(1 - correlation**2) * normal(rng, len(z))
    return linked


def _outcome(rng: np.random.Generator, n: int) -> tuple[Floats, Bools]:
    """Standing at the end in units of the final GAF's SD, 0 between poor and good; and who is poor."""
    z = normal(rng, n)
    is_poor = np.zeros(n, dtype=np.bool_)
    is_poor[np.argsort(z)[: round(POOR_SHARE * n)]] = True
    border = z[is_poor].max() if is_poor.any() else -0.18
    after = z[~is_poor].min() if not is_poor.all() else border
    return z - (border + after) / 2, is_poor


def _lengths(rng: np.random.Generator, n: int) -> tuple[Floats, Bools, Ints]:
    """Months of treatment (so far, for those still in it), who is still in it, and their newest routine visit."""
    mean, sd = LENGTH_BEYOND_SIX
    months = 6 + rng.gamma((mean / sd) ** 2, sd**2 / mean, n)
    early = exact(rng, n, EARLY_DROPOUT_SHARE)
    months[early] = rng.uniform(1.5, 5.7, early.sum())
    is_ongoing = exact(rng, n, ONGOING_SHARE) & ~early
    newest = np.where(is_ongoing, rng.integers(0, 5, n), -1)
    months = np.where(is_ongoing, ROUTINE_MONTHS[newest], months)
    return np.minimum(months, LONGEST_MONTHS), is_ongoing, newest


def _starts(rng: np.random.Generator, months: Floats, is_ongoing: Bools, newest: Ints) -> Dates:
    n = len(months)
    start = EPOCH + _days(rng.beta(*START_SHAPE, n) * START_SPAN_MONTHS)
    start = np.minimum(start, LAST_DISCHARGE - _days(months) - rng.integers(0, 40, n).astype("timedelta64[D]"))
    first, last = NEWEST_VISITS
    span = int((last - first) / np.timedelta64(1, "D"))
    visit = first + rng.integers(0, span + 1, n).astype("timedelta64[D]")
    return np.where(is_ongoing, visit - _days(ROUTINE_MONTHS[newest]), start)


def _terminations(rng: np.random.Generator, group: Ints, months: Floats, is_ongoing: Bools) -> NDArray[np.str_]:
    """How treatment ended: completed, advised, referred, drop_out, other; '' where it has not."""
    shares = np.array([COMPLETED, ADVISED, REFERRED, DROPPED_OUT]).T
    reasons = np.array(["completed", "advised", "referred", "drop_out", "other"])
    draw = np.empty(len(group))
    for number in (0, 1):
        members = np.flatnonzero(group == number)
        draw[members] = even(rng, len(members))
    place = (draw[:, None] > np.cumsum(shares, axis=1)[group]).sum(axis=1)
    ended = np.where(months < 6, "drop_out", reasons[place])
    return np.where(is_ongoing, "", ended)


def _alliance(rng: np.random.Generator, group: Ints, is_paranoid: Bools, is_mood: Bools) -> tuple[Floats, Floats]:
    """Level at the start and slope per month, n × 3."""
    n = len(group)
    common = normal(rng, n)
    own = np.column_stack([normal(rng, n) for _ in SCALES])
    mood = (is_mood - is_mood.mean())[:, None] * MOOD_ON_LEVEL
    level = ALLIANCE_LEVEL + mood + LEVEL_SD * common[:, None] + LEVEL_SCALE_SD * own
    kind = group + (group == 1) * is_paranoid
    slope_z = _linked(rng, common, LEVEL_SLOPE_CORRELATION)
    own_slope = np.column_stack([normal(rng, n) for _ in SCALES])
    slope = ALLIANCE_SLOPES.T[kind] + SLOPE_SD * slope_z[:, None] + SLOPE_SCALE_SD * own_slope
    return level, slope


def _alliance_course(rng: np.random.Generator, level: Floats, slope: Floats, time: Floats) -> Floats:
    n, occasions = time.shape
    noise = VISIT_SD * rng.standard_normal((n, occasions, 1)) + VISIT_SCALE_SD * rng.standard_normal((n, occasions, 3))
    course = level[:, None, :] + slope[:, None, :] * time[:, :, None] + noise
    return np.clip(course, 1.0, 7.0)


def _gaf_course(rng: np.random.Generator, end_z: Floats, is_mood: Bools, share: Floats) -> Floats:
    """Whole numbers; at the end below 60 exactly for those with a poor outcome."""
    (mean, sd), (_, end_sd) = GAF
    mood = MOOD_ON_GAF * (is_mood - is_mood.mean())
    rest = np.sqrt(sd**2 - (MOOD_ON_GAF * 0.45) ** 2)
    first = mean + mood + rest * _linked(rng, end_z, END_WITH_BASELINE)
    first -= rest * END_WITH_BASELINE * end_z.mean()
    last = 59.5 + end_sd * end_z
    course: Floats = (1 - share) * first[:, None] + share * last[:, None]
    course += 4.0 * np.sqrt(share * (1 - share)) * rng.standard_normal(share.shape)
    return np.floor(course + 0.5).clip(15, 97)


def _course(
    rng: np.random.Generator,
    moments: tuple[tuple[float, float], tuple[float, float]],
    end_z: Floats,
    share: Floats,
    top: float,
) -> Floats:
    """From a normal baseline to a skewed end (gamma by Wilson and Hilferty's cube), 0–top."""
    (mean, sd), (end_mean, end_sd) = moments
    z = (end_z - end_z.mean()) / (end_z.std() or 1.0) if len(end_z) >= 20 else end_z
    first = mean + sd * _linked(rng, z, END_WITH_BASELINE)
    shape = (end_mean / end_sd) ** 2
    root = np.maximum(1 - 1 / (9 * shape) + z / (3 * np.sqrt(shape)), 0.0)
    last = end_mean * root**3
    course: Floats = (1 - share) * first[:, None] + share * last[:, None]
    course += sd * 0.7 * np.sqrt(share * (1 - share)) * rng.standard_normal(share.shape)
    return course.clip(0.0, top)


def _calendar(
    rng: np.random.Generator, start: Dates, months: Floats, discharge: Dates, is_ongoing: Bools
) -> tuple[Dates, Bools]:
    """Date of every occasion, and whether it came about (treatment had not ended, or was about to)."""
    n = len(start)
    jitter = np.clip(np.rint(rng.normal(4, 14, (n, len(OCCASIONS)))), -40, 45)
    jitter[:, 0] = -rng.integers(5, 30, n)
    jitter[:, DISCHARGE] = rng.integers(-25, 20, n)
    jitter[is_ongoing] = np.minimum(jitter[is_ongoing], 0)
    dates = np.empty((n, len(OCCASIONS)), dtype="datetime64[D]")
    dates[:, 0] = start
    dates[:, 1:DISCHARGE] = start[:, None] + _days(ROUTINE_MONTHS)
    dates[:, DISCHARGE] = np.where(is_ongoing, start, discharge)
    dates = dates + jitter.astype("timedelta64[D]")
    is_open = np.ones((n, len(OCCASIONS)), dtype=np.bool_)
    margin = np.where(is_ongoing, -0.5, 1.0)
    is_open[:, 1:DISCHARGE] = ROUTINE_MONTHS + margin[:, None] < months[:, None]
    is_open[:, DISCHARGE] = ~is_ongoing
    return dates, is_open


def _alliance_forms(
    rng: np.random.Generator, is_open: Bools, months: Floats, level: Floats, is_ongoing: Bools
) -> Bools:
    """At least one form each; fewer where treatment was short or the alliance poor at the start; early ones rather."""
    n = len(months)
    routine = is_open[:, 1:DISCHARGE]
    by_length, by_level = COUNT_LOADINGS
    rest = np.sqrt(1 - by_length**2 - by_level**2)
    tendency = by_length * _ranked(months) + by_level * _ranked(level) + rest * rng.standard_normal(n)
    order = np.argsort(np.argsort(tendency))
    wanted = 1 + np.searchsorted(np.cumsum(WAI_COUNTS)[:-1], (order + 0.5) / n)
    slots = routine.sum(axis=1) + ~is_ongoing
    count = np.minimum(wanted, slots)
    final = ~is_ongoing & ((even(rng, n) < WAI_FINAL[count - 1]) | (count >= slots))
    rank = np.arange(routine.shape[1]) * EARLY_FIRST + rng.random(routine.shape) + ~routine * 99
    chosen = np.argsort(np.argsort(rank, axis=1), axis=1) < (count - final)[:, None]
    has = np.zeros(is_open.shape, dtype=np.bool_)
    has[:, 1:DISCHARGE] = chosen & routine
    has[:, DISCHARGE] = final
    return has


def _ranked(values: Floats) -> Floats:
    """Rank as a number with mean 0 and SD 1 (uniform)."""
    n = len(values)
    share: Floats = (np.argsort(np.argsort(values)) + 0.5) / n
    return (share - 0.5) * 12**0.5


def _gaf_forms(rng: np.random.Generator, is_open: Bools, is_ongoing: Bools) -> Bools:
    n = len(is_open)
    has = is_open & (rng.random(is_open.shape) < GAF_ROUTINE)
    has[:, 0] = rng.random(n) < GAF_BASELINE
    has[:, DISCHARGE] = ~is_ongoing & ~exact(rng, n, FINAL_GAF_LOST_SHARE)
    return has


def _self_report_forms(rng: np.random.Generator, is_open: Bools, has_wai: Bools) -> Bools:
    chance = np.where(has_wai, SELF_REPORT_WITH_WAI, SELF_REPORT_WITHOUT)
    chance[:, 0] = SELF_REPORT_BASELINE
    chance[:, DISCHARGE] = np.where(has_wai[:, DISCHARGE], SELF_REPORT_FINAL_WITH_WAI, SELF_REPORT_FINAL_WITHOUT)
    return is_open & (rng.random(is_open.shape) < chance)


def _sites(rng: np.random.Generator, is_ongoing: Bools, sites: int) -> Ints:
    """Equal shares; those in treatment are dealt first, to the sites that deliver twice before the others."""
    n = len(is_ongoing)
    numbers = np.arange(sites)
    deal = np.argsort(~np.isin(numbers % 4, (0, 3)), kind="stable")
    order = np.argsort(~is_ongoing + rng.random(n) * 0.5)
    site = np.empty(n, dtype=np.int64)
    site[order] = deal[np.arange(n) % sites]
    return site
