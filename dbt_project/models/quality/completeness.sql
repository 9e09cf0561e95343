{# The same counts as by quarter, over all quarters: added up, so that the two cannot disagree. #}
with counted as (
    select
        site_id,
        instrument,
        occasion,
        min(occasion_order) as occasion_order,
        cast(sum(n_expected) as bigint) as n_expected,
        cast(sum(n_received) as bigint) as n_received,
        cast(sum(n_scorable) as bigint) as n_scorable,
        cast(sum(n_items_expected) as bigint) as n_items_expected,
        cast(sum(n_items_answered) as bigint) as n_items_answered
    from {{ ref('completeness_quarter') }}
    group by site_id, instrument, occasion
)

select
    site_id,
    instrument,
    occasion,
    {{ completeness_rates() }},
    occasion_order
from counted
