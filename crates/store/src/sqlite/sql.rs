//! Every statement on the tables, in one place, so that a test can read them all.
//!
//! `?1` is the tenant, wherever there is one; lists come as JSON arrays.

/// Names statements and lists them for the test.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $text;)*
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// The columns of a rating, and of the JSON that carries one.
macro_rules! rating_columns {
    () => {
        "id, call_id, agent_id, queue_id, score, comment, created_at, key, survey, survey_version, \
         channel, language, session_id, question, revision, flags"
    };
}

/// The five counts of a tally.
macro_rules! counts {
    () => {
        "COUNT(*) FILTER (WHERE score = 1) AS n1, COUNT(*) FILTER (WHERE score = 2) AS n2, \
         COUNT(*) FILTER (WHERE score = 3) AS n3, COUNT(*) FILTER (WHERE score = 4) AS n4, \
         COUNT(*) FILTER (WHERE score = 5) AS n5"
    };
}

/// A page of ratings, newest first. `?8` is the first instant; `?9` with `?10` is where the page
/// begins, exclusive: a rating's time and id, or the window's end with an id before every other.
macro_rules! page {
    ($whose:literal) => {
        concat!(
            "SELECT ",
            rating_columns!(),
            " FROM cc_csat WHERE tenant_id = ?1 AND ",
            $whose,
            " AND (?4 IS NULL OR score = ?4) AND (?5 IS NULL OR survey = ?5)
              AND (?6 IS NULL OR channel = ?6) AND (?7 IS NULL OR language = ?7)
              AND created_at >= ?8 AND created_at <= ?9 AND (created_at < ?9 OR id < ?10)
              ORDER BY created_at DESC, id DESC LIMIT ?11"
        )
    };
}

/// One tally for each range of `?4`, an array of pairs. The counts are one text: a scalar
/// subquery reads each range straight from the index, where grouping would sort every row.
macro_rules! tallies {
    ($whose:literal) => {
        concat!(
            "SELECT (SELECT COUNT(*) FILTER (WHERE score = 1) || ' ' || COUNT(*) FILTER (WHERE score = 2)
              || ' ' || COUNT(*) FILTER (WHERE score = 3) || ' ' || COUNT(*) FILTER (WHERE score = 4)
              || ' ' || COUNT(*) FILTER (WHERE score = 5)
              FROM cc_csat WHERE tenant_id = ?1 AND ",
            $whose,
            " AND created_at >= r.value ->> 0 AND created_at < r.value ->> 1) AS counts
              FROM json_each(?4) AS r ORDER BY r.key"
        )
    };
}

statements! {
    RATING = concat!("SELECT ", rating_columns!(), " FROM cc_csat WHERE tenant_id = ?1 AND call_id = ?2");
    DELETED = "SELECT 1 FROM cc_csat_log WHERE tenant_id = ?1 AND call_id = ?2 AND op = 'deleted' LIMIT 1";
    OFFER = "SELECT * FROM cc_csat_offers WHERE tenant_id = ?1 AND call_id = ?2";
    ANSWERS = "SELECT * FROM cc_csat_answers WHERE tenant_id = ?1 AND call_id = ?2 ORDER BY question";

    PAGE_OF_AGENT = page!("agent_id = ?2 AND (?3 IS NULL OR queue_id IN (SELECT value FROM json_each(?3)))");
    PAGE_OF_QUEUE = page!("queue_id = ?3");
    PAGE_OF_ALL = page!("TRUE");

    TALLIES_OF_TENANT = tallies!("TRUE");
    TALLIES_OF_AGENT = tallies!("agent_id = ?2");
    TALLIES_OF_QUEUE = tallies!("queue_id = ?3");
    TALLIES_OF_AGENT_IN =
        tallies!("agent_id = ?2 AND queue_id IN (SELECT value FROM json_each(?3))");
    QUEUE_AGENTS = concat!(
        "SELECT agent_id, ", counts!(), " FROM cc_csat
         WHERE tenant_id = ?1 AND queue_id = ?2 AND created_at >= ?3 AND created_at < ?4
         AND agent_id IS NOT NULL GROUP BY agent_id"
    );

    RATINGS_OF_CALLS = concat!(
        "SELECT ", rating_columns!(), " FROM cc_csat
         WHERE tenant_id = ?1 AND call_id IN (SELECT value FROM json_each(?2))"
    );
    DELETED_OF_CALLS = "SELECT call_id FROM cc_csat_log
        WHERE tenant_id = ?1 AND op = 'deleted' AND call_id IN (SELECT value FROM json_each(?2))";
    OFFERS_OF_CALLS = "SELECT * FROM cc_csat_offers
        WHERE tenant_id = ?1 AND call_id IN (SELECT value FROM json_each(?2))";
    ANSWERS_OF_CALLS = "SELECT * FROM cc_csat_answers
        WHERE tenant_id = ?1 AND call_id IN (SELECT value FROM json_each(?2))";

    INSERT_RATINGS = concat!(
        "INSERT INTO cc_csat (tenant_id, ", rating_columns!(), ")
         SELECT ?1, j.value ->> 'id', j.value ->> 'call_id', j.value ->> 'agent_id',
             j.value ->> 'queue_id', j.value ->> 'score', j.value ->> 'comment',
             j.value ->> 'created_at', j.value ->> 'key', j.value ->> 'survey',
             j.value ->> 'survey_version', j.value ->> 'channel', j.value ->> 'language',
             j.value ->> 'session_id', j.value ->> 'question', j.value ->> 'revision',
             j.value ->> 'flags'
         FROM json_each(?2) AS j WHERE TRUE ON CONFLICT (tenant_id, call_id) DO NOTHING"
    );
    /// Only rows that are still of the revision that was read.
    UPDATE_RATINGS = "UPDATE cc_csat SET
        agent_id = j.value ->> 'agent_id', queue_id = j.value ->> 'queue_id',
        score = j.value ->> 'score', comment = j.value ->> 'comment',
        created_at = j.value ->> 'created_at', key = j.value ->> 'key',
        survey = j.value ->> 'survey', survey_version = j.value ->> 'survey_version',
        channel = j.value ->> 'channel', language = j.value ->> 'language',
        revision = j.value ->> 'revision', flags = j.value ->> 'flags'
        FROM json_each(?2) AS j
        WHERE tenant_id = ?1 AND call_id = j.value ->> 'call_id' AND revision = j.value ->> 'read_revision'";
    DELETE_RATINGS = "DELETE FROM cc_csat
        WHERE tenant_id = ?1 AND call_id IN (SELECT value FROM json_each(?2))";
    PUT_ANSWERS = "INSERT INTO cc_csat_answers
        (tenant_id, call_id, question, session_id, key, score, value, main, answered_at)
        SELECT ?1, j.value ->> 'call_id', j.value ->> 'question', j.value ->> 'session_id',
            j.value ->> 'key', j.value ->> 'score', j.value ->> 'value', j.value ->> 'main',
            j.value ->> 'answered_at'
        FROM json_each(?2) AS j WHERE TRUE
        ON CONFLICT (tenant_id, call_id, question) DO UPDATE SET
            key = excluded.key, score = excluded.score, value = excluded.value,
            main = excluded.main, answered_at = excluded.answered_at";
    DELETE_ANSWERS = "DELETE FROM cc_csat_answers
        WHERE tenant_id = ?1 AND call_id IN (SELECT value FROM json_each(?2))";
    PUT_OFFERS = "INSERT INTO cc_csat_offers
        (tenant_id, call_id, session_id, agent_id, queue_id, survey, survey_version, channel,
         language, state, reason, offered_at, started_at, answered_at, ended_at)
        SELECT ?1, j.value ->> 'call_id', j.value ->> 'session_id', j.value ->> 'agent_id',
            j.value ->> 'queue_id', j.value ->> 'survey', j.value ->> 'survey_version',
            j.value ->> 'channel', j.value ->> 'language', j.value ->> 'state',
            j.value ->> 'reason', j.value ->> 'offered_at', j.value ->> 'started_at',
            j.value ->> 'answered_at', j.value ->> 'ended_at'
        FROM json_each(?2) AS j WHERE TRUE
        ON CONFLICT (tenant_id, call_id) DO UPDATE SET
            session_id = excluded.session_id, agent_id = excluded.agent_id,
            queue_id = excluded.queue_id, survey = excluded.survey,
            survey_version = excluded.survey_version, channel = excluded.channel,
            language = excluded.language, state = excluded.state, reason = excluded.reason,
            offered_at = excluded.offered_at, started_at = excluded.started_at,
            answered_at = excluded.answered_at, ended_at = excluded.ended_at";
    INSERT_LOG = "INSERT INTO cc_csat_log
        (tenant_id, log_id, call_id, op, revision, arrived_at, rated_at, agent_id, queue_id,
         survey, old_score, new_score, actor, reason)
        SELECT ?1, j.value ->> 'log_id', j.value ->> 'call_id', j.value ->> 'op',
            j.value ->> 'revision', j.value ->> 'arrived_at', j.value ->> 'rated_at',
            j.value ->> 'agent_id', j.value ->> 'queue_id', j.value ->> 'survey',
            j.value ->> 'old_score', j.value ->> 'new_score', j.value ->> 'actor',
            j.value ->> 'reason'
        FROM json_each(?2) AS j";
    INSERT_MARKS = "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM json_each(?2) AS j";
    /// Every queue and UTC day with a rating or an offer.
    DAYS_OF_TENANT = "SELECT COALESCE(queue_id, '') AS queue_id, substr(created_at, 1, 10) AS day
        FROM cc_csat WHERE tenant_id = ?1
        UNION SELECT COALESCE(queue_id, ''), substr(offered_at, 1, 10)
        FROM cc_csat_offers WHERE tenant_id = ?1";

    TENANT = "SELECT * FROM cc_tenants WHERE tenant_id = ?1";
    TENANTS = "SELECT * FROM cc_tenants ORDER BY tenant_id";
    INSERT_TENANT = "INSERT INTO cc_tenants (tenant_id, time_zone, week_start, created_at)
        VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant_id) DO NOTHING";
    UPDATE_TENANT = "UPDATE cc_tenants SET time_zone = ?2, week_start = ?3 WHERE tenant_id = ?1";

    INSERT_KEY = "INSERT INTO cc_keys
        (tenant_id, key_id, hash, role, agent_id, queues, created_at, expires_at)
        SELECT tenant_id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM cc_tenants WHERE tenant_id = ?1";
    KEYS = "SELECT * FROM cc_keys WHERE tenant_id = ?1 ORDER BY created_at, key_id";
    KEY_BY_HASH = "SELECT * FROM cc_keys WHERE hash = ?1 LIMIT 1";
    ANY_KEY = "SELECT 1 FROM cc_keys LIMIT 1";
    KEY = "SELECT * FROM cc_keys WHERE tenant_id = ?1 AND key_id = ?2";
    REVOKE_KEY = "UPDATE cc_keys SET revoked_at = ?3
        WHERE tenant_id = ?1 AND key_id = ?2 AND revoked_at IS NULL";
    KEYS_USED = "UPDATE cc_keys SET last_used_at = j.last_at
        FROM (SELECT value ->> 0 AS tenant_id, value ->> 1 AS key_id, MAX(value ->> 2) AS last_at
              FROM json_each(?1) GROUP BY 1, 2) AS j
        WHERE cc_keys.tenant_id = j.tenant_id AND cc_keys.key_id = j.key_id
        AND (cc_keys.last_used_at IS NULL OR cc_keys.last_used_at < j.last_at)";
}
