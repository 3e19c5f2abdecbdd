select customer_id, initcap(name) as name, split_part(city, ',', 1) as city, changed_at
from {{ source('shop', 'customers') }}
