{#- Who a row is about, as the network knows today: the lake keeps the id that the row came with. A course that was
    split off has a patient of its own; a patient who was merged is the one that stayed. Saying it twice changes
    nothing. -#}
{% macro identified(patient, episode=none) -%}
    coalesce(
        {%- if episode %}
        (
            select known.patient_id
            from {{ source('inputs', 'identity') }} as known
            where known.kind = 'episode' and known.record_id = {{ episode }}
        ),
        {%- endif %}
        (
            select known.patient_id
            from {{ source('inputs', 'identity') }} as known
            where known.kind = 'patient' and known.record_id = {{ patient }}
        ),
        {{ patient }}
    )
{%- endmacro %}
