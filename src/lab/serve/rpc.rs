//! The RPC proxy of the old side: its challenge, its echo, its refusals.
//!
//! MS-RPCH. Only the echo of a liveness probe is spoken; mailboxes are not
//! opened here.

use super::accounts;
use super::answer::{Answer, Request};
use super::https::Label;
use crate::lab::World;
use crate::wire::graph::unpercent;
use crate::wire::guid::unbase64;
use crate::wire::rpc::{PATH, echo};

/// Ports behind the proxy: store, referral, directory.
const PORTS: [&str; 4] = ["6001", "6002", "6004", "593"];

/// How a request is counted.
pub fn label(request: &Request) -> Label {
    Label { service: "rpc", operation: request.method.clone(), object: request.path.clone(), writes: false }
}

/// Answers a request to the old side that is no Autodiscover.
pub fn answer(world: &World, request: &Request) -> Answer {
    if !request.path.eq_ignore_ascii_case(PATH) || !request.host.eq_ignore_ascii_case(&world.company.mail_host) {
        return Answer::text(404, "text/html", "<html><body><h2>404 - File or directory not found.</h2></body></html>");
    }
    match basic(request).map(|(user, password)| accounts::sign_in(world, &user, &password)) {
        Some(Ok(_)) => {}
        _ => return challenge(),
    }
    let query = unpercent(&request.query, false);
    let (server, port) = query.split_once(':').unwrap_or((&query, ""));
    let known = server.eq_ignore_ascii_case(&world.company.server)
        || world.company.server.split('.').next().is_some_and(|short| short.eq_ignore_ascii_case(server));
    match request.method.as_str() {
        // A browser that signed in sees a blank page.
        "GET" | "HEAD" => Answer::text(200, "text/html", ""),
        "RPC_IN_DATA" | "RPC_OUT_DATA" if !known || !PORTS.contains(&port) => {
            let mut answer = Answer::text(503, "text/plain", "");
            answer.reason = Some("RPC Error: 6ba");
            answer
        }
        // MS-RPCH, 2.1.2.1.5: an echo has a body of at most 16 bytes.
        "RPC_IN_DATA" | "RPC_OUT_DATA" if request.body.len() <= 16 => {
            let mut answer = Answer::text(200, "application/rpc", echo().to_vec());
            answer.reason = Some("Success");
            answer
        }
        "RPC_IN_DATA" | "RPC_OUT_DATA" => Answer::empty(400),
        _ => Answer::empty(405).with("Allow", "GET, RPC_IN_DATA, RPC_OUT_DATA"),
    }
}

/// 401 with the one scheme that the old side offers.
pub fn challenge() -> Answer {
    Answer::text(401, "text/html", "<html><body><h2>401 - Unauthorized</h2></body></html>")
        .with("WWW-Authenticate", "Basic realm=\"mail\"")
}

/// User and password of a Basic header.
pub fn basic(request: &Request) -> Option<(String, String)> {
    let (scheme, value) = request.get("authorization").split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(unbase64(value.trim())?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;
    use crate::wire::guid::base64;
    use crate::wire::rpc::is_echo;

    fn probe(method: &str, server: &str, credential: &str) -> Answer {
        let request = Request::new(method, "mail.contoso.test", &format!("{PATH}?{server}:6001"));
        let request = match credential {
            "" => request,
            some => request.header("authorization", format!("Basic {}", base64(some.as_bytes()))),
        };
        answer(&small::world(), &request)
    }

    #[test]
    fn the_echo_lives_behind_the_challenge() {
        let bare = probe("GET", "EX07.contoso.test", "");
        assert_eq!(bare.status, 401);
        assert!(bare.headers.iter().any(|(n, v)| *n == "WWW-Authenticate" && v.starts_with("Basic")));
        let good = probe("RPC_IN_DATA", "EX07.contoso.test", "CONTOSO\\svc-migration:Mov3r!");
        assert!(good.status == 200 && is_echo(&good.body));
        assert_eq!(probe("RPC_IN_DATA", "EX07.contoso.test", "CONTOSO\\svc-migration:wrong").status, 401);
        let lost = probe("RPC_OUT_DATA", "EX99.contoso.test", "CONTOSO\\svc-migration:Mov3r!");
        assert_eq!((lost.status, lost.reason), (503, Some("RPC Error: 6ba")));
    }
}
