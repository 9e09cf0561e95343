"""The catalogue of rules: every code that a finding can carry, what it means, and what the unit should do about it.

What belongs here: finding a rule by its code, and the catalogue as rows for SQL. What does not: raising a finding
(`assets.ingestion`, `checks.rules`, `checks.plausibility`, the SQL of quality.finding). A new rule is one entry in
`checks.catalogue_rows` or `checks.catalogue_deliveries`, its code in `checks.rule_codes`. A family stands for many
codes: `{instrument}-range-{item}` for `wai_sr-range-07`.
"""

from __future__ import annotations

from functools import cache

from checks.catalogue_deliveries import BEYOND_VALUES, HISTORY, PEOPLE
from checks.catalogue_rows import FORMS, ROWS, VALUES
from checks.rule_codes import Rule

RULES: tuple[Rule, ...] = (*ROWS, *FORMS, *VALUES, *PEOPLE, *BEYOND_VALUES, *HISTORY)
"""Every rule; exact codes are found before families."""

_EXACT = {rule.code: rule for rule in RULES if not rule.is_family}


@cache
def rule_of(code: str) -> Rule | None:
    """The rule, or the family, that a finding's code belongs to; None for a code that nobody has catalogued."""
    return _EXACT.get(code) or next((rule for rule in RULES if rule.is_family and rule.fits(code)), None)


def catalogued(code: str) -> Rule:
    """`rule_of` for code that has to be there.

    Raises:
        KeyError: the catalogue does not know the code.
    """
    rule = rule_of(code)
    if rule is None:
        raise KeyError(f"checks.catalogue has no rule '{code}'")
    return rule


def rule_rows() -> list[dict[str, object]]:
    """The catalogue for SQL: one row per rule, `pattern` for LIKE, exact codes before families by `rule_order`."""
    ordered = sorted(RULES, key=lambda rule: (rule.is_family, -len(rule.sql_pattern)))
    return [
        {"rule": rule.code, "pattern": rule.sql_pattern, "rule_order": order, "remedy": rule.remedy}
        for order, rule in enumerate(ordered)
    ]
