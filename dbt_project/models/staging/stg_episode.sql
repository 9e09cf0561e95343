with source as (
    {{ current_rows('episode', ['episode_id'], 'episode', 'lake.episode_id') }}
),

named as (
    select
        source.*,
        source.site as site_id,
        coalesce(source.schedule, site.schedule) as schedule_name,
        coalesce(source.admission_date, source.treatment_start_date) as begin_date
    from source
    left join {{ source('inputs', 'site') }} as site on source.site = site.site_id
),

{# Of the schedule that its unit names, those that it replaces and those that replace it, a course follows the one valid
   on the day it begins; one without a date the first. #}
scheduled as (
    select
        named.*,
        valid.schedule as valid_schedule,
        valid.months_anchor as schedule_anchor
    from named
    left join {{ source('inputs', 'schedule') }} as followed on named.schedule_name = followed.schedule
    left join {{ source('inputs', 'schedule') }} as valid
        on followed.first_schedule = valid.first_schedule
        and case
            when named.begin_date is null then valid.schedule = valid.first_schedule
            else named.begin_date >= valid.valid_from
                and (valid.valid_until is null or named.begin_date < valid.valid_until)
        end
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
    scheduled.valid_schedule as schedule,
    case
        when scheduled.schedule_anchor = 'admission' then scheduled.admission_date
        else coalesce(scheduled.treatment_start_date, scheduled.admission_date)
    end as anchor_date,
    case
        when scheduled.schedule_anchor = 'admission' then 'admission'
        when scheduled.treatment_start_date is null and scheduled.admission_date is not null then 'admission'
        else 'treatment_start'
    end as months_anchor,
    scheduled.delivery,
    scheduled.is_vanished
from scheduled
