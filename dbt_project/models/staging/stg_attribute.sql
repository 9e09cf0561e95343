{{ config(materialized='ephemeral') }}

with source as (
    {{ current_rows('attribute', ['episode_id', 'attribute', 'value_date'], 'episode', 'lake.episode_id') }}
)

select
    episode_id,
    {{ identified('source.patient_id', 'source.episode_id') }} as patient_id,
    site as site_id,
    attribute,
    value,
    value_date
from source
