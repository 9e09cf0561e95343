{# First the scales that stand on items; then ratios and linear scales, which stand on those. #}
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
    where aggregate not in ('ratio', 'linear')
),

term as (
    select
        made.assessment_id,
        made.scale,
        term.term_order,
        term.weight,
        source_scale.score,
        source_scale.status
    from judged as made
    inner join {{ ref('stg_term') }} as term
        on made.instrument = term.instrument and made.version = term.version and made.scale = term.scale
    inner join scored as source_scale
        on made.assessment_id = source_scale.assessment_id and term.source_scale = source_scale.scale
    where made.aggregate in ('ratio', 'linear')
),

combined as (
    select
        assessment_id,
        scale,
        sum(weight * score) as weighted,
        max(case when term_order = 1 then score end) as numerator,
        max(case when term_order = 2 then score end) as denominator,
        min(case when score is null then term_order end) as first_failed,
        max(case when status = 'prorated' then 1 else 0 end) as n_prorated
    from term
    group by assessment_id, scale
),

failed as (
    select
        combined.assessment_id,
        combined.scale,
        term.status
    from combined
    inner join term
        on combined.assessment_id = term.assessment_id
        and combined.scale = term.scale
        and combined.first_failed = term.term_order
),

made as (
    select
        judged.assessment_id,
        judged.instrument,
        judged.version,
        judged.scale,
        judged.score_supplied,
        judged.n_items,
        judged.n_answered,
        judged.is_primary,
        case
            when judged.n_answered = 0 and judged.score_supplied is not null then 'supplied'
            when failed.status is not null then failed.status
            when judged.aggregate = 'ratio' and combined.denominator = 0 then 'undefined'
            when combined.n_prorated = 1 then 'prorated'
            else 'scored'
        end as status,
        case
            when judged.n_answered = 0 and judged.score_supplied is not null then judged.score_supplied
            when failed.status is not null then null
            when judged.aggregate = 'linear' then judged.constant + combined.weighted
            when combined.denominator <> 0 then judged.factor * combined.numerator / combined.denominator
        end as score
    from judged
    left join combined on judged.assessment_id = combined.assessment_id and judged.scale = combined.scale
    left join failed on judged.assessment_id = failed.assessment_id and judged.scale = failed.scale
    where judged.aggregate in ('ratio', 'linear')
),

every_scale as (
    select
        assessment_id, instrument, version, scale, score, score_supplied, n_items, n_answered, status, is_primary
    from scored
    union all
    select
        assessment_id, instrument, version, scale, score, score_supplied, n_items, n_answered, status, is_primary
    from made
)

select
    every_scale.assessment_id,
    assessment.episode_id,
    assessment.patient_id,
    assessment.site_id,
    every_scale.instrument,
    every_scale.version,
    assessment.rater,
    every_scale.scale,
    assessment.months,
    assessment.occasion,
    every_scale.score,
    every_scale.score_supplied,
    every_scale.n_items,
    every_scale.n_answered,
    every_scale.status = 'prorated' as is_prorated,
    every_scale.status,
    every_scale.is_primary
from every_scale
inner join {{ ref('assessment') }} as assessment on every_scale.assessment_id = assessment.assessment_id
