{# Everything that has a month, one month after the other, from the first of a unit to the one of the build's today. #}
with recursive event as (
    select
        site_id,
        {{ dbt.date_trunc('month', 'due_date') }} as month,
        1 as n_due,
        case when assessment_id is not null then 1 else 0 end as n_received,
        case when status = 'received_on_time' then 1 else 0 end as n_received_on_time,
        case when status = 'overdue' then 1 else 0 end as n_overdue,
        0 as n_assessments,
        0 as n_findings_opened,
        0 as n_findings_closed
    from {{ ref('expected_assessment') }}
    where is_counted and due_date is not null
    union all
    select
        site_id,
        {{ dbt.date_trunc('month', 'assessment_date') }} as month,
        0 as n_due,
        0 as n_received,
        0 as n_received_on_time,
        0 as n_overdue,
        1 as n_assessments,
        0 as n_findings_opened,
        0 as n_findings_closed
    from {{ ref('assessment') }}
    where assessment_date is not null
    union all
    select
        site_id,
        {{ dbt.date_trunc('month', 'opened_date') }} as month,
        0 as n_due,
        0 as n_received,
        0 as n_received_on_time,
        0 as n_overdue,
        0 as n_assessments,
        1 as n_findings_opened,
        0 as n_findings_closed
    from {{ ref('finding') }}
    where opened_date is not null
    union all
    select
        site_id,
        {{ dbt.date_trunc('month', 'closed_date') }} as month,
        0 as n_due,
        0 as n_received,
        0 as n_received_on_time,
        0 as n_overdue,
        0 as n_assessments,
        0 as n_findings_opened,
        1 as n_findings_closed
    from {{ ref('finding') }}
    where closed_date is not null and opened_date is not null
),

counted as (
    select
        event.site_id,
        cast(event.month as date) as month,
        sum(event.n_due) as n_due,
        sum(event.n_received) as n_received,
        sum(event.n_received_on_time) as n_received_on_time,
        sum(event.n_overdue) as n_overdue,
        sum(event.n_assessments) as n_assessments,
        sum(event.n_findings_opened) as n_findings_opened,
        sum(event.n_findings_closed) as n_findings_closed
    from event
    cross join {{ source('inputs', 'context') }} as context
    where cast(event.month as date) <= context.today
    group by event.site_id, cast(event.month as date)
),

calendar as (
    select
        counted.site_id,
        min(counted.month) as month,
        max(context.today) as today
    from counted
    cross join {{ source('inputs', 'context') }} as context
    group by counted.site_id
    union all
    select
        site_id,
        cast({{ dbt.dateadd('month', 1, 'month') }} as date) as month,
        today
    from calendar
    where cast({{ dbt.dateadd('month', 1, 'month') }} as date) <= today
)

select
    calendar.site_id,
    calendar.month,
    cast(coalesce(counted.n_due, 0) as bigint) as n_due,
    cast(coalesce(counted.n_received, 0) as bigint) as n_received,
    cast(coalesce(counted.n_received_on_time, 0) as bigint) as n_received_on_time,
    cast(coalesce(counted.n_overdue, 0) as bigint) as n_overdue,
    cast(coalesce(counted.n_assessments, 0) as bigint) as n_assessments,
    cast(coalesce(counted.n_findings_opened, 0) as bigint) as n_findings_opened,
    cast(coalesce(counted.n_findings_closed, 0) as bigint) as n_findings_closed,
    cast(
        sum(coalesce(counted.n_findings_opened, 0) - coalesce(counted.n_findings_closed, 0))
            over (partition by calendar.site_id order by calendar.month) as bigint
    ) as n_findings_open
from calendar
left join counted on calendar.site_id = counted.site_id and calendar.month = counted.month
