-- How each account's balance moved from one statement to the next.
select
    d.day,
    b.account_id,
    a.account_type,
    u.currency_code,
    b.opening_balance,
    b.closing_balance,
    b.closing_balance - b.opening_balance as change,
    lag(b.closing_balance) over (partition by b.account_id order by d.day, b.balance_id) as previous_closing_balance,
    avg(b.closing_balance) over (
        partition by b.account_id order by d.day, b.balance_id rows between 6 preceding and current row
    ) as average_of_last_seven
from {{ ref('fact_daily_balances') }} b
join {{ ref('dim_dates') }} d on d.date_id = b.date_id
join {{ ref('dim_accounts') }} a on a.account_id = b.account_id
join {{ ref('dim_currencies') }} u on u.currency_id = b.currency_id
