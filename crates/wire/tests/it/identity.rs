use aftercall_wire::identity::{CallFacts, Names, call_facts, variable};
use proptest::prelude::*;

use crate::reference::Request;

const URI: &str = "sip:csat-survey@127.0.0.1";

fn facts(uri: &str, headers: &[(&str, &str)]) -> CallFacts {
    call_facts(&Names::default(), uri, headers)
}

/// What was found, in words: `call=c-1 agent=1001`.
fn told(facts: &CallFacts) -> String {
    let flag = |set: bool, name: &str| set.then(|| name.to_owned());
    let fact = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}={value}"));
    [
        fact("call", &facts.call_ref),
        fact("agent", &facts.agent),
        fact("queue", &facts.queue),
        fact("skill", &facts.skill),
        fact("survey", &facts.survey),
        flag(!facts.languages.is_empty(), &format!("language={}", facts.languages.join(","))),
        fact("caller", &facts.caller),
        fact("diverted", &facts.diverted_from),
        fact("referred", &facts.referred_by),
        flag(facts.private, "private"),
        flag(facts.suppressed, "suppressed"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

#[test]
fn addresses_count_under_their_short_names_too() {
    for (name, short) in [("To", "t"), ("Refer-To", "r")] {
        for name in [name, short] {
            let headers = [(name, "<sip:csat-survey@pbx?X-Agent-Id=1001>")];
            assert_eq!(told(&facts(URI, &headers)), "agent=1001", "{name}");
        }
    }
}

#[test]
fn real_pbxs_are_understood() {
    for (recorded, expected) in [
        ("asterisk-dial", "call=pbx1-1795331605.3 agent=PJSIP/agent1001 queue=sales caller=caller"),
        // What a caller referred by Asterisk is asked to say: its Refer-To carries the facts.
        (
            "asterisk-refer",
            "call=pbx1-1795331648.6 agent=PJSIP/agent1001 queue=sales caller=6003 referred=6003",
        ),
        ("rustpbx-passed-headers", "call=root-123 agent=1002 queue=sales-queue skill=sg1 caller=1001"),
        ("rustpbx-uri-parameters", "call=lab-frontw2-74f5a9a0 agent=1002 queue=sales caller=1001"),
        // Its header names are not among the defaults ...
        ("rustpbx-uri-headers", "caller=1001"),
    ] {
        let Request { uri, headers, .. } = Request::read(recorded);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(told(&facts(&uri, &headers)), expected, "{recorded}");
    }
    // ... so they are configured.
    let configured =
        Names { call: vec!["X-Sid".to_owned()], agent: vec!["X-Agent".to_owned()], ..Names::default() };
    let found = call_facts(&configured, &Request::read("rustpbx-uri-headers").uri, &[]);
    assert_eq!(told(&found), "call=lab-frontw3-b3b7c300 agent=1002");
}

#[test]
fn a_referred_callers_invite_carries_the_refer_tos_headers_one_way_or_the_other() {
    let uri = "sip:csat-survey@127.0.0.1:5099?X-CSAT-Call-ID=c-1&X-CSAT-Agent=PJSIP%2Fagent1001";
    let expected = "call=c-1 agent=PJSIP/agent1001";
    assert_eq!(told(&facts(uri, &[])), expected);
    assert_eq!(
        told(&facts(URI, &[("X-CSAT-Call-ID", "c-1"), ("X-CSAT-Agent", "PJSIP/agent1001")])),
        expected
    );
    let with_data = "sip:s@h?User-to-User=63616c6c2d37%3Bencoding%3Dhex%3Bqueue%3Dsales";
    assert_eq!(told(&facts(with_data, &[])), "call=call-7 queue=sales");
}

#[rustfmt::skip]
#[test]
fn facts_come_from_the_first_place_that_states_them() {
    let explicit = ("X-Queue-Id", "1-explicit");
    let csat = ("X-CSAT-Queue", "2-csat");
    let uri = "sip:s@h;queue=4-parameter?X-CSAT-Queue=3-uri-header";
    let to = ("To", "<sip:s@h;queue=5-to>");
    let refer_to = ("Refer-To", "sip:s@h;queue=6-refer-to");
    let data = ("User-to-User", "queue=7-data");
    for (uri, headers, queue) in [
        (uri, [data, to, refer_to, csat, explicit], "1-explicit"),
        (uri, [data, to, refer_to, csat, ("X-Queue-Id", "  ")], "2-csat"),
        (uri, [data, to, refer_to, ("x-csat-queue", ""), ("X-Queue-ID", "")], "3-uri-header"),
        ("sip:s@h;queue=4-parameter?X-CSAT-Queue=", [data, to, refer_to, data, data], "4-parameter"),
        ("sip:s@h;queue=;queue-id=4-second", [data, to, refer_to, data, data], "4-second"),
        (URI, [data, refer_to, to, data, data], "5-to"),
        (URI, [data, refer_to, data, data, data], "6-refer-to"),
        (URI, [data; 5], "7-data"),
    ] {
        assert_eq!(facts(uri, &headers).queue.as_deref(), Some(queue), "{uri} {headers:?}");
    }
}

#[rustfmt::skip]
#[test]
fn each_fact_has_its_names() {
    for (uri, name, value, expected) in [
        (URI, "X-Call-Id", "c", "call=c"),
        (URI, "x-call-id", " c ", "call=c"),
        (URI, "X-Agent-Id", "a", "agent=a"),
        (URI, "X-Queue-Id", "q", "queue=q"),
        (URI, "X-Skill-Id", "s", "skill=s"),
        (URI, "X-Survey", "nps", "survey=nps"),
        (URI, "X-Language", "zh_CN", "language=zh_CN"),
        (URI, "Accept-Language", "da;q=0.5, en-gb;q=0.8, *;q=0.9, en;q=0.8", "language=en-gb,en,da"),
        (URI, "Accept-Language", "*, fr;q=0, de;q=x", ""),
        ("sip:s@h;language=fr", "Accept-Language", "de", "language=fr"),
        ("sip:s@h;lang=fr", "X-Language", "de", "language=de"),
        ("sip:s@h;call-id=c;agent_id=a;Queue-Id=q;skill=s;survey=v", "X", "", "call=c agent=a queue=q skill=s survey=v"),
        (URI, "X-CSAT", "no", "suppressed"),
        (URI, "x-csat", " OFF ", "suppressed"),
        (URI, "X-CSAT", "yes", ""),
        (URI, "X-CSAT", "", ""),
        ("sip:s@h;csat=no", "X-CSAT", "yes", ""),
        ("sip:s@h;csat=no", "X", "", "suppressed"),
        ("sip:s@h?X-CSAT=0", "X", "", "suppressed"),
        (URI, "User-to-User", "63616c6c2d37;encoding=hex", "call=call-7"),
        (URI, "User-to-User", "agent=7;call=c;queue=q", "call=c agent=7 queue=q"),
        ("sip:s@h;call=c", "User-to-User", "other", "call=c"),
        ("tel:+4930123", "X-Call-Id", "c", "call=c"),
        ("not a uri", "X-Call-Id", "c", "call=c"),
        (URI, "X-Linked-ID", "l", ""),
    ] {
        assert_eq!(told(&facts(uri, &[(name, value)])), expected, "{uri} {name}: {value}");
    }
}

#[rustfmt::skip]
#[test]
fn people_are_found_where_the_rfcs_put_them() {
    for (headers, expected) in [
        (vec![("From", r#""Caller 1" <sip:1001@pbx>;tag=1"#)], "caller=1001"),
        (vec![("f", "sip:1001@pbx;tag=1")], "caller=1001"),
        (vec![("From", "<sip:1001@pbx>"), ("P-Asserted-Identity", r#""Doe, J" <sip:+4930123@pbx>, <tel:+4930124>"#)], "caller=+4930123"),
        (vec![("P-Asserted-Identity", "<sip:pbx>"), ("P-Asserted-Identity", "<tel:+4930124>")], "caller=+4930124"),
        (vec![("From", "<sip:anonymous@anonymous.invalid>;tag=1"), ("Privacy", "id")], "private"),
        (vec![("From", "<sip:Anonymous@pbx>;tag=1"), ("P-Asserted-Identity", "<tel:+49>"), ("Privacy", "header; id;critical")], "caller=+49 private"),
        (vec![("From", "<sip:x7@Anonymous.invalid>;tag=1")], ""),
        (vec![("Privacy", "none")], ""),
        (vec![("Diversion", "<sip:agent7@pbx>;reason=no-answer, <sip:100@pbx>;reason=unconditional")], "diverted=100"),
        (vec![("Diversion", "<sip:agent7@pbx>;reason=no-answer"), ("Diversion", "<sip:100@pbx>")], "diverted=100"),
        (vec![("Referred-By", "<sip:1002@127.0.9.1>")], "referred=1002"),
        (vec![("b", "sip:1002@127.0.9.1;cid=x")], "referred=1002"),
        (vec![("From", "nobody"), ("Diversion", ""), ("Referred-By", "<>")], ""),
    ] {
        assert_eq!(told(&facts(URI, &headers)), expected, "{headers:?}");
    }
}

#[test]
fn oversized_requests_are_read_in_part() {
    let long = "x".repeat(5000);
    assert_eq!(told(&facts(URI, &[("X-Call-Id", &long), ("X-CSAT-Call-ID", "c")])), "call=c");
    let mut many = vec![("Via", "x"); 128];
    many.push(("X-Call-Id", "c"));
    assert_eq!(told(&facts(URI, &many)), "");
    assert_eq!(told(&facts(URI, &many[1..])), "call=c");
}

#[test]
fn people_are_masked_in_debug() {
    let headers =
        [("From", "<sip:4930123@pbx>"), ("Diversion", "<sip:Jane@pbx>"), ("Referred-By", "<sip:Doe@pbx>")];
    let shown = format!("{:?}", facts(URI, &headers));
    assert!(!["4930123", "Jane", "Doe"].iter().any(|secret| shown.contains(secret)), "{shown}");
    assert!(shown.contains(r#"caller: Some("…")"#), "{shown}");
}

#[test]
fn what_a_survey_asks_for_is_found_by_its_name() {
    for (uri, header, value, expected) in [
        (URI, "x-survey-vip", "gold", Some("gold")),
        ("sip:s@h;vip=silver", "X-Survey-Vip", " ", Some("silver")),
        ("sip:s@h?X-Survey-vip=1", "X", "", Some("1")),
        (URI, "User-to-User", "vip=yes;queue=q", Some("yes")),
        (URI, "vip", "no header of ours", None),
    ] {
        assert_eq!(variable("vip", uri, &[(header, value)]).as_deref(), expected, "{uri} {header}: {value}");
    }
}

proptest! {
    #[test]
    fn a_stated_fact_is_found_whatever_else_is_there(
        value in "[a-zA-Z0-9/._-]{1,40}",
        others in proptest::collection::vec(("(Via|From|To|X-Agent-Id|X-Queue|User-to-User)", "\\PC{0,40}"), 0..8),
        at in 0..9_usize,
        upper: bool,
    ) {
        let name = if upper { "X-CALL-ID" } else { "x-call-id" };
        let mut headers: Vec<(&str, &str)> = others.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        headers.insert(at.min(headers.len()), (name, &value));
        prop_assert_eq!(facts("sip:s@h;call=other", &headers).call_ref, Some(value.clone()));
        let in_uri = format!("sip:s@h;call={value}");
        prop_assert_eq!(facts(&in_uri, &[("User-to-User", "other")]).call_ref, Some(value));
    }

    #[test]
    fn no_request_makes_it_panic(
        uri in "(sip:)?\\PC{0,40}",
        headers in proptest::collection::vec(
            ("(From|To|Refer-To|User-to-User|Diversion|Privacy|Accept-Language|X-CSAT)", "\\PC{0,60}"), 0..8),
    ) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let found = facts(&uri, &headers);
        let stated = [found.call_ref, found.agent, found.queue, found.caller];
        prop_assert!(stated.iter().flatten().chain(&found.languages).all(|fact| !fact.trim().is_empty()));
    }
}
