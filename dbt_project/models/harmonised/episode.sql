select
    episode_id,
    patient_id,
    site_id,
    treatment,
    arm,
    therapist_id,
    admission_date,
    treatment_start_date,
    discharge_date,
    {{ months_between('coalesce(treatment_start_date, admission_date)', 'discharge_date') }} as treatment_months,
    termination_reason,
    is_completed_as_planned,
    schedule,
    anchor_date,
    months_anchor,
    is_vanished
from {{ ref('stg_episode') }}
