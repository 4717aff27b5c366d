-- Times are UTC text of 27 characters, 'YYYY-MM-DDTHH:MM:SS.ffffffZ': they sort as time.
-- tenant_id comes first in every key; no key is unique without it; nothing here is computed by
-- triggers. cc_tenants and cc_keys are the directory: small, and whole on every node.

CREATE TABLE cc_tenants (
    tenant_id  TEXT NOT NULL PRIMARY KEY,
    time_zone  TEXT NOT NULL,
    week_start TEXT NOT NULL CHECK (week_start IN ('monday', 'saturday', 'sunday')),
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO cc_tenants (tenant_id, time_zone, week_start, created_at)
VALUES ('default', 'UTC', 'monday', '1970-01-01T00:00:00.000000Z');

-- hash: SHA-256 of the key's text. queues: a JSON array, of a supervisor's key only.
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

CREATE INDEX cc_keys_by_hash ON cc_keys (hash);

-- The documented table: seven columns under their documented names, ours behind them.
-- Live ratings only. flags: words with a space between.
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

CREATE INDEX cc_csat_by_agent ON cc_csat (tenant_id, agent_id, created_at, score);
CREATE INDEX cc_csat_by_queue ON cc_csat (tenant_id, queue_id, created_at, agent_id, score);
CREATE INDEX cc_csat_by_time ON cc_csat (tenant_id, created_at, score);

-- What was given to each question, the main one too.
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

-- How far each call came.
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

-- Everything that happened to ratings, in order of arrival (log_id is a UUIDv7): no comment, no
-- caller. A 'conflict' changed nothing: new_score was refused, by the session that actor names.
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
    reason     TEXT,
    PRIMARY KEY (tenant_id, log_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX cc_csat_log_deleted ON cc_csat_log (tenant_id, call_id) WHERE op = 'deleted';

-- Append-only: this queue's local day has to be counted anew. queue_id '' is "no queue".
CREATE TABLE cc_csat_mark (
    tenant_id TEXT NOT NULL,
    queue_id  TEXT NOT NULL,
    local_day TEXT NOT NULL,
    mark_id   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, local_day, mark_id)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = 0x61667463; -- 'aftc'
PRAGMA user_version = 1;
