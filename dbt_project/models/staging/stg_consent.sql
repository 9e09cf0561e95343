{{ config(materialized='ephemeral') }}

{# Of a person who was merged the latest word on a purpose counts; of two on one day the more careful. #}
with source as (
    {{ current_rows('consent', ['patient_id', 'purpose'], 'consent', "lake.patient_id || '|' || lake.purpose") }}
),

identified as (
    select
        source.*,
        {{ identified('source.patient_id') }} as person_id
    from source
),

ranked as (
    select
        identified.*,
        row_number() over (
            partition by person_id, purpose
            order by
                case when is_vanished then 1 else 0 end,
                case when status_date is null then 1 else 0 end,
                status_date desc,
                case status when 'withdrawn' then 1 when 'refused' then 2 else 3 end,
                patient_id
        ) as nth
    from identified
)

select
    person_id as patient_id,
    purpose,
    status,
    status_date,
    is_vanished
from ranked
where nth = 1
