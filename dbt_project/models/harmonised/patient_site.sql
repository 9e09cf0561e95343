with known as (
    select
        {{ identified('patient.patient_id') }} as patient_id,
        patient.site as site_id,
        patient.delivery
    from {{ source('lake', 'patient') }} as patient
    union all
    {# Whose course was split off is known to the unit by that course alone. #}
    select
        {{ identified('episode.patient_id', 'episode.episode_id') }} as patient_id,
        episode.site as site_id,
        episode.delivery
    from {{ source('lake', 'episode') }} as episode
    inner join {{ source('inputs', 'identity') }} as identity
        on identity.kind = 'episode' and episode.episode_id = identity.record_id
)

select
    known.patient_id,
    known.site_id,
    min(known.delivery) as first_delivery,
    max(known.delivery) as last_delivery
from known
inner join {{ ref('stg_delivery') }} as delivery
    on known.site_id = delivery.site_id and known.delivery = delivery.delivery
group by known.patient_id, known.site_id
