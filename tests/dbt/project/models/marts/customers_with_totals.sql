{{ config(
    dist='customer_id',
    sort=['customer_id', 'last_order'],
    pre_hook="delete from {{ target.schema }}.runs where invocation = 'nobody'",
    post_hook=["grant select on {{ this }} to group readers", "analyze {{ this }}"],
    grants={'select': ['reader']}
) }}
select
    c.customer_id,
    c.name,
    coalesce(t.total, 0) as total,
    t.last_order,
    {{ dbt.datediff("t.last_order", "'2024-02-01'::date", 'day') }} as days_ago,
    {{ dbt.dateadd('month', 1, 't.last_order') }} as next_review,
    {{ dbt.hash('c.name') }} as name_hash,
    rank() over (order by coalesce(t.total, 0) desc) as place
from {{ ref('stg_customers') }} c
left join {{ ref('only_inside') }} t on t.customer_id = c.customer_id
