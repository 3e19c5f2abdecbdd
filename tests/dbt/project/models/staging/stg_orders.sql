{{ config(event_time='ordered_on') }}
select
    order_id,
    customer_id,
    ordered_on::date as ordered_on,
    amount,
    nvl(nullif(note, ''), 'none') as note,
    amount * 100 as cents,
    cents::bigint as whole_cents -- an alias of the same select, as Redshift allows
from {{ source('shop', 'orders') }}
where ordered_on <= '{{ var("until") }}'
