//! Tenants, their calendars, and keys.

use aftercall_core::TenantId;
use aftercall_core::stats::WeekStart;
use aftercall_store::{
    BATCH_MAX, KeyHash, KeyUse, NewKey, QUEUES_MAX, Revoked, Role, StoreError, Tenant, TenantPut, Zone,
};

use crate::harness::*;

on_both! {
    a_fresh_database_has_the_default_tenant_in_utc,
    a_tenant_is_created_once_and_put_as_often_as_one_likes,
    every_touched_local_day_is_marked_and_of_a_move_both,
    a_tenant_that_changes_its_zone_has_every_day_marked_by_both_calendars,
    keys_of_every_role_come_back_as_they_were_created,
    a_key_is_its_tenants_alone,
    a_revoked_or_expired_key_works_no_longer,
    the_latest_use_of_a_key_is_noted_whatever_the_order,
    too_many_queues_or_uses_are_refused,
}

fn tenant_in(id: &str, zone: &str) -> Tenant {
    Tenant { id: id.parse().unwrap(), time_zone: Zone::new(zone).unwrap(), week_start: WeekStart::Monday }
}

fn key(tenant: &str, seed: u8, role: Role) -> NewKey {
    NewKey { tenant: tenant.parse().unwrap(), hash: KeyHash([seed; 32]), role, expires_at: None, at: at(0) }
}

async fn a_fresh_database_has_the_default_tenant_in_utc(home: Home) {
    let store = home.open().await;
    assert_eq!(store.tenants().await.unwrap(), [tenant_in("default", "UTC")]);
    assert_eq!(store.tenant(&TenantId::default()).await.unwrap(), Some(tenant_in("default", "UTC")));
    assert_eq!(store.tenant(&"other".parse().unwrap()).await.unwrap(), None);
}

async fn a_tenant_is_created_once_and_put_as_often_as_one_likes(home: Home) {
    let store = home.open().await;
    let (shanghai, berlin) = (tenant_in("acme", "Asia/Shanghai"), tenant_in("acme", "Europe/Berlin"));
    assert_eq!(store.create_tenant(&shanghai, at(0)).await, Ok(true));
    assert_eq!(store.create_tenant(&berlin, at(1)).await, Ok(false));
    assert_eq!(store.tenant(&shanghai.id).await.unwrap(), Some(shanghai.clone()));
    assert_eq!(store.put_tenant(&shanghai, at(2)).await, Ok(TenantPut::Same));
    assert_eq!(store.put_tenant(&berlin, at(3)).await, Ok(TenantPut::Changed));
    let sunday = Tenant { week_start: WeekStart::Sunday, ..berlin };
    assert_eq!(store.put_tenant(&sunday, at(4)).await, Ok(TenantPut::Changed));
    assert_eq!(store.put_tenant(&tenant_in("beta", "utc"), at(5)).await, Ok(TenantPut::New));
    let names: Vec<_> =
        store.tenants().await.unwrap().into_iter().map(|t| (t.id, t.time_zone.name().to_owned())).collect();
    let expected = [("acme", "Europe/Berlin"), ("beta", "UTC"), ("default", "UTC")];
    assert_eq!(names, expected.map(|(id, zone)| (id.parse().unwrap(), zone.to_owned())));
    assert_eq!(store.tenant(&sunday.id).await.unwrap(), Some(sunday));
}

#[test]
fn a_zone_that_iana_does_not_know_is_refused_by_name() {
    let refused = Zone::new("Mars/Olympus").unwrap_err().to_string();
    assert_eq!(
        refused,
        "\"Mars/Olympus\" is not the name of an IANA time zone, such as \"Europe/Berlin\" or \"UTC\""
    );
    assert!(Zone::new("").is_err());
    assert_eq!(Zone::new("asia/shanghai").unwrap().name(), "Asia/Shanghai");
}

const MARKS: &str = "SELECT DISTINCT queue_id, local_day FROM cc_csat_mark ORDER BY 1, 2";

async fn every_touched_local_day_is_marked_and_of_a_move_both(home: Home) {
    let store = home.open().await;
    store.put_tenant(&tenant_in("default", "America/New_York"), at(0)).await.unwrap();
    // 08:00 UTC is 03:00 in New York; five hours earlier it is still the day before.
    let told = write(
        &store,
        vec![
            post("c1 5 queue=q1", 0),
            post("c2 5 rated=-18000", 0),
            post("c1 5 queue=q1", 1),
            post("c1 4", 2),
        ],
    )
    .await;
    assert!(told[2].starts_with("same") && told[3].starts_with("contradicts"), "{told:?}");
    assert_eq!(home.sql(MARKS).await, [" 2026-11-21", "q1 2026-11-22"]);
    assert_eq!(home.sql("SELECT COUNT(*), COUNT(DISTINCT mark_id) FROM cc_csat_mark").await, ["2 2"]);
    let moved = aftercall_store::Replacement {
        tenant: tenant(),
        call: "c1".parse().unwrap(),
        score: score(5),
        comment: aftercall_store::Change::Keep,
        agent: aftercall_store::Change::Keep,
        queue: aftercall_store::Change::Set("q2".parse().unwrap()),
        created_at: Some(aftercall_store::RatedAt::new(at(-86_400), at(0)).unwrap()),
        key: aftercall_store::Change::Keep,
        survey: aftercall_store::Change::Keep,
        channel: aftercall_store::Change::Keep,
        language: aftercall_store::Change::Keep,
        actor: aftercall_store::Actor::Keyless,
        at: at(3),
    };
    store.write(&[aftercall_store::Write::Replace(moved), erase("c2", 4)]).await.unwrap();
    assert_eq!(
        home.sql("SELECT queue_id, local_day, COUNT(*) FROM cc_csat_mark GROUP BY 1, 2 ORDER BY 1, 2").await,
        [" 2026-11-21 2", "q1 2026-11-22 2", "q2 2026-11-21 1"]
    );
    // A comment moves no figure; an offer does.
    let before = home.sql("SELECT COUNT(*) FROM cc_csat_mark").await;
    store.write(&[post("c1 5 comment=later", 5)]).await.unwrap();
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat_mark").await, before);
    store.write(&[offered(&session("c9", "s1"), 6)]).await.unwrap();
    assert_eq!(
        home.sql("SELECT local_day FROM cc_csat_mark WHERE queue_id = 'q1' GROUP BY 1").await,
        ["2026-11-22"]
    );
    assert_ne!(home.sql("SELECT COUNT(*) FROM cc_csat_mark").await, before);
}

async fn a_tenant_that_changes_its_zone_has_every_day_marked_by_both_calendars(home: Home) {
    let store = home.open().await;
    store
        .write(&[post("c1 5 queue=q1 rated=-28800", 0), post("c2 5", 0), offered(&session("c3", "s1"), 1)])
        .await
        .unwrap();
    home.run("DELETE FROM cc_csat_mark").await;
    store.put_tenant(&tenant_in("default", "Pacific/Kiritimati"), at(2)).await.unwrap();
    // c1 was rated at midnight UTC, 14:00 in Kiritimati: its UTC day reaches into two there.
    assert_eq!(home.sql(MARKS).await, [" 2026-11-22", " 2026-11-23", "q1 2026-11-22", "q1 2026-11-23"]);
    let marks = home.sql("SELECT COUNT(*) FROM cc_csat_mark").await;
    let sunday = Tenant { week_start: WeekStart::Sunday, ..tenant_in("default", "Pacific/Kiritimati") };
    store.put_tenant(&sunday, at(3)).await.unwrap();
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat_mark").await, marks);
}

async fn keys_of_every_role_come_back_as_they_were_created(home: Home) {
    let store = home.open().await;
    assert_eq!(store.any_key().await, Ok(false));
    let roles = [
        Role::Ingest,
        Role::Agent("PJSIP/agent1001".parse().unwrap()),
        Role::Viewer,
        Role::Supervisor(vec!["q1".parse().unwrap(), "客服".parse().unwrap()]),
        Role::Supervisor(vec![]),
        Role::Admin,
    ];
    let mut created = Vec::new();
    for (role, seed) in roles.into_iter().zip(1..) {
        let new =
            NewKey { expires_at: Some(at(60)), at: at(seed.into()), ..key("default", seed, role.clone()) };
        let made = store.create_key(&new).await.unwrap().unwrap();
        assert_eq!((&made.role, &made.tenant, made.created_at), (&role, &tenant(), at(seed.into())));
        assert_eq!((made.expires_at, made.last_used_at, made.revoked_at), (Some(at(60)), None, None));
        assert_eq!(store.key_by_hash(&new.hash).await.unwrap().as_ref(), Some(&made));
        created.push(made);
    }
    assert_eq!(store.keys(&tenant()).await.unwrap(), created);
    assert_eq!(store.any_key().await, Ok(true));
    assert_eq!(store.key_by_hash(&KeyHash([99; 32])).await, Ok(None));
    assert_eq!(format!("{:?}", KeyHash([7; 32])), "KeyHash(…)");
}

async fn a_key_is_its_tenants_alone(home: Home) {
    let store = home.open().await;
    assert_eq!(store.create_key(&key("nobody", 1, Role::Admin)).await, Ok(None));
    store.create_tenant(&tenant_in("acme", "UTC"), at(0)).await.unwrap();
    let made = store.create_key(&key("acme", 2, Role::Admin)).await.unwrap().unwrap();
    assert_eq!(store.keys(&tenant()).await, Ok(vec![]));
    assert_eq!(store.revoke_key(&tenant(), made.id, at(1)).await, Ok(Revoked::Unknown));
    let theirs = KeyUse { tenant: tenant(), key: made.id, at: at(2) };
    store.keys_used(&[theirs]).await.unwrap();
    assert_eq!(store.keys(&made.tenant).await, Ok(vec![made]));
}

async fn a_revoked_or_expired_key_works_no_longer(home: Home) {
    let store = home.open().await;
    let new = NewKey { expires_at: Some(at(10)), ..key("default", 1, Role::Viewer) };
    let made = store.create_key(&new).await.unwrap().unwrap();
    assert_eq!((made.works(at(9)), made.works(at(10))), (true, false));
    assert_eq!(store.revoke_key(&tenant(), made.id, at(5)).await, Ok(Revoked::Now));
    assert_eq!(store.revoke_key(&tenant(), made.id, at(6)).await, Ok(Revoked::Before));
    let kept = store.key_by_hash(&new.hash).await.unwrap().unwrap();
    assert_eq!((kept.revoked_at, kept.works(at(5))), (Some(at(5)), false));
    assert_eq!(store.any_key().await, Ok(true), "a revoked key does not open the keyless door again");
}

async fn the_latest_use_of_a_key_is_noted_whatever_the_order(home: Home) {
    let store = home.open().await;
    let one = store.create_key(&key("default", 1, Role::Admin)).await.unwrap().unwrap().id;
    let two = store.create_key(&key("default", 2, Role::Admin)).await.unwrap().unwrap().id;
    let used = |key, second| KeyUse { tenant: tenant(), key, at: at(second) };
    store.keys_used(&[used(one, 5), used(one, 9), used(one, 7)]).await.unwrap();
    store.keys_used(&[used(one, 8), used(two, 1)]).await.unwrap();
    store.keys_used(&[]).await.unwrap();
    let last: Vec<_> =
        store.keys(&tenant()).await.unwrap().into_iter().map(|k| (k.id, k.last_used_at)).collect();
    assert!(last.contains(&(one, Some(at(9)))) && last.contains(&(two, Some(at(1)))), "{last:?}");
}

async fn too_many_queues_or_uses_are_refused(home: Home) {
    let store = home.open().await;
    let queues = vec!["q".parse().unwrap(); QUEUES_MAX + 1];
    let refused = store.create_key(&key("default", 1, Role::Supervisor(queues))).await;
    assert_eq!(refused, Err(StoreError::TooMany { what: "queues", given: QUEUES_MAX + 1, most: QUEUES_MAX }));
    let made = store.create_key(&key("default", 1, Role::Admin)).await.unwrap().unwrap();
    let uses = vec![KeyUse { tenant: tenant(), key: made.id, at: at(1) }; BATCH_MAX + 1];
    let refused = store.keys_used(&uses).await;
    assert_eq!(
        refused,
        Err(StoreError::TooMany { what: "uses of keys", given: BATCH_MAX + 1, most: BATCH_MAX })
    );
}
