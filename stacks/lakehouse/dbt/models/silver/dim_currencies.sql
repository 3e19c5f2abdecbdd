select
    currency_id,
    upper(currency_code)::char(3) as currency_code,
    initcap(currency_name)::varchar(40) as currency_name,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_currencies') }}
