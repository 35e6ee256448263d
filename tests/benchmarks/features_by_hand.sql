-- Every column of the features, as a data engineer would write them by hand for DuckDB alone: the
-- yardstick for what the declarations are compiled to.
--
-- It reads the tables of a bank in all their versions, and two variables of the session:
--   as_of  DATE         the day
--   close  TIMESTAMPTZ  the moment at its end from which on nothing is known
-- The session's time zone must be UTC. The last statement gives one row a customer.
--
-- What is read once is computed on the way, what is read again is a temporary table. The sums are
-- of integers and decimals, for they must not depend on the order of the rows either. What a sum
-- leaves out stands in a FILTER clause, as one writes it; CASE in its place is a little faster.

-- Small tables as known: the last version of each row, unless it withdraws the row.

CREATE OR REPLACE TEMP TABLE by_hand_customers AS
SELECT
    customer_id, segment, region, industry_code, dependents, onboarded_at, employed_since,
    resident_since, coalesce(birth_date, established_date) AS born
FROM (
    FROM customers
    WHERE known_at < getvariable('close')
    QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY known_at DESC) = 1
)
WHERE NOT is_deleted;

CREATE OR REPLACE TEMP TABLE by_hand_loans AS
SELECT
    loan_id, customer_id, product, principal::DECIMAL(18, 4) AS principal, annual_rate_pct,
    term_months, originated_at, maturity_date,
    coalesce(collateral_value, 0)::DECIMAL(18, 4) AS collateral,
    credit_limit::DECIMAL(18, 4) AS credit_limit
FROM (
    FROM loans
    WHERE known_at < getvariable('close')
    QUALIFY row_number() OVER (PARTITION BY loan_id ORDER BY known_at DESC) = 1
)
WHERE NOT is_deleted AND originated_at <= getvariable('as_of');

-- Instalments: days are counted back from the day; settled is the day's number on which one was
-- paid. Two scans and a semi join take less than to drag all columns through a window.

CREATE OR REPLACE TEMP TABLE by_hand_instalments AS
SELECT
    loan_id,
    (getvariable('as_of') - due_date)::INTEGER AS due,
    is_paid,
    CASE
        WHEN is_paid THEN (paid_date - due_date)::INTEGER
        WHEN due_date <= getvariable('as_of') THEN (getvariable('as_of') - due_date)::INTEGER
    END AS late,
    due_amount::DECIMAL(18, 4) AS due_amount,
    (CASE WHEN is_paid THEN 0 ELSE greatest(due_amount - paid, 0) END)::DECIMAL(18, 4) AS unpaid
FROM (
    SELECT
        loan_id, due_date, due_amount, paid_date,
        CASE WHEN paid_date <= getvariable('as_of') THEN coalesce(paid_amount, 0) ELSE 0 END
            AS paid,
        paid >= due_amount - 0.005 AS is_paid
    FROM (FROM repayments WHERE known_at < getvariable('close') AND NOT is_deleted)
    SEMI JOIN (
        SELECT loan_id, instalment_no, max(known_at) AS known_at
        FROM repayments
        WHERE known_at < getvariable('close')
        GROUP BY loan_id, instalment_no
    ) USING (loan_id, instalment_no, known_at)
    WHERE due_amount > 0.005
);

-- A loan has many instalments and a customer few loans: what can be added up by loan first is.

CREATE OR REPLACE TEMP TABLE by_hand_loan_payments AS
SELECT
    loan_id,
    max(late) FILTER (NOT is_paid) AS days_past_due,
    min(due * 10000000::BIGINT + 5000000 - late) FILTER (due >= 0) AS latest,
    max(late) FILTER (due BETWEEN 0 AND 91) AS worst_3m,
    max(late) FILTER (due BETWEEN 0 AND 182) AS worst_6m,
    max(late) FILTER (due BETWEEN 0 AND 365) AS worst_12m,
    max(late) FILTER (due BETWEEN 0 AND 730) AS worst_24m,
    count(*) FILTER (late BETWEEN 1 AND 29 AND due BETWEEN 0 AND 365) AS late_1_to_29d,
    count(*) FILTER (late BETWEEN 30 AND 59 AND due BETWEEN 0 AND 365) AS late_30_to_59d,
    count(*) FILTER (late BETWEEN 60 AND 89 AND due BETWEEN 0 AND 365) AS late_60_to_89d,
    count(*) FILTER (late >= 90 AND due BETWEEN 0 AND 730) AS late_90d,
    count(*) FILTER (late > 0 AND due BETWEEN 0 AND 365) AS late_12m,
    count(*) FILTER (due BETWEEN 0 AND 91) AS due_3m,
    count(*) FILTER (due BETWEEN 0 AND 182) AS due_6m,
    count(*) FILTER (due BETWEEN 0 AND 365) AS due_12m,
    min(due - late) FILTER (late > 0) AS since_overdue,
    sum(late) FILTER (due BETWEEN 0 AND 91) AS sum_late_3m,
    sum(late) FILTER (due BETWEEN 0 AND 365) AS sum_late_12m,
    sum(late::BIGINT * late) FILTER (due BETWEEN 0 AND 365) AS sum_late_squared,
    sum(unpaid) FILTER (due >= 0) AS unpaid_so_far,
    sum(due_amount) FILTER (due >= 0) AS due_so_far,
    count(*) FILTER (is_paid) AS paid,
    count(*) FILTER (NOT is_paid) AS unpaid,
    count(*) FILTER (is_paid AND late <= -5 AND due BETWEEN 0 AND 182) AS early_6m,
    sum(unpaid) AS owed,
    sum(unpaid) FILTER (
        due < 0
        AND due >= getvariable('as_of') - CASE
            WHEN getvariable('as_of') = last_day(getvariable('as_of'))
                THEN last_day((getvariable('as_of') + to_months(1))::DATE)
            ELSE (getvariable('as_of') + to_months(1))::DATE
        END
    ) AS due_next_month
FROM by_hand_instalments
GROUP BY loan_id;

CREATE OR REPLACE TEMP TABLE by_hand_payments AS
SELECT
    customer_id,
    max(days_past_due) AS days_past_due,
    5000000 - min(latest) % 10000000 AS last_days_late,
    max(worst_3m) AS worst_days_late_3m,
    max(worst_6m) AS worst_days_late_6m,
    max(worst_12m) AS worst_days_late_12m,
    max(worst_24m) AS worst_days_late_24m,
    sum(late_1_to_29d) AS late_1_to_29d_12m,
    sum(late_30_to_59d) AS late_30_to_59d_12m,
    sum(late_60_to_89d) AS late_60_to_89d_12m,
    sum(late_90d) AS late_90d_24m,
    sum(late_12m) AS late_instalments_12m,
    sum(late_12m) / nullif(sum(due_12m), 0) AS late_share_12m,
    min(since_overdue) / (365.25::DOUBLE / 12) AS months_since_last_late,
    sum(sum_late_3m) / nullif(sum(due_3m), 0) AS mean_days_late_3m,
    sum(sum_late_12m) / nullif(sum(due_12m), 0) AS mean_days_late_12m,
    mean_days_late_3m - (sum(sum_late_12m) - coalesce(sum(sum_late_3m), 0))
        / nullif(sum(due_12m) - sum(due_3m), 0) AS days_late_trend,
    sqrt(
        (sum(due_12m) * sum(sum_late_squared) - sum(sum_late_12m) * sum(sum_late_12m))::DOUBLE
        / nullif(sum(due_12m) * (sum(due_12m) - 1), 0)
    ) AS days_late_spread_12m,
    (sum(due_so_far) - sum(unpaid_so_far))::DOUBLE / nullif(sum(due_so_far)::DOUBLE, 0)
        AS paid_ratio,
    sum(paid) AS paid_instalments,
    sum(unpaid) AS instalments_left,
    sum(early_6m) / nullif(sum(due_6m), 0) AS early_share_6m,
    sum(owed) AS exposure,
    sum(due_next_month) AS due_next_month
FROM by_hand_loan_payments
JOIN by_hand_loans USING (loan_id)
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_settled_early AS
SELECT customer_id, count(DISTINCT loans.loan_id) AS loans_settled_early
FROM by_hand_instalments AS instalments
JOIN by_hand_loans AS loans
    ON instalments.loan_id = loans.loan_id
    AND instalments.due = getvariable('as_of') - loans.maturity_date
JOIN by_hand_loan_payments AS payments
    ON loans.loan_id = payments.loan_id
    AND payments.unpaid = 0
WHERE is_paid AND late <= -30
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_relapses AS
SELECT customer_id, count(*) FILTER (cleared_before >= due) AS relapses_24m
FROM (
    SELECT
        customer_id, due,
        min(cleared) OVER (
            PARTITION BY customer_id ORDER BY due DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS cleared_before
    FROM (
        SELECT customer_id, due, min(CASE WHEN is_paid THEN due - late ELSE -1 END) AS cleared
        FROM by_hand_instalments
        JOIN by_hand_loans USING (loan_id)
        WHERE late > 0 AND due BETWEEN 0 AND 730
        GROUP BY customer_id, due
    )
)
GROUP BY customer_id;

-- Loans.

CREATE OR REPLACE TEMP TABLE by_hand_granted AS
SELECT
    customer_id,
    max(age) / 365.25::DOUBLE AS credit_age_years,
    max(principal) FILTER (place = 1) AS last_principal,
    (max(principal) FILTER (place = 1) * count(*))::DOUBLE / nullif(sum(principal)::DOUBLE, 0)
        AS last_to_mean_principal,
    max(annual_rate_pct) FILTER (place = 1) AS last_annual_rate_pct,
    max(term_months) FILTER (place = 1) AS last_term_months,
    count(*) AS loans_taken,
    min(age) AS days_since_last_loan,
    count(*) FILTER (age < 90) AS loans_taken_90d
FROM (
    SELECT
        *, getvariable('as_of') - originated_at AS age,
        row_number() OVER (PARTITION BY customer_id ORDER BY originated_at DESC, loan_id) AS place
    FROM by_hand_loans
)
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_open_loans AS
SELECT
    customer_id,
    count(DISTINCT product) AS products_held,
    sum(collateral) FILTER (owed > 0)::DOUBLE / nullif(sum(owed)::DOUBLE, 0) AS collateral_cover,
    sum(owed) FILTER (owed > 0 AND collateral > 0)::DOUBLE
        / nullif(sum(collateral) FILTER (owed > 0 AND collateral > 0)::DOUBLE, 0) AS loan_to_value,
    coalesce(sum(owed) FILTER (collateral = 0), 0)::DOUBLE / nullif(sum(owed)::DOUBLE, 0)
        AS unsecured_share,
    sum(owed) FILTER (credit_limit IS NOT NULL)::DOUBLE / nullif(sum(credit_limit)::DOUBLE, 0)
        AS utilisation
FROM (
    SELECT customer_id, product, collateral, credit_limit, coalesce(owed, 0) AS owed
    FROM by_hand_loans
    LEFT JOIN by_hand_loan_payments USING (loan_id)
    WHERE
        owed > 0
        OR (credit_limit IS NOT NULL AND maturity_date >= getvariable('as_of'))
)
GROUP BY customer_id;

-- What others report, and recorded defaults.

CREATE OR REPLACE TEMP TABLE by_hand_defaults AS
SELECT
    customer_id,
    count(*) AS recorded_defaults,
    min(getvariable('as_of') - default_date) / (365.25::DOUBLE / 12)
        AS months_since_recorded_default
FROM (
    FROM defaults
    WHERE known_at < getvariable('close')
    QUALIFY row_number() OVER (PARTITION BY customer_id, default_date ORDER BY known_at DESC) = 1
)
WHERE NOT is_deleted AND default_date <= getvariable('as_of')
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_bureau AS
WITH reports AS MATERIALIZED (
    FROM bureau
    WHERE known_at < getvariable('close') AND pulled_at <= getvariable('as_of')
    QUALIFY row_number() OVER (PARTITION BY customer_id, pulled_at ORDER BY known_at DESC) = 1
),
latest AS (
    SELECT customer_id, max(pulled_at) AS latest_at
    FROM reports
    WHERE NOT is_deleted
    GROUP BY customer_id
)
SELECT
    customer_id,
    max(external_score) FILTER (pulled_at = latest_at) AS external_score,
    max(external_score) FILTER (pulled_at = latest_at)
        - arg_max(external_score, pulled_at)
            FILTER (latest_at - pulled_at >= 365 AND external_score IS NOT NULL)
        AS external_score_change,
    max(inquiries_3m) FILTER (pulled_at = latest_at) AS inquiries_3m,
    max(open_loans_elsewhere) FILTER (pulled_at = latest_at) AS open_loans_elsewhere,
    max(debt_elsewhere) FILTER (pulled_at = latest_at) AS debt_elsewhere,
    max(overdue_elsewhere) FILTER (pulled_at = latest_at) AS overdue_elsewhere,
    min(getvariable('as_of') - pulled_at) / (365.25::DOUBLE / 12) AS bureau_report_age_months,
    max(overdue_elsewhere) FILTER (pulled_at = latest_at)
        / nullif(max(debt_elsewhere) FILTER (pulled_at = latest_at), 0) AS overdue_share_elsewhere
FROM reports
JOIN latest USING (customer_id)
WHERE NOT is_deleted
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_signals AS
SELECT
    customer_id,
    sum(value) FILTER (kind = 'utilities')::DOUBLE
        / nullif(count(*) FILTER (kind = 'utilities'), 0) AS utilities_signal_12m,
    sum(value) FILTER (kind = 'court')::DOUBLE
        / nullif(count(*) FILTER (kind = 'court'), 0) AS court_signal_12m,
    sum(value) FILTER (kind = 'public_reputation')::DOUBLE
        / nullif(count(*) FILTER (kind = 'public_reputation'), 0) AS reputation_signal_12m,
    sum(value) FILTER (kind = 'employment')::DOUBLE
        / nullif(count(*) FILTER (kind = 'employment'), 0) AS employment_signal_12m,
    sum(value) FILTER (kind = 'online_spending')::DOUBLE
        / nullif(count(*) FILTER (kind = 'online_spending'), 0) AS online_spending_signal_12m
FROM (
    SELECT customer_id, kind, value::DECIMAL(18, 6) AS value
    FROM (
        FROM external_signals
        WHERE
            known_at < getvariable('close')
            AND known_at >= getvariable('close') - INTERVAL 366 DAY
        QUALIFY row_number() OVER (PARTITION BY signal_id ORDER BY known_at DESC) = 1
    )
    WHERE
        NOT is_deleted
        AND value IS NOT NULL
        AND observed_at < getvariable('close')
        AND observed_at >= getvariable('close') - INTERVAL 366 DAY
)
GROUP BY customer_id;

-- Income and balances, by months back from the customer's latest month.

CREATE OR REPLACE TEMP TABLE by_hand_means AS
WITH last_versions AS (
    SELECT customer_id, period_end, max(known_at) AS last_known_at
    FROM financials
    WHERE known_at < getvariable('close') AND period_end <= getvariable('as_of')
    GROUP BY customer_id, period_end
    HAVING count(*) > 1
),
months AS MATERIALIZED (
    SELECT
        customer_id,
        year(period_end) * 12 + month(period_end) AS month_number,
        getvariable('as_of') - period_end AS days_old,
        income::DECIMAL(18, 4) AS income,
        expense::DECIMAL(18, 4) AS expense,
        assets, liabilities, liquid_assets
    FROM (
        FROM financials
        WHERE known_at < getvariable('close') AND period_end <= getvariable('as_of')
    )
    LEFT JOIN last_versions USING (customer_id, period_end)
    WHERE NOT is_deleted AND (last_known_at IS NULL OR known_at = last_known_at)
),
latest AS (SELECT customer_id, max(month_number) AS latest FROM months GROUP BY customer_id),
sums AS (
    SELECT
        customer_id,
        min(days_old) AS days_old,
        sum(income) FILTER (back < 3)::DOUBLE / nullif(count(income) FILTER (back < 3), 0) AS now,
        sum(income) FILTER (back BETWEEN 3 AND 5)::DOUBLE
            / nullif(count(income) FILTER (back BETWEEN 3 AND 5), 0) AS quarter_before,
        sum(income) FILTER (back BETWEEN 12 AND 14)::DOUBLE
            / nullif(count(income) FILTER (back BETWEEN 12 AND 14), 0) AS year_before,
        count(income) FILTER (back < 12) AS year_count,
        sum(income) FILTER (back < 12) AS year_sum,
        sum(income::DECIMAL(38, 4) * income) FILTER (back < 12) AS year_squares,
        sum(income) FILTER (back < 6 AND income IS NOT NULL AND expense IS NOT NULL)
            AS income_6m,
        sum(expense) FILTER (back < 6 AND income IS NOT NULL AND expense IS NOT NULL)
            AS expense_6m,
        max(liabilities) FILTER (back = 0) AS liabilities_now,
        max(liabilities) FILTER (back = 12) AS liabilities_then,
        max(assets) FILTER (back = 0) AS assets_now,
        max(assets) FILTER (back = 12) AS assets_then,
        max(liquid_assets) FILTER (back = 0) AS liquid_now,
        max(expense) FILTER (back = 0) AS expense_now
    FROM (
        SELECT months.*, latest - month_number AS back FROM months JOIN latest USING (customer_id)
    )
    GROUP BY customer_id
)
SELECT
    customer_id,
    days_old / (365.25::DOUBLE / 12) AS figures_age_months,
    now AS income,
    now / nullif(quarter_before, 0) AS income_trend_6m,
    sqrt(
        (year_count * year_squares - year_sum * year_sum)::DOUBLE
        / nullif(year_count * (year_count - 1), 0)
    ) / nullif(year_sum::DOUBLE / nullif(year_count, 0), 0) AS income_volatility_12m,
    expense_6m::DOUBLE / nullif(income_6m::DOUBLE, 0) AS expense_to_income_6m,
    liabilities_now / nullif(assets_now, 0) AS leverage,
    liquid_now / nullif(expense_now::DOUBLE, 0) AS liquidity_months,
    now / nullif(year_before, 0) AS income_growth_12m,
    assets_now / nullif(assets_then, 0) AS asset_growth_12m,
    liabilities_now / nullif(liabilities_then, 0) AS liability_growth_12m
FROM sums;

-- Bookings and contacts of the last 366 days: what was known before them happened before them.

CREATE OR REPLACE TEMP TABLE by_hand_bookings AS
WITH month_of_day AS (
    -- The latest full calendar month is 0.
    SELECT
        days_ago,
        (
            datediff('month', getvariable('as_of') - days_ago, getvariable('as_of'))
            - (getvariable('as_of') <> last_day(getvariable('as_of')))::INTEGER
        )::INTEGER AS month
    FROM (SELECT unnest(range(0, 366))::INTEGER AS days_ago)
),
last_versions AS (
    SELECT transaction_id, max(known_at) AS last_known_at
    FROM transactions
    WHERE
        known_at < getvariable('close')
        AND known_at >= getvariable('close') - INTERVAL 366 DAY
    GROUP BY transaction_id
    HAVING count(*) > 1
),
bookings AS (
    SELECT
        customer_id, channel, coalesce(category, 'other') AS category, days_ago,
        month,
        CASE WHEN amount > 0 AND coalesce(category, 'other') <> 'loan' THEN amount ELSE 0 END
            ::DECIMAL(18, 4) AS inflow,
        CASE WHEN amount > 0 THEN 0 ELSE -amount END::DECIMAL(18, 4) AS outflow,
        CASE WHEN amount > 0 AND category IN ('salary', 'revenue') THEN amount END
            ::DECIMAL(18, 4) AS income,
        balance
    FROM (
        SELECT
            customer_id, channel, category, amount::DECIMAL(18, 4) AS amount,
            balance_after::DECIMAL(18, 4) AS balance,
            ((epoch_us(getvariable('close')) - 1 - epoch_us(posted_at)) // 86400000000)::INTEGER
                AS days_ago
        FROM (
            FROM transactions
            WHERE
                known_at < getvariable('close')
                AND known_at >= getvariable('close') - INTERVAL 366 DAY
        )
        LEFT JOIN last_versions USING (transaction_id)
        WHERE
            NOT is_deleted
            AND (last_known_at IS NULL OR known_at = last_known_at)
            AND posted_at < getvariable('close')
            AND posted_at >= getvariable('close') - INTERVAL 366 DAY
    )
    JOIN month_of_day USING (days_ago)
),
sums AS (
    SELECT
        customer_id,
        count(*) AS bookings,
        count(*) FILTER (days_ago <= 91) AS bookings_3m,
        min(days_ago) AS last_ago,
        max(days_ago) AS first_ago,
        sum(inflow) AS inflow,
        coalesce(sum(inflow) FILTER (days_ago <= 91), 0) AS inflow_3m,
        sum(outflow) AS outflow,
        coalesce(sum(outflow) FILTER (days_ago <= 91), 0) AS outflow_3m,
        coalesce(sum(outflow) FILTER (days_ago <= 182), 0)::DOUBLE AS outflow_6m,
        coalesce(sum(inflow) FILTER (days_ago <= 182), 0) AS inflow_6m,
        coalesce(sum(inflow) FILTER (days_ago <= 273), 0) AS inflow_9m,
        min(balance) FILTER (days_ago <= 91) AS lowest_3m,
        sum(balance) FILTER (days_ago <= 91) AS balance_3m,
        count(balance) FILTER (days_ago <= 91) AS balances_3m,
        sum(balance) FILTER (days_ago > 91) AS balance_before,
        count(balance) FILTER (days_ago > 91) AS balances_before,
        count(*) FILTER (balance < 0 AND days_ago <= 91) AS overdrawn_3m,
        sum(outflow) FILTER (category = 'gambling' AND days_ago <= 182) AS gambling_6m,
        count(*) FILTER (category = 'gambling' AND outflow > 0 AND days_ago <= 182)
            AS gambling_bookings_6m,
        sum(outflow) FILTER (category = 'cash' AND days_ago <= 182) AS cash_6m,
        sum(outflow) FILTER (category = 'leisure' AND days_ago <= 182) AS leisure_6m,
        coalesce(sum(outflow) FILTER (category = 'leisure' AND days_ago <= 91), 0) AS leisure_3m,
        coalesce(sum(outflow) FILTER (category = 'leisure' AND days_ago > 91), 0)
            AS leisure_before,
        count(channel) FILTER (days_ago <= 182) AS channels_6m,
        count(*) FILTER (channel IN ('online', 'mobile') AND days_ago <= 182) AS digital_6m,
        count(channel) FILTER (days_ago <= 91) AS channels_3m,
        count(*) FILTER (channel IN ('online', 'mobile') AND days_ago <= 91) AS digital_3m,
        count(channel) FILTER (days_ago > 91) AS channels_before,
        count(*) FILTER (channel IN ('online', 'mobile') AND days_ago > 91) AS digital_before,
        bit_or(
            CASE channel
                WHEN 'branch' THEN 1 WHEN 'atm' THEN 2 WHEN 'card' THEN 4
                WHEN 'online' THEN 8 WHEN 'mobile' THEN 16 WHEN 'transfer' THEN 32
            END
        ) FILTER (days_ago <= 182) AS channel_bits,
        bit_or(1 << greatest(month, 0)) FILTER (income > 0 AND month BETWEEN 0 AND 5)
            AS income_month_bits,
        min(days_ago) FILTER (income > 0) AS days_since_income,
        count(income) AS incomes,
        sum(income) AS income_sum,
        sum(income::DECIMAL(38, 4) * income) AS income_squares
    FROM bookings
    GROUP BY customer_id
),
flows AS (
    SELECT
        *,
        inflow_3m::DOUBLE AS inflow_lately,
        (inflow - inflow_3m)::DOUBLE AS inflow_before,
        outflow_3m::DOUBLE AS outflow_lately,
        (outflow - outflow_3m)::DOUBLE AS outflow_before,
        (first_ago > 91)::INTEGER + (first_ago > 182)::INTEGER + (first_ago > 273)::INTEGER
            AS first_quarter,
        inflow::DOUBLE / (first_quarter + 1) AS quarter_mean
    FROM sums
)
SELECT
    customer_id,
    bit_count(coalesce(income_month_bits, 0)) AS income_months_6m,
    days_since_income,
    sqrt(
        (incomes * income_squares - income_sum * income_sum)::DOUBLE
        / nullif(incomes * (incomes - 1), 0)
    ) / (income_sum::DOUBLE / incomes) AS income_booking_volatility_12m,
    inflow_lately / 3 AS inflow_3m,
    outflow_lately / 3 AS outflow_3m,
    (inflow_lately - outflow_lately) / nullif(inflow_lately + outflow_lately, 0)
        AS net_flow_share_3m,
    CASE WHEN first_ago > 182
        THEN inflow_lately / 92 / nullif(inflow_before / (first_ago - 91), 0) END AS inflow_change,
    CASE WHEN first_ago > 182
        THEN outflow_lately / 92 / nullif(outflow_before / (first_ago - 91), 0) END
        AS outflow_change,
    sqrt((
        (inflow_3m::DOUBLE - quarter_mean) ** 2
        + CASE WHEN first_ago > 91
            THEN ((inflow_6m - inflow_3m)::DOUBLE - quarter_mean) ** 2 ELSE 0 END
        + CASE WHEN first_ago > 182
            THEN ((inflow_9m - inflow_6m)::DOUBLE - quarter_mean) ** 2 ELSE 0 END
        + CASE WHEN first_ago > 273
            THEN ((inflow - inflow_9m)::DOUBLE - quarter_mean) ** 2 ELSE 0 END
    ) / nullif(first_quarter, 0)) / nullif(quarter_mean, 0) AS inflow_volatility_12m,
    lowest_3m AS lowest_balance_3m,
    lowest_3m::DOUBLE / nullif(outflow_lately / 3, 0) AS lowest_balance_to_outflow,
    CASE
        WHEN balance_before > 0
            THEN 1 - balance_3m::DOUBLE / balances_3m
                / (balance_before::DOUBLE / balances_before)
    END AS balance_drain_3m,
    overdrawn_3m / nullif(balances_3m, 0) AS overdrawn_share_3m,
    coalesce(gambling_6m, 0)::DOUBLE / nullif(outflow_6m, 0) AS gambling_share_6m,
    gambling_bookings_6m,
    coalesce(cash_6m, 0)::DOUBLE / nullif(outflow_6m, 0) AS cash_share_6m,
    coalesce(leisure_6m, 0)::DOUBLE / nullif(outflow_6m, 0) AS leisure_share_6m,
    100 * (
        leisure_3m::DOUBLE / nullif(outflow_lately, 0)
        - leisure_before::DOUBLE / nullif(outflow_before, 0)
    ) AS leisure_change,
    digital_6m / nullif(channels_6m, 0) AS digital_share_6m,
    100 * (
        digital_3m / nullif(channels_3m, 0) - digital_before / nullif(channels_before, 0)
    ) AS digital_share_change,
    bit_count(coalesce(channel_bits, 0)) AS channels_used_6m,
    bookings_3m,
    CASE WHEN first_ago > 182
        THEN bookings_3m / 92 / nullif((bookings - bookings_3m) / (first_ago - 91), 0) END
        AS bookings_change,
    last_ago AS days_since_last_booking
FROM flows;

CREATE OR REPLACE TEMP TABLE by_hand_contacts AS
WITH contacts AS (
    SELECT
        customer_id, kind, satisfaction, occurred_at, kind = 'app_login' AS is_login,
        sentiment::DECIMAL(18, 6) AS tone,
        ((epoch_us(getvariable('close')) - 1 - epoch_us(occurred_at)) // 86400000000)::INTEGER
            AS days_ago,
        CASE channel
            WHEN 'branch' THEN 1 WHEN 'phone' THEN 2 WHEN 'online' THEN 4
            WHEN 'mobile' THEN 8 WHEN 'email' THEN 16 WHEN 'visit' THEN 32
        END AS channel_bit
    FROM (
        FROM interactions
        WHERE
            known_at < getvariable('close')
            AND known_at >= getvariable('close') - INTERVAL 366 DAY
        QUALIFY row_number() OVER (PARTITION BY interaction_id ORDER BY known_at DESC) = 1
    )
    WHERE
        NOT is_deleted
        AND occurred_at < getvariable('close')
        AND occurred_at >= getvariable('close') - INTERVAL 366 DAY
),
sums AS (
    SELECT
        customer_id,
        max(days_ago) AS first_ago,
        count(*) FILTER (NOT is_login) AS contacts,
        count(*) FILTER (NOT is_login AND days_ago <= 91) AS contacts_3m,
        count(*) FILTER (is_login) AS logins,
        count(*) FILTER (is_login AND days_ago <= 91) AS logins_3m,
        sum(tone) AS tone,
        count(tone) AS tones,
        sum(tone) FILTER (days_ago <= 91) AS tone_3m,
        count(tone) FILTER (days_ago <= 91) AS tones_3m,
        count(*) FILTER (kind = 'complaint' AND days_ago <= 91) AS complaints_3m,
        count(*) FILTER (kind = 'complaint') AS complaints_12m,
        count(*) FILTER (kind = 'hardship') AS hardship_calls_12m,
        count(*) FILTER (kind = 'advice') AS advice_12m,
        max(epoch_us(occurred_at) // 1000000 * 10 + satisfaction) % 10 AS last_satisfaction,
        sum(satisfaction) / nullif(count(satisfaction), 0) AS mean_satisfaction_12m,
        min(days_ago) FILTER (NOT is_login) AS days_since_last_contact,
        min(days_ago) FILTER (is_login) AS days_since_last_login,
        min(days_ago) FILTER (kind IN ('call', 'visit', 'advice')) AS days_since_reached,
        bit_or(channel_bit) FILTER (NOT is_login) AS channel_bits
    FROM contacts
    GROUP BY customer_id
)
SELECT
    customer_id,
    contacts AS contacts_12m,
    CASE WHEN first_ago > 182
        THEN contacts_3m / 92 / nullif((contacts - contacts_3m) / (first_ago - 91), 0) END
        AS contacts_trend,
    logins_3m,
    CASE WHEN first_ago > 182
        THEN logins_3m / 92 / nullif((logins - logins_3m) / (first_ago - 91), 0) END
        AS logins_trend,
    tone::DOUBLE / nullif(tones, 0) AS mean_sentiment_12m,
    tone_3m::DOUBLE / nullif(tones_3m, 0)
        - (tone - coalesce(tone_3m, 0))::DOUBLE / nullif(tones - tones_3m, 0) AS sentiment_trend,
    complaints_3m,
    complaints_12m,
    hardship_calls_12m,
    advice_12m,
    last_satisfaction,
    mean_satisfaction_12m,
    days_since_last_contact,
    days_since_last_login,
    days_since_reached,
    bit_count(coalesce(channel_bits, 0)) AS contact_channels_12m
FROM sums;

-- Who the customers are, and what changed in their lives: of that every version tells.

CREATE OR REPLACE TEMP TABLE by_hand_life_changes AS
SELECT
    customer_id,
    count(*) FILTER (what = 'job') AS job_changes_24m,
    count(*) FILTER (what = 'home') AS address_changes_24m
FROM (
    SELECT
        customer_id, what, days_since,
        lag(days_since) OVER (PARTITION BY customer_id, what ORDER BY days_since DESC)
            - days_since AS days_before
    FROM (
        SELECT DISTINCT customer_id, what, getvariable('as_of') - since AS days_since
        FROM (
            SELECT customer_id, unnest(['job', 'home']) AS what,
                unnest([employed_since, resident_since]) AS since
            FROM customers
            WHERE
                known_at < getvariable('close')
                AND NOT is_deleted
                AND (
                    getvariable('as_of') - employed_since BETWEEN 0 AND 761
                    OR getvariable('as_of') - resident_since BETWEEN 0 AND 761
                )
        )
        WHERE getvariable('as_of') - since BETWEEN 0 AND 761
    )
)
WHERE (days_before IS NULL OR days_before > 31) AND days_since <= 730
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_regions AS
SELECT
    region,
    count(*) FILTER (worst_days_late_12m > 30) / nullif(count(worst_days_late_12m), 0)
        AS region_late_share_12m
FROM by_hand_customers
JOIN by_hand_payments USING (customer_id)
WHERE region IS NOT NULL
GROUP BY region;

-- Prospects.

CREATE OR REPLACE TEMP TABLE by_hand_months AS
SELECT
    industry_code, year(month) * 12 + month(month) AS month_number,
    outlook_index, industry_default_rate_pct,
    gdp_growth_pct::DECIMAL(18, 6) AS gdp_growth_pct,
    unemployment_pct::DECIMAL(18, 6) AS unemployment_pct,
    policy_rate_pct::DECIMAL(18, 6) AS policy_rate_pct
FROM (
    FROM industry_outlook
    WHERE known_at < getvariable('close') AND month <= getvariable('as_of')
    QUALIFY row_number() OVER (PARTITION BY industry_code, month ORDER BY known_at DESC) = 1
)
WHERE NOT is_deleted;

CREATE OR REPLACE TEMP TABLE by_hand_outlook AS
WITH latest AS (
    SELECT
        industry_code,
        max(month_number) FILTER (outlook_index IS NOT NULL) AS outlook_month,
        max(month_number) FILTER (industry_default_rate_pct IS NOT NULL) AS rate_month
    FROM by_hand_months
    GROUP BY industry_code
)
SELECT
    industry_code,
    max(outlook_index) FILTER (month_number = outlook_month) AS industry_outlook_index,
    industry_outlook_index - max(outlook_index) FILTER (month_number = outlook_month - 6)
        AS industry_outlook_change_6m,
    industry_outlook_index - max(outlook_index) FILTER (month_number = outlook_month - 12)
        AS industry_outlook_change_12m,
    max(industry_default_rate_pct) FILTER (month_number = rate_month)
        AS industry_default_rate_pct,
    max(industry_default_rate_pct) FILTER (month_number = rate_month)
        - max(industry_default_rate_pct) FILTER (month_number = rate_month - 12)
        AS industry_default_rate_change_12m
FROM by_hand_months
JOIN latest USING (industry_code)
GROUP BY industry_code;

CREATE OR REPLACE TEMP TABLE by_hand_economy AS
WITH by_month AS MATERIALIZED (
    SELECT
        month_number,
        sum(gdp_growth_pct)::DOUBLE / nullif(count(gdp_growth_pct), 0) AS gdp,
        sum(unemployment_pct)::DOUBLE / nullif(count(unemployment_pct), 0) AS unemployment,
        sum(policy_rate_pct)::DOUBLE / nullif(count(policy_rate_pct), 0) AS policy
    FROM by_hand_months
    GROUP BY month_number
),
latest AS (
    SELECT
        max(month_number) FILTER (gdp IS NOT NULL) AS gdp_month,
        max(month_number) FILTER (unemployment IS NOT NULL) AS unemployment_month,
        max(month_number) FILTER (policy IS NOT NULL) AS policy_month
    FROM by_month
)
SELECT
    max(gdp) FILTER (month_number = gdp_month) AS gdp_growth_pct,
    gdp_growth_pct - max(gdp) FILTER (month_number = gdp_month - 6) AS gdp_growth_change_6m,
    max(unemployment) FILTER (month_number = unemployment_month) AS unemployment_pct,
    unemployment_pct - max(unemployment) FILTER (month_number = unemployment_month - 6)
        AS unemployment_change_6m,
    max(policy) FILTER (month_number = policy_month) AS policy_rate_pct,
    policy_rate_pct - max(policy) FILTER (month_number = policy_month - 6)
        AS policy_rate_change_6m
FROM by_month, latest;

CREATE OR REPLACE TEMP TABLE by_hand_assessments AS
WITH marks AS (
    SELECT
        customer_id, assessment_id, assessed_at, management_quality, market_reputation,
        industry_position,
        (
            coalesce(management_quality, 0) + coalesce(market_reputation, 0)
            + coalesce(industry_position, 0)
        ) / nullif(
            (management_quality IS NOT NULL)::INTEGER + (market_reputation IS NOT NULL)::INTEGER
            + (industry_position IS NOT NULL)::INTEGER, 0
        ) AS mean_mark,
        max(assessed_at) OVER (PARTITION BY customer_id) - assessed_at AS days_before
    FROM (
        FROM assessments
        WHERE known_at < getvariable('close') AND assessed_at <= getvariable('as_of')
        QUALIFY row_number() OVER (PARTITION BY assessment_id ORDER BY known_at DESC) = 1
    )
    WHERE NOT is_deleted
),
placed AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY customer_id, days_before = 0 ORDER BY assessed_at DESC, assessment_id DESC
        ) AS place
    FROM marks
    WHERE days_before = 0 OR days_before BETWEEN 273 AND 730
)
SELECT
    customer_id,
    max(management_quality) FILTER (days_before = 0) AS management_quality,
    max(market_reputation) FILTER (days_before = 0) AS market_reputation,
    max(industry_position) FILTER (days_before = 0) AS industry_position,
    max(mean_mark) FILTER (days_before = 0) AS assessment_mean,
    max(mean_mark) FILTER (days_before = 0) - max(mean_mark) FILTER (days_before > 0)
        AS assessment_change
FROM placed
WHERE place = 1
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_industries AS
SELECT
    industry_code,
    count(*) FILTER (worst_days_late_12m > 30) / nullif(count(worst_days_late_12m), 0)
        AS industry_late_share_12m
FROM by_hand_customers
JOIN by_hand_payments USING (customer_id)
GROUP BY industry_code;

CREATE OR REPLACE TEMP TABLE by_hand_medians AS
SELECT
    industry_code, segment, median(income) AS income, median(leverage) AS leverage,
    median(liquidity_months) AS liquidity_months
FROM by_hand_customers
JOIN by_hand_means USING (customer_id)
WHERE industry_code IS NOT NULL
GROUP BY industry_code, segment;

-- The network: a tie is seen from both its ends.

CREATE OR REPLACE TEMP TABLE by_hand_ties AS
WITH edges AS (
    SELECT customer_id, related_customer_id, relation
    FROM (
        FROM relationships
        WHERE known_at < getvariable('close')
        QUALIFY row_number() OVER (
            PARTITION BY customer_id, related_customer_id, relation ORDER BY known_at DESC
        ) = 1
    )
    WHERE
        NOT is_deleted
        AND coalesce(since <= getvariable('as_of'), true)
        AND coalesce(until >= getvariable('as_of'), true)
        AND customer_id <> related_customer_id
),
pairs AS (
    SELECT
        customer_id, other_id, bool_or(is_guarantor) AS is_guarantor,
        bool_or(is_guaranteed) AS is_guaranteed, bool_or(is_group) AS is_group
    FROM (
        SELECT
            customer_id, related_customer_id AS other_id, relation = 'guarantor' AS is_guarantor,
            false AS is_guaranteed, relation = 'group' AS is_group
        FROM edges
        UNION ALL
        SELECT
            related_customer_id, customer_id, false, relation = 'guarantor', relation = 'group'
        FROM edges
    )
    GROUP BY customer_id, other_id
)
SELECT
    pairs.*,
    standing.* EXCLUDE (customer_id),
    days_past_due >= 30 OR coalesce(months_since_recorded_default < 12, false) AS is_distressed
FROM pairs
SEMI JOIN by_hand_customers USING (customer_id)
JOIN (
    SELECT
        customer_id,
        coalesce(days_past_due, 0) AS days_past_due,
        worst_days_late_12m,
        coalesce(exposure, 0) AS exposure,
        external_score,
        overdue_elsewhere::DECIMAL(38, 4) AS overdue_elsewhere,
        months_since_recorded_default
    FROM by_hand_customers
    LEFT JOIN by_hand_payments USING (customer_id)
    LEFT JOIN by_hand_bureau USING (customer_id)
    LEFT JOIN by_hand_defaults USING (customer_id)
) AS standing ON pairs.other_id = standing.customer_id;

CREATE OR REPLACE TEMP TABLE by_hand_network AS
WITH neighbours AS (
    SELECT
        customer_id,
        count(*) AS related_customers,
        count(*) FILTER (is_guarantor) AS guarantors,
        count(*) FILTER (is_guaranteed) AS guaranteed_customers,
        count(*) FILTER (is_group) AS group_members,
        max(days_past_due) AS related_days_past_due,
        max(days_past_due) FILTER (is_guarantor) AS guarantor_days_past_due,
        max(days_past_due) FILTER (is_guaranteed) AS guaranteed_days_past_due,
        max(days_past_due) FILTER (is_group) AS group_days_past_due,
        count(*) FILTER (worst_days_late_12m > 30) / nullif(count(worst_days_late_12m), 0)
            AS related_late_share_12m,
        min(external_score) FILTER (is_guarantor) AS guarantor_external_score,
        min(external_score) FILTER (is_group) AS group_external_score,
        sum(external_score) / nullif(count(external_score), 0) AS related_external_score,
        sum(overdue_elsewhere) AS related_overdue_elsewhere,
        count(*) FILTER (is_distressed) / nullif(count(is_distressed), 0)
            AS distressed_share_1_step,
        sum(exposure) AS related_exposure,
        sum(exposure) FILTER (is_guaranteed) AS guaranteed_exposure,
        sum(exposure) FILTER (is_group) AS members_exposure,
        max(exposure) FILTER (is_group) AS largest_member
    FROM by_hand_ties
    GROUP BY customer_id
),
followed AS (SELECT customer_id FROM neighbours WHERE related_customers <= 50),
two_steps AS (
    SELECT customer_id, other_id, is_distressed FROM by_hand_ties
    UNION
    SELECT first.customer_id, second.other_id, second.is_distressed
    FROM by_hand_ties AS first
    JOIN followed ON first.other_id = followed.customer_id
    JOIN by_hand_ties AS second ON first.other_id = second.customer_id
    WHERE first.customer_id <> second.other_id
),
distress AS (
    SELECT
        customer_id,
        count(*) FILTER (is_distressed) / nullif(count(is_distressed), 0)
            AS distressed_share_2_steps
    FROM two_steps
    GROUP BY customer_id
)
SELECT * FROM neighbours JOIN distress USING (customer_id);

-- All of them side by side.

SELECT
    customer_id,
    segment,
    coalesce(days_past_due, 0)::DOUBLE AS days_past_due,
    last_days_late::DOUBLE AS last_days_late,
    worst_days_late_3m::DOUBLE AS worst_days_late_3m,
    worst_days_late_6m::DOUBLE AS worst_days_late_6m,
    worst_days_late_12m::DOUBLE AS worst_days_late_12m,
    worst_days_late_24m::DOUBLE AS worst_days_late_24m,
    coalesce(late_1_to_29d_12m, 0)::DOUBLE AS late_1_to_29d_12m,
    coalesce(late_30_to_59d_12m, 0)::DOUBLE AS late_30_to_59d_12m,
    coalesce(late_60_to_89d_12m, 0)::DOUBLE AS late_60_to_89d_12m,
    coalesce(late_90d_24m, 0)::DOUBLE AS late_90d_24m,
    coalesce(late_instalments_12m, 0)::DOUBLE AS late_instalments_12m,
    late_share_12m::DOUBLE AS late_share_12m,
    months_since_last_late::DOUBLE AS months_since_last_late,
    mean_days_late_3m::DOUBLE AS mean_days_late_3m,
    mean_days_late_12m::DOUBLE AS mean_days_late_12m,
    days_late_trend::DOUBLE AS days_late_trend,
    days_late_spread_12m::DOUBLE AS days_late_spread_12m,
    paid_ratio::DOUBLE AS paid_ratio,
    coalesce(paid_instalments, 0)::DOUBLE AS paid_instalments,
    coalesce(instalments_left, 0)::DOUBLE AS instalments_left,
    early_share_6m::DOUBLE AS early_share_6m,
    coalesce(loans_settled_early, 0)::DOUBLE AS loans_settled_early,
    coalesce(relapses_24m, 0)::DOUBLE AS relapses_24m,
    credit_age_years::DOUBLE AS credit_age_years,
    coalesce(recorded_defaults, 0)::DOUBLE AS recorded_defaults,
    months_since_recorded_default::DOUBLE AS months_since_recorded_default,
    external_score::DOUBLE AS external_score,
    external_score_change::DOUBLE AS external_score_change,
    inquiries_3m::DOUBLE AS inquiries_3m,
    open_loans_elsewhere::DOUBLE AS open_loans_elsewhere,
    debt_elsewhere::DOUBLE AS debt_elsewhere,
    overdue_elsewhere::DOUBLE AS overdue_elsewhere,
    overdue_share_elsewhere::DOUBLE AS overdue_share_elsewhere,
    bureau_report_age_months::DOUBLE AS bureau_report_age_months,
    utilities_signal_12m::DOUBLE AS utilities_signal_12m,
    court_signal_12m::DOUBLE AS court_signal_12m,
    coalesce(payments.exposure, 0)::DOUBLE AS exposure,
    coalesce(due_next_month, 0)::DOUBLE AS due_next_month,
    last_principal::DOUBLE AS last_principal,
    last_to_mean_principal::DOUBLE AS last_to_mean_principal,
    last_annual_rate_pct::DOUBLE AS last_annual_rate_pct,
    last_term_months::DOUBLE AS last_term_months,
    means.income::DOUBLE AS income,
    income_trend_6m::DOUBLE AS income_trend_6m,
    income_volatility_12m::DOUBLE AS income_volatility_12m,
    expense_to_income_6m::DOUBLE AS expense_to_income_6m,
    means.leverage::DOUBLE AS leverage,
    means.liquidity_months::DOUBLE AS liquidity_months,
    collateral_cover::DOUBLE AS collateral_cover,
    loan_to_value::DOUBLE AS loan_to_value,
    unsecured_share::DOUBLE AS unsecured_share,
    utilisation::DOUBLE AS utilisation,
    figures_age_months::DOUBLE AS figures_age_months,
    coalesce(due_next_month, 0)::DOUBLE / nullif(means.income, 0) AS debt_service_to_income,
    coalesce(payments.exposure, 0)::DOUBLE / nullif(means.income, 0) AS exposure_to_income,
    (coalesce(payments.exposure, 0)::DOUBLE + coalesce(debt_elsewhere, 0))
        / nullif(means.income, 0) AS total_debt_to_income,
    1 - expense_to_income_6m - coalesce(due_next_month, 0)::DOUBLE / nullif(means.income, 0)
        AS free_income,
    CASE WHEN born <= getvariable('as_of') THEN getvariable('as_of') - born END
        / 365.25::DOUBLE AS age_years,
    CASE WHEN employed_since <= getvariable('as_of') THEN getvariable('as_of') - employed_since END
        / 365.25::DOUBLE AS employed_years,
    CASE WHEN resident_since <= getvariable('as_of') THEN getvariable('as_of') - resident_since END
        / 365.25::DOUBLE AS resident_years,
    dependents::DOUBLE AS dependents,
    coalesce(job_changes_24m, 0)::DOUBLE AS job_changes_24m,
    coalesce(address_changes_24m, 0)::DOUBLE AS address_changes_24m,
    region_late_share_12m::DOUBLE AS region_late_share_12m,
    income_months_6m::DOUBLE AS income_months_6m,
    days_since_income::DOUBLE AS days_since_income,
    income_booking_volatility_12m::DOUBLE AS income_booking_volatility_12m,
    days_since_reached::DOUBLE AS days_since_reached,
    coalesce(contact_channels_12m, 0)::DOUBLE AS contact_channels_12m,
    industry_outlook_index::DOUBLE AS industry_outlook_index,
    industry_outlook_change_6m::DOUBLE AS industry_outlook_change_6m,
    industry_outlook_change_12m::DOUBLE AS industry_outlook_change_12m,
    industry_default_rate_pct::DOUBLE AS industry_default_rate_pct,
    industry_default_rate_change_12m::DOUBLE AS industry_default_rate_change_12m,
    industry_late_share_12m::DOUBLE AS industry_late_share_12m,
    gdp_growth_pct::DOUBLE AS gdp_growth_pct,
    gdp_growth_change_6m::DOUBLE AS gdp_growth_change_6m,
    unemployment_pct::DOUBLE AS unemployment_pct,
    unemployment_change_6m::DOUBLE AS unemployment_change_6m,
    policy_rate_pct::DOUBLE AS policy_rate_pct,
    policy_rate_change_6m::DOUBLE AS policy_rate_change_6m,
    income_growth_12m::DOUBLE AS income_growth_12m,
    asset_growth_12m::DOUBLE AS asset_growth_12m,
    liability_growth_12m::DOUBLE AS liability_growth_12m,
    management_quality::DOUBLE AS management_quality,
    market_reputation::DOUBLE AS market_reputation,
    industry_position::DOUBLE AS industry_position,
    assessment_mean::DOUBLE AS assessment_mean,
    assessment_change::DOUBLE AS assessment_change,
    means.income / nullif(medians.income, 0) AS income_to_peers,
    means.leverage / nullif(medians.leverage, 0) AS leverage_to_peers,
    means.liquidity_months / nullif(medians.liquidity_months, 0) AS liquidity_to_peers,
    reputation_signal_12m::DOUBLE AS reputation_signal_12m,
    employment_signal_12m::DOUBLE AS employment_signal_12m,
    online_spending_signal_12m::DOUBLE AS online_spending_signal_12m,
    CASE WHEN onboarded_at <= getvariable('as_of') THEN getvariable('as_of') - onboarded_at END
        / 365.25::DOUBLE AS tenure_years,
    coalesce(loans_taken, 0)::DOUBLE AS loans_taken,
    coalesce(products_held, 0)::DOUBLE AS products_held,
    coalesce(contacts_12m, 0)::DOUBLE AS contacts_12m,
    contacts_trend::DOUBLE AS contacts_trend,
    coalesce(logins_3m, 0)::DOUBLE AS logins_3m,
    logins_trend::DOUBLE AS logins_trend,
    mean_sentiment_12m::DOUBLE AS mean_sentiment_12m,
    sentiment_trend::DOUBLE AS sentiment_trend,
    coalesce(complaints_3m, 0)::DOUBLE AS complaints_3m,
    coalesce(complaints_12m, 0)::DOUBLE AS complaints_12m,
    coalesce(hardship_calls_12m, 0)::DOUBLE AS hardship_calls_12m,
    coalesce(advice_12m, 0)::DOUBLE AS advice_12m,
    last_satisfaction::DOUBLE AS last_satisfaction,
    mean_satisfaction_12m::DOUBLE AS mean_satisfaction_12m,
    days_since_last_contact::DOUBLE AS days_since_last_contact,
    days_since_last_login::DOUBLE AS days_since_last_login,
    days_since_last_loan::DOUBLE AS days_since_last_loan,
    coalesce(loans_taken_90d, 0)::DOUBLE AS loans_taken_90d,
    inflow_3m::DOUBLE AS inflow_3m,
    outflow_3m::DOUBLE AS outflow_3m,
    net_flow_share_3m::DOUBLE AS net_flow_share_3m,
    inflow_change::DOUBLE AS inflow_change,
    outflow_change::DOUBLE AS outflow_change,
    inflow_volatility_12m::DOUBLE AS inflow_volatility_12m,
    lowest_balance_3m::DOUBLE AS lowest_balance_3m,
    lowest_balance_to_outflow::DOUBLE AS lowest_balance_to_outflow,
    balance_drain_3m::DOUBLE AS balance_drain_3m,
    overdrawn_share_3m::DOUBLE AS overdrawn_share_3m,
    gambling_share_6m::DOUBLE AS gambling_share_6m,
    coalesce(gambling_bookings_6m, 0)::DOUBLE AS gambling_bookings_6m,
    cash_share_6m::DOUBLE AS cash_share_6m,
    leisure_share_6m::DOUBLE AS leisure_share_6m,
    leisure_change::DOUBLE AS leisure_change,
    digital_share_6m::DOUBLE AS digital_share_6m,
    digital_share_change::DOUBLE AS digital_share_change,
    coalesce(channels_used_6m, 0)::DOUBLE AS channels_used_6m,
    coalesce(bookings_3m, 0)::DOUBLE AS bookings_3m,
    bookings_change::DOUBLE AS bookings_change,
    days_since_last_booking::DOUBLE AS days_since_last_booking,
    coalesce(related_customers, 0)::DOUBLE AS related_customers,
    coalesce(guarantors, 0)::DOUBLE AS guarantors,
    coalesce(guaranteed_customers, 0)::DOUBLE AS guaranteed_customers,
    coalesce(group_members, 0)::DOUBLE AS group_members,
    coalesce(related_days_past_due, 0)::DOUBLE AS related_days_past_due,
    coalesce(guarantor_days_past_due, 0)::DOUBLE AS guarantor_days_past_due,
    coalesce(guaranteed_days_past_due, 0)::DOUBLE AS guaranteed_days_past_due,
    coalesce(group_days_past_due, 0)::DOUBLE AS group_days_past_due,
    related_late_share_12m::DOUBLE AS related_late_share_12m,
    guarantor_external_score::DOUBLE AS guarantor_external_score,
    group_external_score::DOUBLE AS group_external_score,
    related_external_score::DOUBLE AS related_external_score,
    related_overdue_elsewhere::DOUBLE AS related_overdue_elsewhere,
    distressed_share_1_step::DOUBLE AS distressed_share_1_step,
    distressed_share_2_steps::DOUBLE AS distressed_share_2_steps,
    coalesce(related_exposure, 0)::DOUBLE AS related_exposure,
    coalesce(guaranteed_exposure, 0)::DOUBLE AS guaranteed_exposure,
    (members_exposure + coalesce(payments.exposure, 0))::DOUBLE AS group_exposure,
    greatest(largest_member, coalesce(payments.exposure, 0))::DOUBLE
        / nullif((members_exposure + coalesce(payments.exposure, 0))::DOUBLE, 0)
        AS group_concentration
FROM by_hand_customers
LEFT JOIN by_hand_payments AS payments USING (customer_id)
LEFT JOIN by_hand_settled_early USING (customer_id)
LEFT JOIN by_hand_relapses USING (customer_id)
LEFT JOIN by_hand_granted USING (customer_id)
LEFT JOIN by_hand_open_loans USING (customer_id)
LEFT JOIN by_hand_defaults USING (customer_id)
LEFT JOIN by_hand_bureau USING (customer_id)
LEFT JOIN by_hand_signals USING (customer_id)
LEFT JOIN by_hand_means AS means USING (customer_id)
LEFT JOIN by_hand_bookings USING (customer_id)
LEFT JOIN by_hand_contacts USING (customer_id)
LEFT JOIN by_hand_life_changes USING (customer_id)
LEFT JOIN by_hand_assessments USING (customer_id)
LEFT JOIN by_hand_network USING (customer_id)
LEFT JOIN by_hand_regions USING (region)
LEFT JOIN by_hand_outlook USING (industry_code)
LEFT JOIN by_hand_industries USING (industry_code)
LEFT JOIN by_hand_medians AS medians USING (industry_code, segment)
CROSS JOIN by_hand_economy
ORDER BY customer_id;
