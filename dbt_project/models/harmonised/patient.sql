with episodes as (
    select
        patient_id,
        count(*) as n_episodes
    from {{ ref('stg_episode') }}
    group by patient_id
)

select
    patient.patient_id,
    patient.sex,
    patient.birth_year,
    coalesce(episodes.n_episodes, 0) as n_episodes,
    patient.is_vanished
from {{ ref('stg_patient') }} as patient
left join episodes on patient.patient_id = episodes.patient_id
