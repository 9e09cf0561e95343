"""Codes of rules, and what a rule is made of.

What belongs here: the codes as constants, the classes and severities, the model of a rule. What does not: what each
rule says (`checks.catalogue`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

Class = Literal["conformance", "completeness", "plausibility", "privacy", "history"]
Severity = Literal["reject_row", "void_value", "flag"]
CLASSES: tuple[Class, ...] = get_args(Class)

ROW_UNREADABLE = "row-unreadable"
ROW_IDENTITY_MISSING = "row-identity-missing"
ROW_IDENTITY_INVALID = "row-identity-invalid"
ROW_SITE_UNKNOWN = "row-site-unknown"
ROW_TIME_MISSING = "row-time-missing"
ROW_VERSION_UNKNOWN = "row-version-unknown"
ROW_RATER_UNKNOWN = "row-rater-unknown"
ROW_KEY_CONFLICT = "row-key-conflict"
ROW_DUPLICATE = "row-duplicate"
ROW_EPISODE_UNKNOWN = "row-episode-unknown"
FORM_TIME_MISSING = "form-time-missing"
FORM_VERSION_UNKNOWN = "form-version-unknown"
FORM_INCOMPLETE = "form-incomplete"
FORM_VOID = "form-void"
DATE_UNREADABLE = "date-unreadable"
DATE_IMPLAUSIBLE = "date-implausible"
NUMBER_UNREADABLE = "number-unreadable"
OCCASION_UNKNOWN = "occasion-unknown"
CONSENT_CONFLICT = "consent-conflict"
ATTRIBUTE_CONFLICT = "attribute-conflict"
SESSION_CONFLICT = "session-conflict"
VISIT_UNSCHEDULED = "visit-unscheduled"
TEXT_IDENTIFIER = "text-identifier"
TEXT_NAME_LIKE = "text-name-like"
FILE_NAME_IDENTIFIER = "file-name-identifier"
VERSION_DATE = "version-date"
DATES_ORDER = "dates-order"
AFTER_DISCHARGE = "assessment-after-discharge"
CODING_SHIFT = "coding-shift"
ITEM_REVERSED = "item-reversed"
DATES_SWAPPED = "dates-swapped"
STRAIGHT_LINING = "straight-lining"
SUPPLIED_DIFFERS = "supplied-differs"
SUPPLIED_IGNORES_MISSING = "supplied-ignores-missing"
ASSESSMENT_CORRECTED = "assessment-corrected"
RECORD_VANISHED = "record-vanished"
RECORD_RELABELLED = "record-relabelled"

_HOLES = {"instrument": r"[a-z][a-z0-9_]*", "item": r"[0-9]{2,}", "field": r"[a-z][a-z0-9_-]*"}
_HOLE = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class Rule:
    """One rule, or a family of rules with one sentence.

    `message` is what a finding says, without values; words in braces are filled in where it is raised. `remedy` is
    what the unit should do, one sentence. `one` and `many` name what was found when it is counted.
    """

    code: str
    kind: Class
    severity: Severity
    message: str
    remedy: str
    raised_in: str
    one: str
    many: str

    @property
    def is_family(self) -> bool:
        """Whether it stands for many codes."""
        return "{" in self.code

    @property
    def sql_pattern(self) -> str:
        """The code as a pattern of LIKE."""
        return _HOLE.sub("%", self.code)

    def fits(self, code: str) -> bool:
        """Whether `code` is this rule, or one of its family."""
        return _matcher(self.code).fullmatch(code) is not None

    def says(self, message: str) -> bool:
        """Whether `message` is this rule's sentence with its gaps filled in."""
        gaps = [re.escape(part) for part in re.split(r"\{[a-z]+\}", self.message)]
        return re.fullmatch(".+?".join(gaps), message, re.DOTALL) is not None


@cache
def _matcher(code: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[a-z]+\})", code)
    return re.compile("".join(_HOLES[part[1:-1]] if part.startswith("{") else re.escape(part) for part in parts))
