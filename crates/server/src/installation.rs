//! An installation looked at as a whole: configuration, surveys and recordings together.

use std::sync::Arc;

use aftercall_core::survey::fault::{Pointer, Severity};
use tokio_rustls::TlsAcceptor;

use crate::api::tls;
use crate::config::Config;
use crate::prompts::Prompts;
use crate::surveys::{FileFault, Surveys};
use crate::unread;

/// What was found: what can be used, and what is wrong.
pub struct Installation {
    /// The surveys that are sound.
    pub surveys: Arc<Surveys>,
    /// The recordings they need.
    pub prompts: Arc<Prompts>,
    /// The certificate to serve the API with, where one is configured and sound.
    pub tls: Option<TlsAcceptor>,
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
        let tls = config.http.tls.as_ref().map(tls::acceptor).transpose().unwrap_or_else(|fault| {
            faults.push(config.fault(&Pointer::root().key("http").key("tls"), fault.to_string()));
            None
        });
        faults.sort();
        Self { surveys: Arc::new(surveys), prompts: Arc::new(prompts), tls, faults }
    }

    /// Whether something must be mended before calls can be taken.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.faults.iter().any(is_fault)
    }
}

fn is_fault(found: &FileFault) -> bool {
    found.at.severity == Severity::Fault
}
