//! A report as a mail, and its way to the mail server.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::secret::Secret;

/// How long the mail server may take for each answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How long it may take for all of it.
const WHOLE_WAIT: Duration = Duration::from_secs(120);

/// A mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Its address, with the password.
    pub url: Secret,
    /// Who sends.
    pub from: Secret,
    /// Who has signed its certificate, if not one whom browsers trust.
    pub ca: Option<std::path::PathBuf>,
}

/// A mail to be sent.
pub struct Mail<'a> {
    pub to: &'a [Secret],
    pub subject: String,
    pub text: String,
    pub html: String,
    /// Names, and CSV.
    pub files: Vec<(String, String)>,
    /// The same however often the same is sent.
    pub id: String,
    pub at: Timestamp,
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

impl Smtp {
    /// What is wrong with an address of a mail server, if anything.
    pub fn fault(url: &str) -> Option<String> {
        let example = "such as `smtps://user:${SMTP_PASSWORD}@mail.example.com:465` or \
                       `smtp://user:${SMTP_PASSWORD}@mail.example.com:587?tls=required`";
        if Transport::from_url(url).is_err() {
            return Some(format!("is not the address of a mail server, {example}"));
        }
        let has_password = url.contains('@');
        (has_password && url.starts_with("smtp://") && !url.contains("tls=required"))
            .then(|| "would send the password for all to read: put `?tls=required` behind it".to_owned())
    }

    /// Whether this is an address that mail is sent from or to.
    pub fn is_address(text: &str) -> bool {
        text.parse::<Mailbox>().is_ok()
    }

    /// Hands a mail to the server, for all who are to have it.
    ///
    /// # Errors
    /// Says why the server did not take it; nothing of it names a person.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<(), String> {
        let message = self.message(mail)?;
        let transport = self.transport()?;
        match tokio::time::timeout(WHOLE_WAIT, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err("the mail server took too long".to_owned()),
        }
    }

    fn message(&self, mail: &Mail<'_>) -> Result<Message, String> {
        let address =
            |text: &Secret| text.expose().parse::<Mailbox>().map_err(|_| "an address is none".to_owned());
        let from = address(&self.from)?;
        let id = format!("<{}@{}>", mail.id, from.email.domain());
        let second = u64::try_from(mail.at.as_second()).unwrap_or_default();
        let mut builder = Message::builder()
            .from(from)
            .subject(&mail.subject)
            .message_id(Some(id))
            .date(std::time::UNIX_EPOCH + Duration::from_secs(second));
        for to in mail.to {
            builder = builder.to(address(to)?);
        }
        let both = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
        let parts =
            mail.files.iter().try_fold(MultiPart::mixed().multipart(both), |parts, (name, csv)| {
                Ok::<_, String>(parts.singlepart(attached(name, csv)?))
            })?;
        let mut message = builder.multipart(parts).map_err(|error| error.to_string())?;
        // No machine that is on holiday answers (RFC 3834, 5).
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }

    fn transport(&self) -> Result<Transport, String> {
        let url = self.url.expose();
        let builder = Transport::from_url(url).map_err(|_| "[smtp] url cannot be read".to_owned())?;
        let builder = builder.timeout(Some(ANSWER_WAIT));
        let Some(ca) = &self.ca else { return Ok(builder.build()) };
        let trusted = trusting(host(url), ca)?;
        Ok(match (url.starts_with("smtps:"), url.contains("tls=required")) {
            (true, _) => builder.tls(Tls::Wrapper(trusted)).build(),
            (false, true) => builder.tls(Tls::Required(trusted)).build(),
            (false, false) => builder.build(),
        })
    }
}

fn attached(name: &str, csv: &str) -> Result<SinglePart, String> {
    let kind = ContentType::parse("text/csv; charset=utf-8").map_err(|error| error.to_string())?;
    Ok(Attachment::new(name.to_owned()).body(csv.to_owned(), kind))
}

fn trusting(host: &str, ca: &Path) -> Result<TlsParameters, String> {
    let pem = std::fs::read(ca).map_err(|error| format!("{}: cannot be read: {error}", ca.display()))?;
    let certificate =
        Certificate::from_pem(&pem).map_err(|_| format!("{}: is no certificate", ca.display()))?;
    let parameters = TlsParameters::builder(host.to_owned()).add_root_certificate(certificate);
    parameters.build().map_err(|_| format!("{}: is no certificate", ca.display()))
}

/// The host in an address.
fn host(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let authority = behind.split(['/', '?']).next().unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, _)) => inner,
        None => place.split(':').next().unwrap_or_default(),
    }
}

/// What went wrong. What the server said may name people, and is left out but for its code.
fn told(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_tls() || names_a_certificate(error) => {
            "no secure connection to the mail server: is its certificate one that `[smtp] ca` or browsers trust?".to_owned()
        }
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None => "the mail server could not be reached, or did not let us in".to_owned(),
    }
}

/// Whether TLS itself has refused the other side: while a connection turns to it the library says only that it failed.
fn names_a_certificate(error: &dyn std::error::Error) -> bool {
    error.to_string().contains("certificate") || error.source().is_some_and(names_a_certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_in_an_address_and_a_password_is_not_sent_in_the_clear() {
        for (url, expected, is_fine) in [
            ("smtp://mail.example.com", "mail.example.com", true),
            ("smtps://user:p%40ss@mail.example.com:465", "mail.example.com", true),
            ("smtp://user:pass@mail.example.com:587/helo?tls=required", "mail.example.com", true),
            ("smtp://[::1]:25", "::1", true),
            ("smtp://user:pass@mail.example.com", "mail.example.com", false),
            ("smtp://user:pass@mail.example.com?tls=opportunistic", "mail.example.com", false),
            ("imap://mail.example.com", "mail.example.com", false),
        ] {
            assert_eq!((host(url), Smtp::fault(url).is_none()), (expected, is_fine), "{url}");
        }
    }
}
