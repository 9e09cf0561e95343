{# Courses that follow a schedule, narrow and numbered: a million due points are joined by this number, not by long ids. #}
select
    row_number() over (order by episode.episode_id) as course_no,
    episode.episode_id,
    episode.patient_id,
    episode.site_id,
    episode.schedule,
    episode.arm,
    episode.admission_date,
    coalesce(episode.treatment_start_date, episode.admission_date) as start_date,
    episode.discharge_date,
    coalesce(episode.anchor_date, episode.treatment_start_date, episode.admission_date) is not null as is_dated,
    {# Without any date time is relative: this day stands for month 0, and nothing of it is ever shown. #}
    coalesce(
        episode.anchor_date, episode.treatment_start_date, episode.admission_date, cast('1900-01-01' as date)
    ) as month_zero_date,
    case
        when episode.discharge_date is not null then coalesce(schedule_end.end_kind, 'discharge')
    end as end_kind,
    case when episode.is_vanished then episode.delivery end as vanished_after
from {{ ref('stg_episode') }} as episode
left join {{ source('inputs', 'schedule_end') }} as schedule_end
    on episode.schedule = schedule_end.schedule and episode.termination_reason = schedule_end.termination_reason
where episode.schedule is not null
