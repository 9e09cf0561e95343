select
    patient.patient_id,
    patient.site as site_id,
    min(patient.delivery) as first_delivery,
    max(patient.delivery) as last_delivery
from {{ source('lake', 'patient') }} as patient
inner join {{ ref('stg_delivery') }} as delivery
    on patient.site = delivery.site_id and patient.delivery = delivery.delivery
group by patient.patient_id, patient.site
