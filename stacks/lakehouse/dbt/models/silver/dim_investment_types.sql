select
    investment_type_id,
    replace(investment_type_name, 'Investment', '')::varchar(40) as investment_type_name,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_investment_types') }}
