//! Which offers of SRTP are taken, and with which of their keys.

use std::net::IpAddr;

use aftercall_wire::Codec;
use aftercall_wire::sdp::{
    Description, Direction, Local, SEED_BYTES, Seed, Srtp, agreed_from_answer, answer, offer,
};

const SEED: Seed = Seed::new([0; SEED_BYTES]);

const US: Local<'_> = Local {
    address: IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5)),
    port: 20_000,
    session_id: 77,
    version: 1,
    codecs: &Codec::ALL,
    events: true,
    ptime_ms: 20,
    direction: Direction::SendRecv,
    srtp: Srtp::Taken(SEED),
};

/// Keys of the lengths that AES-128 in counter mode, AES-128 and AES-256 in GCM have.
const CM: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const GCM: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubA==";
const GCM_256: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVzWVNfX19zZW1jdGwgKCk=";

fn describe(media: &str) -> Description {
    let session = "v=0|o=- 1 1 IN IP4 192.0.2.1|s=-|c=IN IP4 192.0.2.1|t=0 0|";
    let media = media.replace("$CM", CM).replace("$GCM256", GCM_256).replace("$GCM", GCM);
    Description::parse(format!("{session}{media}").replace('|', "\r\n").replace('!', "|").as_bytes()).unwrap()
}

/// The media and key lines of an answer, without the codecs and the key, or why there is none.
fn told(media: &str, srtp: Srtp) -> String {
    let local = Local { srtp, ..US };
    let (text, agreed) = match answer(&describe(media), &local) {
        Ok(settled) => settled,
        Err(reason) => return format!("{reason:?}"),
    };
    let lines = text.split("\r\n").filter_map(|line| {
        let told = line.strip_prefix("m=").or(line.strip_prefix("a=crypto:"))?;
        let words: Vec<_> = told.split(' ').take(3).collect();
        Some(words.join(" ").split(" inline:").next()?.to_owned())
    });
    let lines = lines.collect::<Vec<_>>().join("; ");
    assert_eq!(agreed.srtp.is_some(), lines.contains(';') && text.contains("a=crypto"), "{lines}");
    lines
}

#[test]
fn a_line_is_taken_if_we_can_do_all_that_it_asks_for() {
    for (line, expected) in [
        // RFC 4568, 6.1 and 9.2; `!` stands for `|`.
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM", "1 AES_CM_128_HMAC_SHA1_80"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!2^20", "1 AES_CM_128_HMAC_SHA1_80"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!1048576", "1 AES_CM_128_HMAC_SHA1_80"),
        ("999999999 AES_CM_128_HMAC_SHA1_32 inline:$CM", "999999999 AES_CM_128_HMAC_SHA1_32"),
        ("2   aes_cm_128_hmac_sha1_80\tINLINE:$CM", "2 AES_CM_128_HMAC_SHA1_80"),
        ("3 AEAD_AES_128_GCM inline:$GCM", "3 AEAD_AES_128_GCM"),
        ("4 AEAD_AES_256_GCM inline:$GCM256", "4 AEAD_AES_256_GCM"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM -later=1", "1 AES_CM_128_HMAC_SHA1_80"),
        // A key among several, and several keys.
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!2^20!1:4", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!1:4", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!2^20!1:4;inline:$CM!2^20!2:4", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM;inline:$CM", ""),
        // What we do not have.
        ("1 F8_128_HMAC_SHA1_80 inline:$CM", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM KDR=1", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM UNENCRYPTED_SRTCP", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM UNAUTHENTICATED_SRTP", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM -later=1 UNENCRYPTED_SRTP", ""),
        // What is wrong.
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$GCM", ""),
        ("1 AEAD_AES_128_GCM inline:$CM", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:x$CM", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!2^", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:$CM!ever", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 uri:$CM", ""),
        ("1 AES_CM_128_HMAC_SHA1_80 $CM", ""),
        ("1 AES_CM_128_HMAC_SHA1_80", ""),
        ("0 AES_CM_128_HMAC_SHA1_80 inline:$CM", ""),
        ("01 AES_CM_128_HMAC_SHA1_80 inline:$CM", ""),
        ("-1 AES_CM_128_HMAC_SHA1_80 inline:$CM", ""),
        ("+1 AES_CM_128_HMAC_SHA1_80 inline:$CM", ""),
        ("1000000000 AES_CM_128_HMAC_SHA1_80 inline:$CM", ""),
        ("", ""),
    ] {
        let expected = match expected {
            "" => "Keys".to_owned(),
            taken => format!("audio 20000 RTP/SAVP; {taken}"),
        };
        assert_eq!(
            told(&format!("m=audio 4000 RTP/SAVP 0|a=crypto:{line}"), Srtp::Taken(SEED)),
            expected,
            "{line}"
        );
    }
}

#[test]
fn the_setting_says_which_streams_are_taken() {
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:$CM";
    let (sound, both) = ("m=audio 4000 RTP/SAVP 0", "m=audio 4002 RTP/AVP 0");
    let keyed = "audio 20000 RTP/SAVP; 1 AES_CM_128_HMAC_SHA1_80";
    for (media, off, taken, required) in [
        (format!("{sound}|{key}"), "Transport", keyed, keyed),
        (sound.to_owned(), "Transport", "Keys", "Keys"),
        (
            format!("m=audio 4000 RTP/SAVPF 0|{key}"),
            "Transport",
            "audio 20000 RTP/SAVPF; 1 AES_CM_128_HMAC_SHA1_80",
            "audio 20000 RTP/SAVPF; 1 AES_CM_128_HMAC_SHA1_80",
        ),
        (both.to_owned(), "audio 20000 RTP/AVP", "audio 20000 RTP/AVP", "Transport"),
        // A key beside plain RTP is a wish that nobody need fulfil.
        (format!("{both}|{key}"), "audio 20000 RTP/AVP", "audio 20000 RTP/AVP", "Transport"),
        (
            format!("{sound}|{key}|{both}"),
            "audio 0 RTP/SAVP; audio 20000 RTP/AVP",
            "audio 20000 RTP/SAVP; 1 AES_CM_128_HMAC_SHA1_80; audio 0 RTP/AVP",
            "audio 20000 RTP/SAVP; 1 AES_CM_128_HMAC_SHA1_80; audio 0 RTP/AVP",
        ),
        (
            format!("{both}|{sound}|{key}"),
            "audio 20000 RTP/AVP; audio 0 RTP/SAVP",
            "audio 20000 RTP/AVP; audio 0 RTP/SAVP",
            "audio 0 RTP/AVP; audio 20000 RTP/SAVP; 1 AES_CM_128_HMAC_SHA1_80",
        ),
        (
            format!("{sound}|{both}"),
            "audio 0 RTP/SAVP; audio 20000 RTP/AVP",
            "audio 0 RTP/SAVP; audio 20000 RTP/AVP",
            "Keys",
        ),
    ] {
        let modes = [Srtp::Off, Srtp::Taken(SEED), Srtp::Required(SEED)];
        assert_eq!(modes.map(|srtp| told(&media, srtp)), [off, taken, required], "{media}");
    }
}

#[test]
fn of_several_keys_the_first_that_suits_is_taken_and_its_number_said_again() {
    let media = "m=audio 4000 RTP/SAVP 0|a=crypto:1 F8_128_HMAC_SHA1_80 inline:$CM|\
                 a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:$CM!1:1|a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:$CM|\
                 a=crypto:6 AES_CM_128_HMAC_SHA1_80 inline:$CM";
    let (text, agreed) = answer(&describe(media), &US).unwrap();
    let keys = agreed.srtp.unwrap();
    assert_eq!(keys.theirs.expose(), (&b"YS___semctl () {"[..], &b"\t220;}\n}\nunles"[..]));
    assert_eq!(keys.ours.expose(), (&[0; 16][..], &[0; 14][..]));
    let ours = format!("a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:{}\r\n", "A".repeat(40));
    assert!(text.contains(&ours) && !text.contains(CM), "{text}");
}

#[test]
fn what_we_offer_is_answered_with_our_own_number_and_suite() {
    let ours = Local { srtp: Srtp::Required(SEED), ..US };
    let offered = offer(&ours);
    assert!(
        offered.contains("RTP/SAVP ") && offered.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA")
    );
    assert!(!offer(&US).contains("SAVP") && !offer(&US).contains("crypto"));
    for (media, expected) in [
        ("m=audio 4000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:$CM", "true"),
        ("m=audio 4000 RTP/SAVP 0|a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:$CM", "Keys"),
        ("m=audio 4000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:$CM", "Keys"),
        ("m=audio 4000 RTP/SAVP 0", "Keys"),
        ("m=audio 4000 RTP/AVP 0", "Transport"),
    ] {
        let settled = agreed_from_answer(&describe(media), &ours);
        let told = settled.map_or_else(|why| format!("{why:?}"), |agreed| agreed.srtp.is_some().to_string());
        assert_eq!(told, expected, "{media}");
    }
}

#[test]
fn no_description_shows_its_keys_where_it_is_logged() {
    let described = describe("m=audio 4000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:$CM");
    let (_, agreed) = answer(&described, &US).unwrap();
    let shown = format!("{described:?} {agreed:?} {US:?}");
    // The key in letters, and its first bytes as numbers.
    assert!(!shown.contains("WVNf") && !shown.contains("89, 83") && !shown.contains("[0, 0"), "{shown}");
}
