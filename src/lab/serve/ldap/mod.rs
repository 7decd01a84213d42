//! The domain controller over LDAP: connections, binds, the order of things.
//!
//! One connection is served message by message. Without TLS a simple bind is
//! refused; an empty password is an anonymous bind and succeeds, as it does in
//! the field. Entries are searched and modified, never added, moved or deleted.

pub mod ber;
pub mod filter;
pub mod message;
pub mod modify;
pub mod search;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::accounts::{self, Account, Denied};
use super::state::{State, lock};
use crate::wire::attributes::result;
use message::{Control, Message, Operation, Outcome, answer};

/// StartTLS (RFC 4511, 4.14).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// "Who am I?" (RFC 4532).
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Who am I (RFC 4532); AD does not have it without a bind and nor do we.
const NOTICE: &str = "1.3.6.1.4.1.1466.20036";

/// Accepts connections until the lab stops; `plain` begins without TLS.
pub async fn listen(state: Arc<State>, listener: TcpListener, tls: TlsAcceptor, plain: bool, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (state, tls, stop) = (state.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(state, stream, tls, plain) => {}
            }
        });
    }
}

async fn connection(state: Arc<State>, stream: TcpStream, tls: TlsAcceptor, plain: bool) {
    // Small answers must not wait for the delayed acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let stream = if plain {
        match serve(&state, stream, false).await {
            Some(stream) => stream,
            None => return,
        }
    } else {
        stream
    };
    if let Ok(stream) = tls.accept(stream).await {
        serve(&state, stream, true).await;
    }
}

/// Serves until the end, or until TLS is to begin on the stream.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(state: &State, mut stream: S, secure: bool) -> Option<S> {
    let mut session = Session { secure, account: Who::Nobody, pages: search::Pages::default() };
    let mut buffer: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        while let Some(length) = match ber::frame(&buffer) {
            Ok(length) => length,
            Err(_) => return hang_up(&mut stream).await,
        } {
            let bytes: Vec<u8> = buffer.drain(..length).collect();
            let Ok(message) = message::read(&bytes) else { return hang_up(&mut stream).await };
            let mut out = Vec::new();
            let next = session.handle(state, &message, &mut out);
            if stream.write_all(&out).await.is_err() || stream.flush().await.is_err() {
                return None;
            }
            match next {
                Next::Continue => {}
                Next::Close => return None,
                Next::Tls => return Some(stream),
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
}

/// Notice of disconnection (RFC 4511, 4.4.1).
async fn hang_up<S: AsyncWrite + Unpin>(stream: &mut S) -> Option<S> {
    let mut out = Vec::new();
    message::write_extended(&mut out, 0, &Outcome::new(result::PROTOCOL_ERROR, "malformed message"), NOTICE);
    let _ = stream.write_all(&out).await;
    let _ = stream.flush().await;
    None
}

/// Who speaks on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Nobody has signed in, or with an empty password.
    Nobody,
    /// An account.
    Known(Account),
}

enum Next {
    Continue,
    Close,
    Tls,
}

struct Session {
    secure: bool,
    account: Who,
    pages: search::Pages,
}

impl Session {
    fn handle(&mut self, state: &State, message: &Message, out: &mut Vec<u8>) -> Next {
        let id = message.id;
        let permitted = |tag: u8, out: &mut Vec<u8>| {
            let unknown = message.controls.iter().find(|c| c.critical && !search::CONTROLS.contains(&c.oid.as_str()));
            match unknown {
                Some(control) => {
                    let text = format!(
                        "00000057: LdapErr: DSID-0C090D0D, comment: Error processing control {}, data 0, v1db1",
                        control.oid
                    );
                    message::write_result(out, id, tag, &Outcome::new(12, text), &[]);
                    false
                }
                None => true,
            }
        };
        match &message.operation {
            Operation::Bind { version, name, password } => {
                count(state, "bind");
                let outcome = self.bind(state, *version, name, password.as_deref());
                message::write_result(out, id, answer::BIND, &outcome, &[]);
            }
            Operation::Unbind => return Next::Close,
            Operation::Abandon => {}
            Operation::Search(search) => {
                count(state, "search");
                if permitted(answer::DONE, out) {
                    self.search(state, id, search, &message.controls, out);
                }
            }
            Operation::Modify { dn, changes } => {
                count(state, "modify");
                if permitted(answer::MODIFY, out) {
                    let permissive = message.controls.iter().any(|c| c.oid == search::PERMISSIVE);
                    let outcome = match self.account {
                        Who::Nobody => not_bound(),
                        Who::Known(account) => modify::run(&mut state.lock(), account, dn, changes, permissive),
                    };
                    message::write_result(out, id, answer::MODIFY, &outcome, &[]);
                }
            }
            Operation::Compare { dn, attribute, value } => {
                count(state, "compare");
                let outcome = self.compare(state, dn, attribute, value);
                message::write_result(out, id, answer::COMPARE, &outcome, &[]);
            }
            Operation::Refused(tag) => {
                count(state, "refused");
                let text = "00002035: SvcErr: DSID-031A124C, problem 5003 (WILL_NOT_PERFORM), data 0\n";
                message::write_result(out, id, *tag, &Outcome::new(result::UNWILLING, text), &[]);
            }
            Operation::Extended(oid) if oid == START_TLS && !self.secure => {
                message::write_extended(out, id, &Outcome::success(), START_TLS);
                return Next::Tls;
            }
            Operation::Extended(oid) if oid == WHO_AM_I => {
                let name = match self.account {
                    Who::Nobody => String::new(),
                    Who::Known(account) => format!("u:{}", accounts::full_name(&state.lock(), account)),
                };
                message::write_value(out, id, &name);
            }
            Operation::Extended(oid) => {
                let text = format!(
                    "0000203D: LdapErr: DSID-0C0910CD, comment: Unknown extended request OID {oid}, data 0, v1db1"
                );
                message::write_extended(out, id, &Outcome::new(result::PROTOCOL_ERROR, text), "");
            }
        }
        Next::Continue
    }

    fn bind(&mut self, state: &State, version: i64, name: &str, password: Option<&[u8]>) -> Outcome {
        self.account = Who::Nobody;
        if version != 3 {
            return Outcome::new(
                result::PROTOCOL_ERROR,
                "000004DC: LdapErr: DSID-0C0904C3, comment: Only version 3 is spoken here, data 0, v1db1",
            );
        }
        let Some(password) = password else {
            return Outcome::new(
                7,
                "00002027: LdapErr: DSID-0C0905D3, comment: Invalid Authentication method, data 0, v1db1",
            );
        };
        if password.is_empty() {
            // RFC 4513, 5.1.2: unauthenticated, and it succeeds.
            return Outcome::success();
        }
        if !self.secure {
            return Outcome::new(
                result::STRONGER_AUTH,
                "00002028: LdapErr: DSID-0C090273, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v1db1",
            );
        }
        let password = String::from_utf8_lossy(password);
        let world = state.lock();
        match accounts::sign_in(&world, name, &password) {
            Ok(account) => {
                self.account = Who::Known(account);
                Outcome::success()
            }
            Err(denied) => {
                let data = if denied == Denied::NoSuchUser { "525" } else { "52e" };
                let text = format!(
                    "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563"
                );
                Outcome::new(result::INVALID_CREDENTIALS, text)
            }
        }
    }

    fn search(&mut self, state: &State, id: i64, wanted: &message::Search, controls: &[Control], out: &mut Vec<u8>) {
        let world = state.lock();
        if search::is_root(wanted) {
            return search::root(out, id, &world, wanted);
        }
        let Who::Known(account) = self.account else {
            return message::write_result(out, id, answer::DONE, &not_bound(), &[]);
        };
        let mut index = lock(&state.index);
        let mut desk = search::Desk { world: &world, index: &mut index, pages: &mut self.pages, account };
        search::run(out, id, &mut desk, wanted, controls);
    }

    fn compare(&self, state: &State, dn: &str, attribute: &str, value: &[u8]) -> Outcome {
        if self.account == Who::Nobody {
            return not_bound();
        }
        let world = state.lock();
        let key = crate::wire::attributes::dn_key(dn);
        let Some(object) = world.directory.get(&key) else {
            return search::exists(&world, &key).err().unwrap_or_default();
        };
        let equal = filter::values(object, attribute).any(|v| filter::same(attribute, &v, value));
        Outcome::new(if equal { 6 } else { 5 }, "")
    }
}

fn count(state: &State, operation: &str) {
    state.lock().count("ldap", operation);
}

fn not_bound() -> Outcome {
    Outcome::new(
        1,
        "000004DC: LdapErr: DSID-0C0907E9, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v1db1",
    )
}
