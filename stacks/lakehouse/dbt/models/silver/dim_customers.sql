select
    customer_id,
    first_name::varchar(60) as first_name,
    last_name::varchar(60) as last_name,
    concat(concat(first_name, ' '), last_name)::varchar(121) as full_name,
    lower(email)::varchar(120) as email,
    address::varchar(120) as address,
    city::varchar(60) as city,
    state::varchar(40) as state,
    -- The crawler takes digits for numbers, so leading zeros come back here.
    lpad(postal_code::varchar, 5, '0') as postal_code,
    phone_number::varchar(24) as phone_number,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_customers') }}
