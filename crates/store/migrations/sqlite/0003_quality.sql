-- How each call's media went, where any came. Microseconds; packets; an opinion score in hundredths. Nobody's figures.
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

PRAGMA user_version = 3;
