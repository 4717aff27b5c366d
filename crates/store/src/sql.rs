//! Every statement on the tables is in a file of this name, so that a test can read them all: here those that
//! both databases understand, beside each database's own.
//!
//! `$1` is the tenant, wherever there is one.

/// Names statements and lists them for the test.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;

/// The columns of a rating, and of the JSON that carries one.
macro_rules! rating_columns {
    () => {
        "id, call_id, agent_id, queue_id, score, comment, created_at, key, survey, survey_version, \
         channel, language, session_id, question, revision, flags"
    };
}
pub(crate) use rating_columns;

/// The five counts of a tally.
macro_rules! counts {
    () => {
        "COUNT(*) FILTER (WHERE score = 1) AS n1, COUNT(*) FILTER (WHERE score = 2) AS n2, \
         COUNT(*) FILTER (WHERE score = 3) AS n3, COUNT(*) FILTER (WHERE score = 4) AS n4, \
         COUNT(*) FILTER (WHERE score = 5) AS n5"
    };
}
pub(crate) use counts;

/// The columns of figures.
macro_rules! figures {
    () => {
        "n1, n2, n3, n4, n5, suppressed, offered, started, answered, completed, declined, abandoned, no_input, failed"
    };
}
pub(crate) use figures;

/// Figures that take the place of those that are there.
macro_rules! figures_excluded {
    () => {
        "n1 = excluded.n1, n2 = excluded.n2, n3 = excluded.n3, n4 = excluded.n4, n5 = excluded.n5,
         suppressed = excluded.suppressed, offered = excluded.offered, started = excluded.started,
         answered = excluded.answered, completed = excluded.completed, declined = excluded.declined,
         abandoned = excluded.abandoned, no_input = excluded.no_input, failed = excluded.failed"
    };
}
pub(crate) use figures_excluded;

/// The sums of figures, nought of nothing.
macro_rules! figures_summed {
    ($of:literal) => {
        concat!(
            "COALESCE(SUM(",
            $of,
            "n1), 0), COALESCE(SUM(",
            $of,
            "n2), 0), COALESCE(SUM(",
            $of,
            "n3), 0),
             COALESCE(SUM(",
            $of,
            "n4), 0), COALESCE(SUM(",
            $of,
            "n5), 0),
             COALESCE(SUM(",
            $of,
            "suppressed), 0), COALESCE(SUM(",
            $of,
            "offered), 0),
             COALESCE(SUM(",
            $of,
            "started), 0), COALESCE(SUM(",
            $of,
            "answered), 0),
             COALESCE(SUM(",
            $of,
            "completed), 0), COALESCE(SUM(",
            $of,
            "declined), 0),
             COALESCE(SUM(",
            $of,
            "abandoned), 0), COALESCE(SUM(",
            $of,
            "no_input), 0),
             COALESCE(SUM(",
            $of,
            "failed), 0)"
        )
    };
}
pub(crate) use figures_summed;

/// The counts of the scores of rows of `cc_csat`.
macro_rules! scores {
    ($of:literal, $between:literal) => {
        concat!(
            "COUNT(*) FILTER (WHERE ",
            $of,
            "score = 1)",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "score = 2)",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "score = 3)",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "score = 4)",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "score = 5)"
        )
    };
}
pub(crate) use scores;

/// The counts of a funnel, of rows of `cc_csat_offers`, in the order of the columns.
macro_rules! states {
    ($of:literal, $between:literal) => {
        concat!(
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state = 'suppressed')",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state <> 'suppressed')",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "started_at IS NOT NULL)",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "answered_at IS NOT NULL)",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state = 'completed')",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state = 'declined')",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state = 'abandoned')",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state = 'no_input')",
            $between,
            "COUNT(*) FILTER (WHERE ",
            $of,
            "state = 'failed')"
        )
    };
}
pub(crate) use states;

/// The queues of a table that begins with them, by seeking each behind the one before.
macro_rules! each_queue {
    ($name:literal, $table:literal) => {
        concat!(
            $name,
            "(queue_id) AS (SELECT MIN(queue_id) FROM ",
            $table,
            " WHERE tenant_id = $1
             UNION ALL SELECT (SELECT MIN(queue_id) FROM ",
            $table,
            " WHERE tenant_id = $1
             AND queue_id > ",
            $name,
            ".queue_id) FROM ",
            $name,
            " WHERE ",
            $name,
            ".queue_id IS NOT NULL)"
        )
    };
}

/// What is told of an entry of the log.
macro_rules! happening_columns {
    () => {
        "log_id, call_id, op, revision, arrived_at, rated_at, agent_id, queue_id, survey, old_score, new_score"
    };
}

/// Whether an entry is told at all, and still.
macro_rules! is_told {
    () => {
        "op <> 'conflict' AND actor <> 'import' AND (op = 'deleted' OR NOT EXISTS (
             SELECT 1 FROM cc_csat_log AS d WHERE tenant_id = $1 AND d.call_id = cc_csat_log.call_id
             AND d.op = 'deleted'))"
    };
}

statements! {
    RATING = concat!("SELECT ", rating_columns!(), " FROM cc_csat WHERE tenant_id = $1 AND call_id = $2");
    DELETED = "SELECT 1 FROM cc_csat_log WHERE tenant_id = $1 AND call_id = $2 AND op = 'deleted' LIMIT 1";
    OFFER = "SELECT * FROM cc_csat_offers WHERE tenant_id = $1 AND call_id = $2";
    QUALITY = "SELECT * FROM cc_csat_quality WHERE tenant_id = $1 AND call_id = $2";
    OPEN_OFFERS = "SELECT * FROM cc_csat_offers
        WHERE tenant_id = $1 AND ended_at IS NULL AND state <> 'suppressed'
        AND offered_at >= $2 AND (offered_at > $2 OR call_id > $3)
        ORDER BY offered_at, call_id LIMIT $4";
    ANSWERS = "SELECT * FROM cc_csat_answers WHERE tenant_id = $1 AND call_id = $2 ORDER BY question";
    /// Queues of which anything is kept or marked, `""` for none: each found behind the one before.
    QUEUES_OF_TENANT = concat!(
        "WITH RECURSIVE ",
        each_queue!("kept", "cc_csat_queue_day"), ", ", each_queue!("marked", "cc_csat_mark"),
        " SELECT queue_id FROM kept WHERE queue_id IS NOT NULL
          UNION SELECT queue_id FROM marked WHERE queue_id IS NOT NULL"
    );
    /// The queues of ratings and offers themselves, and none.
    QUEUES_OF_RATINGS = concat!(
        "WITH RECURSIVE ",
        each_queue!("rated", "cc_csat"), ", ", each_queue!("offered", "cc_csat_offers"),
        " SELECT '' AS queue_id UNION SELECT queue_id FROM rated WHERE queue_id IS NOT NULL
          UNION SELECT queue_id FROM offered WHERE queue_id IS NOT NULL"
    );
    SPAN = "SELECT MIN(moment) AS first, MAX(moment) AS last FROM (
        SELECT created_at AS moment FROM cc_csat WHERE tenant_id = $1
        UNION ALL SELECT offered_at FROM cc_csat_offers WHERE tenant_id = $1) AS moments";
    /// Some of what is marked, and some months that are over and stale.
    DAYS_TO_COUNT = "SELECT queue_id, local_day AS day FROM cc_csat_mark WHERE tenant_id = $1
        GROUP BY queue_id, local_day ORDER BY queue_id, local_day LIMIT $2";
    MONTHS_TO_COUNT = "SELECT queue_id, local_month AS day FROM cc_csat_month
        WHERE tenant_id = $1 AND stale = 1 AND local_month < $2 ORDER BY local_month, queue_id LIMIT $3";
    /// `$5` is now, `$6` until when nobody else takes it over.
    CLAIM_RUN = "INSERT INTO cc_report_runs
        (tenant_id, report, period, way, state, attempts, changed_at, not_before)
        VALUES ($1, $2, $3, $4, 'claimed', 1, $5, $6)
        ON CONFLICT (tenant_id, report, period, way) DO UPDATE SET state = 'claimed',
            attempts = cc_report_runs.attempts + 1, changed_at = excluded.changed_at,
            not_before = excluded.not_before
        WHERE cc_report_runs.state IN ('claimed', 'waiting')
        AND cc_report_runs.not_before <= excluded.changed_at
        RETURNING attempts";
    /// Only what the same attempt has claimed.
    SETTLE_RUN = "UPDATE cc_report_runs SET state = $6, changed_at = $7, not_before = $8, error = $9
        WHERE tenant_id = $1 AND report = $2 AND period = $3 AND way = $4 AND attempts = $5 AND state = 'claimed'";
    RUNS = "SELECT * FROM cc_report_runs WHERE tenant_id = $1 AND report = $2
        ORDER BY period DESC, way LIMIT $3";
    TENANT = "SELECT * FROM cc_tenants WHERE tenant_id = $1";
    TENANTS = "SELECT * FROM cc_tenants ORDER BY tenant_id";
    INSERT_TENANT = "INSERT INTO cc_tenants (tenant_id, time_zone, week_start, created_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id) DO NOTHING";
    UPDATE_TENANT = "UPDATE cc_tenants SET time_zone = $2, week_start = $3 WHERE tenant_id = $1";
    INSERT_KEY = "INSERT INTO cc_keys
        (tenant_id, key_id, hash, role, agent_id, queues, created_at, expires_at)
        SELECT tenant_id, $2, $3, $4, $5, $6, $7, $8 FROM cc_tenants WHERE tenant_id = $1";
    KEYS = "SELECT * FROM cc_keys WHERE tenant_id = $1 ORDER BY created_at, key_id";
    KEY_BY_HASH = "SELECT * FROM cc_keys WHERE hash = $1 LIMIT 1";
    ANY_KEY = "SELECT 1 FROM cc_keys LIMIT 1";
    KEY = "SELECT * FROM cc_keys WHERE tenant_id = $1 AND key_id = $2";
    REVOKE_KEY = "UPDATE cc_keys SET revoked_at = $3
        WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL";

    /// What is told of entries from `$2` until just before `$3`: not of what changed nothing, of history that was
    /// brought along, or, but for the erasure itself, of a call that was erased.
    HAPPENINGS = concat!(
        "SELECT ", happening_columns!(), " FROM cc_csat_log WHERE tenant_id = $1 AND log_id >= $2 AND log_id < $3
         AND (op <> 'deleted' OR old_score IS NOT NULL) AND ", is_told!(), " ORDER BY log_id LIMIT $4"
    );
    HAPPENING = concat!(
        "SELECT ", happening_columns!(), " FROM cc_csat_log WHERE tenant_id = $1 AND log_id = $2 AND ", is_told!()
    );
    LAST_HAPPENING = "SELECT log_id AS id FROM cc_csat_log WHERE tenant_id = $1 ORDER BY log_id DESC LIMIT 1";
    ALERTS = "SELECT * FROM cc_alerts WHERE tenant_id = $1 AND alert_id >= $2 AND alert_id < $3
        ORDER BY alert_id LIMIT $4";
    ALERT = "SELECT * FROM cc_alerts WHERE tenant_id = $1 AND alert_id = $2";
    LAST_ALERT = "SELECT alert_id AS id FROM cc_alerts WHERE tenant_id = $1 ORDER BY alert_id DESC LIMIT 1";
    LAST_ALERT_DAY = "SELECT local_day AS day FROM cc_alert_days WHERE tenant_id = $1
        ORDER BY local_day DESC LIMIT 1";
    /// Whoever writes it raises the day's alerts.
    INSERT_ALERT_DAY = "INSERT INTO cc_alert_days (tenant_id, local_day, looked_at) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, local_day) DO NOTHING";
    INSERT_ALERT = "INSERT INTO cc_alerts (tenant_id, queue_id, local_day, rule, alert_id, raised_at, rating_count,
            value, centre, low, high) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (tenant_id, queue_id, local_day, rule) DO NOTHING";

    DUE = "SELECT event_id, event, attempts FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2
        AND state = 'waiting' AND due_at <= $3 ORDER BY due_at, event_id LIMIT $4";
    /// One's own until `$5`. Of two who claim the same event one changes a row.
    CLAIM = "UPDATE cc_outbox SET attempts = attempts + 1, due_at = $5 WHERE tenant_id = $1 AND webhook = $2
        AND event_id = $3 AND state = 'waiting' AND due_at <= $4";
    /// Only by whoever claimed it last.
    SETTLE_DELIVERY = "UPDATE cc_outbox SET state = $5, due_at = COALESCE($6, due_at), settled_at = $7, status = $8, reason = $9
        WHERE tenant_id = $1 AND webhook = $2 AND event_id = $3 AND attempts = $4 AND state = 'waiting'";
    RETRY = "UPDATE cc_outbox SET state = 'waiting', attempts = 0, due_at = $4, settled_at = NULL
        WHERE tenant_id = $1 AND webhook = $2 AND event_id = $3";
    DELIVERY = "SELECT * FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND event_id = $3";
    PAGE_OF_DELIVERIES = "SELECT * FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND event_id < $3
        ORDER BY event_id DESC LIMIT $4";
    PAGE_OF_DELIVERIES_IN = "SELECT * FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND event_id < $3
        AND state = $5 ORDER BY event_id DESC LIMIT $4";
    COUNT_OF_DELIVERIES = "SELECT COUNT(*) AS n FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND state = $3";
    LAST_DELIVERED = "SELECT settled_at FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND state = 'delivered'
        ORDER BY event_id DESC LIMIT 1";
    FORGET = "DELETE FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND event_id IN (
        SELECT event_id FROM cc_outbox WHERE tenant_id = $1 AND webhook = $2 AND state = $3 AND event_id < $4
        ORDER BY event_id LIMIT $5)";
}

/// The rules that let the data move to many machines later (see the table's migration): every
/// statement names its tenant, every key begins with it, and nothing hides in the database.
#[cfg(test)]
mod tests {
    use super::*;

    const SQLITE: &str = concat!(
        include_str!("../migrations/sqlite/0001_first.sql"),
        include_str!("../migrations/sqlite/0002_open_offers.sql"),
        include_str!("../migrations/sqlite/0003_quality.sql"),
        include_str!("../migrations/sqlite/0004_results.sql"),
        include_str!("../migrations/sqlite/0005_as_of.sql"),
        include_str!("../migrations/sqlite/0006_events.sql"),
        include_str!("../migrations/sqlite/0007_report_runs.sql")
    );
    const POSTGRES: &str = include_str!("../migrations/postgres/0001_first.sql");

    fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        [ALL, crate::sqlite::sql::ALL, crate::postgres::sql::ALL].into_iter().flatten().copied()
    }

    /// The directory: small tables, whole on every machine, that are read to find the tenant.
    const ACROSS_TENANTS: [&str; 5] = ["TENANTS", "KEY_BY_HASH", "ANY_KEY", "LOCK_KEYS", "KEYS_USED"];

    #[test]
    fn every_statement_names_its_tenant() {
        for (name, statement) in all().filter(|(name, _)| !ACROSS_TENANTS.contains(name)) {
            let words: Vec<&str> = statement.split_whitespace().collect();
            let statement = words.join(" ");
            // Each SELECT, UPDATE and DELETE on one of our tables has a WHERE that begins with it.
            for table in ["FROM cc_", "UPDATE cc_"] {
                for (start, _) in
                    statement.match_indices(table).filter(|(at, _)| !statement[..*at].ends_with("DO "))
                {
                    let behind = &statement[start..];
                    let clause = behind.find(" WHERE ").map(|at| &behind[at..]).unwrap_or_default();
                    assert!(clause.starts_with(" WHERE tenant_id = $1"), "{name}: {behind}");
                }
            }
            if let Some(columns) = statement.strip_prefix("INSERT INTO ") {
                let (table, columns) = columns.split_once(" (").unwrap();
                assert!(table.starts_with("cc_") && columns.starts_with("tenant_id, "), "{name}: {columns}");
                let values = columns.split_once(") ").unwrap().1;
                let first = ["SELECT $1, ", "SELECT DISTINCT $1, ", "VALUES ($1, ", "SELECT tenant_id, "];
                assert!(first.iter().any(|first| values.starts_with(first)), "{name}: {values}");
            }
            assert!(statement.contains("$1"), "{name}");
        }
        for (name, statement) in all().filter(|(name, _)| ACROSS_TENANTS.contains(name)) {
            assert!(!statement.contains("cc_csat"), "{name}");
        }
    }

    #[test]
    fn conflicts_are_settled_by_a_key_that_begins_with_the_tenant() {
        for (name, statement) in all() {
            for (start, _) in statement.match_indices("ON CONFLICT") {
                assert!(statement[start..].starts_with("ON CONFLICT (tenant_id"), "{name}");
            }
            assert!(!statement.contains("INSERT OR"), "{name}: only SQLite knows it");
        }
    }

    #[test]
    fn every_key_and_index_begins_with_the_tenant() {
        for migrations in [SQLITE, POSTGRES] {
            let all = migrations.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut keys = 0;
            for start in ["PRIMARY KEY (", "UNIQUE ("] {
                for (at, _) in all.match_indices(start) {
                    let columns = &all[at + start.len()..];
                    assert!(columns.starts_with("tenant_id,"), "{}", &columns[..40]);
                    keys += 1;
                }
            }
            for (at, _) in all.match_indices("CREATE INDEX ") {
                let index = &all[at..];
                let is_directory = index.starts_with("CREATE INDEX cc_keys_by_hash");
                assert!(
                    is_directory || index.split_once('(').unwrap().1.starts_with("tenant_id,"),
                    "{}",
                    &index[..60]
                );
                keys += 1;
            }
            assert_eq!(keys, 28);
            let with_tenant = all.replace(" COLLATE \"C\"", "").matches("tenant_id TEXT NOT NULL").count();
            assert_eq!(all.matches("CREATE TABLE cc_").count(), with_tenant);
        }
        let words = SQLITE.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words.matches("CREATE TABLE").count(), words.matches(") STRICT").count());
    }

    #[test]
    fn nothing_hides_in_the_database_and_it_is_not_asked_the_time() {
        let statements = all().map(|(_, statement)| statement).chain([SQLITE, POSTGRES]);
        for text in statements.map(|statement| statement.to_ascii_uppercase()) {
            for word in [
                "CREATE TRIGGER",
                "AUTOINCREMENT",
                "CREATE UNIQUE",
                "REFERENCES",
                "CREATE VIEW",
                "GENERATED",
                "DATETIME(",
                "STRFTIME(",
                "UNIXEPOCH(",
                "CURRENT_",
                "NOW(",
                "RANDOM",
                "ROWID ",
                "LAST_INSERT",
                "SERIAL",
                "NEXTVAL",
                "ADVISORY",
                "NOTIFY",
                "LISTEN",
                "SKIP LOCKED",
            ] {
                let text = text.replace("WITHOUT ROWID", "");
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }

    #[test]
    fn statements_live_here_and_nowhere_else() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !["sql.rs", "migrate.rs", "tests.rs"]
                    .contains(&path.file_name().unwrap().to_str().unwrap())
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for start in ["sqlx::query(", "raw_sql(", "query_scalar(", "query_as("] {
                        for (at, _) in text.match_indices(start) {
                            let argument = text[at + start.len()..].trim_start();
                            let is_named = argument.starts_with("sql::") || argument.starts_with("statement");
                            assert!(is_named, "{}: {start}{}", path.display(), &argument[..20]);
                        }
                    }
                }
            }
        }
    }
}
