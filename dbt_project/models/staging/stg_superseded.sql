{# Looked for among the keys that come twice: most come once, and a window over all of them is dear. #}
{%- set deliveries, vanished = ref('stg_delivery'), ref('stg_vanished') -%}
with form as (
    {%- for key in instrument_keys() %}
    select
        lake.assessment_id,
        lake.site,
        lake.delivery,
        lake.source_file,
        lake.source_row,
        vanished.record_id is not null as is_vanished
    from {{ current_files(key, source('lake', 'assessment'), source('inputs', 'delivery'), vanished) }} as lake
    {{ join_counted("'assessment'", 'lake.assessment_id') }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

repeated as (
    select assessment_id
    from form
    group by assessment_id
    having count(*) > 1
),

ranked as (
    select
        form.*,
        row_number() over (
            partition by form.assessment_id
            order by
                case when form.is_vanished then 1 else 0 end,
                form.delivery desc, form.site, form.source_file, form.source_row
        ) as row_rank
    from form
    inner join repeated on form.assessment_id = repeated.assessment_id
)

select
    assessment_id,
    site,
    delivery,
    source_file,
    source_row
from ranked
where row_rank > 1
