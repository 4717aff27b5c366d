//! Reports that are sent by schedule: one node of several sends each.

use aftercall_core::TenantId;
use aftercall_store::{Delivered, Delivery, Outcome, Progress, Way};
use jiff::Timestamp;

use crate::harness::*;

on_both! {
    of_all_who_claim_a_delivery_at_once_one_gets_it,
    a_claim_is_its_owners_until_its_time_is_over_and_then_another_takes_it,
    what_is_sent_or_given_up_is_nobodys_any_more,
    deliveries_are_told_apart_by_all_that_names_them_and_the_latest_come_first,
}

fn delivery(period: &str, way: Way) -> Delivery {
    Delivery { tenant: TenantId::default(), report: "weekly".to_owned(), period: period.to_owned(), way }
}

/// What is kept: progress, attempts, from when on, why.
fn shown(kept: &[Delivered]) -> Vec<(Progress, u32, Timestamp, Option<&str>)> {
    kept.iter().map(|d| (d.progress, d.attempts, d.not_before, d.error.as_deref())).collect()
}

async fn of_all_who_claim_a_delivery_at_once_one_gets_it(home: Home) {
    let store = home.open().await;
    for round in 0..5 {
        let (delivery, from) = (delivery("2026-11-16", Way::Mail), round * 1_000);
        let claims = (0..12).map(|_| {
            let (store, delivery) = (store.clone(), delivery.clone());
            tokio::spawn(async move { store.claim(&delivery, at(from), at(from + 600)).await.unwrap() })
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
    let delivery = delivery("2026-11-16", Way::Post);
    assert_eq!(store.claim(&delivery, at(0), at(600)).await, Ok(Some(1)));
    assert_eq!(store.claim(&delivery, at(599), at(1_200)).await, Ok(None));
    assert_eq!(store.claim(&delivery, at(600), at(1_200)).await, Ok(Some(2)));
    // The first one comes back to life: it has no say any more.
    assert_eq!(store.settle(&delivery, 1, &Outcome::Sent, at(601)).await, Ok(false));
    let again = Outcome::Again(at(900), "answered 503".to_owned());
    assert_eq!(store.settle(&delivery, 2, &again, at(602)).await, Ok(true));
    assert_eq!(store.settle(&delivery, 2, &Outcome::Sent, at(603)).await, Ok(false), "once");
    let kept = store.deliveries(&TenantId::default(), "weekly", 10).await.unwrap();
    assert_eq!(shown(&kept), [(Progress::Waiting, 2, at(900), Some("answered 503"))]);
    assert_eq!(kept[0].changed_at, at(602));
    assert_eq!(store.claim(&delivery, at(899), at(1_500)).await, Ok(None));
    assert_eq!(store.claim(&delivery, at(900), at(1_500)).await, Ok(Some(3)));
}

async fn what_is_sent_or_given_up_is_nobodys_any_more(home: Home) {
    let store = home.open().await;
    for (way, outcome, progress) in [
        (Way::Mail, Outcome::Sent, Progress::Sent),
        (Way::Post, Outcome::GivenUp("answered 404".to_owned()), Progress::Failed),
    ] {
        let delivery = delivery("2026-11-16", way);
        assert_eq!(store.claim(&delivery, at(0), at(600)).await, Ok(Some(1)));
        assert_eq!(store.settle(&delivery, 1, &outcome, at(1)).await, Ok(true));
        assert_eq!(store.claim(&delivery, at(100_000), at(200_000)).await, Ok(None));
        let kept = store.deliveries(&TenantId::default(), "weekly", 10).await.unwrap();
        assert_eq!(kept.iter().find(|kept| kept.delivery == delivery).unwrap().progress, progress);
    }
}

async fn deliveries_are_told_apart_by_all_that_names_them_and_the_latest_come_first(home: Home) {
    let store = home.open().await;
    let other = Delivery { report: "daily".to_owned(), ..delivery("2026-11-09", Way::Mail) };
    let theirs = Delivery { tenant: "acme".parse().unwrap(), ..delivery("2026-11-09", Way::Mail) };
    let (first, second) = (delivery("2026-11-09", Way::Mail), delivery("2026-11-16", Way::Mail));
    for delivery in [&first, &second, &delivery("2026-11-16", Way::Post), &other, &theirs] {
        assert_eq!(store.claim(delivery, at(0), at(600)).await, Ok(Some(1)), "{delivery:?}");
    }
    let kept = store.deliveries(&TenantId::default(), "weekly", 10).await.unwrap();
    let periods: Vec<_> = kept.iter().map(|d| (d.delivery.period.as_str(), d.delivery.way.word())).collect();
    assert_eq!(periods, [("2026-11-16", "mail"), ("2026-11-16", "post"), ("2026-11-09", "mail")]);
    assert_eq!(store.deliveries(&TenantId::default(), "weekly", 1).await.unwrap(), kept[..1]);
}
