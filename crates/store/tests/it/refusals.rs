//! A PostgreSQL that does not let us: what is told, and that the password is not.

use aftercall_store::{NextMove, Store, StoreError};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::cluster::Cluster;
use crate::harness::*;

/// Opens what cannot be opened; neither the words for people nor those for programmers hold a password.
async fn refused(url: &str) -> (StoreError, String) {
    let error = Store::open(url).await.unwrap_err();
    let told = error.to_string();
    assert!(!told.contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");
    (error, told)
}

#[tokio::test]
async fn who_is_not_let_in_is_told_where_and_what_to_do_about_it() {
    let cluster = Cluster::start();
    let mut admin = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    admin.execute("CREATE ROLE guest LOGIN PASSWORD 'secret2'").await.unwrap();
    admin.execute("CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").await.unwrap();
    let url = |user: &str, password: &str, name: &str| {
        cluster.url(name).replace("aftercall:secret", &format!("{user}:{password}"))
    };
    let table = [
        (
            url("aftercall", "secret9", "postgres"),
            "password authentication failed",
            "check the user and the password in [database] url",
        ),
        (
            url("nobody", "secret", "postgres"),
            "password authentication failed",
            "check the user and the password in [database] url",
        ),
        (
            url("aftercall", "secret", "nowhere"),
            "database \"nowhere\" does not exist",
            "make it: `CREATE DATABASE",
        ),
        (
            url("guest", "secret2", "postgres"),
            "permission denied for schema public",
            "let the user own it: `ALTER DATABASE",
        ),
        (
            url("aftercall", "secret", "postgres?sslmode=require"),
            "server does not support TLS",
            "check sslmode",
        ),
    ];
    for (url, why, remedy) in table {
        let (error, told) = refused(&url).await;
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        assert_eq!(error.next_move(), NextMove::GiveUp);
        assert!(told.starts_with("postgres://") && told.contains("@127.0.0.1:"), "{told}");
        assert!(told.contains(why) && told.contains(remedy), "{told}");
    }
    let (error, told) = refused(&url("aftercall", "secret", "narrow")).await;
    assert!(matches!(error, StoreError::NotOurs { why: "its encoding is not UTF8", .. }), "{error:?}");
    assert!(told.contains("make one for aftercall alone"), "{told}");
    let address = url("aftercall", "secret", "postgres");
    cluster.stop();
    let (error, told) = refused(&address).await;
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.next_move(), NextMove::Retry);
    assert!(told.contains("does not answer: Connection refused"), "{told}");
    assert!(told.contains("check that it runs, and the host and port in [database] url"), "{told}");
}

#[tokio::test]
async fn another_programs_database_and_one_of_a_later_version_are_left_alone() {
    let home = Home::on_postgres().await;
    home.run("CREATE TABLE photos (id INTEGER)").await;
    let (error, told) = refused(&home.url()).await;
    assert!(matches!(error, StoreError::NotOurs { why: "it holds another program's tables", .. }), "{told}");
    home.run("CREATE TABLE cc_schema (name TEXT)").await;
    assert!(matches!(refused(&home.url()).await.0, StoreError::NotOurs { .. }));
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    assert_eq!(home.sql(tables).await, ["cc_schema", "photos"]);

    let home = Home::on_postgres().await;
    home.open().await.close().await;
    home.run("UPDATE cc_schema SET version = 99").await;
    let (error, told) = refused(&home.url()).await;
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
    assert!(told.contains("run the newer aftercall"), "{told}");

    let home = Home::on_postgres().await;
    home.run("DROP SCHEMA public").await;
    let (error, told) = refused(&home.url()).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(told.contains("no schema has been selected"), "{told}");
}

#[tokio::test]
async fn a_row_that_is_none_of_ours_is_damage_and_a_lock_is_told_with_who_may_hold_it() {
    let home = Home::on_postgres().await;
    let store = home.open().await;
    store.write(&[post("c1 5", 0)]).await.unwrap();
    home.run("UPDATE cc_csat SET created_at = 'infinity'").await;
    let error = store.rating(&tenant(), &"c1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.next_move(), NextMove::GiveUp);
    let told = error.to_string();
    assert!(
        told.contains("damaged (a value of column created_at is none of ours); restore a backup"),
        "{told}"
    );
    let mut holder = home.connect_postgres().await;
    holder.execute("BEGIN; LOCK TABLE cc_csat_log").await.unwrap();
    let error = store.write(&[post("c2 5", 0)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert_eq!(error.next_move(), NextMove::Retry);
    assert!(error.to_string().contains("`SELECT pid, query FROM pg_stat_activity"), "{error}");
    holder.execute("ROLLBACK").await.unwrap();
    store.write(&[post("c2 5", 0)]).await.unwrap();
}
