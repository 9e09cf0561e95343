{# Only scale means are pooled over versions: one item number is not the same item in each. #}
{# A version with other answer points is brought to the common metric only where the network accepts that by name. #}
with measured as (
    select
        assessment_id,
        max(case when scale = 'task' then score end) as task,
        max(case when scale = 'goal' then score end) as goal,
        max(case when scale = 'bond' then score end) as bond,
        max(case when scale = 'total' then score end) as total
    from {{ ref('scale_score') }}
    where instrument in (
        {%- for key, family in instrument_families() if family == 'wai' %}'{{ key }}'{{ ', ' if not loop.last }}{% else %}''{% endfor -%}
    )
    group by assessment_id
),

scores as (
    select
        measured.assessment_id,
        {% for scale in ['task', 'goal', 'bond', 'total'] -%}
        case
            when version.rescaled_to is null then measured.{{ scale }}
            when version.is_rescaling_accepted
                then version.rescaled_minimum + (measured.{{ scale }} - version.minimum)
                    * (version.rescaled_maximum - version.rescaled_minimum) * 1.0 / (version.maximum - version.minimum)
        end as {{ scale }},
        {% endfor -%}
        coalesce(version.is_rescaling_accepted, false) as is_rescaled,
        case
            when version.rescaled_to is null then 'as_scored'
            when version.is_rescaling_accepted then 'rescaled'
            else 'no_accepted_rescaling'
        end as alliance_status
    from measured
    inner join {{ ref('assessment') }} as assessment on measured.assessment_id = assessment.assessment_id
    inner join {{ source('inputs', 'version') }} as version
        on assessment.instrument = version.instrument and assessment.version = version.version
),

used as (
    select
        patient_id,
        episode_id,
        case when count(distinct instrument) > 1 then 'both' else max(instrument) end as version_group
    from {{ ref('assessment') }}
    where family = 'wai'
    group by patient_id, episode_id
),

cutoff as (
    select
        instrument,
        version,
        operator,
        value,
        row_number() over (partition by instrument, version order by label, value) as label_order
    from {{ source('inputs', 'cutoff') }}
    where scale = 'total' and label = 'satisfactory'
)

select
    assessment.assessment_id,
    assessment.episode_id,
    assessment.patient_id,
    assessment.site_id,
    assessment.rater,
    assessment.assessment_date,
    assessment.months,
    assessment.occasion,
    assessment.version,
    used.version_group,
    version.scale_points,
    scores.task,
    scores.goal,
    scores.bond,
    scores.total,
    {# A cut-off belongs to the answer points that it was found with. -#}
    case
        when scores.alliance_status <> 'as_scored' then null
        when cutoff.operator = '>' then scores.total > cutoff.value
        when cutoff.operator = '>=' then scores.total >= cutoff.value
        when cutoff.operator = '<' then scores.total < cutoff.value
        when cutoff.operator = '<=' then scores.total <= cutoff.value
    end as is_satisfactory,
    assessment.instrument,
    scores.is_rescaled,
    scores.alliance_status
from {{ ref('assessment') }} as assessment
inner join {{ source('inputs', 'version') }} as version
    on assessment.instrument = version.instrument and assessment.version = version.version
left join scores on assessment.assessment_id = scores.assessment_id
left join used on assessment.patient_id = used.patient_id and assessment.episode_id = used.episode_id
left join cutoff
    on assessment.instrument = cutoff.instrument
    and assessment.version = cutoff.version
    and cutoff.label_order = 1
where assessment.family = 'wai'
