select
    scale.instrument,
    instrument.family,
    scale.version,
    scale.scale,
    scale.label,
    scale.measures as construct,
    instrument.direction,
    scale.aggregate,
    scale.n_items,
    scale.minimum,
    scale.maximum,
    scale.is_primary,
    scale.rule_name as missing_rule,
    scale.max_missing,
    scale.is_rule_accepted
from {{ source('inputs', 'scale') }} as scale
inner join {{ source('inputs', 'instrument') }} as instrument on scale.instrument = instrument.instrument
