//! What sessions tell: the funnel and the answers of engine.md.

use aftercall_core::OfferState;
use aftercall_store::{Answered, Flag, Said, Write};

use crate::harness::*;

on_both! {
    a_session_leaves_a_rating_an_answer_and_a_funnel_with_all_its_times,
    hearing_a_whole_session_twice_changes_nothing,
    a_call_fills_in_what_the_api_did_not_know_when_both_say_the_same,
    a_session_may_amend_its_rating_until_it_ends_and_not_after,
    what_another_session_or_the_api_said_is_never_overwritten_and_the_refusal_is_logged,
    a_late_or_repeated_event_never_moves_a_funnel_back,
    a_call_that_came_to_nothing_may_be_offered_once_more_and_one_that_answered_may_not,
    of_two_sessions_of_a_call_at_once_the_one_that_was_answered_is_the_one_that_counts,
    answers_beside_the_rating_are_kept_amended_and_repeated_by_themselves,
    a_calls_figures_are_those_of_the_session_that_has_it_and_come_back_as_they_were,
}

const ABOUT: &str = "survey=csat-survey version=3 channel=phone language=zh session=s1 question=rating";

async fn a_session_leaves_a_rating_an_answer_and_a_funnel_with_all_its_times(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let told = write(
        &store,
        vec![
            offered(&s1, 0),
            started(&s1, 1),
            answered(&s1, 5, 7),
            ended(&s1, OfferState::Completed, None, 9),
        ],
    )
    .await;
    let line = format!("c1 5 agent=a1 queue=q1 rated=7 key=1 {ABOUT} r1");
    assert_eq!(told, ["Recorded", "Recorded", &format!("new: {line}"), "Recorded"]);
    assert_eq!(found(&store, "c1").await, line);
    assert_eq!(funnel(&store, "c1").await, "completed - s1 0 1 7 9");
    let answers = store.answers(&tenant(), &"c1".parse().unwrap()).await.unwrap();
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.question.as_str(), answer.session.as_str()), ("rating", "s1"));
    assert_eq!((answer.score, answer.key.map(|key| key.char())), (Some(score(5)), Some('1')));
    assert_eq!((answer.value.expose(), answer.main, answer.answered_at), ("label 5", true, at(7)));
}

async fn hearing_a_whole_session_twice_changes_nothing(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let all = [
        offered(&s1, 0),
        started(&s1, 1),
        answered(&s1, 1, 2),
        amended(&s1, 4, 3),
        amended(&s1, 2, 4),
        ended(&s1, OfferState::Completed, None, 5),
    ];
    store.write(&all).await.unwrap();
    let (rating, way) = (found(&store, "c1").await, funnel(&store, "c1").await);
    let again: Vec<String> = store.write(&all).await.unwrap().iter().map(told).collect();
    let same = format!("same: {rating}");
    assert_eq!(again, ["AlreadyHad", "AlreadyHad", &same, &same, &same, "AlreadyHad"]);
    assert_eq!((found(&store, "c1").await, funnel(&store, "c1").await), (rating, way));
    assert_eq!(
        home.sql("SELECT op, revision, old_score, new_score, actor FROM cc_csat_log ORDER BY log_id").await,
        ["created 1 - 1 session:s1", "amended 2 1 4 session:s1", "amended 3 4 2 session:s1"]
    );
}

async fn a_call_fills_in_what_the_api_did_not_know_when_both_say_the_same(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let mut flagged = answer(&session("c2", "s2"), 4, 3);
    flagged.flags.insert(Flag::SameCaller);
    let told = write(
        &store,
        vec![
            post("c1 4 agent=a9", 0),
            answered(&s1, 4, 1),
            answered(&s1, 4, 2),
            Write::Answered(flagged),
            post("c3 5", 4),
            answered(&session("c3", "s3"), 4, 5),
        ],
    )
    .await;
    assert!(told[1].starts_with("filled: c1 4 agent=a9 queue=q1"), "{}", told[1]);
    assert!(told[2].starts_with("same: "), "{}", told[2]);
    assert!(told[5].starts_with("contradicts: c3 5"), "{}", told[5]);
    let flags = "SELECT call_id, flags, revision FROM cc_csat ORDER BY call_id";
    assert_eq!(home.sql(flags).await, ["c1 no_call 2", "c2 same_caller 1", "c3 no_call 1"]);
}

async fn a_session_may_amend_its_rating_until_it_ends_and_not_after(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let told = write(
        &store,
        vec![
            offered(&s1, 0),
            answered(&s1, 1, 1),
            amended(&s1, 5, 2),
            ended(&s1, OfferState::Completed, None, 3),
            amended(&s1, 3, 4),
        ],
    )
    .await;
    // The rating counts when it was first given.
    let line = format!("c1 5 agent=a1 queue=q1 rated=1 key=1 {ABOUT} r2");
    assert_eq!(told[2], format!("amended: {line}"));
    assert_eq!(told[4], format!("contradicts: {line}"));
    assert_eq!(found(&store, "c1").await, line);
    assert_eq!(
        home.sql("SELECT op, revision, old_score, new_score, reason FROM cc_csat_log ORDER BY log_id").await,
        ["created 1 - 1 -", "amended 2 1 5 -", "conflict 2 5 3 session_ended"]
    );
}

async fn what_another_session_or_the_api_said_is_never_overwritten_and_the_refusal_is_logged(home: Home) {
    let store = home.open().await;
    let (s1, s2) = (session("c1", "s1"), session("c1", "s2"));
    let told = write(
        &store,
        vec![
            answered(&s1, 5, 0),
            answered(&s2, 1, 1),
            answered(&s2, 5, 2),
            amended(&s2, 2, 3),
            post("c2 5", 4),
            answered(&session("c2", "s1"), 2, 5),
            answered(&session("c2", "s1"), 5, 6),
        ],
    )
    .await;
    let line = format!("c1 5 agent=a1 queue=q1 rated=0 key=1 {ABOUT} r1");
    assert_eq!(told[1], format!("contradicts: {line}"));
    assert_eq!(told[2], format!("same: {line}"));
    assert_eq!(told[3], format!("contradicts: {line}"));
    assert_eq!(told[5], "contradicts: c2 5 rated=4 flags=no_call r1");
    // What is not an amendment does not change the session's own answer either.
    assert_eq!(told[6], "same: c2 5 rated=4 flags=no_call r1");
    assert_eq!(
        home.sql(
            "SELECT call_id, op, old_score, new_score, actor, reason FROM cc_csat_log
             WHERE op = 'conflict' ORDER BY log_id"
        )
        .await,
        [
            "c1 conflict 5 1 session:s2 rated_in_other_session",
            "c1 conflict 5 2 session:s2 rated_in_other_session",
            "c2 conflict 5 2 session:s1 rated_through_api",
        ]
    );
    // The answer itself, which the caller did give, is kept beside the API's rating.
    assert_eq!(
        home.sql("SELECT call_id, session_id, score FROM cc_csat_answers ORDER BY call_id").await,
        ["c1 s1 5", "c2 s1 2"]
    );
}

async fn a_late_or_repeated_event_never_moves_a_funnel_back(home: Home) {
    let store = home.open().await;
    // The events of one session in any order that a PBX may repeat them, and where that leads.
    let table = [
        ("o s", "started - s1 0 1 - -"),
        ("o s o", "started - s1 0 1 - -"),
        ("o s s s", "started - s1 0 1 - -"),
        ("o s p", "partial - s1 0 1 2 -"),
        ("o s p s o", "partial - s1 0 1 2 -"),
        ("o s p c p", "completed - s1 0 1 2 -"),
        ("o s p c e", "completed - s1 0 1 2 4"),
        ("o s c a", "completed - s1 0 1 2 3"),
        ("o s p a", "partial - s1 0 1 2 3"),
        ("o s p f", "failed rtp_timeout s1 0 1 2 3"),
        ("o s a e", "abandoned - s1 0 1 - 2"),
        ("o s a f", "abandoned - s1 0 1 - 2"),
        ("o s a o s p", "abandoned - s1 0 1 5 2"),
        ("o a", "abandoned - s1 0 - - 1"),
        ("o f", "failed rtp_timeout s1 0 - - 1"),
        ("x", "suppressed busy s1 0 - - -"),
        ("x o", "suppressed busy s1 0 - - -"),
        ("x x", "suppressed busy s1 0 - - -"),
        ("o x", "offered - s1 0 - - -"),
        // Of an offer that was lost on the way, the rest still counts.
        ("s", "started - s1 0 0 - -"),
        ("c", "completed - s1 0 - 0 -"),
        ("s c e o", "completed - s1 0 0 1 2"),
    ];
    for (row, (events, expected)) in table.into_iter().enumerate() {
        let call = format!("c{row}");
        let s1 = session(&call, "s1");
        let writes = events.split(' ').zip(0..).map(|(event, second)| match event {
            "o" => offered(&s1, second),
            "x" => suppressed(&s1, "busy", second),
            "s" => started(&s1, second),
            "p" => other_answer(&answer(&s1, 3, second), "first", OfferState::Partial),
            "c" => other_answer(&answer(&s1, 3, second), "second", OfferState::Completed),
            "e" => ended(&s1, OfferState::Completed, None, second),
            "a" => ended(&s1, OfferState::Abandoned, None, second),
            "f" => ended(&s1, OfferState::Failed, Some("rtp_timeout"), second),
            _ => panic!("{event}"),
        });
        write(&store, writes.collect()).await;
        assert_eq!(funnel(&store, &call).await, expected, "{events}");
    }
}

async fn a_call_that_came_to_nothing_may_be_offered_once_more_and_one_that_answered_may_not(home: Home) {
    let store = home.open().await;
    let (s1, s2) = (session("c1", "s1"), session("c1", "s2"));
    // Suppressed, then tried: the try counts, unless it is of the same instant, and a late repeat of
    // the first word changes nothing.
    write(&store, vec![suppressed(&s1, "busy", 0), offered(&s2, 0)]).await;
    assert_eq!(funnel(&store, "c1").await, "suppressed busy s1 0 - - -");
    write(&store, vec![offered(&s2, 5), suppressed(&s1, "busy", 0)]).await;
    assert_eq!(funnel(&store, "c1").await, "offered - s2 5 - - -");
    // While it lasts, and once it has an answer, no other session takes it over.
    let told = write(
        &store,
        vec![
            offered(&s1, 6),
            started(&s1, 7),
            started(&s2, 7),
            ended(&s1, OfferState::Abandoned, None, 8),
            answered(&s2, 4, 8),
            ended(&s2, OfferState::Completed, None, 9),
            offered(&s1, 10),
        ],
    )
    .await;
    assert_eq!(told[..4], ["AlreadyHad", "OtherSession", "Recorded", "OtherSession"]);
    assert_eq!(told[6], "AlreadyHad");
    assert_eq!(funnel(&store, "c1").await, "completed - s2 5 7 8 9");
    // Hung up before any answer, then called again; suppressing the second try says nothing new.
    let (s3, s4, s5) = (session("c2", "s3"), session("c2", "s4"), session("c2", "s5"));
    let told = write(
        &store,
        vec![
            offered(&s3, 0),
            ended(&s3, OfferState::Abandoned, None, 2),
            suppressed(&s4, "throttled", 3),
            offered(&s5, 4),
            offered(&s3, 0),
        ],
    )
    .await;
    assert_eq!(told, ["Recorded", "Recorded", "AlreadyHad", "Recorded", "AlreadyHad"]);
    assert_eq!(funnel(&store, "c2").await, "offered - s5 4 - - -");
}

async fn of_two_sessions_of_a_call_at_once_the_one_that_was_answered_is_the_one_that_counts(home: Home) {
    let store = home.open().await;
    let (s1, s2) = (session("c1", "s1"), session("c1", "s2"));
    let told = write(
        &store,
        vec![
            offered(&s1, 0),
            started(&s1, 1),
            // The first caller vanished without a word; the PBX called again.
            offered(&s2, 2),
            started(&s2, 3),
            answered(&s2, 4, 4),
            ended(&s1, OfferState::NoInput, None, 5),
            ended(&s2, OfferState::Completed, None, 6),
            answered(&s1, 1, 7),
        ],
    )
    .await;
    assert_eq!(told[5..7], ["OtherSession", "Recorded"]);
    assert_eq!(funnel(&store, "c1").await, "completed - s2 0 1 4 6");
    // Also where the first was over by the time of the answer, but not of the offer.
    let (s3, s4) = (session("c2", "s3"), session("c2", "s4"));
    let all = vec![
        offered(&s3, 0),
        offered(&s4, 1),
        ended(&s3, OfferState::Abandoned, None, 2),
        answered(&s4, 4, 3),
        ended(&s4, OfferState::Completed, None, 4),
    ];
    write(&store, all).await;
    assert_eq!(funnel(&store, "c2").await, "completed - s4 0 3 3 4");
}

async fn answers_beside_the_rating_are_kept_amended_and_repeated_by_themselves(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let nps = |number, second| Answered {
        question: "nps".to_owned(),
        key: None,
        score: None,
        value: Said::new(format!("{number}")),
        main: false,
        state: OfferState::Completed,
        ..answer(&s1, 1, second)
    };
    let told = write(
        &store,
        vec![
            answered(&s1, 1, 0),
            Write::Answered(nps(5, 1)),
            Write::Answered(nps(5, 1)),
            Write::Answered(nps(7, 2)),
            Write::Answered(Answered { amends: true, ..nps(9, 3) }),
            Write::Answered(Answered { amends: true, ..nps(8, 2) }),
            Write::Answered(Answered { session: session("c1", "s2"), ..nps(0, 4) }),
            ended(&s1, OfferState::Completed, None, 5),
            Write::Answered(Answered { amends: true, ..nps(1, 6) }),
        ],
    )
    .await;
    assert_eq!(
        told[1..],
        [
            "Recorded",
            "AlreadyHad",
            "AlreadyHad",
            "Recorded",
            "AlreadyHad",
            "OtherSession",
            "Recorded",
            "AlreadyHad"
        ]
    );
    assert_eq!(
        home.sql("SELECT question, score, value, main FROM cc_csat_answers ORDER BY question").await,
        ["nps - 9 0", "rating 1 label 1 1"]
    );
}

async fn a_calls_figures_are_those_of_the_session_that_has_it_and_come_back_as_they_were(home: Home) {
    let store = home.open().await;
    let (s1, s2) = (session("c1", "s1"), session("c1", "s2"));
    let c1 = "c1".parse().unwrap();
    assert_eq!(store.quality(&tenant(), &c1).await, Ok(None));
    let told = write(
        &store,
        vec![
            offered(&s1, 0),
            measured(&s2, 90, None, 1),
            measured(&s1, 100, Some(7), 2),
            ended(&s1, OfferState::Abandoned, None, 2),
        ],
    )
    .await;
    assert_eq!(told, ["Recorded", "OtherSession", "Recorded", "Recorded"]);
    let Write::Measured(wanted) = measured(&s1, 100, Some(7), 2) else { unreachable!() };
    assert_eq!(store.quality(&tenant(), &c1).await, Ok(Some(wanted.quality)));
    let row = ["default c1 s1 100 97 3 2 1 1500 9000 7 4000 - 435"];
    assert_eq!(home.sql("SELECT * FROM cc_csat_quality").await, row);
    // Heard again; then the call is tried once more, with another end.
    write(&store, vec![measured(&s1, 100, Some(7), 3)]).await;
    assert_eq!(home.sql("SELECT * FROM cc_csat_quality").await, row);
    write(&store, vec![offered(&s2, 100_000), measured(&s2, 50, None, 100_001)]).await;
    let after = home.sql("SELECT session_id, packets_expected, peer_jitter_us FROM cc_csat_quality").await;
    let held = home.sql("SELECT session_id FROM cc_csat_offers").await;
    assert_eq!(after, [if held == ["s2"] { "s2 50 -" } else { "s1 100 4000" }]);
}

/// The same answer to another question that is not the main one.
fn other_answer(answer: &Answered, question: &str, state: OfferState) -> Write {
    Write::Answered(Answered { question: question.to_owned(), main: false, state, ..answer.clone() })
}
