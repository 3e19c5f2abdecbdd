{{ config(materialized='ephemeral') }}
select customer_id, sum(amount) as total, max(ordered_on) as last_order
from {{ ref('stg_orders') }}
group by customer_id
