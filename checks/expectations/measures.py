"""What is measured, in the field's words.

What belongs here: the measures and the suite that each belongs to. What does not: SQL (`counts`), thresholds
(`codebook.quality`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codebook.quality import DIRECTIONS, Direction, QualityThresholds


@dataclass(frozen=True)
class Measure:
    """What is counted per site and instrument. `things` and `fault` say it in the field's words.

    `form`: a share of things (`share`), a newest delivery smaller than expected (`drop`), or new scores that lie apart
    from earlier ones (`shift`, per scale).
    """

    name: str
    suite: str
    things: str
    fault: str
    form: Literal["share", "drop", "shift"] = "share"

    @property
    def direction(self) -> Direction:
        """`at_most`: what is observed may not exceed the threshold; `at_least`: it must reach it."""
        return DIRECTIONS[self.name]

    def minimum(self, quality: QualityThresholds) -> int:
        """How many there must be before anything can be said."""
        return {"share": 1, "drop": quality.min_volume, "shift": quality.min_drift_scores}[self.form]


MEASURES: tuple[Measure, ...] = (
    Measure("out_of_range_rate", "ranges", "answers", "lie outside their range"),
    Measure("outside_version_period_rate", "versions", "dated assessments", "lie outside their version's period"),
    Measure(
        "outside_schedule_period_rate",
        "versions",
        "dated assessments",
        "use a version that the schedule no longer or not yet asks for",
    ),
    Measure("repeated_assessment_id_rate", "uniqueness", "assessments", "repeat the key of another"),
    Measure("repeated_occasion_rate", "uniqueness", "assessments", "repeat the rater and occasion of another"),
    Measure("on_time_rate", "windows", "dated assessments that were due", "were filled in inside their window"),
    Measure("received_rate", "completeness", "expected assessments", "have come"),
    Measure("scorable_rate", "completeness", "received assessments", "give a main score"),
    Measure("answered_rate", "completeness", "items", "are answered"),
    Measure("volume_drop_rate", "volume", "assessments", "fewer", "drop"),
    Measure("scale_drift", "drift", "new scores", "lie apart from earlier ones", "shift"),
)
BY_NAME = {measure.name: measure for measure in MEASURES}
SUITES = tuple(dict.fromkeys(measure.suite for measure in MEASURES))
