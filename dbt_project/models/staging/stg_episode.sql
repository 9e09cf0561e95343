with source as (
    {{ current_rows('episode', ['episode_id'], 'episode', 'lake.episode_id') }}
),

site_schedule as (
    select
        site.site_id,
        site.schedule,
        min(occasion.valid_from) as valid_from
    from {{ source('inputs', 'site') }} as site
    inner join {{ source('inputs', 'occasion') }} as occasion on site.schedule = occasion.schedule
    group by site.site_id, site.schedule
),

scheduled as (
    select
        source.*,
        source.site as site_id,
        coalesce(source.schedule, site_schedule.schedule) as schedule_name
    from source
    left join site_schedule
        on source.site = site_schedule.site_id
        and coalesce(source.admission_date, source.treatment_start_date, site_schedule.valid_from)
        >= site_schedule.valid_from
),

anchors as (
    select
        schedule,
        max(months_anchor) as months_anchor
    from {{ source('inputs', 'occasion') }}
    group by schedule
)

select
    scheduled.episode_id,
    {{ identified('scheduled.patient_id', 'scheduled.episode_id') }} as patient_id,
    scheduled.site_id,
    scheduled.treatment,
    scheduled.arm,
    scheduled.therapist_id,
    scheduled.admission_date,
    scheduled.treatment_start_date,
    scheduled.discharge_date,
    scheduled.termination_reason,
    scheduled.is_completed_as_planned,
    anchors.schedule,
    case
        when anchors.months_anchor = 'admission' then scheduled.admission_date
        else coalesce(scheduled.treatment_start_date, scheduled.admission_date)
    end as anchor_date,
    case
        when anchors.months_anchor = 'admission' then 'admission'
        when scheduled.treatment_start_date is null and scheduled.admission_date is not null then 'admission'
        else 'treatment_start'
    end as months_anchor,
    scheduled.delivery,
    scheduled.is_vanished
from scheduled
left join anchors on scheduled.schedule_name = anchors.schedule
