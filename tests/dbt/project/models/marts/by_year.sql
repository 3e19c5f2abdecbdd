{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='ordered_on',
    begin='2024-01-01',
    batch_size='year',
    lookback=1
) }}
select order_id, ordered_on, amount from {{ ref('stg_orders') }}
