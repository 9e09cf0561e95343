{{ config(materialized='view') }}
{# A view: it costs less to compute than to store. Its table is named without the database, so that it still works when
   the sealed file is copied under another name, and every number of the codebook is written into it. #}
{%- for version in scored_versions() %}
{{ 'union all' if not loop.first }}
{{ version_scores(version, ref('stg_assessment').include(database=false)) }}
{%- else %}
-- nothing that was delivered has a scale
select
    {%- for column in assessment_columns() %}
    {{ column }},
    {%- endfor %}
    cast(null as {{ dbt.type_string() }}) as scale,
    cast(null as {{ dbt.type_string() }}) as aggregate,
    false as is_primary,
    0 as n_items,
    0 as n_answered,
    cast(null as double) as raw_value,
    cast(null as double) as score_supplied,
    cast(null as double) as score,
    cast(null as {{ dbt.type_string() }}) as status
from {{ ref('stg_assessment').include(database=false) }}
where 1 = 0
{%- endfor %}
