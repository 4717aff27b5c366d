//! The statements that move rows, made of the description of each table; and those about the mark that a database
//! bears while rows are moved into it.
//!
//! `$1` is the tenant, wherever there is one.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::transfer::tables::{Column, ColumnKind, TABLES, Table};

/// The table that a database has while rows are moved into it: from where, and how far it has come. It has one row.
pub(crate) const MAKE_MARK: &str = "CREATE TABLE cc_migration (tenant_id TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, phase TEXT NOT NULL)";
/// The mark is nobody's in particular: its tenant is none.
pub(crate) const INSERT_MARK: &str =
    "INSERT INTO cc_migration (tenant_id, source, phase) VALUES ('', $1, 'rows')";
pub(crate) const MARK: &str = "SELECT source, phase FROM cc_migration WHERE tenant_id = ''";
pub(crate) const COUNTED: &str = "UPDATE cc_migration SET phase = 'figures' WHERE tenant_id = ''";
pub(crate) const DROP_MARK: &str = "DROP TABLE cc_migration";
/// The tenant that a fresh database has.
pub(crate) const DELETE_FIRST_TENANT: &str = "DELETE FROM cc_tenants WHERE tenant_id = 'default'";

/// A page of a tenant's rows, in the order of the key.
pub(crate) fn page(table: &Table, from: From, read: Read) -> SqlStr {
    let names = columns(table, |column| column.name.to_owned());
    let key = table.key.join(", ");
    let behind = match from {
        From::TheFirst => String::new(),
        From::Behind => format!(" AND ({key}) > ({})", numbered(2, table.key.len())),
    };
    let limit = match from {
        From::TheFirst => 2,
        From::Behind => 2 + table.key.len(),
    };
    let order = if key.is_empty() { String::new() } else { format!(" ORDER BY {key}") };
    let rows =
        format!("SELECT {names} FROM {} WHERE tenant_id = $1{behind}{order} LIMIT ${limit}", table.name);
    safe(match read {
        Read::Cells => rows,
        Read::Json => {
            let cells = columns(table, |column| match column.kind {
                ColumnKind::Bytes => format!("hex({})", column.name),
                _ => column.name.to_owned(),
            });
            format!("SELECT json_group_array(json_array({cells})) AS list FROM ({rows})")
        }
    })
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    TheFirst,
    /// Behind the key that is bound behind the tenant.
    Behind,
}

/// How rows come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    /// Each by itself.
    Cells,
    /// All as one JSON array: in SQLite a row by itself costs a hand-over between threads.
    Json,
}

/// The key of the last of a tenant's rows.
pub(crate) fn last(table: &Table) -> SqlStr {
    let order: Vec<String> = table.key.iter().map(|key| format!("{key} DESC")).collect();
    let (names, order) = match table.key {
        [] => ("tenant_id".to_owned(), String::new()),
        key => (key.join(", "), format!(" ORDER BY {}", order.join(", "))),
    };
    safe(format!("SELECT {names} FROM {} WHERE tenant_id = $1{order} LIMIT 1", table.name))
}

/// How many rows a tenant has.
pub(crate) fn count(table: &Table) -> SqlStr {
    safe(format!("SELECT COUNT(*) AS number FROM {} WHERE tenant_id = $1", table.name))
}

/// The tenant behind another one that has rows, in any table: also one that the directory lacks.
pub(crate) fn next_tenant() -> SqlStr {
    let of = |table: &Table| {
        format!("SELECT (SELECT MIN(tenant_id) FROM {} WHERE tenant_id > $1) AS tenant", table.name)
    };
    let all: Vec<String> = TABLES.iter().map(of).collect();
    safe(format!("SELECT MIN(tenant) AS tenant FROM ({}) AS tenants", all.join(" UNION ALL ")))
}

/// Puts rows into SQLite, from a JSON array of arrays.
pub(crate) fn put_json(table: &Table) -> SqlStr {
    let mut place = 0..;
    let values = columns(table, |column| {
        let place = place.next().unwrap_or_default();
        match column.kind {
            ColumnKind::Bytes => format!("unhex(j.value ->> {place})"),
            _ => format!("j.value ->> {place}"),
        }
    });
    let names = columns(table, |column| column.name.to_owned());
    safe(format!(
        "INSERT INTO {} (tenant_id, {names}) SELECT $1, {values} FROM jsonb_each($2) AS j",
        table.name
    ))
}

/// Puts rows into PostgreSQL, from an array a column.
pub(crate) fn put_arrays(table: &Table) -> SqlStr {
    let mut place = 2..;
    let arrays = columns(table, |column| {
        let of = match column.kind {
            ColumnKind::Text => "text",
            ColumnKind::Id => "uuid",
            ColumnKind::Moment => "timestamptz",
            ColumnKind::Small => "smallint",
            ColumnKind::Whole => "bigint",
            ColumnKind::Bytes => "bytea",
        };
        format!("${}::{of}[]", place.next().unwrap_or_default())
    });
    let names = columns(table, |column| column.name.to_owned());
    safe(format!("INSERT INTO {} (tenant_id, {names}) SELECT $1, r.* FROM UNNEST({arrays}) AS r", table.name))
}

/// Lets nobody write into PostgreSQL's tables, until the transaction ends.
pub(crate) fn hold_all() -> SqlStr {
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    safe(format!("LOCK TABLE {} IN SHARE MODE", names.join(", ")))
}

fn columns(table: &Table, shown: impl FnMut(&Column) -> String) -> String {
    table.columns.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn numbered(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// Names of tables and columns are all that is put into a statement, and they are constants.
fn safe(statement: String) -> SqlStr {
    AssertSqlSafe(statement).into_sql_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::tables::Fate;

    #[test]
    fn every_statement_on_rows_names_its_tenant_first() {
        for table in TABLES {
            let read = [
                page(table, From::TheFirst, Read::Cells),
                page(table, From::TheFirst, Read::Json),
                last(table),
                count(table),
            ];
            for statement in read {
                let statement = statement.as_str();
                let clause = statement.split_once(table.name).unwrap().1;
                assert!(clause.starts_with(" WHERE tenant_id = $1"), "{statement}");
            }
            for statement in [put_json(table), put_arrays(table)] {
                let statement = statement.as_str();
                assert!(statement.contains(" (tenant_id, "), "{statement}");
                assert!(statement.contains(") SELECT $1, "), "{statement}");
            }
        }
    }

    #[test]
    fn statements_look_like_this() {
        let answers = Table::moved().find(|table| table.name == "cc_csat_answers").unwrap();
        let tenants = Table::moved().find(|table| table.name == "cc_tenants").unwrap();
        let keys = Table::moved().find(|table| table.name == "cc_keys").unwrap();
        let table = [
            (
                page(answers, From::Behind, Read::Cells),
                "SELECT call_id, question, session_id, key, score, value, main, answered_at FROM cc_csat_answers \
                 WHERE tenant_id = $1 AND (call_id, question) > ($2, $3) ORDER BY call_id, question LIMIT $4",
            ),
            (
                page(tenants, From::TheFirst, Read::Json),
                "SELECT json_group_array(json_array(time_zone, week_start, created_at)) AS list FROM \
                 (SELECT time_zone, week_start, created_at FROM cc_tenants WHERE tenant_id = $1 LIMIT $2)",
            ),
            (last(tenants), "SELECT tenant_id FROM cc_tenants WHERE tenant_id = $1 LIMIT 1"),
            (
                last(answers),
                "SELECT call_id, question FROM cc_csat_answers WHERE tenant_id = $1 \
                 ORDER BY call_id DESC, question DESC LIMIT 1",
            ),
            (
                put_json(keys),
                "INSERT INTO cc_keys (tenant_id, key_id, hash, role, agent_id, queues, created_at, expires_at, \
                 last_used_at, revoked_at) SELECT $1, j.value ->> 0, unhex(j.value ->> 1), j.value ->> 2, \
                 j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7, j.value ->> 8 \
                 FROM jsonb_each($2) AS j",
            ),
            (
                put_arrays(keys),
                "INSERT INTO cc_keys (tenant_id, key_id, hash, role, agent_id, queues, created_at, expires_at, \
                 last_used_at, revoked_at) SELECT $1, r.* FROM UNNEST($2::uuid[], $3::bytea[], $4::text[], \
                 $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], \
                 $10::timestamptz[]) AS r",
            ),
        ];
        for (statement, expected) in table {
            assert_eq!(statement.as_str(), expected);
        }
    }

    #[test]
    fn a_table_that_is_moved_has_its_key_among_its_columns() {
        for table in TABLES {
            assert_eq!(table.key_places().count(), table.key.len(), "{}", table.name);
            let kinds = table.key_places().map(|place| table.columns[place].kind);
            assert!(kinds.into_iter().all(|kind| matches!(kind, ColumnKind::Text | ColumnKind::Id)));
        }
        assert!(Table::moved().all(|table| table.fate == Fate::Moved));
    }
}
