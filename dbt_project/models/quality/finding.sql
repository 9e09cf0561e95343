{# Open: made in the delivery that now counts for what the finding is about. For a site that sends everything, that is
   its latest; for one that sends increments, the delivery that now supplies that assessment, episode or patient. #}
with made as (
    select
        finding.*,
        finding.site as site_id,
        delivery.mode,
        delivery.is_latest,
        min(finding.delivery) over (partition by finding.site, finding.finding_id) as first_delivery,
        row_number() over (
            partition by finding.site, finding.finding_id
            order by finding.delivery desc, finding.source_file, finding.source_row
        ) as recency
    from {{ source('lake', 'finding') }} as finding
    inner join {{ ref('stg_delivery') }} as delivery
        on finding.site = delivery.site_id and finding.delivery = delivery.delivery
),

judged as (
    select
        made.*,
        case
            when made.mode <> 'increment' then made.is_latest
            when made.assessment_id is not null then coalesce(assessment.delivery, '') <= made.delivery
            when made.episode_id is not null then coalesce(episode.delivery, '') <= made.delivery
            when made.patient_id is not null then coalesce(patient.last_delivery, '') <= made.delivery
            else true
        end as is_open
    from made
    left join {{ ref('stg_assessment') }} as assessment
        on made.assessment_id = assessment.assessment_id and made.site_id = assessment.site_id
    left join {{ ref('stg_episode') }} as episode
        on made.episode_id = episode.episode_id and made.site_id = episode.site_id
    left join {{ ref('patient_site') }} as patient
        on made.patient_id = patient.patient_id and made.site_id = patient.site_id
    where made.recency = 1
),

history as (
    select
        assessment.site as site_id,
        assessment.delivery,
        assessment.assessment_id,
        assessment.patient_id,
        assessment.episode_id,
        {{ instrument_of_file() }} as instrument,
        assessment.content_hash,
        assessment.source_file,
        assessment.source_row
    from {{ assessment_history() }} as assessment
    inner join {{ ref('stg_delivery') }} as delivery
        on assessment.site = delivery.site_id and assessment.delivery = delivery.delivery
),

changed as (
    select
        site_id,
        assessment_id
    from history
    group by site_id, assessment_id
    having min(content_hash) <> max(content_hash)
),

compared as (
    select
        history.*,
        lag(history.content_hash) over (
            partition by history.site_id, history.assessment_id order by history.delivery, history.source_row
        ) as previous_hash
    from history
    inner join changed
        on history.site_id = changed.site_id and history.assessment_id = changed.assessment_id
),

corrections as (
    select
        compared.*,
        min(delivery) over (partition by site_id, assessment_id) as first_delivery,
        row_number() over (partition by site_id, assessment_id order by delivery desc, source_row) as recency
    from compared
    where content_hash <> previous_hash
),

supplied_since as (
    select
        supplied.finding_id,
        min(history.delivery) as first_delivery
    from {{ ref('stg_supplied_score') }} as supplied
    inner join history
        on supplied.site_id = history.site_id
        and supplied.assessment_id = history.assessment_id
        and supplied.content_hash = history.content_hash
    group by supplied.finding_id
)

select
    finding_id,
    site_id,
    patient_id,
    episode_id,
    instrument,
    item,
    rule,
    class,
    severity,
    case when is_open then 'open' else 'resolved' end as status,
    first_delivery,
    delivery as last_delivery,
    source_file,
    source_row,
    message,
    assessment_id
from judged
union all
select
    'f' || md5('assessment-corrected|' || site_id || '|' || assessment_id || '|') as finding_id,
    site_id,
    patient_id,
    episode_id,
    instrument,
    cast(null as {{ dbt.type_string() }}) as item,
    'assessment-corrected' as rule,
    'history' as class,
    'flag' as severity,
    'resolved' as status,
    first_delivery,
    delivery as last_delivery,
    source_file,
    source_row,
    'This assessment differs from the delivery before; the newer one counts.' as message,
    assessment_id
from corrections
where recency = 1
union all
select
    supplied.finding_id,
    supplied.site_id,
    supplied.patient_id,
    supplied.episode_id,
    supplied.instrument,
    supplied.scale as item,
    supplied.rule,
    'plausibility' as class,
    'flag' as severity,
    'open' as status,
    coalesce(supplied_since.first_delivery, supplied.delivery) as first_delivery,
    supplied.delivery as last_delivery,
    supplied.source_file,
    supplied.source_row,
    supplied.message,
    supplied.assessment_id
from {{ ref('stg_supplied_score') }} as supplied
left join supplied_since on supplied.finding_id = supplied_since.finding_id
