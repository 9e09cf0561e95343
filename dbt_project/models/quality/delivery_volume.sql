{# Counted in the files themselves: an assessment that a later delivery corrects still counts in each that held it. #}
select
    history.site as site_id,
    history.delivery,
    history.instrument,
    count(*) as n_assessments
from (
    select
        site,
        delivery,
        {{ instrument_of_file() }} as instrument
    from {{ assessment_history() }}
) as history
inner join {{ ref('stg_delivery') }} as delivery
    on history.site = delivery.site_id and history.delivery = delivery.delivery
group by history.site, history.delivery, history.instrument
