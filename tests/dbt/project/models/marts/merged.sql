{{ config(materialized='incremental', incremental_strategy='merge', unique_key='customer_id') }}
select customer_id, sum(amount) as amount, listagg(note, '; ') within group (order by order_id) as notes
from {{ ref('stg_orders') }}
group by customer_id
