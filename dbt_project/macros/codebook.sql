{#- What the codebook declares, read when a model is compiled. Lists come back as text, so they are text in the inputs.
    A network's own instruments therefore need no model of their own. -#}

{% macro rows_of(sql) %}
    {%- do return(run_query(sql).rows if execute else []) -%}
{% endmacro %}

{#- Instruments of which anything was delivered; where nothing was, the first: its empty file gives the columns. -#}
{% macro instrument_keys() %}
    {%- set sql -%}
        with delivered as (
            select distinct split_part(file, '/', 5) as instrument
            from glob('../../lake/accepted/*/*/*/part.parquet')
            where split_part(file, '/', 6) <> 'site=__none__'
        )

        select instrument.instrument
        from {{ source('inputs', 'instrument') }} as instrument
        where instrument.instrument in (select delivered.instrument from delivered)
            or (
                not exists (
                    select 1
                    from {{ source('inputs', 'instrument') }} as other
                    inner join delivered on other.instrument = delivered.instrument
                )
                and instrument.instrument = (select min(first.instrument) from {{ source('inputs', 'instrument') }} as first)
            )
        order by instrument.instrument
    {%- endset -%}
    {%- set keys = [] -%}
    {%- for row in rows_of(sql) -%}
        {%- do keys.append(row['instrument']) -%}
    {%- endfor -%}
    {%- do return(keys) -%}
{% endmacro %}

{#- The largest number of items that any of these instruments has: the number of item columns of stg_assessment. -#}
{% macro max_items() %}
    {%- set known = "'" ~ instrument_keys() | join("', '") ~ "'" -%}
    {%- set rows = rows_of('select max(n_items) as n from ' ~ source('inputs', 'instrument') ~ ' where instrument in (' ~ known ~ ')') -%}
    {%- do return(rows[0]['n'] | int if rows else 0) -%}
{% endmacro %}

{#- Every scale key that any of these instruments has: one column supplied_<scale> each. -#}
{% macro scale_keys() %}
    {%- set keys = [] -%}
    {%- set known = "'" ~ instrument_keys() | join("', '") ~ "'" -%}
    {%- for row in rows_of('select distinct scale from ' ~ source('inputs', 'scale') ~ ' where instrument in (' ~ known ~ ') order by scale') -%}
        {%- do keys.append(row['scale']) -%}
    {%- endfor -%}
    {%- do return(keys) -%}
{% endmacro %}

{% macro item_column(item) -%} item_{{ '%02d' | format(item | int) }} {%- endmacro %}
