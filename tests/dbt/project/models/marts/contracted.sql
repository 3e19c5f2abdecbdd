select order_id, amount, note, {{ dbt.date_trunc('month', 'ordered_on') }} as month
from {{ ref('stg_orders') }}
