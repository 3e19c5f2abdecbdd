{{ config(materialized='view') }}

select
    t.transaction_id,
    d.day,
    a.account_id,
    a.customer_id,
    a.account_type,
    y.transaction_type_name,
    c.channel_name,
    u.currency_code,
    l.city,
    l.state,
    l.country,
    t.transaction_amount,
    t.transaction_status
from {{ ref('fact_transactions') }} t
join {{ ref('dim_dates') }} d on d.date_id = t.date_id
join {{ ref('dim_accounts') }} a on a.account_id = t.account_id
join {{ ref('dim_transaction_types') }} y on y.transaction_type_id = t.transaction_type_id
join {{ ref('dim_channels') }} c on c.channel_id = t.channel_id
join {{ ref('dim_currencies') }} u on u.currency_id = t.currency_id
join {{ ref('dim_locations') }} l on l.location_id = t.location_id
