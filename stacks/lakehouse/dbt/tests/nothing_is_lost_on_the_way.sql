-- Every transaction of the files is in the gold layer.
select *
from (
    select
        (select count(*) from {{ source('bronze', 'ext_fact_transactions') }}) as landed,
        (select count(*) from {{ ref('transactions') }}) as arrived
) counts
where landed <> arrived
