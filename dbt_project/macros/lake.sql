{#- How SQL finds its rows in the lake. Which files count is decided here, when a model is compiled: DuckDB then opens
    only those, and what was compiled says which they were. -#}

{#- Rows of one entity table that are valid now: the latest accepted delivery of a snapshot site, every accepted
    delivery of a site that sends increments; of one key, the row of the latest delivery. -#}
{% macro current_rows(table, keys) %}
    select *
    from (
        select
            lake.*,
            row_number() over (
                partition by {{ keys | join(', ') }}
                order by delivery desc, site, source_file, source_row
            ) as row_rank
        from {{ current_files([table], source('lake', table), source('inputs', 'delivery')) }} as lake
    ) as ranked
    where row_rank = 1
{% endmacro %}

{#- read_parquet over the files of `tables` that hold current rows, and the empty typed file of each. -#}
{% macro current_files(tables, everything, deliveries, union_by_name=false) %}
    {%- if not execute -%}
        {{ everything }}
    {%- else -%}
        {%- set sql -%}
            with known as (
                select
                    site_id,
                    delivery,
                    mode,
                    row_number() over (partition by site_id order by delivery desc) as recency
                from {{ deliveries }}
                where gate = 'accepted'
            ),

            stored as (
                select
                    file,
                    split_part(file, '/', 5) as table_name,
                    replace(split_part(file, '/', 6), 'site=', '') as site_id,
                    replace(split_part(file, '/', 7), 'delivery=', '') as delivery
                from glob('../../lake/accepted/{{ tables[0] if tables | length == 1 else '*' }}/*/*/part.parquet')
            )

            select string_agg('''' || replace(stored.file, '''', '''''') || '''', ', ' order by stored.table_name, stored.file) as files
            from stored
            left join known on stored.site_id = known.site_id and stored.delivery = known.delivery
            where stored.table_name in ('{{ tables | join("', '") }}')
                and (stored.site_id = '__none__' or known.mode = 'increment' or known.recency = 1)
        {%- endset -%}
        {%- set files = run_query(sql).rows[0]['files'] -%}
        read_parquet(
            [{{ files }}],
            hive_partitioning = true, hive_types_autocast = false, filename = true,
            union_by_name = {{ 'true' if union_by_name else 'false' }}
        )
    {%- endif -%}
{% endmacro %}

{#- read_parquet over every delivery of every instrument: the history of assessments, for columns that all have. -#}
{% macro assessment_history() %}
    {%- set instruments = instrument_keys() -%}
    {%- if execute -%}
        read_parquet(
            [
                {%- for key in instruments %}'../../lake/accepted/{{ key }}/*/*/part.parquet'{{ ', ' if not loop.last }}{% endfor -%}
            ],
            hive_partitioning = true, hive_types_autocast = false, filename = true
        )
    {%- else -%}
        {{ source('lake', 'assessment') }}
    {%- endif -%}
{% endmacro %}

{#- The instrument is the folder of the lake in which a row's file stands. -#}
{% macro instrument_of_file() -%} split_part(filename, '/', 5) {%- endmacro %}
