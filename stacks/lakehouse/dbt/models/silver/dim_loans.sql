select
    loan_id,
    loan_type::varchar(20) as loan_type,
    loan_amount::numeric(14, 2) as loan_amount,
    interest_rate::numeric(5, 2) as interest_rate,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_loans') }}
