select 1 as wrong
from (select sum(amount) as amount from {{ ref('stg_orders') }}) orders
where amount <> (select sum(total) from {{ ref('customers_with_totals') }})
