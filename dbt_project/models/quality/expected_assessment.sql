{# What became of every due point. What came has come; what ended before is not expected; the rest is the clock's to say,
   and nothing is overdue or missed before the unit's data reach its closing. #}
with reached as (
    select
        site_id,
        delivery,
        is_latest,
        coalesce(data_through_date, delivery_date) as data_through_date
    from {{ ref('stg_delivery') }}
),

withdrawn as (
    select
        patient_id,
        min(status_date) as withdrawn_date,
        max(case when status_date is null then 1 else 0 end) as n_undated
    from {{ ref('consent') }}
    where status = 'withdrawn'
    group by patient_id
),

course as (
    select
        course.course_no,
        course.is_dated,
        course.discharge_date,
        course.end_kind,
        course.vanished_after,
        reached.data_through_date,
        case when withdrawn.n_undated = 1 then cast('0001-01-01' as date) else withdrawn.withdrawn_date end as withdrawn_date
    from {{ ref('stg_course') }} as course
    {# A course that is no longer delivered reaches as far as the delivery that last held it. #}
    left join reached
        on course.site_id = reached.site_id
        and case when course.vanished_after is null then reached.is_latest else course.vanished_after = reached.delivery end
    left join withdrawn on course.patient_id = withdrawn.patient_id
),

placed as (
    select
        due_point.*,
        occasion.occasion_order,
        context.today,
        context.overdue_until_days,
        course.data_through_date,
        course.vanished_after,
        answer.answer,
        answer.answered_date,
        case answer.answer
            when 'refused' then 'refused'
            when 'unobtainable' then 'unobtainable'
        end as explained,
        case
            when due_point.assessment_id is not null then null
            when due_point.due_date is null and course.is_dated and occasion.anchor = 'session_number' then 'session not held'
            when due_point.due_date is null then 'no anchor date'
            when occasion.ends_at_death and course.end_kind = 'death' and due_point.closes_date >= course.discharge_date
                then 'died'
            when occasion.ends_at_transfer and course.end_kind = 'transfer' and due_point.due_date >= course.discharge_date
                then 'transferred'
            when occasion.ends_at_discharge and due_point.due_date > course.discharge_date then 'after discharge'
            when answer.answer = 'left' then 'left'
            when answer.answer = 'not_given' then 'not given'
        end as unexpected,
        {# What counts from a session or an earlier assessment has no date before that; it is still to come. #}
        due_point.due_date is null
        and course.is_dated
        and occasion.anchor in ('session_number', 'previous_assessment')
        and (course.discharge_date is null or course.discharge_date > context.today) as is_to_come,
        coalesce(
            occasion.ends_at_withdrawal
            and course.withdrawn_date <= coalesce(due_point.closes_date, context.today), false
        ) as is_withdrawn
    from {{ ref('stg_due_point') }} as due_point
    inner join course on due_point.course_no = course.course_no
    inner join {{ source('inputs', 'occasion') }} as occasion on due_point.occasion_no = occasion.occasion_no
    cross join {{ source('inputs', 'context') }} as context
    left join {{ source('inputs', 'due_answer') }} as answer
        on due_point.due_point_id = answer.due_point_id and due_point.site_id = answer.site_id
),

judged as (
    select
        placed.*,
        case
            when assessment_id is not null then 'received_' || coalesce(arrival, 'on_time')
            when is_to_come and is_withdrawn then 'withdrawn'
            when is_to_come then 'upcoming'
            when unexpected in ('left', 'not given') and is_withdrawn then 'withdrawn'
            when unexpected is not null then 'not_expected'
            when is_withdrawn then 'withdrawn'
            when today < opens_date then 'upcoming'
            when today <= closes_date then 'open'
            when data_through_date is null or closes_date > data_through_date then 'awaiting_delivery'
            when explained is not null then 'missed'
            when today <= {{ add_days('closes_date', 'overdue_until_days') }} then 'overdue'
            else 'missed'
        end as status
    from placed
)

select
    due_point_id,
    episode_id,
    patient_id,
    site_id,
    instrument,
    rater,
    occasion,
    due_date,
    opens_date,
    closes_date,
    status,
    case
        when is_vanished then 'no longer delivered'
        when assessment_id is not null then null
        when status = 'withdrawn' then 'consent withdrawn'
        when status = 'not_expected' then unexpected
        when explained is not null then explained
        when status = 'awaiting_delivery' and vanished_after is not null then 'no longer delivered'
    end as reason,
    assessment_id,
    family,
    occasion_order,
    assessment_date,
    schedule,
    cast(extract(year from due_date) as {{ dbt.type_string() }})
    || '-Q' || cast(extract(quarter from due_date) as {{ dbt.type_string() }}) as due_quarter,
    assessment_id is not null or status in ('overdue', 'missed') as is_counted,
    answer,
    answered_date
from judged
