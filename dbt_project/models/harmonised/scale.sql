{# One norm a scale: the first declared that has a mean and an SD and is not unverified. #}
with norm as (
    select
        instrument,
        scale,
        sample,
        mean,
        sd,
        row_number() over (partition by instrument, scale order by norm_order) as nth
    from {{ source('inputs', 'norm') }}
    where scale is not null and mean is not null and sd > 0 and status <> 'unverified'
)

select
    scale.instrument,
    instrument.family,
    scale.version,
    scale.scale,
    scale.label,
    scale.measures as construct,
    instrument.direction,
    scale.aggregate,
    scale.n_items,
    scale.minimum,
    scale.maximum,
    scale.is_primary,
    scale.rule_name as missing_rule,
    scale.max_missing,
    scale.is_rule_accepted,
    scale.scale_order,
    scale.items,
    scale.reversed_items,
    scale.status,
    instrument.key_access,
    instrument.rule_version,
    norm.sample as norm_sample,
    norm.mean as norm_mean,
    norm.sd as norm_sd,
    instrument.is_outcome
from {{ source('inputs', 'scale') }} as scale
inner join {{ source('inputs', 'instrument') }} as instrument on scale.instrument = instrument.instrument
left join norm on scale.instrument = norm.instrument and scale.scale = norm.scale and norm.nth = 1
