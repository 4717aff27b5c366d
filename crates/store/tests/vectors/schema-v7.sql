PRAGMA application_id = 1634104419;
PRAGMA user_version = 7;
CREATE TABLE cc_alert_days (
    tenant_id TEXT NOT NULL,
    local_day TEXT NOT NULL,
    looked_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, local_day)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_alert_days VALUES ('default', '2026-11-21', '2026-11-22T08:00:12.000000Z');
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
INSERT INTO cc_alerts VALUES ('default', 'q1', '2026-11-21', 'mean', '01a20245-16e0-72c0-855b-336b3e28c7c9', '2026-11-22T08:00:12.000000Z', 7, '1.25', '4.1', '3.2', '5');
CREATE TABLE cc_csat (
    id             TEXT    NOT NULL,
    call_id        TEXT    NOT NULL,
    agent_id       TEXT,
    queue_id       TEXT,
    score          INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
    comment        TEXT,
    created_at     TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    key            TEXT,
    survey         TEXT,
    survey_version INTEGER,
    channel        TEXT,
    language       TEXT,
    session_id     TEXT,
    question       TEXT,
    revision       INTEGER NOT NULL,
    flags          TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, call_id)
) STRICT;
INSERT INTO cc_csat VALUES ('01a20244-efd0-7254-af35-cd313392af47', 'c1', 'a1', 'q1', 4, NULL, '2026-11-22T08:00:02.000000Z', 'default', '2', 'csat-survey', 3, 'phone', 'zh', 's1', 'rating', 2, '');
INSERT INTO cc_csat VALUES ('01a20244-ff70-752e-90de-4b419b7d0dc3', 'c3', 'a2', 'q1', 5, 'gut''";', '2026-11-22T08:00:01.000000Z', 'default', '#', 's', NULL, 'web', 'de', NULL, NULL, 1, 'no_call');
INSERT INTO cc_csat VALUES ('01a20245-0f10-76af-970a-4126e7ac0b00', 'c5', NULL, 'q2', 2, NULL, '2026-11-21T08:00:00.000000Z', 'default', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 'no_call');
CREATE TABLE cc_csat_agent_month (
    tenant_id   TEXT    NOT NULL,
    queue_id    TEXT    NOT NULL,
    local_month TEXT    NOT NULL,
    agent_id    TEXT    NOT NULL,
    n1          INTEGER NOT NULL,
    n2          INTEGER NOT NULL,
    n3          INTEGER NOT NULL,
    n4          INTEGER NOT NULL,
    n5          INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_month, agent_id)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_agent_month VALUES ('default', 'q1', '2026-11', 'a1', 0, 0, 0, 1, 0);
INSERT INTO cc_csat_agent_month VALUES ('default', 'q1', '2026-11', 'a2', 0, 0, 0, 0, 1);
CREATE TABLE cc_csat_answers (
    tenant_id   TEXT    NOT NULL,
    call_id     TEXT    NOT NULL,
    question    TEXT    NOT NULL,
    session_id  TEXT    NOT NULL,
    key         TEXT,
    score       INTEGER CHECK (score BETWEEN 1 AND 5),
    value       TEXT    NOT NULL,
    main        INTEGER NOT NULL CHECK (main IN (0, 1)),
    answered_at TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, call_id, question)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_answers VALUES ('default', 'c1', 'rating', 's1', '2', 4, 'label 4', 1, '2026-11-22T08:00:03.000000Z');
CREATE TABLE cc_csat_log (
    tenant_id  TEXT    NOT NULL,
    log_id     TEXT    NOT NULL,
    call_id    TEXT    NOT NULL,
    op         TEXT    NOT NULL CHECK (op IN
                   ('created', 'filled', 'amended', 'replaced', 'deleted', 'conflict')),
    revision   INTEGER NOT NULL,
    arrived_at TEXT    NOT NULL,
    rated_at   TEXT,
    agent_id   TEXT,
    queue_id   TEXT,
    survey     TEXT,
    old_score  INTEGER,
    new_score  INTEGER,
    actor      TEXT    NOT NULL,
    reason     TEXT, channel TEXT, language TEXT,
    PRIMARY KEY (tenant_id, log_id)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0358-720d-bb18-1e7450c20c97', 'c1', 'created', 1, '2026-11-22T08:00:02.000000Z', '2026-11-22T08:00:02.000000Z', 'a1', 'q1', 'csat-survey', NULL, 1, 'session:s1', NULL, 'phone', 'zh');
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0358-720d-bb18-1e75b4953ac3', 'c1', 'amended', 2, '2026-11-22T08:00:03.000000Z', '2026-11-22T08:00:02.000000Z', 'a1', 'q1', 'csat-survey', 1, 4, 'session:s1', NULL, 'phone', 'zh');
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0358-720d-bb18-1e764b78f217', 'c3', 'created', 1, '2026-11-22T08:00:06.000000Z', '2026-11-22T08:00:01.000000Z', 'a2', 'q1', 's', NULL, 5, 'keyless', NULL, 'web', 'de');
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0358-720d-bb18-1e77c159832b', 'c4', 'created', 1, '2026-11-22T08:00:07.000000Z', '2026-11-22T08:00:07.000000Z', NULL, NULL, NULL, NULL, 1, 'keyless', NULL, NULL, NULL);
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0740-7731-ad58-7980c6c95eef', 'c4', 'deleted', 2, '2026-11-22T08:00:08.000000Z', '2026-11-22T08:00:07.000000Z', NULL, NULL, NULL, 1, NULL, 'keyless', NULL, NULL, NULL);
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0b28-7352-9168-6abb3bde58c2', 'c1', 'conflict', 2, '2026-11-22T08:00:09.000000Z', '2026-11-22T08:00:09.000000Z', 'a1', 'q1', 'csat-survey', 4, 1, 'session:s9', 'rated_in_other_session', 'phone', 'zh');
INSERT INTO cc_csat_log VALUES ('default', '01a20245-0f10-76af-970a-4127361602e4', 'c5', 'created', 1, '2026-11-22T08:00:10.000000Z', '2026-11-21T08:00:00.000000Z', NULL, 'q2', NULL, NULL, 2, 'keyless', NULL, NULL, NULL);
CREATE TABLE cc_csat_mark (
    tenant_id TEXT NOT NULL,
    queue_id  TEXT NOT NULL,
    local_day TEXT NOT NULL,
    mark_id   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_day, mark_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE cc_csat_month (
    tenant_id   TEXT    NOT NULL,
    queue_id    TEXT    NOT NULL,
    local_month TEXT    NOT NULL,
    stale       INTEGER NOT NULL CHECK (stale IN (0, 1)),
    n1          INTEGER NOT NULL,
    n2          INTEGER NOT NULL,
    n3          INTEGER NOT NULL,
    n4          INTEGER NOT NULL,
    n5          INTEGER NOT NULL,
    suppressed  INTEGER NOT NULL,
    offered     INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    answered    INTEGER NOT NULL,
    completed   INTEGER NOT NULL,
    declined    INTEGER NOT NULL,
    abandoned   INTEGER NOT NULL,
    no_input    INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_month)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_month VALUES ('default', 'q1', '2026-11', 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0);
INSERT INTO cc_csat_month VALUES ('default', 'q2', '2026-11', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE cc_csat_offers (
    tenant_id      TEXT NOT NULL,
    call_id        TEXT NOT NULL,
    session_id     TEXT NOT NULL,
    agent_id       TEXT,
    queue_id       TEXT,
    survey         TEXT,
    survey_version INTEGER,
    channel        TEXT,
    language       TEXT,
    state          TEXT NOT NULL CHECK (state IN ('suppressed', 'offered', 'started', 'partial',
                       'completed', 'declined', 'abandoned', 'no_input', 'failed')),
    reason         TEXT,
    offered_at     TEXT NOT NULL,
    started_at     TEXT,
    answered_at    TEXT,
    ended_at       TEXT,
    PRIMARY KEY (tenant_id, call_id)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_offers VALUES ('default', 'c1', 's1', 'a1', 'q1', 'csat-survey', 3, 'phone', 'zh', 'completed', NULL, '2026-11-22T08:00:00.000000Z', '2026-11-22T08:00:01.000000Z', '2026-11-22T08:00:02.000000Z', '2026-11-22T08:00:04.000000Z');
INSERT INTO cc_csat_offers VALUES ('default', 'c2', 's2', 'a1', 'q1', 'csat-survey', 3, 'phone', 'zh', 'suppressed', 'busy', '2026-11-22T08:00:05.000000Z', NULL, NULL, NULL);
CREATE TABLE cc_csat_quality (
    tenant_id         TEXT    NOT NULL,
    call_id           TEXT    NOT NULL,
    session_id        TEXT    NOT NULL,
    packets_expected  INTEGER NOT NULL,
    packets_received  INTEGER NOT NULL,
    packets_lost      INTEGER NOT NULL,
    packets_late      INTEGER NOT NULL,
    packets_duplicate INTEGER NOT NULL,
    jitter_mean_us    INTEGER NOT NULL,
    jitter_max_us     INTEGER NOT NULL,
    peer_packets_lost INTEGER,
    peer_jitter_us    INTEGER,
    round_trip_us     INTEGER,
    mos_hundredths    INTEGER NOT NULL CHECK (mos_hundredths BETWEEN 100 AND 450),
    PRIMARY KEY (tenant_id, call_id)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_quality VALUES ('default', 'c1', 's1', 500, 497, 3, 2, 1, 1500, 9000, 7, 4000, NULL, 435);
CREATE TABLE cc_csat_queue_day (
    tenant_id  TEXT    NOT NULL,
    queue_id   TEXT    NOT NULL,
    local_day  TEXT    NOT NULL,
    n1         INTEGER NOT NULL,
    n2         INTEGER NOT NULL,
    n3         INTEGER NOT NULL,
    n4         INTEGER NOT NULL,
    n5         INTEGER NOT NULL,
    suppressed INTEGER NOT NULL,
    offered    INTEGER NOT NULL,
    started    INTEGER NOT NULL,
    answered   INTEGER NOT NULL,
    completed  INTEGER NOT NULL,
    declined   INTEGER NOT NULL,
    abandoned  INTEGER NOT NULL,
    no_input   INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_day)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_csat_queue_day VALUES ('default', 'q1', '2026-11-22', 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0);
INSERT INTO cc_csat_queue_day VALUES ('default', 'q2', '2026-11-21', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE cc_keys (
    tenant_id    TEXT NOT NULL,
    key_id       TEXT NOT NULL,
    hash         BLOB NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('ingest', 'agent', 'viewer', 'supervisor', 'admin')),
    agent_id     TEXT CHECK ((agent_id IS NOT NULL) = (role = 'agent')),
    queues       TEXT CHECK ((queues IS NOT NULL) = (role = 'supervisor')),
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT,
    revoked_at   TEXT,
    PRIMARY KEY (tenant_id, key_id)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_keys VALUES ('acme', '01a20244-ebe8-7682-97ad-bc6047ed2746', X'0101010101010101010101010101010101010101010101010101010101010101', 'supervisor', NULL, '["q1"]', '2026-11-22T08:00:01.000000Z', '2026-11-22T09:00:00.000000Z', '2026-11-22T08:00:05.000000Z', NULL);
INSERT INTO cc_keys VALUES ('acme', '01a20244-efd0-7254-af35-cd30944f1db0', X'0202020202020202020202020202020202020202020202020202020202020202', 'agent', 'a1', NULL, '2026-11-22T08:00:02.000000Z', '2026-11-22T09:00:00.000000Z', '2026-11-22T08:00:05.000000Z', '2026-11-22T08:00:06.000000Z');
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
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0358-720d-bb18-1e7450c20c97', 'rating.created', 'c1', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0358-720d-bb18-1e7450c20c97-low', 'rating.low', 'c1', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0358-720d-bb18-1e75b4953ac3', 'rating.amended', 'c1', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0358-720d-bb18-1e764b78f217', 'rating.created', 'c3', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0740-7731-ad58-7980c6c95eef', 'rating.deleted', 'c4', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0f10-76af-970a-4127361602e4', 'rating.created', 'c5', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
INSERT INTO cc_outbox VALUES ('default', 'crm', '01a20245-0f10-76af-970a-4127361602e4-low', 'rating.low', 'c5', 'waiting', 0, '2026-11-22T08:00:11.000000Z', NULL, NULL, NULL);
CREATE TABLE cc_report_runs (
    tenant_id  TEXT    NOT NULL,
    report     TEXT    NOT NULL,
    period     TEXT    NOT NULL,
    way        TEXT    NOT NULL CHECK (way IN ('mail', 'post')),
    state      TEXT    NOT NULL CHECK (state IN ('claimed', 'waiting', 'sent', 'failed')),
    attempts   INTEGER NOT NULL,
    not_before TEXT    NOT NULL,
    changed_at TEXT    NOT NULL,
    error      TEXT,
    PRIMARY KEY (tenant_id, report, period, way)
) STRICT, WITHOUT ROWID;
INSERT INTO cc_report_runs VALUES ('default', 'weekly', '2026-11-16', 'mail', 'waiting', 1, '2026-11-22T08:05:00.000000Z', '2026-11-22T08:00:14.000000Z', 'the mail server did not answer in time');
CREATE TABLE cc_tenants (
    tenant_id  TEXT NOT NULL PRIMARY KEY,
    time_zone  TEXT NOT NULL,
    week_start TEXT NOT NULL CHECK (week_start IN ('monday', 'saturday', 'sunday')),
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO cc_tenants VALUES ('acme', 'Europe/Berlin', 'sunday', '2026-11-22T08:00:00.000000Z');
INSERT INTO cc_tenants VALUES ('default', 'UTC', 'monday', '1970-01-01T00:00:00.000000Z');
CREATE INDEX cc_alerts_by_id ON cc_alerts (tenant_id, alert_id);
CREATE INDEX cc_csat_by_agent ON cc_csat (tenant_id, agent_id, created_at, score);
CREATE INDEX cc_csat_by_queue ON cc_csat (tenant_id, queue_id, created_at, agent_id, score);
CREATE INDEX cc_csat_by_time ON cc_csat (tenant_id, created_at, score);
CREATE INDEX cc_csat_log_by_time ON cc_csat_log (tenant_id, rated_at);
CREATE INDEX cc_csat_log_changes ON cc_csat_log (tenant_id, call_id) WHERE op <> 'created' AND op <> 'conflict';
CREATE INDEX cc_csat_log_deleted ON cc_csat_log (tenant_id, call_id) WHERE op = 'deleted';
CREATE INDEX cc_csat_month_stale ON cc_csat_month (tenant_id, local_month) WHERE stale = 1;
CREATE INDEX cc_csat_offers_by_queue ON cc_csat_offers (tenant_id, queue_id, offered_at);
CREATE INDEX cc_csat_offers_open ON cc_csat_offers (tenant_id, offered_at)
    WHERE ended_at IS NULL AND state <> 'suppressed';
CREATE INDEX cc_keys_by_hash ON cc_keys (hash);
CREATE INDEX cc_outbox_by_call ON cc_outbox (tenant_id, call_id) WHERE state <> 'delivered';
CREATE INDEX cc_outbox_by_state ON cc_outbox (tenant_id, webhook, state, event_id);
CREATE INDEX cc_outbox_due ON cc_outbox (tenant_id, webhook, due_at) WHERE state = 'waiting';
