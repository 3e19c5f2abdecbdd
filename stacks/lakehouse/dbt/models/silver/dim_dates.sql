select
    date_id,
    to_date("date", 'YYYY-MM-DD') as day,
    year::smallint as year,
    month::smallint as month,
    date_part(quarter, to_date("date", 'YYYY-MM-DD'))::smallint as quarter,
    weekday::smallint as weekday,
    weekday in (6, 7) as is_weekend,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_dates') }}
