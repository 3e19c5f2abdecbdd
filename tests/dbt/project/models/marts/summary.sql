select
    {{ dbt.listagg('name', "', '", 'order by name') }} as names,
    {{ dbt.bool_or('total > 100') }} as anybody_rich,
    {{ dbt.any_value('place') }} as some_place,
    {{ dbt.length("'abc'") }} as three,
    {{ dbt.position("'b'", "'abc'") }} as two,
    {{ dbt.last_day("'2024-02-10'::date", 'month') }} as leap_day,
    {{ dbt.safe_cast("'12'", api.Column.translate_type('integer')) }} as twelve
from {{ ref('customers_with_totals') }}
