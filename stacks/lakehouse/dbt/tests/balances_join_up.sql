-- What an account closed with is what it opens with next.
select account_id, day
from {{ ref('balances') }}
where previous_closing_balance is not null
    and previous_closing_balance <> opening_balance
