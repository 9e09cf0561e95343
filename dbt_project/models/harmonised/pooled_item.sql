{{ config(materialized='view') }}
{# One item number is not the same item in every version: only those that the codebook declares identical are pooled. #}
with identical as (
    select distinct
        instrument,
        version,
        item,
        scale_points
    from {{ ref('stg_identical_item').include(database=false) }}
)

select
    response.assessment_id,
    assessment.episode_id,
    assessment.patient_id,
    assessment.site_id,
    assessment.family,
    response.instrument,
    assessment.version,
    assessment.rater,
    assessment.months,
    assessment.occasion,
    response.item,
    response.value,
    identical.scale_points
from {{ ref('item_response').include(database=false) }} as response
inner join {{ ref('assessment').include(database=false) }} as assessment
    on response.assessment_id = assessment.assessment_id
inner join identical
    on assessment.instrument = identical.instrument
    and assessment.version = identical.version
    and response.item = identical.item
