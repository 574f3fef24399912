-- Customers that changed in the run's data interval: each change is in exactly one run.
SELECT mobile, first_name, last_name, country, loyalty_tier
FROM customers
WHERE updated_at >= :start AND updated_at < :end
ORDER BY id
