select
    episode_id,
    session_number,
    session_date,
    is_attended,
    patient_id,
    site_id
from {{ ref('stg_session') }}
