{{ config(materialized='ephemeral') }}

with source as (
    {{ current_rows('consent', ['patient_id', 'purpose']) }}
)

select
    patient_id,
    purpose,
    status,
    status_date
from source
