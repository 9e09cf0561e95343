select
    instrument,
    other_instrument,
    item
from {{ source('inputs', 'identical_item') }}
