//! A name server by hand: one MX set, UDP answers always cut, updates over
//! TCP.

use super::*;
use crate::wire::dns::{self as wire, RecordSet, Swap};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Record, TSigResponseContext, TSigner};

fn records() -> Vec<Record> {
    let data = wire::data(RecordType::MX, "10 mail.contoso.test.").expect("a good value");
    vec![Record::from_rdata("contoso.test.".parse().expect("a good name"), 300, data)]
}

fn reply(bytes: &[u8], cut: bool) -> Vec<u8> {
    let question = Message::from_vec(bytes).expect("the client writes good messages");
    let mut answer = Message::response(question.id, OpCode::Query);
    answer.metadata.authoritative = !question.recursion_desired;
    answer.metadata.truncation = cut;
    answer.add_queries(question.queries.clone());
    if !cut {
        answer.add_answers(records());
    }
    answer.to_vec().expect("it is small")
}

fn updated(bytes: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let request = Message::from_vec(bytes).expect("the client writes good messages");
    let key = crate::wire::guid::unbase64(KEY).expect("good base64");
    let signer = TSigner::new(key, TsigAlgorithm::HmacSha256, "stagepost.".parse().expect("a good name"), 300)
        .expect("a good key");
    let time = 1_795_165_200;
    let mut answer = Message::response(request.id, OpCode::Update);
    answer.metadata.response_code = code;
    let context = match signer.verify_message_byte(bytes, None, true) {
        Ok((mac, when, range)) => {
            assert!(range.contains(&when));
            TSigResponseContext::new(request.id, when, signer, mac, None)
        }
        Err(_) => {
            answer.metadata.response_code = ResponseCode::NotAuth;
            TSigResponseContext::bad_signature(request.id, time, signer)
        }
    };
    let unsigned = answer.to_vec().expect("it is small");
    let tsig = context.sign(&unsigned).ok()?;
    answer.set_signature(tsig);
    answer.to_vec().ok()
}

/// Answers updates with this code; `None` hangs up after reading.
async fn start(update: Option<ResponseCode>, key: &str) -> (DnsClient, Arc<Keeper>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = tcp.local_addr().expect("it is bound");
    let udp = UdpSocket::bind(address).await.expect("the same port is free for UDP");
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            // A stray answer to another question must not disturb.
            let stray = Message::response(0, OpCode::Query).to_vec().expect("it is small");
            let _ = udp.send_to(&stray, from).await;
            let _ = udp.send_to(&reply(&buffer[..length], true), from).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let Ok(length) = stream.read_u16().await else { continue };
            let mut bytes = vec![0; usize::from(length)];
            if stream.read_exact(&mut bytes).await.is_err() {
                continue;
            }
            let is_update = Message::from_vec(&bytes).is_ok_and(|m| m.op_code == OpCode::Update);
            let answer = match (is_update, update) {
                (false, _) => Some(reply(&bytes, false)),
                (true, Some(code)) => updated(&bytes, code),
                (true, None) => None,
            };
            if let Some(answer) = answer {
                let length = u16::try_from(answer.len()).expect("it is small");
                let _ = stream.write_all(&length.to_be_bytes()).await;
                let _ = stream.write_all(&answer).await;
            }
        }
    });
    let address = address.to_string();
    let map = [("resolver.test:53", address.as_str()), ("ns1.contoso.test:53", address.as_str())];
    let (ca, _) = authority(&["x.test"]);
    let mut secrets = secrets(&ca);
    secrets.zones.insert("contoso.test".into(), Secret::new(key));
    let keeper: Arc<Keeper> = Arc::default();
    let services =
        Services::new(&profile("lab", &map), secrets, clock(), Some(keeper.clone())).expect("a good profile");
    (services.dns, keeper)
}

fn swap() -> Vec<Swap> {
    let set = |value: &str| Some(RecordSet::new("contoso.test", RecordType::MX, 300, vec![value.to_owned()]));
    vec![Swap {
        name: "contoso.test".into(),
        kind: RecordType::MX,
        expected: set("10 mail.contoso.test."),
        wanted: set("0 contoso-test.mail.protection.outlook.com."),
    }]
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_over_tcp() {
    bounded(async {
        let (dns, keeper) = start(Some(ResponseCode::NoError), KEY).await;
        for from in [Ask::Resolver("resolver.test:53"), Ask::Authority] {
            let set =
                dns.lookup("Contoso.test", RecordType::MX, from).await.expect("it answers").expect("there is a set");
            assert_eq!((set.values, set.ttl), (vec!["10 mail.contoso.test.".to_owned()], 300));
        }
        let seen = keeper.of("dns");
        assert_eq!(seen[0].url, "dns://resolver.test/contoso.test?type=MX");
        assert_eq!(seen[0].status, Some(0));
        assert_eq!(dns.zone_for("a.b.contoso.test.").map(|z| z.name.as_str()), Some("contoso.test"));
        assert!(dns.zone_for("xcontoso.test").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_swap_is_applied_stale_refused_or_in_doubt() {
    bounded(async {
        let (dns, keeper) = start(Some(ResponseCode::NoError), KEY).await;
        assert_eq!(dns.swap("contoso.test", &swap()).await.ok(), Some(Swapped::Applied));
        let seen = keeper.of("zone");
        assert_eq!((seen[0].url.as_str(), seen[0].status), ("dns://ns1.contoso.test/contoso.test", Some(0)));
        assert_eq!(seen[0].request_body["tsig"]["time"], json!(1_795_165_200));
        let failure = dns.swap("other.test", &swap()).await.expect_err("no such zone");
        assert_eq!(failure.kind, Kind::Validation);

        let (dns, _) = start(Some(ResponseCode::NXRRSet), KEY).await;
        assert_eq!(dns.swap("contoso.test", &swap()).await.ok(), Some(Swapped::Stale));
        let (dns, _) = start(Some(ResponseCode::Refused), KEY).await;
        assert_eq!(dns.swap("contoso.test", &swap()).await.map_err(|f| f.kind), Err(Kind::Refused));
        let (dns, _) = start(Some(ResponseCode::NoError), "AAAA").await;
        assert_eq!(dns.swap("contoso.test", &swap()).await.map_err(|f| f.kind), Err(Kind::Auth));
        let (dns, _) = start(None, KEY).await;
        assert_eq!(dns.swap("contoso.test", &swap()).await.map_err(|f| f.kind), Err(Kind::InDoubt));
    })
    .await;
}
