{{ config(materialized='view') }}
select
    assessment_id,
    episode_id,
    patient_id,
    site_id,
    instrument,
    version,
    rater,
    scale,
    months,
    occasion,
    score,
    score_supplied,
    n_items,
    n_answered,
    status = 'prorated' as is_prorated,
    status,
    is_primary
from {{ ref('stg_scale').include(database=false) }}
