select
    quarantine.site as site_id,
    quarantine.delivery,
    quarantine.source_file,
    quarantine.source_row,
    quarantine.rule,
    quarantine.row_json
from {{ source('lake', 'quarantine') }} as quarantine
inner join {{ ref('stg_delivery') }} as delivery
    on quarantine.site = delivery.site_id and quarantine.delivery = delivery.delivery
