-- The tables of SQLite's schema version 7, in PostgreSQL's words. tenant_id comes first in every key; no key is unique
-- without it; nothing here is computed by triggers. cc_tenants and cc_keys are the directory: small, and whole on every
-- node. Names and ids are compared byte by byte (COLLATE "C"): the same order on every system, and in the program.

CREATE TABLE cc_tenants (
    tenant_id  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    time_zone  TEXT NOT NULL,
    week_start TEXT NOT NULL CHECK (week_start IN ('monday', 'saturday', 'sunday')),
    created_at TIMESTAMPTZ NOT NULL
);

INSERT INTO cc_tenants (tenant_id, time_zone, week_start, created_at)
VALUES ('default', 'UTC', 'monday', '1970-01-01T00:00:00Z');

-- hash: SHA-256 of the key's text. queues: a JSON array, of a supervisor's key only.
CREATE TABLE cc_keys (
    tenant_id    TEXT COLLATE "C" NOT NULL,
    key_id       UUID NOT NULL,
    hash         BYTEA NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('ingest', 'agent', 'viewer', 'supervisor', 'admin')),
    agent_id     TEXT COLLATE "C" CHECK ((agent_id IS NOT NULL) = (role = 'agent')),
    queues       TEXT CHECK ((queues IS NOT NULL) = (role = 'supervisor')),
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, key_id)
);

CREATE INDEX cc_keys_by_hash ON cc_keys (hash);

-- The documented table: seven columns under their documented names, ours behind them.
-- Live ratings only. flags: words with a space between.
CREATE TABLE cc_csat (
    id             UUID NOT NULL,
    call_id        TEXT COLLATE "C" NOT NULL,
    agent_id       TEXT COLLATE "C",
    queue_id       TEXT COLLATE "C",
    score          SMALLINT NOT NULL CHECK (score BETWEEN 1 AND 5),
    comment        TEXT,
    created_at     TIMESTAMPTZ NOT NULL,
    tenant_id      TEXT COLLATE "C" NOT NULL,
    key            TEXT,
    survey         TEXT,
    survey_version BIGINT,
    channel        TEXT,
    language       TEXT,
    session_id     TEXT,
    question       TEXT,
    revision       BIGINT NOT NULL,
    flags          TEXT NOT NULL,
    PRIMARY KEY (tenant_id, call_id)
);

CREATE INDEX cc_csat_by_agent ON cc_csat (tenant_id, agent_id, created_at) INCLUDE (score);
CREATE INDEX cc_csat_by_queue ON cc_csat (tenant_id, queue_id, created_at) INCLUDE (agent_id, score);
CREATE INDEX cc_csat_by_time ON cc_csat (tenant_id, created_at) INCLUDE (score);

-- What was given to each question, the main one too.
CREATE TABLE cc_csat_answers (
    tenant_id   TEXT COLLATE "C" NOT NULL,
    call_id     TEXT COLLATE "C" NOT NULL,
    question    TEXT COLLATE "C" NOT NULL,
    session_id  TEXT NOT NULL,
    key         TEXT,
    score       SMALLINT CHECK (score BETWEEN 1 AND 5),
    value       TEXT NOT NULL,
    main        SMALLINT NOT NULL CHECK (main IN (0, 1)),
    answered_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, call_id, question)
);

-- How far each call came.
CREATE TABLE cc_csat_offers (
    tenant_id      TEXT COLLATE "C" NOT NULL,
    call_id        TEXT COLLATE "C" NOT NULL,
    session_id     TEXT NOT NULL,
    agent_id       TEXT COLLATE "C",
    queue_id       TEXT COLLATE "C",
    survey         TEXT,
    survey_version BIGINT,
    channel        TEXT,
    language       TEXT,
    state          TEXT NOT NULL CHECK (state IN ('suppressed', 'offered', 'started', 'partial',
                       'completed', 'declined', 'abandoned', 'no_input', 'failed')),
    reason         TEXT,
    offered_at     TIMESTAMPTZ NOT NULL,
    started_at     TIMESTAMPTZ,
    answered_at    TIMESTAMPTZ,
    ended_at       TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, call_id)
);

-- Sessions that have not ended: few at any time, and found at once when a server starts after a crash.
CREATE INDEX cc_csat_offers_open ON cc_csat_offers (tenant_id, offered_at)
    WHERE ended_at IS NULL AND state <> 'suppressed';

-- Everything that happened to ratings, in order of arrival (log_id is a UUIDv7): no comment, no
-- caller. A 'conflict' changed nothing: new_score was refused, by the session that actor names.
CREATE TABLE cc_csat_log (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    log_id     UUID NOT NULL,
    call_id    TEXT COLLATE "C" NOT NULL,
    op         TEXT NOT NULL CHECK (op IN
                   ('created', 'filled', 'amended', 'replaced', 'deleted', 'conflict')),
    revision   BIGINT NOT NULL,
    arrived_at TIMESTAMPTZ NOT NULL,
    rated_at   TIMESTAMPTZ,
    agent_id   TEXT COLLATE "C",
    queue_id   TEXT COLLATE "C",
    survey     TEXT,
    old_score  SMALLINT,
    new_score  SMALLINT,
    actor      TEXT NOT NULL,
    reason     TEXT,
    channel    TEXT,
    language   TEXT,
    PRIMARY KEY (tenant_id, log_id)
);

CREATE INDEX cc_csat_log_deleted ON cc_csat_log (tenant_id, call_id) WHERE op = 'deleted';

-- What a report said at an earlier time is read from here: ratings by when they were given, and the few that were ever
-- changed by their call.
CREATE INDEX cc_csat_log_by_time ON cc_csat_log (tenant_id, rated_at);

CREATE INDEX cc_csat_log_changes ON cc_csat_log (tenant_id, call_id) WHERE op <> 'created' AND op <> 'conflict';

-- Append-only: this queue's local day, 'YYYY-MM-DD', has to be counted anew. queue_id '' is "no queue".
CREATE TABLE cc_csat_mark (
    tenant_id TEXT COLLATE "C" NOT NULL,
    queue_id  TEXT COLLATE "C" NOT NULL,
    local_day TEXT COLLATE "C" NOT NULL,
    mark_id   UUID NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_day, mark_id)
);

-- How each call's media went, where any came. Microseconds; packets; an opinion score in hundredths. Nobody's figures.
CREATE TABLE cc_csat_quality (
    tenant_id         TEXT COLLATE "C" NOT NULL,
    call_id           TEXT COLLATE "C" NOT NULL,
    session_id        TEXT NOT NULL,
    packets_expected  BIGINT NOT NULL,
    packets_received  BIGINT NOT NULL,
    packets_lost      BIGINT NOT NULL,
    packets_late      BIGINT NOT NULL,
    packets_duplicate BIGINT NOT NULL,
    jitter_mean_us    BIGINT NOT NULL,
    jitter_max_us     BIGINT NOT NULL,
    peer_packets_lost BIGINT,
    peer_jitter_us    BIGINT,
    round_trip_us     BIGINT,
    mos_hundredths    BIGINT NOT NULL CHECK (mos_hundredths BETWEEN 100 AND 450),
    PRIMARY KEY (tenant_id, call_id)
);

-- What results are read from. A row is counted anew from cc_csat and cc_csat_offers when a mark in cc_csat_mark names
-- its day; nothing else ever changes one, and nothing that is marked is believed. queue_id '' is "no queue".
CREATE TABLE cc_csat_queue_day (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    queue_id   TEXT COLLATE "C" NOT NULL,
    local_day  TEXT COLLATE "C" NOT NULL,
    n1         BIGINT NOT NULL,
    n2         BIGINT NOT NULL,
    n3         BIGINT NOT NULL,
    n4         BIGINT NOT NULL,
    n5         BIGINT NOT NULL,
    suppressed BIGINT NOT NULL,
    offered    BIGINT NOT NULL,
    started    BIGINT NOT NULL,
    answered   BIGINT NOT NULL,
    completed  BIGINT NOT NULL,
    declined   BIGINT NOT NULL,
    abandoned  BIGINT NOT NULL,
    no_input   BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_day)
);

-- The days of a month together, once the month is over. One that is stale, or has a marked day, is not believed, nor is
-- what cc_csat_agent_month has of it.
CREATE TABLE cc_csat_month (
    tenant_id   TEXT COLLATE "C" NOT NULL,
    queue_id    TEXT COLLATE "C" NOT NULL,
    local_month TEXT COLLATE "C" NOT NULL,
    stale       SMALLINT NOT NULL CHECK (stale IN (0, 1)),
    n1         BIGINT NOT NULL,
    n2         BIGINT NOT NULL,
    n3         BIGINT NOT NULL,
    n4         BIGINT NOT NULL,
    n5         BIGINT NOT NULL,
    suppressed BIGINT NOT NULL,
    offered    BIGINT NOT NULL,
    started    BIGINT NOT NULL,
    answered   BIGINT NOT NULL,
    completed  BIGINT NOT NULL,
    declined   BIGINT NOT NULL,
    abandoned  BIGINT NOT NULL,
    no_input   BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_month)
);

CREATE INDEX cc_csat_month_stale ON cc_csat_month (tenant_id, local_month) WHERE stale = 1;

CREATE TABLE cc_csat_agent_month (
    tenant_id   TEXT COLLATE "C" NOT NULL,
    queue_id    TEXT COLLATE "C" NOT NULL,
    local_month TEXT COLLATE "C" NOT NULL,
    agent_id    TEXT COLLATE "C" NOT NULL,
    n1         BIGINT NOT NULL,
    n2         BIGINT NOT NULL,
    n3         BIGINT NOT NULL,
    n4         BIGINT NOT NULL,
    n5         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_month, agent_id)
);

CREATE INDEX cc_csat_offers_by_queue ON cc_csat_offers (tenant_id, queue_id, offered_at);

-- What webhooks are to be told, one row an event and webhook, written in the same transaction as what happened. What it
-- says is made of cc_csat_log or cc_alerts when it is sent: nothing of what a caller said is here. event_id is the row's
-- id there, with '-low' behind it for its second event.
CREATE TABLE cc_outbox (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    webhook    TEXT COLLATE "C" NOT NULL,
    event_id   TEXT COLLATE "C" NOT NULL,
    event      TEXT NOT NULL,
    call_id    TEXT COLLATE "C",
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts   BIGINT NOT NULL,
    due_at     TIMESTAMPTZ NOT NULL,
    settled_at TIMESTAMPTZ,
    status     BIGINT,
    reason     TEXT,
    PRIMARY KEY (tenant_id, webhook, event_id)
);

CREATE INDEX cc_outbox_due ON cc_outbox (tenant_id, webhook, due_at) WHERE state = 'waiting';
CREATE INDEX cc_outbox_by_state ON cc_outbox (tenant_id, webhook, state, event_id);
CREATE INDEX cc_outbox_by_call ON cc_outbox (tenant_id, call_id) WHERE state <> 'delivered';

-- Days that were unusual, as they were found when the day was over. queue_id '' is the whole tenant. Figures are text,
-- as the program writes them.
CREATE TABLE cc_alerts (
    tenant_id    TEXT COLLATE "C" NOT NULL,
    queue_id     TEXT COLLATE "C" NOT NULL,
    local_day    TEXT COLLATE "C" NOT NULL,
    rule         TEXT COLLATE "C" NOT NULL CHECK (rule IN ('mean', 'csat', 'shift_up', 'shift_down')),
    alert_id     UUID NOT NULL,
    raised_at    TIMESTAMPTZ NOT NULL,
    rating_count BIGINT NOT NULL,
    value        TEXT NOT NULL,
    centre       TEXT NOT NULL,
    low          TEXT,
    high         TEXT,
    PRIMARY KEY (tenant_id, queue_id, local_day, rule)
);

CREATE INDEX cc_alerts_by_id ON cc_alerts (tenant_id, alert_id);

-- Days that have been looked at: whoever writes the row raises the day's alerts.
CREATE TABLE cc_alert_days (
    tenant_id TEXT COLLATE "C" NOT NULL,
    local_day TEXT COLLATE "C" NOT NULL,
    looked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, local_day)
);

-- Reports that were sent by schedule, or are on their way: whoever makes a row has claimed the sending. Nobody else
-- takes it over before not_before. error names no person.
CREATE TABLE cc_report_runs (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    report     TEXT COLLATE "C" NOT NULL,
    period     TEXT COLLATE "C" NOT NULL,
    way        TEXT COLLATE "C" NOT NULL CHECK (way IN ('mail', 'post')),
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('claimed', 'waiting', 'sent', 'failed')),
    attempts   BIGINT NOT NULL,
    not_before TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    error      TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, report, period, way)
);
