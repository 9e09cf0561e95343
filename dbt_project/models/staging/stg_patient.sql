{# One row per person, as known today: of each fact the person's own record says it first, then the most recent delivery
   of any site that still delivers the person. Of one whose course was split off nobody knows sex and year of birth. #}
with source as (
    {{ current_rows('patient', ['patient_id'], 'patient', 'lake.patient_id') }}
),

identified as (
    select
        source.*,
        {{ identified('source.patient_id') }} as person_id
    from source
),

ranked as (
    select
        person_id,
        site,
        delivery,
        first_value(sex) over (
            partition by person_id
            order by
                case when sex is null then 1 else 0 end, case when patient_id = person_id then 0 else 1 end,
                delivery desc, site, patient_id
        ) as sex,
        first_value(birth_year) over (
            partition by person_id
            order by
                case when birth_year is null then 1 else 0 end, case when patient_id = person_id then 0 else 1 end,
                delivery desc, site, patient_id
        ) as birth_year,
        min(case when is_vanished then 1 else 0 end) over (partition by person_id) = 1 as is_vanished,
        row_number() over (
            partition by person_id
            order by case when patient_id = person_id then 0 else 1 end, delivery desc, site, patient_id
        ) as nth
    from identified
),

split_off as (
    select
        episode.patient_id,
        min(episode.site_id) as site_id,
        max(episode.delivery) as delivery,
        min(case when episode.is_vanished then 1 else 0 end) = 1 as is_vanished
    from {{ ref('stg_episode') }} as episode
    inner join {{ source('inputs', 'identity') }} as identity
        on identity.kind = 'episode' and episode.episode_id = identity.record_id
    group by episode.patient_id
)

select
    person_id as patient_id,
    sex,
    birth_year,
    site as site_id,
    delivery,
    is_vanished
from ranked
where nth = 1
union all
select
    split_off.patient_id,
    null as sex,
    null as birth_year,
    split_off.site_id,
    split_off.delivery,
    split_off.is_vanished
from split_off
left join ranked on split_off.patient_id = ranked.person_id
where ranked.person_id is null
