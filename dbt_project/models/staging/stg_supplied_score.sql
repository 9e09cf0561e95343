{# A unit's own total beside ours. `plain_value` is the sum or mean of the answered items alone, `blank_as_zero` what a
   mean becomes where blanks count as 0. #}
with compared as (
    select
        assessment_id,
        scale,
        instrument,
        site_id,
        patient_id,
        episode_id,
        score,
        score_supplied,
        n_items,
        n_answered,
        case when aggregate = 'mean' then raw_value / nullif(n_answered, 0) else raw_value end as plain_value,
        case when aggregate = 'mean' then raw_value / nullif(n_items, 0) else raw_value end as blank_as_zero
    from {{ ref('stg_scale') }}
    where score_supplied is not null and n_answered > 0
),

judged as (
    select
        compared.*,
        case
            when score is not null and abs(score - score_supplied) <= {{ supplied_tolerance() }} then null
            when n_answered < n_items
                and least(abs(plain_value - score_supplied), abs(blank_as_zero - score_supplied))
                <= {{ supplied_tolerance() }}
                then 'supplied-ignores-missing'
            when score is not null then 'supplied-differs'
        end as rule
    from compared
)

select
    'f' || md5(judged.rule || '|' || judged.site_id || '|' || judged.assessment_id || '|' || judged.scale) as finding_id,
    judged.site_id,
    judged.patient_id,
    judged.episode_id,
    judged.instrument,
    judged.scale,
    judged.rule,
    case judged.rule
        when 'supplied-ignores-missing'
            then 'The supplied score takes no notice of missing items: ' || cast(judged.n_answered as {{ dbt.type_string() }})
                || ' of ' || cast(judged.n_items as {{ dbt.type_string() }}) || ' were answered.'
        else 'The supplied score differs from the one that the answers give.'
    end as message,
    judged.assessment_id,
    assessment.content_hash,
    assessment.delivery,
    assessment.source_file,
    assessment.source_row
from judged
inner join {{ ref('stg_assessment') }} as assessment on judged.assessment_id = assessment.assessment_id
where judged.rule is not null
