//! POST, PUT and DELETE: csat.md 2.4, line by line.

use aftercall_store::{
    Actor, Change, Comment, Erasure, Flag, NewRating, Replacement, Revision, Write, Written,
};

use crate::harness::*;

on_both! {
    a_post_is_new_or_repeats_or_fills_or_contradicts_the_stored_rating,
    a_rating_keeps_its_id_and_time_through_every_change,
    a_put_changes_what_it_names_and_clears_what_it_nulls_and_the_log_keeps_the_old_score,
    a_put_that_names_another_survey_forgets_the_version_of_the_old_one,
    what_was_erased_is_gone_for_good_and_the_log_keeps_no_word_of_the_caller,
    erasing_takes_answers_along_even_where_no_rating_was_given,
    who_is_for_some_queues_reaches_no_other_rating_by_posting_or_erasing,
    a_rating_for_a_call_nobody_reported_is_flagged_and_one_for_a_reported_call_is_not,
    texts_come_back_exactly_as_they_were_given,
    another_tenants_call_of_the_same_name_is_another_call,
    revisions_from_elsewhere_come_to_the_same_in_whatever_order_they_arrive,
}

async fn a_post_is_new_or_repeats_or_fills_or_contradicts_the_stored_rating(home: Home) {
    let store = home.open().await;
    // What is stored, what is posted a minute later, what comes of it. Every stored rating here
    // came through the API for a call nobody reported, so has the flag.
    let table = [
        // The same again.
        ("5", "5", "same: 5 rated=0"),
        (
            "5 comment=good agent=a1 queue=q1",
            "5 comment=good agent=a1 queue=q1",
            "same: 5 comment=good agent=a1 queue=q1 rated=0",
        ),
        ("5 rated=-9", "5 rated=-9", "same: 5 rated=-9"),
        // Absent in what is posted: not asked about.
        (
            "5 comment=good agent=a1 key=1 survey=s channel=web language=en",
            "5",
            "same: 5 comment=good agent=a1 rated=0 key=1 survey=s channel=web language=en",
        ),
        // Absent in what is stored: filled in.
        ("5", "5 agent=a1", "filled: 5 agent=a1 rated=0"),
        ("5 agent=a1", "5 agent=a1 comment=good", "filled: 5 comment=good agent=a1 rated=0"),
        (
            "5",
            "5 comment=c agent=a queue=q key=# survey=s channel=web language=en",
            "filled: 5 comment=c agent=a queue=q rated=0 key=# survey=s channel=web language=en",
        ),
        // Anything given that differs: contradicts, and nothing is filled in.
        ("5", "4", "contradicts: 5 rated=0"),
        ("5", "4 agent=a1", "contradicts: 5 rated=0"),
        ("5 agent=a1", "5 agent=a2 comment=good", "contradicts: 5 agent=a1 rated=0"),
        ("5 queue=q1", "5 agent=a1 queue=q2", "contradicts: 5 queue=q1 rated=0"),
        ("5 comment=good", "5 comment=Good", "contradicts: 5 comment=good rated=0"),
        ("5 key=1", "5 key=2", "contradicts: 5 rated=0 key=1"),
        ("5 survey=s", "5 survey=t", "contradicts: 5 rated=0 survey=s"),
        ("5 channel=web", "5 channel=sms", "contradicts: 5 rated=0 channel=web"),
        ("5 language=en", "5 language=en-gb", "contradicts: 5 rated=0 language=en"),
        ("5", "5 rated=1", "contradicts: 5 rated=0"),
        ("5 rated=-9", "5 rated=-8", "contradicts: 5 rated=-9"),
    ];
    for (row, (stored, posted, expected)) in table.into_iter().enumerate() {
        let call = format!("c{row}");
        let first = write(&store, vec![post(&format!("{call} {stored}"), 0)]).await;
        assert!(first[0].starts_with(&format!("new: {call} ")), "{first:?}");
        let second = write(&store, vec![post(&format!("{call} {posted}"), 60)]).await;
        let (word, line) = expected.split_once(": ").unwrap();
        let revision = if word == "filled" { 2 } else { 1 };
        let line = format!("{call} {line} flags=no_call r{revision}");
        assert_eq!(second, [format!("{word}: {line}")], "{stored:?}, then {posted:?}");
        assert_eq!(found(&store, &call).await, line);
    }
}

async fn a_rating_keeps_its_id_and_time_through_every_change(home: Home) {
    let store = home.open().await;
    let Written::New(first) = store.write(&[post("c1 5", 0)]).await.unwrap().remove(0) else { panic!() };
    assert_eq!(first.id.to_string().len(), 36);
    // The id is made of the time of arrival: its first 48 bits are milliseconds.
    let millis = u64::from_str_radix(&first.id.to_string().replace('-', "")[..12], 16).unwrap();
    assert_eq!(i64::try_from(millis).unwrap(), at(0).as_millisecond());
    let filled = store.write(&[post("c1 5 agent=a1", 9)]).await.unwrap().remove(0);
    let replaced = store.write(&[put("c1", 2, |_| {}, 10)]).await.unwrap().remove(0);
    let (Written::Filled(filled), Written::Replaced(replaced)) = (filled, replaced) else { panic!() };
    assert_eq!((filled.id, filled.created_at), (first.id, first.created_at));
    assert_eq!((replaced.id, replaced.created_at), (first.id, first.created_at));
}

async fn a_put_changes_what_it_names_and_clears_what_it_nulls_and_the_log_keeps_the_old_score(home: Home) {
    let store = home.open().await;
    write(&store, vec![post("c1 5 comment=good agent=a1 queue=q1 key=1 language=en", 0)]).await;
    let told = write(
        &store,
        vec![
            put("c1", 2, |_| {}, 1),
            put("c1", 2, |_| {}, 2),
            put(
                "c1",
                2,
                |p| {
                    p.comment = Change::Clear;
                    p.agent = Change::Set("a2".parse().unwrap());
                },
                3,
            ),
            put("c2", 2, |_| {}, 4),
        ],
    )
    .await;
    assert_eq!(
        told,
        [
            "replaced: c1 2 comment=good agent=a1 queue=q1 rated=0 key=1 language=en flags=no_call r2",
            "same: c1 2 comment=good agent=a1 queue=q1 rated=0 key=1 language=en flags=no_call r2",
            "replaced: c1 2 agent=a2 queue=q1 rated=0 key=1 language=en flags=no_call r3",
            "Absent",
        ]
    );
    assert_eq!(
        home.sql("SELECT call_id, op, revision, agent_id, old_score, new_score, actor FROM cc_csat_log ORDER BY log_id").await,
        [
            "c1 created 1 a1 - 5 keyless",
            "c1 replaced 2 a1 5 2 keyless",
            "c1 replaced 3 a2 2 2 keyless",
        ]
    );
}

async fn a_put_that_names_another_survey_forgets_the_version_of_the_old_one(home: Home) {
    let store = home.open().await;
    let told = write(
        &store,
        vec![
            answered(&session("c1", "s1"), 4, 0),
            put("c1", 4, |p| p.survey = Change::Set("other".parse().unwrap()), 1),
        ],
    )
    .await;
    assert_eq!(
        told[1],
        "replaced: c1 4 agent=a1 queue=q1 rated=0 key=2 survey=other channel=phone language=zh session=s1 question=rating r2"
    );
}

async fn what_was_erased_is_gone_for_good_and_the_log_keeps_no_word_of_the_caller(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let told = write(
        &store,
        vec![
            erase("c1", 0),
            answered(&s1, 4, 1),
            post("c1 4 comment=secret", 2),
            erase("c1", 3),
            erase("c1", 4),
            post("c1 4", 5),
            post("c1 1 agent=a9", 6),
            put("c1", 3, |_| {}, 7),
            answered(&s1, 4, 8),
            amended(&s1, 5, 9),
            erase("c2", 10),
        ],
    )
    .await;
    assert_eq!(&told[3..], ["Erased label 4", "Gone", "Gone", "Gone", "Gone", "Gone", "Gone", "Absent"]);
    assert_eq!(told[0], "Absent");
    assert_eq!(found(&store, "c1").await, "Erased");
    assert_eq!(found(&store, "c2").await, "Never");
    assert_eq!(store.answers(&tenant(), &"c1".parse().unwrap()).await.unwrap(), vec![]);
    assert_eq!(home.sql("SELECT * FROM cc_csat").await, Vec::<String>::new());
    // Nowhere in the file either, nor in the log that runs ahead of it, while the server goes on.
    let Home::Folder(_) = home else { return };
    for file in [home.path(), home.path().with_extension("db-wal")] {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"), "{}", file.display());
    }
}

async fn erasing_takes_answers_along_even_where_no_rating_was_given(home: Home) {
    let store = home.open().await;
    let s1 = session("c1", "s1");
    let mut nps = answer(&s1, 5, 1);
    (nps.question, nps.main) = ("nps".to_owned(), false);
    let told = write(&store, vec![Write::Answered(nps), erase("c1", 2), post("c1 5", 3)]).await;
    assert_eq!(told, ["Recorded", "Erased label 5", "Gone"]);
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat_answers").await, ["0"]);
}

async fn who_is_for_some_queues_reaches_no_other_rating_by_posting_or_erasing(home: Home) {
    let store = home.open().await;
    let of_sales = |write: Write| match write {
        Write::Rate(new) => Write::Rate(NewRating { within: Some(vec!["sales".parse().unwrap()]), ..new }),
        Write::Erase(old) => Write::Erase(Erasure { within: Some(vec!["sales".parse().unwrap()]), ..old }),
        other => other,
    };
    let s1 = session("c3", "s1");
    let mut nps = answer(&s1, 5, 1);
    (nps.question, nps.main) = ("nps".to_owned(), false);
    let told = write(
        &store,
        vec![
            post("c1 5 comment=secret", 0),
            post("c2 5 queue=sales", 0),
            Write::Answered(nps),
            of_sales(post("c1 5 queue=sales", 1)),
            of_sales(post("c1 4", 2)),
            of_sales(erase("c1", 3)),
            of_sales(erase("c3", 3)),
            of_sales(post("c2 5 agent=a1", 4)),
            of_sales(erase("c2", 5)),
            of_sales(erase("c2", 6)),
        ],
    )
    .await;
    assert_eq!(told[3..7], ["OutOfReach", "OutOfReach", "Absent", "Absent"]);
    assert!(told[7].starts_with("filled: c2 5"), "{}", told[7]);
    assert_eq!(told[8..], ["Erased", "Gone"]);
    assert_eq!(home.sql("SELECT call_id, queue_id, comment FROM cc_csat").await, ["c1 - secret"]);
}

async fn a_rating_for_a_call_nobody_reported_is_flagged_and_one_for_a_reported_call_is_not(home: Home) {
    let store = home.open().await;
    let mut noticed = rating("c3 5", 3);
    noticed.flags.insert(Flag::Burst);
    let told = write(
        &store,
        vec![
            offered(&session("c1", "s1"), 0),
            post("c1 5", 1),
            suppressed(&session("c2", "s1"), "busy", 0),
            post("c2 5", 2),
            Write::Rate(noticed),
            offered(&session("c3", "s1"), 4),
        ],
    )
    .await;
    assert_eq!(told[1], "new: c1 5 rated=1 r1");
    assert_eq!(told[3], "new: c2 5 rated=2 r1");
    assert_eq!(told[4], "new: c3 5 rated=3 flags=no_call,burst r1");
    assert_eq!(found(&store, "c3").await, "c3 5 rated=3 flags=no_call,burst r1");
}

async fn texts_come_back_exactly_as_they_were_given(home: Home) {
    let store = home.open().await;
    let mut all: Vec<String> = [
        "",
        " ",
        "\u{1}\u{7f}\r\n\t",
        "'; DROP TABLE cc_csat; --",
        "\\ \" {\"a\":[1]} \\u0041 null",
        "非常满意 🙂👨\u{200d}👩\u{200d}👧",
        "e\u{301} \u{202e}abc\u{feff}",
        "\u{fffd}\u{ffff}\u{10ffff}",
        "5",
        "1e5",
        "true",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("\u{1F600}".repeat(4_000));
    for (n, text) in all.iter().enumerate() {
        let mut new = rating("x 5", 0);
        new.call = format!("PJSIP/ {n}\"\\'%").parse().unwrap();
        new.comment = Some(Comment::new(text.as_str()).unwrap());
        // An id may be any text; one that is only white space is none.
        new.agent = text.chars().take(256).collect::<String>().parse().ok();
        let wrote = store.write(&[Write::Rate(new.clone())]).await.unwrap();
        let Written::New(rating) = &wrote[0] else { panic!("{wrote:?}") };
        assert_eq!(rating.comment, new.comment);
        let aftercall_store::Found::Live(stored) = store.rating(&tenant(), &new.call).await.unwrap() else {
            panic!()
        };
        assert_eq!(stored, *rating);
        assert_eq!(
            (stored.comment.as_ref().map(Comment::expose), &stored.agent),
            (Some(text.as_str()), &new.agent)
        );
    }
}

async fn another_tenants_call_of_the_same_name_is_another_call(home: Home) {
    let store = home.open().await;
    let other = aftercall_store::Tenant {
        id: "other".parse().unwrap(),
        time_zone: aftercall_store::Zone::new("Asia/Shanghai").unwrap(),
        week_start: aftercall_core::stats::WeekStart::Monday,
    };
    assert!(store.create_tenant(&other, at(0)).await.unwrap());
    let mut theirs = rating("c1 1", 1);
    theirs.tenant = other.id.clone();
    let mut nobodys = rating("c1 1", 1);
    nobodys.tenant = "nobody".parse().unwrap();
    let batch = [post("c1 5", 0), Write::Rate(theirs), Write::Rate(nobodys), erase("c1", 2)];
    let told: Vec<String> = store.write(&batch).await.unwrap().iter().map(told).collect();
    assert_eq!(
        told,
        [
            "new: c1 5 rated=0 flags=no_call r1",
            "new: c1 1 rated=1 flags=no_call r1",
            "UnknownTenant",
            "Erased"
        ]
    );
    assert_eq!(home.sql("SELECT tenant_id, call_id, score FROM cc_csat").await, ["other c1 1"]);
}

/// A PUT of that score, changed by `with`.
fn put(call: &str, number: u8, with: impl FnOnce(&mut Replacement), second: i64) -> Write {
    let mut put = Replacement {
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
    };
    with(&mut put);
    Write::Replace(put)
}

/// A revision of call c: its number, what it says, and `x` for an erasure.
fn revision(line: &str, second: i64) -> Write {
    if line == "x" {
        let Write::Erase(erasure) = erase("c", second) else { panic!("{line}") };
        return Write::Erase(Erasure { actor: Actor::Import, ..erasure });
    }
    let (number, said) = line.split_once(':').unwrap();
    let rating = NewRating { actor: Actor::Import, ..rating(&format!("c {said}"), second) };
    Write::Revise(Revision { rating, number: number.parse().unwrap() })
}

async fn revisions_from_elsewhere_come_to_the_same_in_whatever_order_they_arrive(home: Home) {
    let store = home.open().await;
    let [first, second, third] =
        ["0:5 agent=a1 comment=good rated=-9", "1:4 agent=a1 rated=-9", "2:3 queue=q2 rated=-8"];
    let by_third = "c 3 queue=q2 rated=-8 r3";
    let log = "SELECT op, revision, old_score, new_score FROM cc_csat_log
        WHERE tenant_id = 'default' AND call_id = 'c' ORDER BY log_id";
    for (arriving, expected, logged) in [
        (vec![first], "c 5 comment=good agent=a1 rated=-9 r1", "created 1 - 5"),
        (vec![first, second, third], by_third, "created 1 - 5, amended 2 5 4, amended 3 4 3"),
        (vec![first, third, second], by_third, "created 1 - 5, amended 3 5 3"),
        (vec![third, first, second], by_third, "amended 3 - 3"),
        (vec![third, second, first, third], by_third, "amended 3 - 3"),
        (vec![second, "1:1 agent=a1 rated=-9", first], "c 4 agent=a1 rated=-9 r2", "amended 2 - 4"),
        (vec![first, "x", third], "Erased", "created 1 - 5, deleted 2 5 -"),
        (vec!["x", first, third, "x"], "Erased", "deleted 1 - -"),
    ] {
        home.sql("DELETE FROM cc_csat").await;
        home.sql("DELETE FROM cc_csat_log").await;
        for (line, second) in arriving.iter().zip(1..) {
            store.write(&[revision(line, second)]).await.unwrap();
        }
        assert_eq!(found(&store, "c").await, expected, "{arriving:?}");
        assert_eq!(home.sql(log).await.join(", "), logged, "{arriving:?}");
    }
}
