//! Autodiscover in its old XML form ("POX"), request and answer.
//!
//! MS-OXDSCLI. After the conversion the old server must answer
//! `redirectAddr` with the onmicrosoft address; that is the best proof from
//! outside that a person's Outlook will find the cloud.

use quick_xml::escape::escape;
use quick_xml::events::Event;

/// Path of the service on its host.
pub const PATH: &str = "/autodiscover/autodiscover.xml";

const REQUEST: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// What the server says about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A mailbox, with the settings of its protocols.
    Settings {
        /// X.500 name of the mailbox.
        legacy_dn: String,
        /// Server of the inner protocol (EXCH).
        server: String,
        /// Outside name of the RPC proxy (EXPR), empty if none.
        rpc_proxy: String,
    },
    /// Ask again with this address.
    RedirectAddr(String),
    /// Ask that URL.
    RedirectUrl(String),
    /// No such mailbox, or another error.
    Error {
        /// 500 for an unknown address.
        code: u16,
        /// The server's text.
        message: String,
    },
}

/// The request for an address.
pub fn request(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"{REQUEST}\"><Request><EMailAddress>{}</EMailAddress>\
         <AcceptableResponseSchema>{RESPONSE}</AcceptableResponseSchema></Request></Autodiscover>",
        escape(address)
    )
}

/// The address that a request asks for.
pub fn address_of(request: &str) -> Option<String> {
    texts(request).into_iter().find(|(name, _)| name == "EMailAddress").map(|(_, text)| text)
}

/// The answer as XML.
pub fn print(answer: &Answer) -> String {
    let inner = match answer {
        Answer::Settings { legacy_dn, server, rpc_proxy } => format!(
            "<User><LegacyDN>{}</LegacyDN></User><Account><AccountType>email</AccountType><Action>settings</Action>\
             <Protocol><Type>EXCH</Type><Server>{}</Server></Protocol>\
             <Protocol><Type>EXPR</Type><Server>{}</Server><SSL>On</SSL><AuthPackage>Basic</AuthPackage></Protocol></Account>",
            escape(legacy_dn),
            escape(server),
            escape(rpc_proxy)
        ),
        Answer::RedirectAddr(address) => {
            format!("<Account><Action>redirectAddr</Action><RedirectAddr>{}</RedirectAddr></Account>", escape(address))
        }
        Answer::RedirectUrl(url) => {
            format!("<Account><Action>redirectUrl</Action><RedirectUrl>{}</RedirectUrl></Account>", escape(url))
        }
        Answer::Error { code, message } => {
            format!("<Error><ErrorCode>{code}</ErrorCode><Message>{}</Message></Error>", escape(message))
        }
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
         <Response xmlns=\"{RESPONSE}\">{inner}</Response></Autodiscover>"
    )
}

/// Reads an answer; `None` if it is no Autodiscover answer.
pub fn parse(xml: &str) -> Option<Answer> {
    let texts = texts(xml);
    let first = |name: &str| texts.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone());
    if let Some(code) = first("ErrorCode") {
        return Some(Answer::Error { code: code.parse().ok()?, message: first("Message").unwrap_or_default() });
    }
    match first("Action")?.to_ascii_lowercase().as_str() {
        "redirectaddr" => first("RedirectAddr").map(Answer::RedirectAddr),
        "redirecturl" => first("RedirectUrl").map(Answer::RedirectUrl),
        "settings" => {
            let mut server = String::new();
            let mut rpc_proxy = String::new();
            let mut kind = "";
            for (name, text) in &texts {
                match (name.as_str(), kind) {
                    ("Type", _) => kind = text,
                    ("Server", "EXCH") => server.clone_from(text),
                    ("Server", "EXPR") => rpc_proxy.clone_from(text),
                    _ => {}
                }
            }
            Some(Answer::Settings { legacy_dn: first("LegacyDN").unwrap_or_default(), server, rpc_proxy })
        }
        _ => None,
    }
}

/// Every element that holds text, in order, with its local name.
fn texts(xml: &str) -> Vec<(String, String)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut out = Vec::new();
    let mut name = String::new();
    let mut text = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(e)) => {
                name = e.local_name().as_ref().to_owned();
                text.clear();
            }
            Ok(Event::Text(t)) => {
                text.push_str(&t);
            }
            Ok(Event::GeneralRef(r)) => match &*r {
                "amp" => text.push('&'),
                "lt" => text.push('<'),
                "gt" => text.push('>'),
                "quot" => text.push('"'),
                "apos" => text.push('\''),
                _ => {}
            },
            Ok(Event::End(_)) => {
                if !name.is_empty() && !text.trim().is_empty() {
                    out.push((std::mem::take(&mut name), text.trim().to_owned()));
                }
                name.clear();
                text.clear();
            }
            Ok(Event::Eof) | Err(_) => return out,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let answers = [
            Answer::Settings {
                legacy_dn: "/o=Contoso/ou=First/cn=Recipients/cn=o'hara & sons".into(),
                server: "EX07.contoso.test".into(),
                rpc_proxy: "mail.contoso.test".into(),
            },
            Answer::RedirectAddr("ann@contoso.onmicrosoft.com".into()),
            Answer::RedirectUrl("https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml".into()),
            Answer::Error { code: 500, message: "The e-mail address cannot be found.".into() },
        ];
        for answer in answers {
            assert_eq!(parse(&print(&answer)), Some(answer));
        }
    }

    #[test]
    fn the_address_survives_the_request() {
        assert_eq!(address_of(&request("o'hara&co@contoso.test")).as_deref(), Some("o'hara&co@contoso.test"));
    }
}
