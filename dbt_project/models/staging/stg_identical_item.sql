{# Only within one family, and only items that the version has: what is declared otherwise is not pooled. #}
select
    identical.instrument,
    identical.other_instrument,
    identical.item,
    item.version,
    version.scale_points
from {{ source('inputs', 'identical_item') }} as identical
inner join {{ source('inputs', 'instrument') }} as one on identical.instrument = one.instrument
inner join {{ source('inputs', 'instrument') }} as other
    on identical.other_instrument = other.instrument and one.family = other.family
inner join {{ source('inputs', 'item') }} as item
    on identical.instrument = item.instrument and identical.item = item.item
inner join {{ source('inputs', 'version') }} as version
    on item.instrument = version.instrument and item.version = version.version
