{{ config(materialized='ephemeral') }}

{# Audit records are history themselves: none of them vanishes, the newest delivery tells all that its export holds. #}
with source as (
    {{ current_rows(
        'audit', ['patient_id', '"column"', 'value', 'changed_at', 'user_id', 'reason'], 'audit', 'lake.patient_id'
    ) }}
)

select
    {{ identified('source.patient_id') }} as patient_id,
    site as site_id,
    "column" as column_name,
    value,
    changed_at,
    user_id,
    reason
from source
