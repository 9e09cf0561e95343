{#- How SQL finds its rows in the lake. Which files count is decided here, when a model is compiled: DuckDB then opens
    only those, and what was compiled says which they were. -#}

{#- Rows of one entity table that are valid now: the latest accepted delivery of a snapshot site and what vanished from
    it and is kept, every accepted delivery of a site that sends increments; of one key, the row of the latest delivery.
    `entity` and `record` say which vanished record a row is, or belongs to. -#}
{% macro current_rows(table, keys, entity, record) %}
    select *
    from (
        select
            lake.*,
            vanished.record_id is not null as is_vanished,
            vanished.successor_episode_id,
            row_number() over (
                partition by lake.{{ keys | join(', lake.') }}
                order by
                    case when vanished.record_id is null then 0 else 1 end,
                    lake.delivery desc, lake.site, lake.source_file, lake.source_row
            ) as row_rank
        from {{ current_files(table, source('lake', table), source('inputs', 'delivery'), ref('stg_vanished')) }} as lake
        {{ join_counted("'" ~ entity ~ "'", record) }}
    ) as ranked
    where row_rank = 1
{% endmacro %}

{#- Of rows called `lake`, those that count: of a current delivery, or kept although they vanished. -#}
{% macro join_counted(entity, record) %}
        inner join {{ ref('stg_delivery') }} as counted
            on lake.site = counted.site_id and lake.delivery = counted.delivery
        left join {{ ref('stg_vanished') }} as vanished
            on vanished.fate = 'kept'
            and vanished.entity = {{ entity }}
            and lake.site = vanished.site_id
            and lake.delivery = vanished.delivery
            and vanished.record_id = {{ record }}
        where (counted.is_latest or counted.mode = 'increment' or vanished.record_id is not null)
{% endmacro %}

{#- Whose a form is, when it was and where it came from, of the rows that `current_forms` lets through. -#}
{% macro form_columns(instrument, family) -%}
        lake.assessment_id,
        coalesce(vanished.successor_episode_id, lake.episode_id) as episode_id,
        lake.patient_id,
        lake.site as site_id,
        '{{ instrument }}' as instrument,
        '{{ family }}' as family,
        lake.version,
        lake.rater,
        lake.assessment_date,
        lake.declared_months,
        lake.occasion,
        lake.sequence,
        lake.delivery,
        vanished.record_id is not null as is_vanished
{%- endmacro %}

{#- FROM and WHERE of the forms of one instrument that count, each once: `lake` and `vanished` name their columns. -#}
{% macro current_forms(instrument) %}
        from {{ current_files(instrument, source('lake', 'assessment'), source('inputs', 'delivery'), ref('stg_vanished')) }} as lake
        left join {{ ref('stg_superseded') }} as superseded
            on lake.assessment_id = superseded.assessment_id
            and lake.site = superseded.site
            and lake.delivery = superseded.delivery
            and lake.source_file = superseded.source_file
            and lake.source_row = superseded.source_row
        {{ join_counted("'assessment'", 'lake.assessment_id') }}
            and superseded.assessment_id is null
{% endmacro %}

{#- read_parquet over the files of `table` that hold current rows, and its empty typed file. -#}
{% macro current_files(table, everything, deliveries, vanished) %}
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

            kept as (
                select
                    site_id,
                    delivery,
                    table_name
                from {{ vanished }}
                where fate = 'kept'
                union
                select
                    site_id,
                    delivery,
                    case entity when 'episode' then 'attribute' else 'missing_answer' end as table_name
                from {{ vanished }}
                where fate = 'kept' and entity in ('episode', 'assessment')
            ),

            stored as (
                select
                    file,
                    split_part(file, '/', 5) as table_name,
                    replace(split_part(file, '/', 6), 'site=', '') as site_id,
                    replace(split_part(file, '/', 7), 'delivery=', '') as delivery
                from glob('../../lake/accepted/{{ table }}/*/*/part.parquet')
            )

            select string_agg('''' || replace(stored.file, '''', '''''') || '''', ', ' order by stored.file) as files
            from stored
            left join known on stored.site_id = known.site_id and stored.delivery = known.delivery
            left join kept
                on stored.site_id = kept.site_id
                and stored.delivery = kept.delivery
                and stored.table_name = kept.table_name
            where stored.site_id = '__none__' or known.mode = 'increment' or known.recency = 1
                or kept.table_name is not null
        {%- endset -%}
        {%- set files = run_query(sql).rows[0]['files'] -%}
        read_parquet(
            [{{ files }}],
            hive_partitioning = true, hive_types_autocast = false
        )
    {%- endif -%}
{% endmacro %}

{#- One kind of record over all deliveries, with what tells whether it is the same under another key. -#}
{% macro lake_record(
    entity, record, relation, table_name=none, episode=none, date=none, sequence=none, rater=none, occasion=none, content=none
) %}
    select
        site as site_id,
        delivery,
        '{{ entity }}' as entity,
        {{ table_name or "'" ~ entity ~ "'" }} as table_name,
        {{ record }} as record_id,
        patient_id,
        {{ episode or 'cast(null as ' ~ dbt.type_string() ~ ')' }} as episode_id,
        {{ date or 'cast(null as date)' }} as record_date,
        {{ sequence or 'cast(null as integer)' }} as sequence,
        {{ rater or 'cast(null as ' ~ dbt.type_string() ~ ')' }} as rater,
        {{ occasion or 'cast(null as ' ~ dbt.type_string() ~ ')' }} as occasion,
        {{ content or 'cast(null as ' ~ dbt.type_string() ~ ')' }} as content_hash,
        source_file,
        source_row
    from {{ relation }}
{%- endmacro %}

{#- Id of the finding that a record vanished. -#}
{% macro vanished_finding(site, table_name, record) -%}
    'f' || md5('record-vanished|' || {{ site }} || '|' || {{ table_name }} || '|' || {{ record }})
{%- endmacro %}

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
