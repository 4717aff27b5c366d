-- What a report said at an earlier time is read from the log: ratings as they were given, unless something later was
-- known of them by then. So the log says, too, how and in which language was asked. Of entries from before this is known
-- as far as the rating is still there; who changed it by PUT since then changed it for all of its entries.
ALTER TABLE cc_csat_log ADD COLUMN channel TEXT;

ALTER TABLE cc_csat_log ADD COLUMN language TEXT;

UPDATE cc_csat_log SET channel = r.channel, language = r.language FROM cc_csat AS r
WHERE r.tenant_id = cc_csat_log.tenant_id AND r.call_id = cc_csat_log.call_id AND cc_csat_log.op <> 'conflict';

CREATE INDEX cc_csat_log_by_time ON cc_csat_log (tenant_id, rated_at);

-- Few ratings are ever changed; those that were are found by their call.
CREATE INDEX cc_csat_log_changes ON cc_csat_log (tenant_id, call_id) WHERE op <> 'created' AND op <> 'conflict';

PRAGMA user_version = 5;
