{# Codes of the delivery that supplies the assessment: a later one without the code means an answer came. #}
select
    missing.assessment_id,
    missing.item,
    max(missing.missing_code) as missing_code
from {{ current_files('missing_answer', source('lake', 'missing_answer'), source('inputs', 'delivery'), ref('stg_vanished')) }} as missing
inner join {{ ref('stg_assessment') }} as assessment
    on missing.assessment_id = assessment.assessment_id
    and missing.delivery = assessment.delivery
    and missing.site = assessment.site_id
group by missing.assessment_id, missing.item
