select
    instrument,
    version,
    item,
    minimum,
    maximum,
    is_reversed
from {{ source('inputs', 'item') }}
