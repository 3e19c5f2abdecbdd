{{ config(sort='date_id') }}

select
    investment_id,
    date_id,
    investment_type_id,
    account_id,
    location_id,
    currency_id,
    investment_amount::numeric(14, 2) as investment_amount,
    investment_return::numeric(14, 2) as investment_return,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_fact_investments') }}
