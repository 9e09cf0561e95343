{# Only points whose fate is known count: what is upcoming, open or still on its way is neither received nor missed. #}
with points as (
    select
        expected.site_id,
        expected.instrument,
        expected.occasion,
        expected.occasion_order,
        expected.due_quarter,
        case when expected.is_counted then 1 else 0 end as n_expected,
        case when expected.assessment_id is not null then 1 else 0 end as n_received,
        case when form.is_scorable then 1 else 0 end as n_scorable,
        coalesce(form.n_items, 0) as n_items_expected,
        coalesce(form.n_answered, 0) as n_items_answered
    from {{ ref('expected_assessment') }} as expected
    left join {{ ref('stg_usable_form') }} as form on expected.assessment_id = form.assessment_id
),

counted as (
    select
        site_id,
        instrument,
        occasion,
        due_quarter,
        min(occasion_order) as occasion_order,
        cast(sum(n_expected) as bigint) as n_expected,
        cast(sum(n_received) as bigint) as n_received,
        cast(sum(n_scorable) as bigint) as n_scorable,
        cast(sum(n_items_expected) as bigint) as n_items_expected,
        cast(sum(n_items_answered) as bigint) as n_items_answered
    from points
    group by site_id, instrument, occasion, due_quarter
)

select
    site_id,
    instrument,
    occasion,
    due_quarter,
    {{ completeness_rates() }},
    occasion_order
from counted
