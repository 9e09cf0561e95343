{# Everything that rules had to say, and where it stands: there or gone by the deliveries, and while it is there, what the
   unit answered and what the network accepted. An answer holds until the finding comes back or an acceptance ends; that
   it was corrected holds until the next delivery says otherwise, and work in progress answers nothing. #}
with assessment_since as (
    select
        assessment.site as site_id,
        assessment.assessment_id,
        assessment.content_hash,
        min(assessment.delivery) as first_delivery
    from {{ assessment_history() }} as assessment
    inner join {{ ref('stg_delivery') }} as delivery
        on assessment.site = delivery.site_id and assessment.delivery = delivery.delivery
    where assessment.assessment_id in (select supplied.assessment_id from {{ ref('stg_supplied_score') }} as supplied)
    group by assessment.site, assessment.assessment_id, assessment.content_hash
),

raised as (
    select
        finding_id,
        site_id,
        patient_id,
        episode_id,
        assessment_id,
        instrument,
        item,
        rule,
        class,
        severity,
        is_there,
        first_delivery,
        last_delivery,
        return_delivery,
        closed_delivery,
        source_file,
        source_row,
        message
    from {{ ref('stg_finding') }}
    union all
    select
        'f' || md5('assessment-corrected|' || site_id || '|' || assessment_id || '|') as finding_id,
        site_id,
        patient_id,
        episode_id,
        assessment_id,
        instrument,
        cast(null as {{ dbt.type_string() }}) as item,
        'assessment-corrected' as rule,
        'history' as class,
        'flag' as severity,
        false as is_there,
        first_delivery,
        delivery as last_delivery,
        cast(null as {{ dbt.type_string() }}) as return_delivery,
        delivery as closed_delivery,
        source_file,
        source_row,
        'This assessment differs from the delivery before; the newer one counts.' as message
    from {{ ref('stg_correction') }}
    union all
    select
        supplied.finding_id,
        supplied.site_id,
        supplied.patient_id,
        supplied.episode_id,
        supplied.assessment_id,
        supplied.instrument,
        supplied.scale as item,
        supplied.rule,
        'plausibility' as class,
        'flag' as severity,
        true as is_there,
        coalesce(assessment_since.first_delivery, supplied.delivery) as first_delivery,
        supplied.delivery as last_delivery,
        cast(null as {{ dbt.type_string() }}) as return_delivery,
        cast(null as {{ dbt.type_string() }}) as closed_delivery,
        supplied.source_file,
        supplied.source_row,
        supplied.message
    from {{ ref('stg_supplied_score') }} as supplied
    left join assessment_since
        on supplied.site_id = assessment_since.site_id
        and supplied.assessment_id = assessment_since.assessment_id
        and supplied.content_hash = assessment_since.content_hash
    union all
    select
        finding_id,
        site_id,
        patient_id,
        episode_id,
        assessment_id,
        instrument,
        cast(null as {{ dbt.type_string() }}) as item,
        rule,
        'history' as class,
        'flag' as severity,
        fate in ('kept', 'accepted') as is_there,
        first_delivery,
        last_delivery,
        cast(null as {{ dbt.type_string() }}) as return_delivery,
        cast(null as {{ dbt.type_string() }}) as closed_delivery,
        source_file,
        source_row,
        message
    from {{ ref('stg_vanished') }}
    where is_raised
),

remedies as (
    select
        known.rule,
        catalogue.remedy,
        row_number() over (partition by known.rule order by catalogue.rule_order) as fit
    from (select distinct rule from raised) as known
    inner join {{ source('inputs', 'rule') }} as catalogue on known.rule like catalogue.pattern
),

dated as (
    select
        raised.*,
        context.today,
        opened.delivery_date as opened_date,
        latest.delivery_date as last_date,
        came_back.delivery_date as return_date,
        coalesce(closed.delivery_date, latest.delivery_date) as gone_date,
        acceptance.accepted_date,
        case
            when not acceptance.is_accepted then {{ add_days('acceptance.ended_date', 1) }}
            when acceptance.until_date < context.today then {{ add_days('acceptance.until_date', 1) }}
        end as acceptance_ended_date,
        coalesce(
            acceptance.is_accepted and (acceptance.until_date is null or acceptance.until_date >= context.today), false
        ) as is_accepted,
        answer.answer,
        answer.answered_date
    from raised
    cross join {{ source('inputs', 'context') }} as context
    left join {{ ref('stg_delivery') }} as opened
        on raised.site_id = opened.site_id and raised.first_delivery = opened.delivery
    left join {{ ref('stg_delivery') }} as latest
        on raised.site_id = latest.site_id and raised.last_delivery = latest.delivery
    left join {{ ref('stg_delivery') }} as came_back
        on raised.site_id = came_back.site_id and raised.return_delivery = came_back.delivery
    left join {{ ref('stg_delivery') }} as closed
        on raised.site_id = closed.site_id and raised.closed_delivery = closed.delivery
    left join {{ source('inputs', 'acceptance') }} as acceptance
        on raised.site_id = acceptance.site_id and raised.finding_id = acceptance.finding_id
    left join {{ source('inputs', 'answer') }} as answer
        on raised.site_id = answer.site_id and raised.finding_id = answer.finding_id
),

judged as (
    select
        dated.*,
        case
            when not is_there then 'resolved'
            when is_accepted then 'accepted'
            when answered_date >= greatest(return_date, acceptance_ended_date, opened_date)
                and (answer in ('confirmed', 'unobtainable') or (answer = 'corrected' and last_date <= answered_date))
                then 'answered'
            when return_date is not null or acceptance_ended_date is not null or answer = 'corrected' then 'reopened'
            else 'open'
        end as status
    from dated
)

select
    judged.finding_id,
    judged.site_id,
    {{ identified('judged.patient_id', 'judged.episode_id') }} as patient_id,
    judged.episode_id,
    judged.instrument,
    judged.item,
    judged.rule,
    judged.class,
    judged.severity,
    judged.status,
    judged.first_delivery,
    judged.last_delivery,
    judged.source_file,
    judged.source_row,
    judged.message,
    judged.assessment_id,
    judged.opened_date,
    case judged.status when 'resolved' then judged.gone_date when 'accepted' then judged.accepted_date end as closed_date,
    case
        when judged.status not in ('resolved', 'accepted')
            then cast(greatest({{ dbt.datediff('judged.opened_date', 'judged.today', 'day') }}, 0) as integer)
    end as age_days,
    remedies.remedy,
    judged.answer,
    judged.answered_date,
    case when judged.status = 'resolved' then coalesce(judged.closed_delivery, judged.last_delivery) end as closed_delivery
from judged
left join remedies on judged.rule = remedies.rule and remedies.fit = 1
