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
    scale.construct,
    50 + 10 * (score.score - scale.norm_mean) / scale.norm_sd as t_score,
    scale.norm_sample as t_norm
from {{ ref('scale_score') }} as score
inner join {{ source('inputs', 'instrument') }} as instrument on score.instrument = instrument.instrument
inner join {{ ref('scale') }} as scale
    on score.instrument = scale.instrument and score.version = scale.version and score.scale = scale.scale
where instrument.is_outcome and score.score is not null
