{{ config(sort='date_id') }}

select
    balance_id,
    date_id,
    account_id,
    currency_id,
    opening_balance::numeric(14, 2) as opening_balance,
    closing_balance::numeric(14, 2) as closing_balance,
    average_balance::numeric(14, 2) as average_balance,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_fact_daily_balances') }}
