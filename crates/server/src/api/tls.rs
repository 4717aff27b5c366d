//! TLS for those who want no proxy before the API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::Tls;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file is not there, or not PEM.
    #[error("[http] tls: {file}: {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not fit each other, or rustls does not know their kind.
    #[error("[http] tls: {file}: {why}")]
    Pair {
        /// The certificate's file.
        file: PathBuf,
        /// What is wrong with the two.
        why: rustls::Error,
    },
}

/// Reads certificate and key, once: new ones need a restart.
///
/// # Errors
/// When a file cannot be read, or the two do not fit.
pub fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsFault> {
    let chain = CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| unreadable(&tls.cert, &error))?;
    if chain.is_empty() {
        return Err(TlsFault::File {
            file: tls.cert.clone(),
            why: "there is no certificate in it".to_owned(),
        });
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unreadable(&tls.key, &error))?;
    let pair = |why| TlsFault::Pair { file: tls.cert.clone(), why };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(pair)?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unreadable(file: &Path, error: &PemError) -> TlsFault {
    let why = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "there is no key in it".to_owned(),
        other => format!("this is not PEM ({other})"),
    };
    TlsFault::File { file: file.to_owned(), why }
}
