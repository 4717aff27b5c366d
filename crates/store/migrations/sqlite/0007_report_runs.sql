-- Reports that were sent by schedule, or are on their way: whoever makes a row has claimed the sending. Nobody else
-- takes it over before not_before. error names no person.
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

PRAGMA user_version = 7;
