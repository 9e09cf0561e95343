{{ config(materialized='view') }}
{# One item number is not the same item in every version: only those that the codebook declares identical are pooled,
   and only they are made long. #}
{%- set n_columns = max_items() -%}
with identical as (
    select distinct
        instrument,
        version,
        item,
        scale_points
    from {{ ref('stg_identical_item').include(database=false) }}
)

select
    assessment.assessment_id,
    assessment.episode_id,
    assessment.patient_id,
    assessment.site_id,
    assessment.family,
    assessment.instrument,
    assessment.version,
    assessment.rater,
    assessment.months,
    assessment.occasion,
    identical.item,
    {{ item_value('identical.item', 'assessment', n_columns) }} as value,
    identical.scale_points
from {{ ref('stg_assessment').include(database=false) }} as assessment
inner join identical
    on assessment.instrument = identical.instrument and assessment.version = identical.version
