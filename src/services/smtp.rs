//! SMTP as a stranger on the internet speaks it: to find out what becomes of a
//! recipient, and to send probes.
//!
//! TLS is used when offered, and a bad certificate is a finding, not the end:
//! that is how mail servers treat each other. Replies that refuse are answers,
//! not failures. A conversation that breaks off before its message is begun
//! again, as mail servers do; a message whose last reply was lost is in doubt.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::dialer::Dialer;
use super::retry::{Patience, in_doubt};
use super::tap::Listener;
use crate::base::crash::{self, Fate};
use crate::base::{Clock, Failure, Kind, Result};
use crate::wire::attributes::domain_of;
use crate::wire::guid::base64;
use crate::wire::log::Exchange;
use crate::wire::smtp::{Reply, message, stuffed, take_line};

const SERVICE: &str = "smtp";
const PORT: u16 = 25;
/// Real time for one command and its reply.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest reply line that is read (RFC 5321 allows 512).
const LONGEST_LINE: u64 = 4096;

/// The replies of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// To `MAIL FROM`.
    pub mail: Reply,
    /// To `RCPT TO`; equal to `mail` if that was refused already.
    pub rcpt: Reply,
    /// To the message; `None` if none was sent.
    pub data: Option<Reply>,
    /// `None`: no TLS was offered. Else what is wrong with the certificate, if
    /// anything.
    pub tls: Option<Option<String>>,
}

impl Sent {
    /// Whether the server took the message.
    pub fn is_accepted(&self) -> bool {
        self.data.as_ref().is_some_and(Reply::is_positive)
    }
}

/// The SMTP client.
#[derive(Clone)]
pub struct Smtp(Arc<Inner>);

struct Inner {
    dialer: Dialer,
    clock: Clock,
    tap: Listener,
    name: String,
}

/// An open conversation.
struct Talk<'a, S> {
    host: &'a str,
    stream: BufReader<S>,
    tap: &'a Listener,
    extensions: Vec<String>,
}

/// Who writes to whom, and what.
struct Letter<'a> {
    from: &'a str,
    to: &'a str,
    mail: Option<String>,
}

impl Smtp {
    /// `name` is what this client calls itself where the sender has no domain.
    pub(super) fn new(dialer: &Dialer, clock: Clock, tap: Listener, name: &str) -> Smtp {
        Smtp(Arc::new(Inner { dialer: dialer.clone(), clock, tap, name: name.to_owned() }))
    }

    /// Asks a host whether it would take mail for a recipient, and stops there.
    ///
    /// # Errors
    /// `unavailable` or `protocol` if the conversation does not come that far.
    pub async fn probe(&self, host: &str, from: &str, to: &str) -> Result<Sent> {
        self.converse(host, from, to, None).await
    }

    /// Sends a message with a Message-ID of the caller's (angle brackets
    /// included).
    ///
    /// # Errors
    /// As [`Smtp::probe`]; `in_doubt` if the reply to the message was lost;
    /// `validation` for line breaks in a header.
    pub async fn send(
        &self,
        host: &str,
        from: &str,
        to: &str,
        message_id: &str,
        subject: &str,
        text: &str,
    ) -> Result<Sent> {
        for header in [from, to, message_id, subject] {
            plain(header)?;
        }
        let date = self.0.clock.now().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        // The null sender belongs on the envelope only: a From field without an
        // address is no message (RFC 5322), and filters refuse it.
        let author = if from.is_empty() { author_of(message_id) } else { from.to_owned() };
        let (from_field, to_field) = (format!("<{author}>"), format!("<{to}>"));
        let subject = encoded_word(subject);
        let mut headers = vec![
            ("From", from_field.as_str()),
            ("To", to_field.as_str()),
            ("Subject", subject.as_str()),
            ("Date", date.as_str()),
            ("Message-ID", message_id),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
        ];
        let mut body = text.to_owned();
        if !text.is_ascii() {
            headers.push(("Content-Transfer-Encoding", "base64"));
            let packed = base64(text.as_bytes());
            let lines: Vec<&str> = packed.as_bytes().chunks(76).filter_map(|c| std::str::from_utf8(c).ok()).collect();
            body = lines.join("\n");
        }
        self.converse(host, from, to, Some(message(&headers, &body))).await
    }

    /// Sends a message as it is, dots stuffed and line ends made whole.
    ///
    /// # Errors
    /// As [`Smtp::send`].
    pub async fn send_raw(&self, host: &str, from: &str, to: &str, mime: &str) -> Result<Sent> {
        self.converse(host, from, to, Some(stuffed(mime))).await
    }

    async fn converse(&self, host: &str, from: &str, to: &str, mail: Option<String>) -> Result<Sent> {
        plain(from)?;
        plain(to)?;
        let letter = Letter { from, to, mail };
        let mut patience = Patience::new(format!("mail {host} {to}")).tries(3);
        loop {
            match self.talk(host, &letter).await.map_err(|f| f.during(SERVICE, "send").on(to)) {
                // It broke off before the message was handed over.
                Err(failure) if failure.retryable => patience.again(&self.0.clock, failure).await?,
                answer => return answer,
            }
        }
    }

    async fn talk(&self, host: &str, letter: &Letter<'_>) -> Result<Sent> {
        // Servers want a domain with a dot in it and distrust `localhost` and their
        // own name.
        let name = match domain_of(letter.from) {
            domain if domain.is_empty() => self.0.name.clone(),
            domain => domain,
        };
        let mut talk = self.greeted(host, &name).await?;
        if !talk.offers("STARTTLS") {
            return talk.deliver(letter, None).await;
        }
        let ready = talk.command("STARTTLS", "").await?;
        expect(host, &ready, "offers TLS and then refuses it")?;
        if !talk.stream.buffer().is_empty() {
            return Err(Failure::new(Kind::Protocol, format!("{host} speaks before TLS begins"))
                .hint("something in between may be injecting replies; check the path to the server"));
        }
        match self.0.dialer.start_tls(host, talk.stream.into_inner()).await {
            Ok((stream, finding)) => {
                let mut talk = Talk { host, stream: BufReader::new(stream), tap: &self.0.tap, extensions: Vec::new() };
                talk.hello(&name).await?;
                talk.deliver(letter, Some(finding)).await
            }
            // What mail servers do: without TLS rather than not at all.
            Err(failure) => {
                let talk = self.greeted(host, &name).await?;
                talk.deliver(letter, Some(Some(failure.detail.unwrap_or(failure.message)))).await
            }
        }
    }

    async fn greeted<'a>(&'a self, host: &'a str, name: &str) -> Result<Talk<'a, TcpStream>> {
        crash::point("smtp before")?;
        let stream = self.0.dialer.tcp(host, PORT).await?;
        let mut talk = Talk { host, stream: BufReader::new(stream), tap: &self.0.tap, extensions: Vec::new() };
        let greeting = talk.reply().await?;
        crash::point("smtp after")?;
        talk.show("CONNECT", Value::Null, Some(&greeting));
        expect(host, &greeting, "greets with a refusal")?;
        talk.hello(name).await?;
        Ok(talk)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn hello(&mut self, name: &str) -> Result<()> {
        let reply = self.command("EHLO", name).await?;
        if reply.is_positive() {
            // The first word is the server's name, the rest are its extensions.
            self.extensions = reply.text.split(' ').map(str::to_ascii_uppercase).collect();
            return Ok(());
        }
        let reply = self.command("HELO", name).await?;
        expect(self.host, &reply, "refuses to talk")
    }

    fn offers(&self, extension: &str) -> bool {
        self.extensions.iter().any(|e| e == extension)
    }

    async fn deliver(mut self, letter: &Letter<'_>, tls: Option<Option<String>>) -> Result<Sent> {
        let mail = self.command("MAIL", &format!("FROM:<{}>", letter.from)).await?;
        if !mail.is_positive() {
            self.quit().await;
            return Ok(Sent { rcpt: mail.clone(), mail, data: None, tls });
        }
        let rcpt = self.command("RCPT", &format!("TO:<{}>", letter.to)).await?;
        let mut data = None;
        if let (true, Some(text)) = (rcpt.is_positive(), &letter.mail) {
            data = Some(self.data(text).await?);
        }
        self.quit().await;
        Ok(Sent { mail, rcpt, data, tls })
    }

    async fn data(&mut self, text: &str) -> Result<Reply> {
        let ready = self.command("DATA", "").await?;
        if ready.code != 354 {
            return Ok(ready);
        }
        // From here on the server may have the message without our knowing.
        crash::point("smtp before")?;
        let reply = match crash::fate("smtp").await {
            Fate::Unsent => Err(crash::lost()),
            fate => match self.write(text).await {
                Ok(()) if fate == Fate::Through => self.reply().await,
                // Carried out, and nobody hears of it.
                Ok(()) => self.reply().await.and_then(|_| Err(crash::lost())),
                Err(failure) => Err(failure),
            },
        };
        crash::point("smtp after")?;
        self.show("DATA", Value::String(text.to_owned()), reply.as_ref().ok());
        reply.map_err(in_doubt)
    }

    /// Being polite at the end; nothing depends on it.
    async fn quit(&mut self) {
        let _ = self.command("QUIT", "").await;
    }

    async fn command(&mut self, verb: &str, argument: &str) -> Result<Reply> {
        let line = if argument.is_empty() { format!("{verb}\r\n") } else { format!("{verb} {argument}\r\n") };
        crash::point("smtp before")?;
        match crash::fate("smtp command").await {
            Fate::Through => self.write(&line).await?,
            Fate::Unsent | Fate::Unanswered | Fate::Late => return Err(crash::lost()),
        }
        let reply = self.reply().await;
        crash::point("smtp after")?;
        let body = if argument.is_empty() { Value::Null } else { Value::String(argument.to_owned()) };
        self.show(verb, body, reply.as_ref().ok());
        reply
    }

    async fn write(&mut self, text: &str) -> Result<()> {
        let host = self.host;
        let sending = async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(LIMIT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ended(host, error.to_string())),
            Err(_) => Err(silent(host)),
        }
    }

    async fn reply(&mut self) -> Result<Reply> {
        let host = self.host;
        let reading = async {
            let mut lines = Vec::new();
            loop {
                let mut line = Vec::new();
                (&mut self.stream)
                    .take(LONGEST_LINE)
                    .read_until(b'\n', &mut line)
                    .await
                    .map_err(|e| ended(host, e.to_string()))?;
                if !line.ends_with(b"\n") {
                    return Err(ended(host, "the reply has no end".into()));
                }
                match take_line(&mut lines, &String::from_utf8_lossy(&line)) {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) => {}
                    Err(line) => {
                        return Err(Failure::new(Kind::Protocol, format!("{host} does not speak SMTP"))
                            .hint("check that port 25 leads to the mail server and nothing in between answers")
                            .detail(line));
                    }
                }
            }
        };
        tokio::time::timeout(LIMIT, reading).await.map_err(|_| silent(host))?
    }

    fn show(&self, verb: &str, body: Value, reply: Option<&Reply>) {
        let Some(tap) = self.tap else { return };
        tap.exchange(Exchange {
            service: SERVICE,
            method: verb.to_owned(),
            url: format!("smtp://{}:{PORT}", self.host),
            request_headers: serde_json::Map::new(),
            request_body: body,
            status: reply.map(|r| r.code),
            response_headers: serde_json::Map::new(),
            response_body: reply.map_or(Value::Null, |r| Value::String(r.text.clone())),
        });
    }
}

fn expect(host: &str, reply: &Reply, what: &str) -> Result<()> {
    if reply.is_positive() {
        return Ok(());
    }
    let failure = Failure::new(Kind::Unavailable, format!("{host} {what}"))
        .hint("read the server's reply; a blocked address or an overloaded server say so here")
        .status(reply.code)
        .detail(reply.text.clone());
    Err(if reply.is_transient() { failure.retryable() } else { failure })
}

fn ended(host: &str, why: String) -> Failure {
    Failure::new(Kind::Unavailable, format!("{host} ended the conversation"))
        .hint("try again in a while")
        .detail(why)
        .retryable()
}

fn silent(host: &str) -> Failure {
    Failure::new(Kind::Timeout, format!("{host} did not reply in time")).hint("try again in a while").retryable()
}

/// Refuses what would smuggle in a line.
fn plain(text: &str) -> Result<()> {
    if text.chars().any(|c| c == '\r' || c == '\n' || c == '\0') {
        return Err(Failure::new(Kind::Validation, "an address or a header holds a line break")
            .hint("remove it")
            .during(SERVICE, "send"));
    }
    Ok(())
}

/// Whom a message is from that has no sender on its envelope: the postmaster of
/// the domain that named it.
fn author_of(message_id: &str) -> String {
    format!("postmaster@{}", domain_of(message_id.trim_end_matches('>')))
}

/// A header text for the wire (RFC 2047 if it is not ASCII).
fn encoded_word(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    // At most 75 characters a word: 45 bytes make 60 of base64.
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if piece.len() + c.len_utf8() > 45 {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    words.push(piece);
    words.iter().map(|w| format!("=?utf-8?B?{}?=", base64(w.as_bytes()))).collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_smuggled_in() {
        assert!(plain("ann@contoso.test").is_ok());
        assert_eq!(plain("a\r\nRCPT TO:<b>").map_err(|f| f.kind), Err(Kind::Validation));
        assert_eq!(stuffed("A: b\n\n.\n..x\r\ny"), "A: b\r\n\r\n..\r\n...x\r\ny\r\n.\r\n");
    }

    #[test]
    fn a_message_without_a_sender_still_has_an_author() {
        assert_eq!(author_of("<probe-7@contoso.onmicrosoft.com>"), "postmaster@contoso.onmicrosoft.com");
    }

    #[test]
    fn subjects_travel_as_ascii() {
        assert_eq!(encoded_word("probe 7"), "probe 7");
        assert_eq!(encoded_word("für"), "=?utf-8?B?ZsO8cg==?=");
        let long = encoded_word(&"ü".repeat(60));
        assert!(long.split("\r\n ").all(|w| w.len() <= 75) && long.contains("\r\n "));
    }
}
