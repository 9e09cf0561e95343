select
    episode_id,
    patient_id,
    attribute,
    value,
    value_date,
    site_id
from {{ ref('stg_attribute') }}
