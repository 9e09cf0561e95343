{{ config(materialized='ephemeral') }}
{# Read from the lake where it is used: only the columns that are asked for are read, and storing them costs more. #}
{%- set used = [ref('stg_delivery'), ref('stg_vanished'), ref('stg_superseded'), source('lake', 'assessment')] -%}
select
    form.assessment_id,
    form.episode_id,
    {{ identified('form.patient_id', 'form.episode_id') }} as patient_id,
    form.site_id,
    form.instrument,
    form.family,
    form.version,
    form.rater,
    form.assessment_date,
    form.declared_months,
    form.occasion,
    form.sequence,
    form.delivery,
    form.is_vanished
from (
    {%- for key, family in instrument_families() %}
    select
        lake.assessment_id,
        coalesce(vanished.successor_episode_id, lake.episode_id) as episode_id,
        lake.patient_id,
        lake.site as site_id,
        '{{ key }}' as instrument,
        '{{ family }}' as family,
        lake.version,
        lake.rater,
        lake.assessment_date,
        lake.declared_months,
        lake.occasion,
        lake.sequence,
        lake.delivery,
        vanished.record_id is not null as is_vanished
    {{ current_forms(key) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
) as form
