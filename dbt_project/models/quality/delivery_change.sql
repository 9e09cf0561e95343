{# What each accepted delivery changed: beside the one before for a unit that sends everything, beside all before it for
   one that sends what is new. Only silence in the former can say that an assessment is gone. #}
with delivery as (
    select
        site_id,
        delivery,
        mode,
        n_deliveries,
        row_number() over (partition by site_id order by delivery) as nth,
        lag(delivery) over (partition by site_id order by delivery) as previous_delivery
    from {{ ref('stg_delivery') }}
),

form as (
    select
        delivery.site_id,
        delivery.mode,
        delivery.nth,
        assessment.assessment_id,
        max(assessment.content_hash) as content_hash
    from {{ assessment_history() }} as assessment
    inner join delivery on assessment.site = delivery.site_id and assessment.delivery = delivery.delivery
    where delivery.n_deliveries > 1
    group by delivery.site_id, delivery.mode, delivery.nth, assessment.assessment_id
),

beside as (
    select
        form.*,
        lag(content_hash) over (partition by site_id, assessment_id order by nth) as hash_before,
        lag(nth) over (partition by site_id, assessment_id order by nth) as nth_before,
        lead(nth) over (partition by site_id, assessment_id order by nth) as nth_after
    from form
),

counted as (
    select
        site_id,
        nth,
        count(*) as n_assessments,
        sum(case when nth_before is null then 1 else 0 end) as n_new,
        sum(case when content_hash <> hash_before then 1 else 0 end) as n_corrected,
        sum(case when mode <> 'increment' and nth_before < nth - 1 then 1 else 0 end) as n_returned
    from beside
    group by site_id, nth
    union all
    {# A delivery that is the unit's only one has nothing beside it, and holds each assessment once. #}
    select
        delivery.site_id,
        delivery.nth,
        count(*) as n_assessments,
        count(*) as n_new,
        0 as n_corrected,
        0 as n_returned
    from {{ assessment_history() }} as assessment
    inner join delivery on assessment.site = delivery.site_id and assessment.delivery = delivery.delivery
    where delivery.n_deliveries = 1
    group by delivery.site_id, delivery.nth
),

vanished as (
    select
        site_id,
        nth + 1 as nth,
        count(*) as n_vanished
    from beside
    where mode <> 'increment' and (nth_after is null or nth_after > nth + 1)
    group by site_id, nth
),

opened as (
    select
        site_id,
        first_delivery as delivery,
        count(*) as n_findings
    from {{ ref('finding') }}
    where rule <> 'assessment-corrected'
    group by site_id, first_delivery
),

closed as (
    select
        site_id,
        closed_delivery as delivery,
        count(*) as n_findings
    from {{ ref('finding') }}
    where rule <> 'assessment-corrected'
    group by site_id, closed_delivery
)

select
    delivery.site_id,
    delivery.delivery,
    delivery.previous_delivery,
    coalesce(counted.n_assessments, 0) as n_assessments,
    cast(coalesce(counted.n_new, 0) as bigint) as n_new,
    cast(coalesce(counted.n_corrected, 0) as bigint) as n_corrected,
    cast(coalesce(counted.n_returned, 0) as bigint) as n_returned,
    coalesce(vanished.n_vanished, 0) as n_vanished,
    coalesce(opened.n_findings, 0) as n_findings_opened,
    coalesce(closed.n_findings, 0) as n_findings_closed
from delivery
left join counted on delivery.site_id = counted.site_id and delivery.nth = counted.nth
left join vanished on delivery.site_id = vanished.site_id and delivery.nth = vanished.nth
left join opened on delivery.site_id = opened.site_id and delivery.delivery = opened.delivery
left join closed on delivery.site_id = closed.site_id and delivery.delivery = closed.delivery
