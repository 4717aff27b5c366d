//! What each transaction sends, and when, on a clock of its own.

use std::time::Duration;

use aftercall_wire::sip::transaction::{
    Carriage, ClientNews, InviteClient, InviteServer, OtherClient, OtherServer, Packet, ServerNews, Step,
    Timers,
};
use proptest::prelude::*;

use Carriage::{Datagrams, Stream};

/// Any of the four.
#[derive(Debug)]
enum Machine {
    InviteServer(InviteServer),
    OtherServer(OtherServer),
    InviteClient(InviteClient),
    OtherClient(OtherClient),
}

/// What happens to it.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A server's user answers; a client hears a response.
    Status(u16),
    /// The request comes again.
    Repeat,
    /// The ACK comes.
    Ack,
}

fn packet(text: impl ToString) -> Packet {
    text.to_string().into_bytes().into()
}

impl Machine {
    fn new(kind: &str, carriage: Carriage) -> (Self, Vec<String>) {
        let (timers, start) = (Timers::default(), Duration::ZERO);
        match kind {
            "invite server" => (Self::InviteServer(InviteServer::new(timers, carriage)), vec![]),
            "other server" => (Self::OtherServer(OtherServer::new(timers, carriage)), vec![]),
            "invite client" => {
                let (machine, step) = InviteClient::new(packet("INVITE"), timers, carriage, start);
                (Self::InviteClient(machine), client_says(&step))
            }
            "other client" => {
                let (machine, step) = OtherClient::new(packet("BYE"), timers, carriage, start);
                (Self::OtherClient(machine), client_says(&step))
            }
            other => panic!("{other}"),
        }
    }

    fn hear(&mut self, event: Event, now: Duration) -> Vec<String> {
        match (self, event) {
            (Self::InviteServer(server), Event::Status(status)) => {
                server_says(&server.respond(status, packet(status), now))
            }
            (Self::InviteServer(server), Event::Repeat) => server_says(&server.repeated()),
            (Self::InviteServer(server), Event::Ack) => {
                server.acknowledged(now);
                vec![]
            }
            (Self::OtherServer(server), Event::Status(status)) => {
                server_says(&server.respond(status, packet(status), now))
            }
            (Self::OtherServer(server), Event::Repeat) => server_says(&server.repeated()),
            (Self::InviteClient(client), Event::Status(status)) => {
                client_says(&client.heard(status, || packet("ACK"), now))
            }
            (Self::OtherClient(client), Event::Status(status)) => client_says(&client.heard(status, now)),
            (machine, event) => panic!("{machine:?} cannot hear {event:?}"),
        }
    }

    fn due(&self) -> Option<Duration> {
        match self {
            Self::InviteServer(server) => server.due(),
            Self::OtherServer(server) => server.due(),
            Self::InviteClient(client) => client.due(),
            Self::OtherClient(client) => client.due(),
        }
    }

    fn tick(&mut self, now: Duration) -> Vec<String> {
        match self {
            Self::InviteServer(server) => server_says(&server.tick(now)),
            Self::OtherServer(server) => {
                server.tick(now);
                vec![]
            }
            Self::InviteClient(client) => client_says(&client.tick(now)),
            Self::OtherClient(client) => client_says(&client.tick(now)),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::InviteServer(server) => server.is_over(),
            Self::OtherServer(server) => server.is_over(),
            Self::InviteClient(client) => client.is_over(),
            Self::OtherClient(client) => client.is_over(),
        }
    }
}

fn server_says(step: &Step<ServerNews>) -> Vec<String> {
    says(step, |ServerNews::NoAck| "no ack".to_owned())
}

fn client_says(step: &Step<ClientNews>) -> Vec<String> {
    says(step, |news| match news {
        ClientNews::Heard => "heard".to_owned(),
        ClientNews::TimedOut => "timed out".to_owned(),
    })
}

fn says<N: Copy>(step: &Step<N>, word: impl Fn(N) -> String) -> Vec<String> {
    let sent = step.send.as_deref().map(|bytes| format!(">{}", String::from_utf8_lossy(bytes)));
    sent.into_iter().chain(step.news.map(word)).collect()
}

const A_MS: Duration = Duration::from_millis(1);

/// Two minutes in the life of a transaction, a line for each thing it says: when, in milliseconds, and what.
fn life(kind: &str, carriage: Carriage, script: &[(u64, Event)]) -> Vec<String> {
    let (mut machine, said) = Machine::new(kind, carriage);
    let mut log: Vec<String> = said.into_iter().map(|what| format!("0 {what}")).collect();
    let mut script = script.iter().peekable();
    let mut over = machine.is_over();
    loop {
        let next = script.peek().map(|(ms, _)| Duration::from_millis(*ms));
        // Whoever asks too early is told nothing, and nothing is over.
        let sooner = [machine.due(), next].into_iter().flatten().min().and_then(|at| at.checked_sub(A_MS));
        let early = sooner.filter(|_| !machine.is_over()).map(|early| machine.tick(early));
        assert!(early.is_none_or(|said| said.is_empty()) && (over || !machine.is_over()), "{log:?}");
        let (now, said) = match (machine.due(), next) {
            (Some(due), None) => (due, machine.tick(due)),
            (Some(due), Some(next)) if due < next => (due, machine.tick(due)),
            (_, Some(next)) => (next, script.next().map_or(vec![], |(_, event)| machine.hear(*event, next))),
            (None, None) => return log,
        };
        assert!(now <= Duration::from_secs(120), "it has no end: {log:?}");
        log.extend(said.into_iter().map(|what| format!("{} {what}", now.as_millis())));
        if machine.is_over() && !over {
            over = true;
            log.push(format!("{} over", now.as_millis()));
        }
    }
}

#[test]
fn each_transaction_lives_as_rfc_3261_and_6026_say() {
    use Event::{Ack, Repeat, Status};
    let refusals = "0 >486, 500 >486, 1500 >486, 3500 >486, 7500 >486, 11500 >486, 15500 >486, 19500 >486, 23500 >486, \
                    27500 >486, 31500 >486";
    let accepted = refusals.replace("486", "200");
    for (kind, carriage, script, expected) in [
        ("invite server", Datagrams, vec![(0, Status(486))], format!("{refusals}, 32000 no ack, 32000 over")),
        ("invite server", Stream, vec![(0, Status(486))], "0 >486, 32000 no ack, 32000 over".into()),
        ("invite server", Datagrams, vec![(0, Status(200))], format!("{accepted}, 32000 no ack, 32000 over")),
        // From end to end nobody else repeats it.
        ("invite server", Stream, vec![(0, Status(200))], format!("{accepted}, 32000 no ack, 32000 over")),
        (
            "invite server",
            Datagrams,
            vec![(0, Repeat), (5, Status(100)), (9, Repeat), (20, Status(180)), (30, Repeat), (40, Status(486)), (50, Repeat), (60, Ack), (70, Repeat)],
            "5 >100, 9 >100, 20 >180, 30 >180, 40 >486, 50 >486, 5060 over".into(),
        ),
        ("invite server", Stream, vec![(40, Status(486)), (60, Ack)], "40 >486, 60 over".into()),
        (
            "invite server",
            Datagrams,
            vec![(0, Status(200)), (10, Repeat), (600, Ack), (700, Repeat), (800, Status(486))],
            "0 >200, 500 >200, 32000 over".into(),
        ),
        ("other server", Datagrams, vec![(1, Repeat), (2, Status(100)), (3, Repeat), (10, Status(200)), (11, Status(500)), (900, Repeat)], "2 >100, 3 >100, 10 >200, 900 >200, 32010 over".into()),
        ("other server", Stream, vec![(10, Status(200))], "10 >200, 10 over".into()),
        (
            "invite client",
            Datagrams,
            vec![],
            "0 >INVITE, 500 >INVITE, 1500 >INVITE, 3500 >INVITE, 7500 >INVITE, 15500 >INVITE, 31500 >INVITE, 32000 timed out, 32000 over".into(),
        ),
        ("invite client", Stream, vec![], "0 >INVITE, 32000 timed out, 32000 over".into()),
        (
            "invite client",
            Datagrams,
            vec![(100, Status(100)), (60_000, Status(180)), (61_000, Status(200)), (61_500, Status(200)), (61_600, Status(180))],
            "0 >INVITE, 100 heard, 60000 heard, 61000 heard, 61500 heard, 93000 over".into(),
        ),
        (
            "invite client",
            Datagrams,
            vec![(100, Status(486)), (600, Status(486)), (700, Status(200))],
            "0 >INVITE, 100 >ACK, 100 heard, 600 >ACK, 32100 over".into(),
        ),
        ("invite client", Stream, vec![(100, Status(486))], "0 >INVITE, 100 >ACK, 100 heard, 100 over".into()),
        (
            "other client",
            Datagrams,
            vec![],
            "0 >BYE, 500 >BYE, 1500 >BYE, 3500 >BYE, 7500 >BYE, 11500 >BYE, 15500 >BYE, 19500 >BYE, 23500 >BYE, 27500 >BYE, 31500 >BYE, 32000 timed out, 32000 over".into(),
        ),
        (
            "other client",
            Datagrams,
            vec![(600, Status(100)), (9000, Status(200)), (9500, Status(200))],
            "0 >BYE, 500 >BYE, 600 heard, 1500 >BYE, 5500 >BYE, 9000 heard, 14000 over".into(),
        ),
        ("other client", Stream, vec![(100, Status(481))], "0 >BYE, 100 heard, 100 over".into()),
    ] {
        assert_eq!(life(kind, carriage, &script).join(", "), expected, "{kind} {carriage:?} {script:?}");
    }
}

#[test]
fn a_clock_that_stood_still_makes_no_burst() {
    let (mut client, step) = OtherClient::new(packet("BYE"), Timers::default(), Datagrams, Duration::ZERO);
    assert_eq!(client_says(&step), [">BYE"]);
    let late = Duration::from_secs(20);
    assert_eq!(
        [client_says(&client.tick(late)), client_says(&client.tick(late))],
        [vec![">BYE".to_owned()], vec![]]
    );
}

#[test]
fn what_may_be_cancelled_is_neither_unheard_nor_answered() {
    let (timers, now) = (Timers::default(), Duration::ZERO);
    let (mut client, _) = InviteClient::new(packet("INVITE"), timers, Datagrams, now);
    let mut may = vec![client.may_be_cancelled()];
    for status in [180, 200] {
        assert!(client.heard(status, || packet("ACK"), now).news.is_some());
        may.push(client.may_be_cancelled());
    }
    assert_eq!(may, [false, true, false]);
    let mut server = InviteServer::new(timers, Datagrams);
    let mut unanswered = vec![server.is_unanswered()];
    for status in [180, 487] {
        assert!(server.respond(status, packet(status), now).send.is_some());
        unanswered.push(server.is_unanswered());
    }
    assert_eq!(unanswered, [true, true, false]);
}

/// A life of one of the four, in which at most twenty things happen within 80 s.
fn lives() -> impl Strategy<Value = (&'static str, Vec<(u64, Event)>)> {
    let status =
        || prop::sample::select(vec![100, 180, 200, 202, 302, 404, 487, 503, 603]).prop_map(Event::Status);
    let of = |kind: &'static str, event: BoxedStrategy<Event>| {
        prop::collection::vec((0..80_000_u64, event), 0..20).prop_map(move |mut script| {
            script.sort_by_key(|(ms, _)| *ms);
            (kind, script)
        })
    };
    prop_oneof![
        of("invite server", prop_oneof![status(), Just(Event::Repeat), Just(Event::Ack)].boxed()),
        of("other server", prop_oneof![status(), Just(Event::Repeat)].boxed()),
        of("invite client", status().boxed()),
        of("other client", status().boxed()),
    ]
}

proptest! {
    /// Whatever happens, a transaction that is answered ends, says nothing behind its end, and sends no more than its
    /// timers and its visitors ask for.
    #[test]
    fn every_transaction_that_is_answered_ends((kind, mut script) in lives(), stream in any::<bool>()) {
        let last = script.last().map_or(0, |(ms, _)| *ms);
        script.push((last, Event::Status(487)));
        let log = life(kind, if stream { Stream } else { Datagrams }, &script);
        let over = log.iter().position(|line| line.ends_with(" over"));
        prop_assert_eq!(over, Some(log.len() - 1), "{:?}", log);
        let sent = log.iter().filter(|line| line.contains('>')).count();
        prop_assert!(sent <= 11 + script.len(), "{:?}", log);
        let given_up = log.iter().filter(|line| line.ends_with("no ack") || line.ends_with("timed out"));
        prop_assert!(given_up.count() <= 1, "{:?}", log);
    }
}
