"""The catalogue's rules about people in texts, whole deliveries, and what changes between deliveries.

What belongs here: their sentences and remedies. What does not: rules about one row (`checks.catalogue_rows`), and
looking a rule up (`checks.catalogue`).
"""

from __future__ import annotations

from checks.rule_codes import (
    AFTER_DISCHARGE,
    ASSESSMENT_CORRECTED,
    CODING_SHIFT,
    DATES_ORDER,
    DATES_SWAPPED,
    FILE_NAME_IDENTIFIER,
    ITEM_REVERSED,
    RECORD_RELABELLED,
    RECORD_VANISHED,
    STRAIGHT_LINING,
    TEXT_IDENTIFIER,
    TEXT_NAME_LIKE,
    VERSION_DATE,
    Rule,
)

PEOPLE: tuple[Rule, ...] = (
    Rule(
        TEXT_IDENTIFIER,
        "privacy",
        "void_value",
        "{field}: the text {holds}; it was not stored",
        "Take names, addresses and numbers of people out of that text.",
        "assets.ingestion, checks.leaks",
        "text with a name or number of a person",
        "texts with a name or number of a person",
    ),
    Rule(
        TEXT_NAME_LIKE,
        "privacy",
        "flag",
        "{field}: the text holds a word that is also somebody's name; it was kept",
        "Read the text and take the name out, if it is one.",
        "assets.ingestion, checks.leaks",
        "text with a word that is also a name",
        "texts with a word that is also a name",
    ),
    Rule(
        FILE_NAME_IDENTIFIER,
        "privacy",
        "void_value",
        "{place}: the name holds an identifier of a person; it is masked in everything that is stored",
        "Name files, sheets and columns without names or numbers of people.",
        "assets.ingestion, checks.leaks",
        "name of a file, sheet or column with an identifier",
        "names of files, sheets or columns with an identifier",
    ),
)

BEYOND_VALUES: tuple[Rule, ...] = (
    Rule(
        VERSION_DATE,
        "plausibility",
        "flag",
        "assessment_date: this version of the form was not in use on that day",
        "Check the date, and which version of the form was filled in.",
        "checks.plausibility",
        "form dated outside the time its version was in use",
        "forms dated outside the time their version was in use",
    ),
    Rule(
        DATES_ORDER,
        "plausibility",
        "flag",
        "{field}: lies {order}",
        "Compare the dates of admission, start and discharge and the year of birth with the record.",
        "checks.plausibility",
        "date in an impossible order",
        "dates in an impossible order",
    ),
    Rule(
        AFTER_DISCHARGE,
        "plausibility",
        "flag",
        "assessment_date: lies after discharge and after the schedule's last window",
        "Check the date of the form and the date of discharge; register the new admission if there was one.",
        "checks.plausibility",
        "assessment long after discharge",
        "assessments long after discharge",
    ),
    Rule(
        CODING_SHIFT,
        "plausibility",
        "flag",
        "answers are coded {shift} than before: they now lie in {now}, in the last delivery in {before}",
        "Check whether the export's coding of answers changed, and deliver again or tell the network.",
        "checks.plausibility",
        "instrument whose coding moved",
        "instruments whose coding moved",
    ),
    Rule(
        ITEM_REVERSED,
        "plausibility",
        "flag",
        "item {number}: goes against the other items of its scale, as if it were coded the other way round",
        "Check whether the export turns this item round, and deliver again or tell the network.",
        "checks.plausibility",
        "item coded the other way round",
        "items coded the other way round",
    ),
    Rule(
        DATES_SWAPPED,
        "plausibility",
        "flag",
        "assessment_date: {n} of {checked} dates fit their occasion only with day and month changed about",
        "Check whether the export's form of dates changed, and deliver again or tell the network.",
        "checks.plausibility",
        "instrument whose days and months are changed about",
        "instruments whose days and months are changed about",
    ),
    Rule(
        STRAIGHT_LINING,
        "plausibility",
        "flag",
        "all {n} answers are the same",
        "Compare with the form; nothing, if it was filled in like that.",
        "checks.plausibility",
        "form with the same answer throughout",
        "forms with the same answer throughout",
    ),
)

HISTORY: tuple[Rule, ...] = (
    Rule(
        ASSESSMENT_CORRECTED,
        "history",
        "flag",
        "This assessment differs from the delivery before; the newer one counts.",
        "Nothing; this is a record of the correction.",
        "SQL, quality.finding",
        "assessment corrected since it first came",
        "assessments corrected since they first came",
    ),
    Rule(
        RECORD_VANISHED,
        "history",
        "flag",
        "{what} that an earlier delivery held was not in a later one; {fate}.",
        "Deliver it again, or say that it was deleted on purpose.",
        "SQL, stg_vanished",
        "record that is no longer delivered",
        "records that are no longer delivered",
    ),
    Rule(
        RECORD_RELABELLED,
        "history",
        "flag",
        "{what} came under another key than before, with the same contents.",
        "Nothing; this is a record of the move.",
        "SQL, stg_vanished",
        "record that came under another key",
        "records that came under another key",
    ),
)
