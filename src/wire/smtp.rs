//! SMTP replies and the few lines a probe says (RFC 5321).

/// A reply of the server: a code, an optional enhanced status, the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// `250`, `550`, …
    pub code: u16,
    /// All lines of text, joined by a blank.
    pub text: String,
}

impl Reply {
    /// A reply of one line.
    pub fn new(code: u16, text: impl Into<String>) -> Reply {
        Reply { code, text: text.into() }
    }

    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// 4xx: the sender keeps the message and tries again.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// As it goes over the wire.
    pub fn line(&self) -> String {
        format!("{} {}\r\n", self.code, self.text)
    }
}

/// Collects the lines of one reply; `Some` when the last has come.
///
/// # Errors
/// The offending line, if it is no SMTP reply.
pub fn take_line(lines: &mut Vec<String>, line: &str) -> Result<Option<Reply>, String> {
    let line = line.trim_end_matches(['\r', '\n']);
    let code: u16 = line.get(..3).and_then(|c| c.parse().ok()).ok_or_else(|| line.to_owned())?;
    let (last, text) = match line.as_bytes().get(3) {
        None => (true, ""),
        Some(b' ') => (true, line.get(4..).unwrap_or("")),
        Some(b'-') => (false, line.get(4..).unwrap_or("")),
        Some(_) => return Err(line.to_owned()),
    };
    lines.push(text.to_owned());
    if !last {
        return Ok(None);
    }
    Ok(Some(Reply { code, text: std::mem::take(lines).join(" ") }))
}

/// The address between the angle brackets of `MAIL FROM:<…>` or `RCPT TO:<…>`;
/// empty for the null sender.
pub fn path_of(argument: &str) -> Option<&str> {
    let open = argument.find('<')?;
    let close = argument.rfind('>')?;
    argument.get(open + 1..close)
}

/// A message of headers and a text as it goes over the wire.
pub fn message(headers: &[(&str, &str)], text: &str) -> String {
    let mut mime = String::new();
    for (name, value) in headers {
        mime.push_str(&format!("{name}: {value}\r\n"));
    }
    mime.push_str("\r\n");
    mime.push_str(text);
    stuffed(&mime)
}

/// A whole message with CRLF line ends, dots stuffed, ended by the lone dot.
pub fn stuffed(mime: &str) -> String {
    let mut out = String::with_capacity(mime.len() + 16);
    for line in mime.lines() {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_several_lines_is_one() {
        let mut lines = Vec::new();
        assert_eq!(take_line(&mut lines, "250-mail.contoso.test\r\n"), Ok(None));
        let reply = take_line(&mut lines, "250 SIZE 10485760\r\n");
        assert_eq!(reply, Ok(Some(Reply::new(250, "mail.contoso.test SIZE 10485760"))));
    }

    #[test]
    fn the_null_sender_is_an_empty_path() {
        assert_eq!(path_of("FROM:<> SIZE=12"), Some(""));
        assert_eq!(path_of("TO:<ann@contoso.test>"), Some("ann@contoso.test"));
        assert_eq!(path_of("TO:ann"), None);
    }
}
