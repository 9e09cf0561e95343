{# Whether a unit's scores are what they were: those that came first with its newest delivery beside all earlier ones.
   Compared within version, rater and occasion, since people get better in treatment and occasions come in another mix;
   a stratum weighs n_new * n_earlier / (n_new + n_earlier), so that one with few of either says little. #}
with earlier as (
    select
        history.site as site_id,
        history.assessment_id
    from {{ assessment_history() }} as history
    inner join {{ ref('stg_delivery') }} as delivery
        on history.site = delivery.site_id and history.delivery = delivery.delivery
    where not delivery.is_latest
    group by history.site, history.assessment_id
),

newest as (
    select
        delivery.site_id,
        delivery.delivery
    from {{ ref('stg_delivery') }} as delivery
    where delivery.is_latest and delivery.site_id in (select earlier.site_id from earlier)
),

score as (
    select
        score.site_id,
        newest.delivery,
        score.instrument,
        score.scale,
        score.version,
        score.rater,
        coalesce(score.occasion, '') as occasion,
        case when earlier.assessment_id is null then score.score end as new_score,
        case when earlier.assessment_id is not null then score.score end as earlier_score
    from {{ ref('scale_score') }} as score
    inner join newest on score.site_id = newest.site_id
    left join earlier on score.site_id = earlier.site_id and score.assessment_id = earlier.assessment_id
    where score.score is not null
),

stratum as (
    select
        site_id,
        delivery,
        instrument,
        scale,
        count(new_score) as n_new,
        count(earlier_score) as n_earlier,
        avg(new_score) - avg(earlier_score) as difference,
        var_pop(new_score) * count(new_score) + var_pop(earlier_score) * count(earlier_score) as squares
    from score
    group by site_id, delivery, instrument, scale, version, rater, occasion
),

compared as (
    select
        site_id,
        delivery,
        instrument,
        scale,
        cast(sum(n_new) as bigint) as n_new,
        cast(sum(case when n_earlier > 0 then n_new else 0 end) as bigint) as n_new_compared,
        cast(sum(case when n_new > 0 then n_earlier else 0 end) as bigint) as n_earlier_compared,
        sum(difference * n_new * n_earlier / (n_new + n_earlier))
        / nullif(sum(case when difference is not null then 1.0 * n_new * n_earlier / (n_new + n_earlier) end), 0)
            as mean_difference,
        sqrt(
            sum(case when difference is not null then squares end)
            / nullif(sum(case when difference is not null then n_new + n_earlier - 2 end), 0)
        ) as sd_within
    from stratum
    group by site_id, delivery, instrument, scale
)

select
    site_id,
    delivery,
    instrument,
    scale,
    n_new,
    n_new_compared,
    n_earlier_compared,
    round(mean_difference, 6) as mean_difference,
    round(sd_within, 6) as sd_within,
    round(mean_difference / nullif(sd_within, 0), 6) as standardised_difference
from compared
