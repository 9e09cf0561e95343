{#- What the codebook declares, read when a model is compiled. Lists come back as text, so they are text in the inputs.
    A network's own instruments therefore need no model of their own. -#}

{% macro rows_of(sql) %}
    {%- do return(run_query(sql).rows if execute else []) -%}
{% endmacro %}

{% macro instrument_keys() %}
    {%- set keys = [] -%}
    {%- for row in rows_of('select instrument from ' ~ source('inputs', 'instrument') ~ ' order by instrument') -%}
        {%- do keys.append(row['instrument']) -%}
    {%- endfor -%}
    {%- do return(keys) -%}
{% endmacro %}

{#- The largest number of items that any instrument has: the number of item columns of stg_assessment. -#}
{% macro max_items() %}
    {%- set rows = rows_of('select max(n_items) as n from ' ~ source('inputs', 'instrument')) -%}
    {%- do return(rows[0]['n'] | int if rows else 0) -%}
{% endmacro %}

{#- Every scale key that any instrument has: one column supplied_<scale> each. -#}
{% macro scale_keys() %}
    {%- set keys = [] -%}
    {%- for row in rows_of('select distinct scale from ' ~ source('inputs', 'scale') ~ ' order by scale') -%}
        {%- do keys.append(row['scale']) -%}
    {%- endfor -%}
    {%- do return(keys) -%}
{% endmacro %}

{% macro item_column(item) -%} item_{{ '%02d' | format(item | int) }} {%- endmacro %}
