//! SIP messages, read and answered.

/// A message as it lies in the receive buffer.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Its first line.
    pub start: Start<'a>,
    headers: Vec<(&'a str, &'a str)>,
    /// What it carries, as long as Content-Length says, or to the datagram's end (RFC 3261, 18.3).
    pub body: &'a str,
}

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// They ask us.
    Request {
        /// What for.
        method: &'a str,
    },
    /// They answer us.
    Response {
        /// 100-699.
        status: u16,
    },
}

/// A header a message may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `Via`, the nearest hop first.
    Via,
    /// Who called.
    From,
    /// Who was called.
    To,
    /// Which call.
    CallId,
    /// Which request of the call.
    CSeq,
    /// Where its sender is reached from now on.
    Contact,
    /// The body's length in bytes.
    ContentLength,
}

impl Name {
    /// The header's name and its compact form, if it has one (RFC 3261, 20).
    const fn spelled(self) -> [&'static str; 2] {
        match self {
            Self::Via => ["Via", "v"],
            Self::From => ["From", "f"],
            Self::To => ["To", "t"],
            Self::CallId => ["Call-ID", "i"],
            Self::CSeq => ["CSeq", "CSeq"],
            Self::Contact => ["Contact", "m"],
            Self::ContentLength => ["Content-Length", "l"],
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None` when it is not a SIP message.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = Start::parse(lines.next()?)?;
        let headers = lines.map(header).collect::<Option<Vec<_>>>()?;
        let mut message = Self { start, headers, body };
        if let Some(length) = message.header(Name::ContentLength) {
            message.body = body.get(..length.parse().ok()?)?;
        }
        Some(message)
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: Name) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The number and method of `CSeq`.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.header(Name::CSeq)?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The URI of `Contact`.
    #[must_use]
    pub fn contact(&self) -> Option<&'a str> {
        let contact = self.header(Name::Contact)?;
        match contact.split_once('<') {
            Some((_, rest)) => rest.split_once('>').map(|(uri, _)| uri),
            // Without brackets what follows a semicolon is not the URI's (RFC 3261, 20.10).
            None => contact.split(';').next().map(str::trim),
        }
    }

    /// The answer to this request. Everything a peer needs to find its transaction is copied; it may need nothing more,
    /// since `To` has had its tag from the first answer on.
    #[must_use]
    pub fn answer(&self, status: &str) -> String {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            for value in self.all(name) {
                let [name, _] = name.spelled();
                answer.extend([name, ": ", value, "\r\n"]);
            }
        }
        answer.push_str("Content-Length: 0\r\n\r\n");
        answer
    }

    fn all(&self, name: Name) -> impl Iterator<Item = &'a str> {
        let wanted = name.spelled();
        let is_wanted = move |header: &str| wanted.iter().any(|name| name.eq_ignore_ascii_case(header));
        self.headers.iter().filter(move |(header, _)| is_wanted(header)).map(|&(_, value)| value)
    }
}

impl<'a> Start<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
            let status = rest.get(..3)?.parse().ok()?;
            return (100..700).contains(&status).then_some(Self::Response { status });
        }
        let mut words = line.split(' ');
        let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
        let is_request =
            version == "SIP/2.0" && !method.is_empty() && !uri.is_empty() && words.next().is_none();
        is_request.then_some(Self::Request { method })
    }
}

fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim_end(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKx\r\nFROM: <sip:a@b>;tag=1\r\n\
        t: <sip:c@d>;tag=2\r\nCall-ID : r-7@127.0.0.1\r\nCSeq: 1 INVITE\r\n\
        Contact: \"x\" <sip:csat@127.0.0.1:5060;transport=udp>;expires=5\r\nl:   4\r\n\r\nv=0\r\nrest";

    #[test]
    fn a_response_is_read_whatever_way_its_headers_are_spelled() {
        let message = Message::parse(OK.as_bytes()).unwrap();
        assert_eq!(message.start, Start::Response { status: 200 });
        assert_eq!(message.header(Name::Via), Some("SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKx"));
        assert_eq!(message.header(Name::From), Some("<sip:a@b>;tag=1"));
        assert_eq!(message.header(Name::To), Some("<sip:c@d>;tag=2"));
        assert_eq!(message.header(Name::CallId), Some("r-7@127.0.0.1"));
        assert_eq!(message.cseq(), Some((1, "INVITE")));
        assert_eq!(message.contact(), Some("sip:csat@127.0.0.1:5060;transport=udp"));
        assert_eq!(message.body, "v=0\r");
    }

    #[test]
    fn a_contact_without_brackets_ends_at_its_parameters() {
        let text = "SIP/2.0 200 OK\r\nm: sip:csat@10.0.0.1:5070;expires=60\r\n\r\n";
        assert_eq!(Message::parse(text.as_bytes()).unwrap().contact(), Some("sip:csat@10.0.0.1:5070"));
    }

    #[test]
    fn what_is_not_sip_is_nothing() {
        for text in [
            "",
            "\r\n\r\n",
            "\u{0}\u{1}",
            "SIP/2.0 200 OK",
            "SIP/2.0 20 \r\n\r\n",
            "SIP/2.0 900 Far out\r\n\r\n",
            "BYE sip:a@b HTTP/1.1\r\n\r\n",
            "BYE  SIP/2.0\r\n\r\n",
            "BYE sip:a@b SIP/2.0\r\nno colon\r\n\r\n",
            "BYE sip:a@b SIP/2.0\r\nContent-Length: 5\r\n\r\nfour",
            "BYE sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(Message::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(Message::parse(b"BYE sip:a@b SIP/2.0\r\nx: \xff\r\n\r\n").is_none());
    }

    #[test]
    fn an_answer_carries_back_every_hop_and_what_names_the_transaction() {
        let request = "BYE sip:bench@127.0.0.1:5090 SIP/2.0\r\nVia: SIP/2.0/UDP proxy;branch=z9hG4bK2\r\n\
            Via: SIP/2.0/UDP server;branch=z9hG4bK1\r\nMax-Forwards: 69\r\nf: <sip:c@d>;tag=2\r\n\
            To: <sip:a@b>;tag=1\r\nCall-ID: r-7@127.0.0.1\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n";
        let message = Message::parse(request.as_bytes()).unwrap();
        assert_eq!(message.start, Start::Request { method: "BYE" });
        assert_eq!(
            message.answer("200 OK"),
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP proxy;branch=z9hG4bK2\r\nVia: SIP/2.0/UDP server;branch=z9hG4bK1\r\n\
             From: <sip:c@d>;tag=2\r\nTo: <sip:a@b>;tag=1\r\nCall-ID: r-7@127.0.0.1\r\nCSeq: 9 BYE\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }
}
