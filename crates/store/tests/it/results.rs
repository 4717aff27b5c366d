//! What results say is what a recount of the ratings says, whatever was written meanwhile, however much of it has been
//! counted, and by whichever calendar.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aftercall_core::stats::calendar::day;
use aftercall_core::stats::{Tally, WeekStart};
use aftercall_core::{OfferState, TenantId};
use aftercall_store::{
    Actor, AgentFigures, Answered, By, Cell, Change, Figures, Funnel, Group, NewRating, Offered, Put,
    Question, Queues, RatedAt, RatingFilter, Replacement, Results, Revision, Session, Store, Tenant, Window,
    Write, Zone,
};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::harness::*;

on_both! {
    what_is_counted_is_read_from_what_is_kept,
}

on_both! {
    plain
    every_read_is_a_recount_whatever_is_written_and_however_far_the_counting_is,
}

/// Zones of the storm: with a summer time, without, half an hour aside, beyond the date line.
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"];

const DAY: i64 = 86_400;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Rate { call: u8, score: u8, agent: Option<u8>, queue: Option<u8>, days_ago: i64 },
    Move { call: u8, score: u8, agent: Option<u8>, queue: Option<u8>, days_ago: i64 },
    Revise { call: u8, score: u8, agent: Option<u8>, queue: Option<u8>, days_ago: i64, number: u32 },
    Erase { call: u8, is_history: bool },
    Session { call: u8, score: Option<u8>, queue: Option<u8>, state: OfferState },
    Suppress { call: u8, queue: Option<u8> },
    Zone(&'static str),
    CatchUp { times: u8, days_on: i64 },
    CatchUpWhollyAndRead,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let (call, score) = (0..24_u8, 1..=5_u8);
    let who = || prop::option::weighted(0.8, 0..3_u8);
    let states = vec![
        OfferState::Completed,
        OfferState::Abandoned,
        OfferState::NoInput,
        OfferState::Declined,
        OfferState::Failed,
    ];
    let given = (call.clone(), score.clone(), who(), who(), 0..100_i64);
    let given_again = given.clone();
    prop_oneof![
        8 => given.clone().prop_map(|(call, score, agent, queue, days_ago)| Step::Rate { call, score, agent, queue, days_ago }),
        3 => given.prop_map(|(call, score, agent, queue, days_ago)| Step::Move { call, score, agent, queue, days_ago }),
        2 => (given_again, 0..4_u32).prop_map(|((call, score, agent, queue, days_ago), number)| Step::Revise { call, score, agent, queue, days_ago, number }),
        1 => (call.clone(), any::<bool>()).prop_map(|(call, is_history)| Step::Erase { call, is_history }),
        3 => (call.clone(), prop::option::of(score), who(), select(states))
            .prop_map(|(call, score, queue, state)| Step::Session { call, score, queue, state }),
        1 => (call, who()).prop_map(|(call, queue)| Step::Suppress { call, queue }),
        1 => select(&ZONES[..]).prop_map(Step::Zone),
        4 => (1..4_u8, 0..60_i64).prop_map(|(times, days_on)| Step::CatchUp { times, days_on }),
        2 => Just(Step::CatchUpWhollyAndRead),
    ]
}

/// What was said at some time: the tables of ratings by group, over all time and by month, and agents in queues.
type Said = (Vec<Vec<Cell>>, Vec<AgentFigures>);

/// A tenant's storm that nobody looks at.
pub(crate) async fn raged(home: &Home, tenant: &str, steps: &[Step]) {
    let (store, mut sql) = (home.open().await, home.tool().await);
    let (tenant, zone) = (tenant.parse().unwrap(), Zone::new("UTC").unwrap());
    let said = BTreeMap::new();
    let mut storm = Storm { said, store: &store, sql: &mut sql, tenant, zone, second: 0 };
    store.create_tenant(&storm.as_tenant(), at(0)).await.unwrap();
    for step in steps {
        storm.take(step).await;
    }
    store.close().await;
}

/// One tenant's storm.
struct Storm<'a> {
    /// What was said when.
    said: BTreeMap<i64, Said>,
    store: &'a Store,
    sql: &'a mut Tool,
    tenant: TenantId,
    zone: Zone,
    second: i64,
}

impl Storm<'_> {
    async fn take(&mut self, step: &Step) {
        self.second += 1;
        match step {
            Step::Zone(name) => {
                self.zone = Zone::new(name).unwrap();
                self.store.put_tenant(&self.as_tenant(), at(self.second)).await.unwrap();
            }
            Step::CatchUp { times, days_on } => {
                for _ in 0..*times {
                    self.store.catch_up(&self.tenant, at(self.second + days_on * DAY)).await.unwrap();
                }
            }
            Step::CatchUpWhollyAndRead => {
                while !self.store.catch_up(&self.tenant, at(self.second + 40 * DAY)).await.unwrap().is_idle()
                {
                }
                let left = self.sql("SELECT COUNT(*) FROM cc_csat_mark WHERE tenant_id = $1").await;
                assert_eq!(left[0][0].as_deref(), Some("0"));
            }
            told => {
                let writes = self.writes(told);
                self.store.write(&writes).await.unwrap();
            }
        }
    }

    /// What is said now, in the order of names.
    async fn say(&self) -> Said {
        let (filter, mut tables) = (RatingFilter::default(), Vec::new());
        for (windows, group) in self.tables() {
            tables.push(self.store.tabulate(&self.tenant, &filter, &windows, group).await.unwrap());
        }
        let agents = self.ask(&Queues::All, &[], By::Nothing, Some(Window::default())).await.agents;
        in_order((tables, agents))
    }

    /// What was said then is what is read now of then, and of one agent, queue and score the same of less.
    async fn remember(&mut self) {
        for (second, said) in &self.said {
            let (store, tenant, then) = (self.store, &self.tenant, at(*second));
            let (filter, mut tables) = (RatingFilter::default(), Vec::new());
            for (windows, group) in self.tables() {
                tables.push(store.tabulate_then(tenant, &filter, &windows, group, then).await.unwrap());
            }
            let agents = store.agents_then(tenant, &filter, &Window::default(), then).await.unwrap();
            assert_eq!(in_order((tables, agents)), *said, "said at {second}, now it is {}", self.second);
            let narrow = RatingFilter {
                agent: Some("a1".parse().unwrap()),
                queues: Some(vec!["q0".parse().unwrap(), "q1".parse().unwrap()]),
                ..RatingFilter::default()
            };
            let of_agent = store.agents_then(tenant, &narrow, &Window::default(), then).await.unwrap();
            let is_of_it = |a: &&AgentFigures| {
                a.agent.as_str() == "a1"
                    && a.queue.as_ref().is_some_and(|q| ["q0", "q1"].contains(&q.as_str()))
            };
            assert!(in_order((vec![], of_agent)).1.iter().eq(said.1.iter().filter(is_of_it)));
            let fives = RatingFilter { score: Some(score(5)), ..RatingFilter::default() };
            let whole = [Window::default()];
            let told = store.tabulate_then(tenant, &fives, &whole, Group::Nothing, then).await.unwrap();
            let all = said.0[0].iter().map(|cell| cell.tally.counts()[4]).sum::<u64>();
            assert_eq!(told.iter().map(|cell| cell.tally.count()).sum::<u64>(), all);
        }
        // The earliest are the ones of which most has changed since.
        if self.said.len() < 4 {
            let now = self.say().await;
            self.said.insert(self.second, now);
        }
    }

    fn tables(&self) -> Vec<(Vec<Window>, Group)> {
        let months = self.windows().remove(1).1;
        let whole = vec![Window::default()];
        vec![(whole.clone(), Group::Nothing), (whole, Group::Queue), (months, Group::Agent)]
    }

    fn as_tenant(&self) -> Tenant {
        Tenant { id: self.tenant.clone(), time_zone: self.zone.clone(), week_start: WeekStart::Monday }
    }

    fn writes(&self, step: &Step) -> Vec<Write> {
        let name = |kind: &str, n: &Option<u8>| n.map(|n| format!("{kind}{n}"));
        match step {
            Step::Rate { call, score, agent, queue, days_ago } => {
                vec![Write::Rate(self.rating(*call, *score, [*agent, *queue], *days_ago))]
            }
            Step::Revise { call, score, agent, queue, days_ago, number } => {
                let rating = self.rating(*call, *score, [*agent, *queue], *days_ago);
                let rating = NewRating { actor: Actor::Import, ..rating };
                vec![Write::Revise(Revision { rating, number: *number })]
            }
            Step::Move { call, score: number, agent, queue, days_ago } => {
                fn change<T: std::str::FromStr>(to: Option<String>) -> Change<T> {
                    to.map_or(Change::Clear, |to| Change::Set(to.parse().unwrap_or_else(|_| panic!("{to}"))))
                }
                vec![Write::Replace(Replacement {
                    tenant: self.tenant.clone(),
                    call: format!("c{call}").parse().unwrap(),
                    score: score(*number),
                    comment: Change::Keep,
                    agent: change(name("a", agent)),
                    queue: change(name("q", queue)),
                    created_at: Some(
                        RatedAt::new(at(self.second - days_ago * DAY), at(self.second)).unwrap(),
                    ),
                    key: Change::Keep,
                    survey: Change::Keep,
                    channel: Change::Keep,
                    language: Change::Keep,
                    actor: Actor::Keyless,
                    at: at(self.second),
                })]
            }
            Step::Erase { call, is_history } => {
                let Write::Erase(mut erasure) = erase(&format!("c{call}"), self.second) else { panic!() };
                erasure.tenant = self.tenant.clone();
                erasure.actor = if *is_history { Actor::Import } else { erasure.actor };
                vec![Write::Erase(erasure)]
            }
            Step::Session { call, score: number, queue, state } => {
                let session = self.session(*call, name("q", queue));
                let mut writes = vec![offered(&session, self.second), started(&session, self.second)];
                writes.extend(number.map(|number| {
                    Write::Answered(Answered {
                        state: OfferState::Partial,
                        ..answer(&session, number, self.second)
                    })
                }));
                writes.push(ended(&session, *state, None, self.second));
                writes
            }
            Step::Suppress { call, queue } => {
                let session = self.session(*call, name("q", queue));
                let put = Put::Suppressed { reason: "busy".to_owned() };
                vec![Write::Offered(Offered { session, put, at: at(self.second) })]
            }
            Step::Zone(_) | Step::CatchUp { .. } | Step::CatchUpWhollyAndRead => Vec::new(),
        }
    }

    fn rating(&self, call: u8, score: u8, [agent, queue]: [Option<u8>; 2], days_ago: i64) -> NewRating {
        let word = |kind: &str, what: Option<u8>| {
            what.map(|n| format!(" {kind}={}{n}", &kind[..1])).unwrap_or_default()
        };
        let rated = self.second - days_ago * DAY;
        let text = format!("c{call} {score}{}{} rated={rated}", word("agent", agent), word("queue", queue));
        NewRating { tenant: self.tenant.clone(), ..rating(&text, self.second) }
    }

    fn session(&self, call: u8, queue: Option<String>) -> Arc<Session> {
        let mut session = (*session(&format!("c{call}"), &format!("s{}", self.second))).clone();
        session.tenant = self.tenant.clone();
        session.about.queue = queue.map(|queue| queue.parse().unwrap());
        Arc::new(session)
    }

    async fn sql(&mut self, statement: &str) -> Vec<Vec<Option<String>>> {
        self.sql.of_tenant(statement, &self.tenant).await
    }

    /// Everything that counts, as it lies in the tables.
    async fn raw(&mut self) -> Raw {
        let ratings =
            self.sql("SELECT queue_id, agent_id, score, created_at FROM cc_csat WHERE tenant_id = $1").await;
        let offers = self
            .sql("SELECT queue_id, state, started_at, answered_at, offered_at FROM cc_csat_offers WHERE tenant_id = $1")
            .await;
        let text = |row: &[Option<String>], at: usize| row[at].clone().unwrap();
        let time = |row: &[Option<String>], at: usize| text(row, at).parse().unwrap();
        Raw {
            ratings: ratings
                .iter()
                .map(|r| (r[0].clone(), r[1].clone(), text(r, 2).parse().unwrap(), time(r, 3)))
                .collect(),
            offers: offers
                .iter()
                .map(|r| (r[0].clone(), text(r, 1), r[2].is_some(), r[3].is_some(), time(r, 4)))
                .collect(),
        }
    }

    async fn ask(&self, queues: &Queues, windows: &[Window], by: By, agents: Option<Window>) -> Results {
        let question = Question { queues: queues.clone(), windows: windows.to_vec(), by, agents };
        self.store.results(&self.tenant, &question).await.unwrap()
    }

    /// Reads everything, and compares it with a recount.
    async fn compare(&mut self) {
        let raw = self.raw().await;
        for (what, windows) in self.windows() {
            for (queues, only) in [
                (Queues::All, None),
                (Queues::Only(vec!["q1".parse().unwrap()]), Some(vec!["q1"])),
                (Queues::Only(vec!["q0".parse().unwrap(), "q2".parse().unwrap()]), Some(vec!["q0", "q2"])),
            ] {
                for by in [By::Queue, By::Nothing] {
                    let told = self.ask(&queues, &windows, by, None).await.figures;
                    let told: BTreeMap<_, _> =
                        told.into_iter().map(|c| ((c.queue.map(name_of), c.period), c.figures)).collect();
                    assert_eq!(
                        told,
                        raw.figures(&only, &windows, by),
                        "{what} {only:?} {by:?} {}",
                        self.zone.name()
                    );
                }
                let filter = RatingFilter {
                    queues: only
                        .as_ref()
                        .map(|only| only.iter().map(|queue| queue.parse().unwrap()).collect()),
                    ..RatingFilter::default()
                };
                for group in [Group::Nothing, Group::Agent] {
                    let told = self.store.tabulate(&self.tenant, &filter, &windows, group).await.unwrap();
                    let told: BTreeMap<_, _> =
                        told.into_iter().map(|cell| ((cell.name, cell.period), cell.tally)).collect();
                    assert_eq!(told, raw.table(&only, &windows, group), "{what} {only:?} {group:?}");
                }
                for window in windows.iter().take(3) {
                    let told = self.ask(&queues, &[], By::Nothing, Some(*window)).await.agents;
                    let told: BTreeMap<_, _> = told
                        .into_iter()
                        .map(|a| ((name_of(a.queue), a.agent.to_string()), a.tally))
                        .collect();
                    assert_eq!(told, raw.agents(&only, window), "{what} {only:?} {window:?}");
                }
            }
        }
    }

    /// All time; months, weeks and days by the tenant's calendar; days of another zone; hours; cuts through days.
    fn windows(&self) -> Vec<(&'static str, Vec<Window>)> {
        let other = Zone::new("Asia/Kathmandu").unwrap();
        let between = |zone: &Zone, from: Date, to: Date| {
            let start = |date| Some(day(date, zone.rules()).span.start);
            Window { from: start(from), to: start(to) }
        };
        let each = |zone: &Zone, from: &str, step: Span, count: i32| {
            let first: Date = from.parse().unwrap();
            let nth = |n: i32| (0..n).fold(first, |date, _| date.saturating_add(step));
            (0..count).map(|n| between(zone, nth(n), nth(n + 1))).collect::<Vec<_>>()
        };
        let instant = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        vec![
            ("all time", vec![Window::default()]),
            ("months", each(&self.zone, "2026-07-01", Span::new().months(1), 6)),
            ("weeks", each(&self.zone, "2026-08-03", Span::new().days(7), 18)),
            ("days", each(&self.zone, "2026-10-20", Span::new().days(1), 40)),
            ("days elsewhere", each(&other, "2026-11-01", Span::new().days(1), 25)),
            (
                "cuts",
                vec![
                    Window { from: instant("2026-08-31T22:30:00Z"), to: instant("2026-10-25T01:00:00Z") },
                    Window { from: instant("2026-11-22T07:59:00Z"), to: instant("2026-11-22T08:00:30Z") },
                    Window { from: instant("2026-09-15T12:00:00Z"), to: None },
                    Window { from: None, to: instant("2026-09-15T12:00:00Z") },
                    Window { from: instant("2026-09-15T12:00:00Z"), to: instant("2026-09-15T12:00:00Z") },
                ],
            ),
        ]
    }
}

fn in_order((mut tables, mut agents): Said) -> Said {
    tables.iter_mut().for_each(|cells| cells.sort_by_key(|cell| (cell.period, cell.name.clone())));
    agents.sort_by_key(|of| (of.queue.clone(), of.agent.clone()));
    (tables, agents)
}

fn name_of(queue: Option<aftercall_core::QueueId>) -> String {
    queue.map(|queue| queue.to_string()).unwrap_or_default()
}

/// Rows as they are: queue, agent, score, time; queue, state, started, answered, time.
struct Raw {
    ratings: Vec<(Option<String>, Option<String>, i64, Timestamp)>,
    offers: Vec<(Option<String>, String, bool, bool, Timestamp)>,
}

fn within(window: &Window, at: Timestamp) -> bool {
    window.from.is_none_or(|from| from <= at) && window.to.is_none_or(|to| at < to)
}

fn wanted(only: &Option<Vec<&str>>, queue: &Option<String>) -> bool {
    only.as_ref().is_none_or(|only| queue.as_ref().is_some_and(|queue| only.contains(&queue.as_str())))
}

impl Raw {
    fn figures(
        &self,
        only: &Option<Vec<&str>>,
        windows: &[Window],
        by: By,
    ) -> BTreeMap<(Option<String>, usize), Figures> {
        let mut all: BTreeMap<(Option<String>, usize), ([u64; 5], Funnel)> = BTreeMap::new();
        for (place, window) in windows.iter().enumerate() {
            let group = |queue: &Option<String>| {
                ((by == By::Queue).then(|| queue.clone().unwrap_or_default()), place)
            };
            for (queue, _, score, at) in &self.ratings {
                if within(window, *at) && wanted(only, queue) {
                    all.entry(group(queue)).or_default().0[*score as usize - 1] += 1;
                }
            }
            for (queue, state, started, answered, at) in &self.offers {
                if !within(window, *at) || !wanted(only, queue) {
                    continue;
                }
                let funnel = &mut all.entry(group(queue)).or_default().1;
                funnel.started += u64::from(*started);
                funnel.answered += u64::from(*answered);
                funnel.offered += u64::from(state != "suppressed");
                let of_state = match state.as_str() {
                    "suppressed" => &mut funnel.suppressed,
                    "completed" => &mut funnel.completed,
                    "declined" => &mut funnel.declined,
                    "abandoned" => &mut funnel.abandoned,
                    "no_input" => &mut funnel.no_input,
                    "failed" => &mut funnel.failed,
                    _ => continue,
                };
                *of_state += 1;
            }
        }
        let figures = |(counts, funnel)| Figures { tally: Tally::new(counts).unwrap(), funnel };
        all.into_iter().map(|(group, sums)| (group, figures(sums))).collect()
    }

    fn table(
        &self,
        only: &Option<Vec<&str>>,
        windows: &[Window],
        group: Group,
    ) -> BTreeMap<(Option<String>, usize), Tally> {
        let mut all: BTreeMap<(Option<String>, usize), [u64; 5]> = BTreeMap::new();
        for (place, window) in windows.iter().enumerate() {
            for (queue, agent, score, at) in &self.ratings {
                if within(window, *at) && wanted(only, queue) {
                    let name = agent.clone().filter(|_| group == Group::Agent);
                    all.entry((name, place)).or_default()[*score as usize - 1] += 1;
                }
            }
        }
        all.into_iter().map(|(cell, counts)| (cell, Tally::new(counts).unwrap())).collect()
    }

    fn agents(&self, only: &Option<Vec<&str>>, window: &Window) -> BTreeMap<(String, String), Tally> {
        let mut all: BTreeMap<(String, String), [u64; 5]> = BTreeMap::new();
        for (queue, agent, score, at) in &self.ratings {
            if let (Some(agent), true, true) = (agent, within(window, *at), wanted(only, queue)) {
                all.entry((queue.clone().unwrap_or_default(), agent.clone())).or_default()
                    [*score as usize - 1] += 1;
            }
        }
        all.into_iter().map(|(who, counts)| (who, Tally::new(counts).unwrap())).collect()
    }
}

fn every_read_is_a_recount_whatever_is_written_and_however_far_the_counting_is(kind: Kind) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = runtime.block_on(Home::on(kind));
    let (store, sql) = runtime.block_on(async { (home.open().await, home.tool().await) });
    let sql = tokio::sync::Mutex::new(sql);
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 24;
    }
    let steps = prop::collection::vec(step(), 1..40);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let id = format!("r{}", COUNT.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let mut sql = sql.lock().await;
            let (tenant, zone) = (id.parse::<TenantId>().unwrap(), Zone::new("UTC").unwrap());
            let said = BTreeMap::new();
            let mut storm = Storm { said, store: &store, sql: &mut sql, tenant, zone, second: 0 };
            store.create_tenant(&storm.as_tenant(), at(0)).await.unwrap();
            for (number, step) in steps.iter().enumerate() {
                storm.take(step).await;
                if number % 5 == 4 || matches!(step, Step::CatchUpWhollyAndRead | Step::Zone(_)) {
                    storm.compare().await;
                    storm.remember().await;
                }
            }
            storm.compare().await;
            storm.remember().await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn what_is_counted_is_read_from_what_is_kept(home: Home) {
    let store = home.open().await;
    store
        .write(&[post("c1 5 agent=a1 queue=q1 rated=-5184000", 0), post("c2 3 agent=a1 queue=q1", 1)])
        .await
        .unwrap();
    while !store.catch_up(&tenant(), at(2)).await.unwrap().is_idle() {}
    // Somebody changes the ratings behind our back: what is kept does not know.
    home.sql("DELETE FROM cc_csat").await;
    let whole = Window::default();
    let question =
        Question { queues: Queues::All, windows: vec![whole], by: By::Nothing, agents: Some(whole) };
    let results = store.results(&tenant(), &question).await.unwrap();
    assert_eq!(results.figures[0].figures.tally.counts(), [0, 0, 1, 0, 1]);
    let agents = results.agents[0].tally.counts();
    assert_eq!(agents, [0, 0, 0, 0, 1], "the month that is over is kept, the present one is not");
    assert_eq!(store.ratings(&tenant(), &RatingFilter::default(), None, 9).await.unwrap().len(), 0);
}
