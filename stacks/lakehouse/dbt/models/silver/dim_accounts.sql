select
    account_id,
    customer_id,
    account_number::varchar(12) as account_number,
    account_type::varchar(20) as account_type,
    account_balance::numeric(14, 2) as account_balance,
    credit_score::smallint as credit_score,
    case
        when credit_score >= 740 then 'very good'
        when credit_score >= 670 then 'good'
        when credit_score >= 580 then 'fair'
        else 'poor'
    end as credit_band,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_accounts') }}
