-- A customer is known from the creation of the first loan. The files say nothing of when the
-- demographics themselves were recorded or changed.
WITH first_loan AS (
    SELECT customerid, min(creationdate) AS known_at
    FROM (
        SELECT customerid, creationdate FROM trainprevloans
        UNION ALL SELECT customerid, creationdate FROM testprevloans
        UNION ALL SELECT customerid, creationdate FROM trainperf
    )
    GROUP BY customerid
),
demographics AS (
    SELECT * FROM traindemographics
    UNION ALL SELECT * FROM testdemographics
)
SELECT
    customerid AS customer_id,
    'consumer' AS segment,
    NULL AS name,
    NULL AS national_id,
    CAST(birthdate AS DATE) AS birth_date,
    NULL AS established_date,
    -- The nearest whole degree of longitude stands for the region; wrong coordinates stay wrong.
    CAST(CAST(round(longitude_gps) AS BIGINT) AS VARCHAR) AS region,
    NULL AS industry_code,
    employment_status_clients AS occupation,
    NULL AS employed_since,
    NULL AS resident_since,
    NULL AS marital_status,
    NULL AS dependents,
    level_of_education_clients AS education,
    CAST(known_at AS DATE) AS onboarded_at,
    known_at,
    FALSE AS is_deleted
FROM demographics
LEFT JOIN first_loan USING (customerid)
