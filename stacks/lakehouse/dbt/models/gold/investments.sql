select
    d.year,
    d.quarter,
    t.investment_type_name,
    count(*) as investments,
    sum(i.investment_amount) as invested,
    sum(i.investment_return) as returned,
    100 * sum(i.investment_return) / nullif(sum(i.investment_amount), 0) as percent,
    median(i.investment_amount) as median_invested
from {{ ref('fact_investments') }} i
join {{ ref('dim_dates') }} d on d.date_id = i.date_id
join {{ ref('dim_investment_types') }} t on t.investment_type_id = i.investment_type_id
group by d.year, d.quarter, t.investment_type_name
