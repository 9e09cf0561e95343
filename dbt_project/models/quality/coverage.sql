{# Registered are patients with a course that touches the period: begun by its end, and not discharged before its start. A
   course without a date of beginning touches no period, and one that is no longer delivered is not registered. #}
with registered as (
    select
        treated.site_id,
        treated.period_start,
        count(distinct episode.patient_id) as n_registered
    from {{ source('inputs', 'treated') }} as treated
    inner join {{ ref('stg_episode') }} as episode
        on treated.site_id = episode.site_id
        and coalesce(episode.admission_date, episode.treatment_start_date) <= treated.period_end
        and (episode.discharge_date is null or episode.discharge_date >= treated.period_start)
    where not episode.is_vanished
    group by treated.site_id, treated.period_start
)

select
    treated.site_id,
    treated.period_start,
    treated.period_end,
    treated.n_treated,
    cast(coalesce(registered.n_registered, 0) as bigint) as n_registered,
    {{ rate('coalesce(registered.n_registered, 0)', 'treated.n_treated') }} as coverage_rate
from {{ source('inputs', 'treated') }} as treated
left join registered
    on treated.site_id = registered.site_id and treated.period_start = registered.period_start
