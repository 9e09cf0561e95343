{# One block per instrument, read from one scan of its rows; expressions are generated from the codebook. #}
with assessment as (
    select * from {{ ref('stg_assessment') }}
),

declared as (
    select
        instrument as scale_instrument,
        version as scale_version,
        scale,
        scale_order,
        n_items as scale_n_items,
        aggregate,
        max_missing,
        prorate,
        rule_name,
        is_rule_accepted,
        is_primary,
        constant,
        factor
    from {{ source('inputs', 'scale') }}
)

{% for instrument, scales in scored_instruments() %}
{{ 'union all' if not loop.first }}
-- {{ instrument }}
select
    assessment_id,
    instrument,
    version,
    scale,
    scale_order,
    aggregate,
    cast(scale_n_items as integer) as n_items,
    cast({{ by_scale(scales, 'answered') }} as integer) as n_answered,
    cast({{ by_scale(scales, 'outside') }} as integer) as n_missing_not_allowed,
    cast({{ by_scale(scales, 'raw') }} as double) as raw_value,
    cast(
        case scale
            {%- for scale in scales | map(attribute='scale') | unique %}
            when '{{ scale }}' then supplied_{{ scale }}
            {%- endfor %}
        end as double
    ) as score_supplied,
    max_missing,
    prorate,
    rule_name,
    is_rule_accepted,
    is_primary,
    constant,
    factor
from assessment
inner join declared
    on assessment.instrument = declared.scale_instrument and assessment.version = declared.scale_version
where assessment.instrument = '{{ instrument }}'
{% endfor %}
