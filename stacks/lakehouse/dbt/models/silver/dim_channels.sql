select channel_id, channel_name::varchar(30) as channel_name, {{ loaded_at() }}
from {{ source('bronze', 'ext_channels') }}
