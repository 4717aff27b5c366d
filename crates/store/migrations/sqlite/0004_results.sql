-- What results are read from. A row is counted anew from cc_csat and cc_csat_offers when a mark in cc_csat_mark names
-- its day; nothing else ever changes one, and nothing that is marked is believed. queue_id '' is "no queue".
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

-- The days of a month together, once the month is over. One that is stale, or has a marked day, is not believed, nor is
-- what cc_csat_agent_month has of it.
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

CREATE INDEX cc_csat_month_stale ON cc_csat_month (tenant_id, local_month) WHERE stale = 1;

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

CREATE INDEX cc_csat_offers_by_queue ON cc_csat_offers (tenant_id, queue_id, offered_at);

PRAGMA user_version = 4;
