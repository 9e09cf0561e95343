{{ config(materialized='ephemeral') }}

with source as (
    {{ current_rows('session', ['episode_id', 'session_number']) }}
)

select
    episode_id,
    patient_id,
    site as site_id,
    session_number,
    session_date,
    is_attended
from source
