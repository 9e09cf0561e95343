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
        {{ form_columns(key, family) }}
    {{ current_forms(key) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
) as form
