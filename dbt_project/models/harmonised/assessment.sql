{# Months: from dates where there are any; else as the site declares them; else the occasion's place in the schedule. #}
with placed as (
    select
        assessment.*,
        episode.schedule,
        episode.months_anchor,
        {{ months_between('episode.anchor_date', 'assessment.assessment_date') }} as dated_months,
        case
            when occasion.anchor = 'discharge'
                then round(
                    {{ months_between('episode.anchor_date', 'episode.discharge_date') }} + occasion.lag_months, 4
                )
            else round(occasion.nominal_months, 4)
        end as nominal_months
    from {{ ref('stg_assessment') }} as assessment
    left join {{ ref('stg_episode') }} as episode on assessment.episode_id = episode.episode_id
    left join {{ source('inputs', 'occasion') }} as occasion
        on episode.schedule = occasion.schedule and assessment.occasion = occasion.occasion
)

select
    placed.assessment_id,
    placed.episode_id,
    placed.patient_id,
    placed.site_id,
    placed.instrument,
    placed.family,
    placed.version,
    placed.rater,
    placed.assessment_date,
    coalesce(placed.dated_months, round(placed.declared_months, 4), placed.nominal_months) as months,
    coalesce(placed.months_anchor, 'treatment_start') as months_anchor,
    placed.occasion,
    case
        when placed.schedule is null or placed.assessment_date is null then null
        when due_point.due_point_id is null then 'unscheduled'
        else due_point.timing
    end as timing,
    placed.delivery,
    placed.source_file,
    placed.source_row,
    placed.sequence,
    cast(placed.n_items as integer) as n_items,
    cast(placed.n_answered as integer) as n_answered,
    placed.is_vanished
from placed
left join {{ ref('stg_due_point') }} as due_point on placed.assessment_id = due_point.assessment_id
