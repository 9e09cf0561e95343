{#- Who a row is about, as the network knows today: the lake keeps the id that the row came with. A course that was
    split off has a patient of its own; a patient who was merged is the one that stayed. Saying it twice changes
    nothing, and where nobody was merged or split off nothing is looked up. -#}
{% macro identified(patient, episode=none) -%}
    {%- set identity = source('inputs', 'identity') -%}
    {%- set known = rows_of('select count(*) as n from ' ~ identity) -%}
    {%- if known and known[0]['n'] == 0 -%}
    {{ patient }}
    {%- else -%}
    coalesce(
        {%- if episode %}
        (
            select known.patient_id
            from {{ identity }} as known
            where known.kind = 'episode' and known.record_id = {{ episode }}
        ),
        {%- endif %}
        (
            select known.patient_id
            from {{ identity }} as known
            where known.kind = 'patient' and known.record_id = {{ patient }}
        ),
        {{ patient }}
    )
    {%- endif -%}
{%- endmacro %}
