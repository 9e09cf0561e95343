{{ config(materialized='view') }}
{# Which instruments are outcomes, and their direction, is what `scale` says: the view names no file. #}
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
    scale.direction,
    score.version,
    score.is_primary,
    scale.construct,
    50 + 10 * (score.score - scale.norm_mean) / scale.norm_sd as t_score,
    scale.norm_sample as t_norm
from {{ ref('scale_score').include(database=false) }} as score
inner join {{ ref('scale').include(database=false) }} as scale
    on score.instrument = scale.instrument and score.version = scale.version and score.scale = scale.scale
where scale.is_outcome and score.score is not null
