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
    {%- do return(items_of_instruments().values() | max | default(0, true)) -%}
{% endmacro %}

{#- Instrument → its number of items. -#}
{% macro items_of_instruments() %}
    {%- set known = "'" ~ instrument_keys() | join("', '") ~ "'" -%}
    {%- set counts = {} -%}
    {%- for row in rows_of('select instrument, n_items from ' ~ source('inputs', 'instrument') ~ ' where instrument in (' ~ known ~ ')') -%}
        {%- do counts.update({row['instrument']: row['n_items'] | int}) -%}
    {%- endfor -%}
    {%- do return(counts) -%}
{% endmacro %}

{#- SQL of the number of items that a form of an instrument has, by its version. -#}
{% macro items_of_version(instrument) %}
    {%- set branches = [] -%}
    {%- for row in rows_of('select version, count(*) as n from ' ~ source('inputs', 'item') ~ " where instrument = '" ~ instrument ~ "' group by version order by version") -%}
        {%- do branches.append("when '" ~ row['version'] ~ "' then " ~ row['n']) -%}
    {%- endfor -%}
    {%- do return('cast(' ~ ('case lake.version ' ~ branches | join(' ') ~ ' end' if branches else 'null') ~ ' as integer)') -%}
{% endmacro %}

{#- (instrument, family) of every one of these instruments. -#}
{% macro instrument_families() %}
    {%- set known = "'" ~ instrument_keys() | join("', '") ~ "'" -%}
    {%- set pairs = [] -%}
    {%- for row in rows_of('select instrument, family from ' ~ source('inputs', 'instrument') ~ ' where instrument in (' ~ known ~ ') order by instrument') -%}
        {%- do pairs.append((row['instrument'], row['family'])) -%}
    {%- endfor -%}
    {%- do return(pairs) -%}
{% endmacro %}

{% macro item_column(item) -%} item_{{ '%02d' | format(item | int) }} {%- endmacro %}

{#- The answer to the item whose number is `item`, of a row that holds every answer in a column. -#}
{% macro item_value(item, row, n_columns) -%}
    case {{ item }}
        {%- for number in range(1, n_columns + 1) %}
        when {{ number }} then cast({{ row }}.{{ item_column(number) }} as double)
        {%- else %}
        when 0 then null
        {%- endfor %}
    end
{%- endmacro %}
