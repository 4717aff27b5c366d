//! What the tables look like, for whoever moves all of them: the one place that says so. A test compares it with the
//! schema of both databases, so that no table and no column is forgotten.
//!
//! `tenant_id` stands first in every table and every key, and is not repeated here.

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The rest of its primary key, behind `tenant_id`.
    pub key: &'static [&'static str],
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// What becomes of its rows when all is moved.
    pub fate: Fate,
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What becomes of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are moved as they are.
    Moved,
    /// They are counted anew from those that were moved.
    Counted,
}

/// What a column holds, NULL aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Any text.
    Text,
    /// A UUID; text in SQLite.
    Id,
    /// A moment, to the microsecond; text in SQLite.
    Moment,
    /// A whole number of 16 bits; 64 in SQLite.
    Small,
    /// A whole number of 64 bits.
    Whole,
    /// Bytes.
    Bytes,
}

impl Table {
    /// Where the columns of the key are among the columns.
    pub(crate) fn key_places(&self) -> impl Iterator<Item = usize> {
        self.key.iter().filter_map(|key| self.columns.iter().position(|column| column.name == *key))
    }

    /// Every table whose rows are moved.
    pub fn moved() -> impl Iterator<Item = &'static Self> {
        TABLES.iter().filter(|table| table.fate == Fate::Moved)
    }
}

/// Every table, in the order in which they are moved.
pub const TABLES: &[Table] = &[
    Table {
        name: "cc_tenants",
        key: &[],
        columns: &[text("time_zone"), text("week_start"), moment("created_at")],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_keys",
        key: &["key_id"],
        columns: &[
            id("key_id"),
            bytes("hash"),
            text("role"),
            text("agent_id"),
            text("queues"),
            moment("created_at"),
            moment("expires_at"),
            moment("last_used_at"),
            moment("revoked_at"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_csat",
        key: &["call_id"],
        columns: &[
            id("id"),
            text("call_id"),
            text("agent_id"),
            text("queue_id"),
            small("score"),
            text("comment"),
            moment("created_at"),
            text("key"),
            text("survey"),
            whole("survey_version"),
            text("channel"),
            text("language"),
            text("session_id"),
            text("question"),
            whole("revision"),
            text("flags"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_csat_answers",
        key: &["call_id", "question"],
        columns: &[
            text("call_id"),
            text("question"),
            text("session_id"),
            text("key"),
            small("score"),
            text("value"),
            small("main"),
            moment("answered_at"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_csat_offers",
        key: &["call_id"],
        columns: &[
            text("call_id"),
            text("session_id"),
            text("agent_id"),
            text("queue_id"),
            text("survey"),
            whole("survey_version"),
            text("channel"),
            text("language"),
            text("state"),
            text("reason"),
            moment("offered_at"),
            moment("started_at"),
            moment("answered_at"),
            moment("ended_at"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_csat_log",
        key: &["log_id"],
        columns: &[
            id("log_id"),
            text("call_id"),
            text("op"),
            whole("revision"),
            moment("arrived_at"),
            moment("rated_at"),
            text("agent_id"),
            text("queue_id"),
            text("survey"),
            small("old_score"),
            small("new_score"),
            text("actor"),
            text("reason"),
            text("channel"),
            text("language"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_outbox",
        key: &["webhook", "event_id"],
        columns: &[
            text("webhook"),
            text("event_id"),
            text("event"),
            text("call_id"),
            text("state"),
            whole("attempts"),
            moment("due_at"),
            moment("settled_at"),
            whole("status"),
            text("reason"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_alerts",
        key: &["queue_id", "local_day", "rule"],
        columns: &[
            text("queue_id"),
            text("local_day"),
            text("rule"),
            id("alert_id"),
            moment("raised_at"),
            whole("rating_count"),
            text("value"),
            text("centre"),
            text("low"),
            text("high"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_alert_days",
        key: &["local_day"],
        columns: &[text("local_day"), moment("looked_at")],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_report_runs",
        key: &["report", "period", "way"],
        columns: &[
            text("report"),
            text("period"),
            text("way"),
            text("state"),
            whole("attempts"),
            moment("not_before"),
            moment("changed_at"),
            text("error"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_csat_quality",
        key: &["call_id"],
        columns: &[
            text("call_id"),
            text("session_id"),
            whole("packets_expected"),
            whole("packets_received"),
            whole("packets_lost"),
            whole("packets_late"),
            whole("packets_duplicate"),
            whole("jitter_mean_us"),
            whole("jitter_max_us"),
            whole("peer_packets_lost"),
            whole("peer_jitter_us"),
            whole("round_trip_us"),
            whole("mos_hundredths"),
        ],
        fate: Fate::Moved,
    },
    Table {
        name: "cc_csat_mark",
        key: &["queue_id", "local_day", "mark_id"],
        columns: &[text("queue_id"), text("local_day"), id("mark_id")],
        fate: Fate::Counted,
    },
    Table {
        name: "cc_csat_queue_day",
        key: &["queue_id", "local_day"],
        columns: &[
            text("queue_id"),
            text("local_day"),
            whole("n1"),
            whole("n2"),
            whole("n3"),
            whole("n4"),
            whole("n5"),
            whole("suppressed"),
            whole("offered"),
            whole("started"),
            whole("answered"),
            whole("completed"),
            whole("declined"),
            whole("abandoned"),
            whole("no_input"),
            whole("failed"),
        ],
        fate: Fate::Counted,
    },
    Table {
        name: "cc_csat_month",
        key: &["queue_id", "local_month"],
        columns: &[
            text("queue_id"),
            text("local_month"),
            small("stale"),
            whole("n1"),
            whole("n2"),
            whole("n3"),
            whole("n4"),
            whole("n5"),
            whole("suppressed"),
            whole("offered"),
            whole("started"),
            whole("answered"),
            whole("completed"),
            whole("declined"),
            whole("abandoned"),
            whole("no_input"),
            whole("failed"),
        ],
        fate: Fate::Counted,
    },
    Table {
        name: "cc_csat_agent_month",
        key: &["queue_id", "local_month", "agent_id"],
        columns: &[
            text("queue_id"),
            text("local_month"),
            text("agent_id"),
            whole("n1"),
            whole("n2"),
            whole("n3"),
            whole("n4"),
            whole("n5"),
        ],
        fate: Fate::Counted,
    },
];

const fn text(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Text }
}

const fn id(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Id }
}

const fn moment(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Moment }
}

const fn small(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Small }
}

const fn whole(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Whole }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Bytes }
}
