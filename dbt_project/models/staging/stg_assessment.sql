{# All instruments in one table: item columns up to the longest instrument's, null beyond one's own. #}
{%- set n_columns = max_items() -%}
{%- set scales = scale_keys() -%}
with source as (
    select
        lake.*,
        vanished.record_id is not null as is_vanished,
        vanished.successor_episode_id
    from {{ current_files(
        instrument_keys(), source('lake', 'assessment'), source('inputs', 'delivery'), ref('stg_vanished'),
        union_by_name=true
    ) }} as lake
    {{ join_counted("'assessment'", 'lake.assessment_id') }}
),

ranked as (
    select
        source.*,
        {{ instrument_of_file() }} as instrument,
        row_number() over (
            partition by assessment_id
            order by case when is_vanished then 1 else 0 end, delivery desc, site, source_file, source_row
        ) as row_rank
    from source
),

version_items as (
    select
        instrument,
        version,
        count(*) as n_items
    from {{ source('inputs', 'item') }}
    group by instrument, version
)

select
    ranked.assessment_id,
    coalesce(ranked.successor_episode_id, ranked.episode_id) as episode_id,
    {{ identified('ranked.patient_id', 'coalesce(ranked.successor_episode_id, ranked.episode_id)') }} as patient_id,
    ranked.site as site_id,
    ranked.instrument,
    instrument.family,
    ranked.version,
    ranked.rater,
    ranked.assessment_date,
    ranked.declared_months,
    ranked.occasion,
    ranked.sequence,
    ranked.content_hash,
    ranked.delivery,
    ranked.source_file,
    ranked.source_row,
    ranked.is_vanished,
    version_items.n_items,
    {%- for scale in scales %}
    ranked.supplied_{{ scale }},
    {%- endfor %}
    {%- for item in range(1, n_columns + 1) %}
    ranked.{{ item_column(item) }},
    {%- endfor %}
    {% for item in range(1, n_columns + 1) -%}
    (case when ranked.{{ item_column(item) }} is null then 0 else 1 end){{ ' + ' if not loop.last }}
    {%- endfor %} as n_answered
from ranked
left join {{ source('inputs', 'instrument') }} as instrument on ranked.instrument = instrument.instrument
left join version_items
    on ranked.instrument = version_items.instrument and ranked.version = version_items.version
where ranked.row_rank = 1
order by ranked.instrument, ranked.version, ranked.site, ranked.assessment_id
