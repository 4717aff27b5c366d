//! Storms of writes with repeats and collisions: batches of any size, one by one, and a naive
//! model that knows no database come to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aftercall_core::stats::{Tally, WeekStart};
use aftercall_core::{OfferState, TenantId};
use aftercall_store::{
    Actor, Answered, Change, RatedAt, RatingFilter, Replacement, Store, Subject, Tenant, Window, Write, Zone,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::clerk::{Clerk, Event};
use crate::harness::*;

on_both! {
    plain
    batches_of_any_size_one_write_at_a_time_and_a_careful_clerk_come_to_the_same,
    what_sessions_tell_and_what_is_posted_may_be_written_again_and_nothing_changes,
}

#[derive(Debug, Clone)]
enum Step {
    New(Event),
    /// An earlier event once more, to the last digit of its time.
    Again(prop::sample::Index),
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let (call, session, score) = (0..3_u8, 0..2_u8, 1..=5_u8);
    let ending = select(vec![
        OfferState::Completed,
        OfferState::Partial,
        OfferState::Abandoned,
        OfferState::NoInput,
        OfferState::Failed,
    ]);
    let words = || prop::option::weighted(0.4, select(vec!["x", "y"]));
    let days = || prop::option::weighted(0.3, select(vec![-86_400_i64, -172_800]));
    let given = (words(), words(), words(), days()).prop_map(|(comment, agent, queue, rated)| {
        let texts = [("comment", comment), ("agent", agent), ("queue", queue)];
        let rated = rated.map(|second| ("rated", second.to_string()));
        texts.into_iter().filter_map(|(name, text)| Some((name, text?.to_owned()))).chain(rated).collect()
    });
    let change = (select(vec!["comment", "agent", "queue"]), prop::option::of(select(vec!["x", "y"])));
    prop_oneof![
        2 => (call.clone(), session.clone(), any::<bool>())
            .prop_map(|(call, session, suppressed)| Event::Offered { call, session, suppressed }),
        1 => (call.clone(), session.clone()).prop_map(|(call, session)| Event::Started { call, session }),
        6 => (call.clone(), session.clone(), any::<bool>(), score.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(call, session, main, score, amends, completes)| {
                Event::Answered { call, session, main, score, amends, completes }
            }
        ),
        2 => (call.clone(), session, ending).prop_map(|(call, session, state)| Event::Ended { call, session, state }),
        5 => (call.clone(), score.clone(), given).prop_map(|(call, score, given)| Event::Posted { call, score, given }),
        2 => (call.clone(), score, prop::collection::vec(change, 0..3), days())
            .prop_map(|(call, score, changes, rated)| Event::Put { call, score, changes, rated }),
        1 => call.prop_map(|call| Event::Erased { call }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![5 => event().prop_map(Step::New), 1 => any::<prop::sample::Index>().prop_map(Step::Again)]
}

/// The events with their seconds, those that come again with their first ones.
fn timed(steps: &[Step]) -> Vec<(Event, i64)> {
    let mut all: Vec<(Event, i64)> = Vec::new();
    for (step, second) in steps.iter().zip(0..) {
        match step {
            Step::New(event) => all.push((event.clone(), second)),
            Step::Again(earlier) if !all.is_empty() => all.push(earlier.get(&all).clone()),
            Step::Again(_) => {}
        }
    }
    all
}

pub(crate) fn write_of(event: &Event, second: i64, tenant: &TenantId) -> Write {
    let of = |call: &u8, session: &u8| {
        let session = session_of(*call, *session);
        Arc::new(aftercall_store::Session { tenant: tenant.clone(), ..(*session).clone() })
    };
    match event {
        Event::Offered { call, session, suppressed: false } => offered(&of(call, session), second),
        Event::Offered { call, session, suppressed: true } => suppressed(&of(call, session), "busy", second),
        Event::Started { call, session } => started(&of(call, session), second),
        Event::Answered { call, session, main, score, amends, completes } => Write::Answered(Answered {
            main: *main,
            question: if *main { "rating" } else { "extra" }.to_owned(),
            amends: *amends,
            state: if *completes { OfferState::Completed } else { OfferState::Partial },
            ..answer(&of(call, session), *score, second)
        }),
        Event::Ended { call, session, state } => ended(&of(call, session), *state, Some("why"), second),
        Event::Posted { call, score, given } => {
            let words: String = given.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            let mut new = rating(&format!("c{call} {score}{words}"), second);
            new.tenant = tenant.clone();
            Write::Rate(new)
        }
        Event::Put { call, score: number, changes, rated } => {
            let changes: BTreeMap<&str, Option<&str>> = changes.iter().copied().collect();
            Write::Replace(Replacement {
                tenant: tenant.clone(),
                call: format!("c{call}").parse().unwrap(),
                score: score(*number),
                comment: change(&changes, "comment"),
                agent: change(&changes, "agent"),
                queue: change(&changes, "queue"),
                created_at: rated.map(|rated| RatedAt::new(at(rated), at(second)).unwrap()),
                key: Change::Keep,
                survey: Change::Keep,
                channel: Change::Keep,
                language: Change::Keep,
                actor: Actor::Keyless,
                at: at(second),
            })
        }
        Event::Erased { call } => {
            let Write::Erase(mut erasure) = erase(&format!("c{call}"), second) else { panic!() };
            erasure.tenant = tenant.clone();
            Write::Erase(erasure)
        }
    }
}

fn session_of(call: u8, id: u8) -> Arc<aftercall_store::Session> {
    session(&format!("c{call}"), &format!("s{id}"))
}

fn change<T: std::str::FromStr>(changes: &BTreeMap<&str, Option<&str>>, name: &str) -> Change<T> {
    match changes.get(name) {
        None => Change::Keep,
        Some(None) => Change::Clear,
        Some(Some(text)) => Change::Set(text.parse().unwrap_or_else(|_| panic!("{text}"))),
    }
}

/// A store shared by the cases of a test, each with tenants of its own.
struct Ground {
    store: Store,
    sql: Tool,
    _home: Home,
}

impl Ground {
    async fn new(kind: Kind) -> Self {
        let home = Home::on(kind).await;
        let store = home.open().await;
        let sql = home.tool().await;
        Self { store, sql, _home: home }
    }

    async fn tenant(&self) -> TenantId {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id: TenantId = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed)).parse().unwrap();
        let tenant =
            Tenant { id: id.clone(), time_zone: Zone::new("UTC").unwrap(), week_start: WeekStart::Monday };
        self.store.create_tenant(&tenant, at(0)).await.unwrap();
        id
    }

    async fn write(&self, events: &[(Event, i64)], tenant: &TenantId) -> Vec<String> {
        let writes: Vec<Write> =
            events.iter().map(|(event, second)| write_of(event, *second, tenant)).collect();
        self.store.write(&writes).await.unwrap().iter().map(told).collect()
    }

    async fn lines(&mut self, statement: &'static str, tenant: &TenantId) -> Vec<String> {
        let rows = self.sql.of_tenant(statement, tenant).await;
        rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
    }

    /// All that a tenant's tables hold, but for ids made here.
    async fn state(&mut self, tenant: &TenantId) -> Vec<String> {
        let mut all = self
            .lines("SELECT concat_ws('|', call_id, agent_id, queue_id, score, comment, created_at, key, session_id, question, revision, flags) FROM cc_csat WHERE tenant_id = $1 ORDER BY call_id", tenant)
            .await;
        all.extend(
            self.lines("SELECT concat_ws('|', call_id, question, session_id, score, value, answered_at) FROM cc_csat_answers WHERE tenant_id = $1 ORDER BY call_id, question", tenant).await,
        );
        all.extend(
            self.lines("SELECT concat_ws('|', call_id, session_id, state, reason, offered_at, started_at, '/', answered_at, '/', ended_at) FROM cc_csat_offers WHERE tenant_id = $1 ORDER BY call_id", tenant).await,
        );
        all
    }

    async fn log(&mut self, tenant: &TenantId) -> Vec<String> {
        self.lines("SELECT concat(call_id, ' ', op, ' ', revision, ' ', coalesce(CAST(old_score AS TEXT), '-'), ' ', coalesce(CAST(new_score AS TEXT), '-')) FROM cc_csat_log WHERE tenant_id = $1 ORDER BY log_id", tenant).await
    }

    /// What a rollup would hold: a line for each count in each bucket, the bucket first.
    async fn figures(&mut self, tenant: &TenantId) -> BTreeSet<String> {
        let lines = self
            .lines("SELECT concat(coalesce(queue_id, ''), ' ', substr(CAST(created_at AS TEXT), 1, 10), ': ', coalesce(agent_id, ''), ' ', score, ' ', COUNT(*)) FROM cc_csat WHERE tenant_id = $1 GROUP BY queue_id, substr(CAST(created_at AS TEXT), 1, 10), agent_id, score
                UNION ALL SELECT concat(coalesce(queue_id, ''), ' ', substr(CAST(offered_at AS TEXT), 1, 10), ': ', state, ' ', COUNT(*)) FROM cc_csat_offers WHERE tenant_id = $1 GROUP BY queue_id, substr(CAST(offered_at AS TEXT), 1, 10), state", tenant)
            .await;
        lines.into_iter().collect()
    }

    async fn marks(&mut self, tenant: &TenantId) -> Vec<String> {
        self.lines(
            "SELECT concat(queue_id, ' ', local_day) FROM cc_csat_mark WHERE tenant_id = $1 ORDER BY mark_id",
            tenant,
        )
        .await
    }
}

/// Runs cases in one runtime, as many as PROPTEST_CASES says (else few: each is dozens of commits).
fn storms(
    kind: Kind,
    strategy: impl Strategy<Value = (Vec<Step>, Vec<usize>)>,
    case: impl AsyncFn(&mut Ground, Vec<Step>, Vec<usize>),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ground = std::cell::RefCell::new(runtime.block_on(Ground::new(kind)));
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    config.failure_persistence = None;
    let outcome = TestRunner::new(config).run(&strategy, |(steps, sizes)| {
        runtime.block_on(case(&mut ground.borrow_mut(), steps, sizes));
        Ok(())
    });
    let ground = ground.into_inner();
    runtime.block_on(ground.store.close());
    drop(ground);
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Storms and the sizes of the batches they come in.
fn storm() -> impl Strategy<Value = (Vec<Step>, Vec<usize>)> {
    (prop::collection::vec(step(), 1..40), prop::collection::vec(1..12_usize, 40))
}

fn batches_of_any_size_one_write_at_a_time_and_a_careful_clerk_come_to_the_same(kind: Kind) {
    storms(kind, storm(), async |ground, steps, sizes| {
        let events = timed(&steps);
        let mut clerk = Clerk::default();
        let expected: Vec<String> =
            events.iter().map(|(event, second)| clerk.hears(event, *second)).collect();

        let (batched, single) = (ground.tenant().await, ground.tenant().await);
        let (mut in_batches, mut rest) = (Vec::new(), &events[..]);
        for size in sizes {
            let (batch, behind) = rest.split_at(size.min(rest.len()));
            let (figures, marks) = (ground.figures(&batched).await, ground.marks(&batched).await);
            in_batches.extend(ground.write(batch, &batched).await);
            let changed = ground
                .figures(&batched)
                .await
                .symmetric_difference(&figures)
                .map(|line| bucket(line))
                .collect::<BTreeSet<_>>();
            let marked: BTreeSet<String> =
                ground.marks(&batched).await.split_off(marks.len()).into_iter().collect();
            assert!(marked.is_superset(&changed), "{changed:?} changed, {marked:?} marked by {batch:?}");
            rest = behind;
        }
        let mut one_by_one = Vec::new();
        for event in &events {
            one_by_one.extend(ground.write(std::slice::from_ref(event), &single).await);
        }
        assert_eq!(in_batches, expected, "batches differ from the clerk over {events:?}");
        assert_eq!(one_by_one, expected, "single writes differ from the clerk over {events:?}");
        assert_eq!(ground.state(&batched).await, ground.state(&single).await);
        assert_eq!(ground.log(&batched).await, clerk.log);
        assert_eq!(ground.log(&single).await, clerk.log);
        as_the_clerk_has_it(&ground.store, &batched, &clerk).await;
    });
}

fn what_sessions_tell_and_what_is_posted_may_be_written_again_and_nothing_changes(kind: Kind) {
    storms(kind, storm(), async |ground, steps, _| {
        let mut events = timed(&steps);
        events.retain(|(event, _)| !matches!(event, Event::Put { .. } | Event::Erased { .. }));
        as_sessions_live(&mut events);
        let tenant = ground.tenant().await;
        let told = ground.write(&events, &tenant).await;
        let state = ground.state(&tenant).await;
        // What was refused is no repeat: since the session changed its mind it may say the same, and know more.
        let mut told = told.iter();
        events.retain(|(event, _)| {
            let is_refused = told.next().is_some_and(|told| told.starts_with("contradicts"));
            !(is_refused && matches!(event, Event::Posted { .. }))
        });
        ground.write(&events, &tenant).await;
        assert_eq!(ground.state(&tenant).await, state, "{events:?}");
    });
}

/// Leaves sessions as they are in life: offered first, and once, and silent behind their ending but for repeats of
/// what they said before.
fn as_sessions_live(events: &mut Vec<(Event, i64)>) {
    let (mut offers, mut over, mut unsaid) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    events.retain(|(event, second)| {
        let said = match event {
            Event::Offered { call, session, .. } => {
                *offers.entry((*call, *session)).or_insert(*second) == *second
            }
            Event::Started { call, session }
            | Event::Answered { call, session, .. }
            | Event::Ended { call, session, .. } => {
                let who = (*call, *session);
                offers.contains_key(&who) && over.get(&who).is_none_or(|over| second <= over)
            }
            Event::Posted { .. } | Event::Put { .. } | Event::Erased { .. } => true,
        };
        let said = said && !unsaid.contains(second);
        match event {
            Event::Ended { call, session, .. } if said => {
                over.entry((*call, *session)).or_insert(*second);
            }
            // Nor will it be repeated.
            _ if !said => {
                unsaid.insert(*second);
            }
            _ => {}
        }
        said
    });
}

fn bucket(line: &str) -> String {
    line.split_once(": ").unwrap().0.to_owned()
}

/// Every read of the store agrees with the clerk's cards.
async fn as_the_clerk_has_it(store: &Store, tenant: &TenantId, clerk: &Clerk) {
    let mut tallies: BTreeMap<Subject, [u64; 5]> = BTreeMap::new();
    for (call, card) in &clerk.cards {
        let id = format!("c{call}").parse().unwrap();
        let found = match store.rating(tenant, &id).await.unwrap() {
            aftercall_store::Found::Live(rating) => show(&rating),
            other => format!("{other:?}"),
        };
        assert_eq!(found, card.shown(*call));
        let offer = store.offer(tenant, &id).await.unwrap();
        assert_eq!(offer.as_ref().map_or("none".to_owned(), way), card.funnel());
        let answers = store.answers(tenant, &id).await.unwrap();
        let answers: BTreeMap<bool, (String, u8)> = answers
            .iter()
            .map(|a| (a.main, (a.session.as_str().to_owned(), a.score.unwrap().get())))
            .collect();
        let kept =
            card.answers.iter().map(|(main, (session, score, _))| (*main, (format!("s{session}"), *score)));
        assert_eq!(answers, kept.collect());
        if let Some((score, fields, _)) = &card.rating {
            let agent = fields.get("agent").map(|agent| Subject::Agent(agent.parse().unwrap()));
            let queue = fields.get("queue").map(|queue| Subject::Queue(queue.parse().unwrap()));
            for subject in [Some(Subject::Tenant), agent, queue].into_iter().flatten() {
                tallies.entry(subject).or_default()[usize::from(score - 1)] += 1;
            }
        }
    }
    for (subject, counts) in &tallies {
        let tally = store.tally(tenant, subject, &Window::default()).await.unwrap();
        assert_eq!(tally, Tally::new(*counts).unwrap(), "{subject:?}");
    }
    let live = clerk.cards.values().filter(|card| card.rating.is_some()).count();
    assert_eq!(store.ratings(tenant, &RatingFilter::default(), None, 100).await.unwrap().len(), live);
}
