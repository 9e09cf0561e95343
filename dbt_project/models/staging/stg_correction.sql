{# Assessments whose contents differ between two deliveries: the newest change of each. #}
with history as (
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
    where delivery.n_deliveries > 1
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
)

select
    site_id,
    assessment_id,
    patient_id,
    episode_id,
    instrument,
    first_delivery,
    delivery,
    source_file,
    source_row
from corrections
where recency = 1
