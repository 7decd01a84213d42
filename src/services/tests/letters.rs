//! A mail server by hand.

use super::*;

/// Says its lines; hangs up where it should. With `tls`, STARTTLS is
/// offered under a certificate for another name.
async fn start(tls: bool, silent_after_data: bool) -> (Smtp, Arc<Mutex<Vec<String>>>, Arc<Keeper>) {
    let (ca, config) = authority(&["other.test"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220-mail.contoso.test\r\n220 ready\r\n").await;
            if tls {
                let mut reader = BufReader::new(&mut stream);
                let mut line = String::new();
                let _ = reader.read_line(&mut line).await;
                let _ = reader.write_all(b"250-mail.contoso.test\r\n250-8BITMIME\r\n250 STARTTLS\r\n").await;
                let _ = reader.read_line(&mut line).await;
                let _ = reader.write_all(b"220 go\r\n").await;
                if let Ok(stream) = TlsAcceptor::from(config.clone()).accept(stream).await {
                    talk(stream, silent_after_data, &kept).await;
                }
            } else {
                talk(stream, silent_after_data, &kept).await;
            }
        }
    });
    let keeper: Arc<Keeper> = Arc::default();
    let map = [("mail.contoso.test:25", address.as_str())];
    let services =
        Services::new(&profile("lab", &map), secrets(&ca), clock(), Some(keeper.clone())).expect("a good profile");
    (services.smtp, heard, keeper)
}

async fn talk<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: S,
    silent: bool,
    kept: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
        let reply = match line.get(..4).unwrap_or(&line) {
            ".\r\n" => {
                in_data = false;
                if silent {
                    return;
                }
                "250 queued\r\n"
            }
            _ if in_data => continue,
            "EHLO" => "250-mail.contoso.test\r\n250 SIZE 100\r\n",
            "RCPT" if line.contains("gone") => "550 5.1.1 User unknown\r\n",
            "DATA" => {
                in_data = true;
                "354 go on\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        if stream.write_all(reply.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_probe_stops_after_the_recipient() {
    bounded(async {
        let (smtp, heard, keeper) = start(false, false).await;
        let sent = smtp.probe("mail.contoso.test", "", "gone@contoso.test").await.expect("it talks");
        assert_eq!((sent.rcpt.code, sent.data.clone(), sent.tls.clone()), (550, None, None));
        assert!(
            smtp.probe("mail.contoso.test", "a@x.test", "ann@contoso.test").await.is_ok_and(|s| s.rcpt.is_positive())
        );
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(heard[..4], ["EHLO contoso.onmicrosoft.com", "MAIL FROM:<>", "RCPT TO:<gone@contoso.test>", "QUIT"]);
        assert!(!heard.iter().any(|l| l == "DATA"));
        let seen = keeper.of("smtp");
        assert_eq!(
            (seen[0].method.as_str(), seen[0].url.as_str(), seen[0].status),
            ("CONNECT", "smtp://mail.contoso.test:25", Some(220))
        );
    })
    .await;
}

#[tokio::test]
async fn tls_is_used_and_a_bad_certificate_is_a_finding() {
    bounded(async {
        let (smtp, heard, _) = start(true, false).await;
        let sent = smtp
            .send("mail.contoso.test", "a@x.test", "ann@contoso.test", "<probe-7@x.test>", "probe", ".one\n\u{fc}")
            .await
            .expect("it talks");
        assert!(sent.is_accepted());
        let finding = sent.tls.flatten().expect("the name is wrong");
        assert!(finding.contains("not valid for name") || finding.contains("certificate"), "{finding}");
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(heard.contains(&"Message-ID: <probe-7@x.test>".to_owned()));
        assert!(heard.contains(&"Date: Fri, 20 Nov 2026 09:00:00 +0000".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_message_without_its_last_reply_is_in_doubt() {
    bounded(async {
        let (smtp, heard, _) = start(false, true).await;
        let failure = smtp
            .send_raw("mail.contoso.test", "a@x.test", "ann@contoso.test", "A: b\n\n.x")
            .await
            .expect_err("silence");
        assert_eq!(failure.kind, Kind::InDoubt);
        assert!(heard.lock().unwrap_or_else(PoisonError::into_inner).contains(&"..x".to_owned()));
    })
    .await;
}
