select
    instrument,
    version,
    scale,
    term_order,
    source_scale,
    weight
from {{ source('inputs', 'term') }}
