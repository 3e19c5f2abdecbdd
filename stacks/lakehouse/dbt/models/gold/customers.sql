-- One row for each customer: who they are, what they hold, how they are doing.
with accounts as (
    select
        customer_id,
        count(*) as accounts,
        sum(account_balance) as balance,
        max(credit_score) as best_credit_score
    from {{ ref('dim_accounts') }}
    group by customer_id
),

spending as (
    select customer_id, count(*) as transactions, sum(transaction_amount) as spent, max(day) as last_day
    from {{ ref('transactions') }}
    where transaction_status = 'Completed'
    group by customer_id
),

contacts as (
    select customer_id, count(*) as interactions, avg(interaction_rating::numeric(4, 2)) as average_rating
    from {{ ref('fact_customer_interactions') }}
    group by customer_id
)

select
    c.customer_id,
    c.full_name,
    c.state,
    coalesce(a.accounts, 0) as accounts,
    coalesce(a.balance, 0) as balance,
    a.best_credit_score,
    coalesce(s.transactions, 0) as transactions,
    coalesce(s.spent, 0) as spent,
    s.last_day as last_transaction_on,
    coalesce(k.interactions, 0) as interactions,
    k.average_rating,
    rank() over (order by coalesce(a.balance, 0) desc) as wealth_rank,
    ntile(10) over (order by coalesce(s.spent, 0) desc, c.customer_id) as spending_decile
from {{ ref('dim_customers') }} c
left join accounts a on a.customer_id = c.customer_id
left join spending s on s.customer_id = c.customer_id
left join contacts k on k.customer_id = c.customer_id
