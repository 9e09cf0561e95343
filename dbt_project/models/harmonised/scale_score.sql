with judged as (
    select
        scale.*,
        {{ score_status() }} as status
    from {{ ref('stg_scale') }} as scale
),

scored as (
    select
        judged.*,
        {{ score_value() }} as score
    from judged
)

select
    scored.assessment_id,
    assessment.episode_id,
    assessment.patient_id,
    assessment.site_id,
    scored.instrument,
    scored.version,
    assessment.rater,
    scored.scale,
    assessment.months,
    assessment.occasion,
    scored.score,
    scored.score_supplied,
    scored.n_items,
    scored.n_answered,
    scored.status = 'prorated' as is_prorated,
    scored.status,
    scored.is_primary
from scored
inner join {{ ref('assessment') }} as assessment on scored.assessment_id = assessment.assessment_id
