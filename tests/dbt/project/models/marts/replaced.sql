{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['customer_id', 'ordered_on'],
    on_schema_change='append_new_columns'
) }}
select customer_id, ordered_on, sum(amount) as amount
    {% if var('until') > '2024-01-03' %}, count(*) as orders {% endif %}
from {{ ref('stg_orders') }}
group by customer_id, ordered_on
