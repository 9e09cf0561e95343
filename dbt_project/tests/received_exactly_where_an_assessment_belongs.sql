-- A due point is received where, and only where, an assessment belongs to it.
select due_point_id
from {{ ref('expected_assessment') }}
where (status like 'received%') <> (assessment_id is not null)
