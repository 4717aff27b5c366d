//! Lists, tallies and their windows.

use aftercall_core::OfferState;
use aftercall_core::stats::Tally;
use aftercall_store::{
    By, PAGE_MAX, QUEUES_MAX, Question, Queues, RANGES_MAX, RatingCursor, RatingFilter, Store, StoreError,
    Subject, Window, Write,
};

use crate::harness::*;

on_both! {
    open_offers_are_those_whose_session_may_still_speak_page_after_page,
    a_list_is_newest_first_and_every_filter_narrows_it,
    pages_of_any_size_add_up_to_the_whole_list_whatever_is_written_meanwhile,
    tallies_count_a_subjects_ratings_from_the_first_instant_until_just_before_the_last,
    a_trend_has_a_tally_for_each_range_in_their_order_the_empty_ones_too,
    a_queues_agents_come_with_their_tallies_and_ratings_of_nobody_are_left_out,
    more_than_a_bound_is_refused_with_the_bound,
}

/// Six ratings: call, second, agent, queue, score, as they stand in [`filled`].
const RATINGS: [&str; 6] = [
    "c1 5 agent=a1 queue=q1 language=en rated=1",
    "c2 4 agent=a1 queue=q2 language=zh rated=2",
    "c3 1 agent=a2 queue=q1 channel=web rated=3",
    "c4 3 agent=a2 queue=q1 survey=s rated=3",
    "c5 5 queue=q1 rated=4",
    "c6 2 agent=a1 rated=5",
];

async fn filled(home: &Home) -> Store {
    let store = home.open().await;
    let writes: Vec<Write> = RATINGS.iter().map(|text| post(text, 60)).collect();
    store.write(&writes).await.unwrap();
    store
}

async fn open_offers_are_those_whose_session_may_still_speak_page_after_page(home: Home) {
    let store = home.open().await;
    let open = usize::from(PAGE_MAX) + 2;
    let mut writes: Vec<Write> =
        (0..open).map(|n| offered(&session(&format!("o{n:05}"), "s1"), n as i64 / 3)).collect();
    let over = session("over", "s1");
    writes.extend([offered(&over, 0), started(&over, 1), ended(&over, OfferState::Abandoned, None, 2)]);
    writes.push(suppressed(&session("suppressed", "s1"), "busy", 0));
    for batch in writes.chunks(aftercall_store::BATCH_MAX) {
        store.write(batch).await.unwrap();
    }
    let first = store.open_offers(&tenant(), None).await.unwrap();
    assert_eq!(first.len(), usize::from(PAGE_MAX));
    let rest = store.open_offers(&tenant(), first.last()).await.unwrap();
    let calls: Vec<&str> = first.iter().chain(&rest).map(|offer| offer.call.as_str()).collect();
    assert_eq!(calls, (0..open).map(|n| format!("o{n:05}")).collect::<Vec<_>>());
    assert_eq!(store.open_offers(&"other".parse().unwrap(), None).await, Ok(vec![]));
}

async fn a_list_is_newest_first_and_every_filter_narrows_it(home: Home) {
    let store = filled(&home).await;
    let queues = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
    let all = RatingFilter::default;
    let table = [
        (all(), "c6 c5 c4 c3 c2 c1"),
        (RatingFilter { agent: Some("a1".parse().unwrap()), ..all() }, "c6 c2 c1"),
        (RatingFilter { agent: Some("nobody".parse().unwrap()), ..all() }, ""),
        (RatingFilter { queues: queues(&["q1"]), ..all() }, "c5 c4 c3 c1"),
        (RatingFilter { queues: queues(&["q2", "q1", "q2"]), ..all() }, "c5 c4 c3 c2 c1"),
        (RatingFilter { queues: queues(&[]), ..all() }, ""),
        (RatingFilter { agent: Some("a1".parse().unwrap()), queues: queues(&["q1", "q9"]), ..all() }, "c1"),
        (RatingFilter { agent: Some("a1".parse().unwrap()), queues: queues(&[]), ..all() }, ""),
        (RatingFilter { score: Some(score(5)), ..all() }, "c5 c1"),
        (RatingFilter { survey: Some("s".parse().unwrap()), ..all() }, "c4"),
        (RatingFilter { channel: Some("web".parse().unwrap()), ..all() }, "c3"),
        (RatingFilter { language: Some("zh".parse().unwrap()), ..all() }, "c2"),
        (RatingFilter { window: window(Some(2), Some(4)), ..all() }, "c4 c3 c2"),
        (RatingFilter { window: window(Some(5), None), ..all() }, "c6"),
        (RatingFilter { window: window(None, Some(2)), queues: queues(&["q1", "q2"]), ..all() }, "c1"),
        (RatingFilter { window: window(Some(4), Some(2)), ..all() }, ""),
    ];
    for (filter, expected) in table {
        let page = store.ratings(&tenant(), &filter, None, 10).await.unwrap();
        // c3 and c4 are of one instant, in whose order their ids decide.
        let mut calls: Vec<String> = page.iter().map(|r| r.call.to_string()).collect();
        if let Some(first) =
            calls.iter().position(|call| call == "c3").filter(|n| calls.get(n + 1).is_some_and(|c| c == "c4"))
        {
            calls.swap(first, first + 1);
        }
        assert_eq!(calls.join(" "), expected, "{filter:?}");
        assert!(page.is_sorted_by_key(|r| std::cmp::Reverse((r.created_at, r.id))), "{filter:?}");
    }
    let other = store.ratings(&"other".parse().unwrap(), &all(), None, 10).await.unwrap();
    assert_eq!(other, vec![]);
}

async fn pages_of_any_size_add_up_to_the_whole_list_whatever_is_written_meanwhile(home: Home) {
    let store = filled(&home).await;
    let filters = [
        RatingFilter::default(),
        RatingFilter {
            queues: Some(vec!["q1".parse().unwrap(), "q2".parse().unwrap()]),
            ..Default::default()
        },
        RatingFilter { window: window(Some(2), Some(5)), ..Default::default() },
    ];
    for (n, filter) in filters.iter().enumerate() {
        for limit in 1..=4 {
            let whole = store.ratings(&tenant(), filter, None, PAGE_MAX).await.unwrap();
            let mut pages = Vec::new();
            let mut after: Option<RatingCursor> = None;
            for _ in 0..=whole.len() {
                let page = store.ratings(&tenant(), filter, after.as_ref(), limit).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(RatingCursor::from(last));
                pages.extend(page);
                // Newer than all: no page that follows is moved by it.
                store.write(&[post(&format!("new{n}{limit}{} 1 queue=q1", pages.len()), 99)]).await.unwrap();
            }
            assert_eq!(pages, whole, "{filter:?} by {limit}");
        }
    }
    assert_eq!(store.ratings(&tenant(), &filters[0], None, 0).await.unwrap(), vec![]);
}

async fn tallies_count_a_subjects_ratings_from_the_first_instant_until_just_before_the_last(home: Home) {
    let store = filled(&home).await;
    let agent = |name: &str| Subject::Agent(name.parse().unwrap());
    let queue = |name: &str| Subject::Queue(name.parse().unwrap());
    let agent_in = |name: &str, queues: &[&str]| {
        Subject::AgentIn(name.parse().unwrap(), queues.iter().map(|q| q.parse().unwrap()).collect())
    };
    let table = [
        (Subject::Tenant, window(None, None), [1, 1, 1, 1, 2]),
        (Subject::Tenant, window(Some(2), Some(4)), [1, 0, 1, 1, 0]),
        (agent("a1"), window(None, None), [0, 1, 0, 1, 1]),
        (agent("a1"), window(Some(2), None), [0, 1, 0, 1, 0]),
        (agent("a1"), window(None, Some(2)), [0, 0, 0, 0, 1]),
        (agent("a1"), window(Some(3), Some(2)), [0; 5]),
        (agent("nobody"), window(None, None), [0; 5]),
        (queue("q1"), window(None, None), [1, 0, 1, 0, 2]),
        (queue("q2"), window(None, None), [0, 0, 0, 1, 0]),
        (agent_in("a1", &["q1", "q2"]), window(None, None), [0, 0, 0, 1, 1]),
        (agent_in("a1", &["q2", "q2"]), window(None, None), [0, 0, 0, 1, 0]),
        (agent_in("a1", &[]), window(None, None), [0; 5]),
    ];
    for (subject, window, expected) in table {
        let tally = store.tally(&tenant(), &subject, &window).await.unwrap();
        assert_eq!(tally.counts(), expected, "{subject:?} {window:?}");
        let other = store.tally(&"other".parse().unwrap(), &subject, &window).await.unwrap();
        assert_eq!(other, Tally::default());
    }
}

async fn a_trend_has_a_tally_for_each_range_in_their_order_the_empty_ones_too(home: Home) {
    let store = filled(&home).await;
    let ranges = [at(3)..at(6), at(0)..at(1), at(1)..at(2), at(2)..at(2), at(0)..at(60)];
    let tallies = store.tallies(&tenant(), &Subject::Agent("a1".parse().unwrap()), &ranges).await.unwrap();
    let counts: Vec<[u64; 5]> = tallies.iter().map(Tally::counts).collect();
    assert_eq!(counts, [[0, 1, 0, 0, 0], [0; 5], [0, 0, 0, 0, 1], [0; 5], [0, 1, 0, 1, 1]]);
    assert_eq!(store.tallies(&tenant(), &Subject::Tenant, &[]).await.unwrap(), vec![]);
}

async fn a_queues_agents_come_with_their_tallies_and_ratings_of_nobody_are_left_out(home: Home) {
    let store = filled(&home).await;
    let agents = |window| {
        let store = store.clone();
        async move {
            let queues = Queues::Only(vec!["q1".parse().unwrap()]);
            let question = Question { queues, windows: Vec::new(), by: By::Nothing, agents: Some(window) };
            let agents = store.results(&tenant(), &question).await.unwrap().agents;
            agents.iter().map(|of| (of.agent.to_string(), of.tally.counts())).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        agents(window(None, None)).await,
        [("a1".to_owned(), [0, 0, 0, 0, 1]), ("a2".to_owned(), [1, 0, 1, 0, 0])]
    );
    assert_eq!(agents(window(Some(2), None)).await, [("a2".to_owned(), [1, 0, 1, 0, 0])]);
    assert_eq!(agents(window(Some(4), None)).await, []);
}

async fn more_than_a_bound_is_refused_with_the_bound(home: Home) {
    let store = filled(&home).await;
    let queues = vec!["q1".parse().unwrap(); QUEUES_MAX + 1];
    let too_many = |what, most: usize| StoreError::TooMany { what, given: most + 1, most };
    let filter = RatingFilter { queues: Some(queues.clone()), ..Default::default() };
    assert_eq!(store.ratings(&tenant(), &filter, None, 1).await, Err(too_many("queues", QUEUES_MAX)));
    let subject = Subject::AgentIn("a1".parse().unwrap(), queues);
    assert_eq!(
        store.tally(&tenant(), &subject, &window(None, None)).await,
        Err(too_many("queues", QUEUES_MAX))
    );
    let ranges = vec![at(0)..at(1); RANGES_MAX + 1];
    assert_eq!(
        store.tallies(&tenant(), &Subject::Tenant, &ranges).await,
        Err(too_many("ranges", RANGES_MAX))
    );
    assert_eq!(store.tallies(&tenant(), &Subject::Tenant, &ranges[1..]).await.unwrap().len(), RANGES_MAX);
}

fn window(from: Option<i64>, to: Option<i64>) -> Window {
    Window { from: from.map(at), to: to.map(at) }
}
