select
    patient_id,
    purpose,
    status,
    status_date
from {{ ref('stg_consent') }}
