//! Reports that are sent by schedule: one node of several sends each.

use aftercall_core::TenantId;
use aftercall_store::{KeptRun, Run, RunOutcome, RunProgress, Way};
use jiff::Timestamp;

use crate::harness::*;

on_both! {
    of_all_who_claim_a_delivery_at_once_one_gets_it,
    a_claim_is_its_owners_until_its_time_is_over_and_then_another_takes_it,
    what_is_sent_or_given_up_is_nobodys_any_more,
    deliveries_are_told_apart_by_all_that_names_them_and_the_latest_come_first,
}

fn run(period: &str, way: Way) -> Run {
    Run { tenant: TenantId::default(), report: "weekly".to_owned(), period: period.to_owned(), way }
}

/// What is kept: progress, attempts, from when on, why.
fn shown(kept: &[KeptRun]) -> Vec<(RunProgress, u32, Timestamp, Option<&str>)> {
    kept.iter().map(|d| (d.progress, d.attempts, d.not_before, d.error.as_deref())).collect()
}

async fn of_all_who_claim_a_delivery_at_once_one_gets_it(home: Home) {
    let store = home.open().await;
    for round in 0..5 {
        let (run, from) = (run("2026-11-16", Way::Mail), round * 1_000);
        let claims = (0..12).map(|_| {
            let (store, run) = (store.clone(), run.clone());
            tokio::spawn(async move { store.claim_run(&run, at(from), at(from + 600)).await.unwrap() })
        });
        let mut attempts = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            attempts.extend(claim.await.unwrap());
        }
        assert_eq!(attempts, [round as u32 + 1]);
    }
}

async fn a_claim_is_its_owners_until_its_time_is_over_and_then_another_takes_it(home: Home) {
    let store = home.open().await;
    let run = run("2026-11-16", Way::Post);
    assert_eq!(store.claim_run(&run, at(0), at(600)).await, Ok(Some(1)));
    assert_eq!(store.claim_run(&run, at(599), at(1_200)).await, Ok(None));
    assert_eq!(store.claim_run(&run, at(600), at(1_200)).await, Ok(Some(2)));
    // The first one comes back to life: it has no say any more.
    assert_eq!(store.settle_run(&run, 1, &RunOutcome::Sent, at(601)).await, Ok(false));
    let again = RunOutcome::Again(at(900), "answered 503".to_owned());
    assert_eq!(store.settle_run(&run, 2, &again, at(602)).await, Ok(true));
    assert_eq!(store.settle_run(&run, 2, &RunOutcome::Sent, at(603)).await, Ok(false), "once");
    let kept = store.runs(&TenantId::default(), "weekly", 10).await.unwrap();
    assert_eq!(shown(&kept), [(RunProgress::Waiting, 2, at(900), Some("answered 503"))]);
    assert_eq!(kept[0].changed_at, at(602));
    assert_eq!(store.claim_run(&run, at(899), at(1_500)).await, Ok(None));
    assert_eq!(store.claim_run(&run, at(900), at(1_500)).await, Ok(Some(3)));
}

async fn what_is_sent_or_given_up_is_nobodys_any_more(home: Home) {
    let store = home.open().await;
    for (way, outcome, progress) in [
        (Way::Mail, RunOutcome::Sent, RunProgress::Sent),
        (Way::Post, RunOutcome::GivenUp("answered 404".to_owned()), RunProgress::Failed),
    ] {
        let run = run("2026-11-16", way);
        assert_eq!(store.claim_run(&run, at(0), at(600)).await, Ok(Some(1)));
        assert_eq!(store.settle_run(&run, 1, &outcome, at(1)).await, Ok(true));
        assert_eq!(store.claim_run(&run, at(100_000), at(200_000)).await, Ok(None));
        let kept = store.runs(&TenantId::default(), "weekly", 10).await.unwrap();
        assert_eq!(kept.iter().find(|kept| kept.run == run).unwrap().progress, progress);
    }
}

async fn deliveries_are_told_apart_by_all_that_names_them_and_the_latest_come_first(home: Home) {
    let store = home.open().await;
    let other = Run { report: "daily".to_owned(), ..run("2026-11-09", Way::Mail) };
    let theirs = Run { tenant: "acme".parse().unwrap(), ..run("2026-11-09", Way::Mail) };
    let (first, second) = (run("2026-11-09", Way::Mail), run("2026-11-16", Way::Mail));
    for run in [&first, &second, &run("2026-11-16", Way::Post), &other, &theirs] {
        assert_eq!(store.claim_run(run, at(0), at(600)).await, Ok(Some(1)), "{run:?}");
    }
    let kept = store.runs(&TenantId::default(), "weekly", 10).await.unwrap();
    let periods: Vec<_> = kept.iter().map(|d| (d.run.period.as_str(), d.run.way.word())).collect();
    assert_eq!(periods, [("2026-11-16", "mail"), ("2026-11-16", "post"), ("2026-11-09", "mail")]);
    assert_eq!(store.runs(&TenantId::default(), "weekly", 1).await.unwrap(), kept[..1]);
}
