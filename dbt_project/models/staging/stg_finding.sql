{# The life of each finding that ingestion made. It is looked for in every delivery of a unit that sends everything, and
   in the deliveries that bring its assessment, course or patient of one that sends increments. It is there while the
   last look found it, or while the record that it is about is kept although it vanished. #}
with stored as (
    select
        finding.*,
        finding.site as site_id,
        delivery.mode,
        row_number() over (
            partition by finding.site, finding.finding_id
            order by finding.delivery desc, finding.source_file, finding.source_row
        ) as recency
    from {{ source('lake', 'finding') }} as finding
    inner join {{ ref('stg_delivery') }} as delivery
        on finding.site = delivery.site_id and finding.delivery = delivery.delivery
),

latest as (
    select
        stored.*,
        case
            when assessment_id is not null then 'assessment'
            when episode_id is not null then 'episode'
            when patient_id is not null then 'patient'
        end as entity,
        coalesce(assessment_id, episode_id, patient_id) as record_id
    from stored
    where recency = 1
),

made as (
    select distinct
        site_id,
        finding_id,
        delivery
    from stored
),

brought as (
    select
        'assessment' as entity,
        site as site_id,
        assessment_id as record_id,
        delivery
    from {{ assessment_history() }}
    union all
    select
        'episode' as entity,
        site as site_id,
        episode_id as record_id,
        delivery
    from {{ source('lake', 'episode') }}
    union all
    select
        'patient' as entity,
        site as site_id,
        patient_id as record_id,
        delivery
    from {{ source('lake', 'patient') }}
),

look as (
    select
        site_id,
        finding_id,
        delivery
    from made
    union
    select
        latest.site_id,
        latest.finding_id,
        delivery.delivery
    from latest
    inner join {{ ref('stg_delivery') }} as delivery on latest.site_id = delivery.site_id
    where latest.mode <> 'increment'
    union
    select
        latest.site_id,
        latest.finding_id,
        brought.delivery
    from latest
    inner join brought
        on latest.site_id = brought.site_id
        and latest.entity = brought.entity
        and latest.record_id = brought.record_id
    inner join {{ ref('stg_delivery') }} as delivery
        on brought.site_id = delivery.site_id and brought.delivery = delivery.delivery
    where latest.mode = 'increment'
),

seen as (
    select
        look.site_id,
        look.finding_id,
        look.delivery,
        made.delivery as made_delivery,
        lag(made.delivery) over (
            partition by look.site_id, look.finding_id order by look.delivery
        ) as made_before,
        min(made.delivery) over (partition by look.site_id, look.finding_id) as first_delivery,
        max(made.delivery) over (partition by look.site_id, look.finding_id) as last_delivery
    from look
    left join made
        on look.site_id = made.site_id and look.finding_id = made.finding_id and look.delivery = made.delivery
),

life as (
    select
        site_id,
        finding_id,
        min(first_delivery) as first_delivery,
        max(
            case when made_before is null and made_delivery > first_delivery then made_delivery end
        ) as return_delivery,
        min(case when delivery > last_delivery then delivery end) as closed_delivery
    from seen
    group by site_id, finding_id
)

select
    latest.finding_id,
    latest.site_id,
    latest.patient_id,
    latest.episode_id,
    latest.assessment_id,
    latest.instrument,
    latest.item,
    latest.rule,
    latest.class,
    latest.severity,
    life.closed_delivery is null or vanished.record_id is not null as is_there,
    life.first_delivery,
    latest.delivery as last_delivery,
    life.return_delivery,
    life.closed_delivery,
    latest.source_file,
    latest.source_row,
    latest.message
from latest
inner join life on latest.site_id = life.site_id and latest.finding_id = life.finding_id
left join {{ ref('stg_vanished') }} as vanished
    on vanished.fate = 'kept'
    and latest.site_id = vanished.site_id
    and latest.delivery = vanished.delivery
    and latest.record_id = vanished.record_id
