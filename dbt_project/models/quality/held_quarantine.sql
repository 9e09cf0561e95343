select
    quarantine.site as site_id,
    quarantine.delivery,
    quarantine.source_file,
    quarantine.source_row,
    quarantine.rule,
    quarantine.row_json
from {{ source('held', 'quarantine') }} as quarantine
inner join {{ source('inputs', 'delivery') }} as delivery
    on quarantine.site = delivery.site_id and quarantine.delivery = delivery.delivery
where delivery.gate <> 'accepted'
