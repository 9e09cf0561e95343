{#- What becomes of the counts of a scale (scoring.sql): its status, its score, and one row per assessment and scale.
    Every number of a rule is written into the SQL, so that what was compiled can be read and checked by itself. -#}

{#- What became of a scale of items. A score that the unit supplied counts only where no item came: it must not step
    around the missing rule. -#}
{% macro scale_status(scale) %}
    {%- set key, row = scale['key'], scale['row'] -%}
    {%- set n, answered, supplied = row['n_items'] | int, 'answered_' ~ scale['key'], 'supplied_' ~ scale['key'] -%}
    {%- set is_narrow = row['only_items'] is not none -%}
    {%- set absent = 'not_answered' if n else 'no_public_key' -%}
    {%- set needed = (row['needed'] or 0) | int -%}
    case
        when {{ answered }} = 0 and {{ supplied }} is not null then 'supplied'
        when {{ answered }} = 0 then '{{ absent }}'
        {%- if row['aggregate'] == 'diagnosis' %}
        when raw_{{ key }} >= {{ needed }} and gate_{{ key }} is null then 'undecided'
        when raw_{{ key }} >= {{ needed }} or raw_{{ key }} + {{ n }} - {{ answered }} < {{ needed }} then 'scored'
        else 'undecided'
        {%- elif n == 0 %}
        else '{{ absent }}'
        {%- else %}
        when {{ answered }} = {{ n }} then 'scored'
        {%- if row['rule_name'] is none %}
        else 'no_accepted_rule'
        {%- else %}
        when {{ answered }} < {{ n - row['max_missing'] | int }}{{ ' or outside_' ~ key ~ ' > 0' if is_narrow }} then 'too_many_missing'
        else '{{ 'no_accepted_rule' if not row['is_rule_accepted'] else 'prorated' if row['prorate'] == 'person_mean' else 'scored' }}'
        {%- endif %}
        {%- endif %}
    end as status_{{ key }}
{%- endmacro %}

{#- The score for a status: a mean over the answered items; a sum or a count, brought up to all items where prorated. -#}
{% macro scale_value(scale) %}
    {%- set key, row = scale['key'], scale['row'] -%}
    {%- set n = row['n_items'] | int -%}
    case
        when status_{{ key }} = 'supplied' then supplied_{{ key }}
        when status_{{ key }} not in ('scored', 'prorated') then null
        {%- if row['aggregate'] == 'mean' %}
        else raw_{{ key }} / answered_{{ key }}
        {%- elif row['aggregate'] == 'diagnosis' %}
        when raw_{{ key }} >= {{ row['needed'] | int }} then gate_{{ key }}
        else 0
        {%- else %}
        {%- if row['aggregate'] in ('sum', 'count_at_least') and row['prorate'] == 'person_mean' %}
        when status_{{ key }} = 'prorated' then raw_{{ key }} * {{ n }} / answered_{{ key }}
        {%- endif %}
        else raw_{{ key }}
        {%- endif %}
    end as score_{{ key }}
{%- endmacro %}

{#- What became of a ratio or a linear scale: what became of the first of its scales that has no score, if any. -#}
{% macro made_status(scale) %}
    {%- set key, sources = scale['key'], scale['terms'] | map(attribute='source_scale') | list -%}
    case
        when answered_{{ key }} = 0 and supplied_{{ key }} is not null then 'supplied'
        {%- for source in sources %}
        when score_{{ source }} is null then status_{{ source }}
        {%- endfor %}
        {%- if scale['row']['aggregate'] == 'ratio' %}
        when score_{{ sources[1] }} = 0 then 'undefined'
        {%- endif %}
        {%- for status in ('supplied', 'prorated') %}
        when {% for source in sources %}status_{{ source }} = '{{ status }}'{{ ' or ' if not loop.last }}{% endfor %} then '{{ status }}'
        {%- endfor %}
        else 'scored'
    end as status_{{ key }}
{%- endmacro %}

{#- The score of a ratio or a linear scale; null where one of its scales has none. -#}
{% macro made_value(scale) %}
    {%- set key, row, sources = scale['key'], scale['row'], scale['terms'] | map(attribute='source_scale') | list -%}
    case
        when answered_{{ key }} = 0 and supplied_{{ key }} is not null then supplied_{{ key }}
        {%- if row['aggregate'] == 'ratio' %}
        else {{ row['factor'] }} * score_{{ sources[0] }} / nullif(score_{{ sources[1] }}, 0)
        {%- else %}
        else {{ row['constant'] }}{% for term in scale['terms'] %} + ({{ term['weight'] }}) * score_{{ term['source_scale'] }}{% endfor %}
        {%- endif %}
    end as score_{{ key }}
{%- endmacro %}

{#- One of a version's columns by the order of the scale. -#}
{% macro by_scale(scales, part) %}
    case scale.scale_order
        {%- for scale in scales %}
        when {{ scale['row']['scale_order'] | int }} then made.{{ part }}_{{ scale['key'] }}
        {%- endfor %}
    end
{%- endmacro %}

{#- One row per form of one version, with `columns` of it, and score_, status_ and what was counted of every scale. -#}
{% macro scored_forms(version, assessments, columns) %}
{%- set scales = version['scales'] -%}
{%- set plain = scales | rejectattr('row.aggregate', 'in', ('ratio', 'linear')) | list -%}
{%- set made = scales | selectattr('row.aggregate', 'in', ('ratio', 'linear')) | list %}
    select settled.*{% for scale in made %}, {{ made_value(scale) }}{% endfor %}
    from (
        select plain.*{% for scale in made %}, {{ made_status(scale) }}{% endfor %}
        from (
            select judged.*{% for scale in plain %}, {{ scale_value(scale) }}{% endfor %}
            from (
                select counted.*{% for scale in plain %}, {{ scale_status(scale) }}{% endfor %}
                from (
                    select
                        {{ columns | join(', ') }}
                        {%- for scale in scales %}
                        {%- for slot in counted_columns(scale, version['items']) %},
                        {{ slot }} as {{ slot.split('_')[0] }}_{{ scale['key'] }}
                        {%- endfor %}
                        {%- endfor %}
                    from {{ assessments }}
                    where instrument = '{{ version['instrument'] }}' and version = '{{ version['version'] }}'
                ) as counted
            ) as judged
        ) as plain
    ) as settled
{% endmacro %}

{#- Every scale of one version: one row per assessment and scale. `assessments` is the relation that holds the counts. -#}
{% macro version_scores(version, assessments) %}
{%- set scales = version['scales'] -%}
-- {{ version['instrument'] }}, {{ version['version'] }}
select
    {%- for column in assessment_columns() %}
    made.{{ column }},
    {%- endfor %}
    scale.scale,
    scale.aggregate,
    scale.is_primary,
    scale.n_items,
    cast({{ by_scale(scales, 'answered') }} as integer) as n_answered,
    {{ by_scale(scales, 'raw') }} as raw_value,
    {{ by_scale(scales, 'supplied') }} as score_supplied,
    cast({{ by_scale(scales, 'score') }} as double) as score,
    {{ by_scale(scales, 'status') }} as status
from (
    {{- scored_forms(version, assessments, assessment_columns()) }}
) as made
cross join (
    {%- for scale in scales %}
    select
        {{ scale['row']['scale_order'] | int }} as scale_order,
        '{{ scale['key'] }}' as scale,
        '{{ scale['row']['aggregate'] }}' as aggregate,
        {{ scale['row']['n_items'] | int }} as n_items,
        {{ 'true' if scale['row']['is_primary'] else 'false' }} as is_primary
    {{ 'union all' if not loop.last }}
    {%- endfor %}
) as scale
{% endmacro %}

{#- What a score takes from its assessment. -#}
{% macro assessment_columns() %}
    {%- do return([
        'assessment_id', 'episode_id', 'patient_id', 'site_id', 'instrument', 'version', 'rater', 'months', 'occasion'
    ]) -%}
{% endmacro %}

{#- How far a unit's own total may lie from ours: rounding to two decimals. -#}
{% macro supplied_tolerance() -%} 0.005 {%- endmacro %}
