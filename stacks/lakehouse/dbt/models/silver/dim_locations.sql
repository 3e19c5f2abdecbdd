select
    location_id,
    city::varchar(60) as city,
    state::varchar(40) as state,
    country::varchar(60) as country,
    lpad(postal_code::varchar, 5, '0') as postal_code,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_locations') }}
