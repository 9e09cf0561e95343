{# The row of the most recent delivery of any site; a patient may be known to several. #}
with source as (
    {{ current_rows('patient', ['patient_id']) }}
)

select
    patient_id,
    sex,
    birth_year,
    site as site_id,
    delivery
from source
