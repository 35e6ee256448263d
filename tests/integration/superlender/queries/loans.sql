WITH loans AS (
    SELECT customerid, systemloanid, approveddate, creationdate, loanamount, totaldue, termdays, firstduedate
    FROM trainprevloans
    UNION ALL
    SELECT customerid, systemloanid, approveddate, creationdate, loanamount, totaldue, termdays, firstduedate
    FROM testprevloans
    UNION ALL
    -- The loans of July 2017, without the lender's verdict on them, which came later.
    SELECT customerid, systemloanid, approveddate, creationdate, loanamount, totaldue, termdays, NULL
    FROM trainperf
)
SELECT
    CAST(systemloanid AS VARCHAR) AS loan_id,
    customerid AS customer_id,
    'short_term' AS product,
    loanamount AS principal,
    -- The fee of the term, as a rate a year.
    (totaldue / loanamount - 1) * 365 / termdays * 100 AS annual_rate_pct,
    termdays / 30 AS term_months,
    CAST(creationdate AS DATE) AS originated_at,
    CAST(creationdate AS DATE) + CAST(termdays AS INTEGER) AS maturity_date,
    NULL AS collateral_type,
    NULL AS collateral_value,
    NULL AS purpose,
    NULL AS credit_limit,
    creationdate AS known_at,
    FALSE AS is_deleted
FROM loans
