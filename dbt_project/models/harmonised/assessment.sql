{{ config(materialized='view') }}
select
    assessment_id,
    episode_id,
    patient_id,
    site_id,
    instrument,
    family,
    version,
    rater,
    assessment_date,
    months,
    months_anchor,
    occasion,
    timing,
    delivery,
    source_file,
    source_row,
    sequence,
    n_items,
    n_answered,
    is_vanished
from {{ ref('stg_assessment').include(database=false) }}
