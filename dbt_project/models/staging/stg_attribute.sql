{{ config(materialized='ephemeral') }}

with source as (
    {{ current_rows('attribute', ['episode_id', 'attribute', 'value_date']) }}
)

select
    episode_id,
    patient_id,
    site as site_id,
    attribute,
    value,
    value_date
from source
