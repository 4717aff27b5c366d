-- What webhooks are to be told, one row an event and webhook, written in the same transaction as what happened. What it
-- says is made of cc_csat_log or cc_alerts when it is sent: nothing of what a caller said is here. event_id is the row's
-- id there, with '-low' behind it for its second event.
CREATE TABLE cc_outbox (
    tenant_id  TEXT    NOT NULL,
    webhook    TEXT    NOT NULL,
    event_id   TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    call_id    TEXT,
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts   INTEGER NOT NULL,
    due_at     TEXT    NOT NULL,
    settled_at TEXT,
    status     INTEGER,
    reason     TEXT,
    PRIMARY KEY (tenant_id, webhook, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX cc_outbox_due ON cc_outbox (tenant_id, webhook, due_at) WHERE state = 'waiting';
CREATE INDEX cc_outbox_by_state ON cc_outbox (tenant_id, webhook, state, event_id);
CREATE INDEX cc_outbox_by_call ON cc_outbox (tenant_id, call_id) WHERE state <> 'delivered';

-- Days that were unusual, as they were found when the day was over. queue_id '' is the whole tenant. Figures are text,
-- as the program writes them.
CREATE TABLE cc_alerts (
    tenant_id    TEXT    NOT NULL,
    queue_id     TEXT    NOT NULL,
    local_day    TEXT    NOT NULL,
    rule         TEXT    NOT NULL CHECK (rule IN ('mean', 'csat', 'shift_up', 'shift_down')),
    alert_id     TEXT    NOT NULL,
    raised_at    TEXT    NOT NULL,
    rating_count INTEGER NOT NULL,
    value        TEXT    NOT NULL,
    centre       TEXT    NOT NULL,
    low          TEXT,
    high         TEXT,
    PRIMARY KEY (tenant_id, queue_id, local_day, rule)
) STRICT, WITHOUT ROWID;

CREATE INDEX cc_alerts_by_id ON cc_alerts (tenant_id, alert_id);

-- Days that have been looked at: whoever writes the row raises the day's alerts.
CREATE TABLE cc_alert_days (
    tenant_id TEXT NOT NULL,
    local_day TEXT NOT NULL,
    looked_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, local_day)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 6;
