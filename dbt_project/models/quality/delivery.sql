select
    site_id,
    delivery,
    delivery_date,
    data_through_date,
    is_data_through_estimated,
    n_files,
    n_rows_landed,
    n_rows_accepted,
    n_rows_quarantined,
    content_fingerprint,
    recipe_fingerprint,
    received_at,
    unmapped_columns,
    gate,
    mode
from {{ source('inputs', 'delivery') }}
