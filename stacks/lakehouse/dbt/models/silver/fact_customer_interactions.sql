{{ config(sort='date_id') }}

select
    interaction_id,
    date_id,
    customer_id,
    channel_id,
    location_id,
    interaction_type::varchar(12) as interaction_type,
    interaction_rating::smallint as interaction_rating,
    {{ loaded_at() }}
from {{ source('bronze', 'ext_fact_customer_interactions') }}
