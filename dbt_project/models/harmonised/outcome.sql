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
    score.is_primary
from {{ ref('scale_score') }} as score
inner join {{ source('inputs', 'instrument') }} as instrument on score.instrument = instrument.instrument
where instrument.is_outcome and score.score is not null
