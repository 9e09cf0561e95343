{# Due points of every episode, and the assessment that belongs to each: of the same episode, family, rater and
   occasion, one to one, the first by date and then by id. #}
with anchored as (
    select
        episode.episode_id,
        episode.patient_id,
        episode.site_id,
        episode.schedule,
        episode.discharge_date,
        case when episode.is_vanished then episode.delivery end as vanished_after,
        occasion.occasion,
        occasion.occasion_order,
        occasion.anchor,
        occasion.months,
        occasion.before_days,
        occasion.after_days,
        case occasion.anchor
            when 'discharge' then episode.discharge_date
            when 'treatment_start' then coalesce(episode.treatment_start_date, episode.admission_date)
            else episode.admission_date
        end as anchor_date
    from {{ ref('stg_episode') }} as episode
    inner join {{ source('inputs', 'occasion') }} as occasion on episode.schedule = occasion.schedule
    where occasion.anchor <> 'discharge' or episode.discharge_date is not null
),

dated as (
    select
        anchored.*,
        {{ add_days('anchor_date', 'round(months * ' ~ days_per_month() ~ ')') }} as due_date
    from anchored
),

due as (
    select
        dated.*,
        due.instrument,
        due.family,
        due.rater,
        row_number() over (
            partition by dated.episode_id, dated.occasion, due.family, due.rater
            order by case when due.until_date is null then 0 else 1 end, due.from_date desc, due.instrument
        ) as undated_rank
    from dated
    inner join {{ source('inputs', 'due') }} as due
        on dated.schedule = due.schedule
        and dated.occasion = due.occasion
        and (due.from_date is null or dated.due_date is null or dated.due_date >= due.from_date)
        and (due.until_date is null or dated.due_date is null or dated.due_date < due.until_date)
),

due_ranked as (
    select
        due.*,
        {{ add_days('due_date', '-before_days') }} as opens_date,
        {{ add_days('due_date', 'after_days') }} as closes_date,
        row_number() over (
            partition by episode_id, occasion, family, rater order by instrument
        ) as match_rank
    from due
    where due_date is not null or undated_rank = 1
),

assessment_ranked as (
    select
        assessment_id,
        episode_id,
        family,
        rater,
        occasion,
        assessment_date,
        is_vanished,
        row_number() over (
            partition by episode_id, family, rater, occasion
            order by
                case when is_vanished then 1 else 0 end,
                case when assessment_date is null then 1 else 0 end, assessment_date, assessment_id
        ) as match_rank
    from {{ ref('stg_form') }}
    where occasion is not null
)

select
    'd' || md5(
        due.episode_id || '|' || due.instrument || '|' || due.rater || '|' || due.occasion
    ) as due_point_id,
    due.episode_id,
    due.patient_id,
    due.site_id,
    due.schedule,
    due.instrument,
    due.family,
    due.rater,
    due.occasion,
    due.occasion_order,
    due.anchor,
    due.due_date,
    due.opens_date,
    due.closes_date,
    due.discharge_date,
    assessment.assessment_id,
    assessment.assessment_date,
    coalesce(assessment.is_vanished, false) as is_vanished,
    due.vanished_after,
    case
        when assessment.assessment_date is null or due.due_date is null then null
        when assessment.assessment_date < due.opens_date then 'early'
        when assessment.assessment_date > due.closes_date then 'late'
        else 'on_time'
    end as timing
from due_ranked as due
left join assessment_ranked as assessment
    on due.episode_id = assessment.episode_id
    and due.family = assessment.family
    and due.rater = assessment.rater
    and due.occasion = assessment.occasion
    and due.match_rank = assessment.match_rank
