-- Sessions that have not ended: few at any time, and found at once when the server starts after a crash.
CREATE INDEX cc_csat_offers_open ON cc_csat_offers (tenant_id, offered_at)
    WHERE ended_at IS NULL AND state <> 'suppressed';

PRAGMA user_version = 2;
