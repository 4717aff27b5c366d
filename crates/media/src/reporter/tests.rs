use super::*;

const HZ: u32 = 8000;

const OWN: Own = Own { ssrc: 7, timestamp: 1600, packets: 50, octets: 8000, clock_hz: HZ };

fn reporter() -> Reporter {
    Reporter::new(&Beginning { ssrc: 7, sequence: 1, timestamp: 2 })
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What a report says: of our own stream, and of the peer's.
fn said(
    reporter: &mut Reporter,
    own: Own,
    theirs: Option<Present>,
    now: Duration,
) -> (Option<Sent>, Option<Block>) {
    let mut out = [0; COMPOUND_BYTES_MAX];
    let length = reporter.write(&own, theirs, now, false, &mut out);
    match parse(&out[..length]).unwrap().next() {
        Some(Part::Report { ssrc: 7, sent, mut blocks }) => (sent, blocks.next()),
        other => panic!("{other:?}"),
    }
}

fn compound(sent: Option<Sent>, block: Option<Block>) -> Vec<u8> {
    let mut out = [0; COMPOUND_BYTES_MAX];
    let length = Outgoing { ssrc: 3, sent, block, name: "peer", goodbye: false }.write(&mut out);
    out[..length].to_vec()
}

fn stream(highest: u32, lost: u32) -> Present {
    Present { ssrc: 3, highest, lost, jitter: ms(2) }
}

#[test]
fn a_sender_report_tells_what_was_sent_and_who_is_silent_sends_a_receiver_report() {
    let mut reporter = reporter();
    let (sent, block) = said(&mut reporter, OWN, None, ms(1500));
    assert_eq!(sent, Some(Sent { ntp: 1 << 32 | 1 << 31, timestamp: 1600, packets: 50, octets: 8000 }));
    assert_eq!(block, None);
    assert_eq!(said(&mut reporter, OWN, None, ms(6500)).0, None, "nothing more was sent");
    assert!(said(&mut reporter, Own { packets: 51, ..OWN }, None, ms(9500)).0.is_some());
}

#[test]
fn loss_is_told_since_the_report_before_and_since_the_beginning() {
    let mut reporter = reporter();
    let mut told =
        |theirs| said(&mut reporter, OWN, Some(theirs), ms(0)).1.map(|b| (b.fraction_lost, b.lost, b.jitter));
    assert_eq!(told(stream(100, 4)), Some((0, 4, 16)));
    assert_eq!(told(stream(200, 29)), Some((64, 29, 16)), "a quarter of the hundred");
    assert_eq!(told(stream(200, 29)), Some((0, 29, 16)), "nothing was expected");
    assert_eq!(told(stream(300, 9)), Some((0, 9, 16)), "some came late");
    assert_eq!(told(Present { ssrc: 4, ..stream(10, 1) }), Some((0, 1, 16)), "another source");
    assert_eq!(told(Present { ssrc: 4, ..stream(10, 1 << 31) }).unwrap().1, 0x7f_ffff, "24 bits");
}

#[test]
fn the_round_trip_is_what_neither_side_held_back() {
    let mut reporter = reporter();
    let sent = Sent { ntp: ntp(ms(10_000)), timestamp: 0, packets: 1, octets: 160 };
    let told = Block {
        ssrc: 7,
        fraction_lost: 0,
        lost: 5,
        highest: 9,
        jitter: 24,
        last_report: sent.middle(),
        delay: middle(ms(2000)),
    };
    let mut hear = |block, at| {
        reporter.hear(&compound(None, Some(block)), 7, Some(3), HZ, at).unwrap();
        (reporter.round_trip().map(|time| time.as_millis()), reporter.peer())
    };
    let view = Some(PeerView { lost: 5, jitter: ms(3) });
    assert_eq!(hear(Block { ssrc: 8, ..told }, ms(12_040)), (None, None), "of another stream");
    assert_eq!(hear(Block { last_report: 0, ..told }, ms(12_040)), (None, view), "it has heard none of ours");
    assert_eq!(hear(told, ms(12_040)), (Some(39), view), "but for what is rounded away");
    assert_eq!(hear(told, ms(11_000)), (Some(39), view), "it cannot have come before it was sent");
    assert_eq!(hear(told, ms(60_000)), (Some(39), view), "nor have taken so long");
    assert_eq!(hear(Block { lost: -3, ..told }, ms(12_040)).1, Some(PeerView { lost: 0, jitter: ms(3) }));
}

#[test]
fn the_peers_report_is_given_back_with_the_time_since() {
    let mut reporter = reporter();
    let sent = Sent { ntp: 0x1234_5678_9abc_def0, timestamp: 0, packets: 1, octets: 160 };
    reporter.hear(&compound(Some(sent), None), 7, Some(3), HZ, ms(1000)).unwrap();
    let block = said(&mut reporter, OWN, Some(stream(9, 0)), ms(3500)).1.unwrap();
    assert_eq!((block.last_report, block.delay), (0x5678_9abc, 65_536 * 5 / 2));
    let other = said(&mut reporter, OWN, Some(Present { ssrc: 4, ..stream(9, 0) }), ms(3500)).1.unwrap();
    assert_eq!((other.last_report, other.delay), (0, 0), "another stream's was not heard");
    reporter.hear(&compound(Some(Sent { ntp: 0, ..sent }), None), 7, Some(4), HZ, ms(2000)).unwrap();
    let block = said(&mut reporter, OWN, Some(stream(9, 0)), ms(3500)).1.unwrap();
    assert_eq!(block.last_report, 0x5678_9abc, "a report of who is not heard is none");
    assert!(reporter.hear(b"rubbish", 7, Some(3), HZ, ms(3000)).is_err());
}

#[test]
fn pauses_are_five_seconds_in_the_mean_and_never_alike() {
    let mut reporter = reporter();
    let first = Reporter::new(&Beginning { ssrc: 7, sequence: 1, timestamp: 2 }).first_pause();
    assert!((ms(1250)..=ms(3750)).contains(&first), "{first:?}");
    let pauses: Vec<Duration> = (0..1000).map(|_| reporter.pause()).collect();
    assert!(pauses.iter().all(|pause| (ms(2500)..=ms(7500)).contains(pause)));
    let mean = pauses.iter().sum::<Duration>() / 1000;
    assert!((ms(4800)..=ms(5200)).contains(&mean), "{mean:?}");
    let other = Reporter::new(&Beginning { ssrc: 8, sequence: 1, timestamp: 2 }).pause();
    assert_ne!(pauses[0], other);
    assert!(Reporter::new(&Beginning { ssrc: 0, sequence: 0, timestamp: 0 }).pause() > PAUSE / 2);
}
