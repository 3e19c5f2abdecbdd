{{ config(sort='date_id') }}

select
    transaction_id,
    date_id,
    transaction_type_id,
    account_id,
    channel_id,
    location_id,
    currency_id,
    transaction_amount::numeric(14, 2) as transaction_amount,
    transaction_status::varchar(12) as transaction_status,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_fact_transactions') }}
