select
    episode_id,
    session_number,
    session_date,
    is_attended,
    patient_id,
    site_id,
    is_vanished
from {{ ref('stg_session') }}
