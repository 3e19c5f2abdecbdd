select
    transaction_type_id,
    initcap(transaction_type_name)::varchar(30) as transaction_type_name,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_transaction_types') }}
