//! The statements that PostgreSQL has its own words for; the others are in [`crate::sql`].
//!
//! Lists come as arrays, rows as one array a column, in the order of their keys: two batches at once meet in one order.

pub(super) use crate::sql::*;
use crate::sql::{
    counts, figures, figures_excluded, figures_summed, rating_columns, scores, statements, states,
};

/// Begins a transaction whatever the server's own default is: each statement sees what was committed before it.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Begins a look at one moment, for answers of several statements.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What every connection is told. A commit is on disk when it is answered, also where the server's own default is
/// sooner. A lock that somebody forgot is not waited for without end. And no plan is kept: one that was made while a
/// table was small reads all of it for every call of a batch when it has grown, a thousand rows a second. Nor is a
/// table read from end to end because it has not been analysed yet: there is an index for everything.
pub(super) const SETTLE: &str = "SELECT set_config('lock_timeout', '5s', false),
    set_config('plan_cache_mode', 'force_custom_plan', false), set_config('enable_seqscan', 'off', false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, false)";

/// A connection that moves rows may be idle in a transaction, and busy in a statement, for as long as that takes.
pub(super) const STAY: &str = "SELECT set_config('idle_in_transaction_session_timeout', '0', false),
    set_config('statement_timeout', '0', false)";

/// Connections of servers to this database.
pub(super) const SERVERS: &str = "SELECT COUNT(*) AS number FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'aftercall'";

/// Lets one at a time move rows into the database.
pub(super) const HOLD_MARK: &str = "SELECT source FROM cc_migration WHERE tenant_id = '' FOR UPDATE";

/// Rows of these columns as one JSON array.
macro_rules! rows_json {
    ($first:ident $(, $column:ident)*) => {
        concat!(
            "COALESCE(json_agg(json_build_object('", stringify!($first), "', ", stringify!($first),
            $(", '", stringify!($column), "', ", stringify!($column),)*
            "))::text, '[]')"
        )
    };
}

/// The rows of calls, each found by its key, in the order given. FOR UPDATE and OFFSET keep it so: before a table has
/// been analysed for the first time, all of a tenant looks shorter than five hundred of its calls.
macro_rules! of_calls {
    ($calls:literal, $select:literal, $end:literal) => {
        concat!(
            "UNNEST(",
            $calls,
            "::text[]) AS w (call) CROSS JOIN LATERAL (",
            $select,
            " WHERE tenant_id = $1 AND call_id = w.call ",
            $end,
            ") AS k"
        )
    };
}

/// Ratings on their way into the table.
macro_rules! put_ratings {
    () => {
        concat!(
            "INSERT INTO cc_csat (tenant_id, ",
            rating_columns!(),
            ") SELECT $1, r.* FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[],
                $8::timestamptz[], $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[],
                $15::text[], $16::bigint[], $17::text[]) AS r ON CONFLICT (tenant_id, call_id)"
        )
    };
}

/// Offers on their way into the table.
macro_rules! put_offers {
    () => {
        "INSERT INTO cc_csat_offers (tenant_id, call_id, session_id, agent_id, queue_id, survey, survey_version,
            channel, language, state, reason, offered_at, started_at, answered_at, ended_at)
         SELECT $1, o.* FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[],
            $14::timestamptz[], $15::timestamptz[]) AS o ON CONFLICT (tenant_id, call_id)"
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
            " AND ($4::smallint IS NULL OR score = $4) AND ($5::text IS NULL OR survey = $5)
              AND ($6::text IS NULL OR channel = $6) AND ($7::text IS NULL OR language = $7)
              AND created_at >= $8 AND created_at <= $9 AND (created_at < $9 OR id < $10)
              ORDER BY created_at DESC, id DESC LIMIT $11"
        )
    };
}

/// One tally for each range from `$4` until just before `$5`, each read straight from the index.
macro_rules! tallies {
    ($whose:literal) => {
        concat!(
            "SELECT t.* FROM UNNEST($4::timestamptz[], $5::timestamptz[]) WITH ORDINALITY AS r (first, behind, place)
             CROSS JOIN LATERAL (SELECT ",
            counts!(),
            " FROM cc_csat WHERE tenant_id = $1 AND ",
            $whose,
            " AND created_at >= r.first AND created_at < r.behind) AS t ORDER BY r.place"
        )
    };
}

/// A list as the one JSON array of one row.
macro_rules! list {
    ($row:literal) => {
        concat!("SELECT COALESCE(json_agg(json_build_array(", $row, "))::text, '[]') AS list FROM ")
    };
}

/// Ratings of one queue (SQL null for none) between two instants. Two parts, as the index knows nothing of IS NOT
/// DISTINCT FROM; of one of them nothing is ever read.
macro_rules! ratings_of {
    ($queue:literal, $first:literal, $behind:literal) => {
        concat!(
            "(SELECT queue_id, agent_id, score FROM cc_csat WHERE tenant_id = $1 AND queue_id = ", $queue,
            " AND created_at >= ", $first, " AND created_at < ", $behind,
            " UNION ALL SELECT queue_id, agent_id, score FROM cc_csat WHERE tenant_id = $1 AND queue_id IS NULL AND ",
            $queue, " IS NULL AND created_at >= ", $first, " AND created_at < ", $behind, ")"
        )
    };
}

/// The same of offers.
macro_rules! offers_of {
    ($queue:literal, $first:literal, $behind:literal) => {
        concat!(
            "(SELECT state, started_at, answered_at FROM cc_csat_offers WHERE tenant_id = $1 AND queue_id = ",
            $queue,
            " AND offered_at >= ",
            $first,
            " AND offered_at < ",
            $behind,
            " UNION ALL SELECT state, started_at, answered_at FROM cc_csat_offers
              WHERE tenant_id = $1 AND queue_id IS NULL AND ",
            $queue,
            " IS NULL
              AND offered_at >= ",
            $first,
            " AND offered_at < ",
            $behind,
            ")"
        )
    };
}

/// What is kept, summed by the groups of `$2`: queue, first and last bucket, group.
macro_rules! sum_of {
    ($table:literal, $bucket:literal) => {
        concat!(
            list!(
                "place, json_build_array(n1, n2, n3, n4, n5), json_build_array(suppressed, offered, started,
                answered, completed, declined, abandoned, no_input, failed)"
            ),
            "(SELECT (p.value ->> 3)::bigint AS place, SUM(n1) AS n1, SUM(n2) AS n2, SUM(n3) AS n3,
               SUM(n4) AS n4, SUM(n5) AS n5, SUM(suppressed) AS suppressed, SUM(offered) AS offered,
               SUM(started) AS started, SUM(answered) AS answered, SUM(completed) AS completed,
               SUM(declined) AS declined, SUM(abandoned) AS abandoned, SUM(no_input) AS no_input,
               SUM(failed) AS failed
             FROM jsonb_array_elements($2::jsonb) AS p (value) CROSS JOIN ",
            $table,
            " AS k
             WHERE k.tenant_id = $1 AND k.queue_id = p.value ->> 0
             AND k.",
            $bucket,
            " >= p.value ->> 1 AND k.",
            $bucket,
            " <= p.value ->> 2 GROUP BY 1) AS s"
        )
    };
}

/// Ratings counted one by one in each window from `$8` until just before `$9`, by the column that a parameter names.
macro_rules! table {
    ($whose:literal) => {
        table!("cc_csat", $whose, "$10")
    };
    ($ratings:expr, $whose:literal, $group:literal) => {
        concat!(
            list!("name, period, n1, n2, n3, n4, n5"),
            "(SELECT p.place - 1 AS period, CASE ",
            $group,
            "::text WHEN 'queue' THEN c.queue_id WHEN 'agent' THEN c.agent_id
               WHEN 'survey' THEN c.survey WHEN 'channel' THEN c.channel END AS name, ",
            counts!(),
            " FROM UNNEST($8::timestamptz[], $9::timestamptz[]) WITH ORDINALITY AS p (first, behind, place)
              CROSS JOIN ",
            $ratings,
            " AS c WHERE c.tenant_id = $1 AND ",
            $whose,
            " AND c.created_at >= p.first AND c.created_at < p.behind
              AND ($4::smallint IS NULL OR c.score = $4) AND ($5::text IS NULL OR c.survey = $5)
              AND ($6::text IS NULL OR c.channel = $6) AND ($7::text IS NULL OR c.language = $7)
              GROUP BY 1, 2) AS t"
        )
    };
}

/// Ratings as they were known at `$10`, of the log: what was said of each that nothing later known by then replaced.
macro_rules! ratings_then {
    () => {
        "(SELECT tenant_id, agent_id, queue_id, survey, channel, language, new_score AS score, rated_at AS created_at
          FROM cc_csat_log AS l WHERE tenant_id = $1 AND arrived_at <= $10 AND op NOT IN ('deleted', 'conflict')
          AND NOT EXISTS (SELECT 1 FROM cc_csat_log AS n WHERE tenant_id = $1 AND n.call_id = l.call_id
            AND n.op <> 'created' AND n.op <> 'conflict' AND n.arrived_at <= $10
            AND (n.op = 'deleted' OR n.revision > l.revision)))"
    };
}

/// Buckets on their way to be counted: queue, name, first instant, first behind.
macro_rules! buckets {
    () => {
        "UNNEST($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]) AS b (queue, name, first, behind)"
    };
}

/// Events on their way into the outbox.
macro_rules! put_outbox {
    () => {
        "INSERT INTO cc_outbox (tenant_id, webhook, event_id, event, call_id, due_at, state, attempts)
         SELECT $1, o.*, 'waiting', 0 FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[],
             $6::timestamptz[]) AS o
         ON CONFLICT (tenant_id, webhook, event_id)"
    };
}

statements! {
    PAGE_OF_AGENT = page!("agent_id = $2 AND ($3::text[] IS NULL OR queue_id = ANY($3))");
    /// The newest of each queue, then the newest of those: the index gives each queue in order.
    PAGE_OF_QUEUES = concat!(
        "SELECT r.* FROM UNNEST($3::text[]) AS q (name) CROSS JOIN LATERAL (",
        page!("queue_id = q.name"),
        ") AS r ORDER BY created_at DESC, id DESC LIMIT $11"
    );
    PAGE_OF_ALL = page!("TRUE");

    TALLIES_OF_TENANT = tallies!("TRUE");
    TALLIES_OF_AGENT = tallies!("agent_id = $2");
    TALLIES_OF_QUEUE = tallies!("queue_id = $3");
    TALLIES_OF_AGENT_IN = tallies!("agent_id = $2 AND queue_id = ANY($6)");

    /// Holds a tenant's calendar still while its days are marked: batches share it, a change of the zone waits.
    HOLD_TENANT = "SELECT 1 FROM cc_tenants WHERE tenant_id = $1 FOR SHARE";
    LOCK_TENANT = "SELECT * FROM cc_tenants WHERE tenant_id = $1 FOR UPDATE";
    /// Locks what is known of calls, ratings before offers, each in the order given.
    LOCK = concat!(
        "SELECT (SELECT COUNT(*) FROM ", of_calls!("$2", "SELECT 1 FROM cc_csat", "FOR UPDATE"), ") AS ratings,
            (SELECT COUNT(*) FROM ", of_calls!("$2", "SELECT 1 FROM cc_csat_offers", "FOR UPDATE"), ") AS offers"
    );
    /// All that is known of the calls of `$2`, and the answers of those of `$3`, as one row of JSON arrays.
    KNOWN = concat!(
        "SELECT time_zone, (SELECT ",
        rows_json!(id, call_id, agent_id, queue_id, score, comment, created_at, key, survey, survey_version,
            channel, language, session_id, question, revision, flags),
        " FROM ", of_calls!("$2", "SELECT * FROM cc_csat", "OFFSET 0"), ") AS ratings,
         (SELECT COALESCE(json_agg(call_id)::text, '[]') FROM ",
        of_calls!("$2", "SELECT call_id FROM cc_csat_log", "AND op = 'deleted' OFFSET 0"), ") AS erased, (SELECT ",
        rows_json!(call_id, session_id, agent_id, queue_id, survey, survey_version, channel, language, state,
            reason, offered_at, started_at, answered_at, ended_at),
        " FROM ", of_calls!("$2", "SELECT * FROM cc_csat_offers", "OFFSET 0"), ") AS offers, (SELECT ",
        rows_json!(call_id, question, session_id, key, score, value, main, answered_at),
        " FROM ", of_calls!("$3", "SELECT * FROM cc_csat_answers", "OFFSET 0"), ") AS answers
         FROM cc_tenants WHERE tenant_id = $1"
    );
    /// Whether one of these calls has been erased.
    ERASED = concat!(
        "SELECT 1 FROM ",
        of_calls!("$2", "SELECT 1 FROM cc_csat_log", "AND op = 'deleted' OFFSET 0"),
        " LIMIT 1"
    );

    INSERT_RATINGS = concat!(put_ratings!(), " DO NOTHING");
    /// Only a later revision counts.
    UPDATE_RATINGS = concat!(
        put_ratings!(),
        " DO UPDATE SET agent_id = excluded.agent_id, queue_id = excluded.queue_id,
            score = excluded.score, comment = excluded.comment, created_at = excluded.created_at,
            key = excluded.key, survey = excluded.survey, survey_version = excluded.survey_version,
            channel = excluded.channel, language = excluded.language, revision = excluded.revision,
            flags = excluded.flags
          WHERE cc_csat.revision < excluded.revision"
    );
    DELETE_RATINGS = "DELETE FROM cc_csat WHERE tenant_id = $1 AND call_id = ANY($2)";
    /// Stands for a call that is erased without a row of its own, until that is committed: whoever writes of it
    /// meanwhile waits.
    HOLD_RATINGS = "INSERT INTO cc_csat (tenant_id, call_id, id, score, created_at, revision, flags)
        SELECT $1, h.*, 1, $4::timestamptz, 1, '' FROM UNNEST($2::text[], $3::uuid[]) AS h
        ON CONFLICT (tenant_id, call_id) DO NOTHING";
    HOLD_OFFERS = "INSERT INTO cc_csat_offers (tenant_id, call_id, session_id, state, offered_at)
        SELECT $1, h.*, '', 'suppressed', $3::timestamptz FROM UNNEST($2::text[]) AS h
        ON CONFLICT (tenant_id, call_id) DO NOTHING";
    FREE_OFFERS = "DELETE FROM cc_csat_offers WHERE tenant_id = $1 AND call_id = ANY($2)";
    PUT_ANSWERS = "INSERT INTO cc_csat_answers
        (tenant_id, call_id, question, session_id, key, score, value, main, answered_at)
        SELECT $1, a.* FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[],
            $8::smallint[], $9::timestamptz[]) AS a
        ON CONFLICT (tenant_id, call_id, question) DO UPDATE SET
            key = excluded.key, score = excluded.score, value = excluded.value,
            main = excluded.main, answered_at = excluded.answered_at";
    DELETE_ANSWERS = "DELETE FROM cc_csat_answers WHERE tenant_id = $1 AND call_id = ANY($2)";
    INSERT_OFFERS = concat!(put_offers!(), " DO NOTHING");
    UPDATE_OFFERS = concat!(
        put_offers!(),
        " DO UPDATE SET session_id = excluded.session_id, agent_id = excluded.agent_id,
            queue_id = excluded.queue_id, survey = excluded.survey,
            survey_version = excluded.survey_version, channel = excluded.channel,
            language = excluded.language, state = excluded.state, reason = excluded.reason,
            offered_at = excluded.offered_at, started_at = excluded.started_at,
            answered_at = excluded.answered_at, ended_at = excluded.ended_at"
    );
    PUT_QUALITIES = "INSERT INTO cc_csat_quality
        (tenant_id, call_id, session_id, packets_expected, packets_received, packets_lost, packets_late,
         packets_duplicate, jitter_mean_us, jitter_max_us, peer_packets_lost, peer_jitter_us, round_trip_us,
         mos_hundredths)
        SELECT $1, q.* FROM UNNEST($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[]) AS q
        ON CONFLICT (tenant_id, call_id) DO UPDATE SET
            session_id = excluded.session_id, packets_expected = excluded.packets_expected,
            packets_received = excluded.packets_received, packets_lost = excluded.packets_lost,
            packets_late = excluded.packets_late, packets_duplicate = excluded.packets_duplicate,
            jitter_mean_us = excluded.jitter_mean_us, jitter_max_us = excluded.jitter_max_us,
            peer_packets_lost = excluded.peer_packets_lost, peer_jitter_us = excluded.peer_jitter_us,
            round_trip_us = excluded.round_trip_us, mos_hundredths = excluded.mos_hundredths";
    INSERT_LOG = "INSERT INTO cc_csat_log
        (tenant_id, log_id, call_id, op, revision, arrived_at, rated_at, agent_id, queue_id,
         survey, old_score, new_score, actor, reason, channel, language)
        SELECT $1, l.* FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[],
            $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::smallint[], $12::smallint[], $13::text[],
            $14::text[], $15::text[], $16::text[]) AS l";
    INSERT_MARKS = "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT $1, m.* FROM UNNEST($2::text[], $3::text[], $4::uuid[]) AS m";
    MARKED = concat!(
        list!("queue_id, local_day"),
        "(SELECT DISTINCT queue_id, local_day FROM cc_csat_mark WHERE tenant_id = $1
          AND queue_id IN (SELECT jsonb_array_elements_text($2::jsonb)) AND local_day >= $3 AND local_day <= $4) AS m"
    );
    MONTHS_KEPT = concat!(
        list!("queue_id, local_month"),
        "cc_csat_month WHERE tenant_id = $1 AND queue_id IN (SELECT jsonb_array_elements_text($2::jsonb))
         AND local_month >= $3 AND local_month <= $4 AND stale = 0"
    );
    SUM_OF_MONTHS = sum_of!("cc_csat_month", "local_month");
    SUM_OF_DAYS = sum_of!("cc_csat_queue_day", "local_day");
    /// Counts of ratings and offers in each range of `$2`: queue (null for none), first instant, first behind.
    RAW_FIGURES = concat!(
        "SELECT COALESCE(json_agg(json_build_array(p.place - 1, (SELECT json_build_array(", scores!("r.", ","), ") FROM ",
        ratings_of!("p.queue", "p.first", "p.behind"), " AS r), (SELECT json_build_array(", states!("o.", ","), ") FROM ",
        offers_of!("p.queue", "p.first", "p.behind"), " AS o)))::text, '[]') AS list
         FROM (SELECT e.value ->> 0 AS queue, (e.value ->> 1)::timestamptz AS first,
               (e.value ->> 2)::timestamptz AS behind, e.place
             FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS e (value, place)) AS p"
    );
    AGENTS_OF_MONTHS = concat!(
        list!("queue_id, agent_id, n1, n2, n3, n4, n5"),
        "(SELECT a.queue_id, a.agent_id, SUM(n1) AS n1, SUM(n2) AS n2, SUM(n3) AS n3, SUM(n4) AS n4, SUM(n5) AS n5
         FROM jsonb_array_elements($2::jsonb) AS p (value) CROSS JOIN cc_csat_agent_month AS a
         WHERE a.tenant_id = $1 AND a.queue_id = p.value ->> 0
         AND a.local_month >= p.value ->> 1 AND a.local_month <= p.value ->> 2 GROUP BY 1, 2) AS s"
    );
    AGENTS_OF_RATINGS = concat!(
        list!("queue_id, agent_id, n1, n2, n3, n4, n5"),
        "(SELECT COALESCE(r.queue_id, '') AS queue_id, r.agent_id, ", counts!(), "
         FROM (SELECT e.value ->> 0 AS queue, (e.value ->> 1)::timestamptz AS first,
               (e.value ->> 2)::timestamptz AS behind
             FROM jsonb_array_elements($2::jsonb) AS e (value)) AS p
         CROSS JOIN LATERAL ", ratings_of!("p.queue", "p.first", "p.behind"), " AS r
         WHERE r.agent_id IS NOT NULL GROUP BY r.queue_id, r.agent_id) AS s"
    );

    TABLE_OF_AGENT = table!("c.agent_id = $2 AND ($3::text[] IS NULL OR c.queue_id = ANY($3))");
    TABLE_OF_QUEUES = table!("c.queue_id = ANY($3)");
    TABLE_OF_ALL = table!("TRUE");
    TABLE_THEN = table!(
        ratings_then!(),
        "($2::text IS NULL OR c.agent_id = $2) AND ($3::text[] IS NULL OR c.queue_id = ANY($3))",
        "$11"
    );
    /// Each agent's ratings in each queue, as they were known at `$10`, of the one window of `$8` and `$9`.
    AGENTS_THEN = concat!(
        list!("queue_id, agent_id, n1, n2, n3, n4, n5"),
        "(SELECT COALESCE(c.queue_id, '') AS queue_id, c.agent_id, ", counts!(), "
          FROM UNNEST($8::timestamptz[], $9::timestamptz[]) AS p (first, behind) CROSS JOIN ", ratings_then!(), " AS c
          WHERE c.created_at >= p.first AND c.created_at < p.behind AND c.agent_id IS NOT NULL
          AND ($2::text IS NULL OR c.agent_id = $2) AND ($3::text[] IS NULL OR c.queue_id = ANY($3))
          AND ($4::smallint IS NULL OR c.score = $4) AND ($5::text IS NULL OR c.survey = $5)
          AND ($6::text IS NULL OR c.channel = $6) AND ($7::text IS NULL OR c.language = $7)
          GROUP BY 1, 2) AS t"
    );

    /// Makes the rows of days that are to be counted, or locks those that are there: of two who count the same days
    /// the second waits, and counts what the first left marked.
    LOCK_DAYS = concat!(
        "INSERT INTO cc_csat_queue_day (tenant_id, queue_id, local_day, ", figures!(), ")
         SELECT $1, d.*, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM UNNEST($2::text[], $3::text[]) AS d
         ON CONFLICT (tenant_id, queue_id, local_day) DO UPDATE SET n1 = cc_csat_queue_day.n1"
    );
    DELETE_MARKS = "DELETE FROM cc_csat_mark WHERE tenant_id = $1
        AND (queue_id, local_day) IN (SELECT d.* FROM UNNEST($2::text[], $3::text[]) AS d)";
    /// In a statement behind the one that deletes their marks: what that did not see is marked still.
    COUNT_DAYS = concat!(
        "INSERT INTO cc_csat_queue_day (tenant_id, queue_id, local_day, ", figures!(), ")
         SELECT $1, b.queue, b.name, n.*, o.* FROM ", buckets!(), "
         CROSS JOIN LATERAL (SELECT ", scores!("r.", ","), " FROM ",
        ratings_of!("NULLIF(b.queue, '')", "b.first", "b.behind"), " AS r) AS n
         CROSS JOIN LATERAL (SELECT ", states!("s.", ","), " FROM ",
        offers_of!("NULLIF(b.queue, '')", "b.first", "b.behind"), " AS s) AS o
         ON CONFLICT (tenant_id, queue_id, local_day) DO UPDATE SET ", figures_excluded!()
    );
    /// The months of these days are not what they were.
    STALE_MONTHS = concat!(
        "INSERT INTO cc_csat_month (tenant_id, queue_id, local_month, stale, ", figures!(), ")
         SELECT $1, m.*, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM UNNEST($2::text[], $3::text[]) AS m
         ON CONFLICT (tenant_id, queue_id, local_month) DO UPDATE SET stale = 1"
    );
    LOCK_MONTHS = "SELECT 1 FROM cc_csat_month WHERE tenant_id = $1
        AND (queue_id, local_month) IN (SELECT m.* FROM UNNEST($2::text[], $3::text[]) AS m)
        ORDER BY queue_id, local_month FOR UPDATE";
    DELETE_AGENT_MONTHS = "DELETE FROM cc_csat_agent_month WHERE tenant_id = $1
        AND (queue_id, local_month) IN (SELECT m.* FROM UNNEST($2::text[], $3::text[]) AS m)";
    COUNT_AGENT_MONTHS = concat!(
        "INSERT INTO cc_csat_agent_month (tenant_id, queue_id, local_month, agent_id, n1, n2, n3, n4, n5)
         SELECT $1, b.queue, b.name, r.agent_id, ", scores!("r.", ","), " FROM ", buckets!(), "
         CROSS JOIN LATERAL ", ratings_of!("NULLIF(b.queue, '')", "b.first", "b.behind"), " AS r
         WHERE r.agent_id IS NOT NULL GROUP BY b.queue, b.name, r.agent_id"
    );
    /// Months put together anew.
    COUNT_MONTHS = concat!(
        "INSERT INTO cc_csat_month (tenant_id, queue_id, local_month, stale, ", figures!(), ")
         SELECT $1, m.queue, m.name, 0, ", figures_summed!("d."), "
         FROM UNNEST($2::text[], $3::text[]) AS m (queue, name) LEFT JOIN cc_csat_queue_day AS d
           ON d.tenant_id = $1 AND d.queue_id = m.queue AND d.local_day >= m.name AND d.local_day < m.name || '~'
         GROUP BY m.queue, m.name
         ON CONFLICT (tenant_id, queue_id, local_month) DO UPDATE SET stale = 0, ", figures_excluded!()
    );
    /// Every day of which anything is kept, too.
    MARK_KEPT = "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT $1, queue_id, local_day, '00000000-0000-0000-0000-000000000000'::uuid
        FROM cc_csat_queue_day WHERE tenant_id = $1
        ON CONFLICT (tenant_id, queue_id, local_day, mark_id) DO NOTHING";
    /// Every queue and UTC day with a rating or an offer.
    DAYS_OF_TENANT = "SELECT COALESCE(queue_id, '') AS queue_id,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day
        FROM cc_csat WHERE tenant_id = $1
        UNION SELECT COALESCE(queue_id, ''), to_char(offered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
        FROM cc_csat_offers WHERE tenant_id = $1";
    /// Locked in one order before: two nodes may note uses of the same keys.
    LOCK_KEYS = "SELECT 1 FROM cc_keys JOIN UNNEST($1::text[], $2::uuid[]) AS u (tenant, id)
        ON tenant_id = u.tenant AND key_id = u.id ORDER BY tenant_id, key_id FOR UPDATE OF cc_keys";
    KEYS_USED = "UPDATE cc_keys SET last_used_at = u.last_at
        FROM (SELECT tenant, id, MAX(used_at) AS last_at
              FROM UNNEST($1::text[], $2::uuid[], $3::timestamptz[]) AS n (tenant, id, used_at) GROUP BY 1, 2) AS u
        WHERE tenant_id = u.tenant AND key_id = u.id
        AND (last_used_at IS NULL OR last_used_at < u.last_at)";

    INSERT_OUTBOX = concat!(put_outbox!(), " DO NOTHING");
    /// What was sent, or is waiting, is to be sent again.
    SEND_AGAIN = concat!(
        put_outbox!(),
        " DO UPDATE SET state = 'waiting', attempts = 0, due_at = excluded.due_at, settled_at = NULL"
    );
    /// What was not sent of calls that are erased is not sent any more, but that they are.
    DROP_UNSENT = "DELETE FROM cc_outbox WHERE tenant_id = $1 AND call_id = ANY($2)
        AND state <> 'delivered' AND event <> 'rating.deleted'";
}
