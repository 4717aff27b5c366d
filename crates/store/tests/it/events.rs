//! What is told of what happened: the outbox of webhooks, live events, alerts.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::TenantId;
use aftercall_core::stats::ChartRule;
use aftercall_store::{
    Actor, Alert, Attempt, Change, Claimed, DeliveryState, Event, EventId, EventKind, NewRating, Outcome,
    Replacement, Store, Subscription, Write,
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::harness::*;

on_both! {
    each_change_is_put_down_for_whom_it_concerns_and_for_nobody_else,
    an_erasure_takes_back_what_was_not_sent_and_tells_only_itself,
    an_event_is_claimed_once_and_again_only_when_its_claimer_is_late,
    what_a_late_claimer_tells_changes_nothing,
    a_retry_and_a_replay_send_under_the_old_ids,
    history_that_was_brought_along_is_no_event,
    events_are_read_in_order_page_by_page_and_none_is_left_out,
    a_days_alerts_are_raised_once_and_stay,
    what_is_settled_is_forgotten_in_small_batches_and_what_waits_is_not,
}

fn subscription(webhook: &str, kinds: &[EventKind], queues: Option<&[&str]>) -> Subscription {
    Subscription {
        tenant: tenant(),
        webhook: webhook.parse().unwrap(),
        kinds: kinds.iter().copied().collect(),
        queues: queues.map(|queues| queues.iter().map(|queue| queue.parse().unwrap()).collect()),
        low_score: score(2),
    }
}

fn all_events(webhook: &str) -> Subscription {
    subscription(webhook, &EventKind::ALL, None)
}

fn put(call: &str, number: u8, second: i64) -> Write {
    Write::Replace(Replacement {
        tenant: tenant(),
        call: call.parse().unwrap(),
        score: score(number),
        comment: Change::Keep,
        agent: Change::Keep,
        queue: Change::Keep,
        created_at: None,
        key: Change::Keep,
        survey: Change::Keep,
        channel: Change::Keep,
        language: Change::Keep,
        actor: Actor::Keyless,
        at: at(second),
    })
}

/// An event as a line: its kind, its call, the score before and after.
fn line(event: &Event) -> String {
    let aftercall_store::EventSubject::Rating(rated) = &event.about else { return "alert".to_owned() };
    let number = |score: Option<aftercall_core::Score>| score.map_or(0, |score| score.get());
    let (before, after) = (number(rated.previous_score), number(rated.score));
    format!("{} {} {before}>{after} r{}", event.kind.word(), rated.call, rated.revision)
}

async fn claimed(store: &Store, to: &Subscription, second: i64) -> Vec<Claimed> {
    store.claim(to, at(second), at(second + 60), 100).await.unwrap()
}

fn lines(claimed: &[Claimed]) -> Vec<String> {
    claimed.iter().map(|claimed| line(&claimed.event)).collect()
}

fn attempt(claimed: &Claimed, outcome: Outcome) -> Attempt {
    let (status, reason) = (Some(200), None);
    Attempt { event: claimed.event.id, attempt: claimed.attempt, status, reason, outcome }
}

async fn settle(store: &Store, to: &Subscription, claimed: &[Claimed], outcome: Outcome, second: i64) {
    let attempts: Vec<Attempt> = claimed.iter().map(|claimed| attempt(claimed, outcome)).collect();
    store.settle(&to.tenant, &to.webhook, &attempts, at(second)).await.unwrap();
}

/// Every live event, as lines.
async fn told(store: &Store) -> Vec<String> {
    let page = store.events(&tenant(), EventId::FIRST, None, score(2), 500).await.unwrap();
    assert_eq!(page.next, None);
    page.events.iter().map(line).collect()
}

async fn each_change_is_put_down_for_whom_it_concerns_and_for_nobody_else(home: Home) {
    let all = all_events("all");
    let low = subscription("low", &[EventKind::RatingLow], None);
    let sales = subscription("sales", &EventKind::ALL, Some(&["sales"]));
    let elsewhere = Subscription { tenant: "acme".parse().unwrap(), ..all_events("all") };
    let store = home.open().await.telling(vec![all.clone(), low.clone(), sales.clone(), elsewhere.clone()]);
    let s1 = session("c9", "s1");
    let writes = [
        post("c1 5 queue=sales comment=secret", 0),
        post("c2 1 comment=secret", 1),
        post("c1 5 queue=sales agent=a1", 2),
        post("c1 4", 3),
        post("c1 5 queue=sales", 4),
        put("c1", 2, 5),
        answered(&s1, 5, 6),
        amended(&s1, 1, 7),
        // Refused, so nothing happened.
        answered(&session("c9", "s2"), 3, 8),
    ];
    store.write(&writes).await.unwrap();
    assert_eq!(
        lines(&claimed(&store, &all, 10).await),
        [
            "rating.created c1 0>5 r1",
            "rating.created c2 0>1 r1",
            "rating.low c2 0>1 r1",
            "rating.amended c1 5>5 r2",
            "rating.amended c1 5>2 r3",
            "rating.low c1 5>2 r3",
            "rating.created c9 0>5 r1",
            "rating.amended c9 5>1 r2",
            "rating.low c9 5>1 r2",
        ]
    );
    assert_eq!(
        lines(&claimed(&store, &low, 10).await),
        ["rating.low c2 0>1 r1", "rating.low c1 5>2 r3", "rating.low c9 5>1 r2"]
    );
    assert_eq!(
        lines(&claimed(&store, &sales, 10).await),
        [
            "rating.created c1 0>5 r1",
            "rating.amended c1 5>5 r2",
            "rating.amended c1 5>2 r3",
            "rating.low c1 5>2 r3",
        ]
    );
    assert!(claimed(&store, &elsewhere, 10).await.is_empty());
    // Whoever was not told to tell puts nothing down.
    let rows = home.sql("SELECT COUNT(*) FROM cc_outbox").await;
    home.open().await.write(&[post("c3 1", 9)]).await.unwrap();
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_outbox").await, rows);
}

async fn an_erasure_takes_back_what_was_not_sent_and_tells_only_itself(home: Home) {
    let hook = all_events("all");
    let store = home.open().await.telling(vec![hook.clone()]);
    store.write(&[post("c1 1 comment=secret", 0), post("c2 5", 1), post("c3 5", 1)]).await.unwrap();
    // One of its events is delivered, and one given up.
    let first = claimed(&store, &hook, 2).await;
    settle(&store, &hook, &first[..1], Outcome::Delivered, 3).await;
    settle(&store, &hook, &first[1..2], Outcome::Dead, 3).await;
    store.write(&[put("c1", 2, 4), erase("c1", 5), post("c4 1", 6), erase("c4", 6)]).await.unwrap();
    let states = "SELECT event, call_id, state FROM cc_outbox ORDER BY event_id";
    assert_eq!(
        home.sql(states).await,
        [
            "rating.created c1 delivered",
            "rating.created c2 waiting",
            "rating.created c3 waiting",
            "rating.deleted c1 waiting",
            "rating.deleted c4 waiting",
        ]
    );
    assert_eq!(
        told(&store).await,
        [
            "rating.created c2 0>5 r1",
            "rating.created c3 0>5 r1",
            "rating.deleted c1 2>0 r3",
            "rating.deleted c4 1>0 r2",
        ]
    );
    // What was delivered before is not sent again: there is nothing to say of it any more.
    store.retry(&hook.tenant, &hook.webhook, first[0].event.id, at(7)).await.unwrap().unwrap();
    assert_eq!(
        lines(&claimed(&store, &hook, 100).await),
        [
            "rating.deleted c1 2>0 r3",
            "rating.deleted c4 1>0 r2",
            "rating.created c2 0>5 r1",
            "rating.created c3 0>5 r1",
        ]
    );
    let gone =
        store.deliveries(&hook.tenant, &hook.webhook, Some(DeliveryState::Dead), None, 9).await.unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].reason.as_deref(), Some("the call was erased"));
    let kept = home.sql("SELECT webhook, event_id, event, call_id, state, reason FROM cc_outbox").await;
    assert!(!kept.concat().contains("secret"));
    // A call of which only answers were known is erased without a word.
    let s1 = session("c8", "s1");
    let answer = aftercall_store::Answered { main: false, ..answer(&s1, 5, 9) };
    store.write(&[Write::Answered(answer), erase("c8", 10)]).await.unwrap();
    assert!(!told(&store).await.concat().contains("c8"));
}

async fn an_event_is_claimed_once_and_again_only_when_its_claimer_is_late(home: Home) {
    let hook = all_events("all");
    let (one, other) = (home.open().await.telling(vec![hook.clone()]), home.open().await);
    let posts: Vec<Write> = (0..40).map(|n| post(&format!("c{n} 5"), 0)).collect();
    one.write(&posts).await.unwrap();
    let mut times: BTreeMap<EventId, u32> = BTreeMap::new();
    for _ in 0..10 {
        let (a, b) = tokio::join!(one.claim(&hook, at(1), at(61), 8), other.claim(&hook, at(1), at(61), 8));
        for claimed in a.unwrap().into_iter().chain(b.unwrap()) {
            assert_eq!(claimed.attempt, 1);
            *times.entry(claimed.event.id).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 40);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert!(other.claim(&hook, at(60), at(120), 100).await.unwrap().is_empty());
    let again = other.claim(&hook, at(61), at(121), 100).await.unwrap();
    assert_eq!(again.iter().map(|claimed| claimed.event.id).collect::<BTreeSet<_>>().len(), 40);
    assert!(again.iter().all(|claimed| claimed.attempt == 2));
}

async fn what_a_late_claimer_tells_changes_nothing(home: Home) {
    let hook = all_events("all");
    let store = home.open().await.telling(vec![hook.clone()]);
    store.write(&[post("c1 5", 0)]).await.unwrap();
    let late = claimed(&store, &hook, 1).await;
    let present = claimed(&store, &hook, 61).await;
    assert_eq!((late[0].attempt, present[0].attempt), (1, 2));
    settle(&store, &hook, &late, Outcome::Dead, 62).await;
    settle(&store, &hook, &present, Outcome::Again(at(200)), 63).await;
    assert!(claimed(&store, &hook, 199).await.is_empty());
    let third = claimed(&store, &hook, 200).await;
    assert_eq!(third[0].attempt, 3);
    settle(&store, &hook, &third, Outcome::Delivered, 201).await;
    settle(&store, &hook, &third, Outcome::Again(at(202)), 202).await;
    assert!(claimed(&store, &hook, 9_999).await.is_empty());
    let counts = store.delivered(&hook.tenant, &hook.webhook).await.unwrap();
    assert_eq!((counts.waiting, counts.dead, counts.last_delivered_at), (0, 0, Some(at(201))));
}

async fn a_retry_and_a_replay_send_under_the_old_ids(home: Home) {
    let hook = all_events("all");
    let store = home.open().await;
    // Before there was a webhook.
    store.write(&[post("c0 5", 0)]).await.unwrap();
    let store = store.telling(vec![hook.clone()]);
    store.write(&[post("c1 1", 10)]).await.unwrap();
    store.write(&[post("c2 5", 20)]).await.unwrap();
    let first = claimed(&store, &hook, 30).await;
    settle(&store, &hook, &first, Outcome::Delivered, 31).await;
    let retried = store.retry(&hook.tenant, &hook.webhook, first[1].event.id, at(32)).await.unwrap().unwrap();
    assert_eq!((retried.state, retried.attempts, retried.due_at), (DeliveryState::Waiting, 0, at(32)));
    assert_eq!(store.retry(&hook.tenant, &hook.webhook, EventId::at(at(7)), at(32)).await.unwrap(), None);
    let again = claimed(&store, &hook, 32).await;
    assert_eq!(lines(&again), ["rating.low c1 0>1 r1"]);
    assert_eq!((again[0].event.id, again[0].attempt), (first[1].event.id, 1));
    settle(&store, &hook, &again, Outcome::Dead, 33).await;

    let replayed = store.replay(&hook, EventId::at(at(0)), Some(at(20)), at(40)).await.unwrap();
    assert_eq!((replayed.events, replayed.next), (3, None));
    let again = claimed(&store, &hook, 40).await;
    assert_eq!(
        lines(&again),
        ["rating.created c0 0>5 r1", "rating.created c1 0>1 r1", "rating.low c1 0>1 r1"]
    );
    assert_eq!([again[1].event.id, again[2].event.id], [first[0].event.id, first[1].event.id]);
}

async fn history_that_was_brought_along_is_no_event(home: Home) {
    let hook = all_events("all");
    let store = home.open().await.telling(vec![hook.clone()]);
    let brought = NewRating { actor: Actor::Import, ..rating("c1 1", 0) };
    store.write(&[Write::Rate(brought), post("c2 5", 1)]).await.unwrap();
    assert_eq!(lines(&claimed(&store, &hook, 2).await), ["rating.created c2 0>5 r1"]);
    assert_eq!(told(&store).await, ["rating.created c2 0>5 r1"]);
    assert_eq!(home.sql("SELECT event, call_id FROM cc_outbox").await, ["rating.created c2"]);
    // What becomes of it here is one.
    store.write(&[put("c1", 2, 3)]).await.unwrap();
    assert_eq!(told(&store).await.last().unwrap(), "rating.amended c1 1>2 r2");
}

async fn events_are_read_in_order_page_by_page_and_none_is_left_out(home: Home) {
    let store = home.open().await;
    assert_eq!(store.behind_events(&tenant()).await.unwrap(), EventId::FIRST.next().next());
    let posts: Vec<Write> = (0..30).map(|n| post(&format!("c{n} {}", n % 5 + 1), n)).collect();
    store.write(&posts).await.unwrap();
    store.raise(&tenant(), "2026-11-21".parse().unwrap(), &[alert(ChartRule::Mean)], at(31)).await.unwrap();
    store.write(&[erase("c29", 32), erase("c28", 33)]).await.unwrap();
    let whole = store.events(&tenant(), EventId::FIRST, None, score(2), 500).await.unwrap().events;
    assert!(whole.is_sorted_by(|a, b| a.id < b.id));
    // 28 that are left, of each five the two low ones twice, an alert, and two erasures.
    assert_eq!(whole.len(), 28 + 12 + 1 + 2);
    for limit in [1, 2, 3, 7, 43] {
        let (mut events, mut from) = (Vec::new(), EventId::FIRST);
        loop {
            let page = store.events(&tenant(), from, None, score(2), limit).await.unwrap();
            events.extend(page.events);
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(events, whole, "{limit} at once");
    }
    for event in &whole {
        let rest = store.events(&tenant(), event.id.next(), None, score(2), 500).await.unwrap().events;
        assert_eq!(rest, whole[whole.iter().position(|e| e == event).unwrap() + 1..]);
    }
    let behind = store.behind_events(&tenant()).await.unwrap();
    assert!(whole.iter().all(|event| event.id < behind));
    assert!(store.events(&tenant(), behind, None, score(2), 9).await.unwrap().events.is_empty());
    assert!(
        store
            .events(&"acme".parse().unwrap(), EventId::FIRST, None, score(2), 9)
            .await
            .unwrap()
            .events
            .is_empty()
    );
}

fn alert(rule: ChartRule) -> Alert {
    Alert {
        queue: None,
        day: "2026-11-21".parse().unwrap(),
        rule,
        rating_count: 7,
        value: 1.25,
        centre: 4.1,
        limits: Some([3.2, 5.0]),
    }
}

async fn a_days_alerts_are_raised_once_and_stay(home: Home) {
    let hook = all_events("all");
    let sales = subscription("sales", &EventKind::ALL, Some(&["sales"]));
    let subscriptions = vec![hook.clone(), sales.clone()];
    let (one, other) =
        (home.open().await.telling(subscriptions.clone()), home.open().await.telling(subscriptions));
    let day = "2026-11-21".parse().unwrap();
    assert_eq!(one.last_alert_day(&tenant()).await.unwrap(), None);
    let of_sales =
        Alert { queue: Some("sales".parse().unwrap()), limits: None, ..alert(ChartRule::ShiftDown) };
    let alerts = [alert(ChartRule::Mean), of_sales.clone()];
    let tenant = tenant();
    let (a, b) =
        tokio::join!(one.raise(&tenant, day, &alerts, at(0)), other.raise(&tenant, day, &alerts, at(0)));
    let raised: Vec<Vec<Event>> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    assert_eq!(raised.len(), 1, "one of them raises");
    assert_eq!(one.raise(&tenant, day, &alerts, at(9)).await.unwrap(), None);
    assert_eq!(other.last_alert_day(&tenant).await.unwrap(), Some(day));
    let told = one.events(&tenant, EventId::FIRST, None, score(2), 9).await.unwrap().events;
    assert_eq!(told, raised[0]);
    assert_eq!(told[1].about, aftercall_store::EventSubject::Alert(of_sales));
    assert_eq!(claimed(&one, &hook, 1).await.len(), 2);
    assert_eq!(claimed(&one, &sales, 1).await.len(), 1);
}

async fn what_is_settled_is_forgotten_in_small_batches_and_what_waits_is_not(home: Home) {
    let hook = all_events("all");
    let store = home.open().await.telling(vec![hook.clone()]);
    for n in 0..10 {
        store.write(&[post(&format!("c{n} 5"), n)]).await.unwrap();
    }
    let all = claimed(&store, &hook, 20).await;
    settle(&store, &hook, &all[..6], Outcome::Delivered, 21).await;
    settle(&store, &hook, &all[6..8], Outcome::Dead, 21).await;
    let before = at(0) + SignedDuration::from_secs(5);
    let forget = async || store.forget(&hook.tenant, &hook.webhook, before, 3).await.unwrap();
    assert_eq!([forget().await, forget().await, forget().await], [3, 2, 0]);
    let left = store.deliveries(&hook.tenant, &hook.webhook, None, None, 99).await.unwrap();
    let left: Vec<&str> = left.iter().map(|delivery| delivery.state.word()).collect();
    assert_eq!(left, ["waiting", "waiting", "dead", "dead", "delivered"]);
    assert_eq!(store.forget(&hook.tenant, &hook.webhook, at(99), 50).await.unwrap(), 3);
    let page =
        store.deliveries(&hook.tenant, &hook.webhook, Some(DeliveryState::Waiting), None, 1).await.unwrap();
    assert_eq!(page[0].event, all[9].event.id);
    let page = store.deliveries(&hook.tenant, &hook.webhook, None, Some(page[0].event), 9).await.unwrap();
    assert_eq!(page.iter().map(|delivery| delivery.event).collect::<Vec<_>>(), [all[8].event.id]);
    let nobody: TenantId = "acme".parse().unwrap();
    assert!(store.deliveries(&nobody, &hook.webhook, None, None, 9).await.unwrap().is_empty());
}

/// What may happen to an outbox.
#[derive(Debug, Clone, Copy)]
enum Move {
    Happen,
    Claim(u16),
    Settle(usize, bool, bool),
    Retry(usize),
    Wait(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => Just(Move::Happen),
        3 => (1..4_u16).prop_map(Move::Claim),
        4 => (0..8_usize, any::<bool>(), any::<bool>()).prop_map(|(at, well, dead)| Move::Settle(at, well, dead)),
        1 => (0..8_usize).prop_map(Move::Retry),
        2 => (1..90_i64).prop_map(Move::Wait),
    ];
    proptest::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is claimed, forgotten, told late or told twice: an event that was neither delivered nor given up by
    /// whoever had it last is claimed in the end, and an attempt is one claimer's.
    #[test]
    fn no_event_is_lost_and_no_attempt_is_given_twice(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let hook = all_events("all");
            let store = home.open().await.telling(vec![hook.clone()]);
            let (mut now, mut happened, mut had, mut settled) = (0, 0, Vec::<Claimed>::new(), BTreeSet::new());
            let mut given = BTreeSet::new();
            for one in moves {
                match one {
                    Move::Happen => {
                        store.write(&[post(&format!("c{happened} 5"), now)]).await.unwrap();
                        happened += 1;
                    }
                    Move::Claim(most) => {
                        for claimed in store.claim(&hook, at(now), at(now + 60), most).await.unwrap() {
                            assert!(given.insert((claimed.event.id, claimed.attempt)), "{claimed:?} twice");
                            assert!(!settled.contains(&claimed.event.id), "{claimed:?} is settled");
                            had.push(claimed);
                        }
                    }
                    Move::Settle(at_place, well, dead) => {
                        let Some(claimed) = had.get(at_place) else { continue };
                        let outcome = match (well, dead) {
                            (true, _) => Outcome::Delivered,
                            (false, true) => Outcome::Dead,
                            (false, false) => Outcome::Again(at(now + 5)),
                        };
                        settle(&store, &hook, std::slice::from_ref(claimed), outcome, now).await;
                        let latest = had.iter().filter(|c| c.event.id == claimed.event.id).map(|c| c.attempt).max();
                        if latest == Some(claimed.attempt) && (well || dead) {
                            settled.insert(claimed.event.id);
                        }
                    }
                    Move::Retry(at_place) => {
                        let Some(claimed) = had.get(at_place) else { continue };
                        let id = claimed.event.id;
                        store.retry(&hook.tenant, &hook.webhook, id, at(now)).await.unwrap().unwrap();
                        settled.remove(&id);
                        // Attempts are counted anew.
                        had.retain(|claimed| claimed.event.id != id);
                        given.retain(|(event, _)| *event != id);
                    }
                    Move::Wait(seconds) => now += seconds,
                }
            }
            let rest = store.claim(&hook, at(now + 9_999), at(now + 99_999), 500).await.unwrap();
            let rest: BTreeSet<EventId> = rest.iter().map(|claimed| claimed.event.id).collect();
            assert!(rest.is_disjoint(&settled));
            assert_eq!(rest.len() + settled.len(), happened);
        });
    }
}
