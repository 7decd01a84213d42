//! Autodiscover of both sides, in its old XML form.
//!
//! Who answers what follows the state of the recipient: the old side knows its
//! mailboxes and sends mail users on, the cloud knows its own mailboxes.
//! Exchange 2003 has no Autodiscover at all.

use super::accounts;
use super::answer::{Answer, Request};
use super::https::Label;
use super::rpc::{basic, challenge};
use super::state::{State, lock};
use crate::lab::World;
use crate::lab::world::{Recipient, after};
use crate::wire::attributes::{Proxy, address_key};
use crate::wire::autodiscover::{self as wire, PATH, address_of};

/// How a request is counted.
pub fn label(request: &Request) -> Label {
    Label { service: "autodiscover", operation: request.method.clone(), object: request.path.clone(), writes: false }
}

/// The address asked for, or why the request is none.
fn asked(request: &Request) -> Result<String, Answer> {
    if !request.path.eq_ignore_ascii_case(PATH) {
        return Err(Answer::empty(404));
    }
    if request.method != "POST" {
        return Err(say(&wire::Answer::Error { code: 600, message: "Invalid Request".into() }));
    }
    let text = String::from_utf8_lossy(&request.body);
    address_of(&text).ok_or_else(|| say(&wire::Answer::Error { code: 600, message: "Invalid Request".into() }))
}

fn say(answer: &wire::Answer) -> Answer {
    Answer::text(200, "text/xml; charset=utf-8", wire::print(answer))
}

fn unknown() -> Answer {
    say(&wire::Answer::Error { code: 500, message: "The e-mail address can't be found.".into() })
}

/// The old side. Asks for credentials of anybody it knows.
pub fn old(state: &State, world: &World, request: &Request) -> Answer {
    if world.company.exchange == "2003" {
        return Answer::empty(404);
    }
    match basic(request).map(|(user, password)| accounts::sign_in(world, &user, &password)) {
        Some(Ok(_)) => {}
        _ => return challenge(),
    }
    let address = match asked(request) {
        Ok(address) => address,
        Err(answer) => return answer,
    };
    let key = lock(&state.index).by_address(world, &address);
    let Some(entry) = key.and_then(|k| world.directory.get(&k)).map(|o| &o.entry) else { return unknown() };
    if entry.has("homeMDB") || lags(world, &address) {
        // A mailbox that is forwarded still opens here.
        return say(&wire::Answer::Settings {
            legacy_dn: entry.text("legacyExchangeDN").unwrap_or_default(),
            server: world.company.server.clone(),
            rpc_proxy: world.company.mail_host.clone(),
        });
    }
    match entry.text("targetAddress") {
        Some(target) => say(&wire::Answer::RedirectAddr(Proxy::parse(&target).address)),
        None => unknown(),
    }
}

/// Whether the server's own domain controller hasn't heard yet that a mailbox was
/// converted.
fn lags(world: &World, address: &str) -> bool {
    let converted = world.history.get(&address_key(address)).and_then(|h| h.converted);
    converted.is_some_and(|at| after(at, world.company.incidents.replica_lag) > world.now)
}

/// The cloud: a mailbox, a mail user's external address, or nobody.
pub fn cloud(world: &World, request: &Request) -> Answer {
    let address = match asked(request) {
        Ok(address) => address,
        Err(answer) => return answer,
    };
    let wanted = address_key(&address);
    let user = world
        .tenant
        .users
        .values()
        .find(|u| u.upn.to_lowercase() == wanted || u.proxies.iter().any(|p| address_key(p) == wanted));
    match user.map(|u| (&u.recipient, u)) {
        Some((Recipient::Mailbox(_), user)) => say(&wire::Answer::Settings {
            legacy_dn: user.legacy_dn.clone(),
            server: "LAB01MB0001.eurprd01.prod.outlook.com".into(),
            rpc_proxy: "outlook.office365.com".into(),
        }),
        Some((Recipient::MailUser { external } | Recipient::Disconnected { external, .. }, _))
            if address_key(external) != wanted =>
        {
            say(&wire::Answer::RedirectAddr(Proxy::parse(external).address))
        }
        _ => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;
    use crate::wire::guid::base64;

    fn ask(state: &State, address: &str) -> Option<wire::Answer> {
        let request = Request::new("POST", "autodiscover.contoso.test", PATH)
            .header("authorization", format!("Basic {}", base64(b"admin@contoso.test:admin's word")))
            .body(wire::request(address));
        wire::parse(&String::from_utf8_lossy(&old(state, &state.lock(), &request).body))
    }

    #[test]
    fn a_mailbox_opens_here_and_a_mail_user_is_sent_on() {
        let state = State::new(small::world());
        assert!(
            matches!(ask(&state, "Ann@contoso.test"), Some(wire::Answer::Settings { rpc_proxy, .. }) if rpc_proxy == "mail.contoso.test")
        );
        {
            let mut world = state.lock();
            let entry = world.directory.values_mut().find(|o| o.entry.text("cn").as_deref() == Some("ann"));
            let entry = &mut entry.expect("Ann is in the small world").entry;
            entry.set_text("targetAddress", "SMTP:ann@contoso.onmicrosoft.com");
        }
        assert!(matches!(ask(&state, "ann@contoso.test"), Some(wire::Answer::Settings { .. })));
        state.lock().directory.values_mut().for_each(|o| o.entry.set("homeMDB", Vec::new()));
        let sent = wire::Answer::RedirectAddr("ann@contoso.onmicrosoft.com".into());
        assert_eq!(ask(&state, "ann@contoso.test"), Some(sent));
        assert!(matches!(ask(&state, "nobody@contoso.test"), Some(wire::Answer::Error { code: 500, .. })));
    }

    #[test]
    fn nobody_is_told_anything_without_a_name() {
        let state = State::new(small::world());
        let request = Request::new("POST", "autodiscover.contoso.test", PATH).body(wire::request("ann@contoso.test"));
        assert_eq!(old(&state, &state.lock(), &request).status, 401);
    }
}
