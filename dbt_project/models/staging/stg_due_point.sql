{{ config(materialized='ephemeral') }}
{# Due points of every course, and the assessment that belongs to each, one to one. docs/schedules.md states the rule: a
   label of the course's schedule decides; what has none belongs to the nearest due point whose window (for a flexible
   occasion: twice the window) it lies in. Columns stay narrow and keys are numbers until the last step. #}
{%- set last = last_level() -%}
with recursive given as (
    select
        course.course_no,
        course.schedule,
        assessment.assessment_id,
        assessment.instrument,
        assessment.rater,
        assessment.assessment_date,
        assessment.is_vanished,
        occasion.occasion,
        case
            when course.is_dated and assessment.assessment_date is not null then assessment.assessment_date
            when assessment.assessment_date is null or not course.is_dated
                then {{ add_days(
                    'course.month_zero_date', 'cast(floor(assessment.declared_months * ' ~ days_per_month() ~ ' + 0.5) as integer)'
                ) }}
        end as match_date
    from {{ ref('stg_form') }} as assessment
    inner join {{ ref('stg_course') }} as course on assessment.episode_id = course.episode_id
    left join {{ source('inputs', 'occasion') }} as occasion
        on course.schedule = occasion.schedule and assessment.occasion = occasion.occasion
    where assessment.occasion is null or assessment.occasion <> 'unscheduled'
),

{# Of several with one label the first counts; what is no longer delivered and what has no date come last. #}
labelled as (
    select
        course_no,
        slot_no,
        assessment_id,
        match_date,
        assessment_date,
        is_vanished
    from (
        select
            given.course_no,
            slot.slot_no,
            given.assessment_id,
            given.match_date,
            given.assessment_date,
            given.is_vanished,
            row_number() over (
                partition by given.course_no, slot.slot_no
                order by
                    case when given.is_vanished then 1 else 0 end,
                    case when given.assessment_date is null then 1 else 0 end,
                    given.assessment_date,
                    given.match_date,
                    given.assessment_id
            ) as nth
        from given
        inner join {{ source('inputs', 'slot') }} as slot
            on given.schedule = slot.schedule
            and given.occasion = slot.occasion
            and given.instrument = slot.instrument
            and given.rater = slot.rater
    ) as ranked
    where nth = 1
),

unlabelled as (
    select
        given.course_no,
        slot.slot_no,
        slot.series_no,
        given.assessment_id,
        given.match_date,
        given.assessment_date,
        given.is_vanished
    from given
    inner join {{ source('inputs', 'slot') }} as slot
        on given.schedule = slot.schedule and given.instrument = slot.instrument and given.rater = slot.rater
    where given.occasion is null and given.match_date is not null
),

{# The first session numbered so, or later, that has a date. #}
held as (
    select
        course.course_no,
        occasion.occasion_no,
        min(session.session_date) as session_date
    from {{ ref('stg_course') }} as course
    inner join {{ source('inputs', 'occasion') }} as occasion
        on course.schedule = occasion.schedule and occasion.anchor = 'session_number'
    inner join {{ ref('stg_session') }} as session
        on course.episode_id = session.episode_id and session.session_number >= occasion.session_number
    group by course.course_no, occasion.occasion_no
),
{% for level in range(last + 1) %}
anchored_{{ level }} as (
    {{ anchored(level) }}
),

point_{{ level }} as (
    {{ points(level) }}
),

pair_{{ level }} as (
    {{ pairs(level) }}
),

walk_{{ level }} as (
    {{ walk(level) }}
),

taken_{{ level }} as (
    select
        course_no,
        slot_no,
        assessment_id,
        match_date,
        assessment_date,
        is_vanished
    from walk_{{ level }}
    where is_taken
),
{% endfor %}
point as (
    {{ all_levels('point', 'course_no, occasion_no, due_no, slot_no, due_date, match_due', last) }}
),

belonging as (
    select course_no, slot_no, assessment_id, match_date, assessment_date, is_vanished from labelled
    union all
    {{ all_levels('taken', 'course_no, slot_no, assessment_id, match_date, assessment_date, is_vanished', last) }}
),

matched as (
    select
        point.course_no,
        point.occasion_no,
        point.due_no,
        point.due_date,
        {{ add_days('point.due_date', '-occasion.before_days') }} as opens_date,
        {{ add_days('point.due_date', 'occasion.after_days') }} as closes_date,
        belonging.assessment_id,
        belonging.assessment_date,
        coalesce(belonging.is_vanished, false) as is_vanished,
        case
            when belonging.assessment_id is null then null
            when belonging.match_date < {{ add_days('point.match_due', '-occasion.before_days') }} then 'early'
            when belonging.match_date > {{ add_days('point.match_due', 'occasion.after_days') }} then 'late'
            else 'on_time'
        end as arrival
    from point
    inner join {{ source('inputs', 'occasion') }} as occasion on point.occasion_no = occasion.occasion_no
    left join belonging on point.course_no = belonging.course_no and point.slot_no = belonging.slot_no
)

select
    'd' || md5(
        course.episode_id || '|' || due.instrument || '|' || due.rater || '|' || due.occasion
    ) as due_point_id,
    matched.course_no,
    matched.occasion_no,
    course.episode_id,
    course.patient_id,
    course.site_id,
    course.schedule,
    due.instrument,
    due.family,
    due.rater,
    due.occasion,
    matched.due_date,
    matched.opens_date,
    matched.closes_date,
    matched.assessment_id,
    matched.assessment_date,
    matched.is_vanished,
    matched.arrival
from matched
inner join {{ ref('stg_course') }} as course on matched.course_no = course.course_no
inner join {{ source('inputs', 'due') }} as due on matched.due_no = due.due_no
