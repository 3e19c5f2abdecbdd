{{ config(sort='month') }}

select
    date_trunc('month', day)::date as month,
    channel_name,
    transaction_type_name,
    count(*) as transactions,
    sum(transaction_amount) as amount,
    avg(transaction_amount) as average_amount,
    sum(case when transaction_status = 'Failed' then 1 else 0 end) as failed
from {{ ref('transactions') }}
group by 1, 2, 3
