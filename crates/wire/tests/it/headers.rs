use aftercall_wire::headers::{
    BadValue, NameAddr, PARAMETERS_MAX, Parameters, Scheme, Uri, UserToUser, VALUE_BYTES_MAX,
};
use proptest::prelude::*;

/// `name=value` pairs, separated by blanks.
fn listed(parameters: &Parameters) -> String {
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[rustfmt::skip]
#[test]
fn uris_are_taken_apart() {
    use Scheme::{Sip, Sips, Tel};
    for (text, scheme, user, host, port, parameters, headers) in [
        ("sip:csat-survey@127.0.0.1:5099", Sip, "csat-survey", "127.0.0.1", Some(5099), "", ""),
        ("SIPS:a@pbx.example", Sips, "a", "pbx.example", None, "", ""),
        ("sip:127.0.0.1:5070", Sip, "", "127.0.0.1", Some(5070), "", ""),
        ("sip:pbx.example;lr", Sip, "", "pbx.example", None, "lr=", ""),
        ("sip:+4930123;npdi;rn=1@pbx;user=phone", Sip, "+4930123;npdi;rn=1", "pbx", None, "user=phone", ""),
        ("sip:bob:secret@pbx", Sip, "bob", "pbx", None, "", ""),
        ("sip:b%6fb%40home@pbx", Sip, "bob@home", "pbx", None, "", ""),
        ("sip:100%@pbx", Sip, "100%", "pbx", None, "", ""),
        ("sip:%ff@pbx", Sip, "\u{fffd}", "pbx", None, "", ""),
        ("sip:a@[2001:db8::1]:5060;transport=tcp", Sip, "a", "[2001:db8::1]", Some(5060), "transport=tcp", ""),
        ("sip:a@[2001:db8::1]", Sip, "a", "[2001:db8::1]", None, "", ""),
        ("sip:a@pbx:70000", Sip, "a", "pbx", None, "", ""),
        ("sip:survey@127.0.9.4:5080;sid=lab-1;agent=PJSIP%2F1002;queue=sales", Sip, "survey", "127.0.9.4", Some(5080), "sid=lab-1 agent=PJSIP/1002 queue=sales", ""),
        ("sip:survey@127.0.9.4:5080?X-Sid=lab-1&X-Agent=1002", Sip, "survey", "127.0.9.4", Some(5080), "", "X-Sid=lab-1 X-Agent=1002"),
        ("sip:s@h;a=1?X-Call-Id=1-11133@127.0.0.1&&b", Sip, "s", "h", None, "a=1", "X-Call-Id=1-11133@127.0.0.1 b="),
        (" sip:a@pbx ", Sip, "a", "pbx", None, "", ""),
        ("tel:+1-201-555-0123;phone-context=example.com", Tel, "+1-201-555-0123", "", None, "phone-context=example.com", ""),
    ] {
        let uri = Uri::parse(text).unwrap();
        let seen = (uri.scheme, uri.user.as_deref().unwrap_or(""), uri.host.as_str(), uri.port);
        assert_eq!(seen, (scheme, user, host, port), "{text}");
        assert_eq!((listed(&uri.parameters), listed(&uri.headers)), (parameters.to_owned(), headers.to_owned()), "{text}");
    }
}

#[test]
fn a_called_number_comes_without_what_numbers_carry() {
    for (text, called) in [
        ("sip:+4930123;npdi;rn=1@pbx", Some("+4930123")),
        ("sip:1001;ext=2@pbx", Some("1001")),
        ("sip:sales;berlin@pbx", Some("sales;berlin")),
        ("tel:+4930123;ext=9", Some("+4930123")),
        ("sip:%20@pbx", None),
        ("sip:@pbx", None),
        ("sip:pbx", None),
    ] {
        assert_eq!(Uri::parse(text).unwrap().called(), called, "{text}");
    }
}

#[rustfmt::skip]
#[test]
fn addresses_are_taken_apart() {
    for (value, display, uri, parameters) in [
        (r#""Caller 1" <sip:caller@pbx.example>;tag=13c3"#, "Caller 1", "caller@pbx.example", "tag=13c3"),
        ("<sip:6003@127.0.0.1>", "", "6003@127.0.0.1", ""),
        ("Alice Agent <sip:a@pbx>", "Alice Agent", "a@pbx", ""),
        (r#""A \"<B>\" \\ C" <sip:a@pbx>"#, r#"A "<B>" \ C"#, "a@pbx", ""),
        (r#""" <sip:a@pbx>"#, "", "a@pbx", ""),
        ("sip:6003@127.0.0.1;tag=1", "", "6003@127.0.0.1", "tag=1"),
        ("sip:+49;npdi@pbx;tag=1", "", "+49;npdi@pbx", "tag=1"),
        (r#"<sip:a@pbx;user=phone>;reason="user-busy";counter=1;x="a;b""#, "", "a@pbx", "reason=user-busy counter=1 x=a;b"),
        ("<tel:+4930123>", "", "+4930123@", ""),
    ] {
        let address = NameAddr::parse(value).unwrap();
        let seen = format!("{}@{}", address.uri.user.as_deref().unwrap_or(""), address.uri.host);
        assert_eq!((address.display.as_deref().unwrap_or(""), seen.as_str()), (display, uri), "{value}");
        assert_eq!(listed(&address.parameters), parameters, "{value}");
    }
}

#[test]
fn asterisks_refer_to_keeps_its_headers_with_and_without_brackets() {
    let uri = "sip:csat-survey@127.0.0.1:5099?X-CSAT-Call-ID=pbx1-1795331648.6&X-CSAT-Agent=PJSIP%2Fagent1001&X-CSAT-Queue=sales";
    for value in [uri.to_owned(), format!("<{uri}>")] {
        let headers = NameAddr::parse(&value).unwrap().uri.headers;
        assert_eq!(headers.get("x-csat-agent"), Some("PJSIP/agent1001"));
        assert_eq!(headers.get("X-CSAT-Call-ID"), Some("pbx1-1795331648.6"));
        assert_eq!(headers.get("X_CSAT_QUEUE"), Some("sales"));
        assert_eq!(headers.get("X-CSAT"), None);
    }
}

#[test]
fn lists_keep_what_can_be_read() {
    let users = |value: &str| -> Vec<String> {
        NameAddr::parse_list(value).iter().map(|address| address.uri.called().unwrap().to_owned()).collect()
    };
    assert_eq!(users(r#""Doe, Jane" <sip:jane@pbx>, <tel:+4930>"#), ["jane", "+4930"]);
    assert_eq!(users(r#""A \", B" <sip:a@pbx>, <sip:c@pbx>"#), ["a", "c"]);
    assert_eq!(users(r#""A \\" <sip:a@pbx>, <sip:c@pbx>"#), ["a", "c"]);
    assert_eq!(users(r#"<sip:a@pbx>;x="<", <sip:c@pbx>"#), ["a", "c"]);
    assert_eq!(users("<sip:a,b@pbx>, rubbish, <sip:c@pbx>"), ["a,b", "c"]);
    assert_eq!(users(&"sip:a@pbx,".repeat(50)).len(), 8);
    assert_eq!(users(&"x".repeat(VALUE_BYTES_MAX + 1)).len(), 0);
}

#[test]
fn what_names_nobody_is_refused_with_its_reason() {
    let long = format!("sip:{}@pbx", "a".repeat(VALUE_BYTES_MAX));
    for (value, fault) in [
        ("", BadValue::Scheme),
        ("alice", BadValue::Scheme),
        ("http://pbx.example", BadValue::Scheme),
        ("sip:", BadValue::Nobody),
        ("sip:alice@", BadValue::Nobody),
        ("tel:", BadValue::Nobody),
        ("<sip:a@pbx", BadValue::Unclosed),
        (r#""Alice <sip:a@pbx>"#, BadValue::Unclosed),
        (&long, BadValue::TooLong),
    ] {
        assert_eq!(NameAddr::parse(value), Err(fault), "{value:.20}");
    }
    assert_eq!(Uri::parse(&long), Err(BadValue::TooLong));
    assert_eq!(UserToUser::parse(&long), Err(BadValue::TooLong));
    // The longest that is read, and one byte more.
    for (more, read) in [(0, true), (1, false)] {
        let uri = format!("sip:{}@pbx", "a".repeat(VALUE_BYTES_MAX - 8 + more));
        let data = "a".repeat(VALUE_BYTES_MAX + more);
        assert_eq!((Uri::parse(&uri).is_ok(), NameAddr::parse(&uri).is_ok()), (read, read));
        assert_eq!(NameAddr::parse_list(&uri).len(), usize::from(read));
        assert_eq!(UserToUser::parse(&data).is_ok(), read);
        assert_eq!(UserToUser::parse_list(&data).len(), usize::from(read));
        // A list may be as long as one of its items.
        let list = format!("sip:a@pbx,{}", " ".repeat(VALUE_BYTES_MAX - 10 + more));
        assert_eq!(NameAddr::parse_list(&list).len(), usize::from(read));
        let list = format!("63616c6c2d37,{}", " ".repeat(VALUE_BYTES_MAX - 13 + more));
        assert_eq!(UserToUser::parse_list(&list).is_empty(), !read);
    }
    let many = format!("sip:a@pbx{}", ";p=1".repeat(100));
    assert_eq!(Uri::parse(&many).unwrap().parameters.iter().count(), PARAMETERS_MAX);
}

#[rustfmt::skip]
#[test]
fn user_to_user_data_is_text_wherever_it_can_be() {
    for (value, reference, parameters) in [
        // As RFC 7433 has it: hex, by default or by word.
        ("63616c6c2d37;encoding=hex", "call-7", "encoding=hex"),
        ("63616C6C2D37", "call-7", ""),
        ("71756575653d73616c657326736b696c6c3d78", "", "queue=sales skill=x"),
        ("71756575653d73616c65733b736b696c6c3d62696c6c696e67;purpose=x", "", "queue=sales skill=billing purpose=x"),
        ("63616c6c2d373b71756575653d73;encoding=hex", "call-7", "queue=s encoding=hex"),
        (r#""63616c6c2d37";encoding=hex"#, "call-7", "encoding=hex"),
        // ISDN's protocol discriminator before the text, and line ends behind it.
        ("0463616c6c2d37;encoding=hex;content=isdn-uui", "call-7", "encoding=hex content=isdn-uui"),
        ("0063616c6c2d370d0a;encoding=hex", "call-7", "encoding=hex"),
        // Hex that stands for no text is a reference as it is: Avaya's, and RFC 7433's own example.
        ("00FA0800010001584E5A3F2B;encoding=hex", "00FA0800010001584E5A3F2B", "encoding=hex"),
        ("56a390f3d2b7310023a2;encoding=hex", "56a390f3d2b7310023a2", "encoding=hex"),
        // Plain text, called hex or not.
        ("root-123;encoding=hex;purpose=call-center;queue=sales-queue;qn=Sales;skill=sg1", "root-123", "encoding=hex purpose=call-center queue=sales-queue qn=Sales skill=sg1"),
        ("queue=sales;skill=billing", "", "queue=sales skill=billing"),
        ("queue=sales&skill=x", "", "queue=sales skill=x"),
        (r#""queue=sales desk;skill=x";encoding=text"#, "", "queue=sales desk skill=x encoding=text"),
        ("queue=caf%C3%A9", "", "queue=café"),
        ("12345678", "12345678", ""),
        ("123", "123", ""),
        ("616", "616", ""),
        ("63616c6c2d37;encoding=ascii", "63616c6c2d37", "encoding=ascii"),
        ("00", "00", ""),
        ("", "", ""),
        (";;", "", ""),
    ] {
        let data = UserToUser::parse(value).unwrap();
        assert_eq!(data.reference.as_deref().unwrap_or(""), reference, "{value}");
        assert_eq!(listed(&data.parameters), parameters, "{value}");
    }
    let list = UserToUser::parse_list(r#"63616c6c2d37, "a,b";x=1"#);
    assert_eq!(list.iter().map(|data| data.reference.as_deref().unwrap()).collect::<Vec<_>>(), ["call-7", "a,b"]);
}

#[test]
fn no_person_is_shown_in_debug() {
    let value = r#""Jane Doe" <sip:+4930123@pbx;ext=4711?Subject=Jane>;reason=Doe"#;
    let shown = format!("{:?}", NameAddr::parse(value).unwrap());
    let data = format!("{:?}", UserToUser::parse("+4930123;name=Jane").unwrap());
    for secret in ["Jane", "Doe", "4930123", "4711"] {
        assert!(!shown.contains(secret) && !data.contains(secret), "{shown} {data}");
    }
    assert!(shown.contains("pbx") && shown.contains("reason"), "{shown}");
    assert!(data.contains("reference") && data.contains("name"), "{data}");
}

/// Text in which the parsers' special characters are frequent.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof!["(sip:|tel:|[a-f0-9]|[\"\\\\<>;,?&=@:%\\[\\]]|é|encoding=hex| |queue=){0,40}", "\\PC{0,60}",]
}

proptest! {
    #[test]
    fn no_value_makes_a_parser_panic(value in any_value()) {
        if let Ok(uri) = Uri::parse(&value) {
            prop_assert!(uri.scheme == Scheme::Tel || !uri.host.is_empty());
        }
        prop_assert!(NameAddr::parse_list(&value).len() <= 8);
        prop_assert!(UserToUser::parse_list(&value).iter().all(|data| data.parameters.iter().count() <= PARAMETERS_MAX));
    }

    #[test]
    fn what_is_escaped_is_read_back(user in "\\PC{1,20}", value in "\\PC{1,20}", display in "\\PC{1,20}") {
        let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let quoted = display.replace('\\', "\\\\").replace('"', "\\\"");
        let (user_part, parameter) = (escaped(&user), escaped(&value));
        let text = format!("\"{quoted}\" <sip:{user_part}@pbx;p={parameter}?h={parameter}>;q=\"{quoted}\"");
        let address = NameAddr::parse(&text).unwrap();
        prop_assert_eq!(address.uri.user, Some(user));
        prop_assert_eq!(address.uri.parameters.get("p"), Some(value.as_str()));
        prop_assert_eq!(address.uri.headers.get("h"), Some(value.as_str()));
        prop_assert_eq!(address.parameters.get("q"), Some(display.as_str()));
        prop_assert_eq!(address.display, Some(display).filter(|name| !name.trim().is_empty()));
    }

    #[test]
    fn text_in_hex_is_read_back(text in "[a-z][a-z0-9 ./:-]{0,30}[a-z]") {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(UserToUser::parse(&hex).unwrap().reference, Some(text.clone()));
        prop_assert_eq!(UserToUser::parse(&format!("04{hex};encoding=hex")).unwrap().reference, Some(text));
    }
}
