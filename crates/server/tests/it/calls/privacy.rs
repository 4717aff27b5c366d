//! No person in a log, however much is logged.

use super::caller::Caller;
use super::surveys;

#[test]
fn a_call_at_trace_leaves_a_line_for_its_end_and_nobody_s_name_or_number() {
    let site = surveys::site().log("trace");
    let server = site.start();
    let call = "secret-call-4711";
    Caller::new(&server, call, "csat-survey", "caller_stays").queue("secret-queue").call("p 2");
    assert_eq!(server.record(call), "4 completed");
    server.stop();
    let log = std::fs::read_to_string(site.folder().join("server.log")).unwrap();
    assert!(log.contains("the survey ended"), "{log}");
    for secret in [call, "secret-queue", "agent1001", "Caller 1", "sip:caller"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
