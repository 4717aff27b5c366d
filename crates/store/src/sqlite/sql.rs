//! The statements that SQLite has its own words for; the others are in [`crate::sql`].
//!
//! Lists come as JSON arrays. `jsonb_each` (SQLite 3.51, which is built in) hands out a row's object as it has
//! parsed it; `json_each` would print it for every `->>` to parse again, at a quarter of a batch's time.

pub(super) use crate::sql::*;
use crate::sql::{
    counts, figures, figures_excluded, figures_summed, rating_columns, scores, statements, states,
};

/// Moves everything into the file, and cuts the log that runs ahead of it to nothing.
pub(super) const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A row as a JSON object of these columns.
macro_rules! row_json {
    ($first:ident $(, $column:ident)*) => {
        concat!(
            "json_object('", stringify!($first), "', ", stringify!($first),
            $(", '", stringify!($column), "', ", stringify!($column),)*
            ")"
        )
    };
}

/// Ratings on their way into the table.
macro_rules! put_ratings {
    () => {
        concat!(
            "INSERT INTO cc_csat (tenant_id, ",
            rating_columns!(),
            ") SELECT $1, j.value ->> 'id', j.value ->> 'call_id', j.value ->> 'agent_id',
                 j.value ->> 'queue_id', j.value ->> 'score', j.value ->> 'comment',
                 j.value ->> 'created_at', j.value ->> 'key', j.value ->> 'survey',
                 j.value ->> 'survey_version', j.value ->> 'channel', j.value ->> 'language',
                 j.value ->> 'session_id', j.value ->> 'question', j.value ->> 'revision',
                 j.value ->> 'flags'
             FROM jsonb_each($2) AS j WHERE TRUE ON CONFLICT (tenant_id, call_id)"
        )
    };
}

/// A page of ratings, newest first. `$8` is the first instant; `$9` with `$10` is where the page
/// begins, exclusive: a rating's time and id, or the window's end with an id before every other.
macro_rules! page {
    ($whose:literal) => {
        concat!(
            "SELECT ",
            rating_columns!(),
            " FROM cc_csat WHERE tenant_id = $1 AND ",
            $whose,
            " AND ($4 IS NULL OR score = $4) AND ($5 IS NULL OR survey = $5)
              AND ($6 IS NULL OR channel = $6) AND ($7 IS NULL OR language = $7)
              AND created_at >= $8 AND created_at <= $9 AND (created_at < $9 OR id < $10)
              ORDER BY created_at DESC, id DESC LIMIT $11"
        )
    };
}

/// One tally for each range of `$4`, an array of pairs. The counts are one text: a scalar
/// subquery reads each range straight from the index, where grouping would sort every row.
macro_rules! tallies {
    ($whose:literal) => {
        concat!(
            "SELECT (SELECT COUNT(*) FILTER (WHERE score = 1) || ' ' || COUNT(*) FILTER (WHERE score = 2)
              || ' ' || COUNT(*) FILTER (WHERE score = 3) || ' ' || COUNT(*) FILTER (WHERE score = 4)
              || ' ' || COUNT(*) FILTER (WHERE score = 5)
              FROM cc_csat WHERE tenant_id = $1 AND ",
            $whose,
            " AND created_at >= r.value ->> 0 AND created_at < r.value ->> 1) AS counts
              FROM jsonb_each($4) AS r ORDER BY r.key"
        )
    };
}

/// Ratings counted one by one in each window of `$8`, by the column that a parameter names.
macro_rules! table {
    ($whose:literal) => {
        table!("cc_csat", $whose, "$9")
    };
    ($ratings:expr, $whose:literal, $group:literal) => {
        concat!(
            "SELECT json_group_array(json_array(name, period, n1, n2, n3, n4, n5)) AS list FROM (
             SELECT p.key AS period, CASE ",
            $group,
            " WHEN 'queue' THEN c.queue_id WHEN 'agent' THEN c.agent_id
               WHEN 'survey' THEN c.survey WHEN 'channel' THEN c.channel END AS name, ",
            counts!(),
            " FROM jsonb_each($8) AS p CROSS JOIN ",
            $ratings,
            " AS c WHERE c.tenant_id = $1 AND ",
            $whose,
            " AND c.created_at >= p.value ->> 0 AND c.created_at < p.value ->> 1
              AND ($4 IS NULL OR c.score = $4) AND ($5 IS NULL OR c.survey = $5)
              AND ($6 IS NULL OR c.channel = $6) AND ($7 IS NULL OR c.language = $7)
              GROUP BY p.key, name)"
        )
    };
}

/// Ratings as they were known at `$9`, of the log: what was said of each that nothing later known by then replaced. Few
/// were ever changed, which the planner does not know.
macro_rules! ratings_then {
    () => {
        "(SELECT tenant_id, agent_id, queue_id, survey, channel, language, new_score AS score, rated_at AS created_at
          FROM cc_csat_log AS l WHERE tenant_id = $1 AND arrived_at <= $9 AND op NOT IN ('deleted', 'conflict')
          AND NOT EXISTS (SELECT 1 FROM cc_csat_log AS n INDEXED BY cc_csat_log_changes
            WHERE tenant_id = $1 AND n.call_id = l.call_id
            AND n.op <> 'created' AND n.op <> 'conflict' AND n.arrived_at <= $9
            AND (n.op = 'deleted' OR n.revision > l.revision)))"
    };
}

/// What is kept, summed by the groups of `$2`: queue, first and last bucket, group.
macro_rules! sum_of {
    ($table:literal, $bucket:literal) => {
        concat!(
            "SELECT json_group_array(json_array(place, json_array(n1, n2, n3, n4, n5),
               json_array(suppressed, offered, started, answered, completed, declined, abandoned, no_input, failed)))
             AS list FROM (SELECT p.value ->> 3 AS place, SUM(n1) AS n1, SUM(n2) AS n2, SUM(n3) AS n3,
               SUM(n4) AS n4, SUM(n5) AS n5, SUM(suppressed) AS suppressed, SUM(offered) AS offered,
               SUM(started) AS started, SUM(answered) AS answered, SUM(completed) AS completed,
               SUM(declined) AS declined, SUM(abandoned) AS abandoned, SUM(no_input) AS no_input,
               SUM(failed) AS failed
             FROM jsonb_each($2) AS p CROSS JOIN ", $table, " AS k
             WHERE k.tenant_id = $1 AND k.queue_id = p.value ->> 0
             AND k.", $bucket, " >= p.value ->> 1 AND k.", $bucket, " <= p.value ->> 2 GROUP BY 1)"
        )
    };
}

/// Events on their way into the outbox.
macro_rules! put_outbox {
    () => {
        "INSERT INTO cc_outbox (tenant_id, webhook, event_id, event, call_id, due_at, state, attempts)
         SELECT $1, j.value ->> 'webhook', j.value ->> 'event_id', j.value ->> 'event', j.value ->> 'call_id',
             j.value ->> 'due_at', 'waiting', 0 FROM jsonb_each($2) AS j WHERE TRUE
         ON CONFLICT (tenant_id, webhook, event_id)"
    };
}

statements! {
    PAGE_OF_AGENT = page!("agent_id = $2 AND ($3 IS NULL OR queue_id IN (SELECT value FROM jsonb_each($3)))");
    PAGE_OF_QUEUE = page!("queue_id = $3");
    PAGE_OF_ALL = page!("TRUE");

    TALLIES_OF_TENANT = tallies!("TRUE");
    TALLIES_OF_AGENT = tallies!("agent_id = $2");
    TALLIES_OF_QUEUE = tallies!("queue_id = $3");
    /// COALESCE keeps the plan away from the queues' index: an agent has fewer ratings than a queue.
    TALLIES_OF_AGENT_IN =
        tallies!("agent_id = $2 AND COALESCE(queue_id, '') IN (SELECT value FROM jsonb_each($3))");

    /// All that is known of the calls of `$2`, and the answers of those of `$3`, as one row of JSON arrays: a
    /// row by itself costs a hand-over between threads. No row: there is no such tenant.
    KNOWN = concat!(
        "SELECT time_zone,
         (SELECT json_group_array(",
        row_json!(id, call_id, agent_id, queue_id, score, comment, created_at, key, survey, survey_version,
            channel, language, session_id, question, revision, flags),
        ") FROM cc_csat
          WHERE tenant_id = $1 AND call_id IN (SELECT value FROM jsonb_each($2))) AS ratings,
         (SELECT json_group_array(call_id) FROM cc_csat_log
          WHERE tenant_id = $1 AND op = 'deleted'
          AND call_id IN (SELECT value FROM jsonb_each($2))) AS erased,
         (SELECT json_group_array(",
        row_json!(call_id, session_id, agent_id, queue_id, survey, survey_version, channel, language, state,
            reason, offered_at, started_at, answered_at, ended_at),
        ") FROM cc_csat_offers
          WHERE tenant_id = $1 AND call_id IN (SELECT value FROM jsonb_each($2))) AS offers,
         (SELECT json_group_array(",
        row_json!(call_id, question, session_id, key, score, value, main, answered_at),
        ") FROM cc_csat_answers
          WHERE tenant_id = $1 AND call_id IN (SELECT value FROM jsonb_each($3))) AS answers
         FROM cc_tenants WHERE tenant_id = $1"
    );

    INSERT_RATINGS = concat!(put_ratings!(), " DO NOTHING");
    /// An upsert, as an UPDATE that joins JSON is planned without the key. Only a later revision counts.
    UPDATE_RATINGS = concat!(
        put_ratings!(),
        " DO UPDATE SET agent_id = excluded.agent_id, queue_id = excluded.queue_id,
            score = excluded.score, comment = excluded.comment, created_at = excluded.created_at,
            key = excluded.key, survey = excluded.survey, survey_version = excluded.survey_version,
            channel = excluded.channel, language = excluded.language, revision = excluded.revision,
            flags = excluded.flags
          WHERE cc_csat.revision < excluded.revision"
    );
    DELETE_RATINGS = "DELETE FROM cc_csat
        WHERE tenant_id = $1 AND call_id IN (SELECT value FROM jsonb_each($2))";
    PUT_ANSWERS = "INSERT INTO cc_csat_answers
        (tenant_id, call_id, question, session_id, key, score, value, main, answered_at)
        SELECT $1, j.value ->> 'call_id', j.value ->> 'question', j.value ->> 'session_id',
            j.value ->> 'key', j.value ->> 'score', j.value ->> 'value', j.value ->> 'main',
            j.value ->> 'answered_at'
        FROM jsonb_each($2) AS j WHERE TRUE
        ON CONFLICT (tenant_id, call_id, question) DO UPDATE SET
            key = excluded.key, score = excluded.score, value = excluded.value,
            main = excluded.main, answered_at = excluded.answered_at";
    DELETE_ANSWERS = "DELETE FROM cc_csat_answers
        WHERE tenant_id = $1 AND call_id IN (SELECT value FROM jsonb_each($2))";
    PUT_OFFERS = "INSERT INTO cc_csat_offers
        (tenant_id, call_id, session_id, agent_id, queue_id, survey, survey_version, channel,
         language, state, reason, offered_at, started_at, answered_at, ended_at)
        SELECT $1, j.value ->> 'call_id', j.value ->> 'session_id', j.value ->> 'agent_id',
            j.value ->> 'queue_id', j.value ->> 'survey', j.value ->> 'survey_version',
            j.value ->> 'channel', j.value ->> 'language', j.value ->> 'state',
            j.value ->> 'reason', j.value ->> 'offered_at', j.value ->> 'started_at',
            j.value ->> 'answered_at', j.value ->> 'ended_at'
        FROM jsonb_each($2) AS j WHERE TRUE
        ON CONFLICT (tenant_id, call_id) DO UPDATE SET
            session_id = excluded.session_id, agent_id = excluded.agent_id,
            queue_id = excluded.queue_id, survey = excluded.survey,
            survey_version = excluded.survey_version, channel = excluded.channel,
            language = excluded.language, state = excluded.state, reason = excluded.reason,
            offered_at = excluded.offered_at, started_at = excluded.started_at,
            answered_at = excluded.answered_at, ended_at = excluded.ended_at";
    PUT_QUALITIES = "INSERT INTO cc_csat_quality
        (tenant_id, call_id, session_id, packets_expected, packets_received, packets_lost, packets_late, packets_duplicate,
         jitter_mean_us, jitter_max_us, peer_packets_lost, peer_jitter_us, round_trip_us,
         mos_hundredths)
        SELECT $1, j.value ->> 'call_id', j.value ->> 'session_id',
            j.value ->> 'packets_expected', j.value ->> 'packets_received',
            j.value ->> 'packets_lost', j.value ->> 'packets_late',
            j.value ->> 'packets_duplicate', j.value ->> 'jitter_mean_us',
            j.value ->> 'jitter_max_us', j.value ->> 'peer_packets_lost',
            j.value ->> 'peer_jitter_us', j.value ->> 'round_trip_us',
            j.value ->> 'mos_hundredths'
        FROM jsonb_each($2) AS j WHERE TRUE
        ON CONFLICT (tenant_id, call_id) DO UPDATE SET
            session_id = excluded.session_id,
            packets_expected = excluded.packets_expected,
            packets_received = excluded.packets_received, packets_lost = excluded.packets_lost,
            packets_late = excluded.packets_late,
            packets_duplicate = excluded.packets_duplicate,
            jitter_mean_us = excluded.jitter_mean_us, jitter_max_us = excluded.jitter_max_us,
            peer_packets_lost = excluded.peer_packets_lost,
            peer_jitter_us = excluded.peer_jitter_us, round_trip_us = excluded.round_trip_us,
            mos_hundredths = excluded.mos_hundredths";
    INSERT_LOG = "INSERT INTO cc_csat_log
        (tenant_id, log_id, call_id, op, revision, arrived_at, rated_at, agent_id, queue_id,
         survey, old_score, new_score, actor, reason, channel, language)
        SELECT $1, j.value ->> 'log_id', j.value ->> 'call_id', j.value ->> 'op',
            j.value ->> 'revision', j.value ->> 'arrived_at', j.value ->> 'rated_at',
            j.value ->> 'agent_id', j.value ->> 'queue_id', j.value ->> 'survey',
            j.value ->> 'old_score', j.value ->> 'new_score', j.value ->> 'actor',
            j.value ->> 'reason', j.value ->> 'channel', j.value ->> 'language'
        FROM jsonb_each($2) AS j";
    INSERT_MARKS = "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT $1, j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM jsonb_each($2) AS j";
    /// What of these queues (`$2`) must not be believed between two days, and which months are kept.
    MARKED = "SELECT json_group_array(json_array(queue_id, local_day)) AS list FROM (
        SELECT DISTINCT queue_id, local_day FROM cc_csat_mark WHERE tenant_id = $1
        AND queue_id IN (SELECT value FROM jsonb_each($2)) AND local_day >= $3 AND local_day <= $4)";
    MONTHS_KEPT = "SELECT json_group_array(json_array(queue_id, local_month)) AS list FROM cc_csat_month
        WHERE tenant_id = $1 AND queue_id IN (SELECT value FROM jsonb_each($2))
        AND local_month >= $3 AND local_month <= $4 AND stale = 0";
    SUM_OF_MONTHS = sum_of!("cc_csat_month", "local_month");
    SUM_OF_DAYS = sum_of!("cc_csat_queue_day", "local_day");
    /// Counts of ratings and offers in each range of `$2`: queue (null for none), first instant, first behind.
    RAW_FIGURES = concat!(
        "SELECT json_group_array(json_array(p.key, (SELECT json_array(", scores!("", ","), ") FROM cc_csat
           WHERE tenant_id = $1 AND queue_id IS p.value ->> 0
           AND created_at >= p.value ->> 1 AND created_at < p.value ->> 2),
          (SELECT json_array(", states!("", ","), ") FROM cc_csat_offers
           WHERE tenant_id = $1 AND queue_id IS p.value ->> 0
           AND offered_at >= p.value ->> 1 AND offered_at < p.value ->> 2))) AS list
         FROM jsonb_each($2) AS p"
    );
    AGENTS_OF_MONTHS = "SELECT json_group_array(json_array(queue_id, agent_id, n1, n2, n3, n4, n5)) AS list FROM (
        SELECT a.queue_id, a.agent_id, SUM(n1) AS n1, SUM(n2) AS n2, SUM(n3) AS n3, SUM(n4) AS n4, SUM(n5) AS n5
        FROM jsonb_each($2) AS p CROSS JOIN cc_csat_agent_month AS a
        WHERE a.tenant_id = $1 AND a.queue_id = p.value ->> 0
        AND a.local_month >= p.value ->> 1 AND a.local_month <= p.value ->> 2 GROUP BY 1, 2)";
    AGENTS_OF_RATINGS = concat!(
        "SELECT json_group_array(json_array(queue_id, agent_id, n1, n2, n3, n4, n5)) AS list FROM (
         SELECT COALESCE(c.queue_id, '') AS queue_id, c.agent_id, ", counts!(), "
         FROM jsonb_each($2) AS p CROSS JOIN cc_csat AS c WHERE c.tenant_id = $1 AND c.queue_id IS p.value ->> 0
         AND c.created_at >= p.value ->> 1 AND c.created_at < p.value ->> 2 AND c.agent_id IS NOT NULL
         GROUP BY c.queue_id, c.agent_id)"
    );

    TABLE_OF_AGENT =
        table!("c.agent_id = $2 AND ($3 IS NULL OR c.queue_id IN (SELECT value FROM jsonb_each($3)))");
    TABLE_OF_QUEUES = table!("c.queue_id IN (SELECT value FROM jsonb_each($3))");
    TABLE_OF_ALL = table!("TRUE");
    TABLE_THEN = table!(
        ratings_then!(),
        "($2 IS NULL OR c.agent_id = $2) AND ($3 IS NULL OR c.queue_id IN (SELECT value FROM jsonb_each($3)))",
        "$10"
    );
    /// Each agent's ratings in each queue, as they were known at `$9`, of the one window of `$8`.
    AGENTS_THEN = concat!(
        "SELECT json_group_array(json_array(queue_id, agent_id, n1, n2, n3, n4, n5)) AS list FROM (
         SELECT COALESCE(c.queue_id, '') AS queue_id, c.agent_id, ", counts!(), "
         FROM jsonb_each($8) AS p CROSS JOIN ", ratings_then!(), " AS c
         WHERE c.created_at >= p.value ->> 0 AND c.created_at < p.value ->> 1 AND c.agent_id IS NOT NULL
         AND ($2 IS NULL OR c.agent_id = $2) AND ($3 IS NULL OR c.queue_id IN (SELECT value FROM jsonb_each($3)))
         AND ($4 IS NULL OR c.score = $4) AND ($5 IS NULL OR c.survey = $5)
         AND ($6 IS NULL OR c.channel = $6) AND ($7 IS NULL OR c.language = $7)
         GROUP BY c.queue_id, c.agent_id)"
    );

    DELETE_MARKS = "DELETE FROM cc_csat_mark WHERE tenant_id = $1
        AND (queue_id, local_day) IN (SELECT value ->> 0, value ->> 1 FROM jsonb_each($2))";
    /// Days counted anew: `$2` holds queue, day, its first instant and the first behind.
    COUNT_DAYS = concat!(
        "INSERT INTO cc_csat_queue_day (tenant_id, queue_id, local_day, ", figures!(), ")
         SELECT $1, p.value ->> 0, p.value ->> 1,
           r.n ->> 0, r.n ->> 1, r.n ->> 2, r.n ->> 3, r.n ->> 4,
           r.o ->> 0, r.o ->> 1, r.o ->> 2, r.o ->> 3, r.o ->> 4, r.o ->> 5, r.o ->> 6, r.o ->> 7, r.o ->> 8
         FROM jsonb_each($2) AS p, (SELECT f.key AS place,
           (SELECT json_array(", scores!("", ","), ") FROM cc_csat
            WHERE tenant_id = $1 AND queue_id IS NULLIF(f.value ->> 0, '')
            AND created_at >= f.value ->> 2 AND created_at < f.value ->> 3) AS n,
           (SELECT json_array(", states!("", ","), ") FROM cc_csat_offers
            WHERE tenant_id = $1 AND queue_id IS NULLIF(f.value ->> 0, '')
            AND offered_at >= f.value ->> 2 AND offered_at < f.value ->> 3) AS o
           FROM jsonb_each($2) AS f) AS r
         WHERE r.place = p.key
         ON CONFLICT (tenant_id, queue_id, local_day) DO UPDATE SET ", figures_excluded!()
    );
    /// The months of these days are not what they were.
    STALE_MONTHS = concat!(
        "INSERT INTO cc_csat_month (tenant_id, queue_id, local_month, stale, ", figures!(), ")
         SELECT DISTINCT $1, p.value ->> 0, substr(p.value ->> 1, 1, 7), 1,
           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
         FROM jsonb_each($2) AS p WHERE TRUE
         ON CONFLICT (tenant_id, queue_id, local_month) DO UPDATE SET stale = 1"
    );
    /// Months put together anew: `$2` holds queue, month, its first instant and the first behind.
    COUNT_MONTHS = concat!(
        "INSERT INTO cc_csat_month (tenant_id, queue_id, local_month, stale, ", figures!(), ")
         SELECT $1, p.value ->> 0, p.value ->> 1, 0, ", figures_summed!("d."), "
         FROM jsonb_each($2) AS p LEFT JOIN cc_csat_queue_day AS d ON d.tenant_id = $1
           AND d.queue_id = p.value ->> 0 AND d.local_day >= p.value ->> 1 AND d.local_day < (p.value ->> 1) || '~'
         GROUP BY p.key
         ON CONFLICT (tenant_id, queue_id, local_month) DO UPDATE SET stale = 0, ", figures_excluded!()
    );
    DELETE_AGENT_MONTHS = "DELETE FROM cc_csat_agent_month WHERE tenant_id = $1
        AND (queue_id, local_month) IN (SELECT value ->> 0, value ->> 1 FROM jsonb_each($2))";
    COUNT_AGENT_MONTHS = concat!(
        "INSERT INTO cc_csat_agent_month (tenant_id, queue_id, local_month, agent_id, n1, n2, n3, n4, n5)
         SELECT $1, p.value ->> 0, p.value ->> 1, c.agent_id, ", scores!("", ","), "
         FROM jsonb_each($2) AS p CROSS JOIN cc_csat AS c
         WHERE c.tenant_id = $1 AND c.queue_id IS NULLIF(p.value ->> 0, '')
         AND c.created_at >= p.value ->> 2 AND c.created_at < p.value ->> 3 AND c.agent_id IS NOT NULL
         GROUP BY p.key, c.agent_id"
    );

    /// Every day of which anything is kept, too.
    MARK_KEPT = "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT $1, queue_id, local_day, 'kept' FROM cc_csat_queue_day WHERE tenant_id = $1
        ON CONFLICT (tenant_id, queue_id, local_day, mark_id) DO NOTHING";
    /// Every queue and UTC day with a rating or an offer.
    DAYS_OF_TENANT = "SELECT COALESCE(queue_id, '') AS queue_id, substr(created_at, 1, 10) AS day
        FROM cc_csat WHERE tenant_id = $1
        UNION SELECT COALESCE(queue_id, ''), substr(offered_at, 1, 10)
        FROM cc_csat_offers WHERE tenant_id = $1";

    KEYS_USED = "UPDATE cc_keys SET last_used_at = j.last_at
        FROM (SELECT value ->> 0 AS tenant_id, value ->> 1 AS key_id, MAX(value ->> 2) AS last_at
              FROM jsonb_each($1) GROUP BY 1, 2) AS j
        WHERE cc_keys.tenant_id = j.tenant_id AND cc_keys.key_id = j.key_id
        AND (cc_keys.last_used_at IS NULL OR cc_keys.last_used_at < j.last_at)";

    INSERT_OUTBOX = concat!(put_outbox!(), " DO NOTHING");
    /// What was sent, or is waiting, is to be sent again.
    SEND_AGAIN = concat!(
        put_outbox!(),
        " DO UPDATE SET state = 'waiting', attempts = 0, due_at = excluded.due_at, settled_at = NULL"
    );
    /// What was not sent of calls that are erased is not sent any more, but that they are.
    DROP_UNSENT = "DELETE FROM cc_outbox WHERE tenant_id = $1 AND call_id IN (SELECT value FROM jsonb_each($2))
        AND state <> 'delivered' AND event <> 'rating.deleted'";
}
