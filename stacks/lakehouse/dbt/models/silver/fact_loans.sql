{{ config(sort='date_id') }}

select
    loan_fact_id,
    date_id,
    loan_id,
    account_id,
    location_id,
    currency_id,
    loan_amount::numeric(14, 2) as loan_amount,
    loan_status::varchar(12) as loan_status,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_fact_loans') }}
