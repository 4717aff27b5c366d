//! An installation looked at as a whole: configuration, surveys and recordings together.

use std::sync::Arc;

use aftercall_core::survey::fault::{Pointer, Severity};

use crate::config::{Config, SipTls};
use crate::prompts::Prompts;
use crate::signalling::Security;
use crate::surveys::{FileFault, Surveys};
use crate::tls::{Acceptor, Files, TlsFault, connector};
use crate::unread;

/// What was found: what can be used, and what is wrong.
pub struct Installation {
    /// The surveys that are sound.
    pub surveys: Arc<Surveys>,
    /// The recordings they need.
    pub prompts: Arc<Prompts>,
    /// The certificate to serve the API with, where one is configured and sound.
    pub tls: Option<Arc<Acceptor>>,
    /// What SIP over TLS needs, where it is configured and sound.
    pub sip_tls: Option<Security>,
    /// Everything that is wrong or worth a look, in the order of the files.
    pub faults: Vec<FileFault>,
}

impl Installation {
    /// Reads the surveys and recordings that a configuration points to, and its certificate, and holds
    /// the names in it against them.
    #[must_use]
    pub fn read(config: &Config) -> Self {
        let (surveys, mut faults) = Surveys::load(&config.surveys_dir);
        // A faulty survey is left out: what it would have spoken and played is not known.
        if !faults.iter().any(is_fault) {
            faults.extend(config.unspoken_languages(&surveys));
            faults.extend(unread::recordings(&config.prompts_dir, &surveys));
        }
        let (prompts, unplayable) = Prompts::load(&config.prompts_dir, &surveys);
        faults.extend(unplayable);
        faults.extend(unread::surveys(&config.surveys_dir));
        faults.extend(config.unknown_surveys(&surveys));
        faults.extend(config.missing_folders());
        faults.extend(config.cleaned_queues());
        let tls = sound(config, "http", config.http.tls.as_ref().map(http_tls), &mut faults).map(Arc::new);
        let sip_tls = sound(config, "sip", config.sip.tls.as_ref().map(sip_tls), &mut faults);
        faults.sort();
        Self { surveys: Arc::new(surveys), prompts: Arc::new(prompts), tls, sip_tls, faults }
    }

    /// Whether something must be mended before calls can be taken.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.faults.iter().any(is_fault)
    }
}

/// What TLS of the API needs.
///
/// # Errors
/// When its files cannot be used.
pub fn http_tls(files: &Files) -> Result<Acceptor, TlsFault> {
    Acceptor::new(files.clone(), Some(b"http/1.1"))
}

/// What SIP over TLS needs, for calls that come in and for those that go out.
///
/// # Errors
/// When its files cannot be used.
pub fn sip_tls(tls: &SipTls) -> Result<Security, TlsFault> {
    Ok(Security {
        accepts: Some(Arc::new(Acceptor::new(tls.files.clone(), None)?)),
        connects: Some(connector(tls.ca.as_deref(), Some(&tls.files))?),
    })
}

fn sound<T>(
    config: &Config,
    table: &str,
    read: Option<Result<T, TlsFault>>,
    faults: &mut Vec<FileFault>,
) -> Option<T> {
    read?
        .map_err(|fault| {
            faults
                .push(config.fault(&Pointer::root().key(table).key("tls"), format!("[{table}] tls: {fault}")))
        })
        .ok()
}

fn is_fault(found: &FileFault) -> bool {
    found.at.severity == Severity::Fault
}
