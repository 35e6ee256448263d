-- A loan of 15 or 30 days has one instalment, one of 60 days two, one of 90 days three. The
-- schedule is known from the loan's creation. The files date the first payment and the last; a
-- middle instalment is left out, because nothing says when it was paid.
WITH loans AS (
    SELECT *, greatest(termdays // 30, 1) AS instalments
    FROM (SELECT * FROM trainprevloans UNION ALL SELECT * FROM testprevloans)
),
instalments AS (
    SELECT
        systemloanid,
        1 AS instalment_no,
        CAST(firstduedate AS DATE) AS due_date,
        totaldue / instalments AS due_amount,
        CASE WHEN instalments = 1 THEN closeddate ELSE firstrepaiddate END AS paid_at,
        creationdate
    FROM loans
    UNION ALL
    SELECT
        systemloanid,
        instalments AS instalment_no,
        CAST(firstduedate AS DATE) + CAST(30 * (instalments - 1) AS INTEGER) AS due_date,
        totaldue / instalments AS due_amount,
        closeddate AS paid_at,
        creationdate
    FROM loans
    WHERE instalments > 1
)
SELECT
    CAST(systemloanid AS VARCHAR) AS loan_id,
    instalment_no,
    due_date,
    due_amount,
    CAST(NULL AS DATE) AS paid_date,
    CAST(NULL AS DOUBLE) AS paid_amount,
    creationdate AS known_at,
    FALSE AS is_deleted
FROM instalments
UNION ALL
SELECT
    CAST(systemloanid AS VARCHAR),
    instalment_no,
    due_date,
    due_amount,
    CAST(paid_at AS DATE),
    due_amount,
    paid_at,
    FALSE
FROM instalments
