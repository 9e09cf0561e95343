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

judged as (
    select
        due_point.*,
        case
            when due_point.assessment_id is not null then 'received_' || coalesce(due_point.timing, 'on_time')
            when due_point.due_date is null then 'not_expected'
            when due_point.anchor <> 'discharge' and due_point.due_date > due_point.discharge_date then 'not_expected'
            when withdrawn.n_undated = 1 or withdrawn.withdrawn_date <= due_point.closes_date then 'withdrawn'
            when context.today < due_point.opens_date then 'upcoming'
            when context.today <= due_point.closes_date then 'open'
            when reached.data_through_date is null or due_point.closes_date > reached.data_through_date
                then 'awaiting_delivery'
            when context.today <= {{ add_days('due_point.closes_date', 'context.overdue_until_days') }} then 'overdue'
            else 'missed'
        end as status
    from {{ ref('stg_due_point') }} as due_point
    cross join {{ source('inputs', 'context') }} as context
    {# A course that is no longer delivered reaches as far as the delivery that last held it. #}
    left join reached
        on due_point.site_id = reached.site_id
        and case when due_point.vanished_after is null then reached.is_latest else due_point.vanished_after = reached.delivery end
    left join withdrawn on due_point.patient_id = withdrawn.patient_id
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
        when status = 'withdrawn' then 'consent withdrawn'
        when is_vanished then 'no longer delivered'
        when status = 'awaiting_delivery' and vanished_after is not null then 'no longer delivered'
        when status <> 'not_expected' then null
        when due_date is null then 'no anchor date'
        else 'after discharge'
    end as reason,
    assessment_id,
    family,
    occasion_order,
    assessment_date
from judged
