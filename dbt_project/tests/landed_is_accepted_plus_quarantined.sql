-- No silent loss: every row of a delivery that counts ended accepted or in quarantine.
select
    site_id,
    delivery
from {{ ref('delivery') }}
where gate = 'accepted' and n_rows_landed <> n_rows_accepted + n_rows_quarantined
