//! Mail hosts of both sides (RFC 5321), on loopback and nowhere else.
//!
//! They say what `lab::mail` decides. Messages are read for their Message-ID
//! and subject and otherwise forgotten; TLS begins on request.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::lab::mail::{self, Side};
use crate::wire::smtp::{Reply, path_of};

/// Largest message.
const LARGEST: usize = 35 * 1024 * 1024;
/// Longest line of a command (RFC 5321, 4.5.3.1.4 allows 512; be generous).
const LONGEST_LINE: u64 = 4096;
/// Most recipients of one message.
const MOST_RECIPIENTS: usize = 100;

/// Accepts connections until the lab stops.
pub async fn listen(state: Arc<State>, listener: TcpListener, tls: TlsAcceptor, side: Side, stop: CancellationToken) {
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
                _ = connection(state, stream, tls, side) => {}
            }
        });
    }
}

async fn connection(state: Arc<State>, stream: TcpStream, tls: TlsAcceptor, side: Side) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut talk = Talk::new(side, false);
    let mut stream = BufReader::new(stream);
    let host = talk.host(&state);
    let banner = Reply::new(220, format!("{host} Microsoft ESMTP MAIL Service ready"));
    stream.get_mut().write_all(banner.line().as_bytes()).await?;
    if talk.run(&state, &mut stream).await? == End::Tls {
        let stream = tls.accept(stream.into_inner()).await?;
        Talk::new(side, true).run(&state, &mut BufReader::new(stream)).await?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Tls,
}

/// One conversation.
struct Talk {
    side: Side,
    secure: bool,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
}

impl Talk {
    fn new(side: Side, secure: bool) -> Talk {
        Talk { side, secure, greeted: false, from: None, to: Vec::new() }
    }

    fn host(&self, state: &State) -> String {
        let world = state.lock();
        match self.side {
            Side::Old => world.company.mail_host.clone(),
            Side::Cloud => "LAB01MX0001.mail.protection.outlook.com".into(),
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        state: &State,
        stream: &mut BufReader<S>,
    ) -> std::io::Result<End> {
        loop {
            let mut line = String::new();
            let read = (&mut *stream).take(LONGEST_LINE).read_line(&mut line).await?;
            if read == 0 {
                return Ok(End::Closed);
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
            let verb = verb.to_ascii_uppercase();
            let (reply, end) = match verb.as_str() {
                "DATA" => (self.data(state, stream).await?, None),
                "QUIT" => (Reply::new(221, "2.0.0 Service closing transmission channel").line(), Some(End::Closed)),
                "STARTTLS" if !self.secure => (Reply::new(220, "2.0.0 SMTP server ready").line(), Some(End::Tls)),
                _ => (self.command(state, &verb, argument.trim()), None),
            };
            stream.get_mut().write_all(reply.as_bytes()).await?;
            stream.get_mut().flush().await?;
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    fn command(&mut self, state: &State, verb: &str, argument: &str) -> String {
        let reply = match verb {
            "EHLO" => {
                self.reset();
                self.greeted = true;
                let mut lines =
                    vec![format!("{} Hello", self.host(state)), format!("SIZE {LARGEST}"), "PIPELINING".into()];
                if !self.secure {
                    lines.push("STARTTLS".into());
                }
                lines.extend(["8BITMIME".into(), "ENHANCEDSTATUSCODES".into()]);
                let last = lines.len() - 1;
                let mark = |i: usize| if i == last { ' ' } else { '-' };
                return lines.iter().enumerate().map(|(i, l)| format!("250{}{l}\r\n", mark(i))).collect();
            }
            "HELO" => {
                self.reset();
                self.greeted = true;
                Reply::new(250, format!("{} Hello", self.host(state)))
            }
            "NOOP" => Reply::new(250, "2.0.0 OK"),
            "RSET" => {
                self.reset();
                Reply::new(250, "2.0.0 Resetting")
            }
            "MAIL" | "RCPT" if !self.greeted => Reply::new(503, "5.5.2 Send hello first"),
            "MAIL" => self.mail(argument),
            "RCPT" => self.rcpt(state, argument),
            "VRFY" => Reply::new(252, "2.1.5 Cannot VRFY user"),
            "STARTTLS" => Reply::new(503, "5.5.2 TLS is on already"),
            _ => Reply::new(500, "5.3.3 Unrecognized command"),
        };
        reply.line()
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn mail(&mut self, argument: &str) -> Reply {
        if self.from.is_some() {
            return Reply::new(503, "5.5.2 Sender already specified");
        }
        let is_from = argument.get(..5).is_some_and(|a| a.eq_ignore_ascii_case("FROM:"));
        let Some(path) = path_of(argument).filter(|_| is_from) else {
            return Reply::new(501, "5.5.4 Invalid arguments");
        };
        let size = argument.to_ascii_uppercase();
        let size = size.split(" SIZE=").nth(1).and_then(|s| s.split(' ').next()?.parse::<usize>().ok());
        if size.is_some_and(|s| s > LARGEST) {
            return Reply::new(552, "5.3.4 Message size exceeds fixed maximum message size");
        }
        self.from = Some(path.to_owned());
        Reply::new(250, "2.1.0 Sender OK")
    }

    fn rcpt(&mut self, state: &State, argument: &str) -> Reply {
        let Some(from) = &self.from else { return Reply::new(503, "5.5.2 Need mail command") };
        let is_to = argument.get(..3).is_some_and(|a| a.eq_ignore_ascii_case("TO:"));
        let Some(path) = path_of(argument).filter(|p| is_to && p.contains('@')) else {
            return Reply::new(501, "5.5.4 Invalid arguments");
        };
        if self.to.len() >= MOST_RECIPIENTS {
            return Reply::new(452, "4.5.3 Too many recipients");
        }
        let mut world = state.lock();
        world.count("smtp", "RCPT");
        let reply = mail::rcpt(&mut world, self.side, from, path);
        if reply.is_positive() {
            self.to.push(path.to_owned());
        }
        reply
    }

    async fn data<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        state: &State,
        stream: &mut BufReader<S>,
    ) -> std::io::Result<String> {
        if self.from.is_none() || self.to.is_empty() {
            return Ok(Reply::new(503, "5.5.2 Need rcpt command").line());
        }
        let go = Reply::new(354, "Start mail input; end with <CRLF>.<CRLF>").line();
        stream.get_mut().write_all(go.as_bytes()).await?;
        stream.get_mut().flush().await?;
        let mut headers = Headers::default();
        let mut total = 0;
        loop {
            let mut line = Vec::new();
            if stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            total += line.len();
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if text == "." {
                break;
            }
            headers.line(text.strip_prefix('.').unwrap_or(text));
        }
        let from = self.from.take().unwrap_or_default();
        let to = std::mem::take(&mut self.to);
        if total > LARGEST {
            return Ok(Reply::new(552, "5.3.4 Message size exceeds fixed maximum message size").line());
        }
        let mut world = state.lock();
        world.count("smtp", "DATA");
        let mut id = headers.value("message-id").trim().to_owned();
        if id.is_empty() {
            let number = world.choose_next("message id", &from);
            id = format!("<{}@{}>", world.guid("message id", &format!("{from} {number}")), world.company.mail_host);
        }
        let subject = headers.value("subject").trim().to_owned();
        let mut answer: Option<Reply> = None;
        for to in &to {
            let reply = mail::deliver(&mut world, self.side, &from, to, &id, &subject);
            // The first refusal stands for all; a sender with one recipient sees it exactly.
            if answer.as_ref().is_none_or(Reply::is_positive) {
                answer = Some(reply);
            }
        }
        Ok(answer.unwrap_or_else(|| Reply::new(554, "5.5.1 No valid recipients")).line())
    }
}

/// The headers of a message, unfolded.
#[derive(Default)]
struct Headers {
    ended: bool,
    fields: Vec<(String, String)>,
}

impl Headers {
    fn line(&mut self, line: &str) {
        if self.ended {
            return;
        }
        if line.is_empty() {
            self.ended = true;
        } else if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), self.fields.last_mut()) {
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            self.fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn value(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;
    use crate::wire::smtp::message;

    async fn talk(script: &str) -> Vec<String> {
        let state = State::new(small::world());
        let (near, far) = tokio::io::duplex(64 * 1024);
        let mut far = BufReader::new(far);
        let mut server = Talk::new(Side::Old, true);
        let (mut reader, mut writer) = tokio::io::split(near);
        writer.write_all(script.as_bytes()).await.expect("the pipe is large enough");
        server.run(&state, &mut far).await.expect("the script ends with QUIT");
        drop(far);
        let mut all = String::new();
        reader.read_to_string(&mut all).await.expect("the server has closed");
        all.lines().map(|l| l.get(..4).unwrap_or(l).to_owned()).filter(|l| l.ends_with(' ')).collect()
    }

    #[tokio::test]
    async fn a_message_goes_through_in_order() {
        let mail = message(&[("Message-ID", "<a@b>"), ("Subject", "a\r\n long one")], ".dots\nmore");
        let script = format!(
            "RCPT TO:<x@y>\r\nEHLO me\r\nRCPT TO:<x@y>\r\nMAIL FROM:<>\r\nDATA\r\nRCPT TO:<ann@contoso.test>\r\nDATA\r\n{mail}NONSENSE\r\nQUIT\r\n"
        );
        assert_eq!(
            talk(&script).await,
            ["503 ", "250 ", "503 ", "250 ", "503 ", "250 ", "354 ", "250 ", "500 ", "221 "]
        );
    }

    #[tokio::test]
    async fn too_large_is_said_before_it_comes() {
        let script = "HELO me\r\nMAIL FROM:<a@b.test> SIZE=999999999\r\nQUIT\r\n";
        assert_eq!(talk(script).await, ["250 ", "552 ", "221 "]);
    }

    #[test]
    fn folded_headers_are_one() {
        let mut headers = Headers::default();
        for line in ["Subject: one", "\ttwo", "Message-ID: <a@b>", "", "Subject: body"] {
            headers.line(line);
        }
        assert_eq!((headers.value("subject"), headers.value("message-id")), ("one two", "<a@b>"));
    }
}
