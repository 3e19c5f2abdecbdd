select
    n.loan_type,
    a.credit_band,
    count(*) as applications,
    sum(case when f.loan_status = 'Approved' then 1 else 0 end) as approved,
    100.0 * approved / applications as approved_percent, -- aliases of the same select, as Redshift allows
    sum(f.loan_amount) as amount,
    avg(n.interest_rate) as average_rate
from {{ ref('fact_loans') }} f
join {{ ref('dim_loans') }} n on n.loan_id = f.loan_id
join {{ ref('dim_accounts') }} a on a.account_id = f.account_id
group by n.loan_type, a.credit_band
