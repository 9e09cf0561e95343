select
    patient_id,
    column_name,
    value,
    changed_at,
    user_id,
    reason,
    site_id
from {{ ref('stg_audit') }}
