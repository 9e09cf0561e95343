with accepted as (
    select
        site_id,
        delivery,
        delivery_date,
        data_through_date,
        mode,
        row_number() over (partition by site_id order by delivery desc) as recency,
        count(*) over (partition by site_id) as n_deliveries
    from {{ source('inputs', 'delivery') }}
    where gate = 'accepted'
)

select
    site_id,
    delivery,
    delivery_date,
    data_through_date,
    mode,
    recency = 1 as is_latest,
    n_deliveries
from accepted
