{# All instruments in one table: item columns up to the longest instrument's, null beyond one's own. #}
{%- set n_columns = max_items() -%}
{%- set scales = scale_keys() -%}
with source as (
    select *
    from {{ current_files(
        instrument_keys(), source('lake', 'assessment'), source('inputs', 'delivery'), union_by_name=true
    ) }}
),

ranked as (
    select
        source.*,
        {{ instrument_of_file() }} as instrument,
        row_number() over (
            partition by assessment_id
            order by delivery desc, site, source_file, source_row
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
    ranked.episode_id,
    ranked.patient_id,
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
