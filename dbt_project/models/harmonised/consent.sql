select
    patient_id,
    purpose,
    status,
    status_date,
    is_vanished
from {{ ref('stg_consent') }}
