"""What an analysis may not say, although each of its keys is valid: checked against instruments, units and schedules.

What belongs here: names of instruments, scales, occasions and attributes that do not exist, each with its line.
What does not: the model of an analysis (`codebook.analysis`), and anything about data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from codebook.analysis import Analysis, Place
from codebook.declaration import Location, Problem, line_of
from codebook.instrument import Instrument
from codebook.nearest import did_you_mean
from codebook.panel import AttributeCovariate, FinalScore, FinalScoreAtLeast, Measure, ScoreAt
from codebook.schedule import Schedule
from codebook.site import Site


@dataclass(frozen=True)
class Sent:
    """What the network knows of: instruments, the attributes that units send, the occasions that forms can have."""

    instruments: Mapping[str, Instrument]
    attributes: frozenset[str]
    occasions: frozenset[str]


def sent_of(instruments: Mapping[str, Instrument], sites: Iterable[Site], schedules: Mapping[str, Schedule]) -> Sent:
    """Collected from every declaration; no occasions where no schedule says which there are."""
    sources = [source for site in sites for mapping in site.mappings for source in mapping.sources]
    attributes = {fact.attribute for source in sources for fact in source.facts}
    occasions = {occasion.key for schedule in schedules.values() for occasion in schedule.occasions}
    for source in sources if occasions else ():
        for form in source.assessments:
            if form.occasion is not None:
                occasions |= {form.occasion.constant} if form.occasion.constant else set(form.occasion.codes.values())
    return Sent(instruments, frozenset(attributes), frozenset(occasions))


def check_analyses(folder: Path, analyses: Mapping[str, Analysis], sent: Sent) -> Iterator[Problem]:
    """Everything in the analyses that names what there is not; a panel is checked in the file that declares it."""
    panels: dict[str, str] = {}
    for name, analysis in analyses.items():
        path = folder / f"{name}.yaml"
        before = panels.setdefault(analysis.panel.name, name)
        if analyses[before].panel != analysis.panel:
            text = f"'{before}' declares the panel '{analysis.panel.name}' differently; rename one, or name it only"
            yield Problem(path, line_of(path, ("panel",)), "panel", text)
        if before == name:
            for where, message in _check(analysis, sent):
                yield Problem(path, line_of(path, where), ".".join(map(str, where)), message)


def _check(analysis: Analysis, sent: Sent) -> Iterator[Place]:
    at: Location
    for name, measure in analysis.panel.measures.items():
        yield from _check_measure(("panel", "measures", name), measure, sent)
    for name, covariate in analysis.panel.covariates.items():
        at = ("panel", "covariates", name)
        if isinstance(covariate, FinalScore | FinalScoreAtLeast | ScoreAt):
            yield from _check_measure((*at, "measure"), covariate.measure, sent)
            if sent.occasions and covariate.occasion not in sent.occasions:
                hint = did_you_mean(covariate.occasion, sent.occasions)
                yield (*at, "occasion"), f"no schedule has an occasion '{covariate.occasion}'{hint}"
        if isinstance(covariate, AttributeCovariate) and covariate.attribute not in sent.attributes:
            hint = did_you_mean(covariate.attribute, sent.attributes)
            yield (*at, "attribute"), f"no unit sends an attribute '{covariate.attribute}'{hint}"


def _check_measure(at: Location, measure: Measure, sent: Sent) -> Iterator[Place]:
    for number, key in enumerate(measure.instruments):
        instrument = sent.instruments.get(key)
        if instrument is None:
            yield (*at, "instruments", number), f"no instrument '{key}'{did_you_mean(key, sent.instruments)}"
            continue
        scales = {scale.key for scale in instrument.scales}
        if measure.scale not in scales:
            yield (*at, "scale"), f"{key} has no scale '{measure.scale}'{did_you_mean(measure.scale, scales)}"
        if measure.rater not in instrument.raters:
            raters = ", ".join(instrument.raters)
            yield (*at, "rater"), f"{key} is not answered by '{measure.rater}'; it is by {raters}"
