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
    score.assessment_id,
    score.episode_id,
    score.patient_id,
    score.site_id,
    score.rater,
    score.months,
    score.occasion,
    score.instrument,
    score.scale,
    score.score,
    instrument.direction,
    score.version,
    score.is_primary,
    scale.measures as construct,
    50 + 10 * (score.score - norm.mean) / norm.sd as t_score,
    norm.sample as t_norm
from {{ ref('scale_score') }} as score
inner join {{ source('inputs', 'instrument') }} as instrument on score.instrument = instrument.instrument
left join {{ source('inputs', 'scale') }} as scale
    on score.instrument = scale.instrument and score.version = scale.version and score.scale = scale.scale
left join norm on score.instrument = norm.instrument and score.scale = norm.scale and norm.nth = 1
where instrument.is_outcome and score.score is not null
