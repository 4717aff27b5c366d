use aftercall_wire::sip::{
    Broken, Flaw, HEAD_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, Piece, datagram, stream,
};

/// SIP messages: what is read is printed and read as the same; a stream means the same however it is cut up; a
/// message means the same in a datagram and on a stream.
pub fn sip(bytes: &[u8]) {
    if let Ok(Piece::Message(message, flaw)) = datagram(bytes) {
        reads_again_as_itself(&message, flaw);
        answers_as_a_message(&message);
    }
    let whole = pieces(bytes, &mut |_| usize::MAX);
    let mut seed = bytes.iter().fold(bytes.len(), |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let cut = pieces(bytes, &mut |left| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (seed >> 33) % (left / 2 + 1)
    });
    assert_eq!(whole, cut, "a stream means the same however it is cut up");
}

fn reads_again_as_itself(message: &Message, flaw: Option<Flaw>) {
    let printed = match message {
        Message::Request(request) => request.to_bytes(),
        Message::Response(response) => response.to_bytes(),
    };
    // Printed, headers take more room: long names, a replacement for what was no UTF-8, the body's length.
    let head = printed.len() - message.body().len();
    if head > HEAD_BYTES_MAX
        || printed.len() > MESSAGE_BYTES_MAX
        || message.headers().iter().count() >= HEADERS_MAX
    {
        return;
    }
    let Ok(Piece::Message(again, flaw_again)) = datagram(&printed) else {
        panic!("what was printed is no SIP: {}", String::from_utf8_lossy(&printed))
    };
    assert_eq!(message, &*again);
    let told = |flaw: Option<Flaw>| {
        flaw.filter(|flaw| matches!(flaw, Flaw::Missing(_) | Flaw::Twice(_) | Flaw::Mismatch))
    };
    if flaw.is_none() || told(flaw).is_some() {
        assert_eq!(flaw, flaw_again);
    }
    let (on_stream, length) =
        stream(&printed).expect("a message is one on a stream too").expect("it is whole");
    assert_eq!((on_stream, length), (Piece::Message(again, flaw_again), printed.len()));
}

/// What we answer to a request that is sound is sound itself, and names the same transaction.
fn answers_as_a_message(message: &Message) {
    let Message::Request(request) = message else { return };
    let answer = request.answer(486, "Busy Here", "ours");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        assert!(answer.headers.all(name).eq(request.headers.all(name)), "{name}");
    }
    let sound = matches!(datagram(&request.to_bytes()), Ok(Piece::Message(_, None)));
    if sound && answer.to_bytes().len() < HEAD_BYTES_MAX {
        let read = datagram(&answer.to_bytes());
        assert!(matches!(&read, Ok(Piece::Message(_, None))), "{read:?} from {answer:?}");
    }
}

/// What a stream carries, read as chunks arrive; the end of it is where nothing more can be found.
fn pieces(bytes: &[u8], chunk: &mut dyn FnMut(usize) -> usize) -> Vec<Result<Piece, Broken>> {
    let (mut found, mut begin, mut arrived) = (Vec::new(), 0, 0);
    loop {
        match stream(&bytes[begin..arrived]) {
            Ok(Some((Piece::Message(_, Some(Flaw::Length)), _))) => return found,
            Ok(Some((piece, length))) => {
                assert!((1..=arrived - begin).contains(&length), "it takes what is there");
                found.push(Ok(piece));
                begin += length;
            }
            Ok(None) => {
                assert!(arrived - begin < MESSAGE_BYTES_MAX, "nobody waits for more than a message");
                let left = bytes.len() - arrived;
                if left == 0 {
                    return found;
                }
                arrived += chunk(left).min(left);
            }
            Err(broken) => {
                found.push(Err(broken));
                return found;
            }
        }
    }
}
