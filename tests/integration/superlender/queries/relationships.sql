-- Who brought a customer to the lender, known from the first loan that names the referrer.
SELECT
    customerid AS customer_id,
    referredby AS related_customer_id,
    'referral' AS relation,
    CAST(min(creationdate) AS DATE) AS since,
    NULL AS until,
    min(creationdate) AS known_at,
    FALSE AS is_deleted
FROM (
    SELECT customerid, referredby, creationdate FROM trainprevloans
    UNION ALL SELECT customerid, referredby, creationdate FROM testprevloans
    UNION ALL SELECT customerid, referredby, creationdate FROM trainperf
)
WHERE referredby IS NOT NULL
GROUP BY customerid, referredby
