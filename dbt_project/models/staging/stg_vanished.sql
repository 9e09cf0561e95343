{# Only units that send everything each time can say by silence that a record is gone. A record is a patient, a course,
   an assessment, a session or a consent. What came under another key with the same contents was relabelled, and the
   old one is not kept. Where a row of the same patient was held back in the delivery without the record, the record
   may be in that row: it is kept, and the finding about the row says why. #}
with delivery as (
    select
        delivery.site_id,
        delivery.delivery,
        site.vanished,
        row_number() over (partition by delivery.site_id order by delivery.delivery) as nth,
        count(*) over (partition by delivery.site_id) as n_deliveries
    from {{ ref('stg_delivery') }} as delivery
    inner join {{ source('inputs', 'site') }} as site on delivery.site_id = site.site_id
    where delivery.mode = 'snapshot'
),

stored as (
    {{ lake_record('patient', 'patient_id', source('lake', 'patient')) }}
    union all
    {{ lake_record('episode', 'episode_id', source('lake', 'episode'), episode='episode_id') }}
    union all
    {{ lake_record(
        'session', "episode_id || '|' || session_number", source('lake', 'session'),
        episode='episode_id', date='session_date', sequence='session_number'
    ) }}
    union all
    {{ lake_record('consent', "patient_id || '|' || purpose", source('lake', 'consent')) }}
    union all
    {{ lake_record(
        'assessment', 'assessment_id', assessment_history(), table_name=instrument_of_file(),
        episode='episode_id', date='assessment_date', sequence='sequence',
        rater='rater', occasion='occasion', content='content_hash'
    ) }}
),

record as (
    select
        stored.*,
        delivery.nth,
        delivery.n_deliveries,
        delivery.vanished,
        case stored.entity when 'patient' then null when 'episode' then 'patient' when 'consent' then 'patient' else 'episode' end
            as parent_name,
        case when stored.entity in ('episode', 'consent') then stored.patient_id else stored.episode_id end as parent_id,
        lead(delivery.nth) over (
            partition by stored.site_id, stored.table_name, stored.record_id
            order by delivery.nth, stored.source_file, stored.source_row
        ) as next_nth
    from stored
    inner join delivery on stored.site_id = delivery.site_id and stored.delivery = delivery.delivery
    where delivery.n_deliveries > 1 and stored.record_id is not null
),

gap as (
    select *
    from record
    where coalesce(next_nth, n_deliveries + 1) > nth + 1
),

lost as (
    select *
    from gap
    where next_nth is null
),

newest as (
    select *
    from record
    where nth = n_deliveries
),

rejected as (
    select distinct
        site as site_id,
        delivery,
        patient_id
    from {{ source('lake', 'finding') }}
    where severity = 'reject_row' and rule <> 'row-duplicate' and patient_id is not null
),

silence as (
    select
        gap.site_id,
        gap.table_name,
        gap.record_id,
        gap.nth,
        min(case when rejected.patient_id is null then delivery.delivery end) as first_delivery,
        max(case when rejected.patient_id is null then delivery.delivery end) as last_delivery
    from gap
    inner join delivery
        on gap.site_id = delivery.site_id
        and delivery.nth > gap.nth
        and delivery.nth < coalesce(gap.next_nth, gap.n_deliveries + 1)
    left join rejected
        on delivery.site_id = rejected.site_id
        and delivery.delivery = rejected.delivery
        and gap.patient_id = rejected.patient_id
    group by gap.site_id, gap.table_name, gap.record_id, gap.nth
),

{# The same answers on the same day under a key that did not hold them before. #}
form_moved as (
    select
        lost.site_id,
        lost.table_name,
        lost.record_id,
        lost.episode_id,
        min(newest.record_id) as successor_id,
        min(newest.episode_id) as successor_episode_id
    from lost
    inner join newest
        on lost.site_id = newest.site_id
        and lost.table_name = newest.table_name
        and lost.patient_id = newest.patient_id
        and lost.content_hash = newest.content_hash
        and lost.record_date = newest.record_date
    left join record as before
        on newest.site_id = before.site_id
        and newest.table_name = before.table_name
        and newest.record_id = before.record_id
        and newest.content_hash = before.content_hash
        and lost.nth = before.nth
    where lost.entity = 'assessment' and before.record_id is null
    group by lost.site_id, lost.table_name, lost.record_id, lost.episode_id
),

course as (
    select
        episode.site as site_id,
        episode.episode_id,
        episode.delivery,
        episode.admission_date,
        episode.treatment_start_date,
        episode.discharge_date
    from {{ source('lake', 'episode') }} as episode
),

{# A course whose forms moved to another one, or of which another one has a date and did not exist before. #}
course_evidence as (
    select
        lost.site_id,
        lost.record_id,
        form_moved.successor_episode_id as successor_id
    from lost
    inner join form_moved on lost.site_id = form_moved.site_id and lost.record_id = form_moved.episode_id
    where lost.entity = 'episode' and form_moved.successor_episode_id <> lost.record_id
    union all
    select
        lost.site_id,
        lost.record_id,
        newest.record_id as successor_id
    from lost
    inner join newest
        on lost.site_id = newest.site_id
        and lost.table_name = newest.table_name
        and lost.patient_id = newest.patient_id
    inner join course as old_course
        on lost.site_id = old_course.site_id
        and lost.record_id = old_course.episode_id
        and lost.delivery = old_course.delivery
    inner join course as new_course
        on newest.site_id = new_course.site_id
        and newest.record_id = new_course.episode_id
        and newest.delivery = new_course.delivery
    left join record as before
        on newest.site_id = before.site_id
        and newest.table_name = before.table_name
        and newest.record_id = before.record_id
        and lost.nth = before.nth
    where lost.entity = 'episode'
        and before.record_id is null
        and (
            old_course.admission_date = new_course.admission_date
            or old_course.treatment_start_date = new_course.treatment_start_date
            or old_course.discharge_date = new_course.discharge_date
        )
),

course_moved as (
    select
        site_id,
        record_id,
        min(successor_id) as successor_id
    from course_evidence
    group by site_id, record_id
),

moved as (
    select
        site_id,
        table_name,
        record_id,
        successor_id
    from form_moved
    union all
    select
        site_id,
        'episode' as table_name,
        record_id,
        successor_id
    from course_moved
    union all
    {# What a relabelled course holds of the same kind at the same place took the place of the old one. #}
    select
        lost.site_id,
        lost.table_name,
        lost.record_id,
        newest.record_id as successor_id
    from lost
    inner join course_moved on lost.site_id = course_moved.site_id and lost.episode_id = course_moved.record_id
    inner join newest
        on lost.site_id = newest.site_id
        and lost.table_name = newest.table_name
        and course_moved.successor_id = newest.episode_id
        and coalesce(lost.rater, '') = coalesce(newest.rater, '')
        and coalesce(lost.occasion, '') = coalesce(newest.occasion, '')
        and coalesce(lost.sequence, 0) = coalesce(newest.sequence, 0)
    where lost.entity in ('assessment', 'session')
    union all
    {# Sessions are numbered anew where one is taken out of the middle. #}
    select
        lost.site_id,
        lost.table_name,
        lost.record_id,
        newest.record_id as successor_id
    from lost
    inner join newest
        on lost.site_id = newest.site_id
        and lost.table_name = newest.table_name
        and lost.patient_id = newest.patient_id
        and lost.record_date = newest.record_date
    left join record as before
        on newest.site_id = before.site_id
        and newest.table_name = before.table_name
        and newest.record_id = before.record_id
        and newest.record_date = before.record_date
        and lost.nth = before.nth
    where lost.entity = 'session' and before.record_id is null
),

successor as (
    select
        site_id,
        table_name,
        record_id,
        min(successor_id) as successor_id
    from moved
    group by site_id, table_name, record_id
),

{# The network accepts that it is gone: it is taken out, with all that belongs to it. #}
acceptance as (
    select
        accepted.site_id,
        accepted.finding_id
    from {{ source('inputs', 'acceptance') }} as accepted
    cross join {{ source('inputs', 'context') }} as context
    where accepted.is_accepted and (accepted.until_date is null or accepted.until_date >= context.today)
),

fated as (
    select
        gap.*,
        successor.successor_id,
        course_moved.successor_id as successor_episode_id,
        silence.first_delivery,
        silence.last_delivery,
        case
            when gap.next_nth is not null then 'returned'
            when successor.successor_id is not null then 'relabelled'
            when gap.vanished = 'drop' then 'dropped'
            when own_acceptance.finding_id is not null then 'accepted'
            when coalesce(of_course.finding_id, of_patient.finding_id) is not null then 'taken_out'
            else 'kept'
        end as fate,
        case
            when silence.first_delivery is null then false
            when gap.entity = 'patient' or parent.record_id is not null then true
            else course_moved.successor_id is not null and successor.successor_id is null
        end as is_raised,
        min(silence.first_delivery) over (partition by gap.site_id, gap.table_name, gap.record_id) as since,
        row_number() over (partition by gap.site_id, gap.table_name, gap.record_id order by gap.nth desc) as recency
    from gap
    inner join silence
        on gap.site_id = silence.site_id
        and gap.table_name = silence.table_name
        and gap.record_id = silence.record_id
        and gap.nth = silence.nth
    left join successor
        on gap.site_id = successor.site_id
        and gap.table_name = successor.table_name
        and gap.record_id = successor.record_id
        and gap.next_nth is null
    left join course_moved
        on gap.site_id = course_moved.site_id
        and gap.episode_id = course_moved.record_id
        and gap.next_nth is null
        and gap.entity <> 'episode'
    left join acceptance as own_acceptance
        on gap.site_id = own_acceptance.site_id
        and own_acceptance.finding_id = {{ vanished_finding('gap.site_id', 'gap.table_name', 'gap.record_id') }}
    left join acceptance as of_course
        on gap.site_id = of_course.site_id
        and of_course.finding_id = {{ vanished_finding('gap.site_id', "'episode'", 'gap.episode_id') }}
    left join acceptance as of_patient
        on gap.site_id = of_patient.site_id
        and of_patient.finding_id = {{ vanished_finding('gap.site_id', "'patient'", 'gap.patient_id') }}
    left join (
        select distinct
            site_id,
            table_name,
            record_id,
            nth
        from record
    ) as parent
        on gap.site_id = parent.site_id
        and gap.parent_name = parent.table_name
        and gap.parent_id = parent.record_id
        and parent.nth = gap.nth + 1
)

select
    site_id,
    entity,
    table_name,
    record_id,
    patient_id,
    episode_id,
    case when entity = 'assessment' then record_id end as assessment_id,
    case when entity = 'assessment' then table_name end as instrument,
    delivery,
    source_file,
    source_row,
    fate,
    successor_id,
    successor_episode_id,
    is_raised,
    'f' || md5(rule || '|' || site_id || '|' || table_name || '|' || record_id) as finding_id,
    rule,
    since as first_delivery,
    last_delivery,
    case entity
        when 'patient' then 'A patient'
        when 'episode' then 'A course of treatment'
        when 'assessment' then 'An assessment'
        when 'session' then 'A session'
        else 'A consent'
    end || case
        when rule = 'record-relabelled' then ' came under another key than before, with the same contents.'
        else ' that an earlier delivery held was not in a later one; ' || case fate
            when 'returned' then 'it has come back.'
            when 'dropped' then 'it is taken out, as declared for this unit.'
            when 'taken_out' then 'it is taken out with what it belonged to.'
            when 'accepted' then 'it is taken out, as the network accepted.'
            else 'it is kept.'
        end
    end as message
from (
    select
        fated.*,
        case when fate = 'relabelled' then 'record-relabelled' else 'record-vanished' end as rule
    from fated
    where recency = 1
) as ruled
