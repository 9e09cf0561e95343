{{ config(materialized='ephemeral') }}

with source as (
    {{ current_rows('session', ['episode_id', 'session_number'], 'session', "lake.episode_id || '|' || lake.session_number") }}
)

select
    coalesce(successor_episode_id, episode_id) as episode_id,
    {{ identified('source.patient_id', 'coalesce(source.successor_episode_id, source.episode_id)') }} as patient_id,
    site as site_id,
    session_number,
    session_date,
    is_attended,
    is_vanished
from source
