{# Only points whose fate is known count: what is upcoming, open or still on its way is neither received nor missed. #}
with primary_scale as (
    select
        instrument,
        version,
        scale
    from (
        select
            instrument,
            version,
            scale,
            is_primary,
            max(case when is_primary then 1 else 0 end) over (partition by instrument, version) as n_primary
        from {{ source('inputs', 'scale') }}
    ) as scale
    where is_primary or n_primary = 0
),

scorable as (
    select score.assessment_id
    from {{ ref('scale_score') }} as score
    inner join primary_scale
        on score.instrument = primary_scale.instrument
        and score.version = primary_scale.version
        and score.scale = primary_scale.scale
    where score.status in ('scored', 'prorated', 'supplied')
    group by score.assessment_id
),

supplied as (
    select assessment_id
    from {{ ref('scale_score') }}
    where status = 'supplied'
    group by assessment_id
),

points as (
    select
        expected.site_id,
        expected.instrument,
        expected.occasion,
        expected.occasion_order,
        expected.due_quarter,
        case when expected.is_counted then 1 else 0 end as n_expected,
        case when expected.assessment_id is not null then 1 else 0 end as n_received,
        case when scorable.assessment_id is not null then 1 else 0 end as n_scorable,
        case
            when assessment.n_answered = 0 and supplied.assessment_id is not null then 0
            else coalesce(assessment.n_items, 0)
        end as n_items_expected,
        coalesce(assessment.n_answered, 0) as n_items_answered
    from {{ ref('expected_assessment') }} as expected
    left join {{ ref('assessment') }} as assessment on expected.assessment_id = assessment.assessment_id
    left join scorable on expected.assessment_id = scorable.assessment_id
    left join supplied on expected.assessment_id = supplied.assessment_id
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
