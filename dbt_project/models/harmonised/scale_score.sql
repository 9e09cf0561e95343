select
    scale.assessment_id,
    assessment.episode_id,
    assessment.patient_id,
    assessment.site_id,
    scale.instrument,
    scale.version,
    assessment.rater,
    scale.scale,
    assessment.months,
    assessment.occasion,
    scale.score,
    scale.score_supplied,
    scale.n_items,
    scale.n_answered,
    scale.status = 'prorated' as is_prorated,
    scale.status,
    scale.is_primary
from {{ ref('stg_scale') }} as scale
inner join {{ ref('assessment') }} as assessment on scale.assessment_id = assessment.assessment_id
