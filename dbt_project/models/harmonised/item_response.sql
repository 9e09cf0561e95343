{{ config(materialized='view') }}
{# A view: the long form costs as much again to store as everything else. Its tables are named without the database,
   so that it still works when the sealed file is copied under another name. #}
{%- set n_columns = max_items() -%}
select
    assessment.assessment_id,
    assessment.instrument,
    item.item,
    {{ item_value('item.item', 'assessment', n_columns) }} as value,
    missing.missing_code
from {{ ref('stg_assessment').include(database=false) }} as assessment
inner join {{ ref('stg_item').include(database=false) }} as item
    on assessment.instrument = item.instrument and assessment.version = item.version
left join {{ ref('stg_missing_answer').include(database=false) }} as missing
    on assessment.assessment_id = missing.assessment_id and item.item = missing.item
