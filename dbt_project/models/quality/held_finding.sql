{# Findings of deliveries that the gate holds: they say what to mend, and have no life of their own until it lets them in. #}
select
    finding.finding_id,
    finding.site as site_id,
    finding.delivery,
    finding.patient_id,
    finding.episode_id,
    finding.assessment_id,
    finding.instrument,
    finding.item,
    finding.rule,
    finding.class,
    finding.severity,
    finding.source_file,
    finding.source_row,
    finding.message
from {{ source('held', 'finding') }} as finding
inner join {{ source('inputs', 'delivery') }} as delivery
    on finding.site = delivery.site_id and finding.delivery = delivery.delivery
where delivery.gate <> 'accepted'
