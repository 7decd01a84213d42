//! One exchange with a service, as the wire log lists it.
//!
//! Headers and bodies have been masked before they come here: a masked value
//! keeps its type, and in `CSVData` only secret cells are replaced before the
//! bytes are listed.

use serde::Serialize;
use serde_json::{Map, Value};

/// What stands for a masked text.
pub const MASK: &str = "***";

/// One request and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// `entra`, `exchange`, `graph`, `autodiscover`, `rpc`, `ldap`, `dns`,
    /// `zone` or `smtp`.
    pub service: &'static str,
    /// HTTP method, LDAP or DNS operation, SMTP verb.
    pub method: String,
    /// As sent, with the vendor's host and path.
    pub url: String,
    /// As sent; `Authorization` masked.
    pub request_headers: Map<String, Value>,
    /// JSON where it is JSON, else a string; null where there is none.
    pub request_body: Value,
    /// HTTP status, LDAP result code, DNS rcode, SMTP reply; null if no answer
    /// came.
    pub status: Option<u16>,
    /// As received.
    pub response_headers: Map<String, Value>,
    /// JSON where it is JSON, else a string; null where there is none.
    pub response_body: Value,
}

/// Takes exchanges as they happen. Implementations must be quick.
pub trait Tap: Send + Sync {
    /// One more.
    fn exchange(&self, exchange: Exchange);
}
