//! A domain controller by hand: just enough BER for sign-in, searches and
//! modifies.

use ldap3::asn1::{PL, StructureTag, parse_tag};

use super::*;
use crate::wire::attributes::Mod;

/// One request: message id, number of its operation, and the operation.
struct Operation {
    id: u8,
    kind: u64,
    parts: Vec<StructureTag>,
    controls: Vec<u8>,
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(u8::try_from(short).expect("it is short")),
        long => {
            out.push(0x82);
            out.extend(u16::try_from(long).expect("the tests stay small").to_be_bytes());
        }
    }
    out.extend(content);
    out
}

fn message(id: u8, operation: Vec<u8>, controls: Vec<u8>) -> Vec<u8> {
    tlv(0x30, &[tlv(2, &[id]), operation, controls].concat())
}

fn result(id: u8, tag: u8, code: u8, text: &str) -> Vec<u8> {
    message(id, tlv(tag, &[tlv(10, &[code]), tlv(4, b""), tlv(4, text.as_bytes())].concat()), Vec::new())
}

fn entry(id: u8, dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, values)| {
            let set: Vec<u8> = values.iter().flat_map(|v| tlv(4, v)).collect();
            tlv(0x30, &[tlv(4, name.as_bytes()), tlv(0x31, &set)].concat())
        })
        .collect();
    message(id, tlv(0x64, &[tlv(4, dn.as_bytes()), tlv(0x30, &list)].concat()), Vec::new())
}

/// The end of a page; an empty cookie is the end of all.
fn page(id: u8, cookie: &[u8]) -> Vec<u8> {
    let value = tlv(0x30, &[tlv(2, &[0]), tlv(4, cookie)].concat());
    let control = tlv(0x30, &[tlv(4, b"1.2.840.113556.1.4.319"), tlv(4, &value)].concat());
    let done = tlv(0x65, &[tlv(10, &[0]), tlv(4, b""), tlv(4, b"")].concat());
    message(id, done, tlv(0xA0, &control))
}

fn text(tag: Option<&StructureTag>) -> String {
    match tag.map(|t| &t.payload) {
        Some(PL::P(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

fn operation(tag: StructureTag) -> Option<Operation> {
    let mut parts = tag.expect_constructed()?.into_iter();
    let id = *parts.next()?.expect_primitive()?.last()?;
    let operation = parts.next()?;
    let kind = operation.id;
    let controls = format!("{:?}", parts.next()).into_bytes();
    let parts = match operation.payload {
        PL::C(parts) => parts,
        PL::P(_) => Vec::new(),
    };
    Some(Operation { id, kind, parts, controls })
}

/// Answers with what `act` says; an empty answer hangs up.
async fn start(
    act: impl Fn(&Operation) -> Vec<u8> + Send + Sync + 'static,
) -> (Directory, Arc<Mutex<Vec<u64>>>, Arc<Keeper>) {
    let (ca, config) = authority(&["dc1.contoso.test"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    let kinds: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (kept, act) = (kinds.clone(), Arc::new(act));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (kept, act, config) = (kept.clone(), act.clone(), config.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    bytes.extend_from_slice(&buffer[..length]);
                    while let Ok((rest, tag)) = parse_tag(&bytes) {
                        bytes = rest.to_vec();
                        let Some(operation) = operation(tag) else { return };
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(operation.kind);
                        let answer = act(&operation);
                        if answer.is_empty() || stream.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    let keeper: Arc<Keeper> = Arc::default();
    let map = [("dc1.contoso.test:636", address.as_str())];
    let services =
        Services::new(&profile("lab", &map), secrets(&ca), clock(), Some(keeper.clone())).expect("a good profile");
    (services.directory, kinds, keeper)
}

const BIND: u64 = 0;
const SEARCH: u64 = 3;
const MODIFY: u64 = 6;

#[tokio::test]
async fn a_search_is_paged_ranged_and_without_references() {
    bounded(async {
        let (directory, _, keeper) = start(|request| match request.kind {
            BIND => result(request.id, 0x61, 0, ""),
            SEARCH if text(request.parts.first()).starts_with("CN=g") => {
                [entry(request.id, "CN=g", &[("member;range=2-*", &[b"CN=c"])]), result(request.id, 0x65, 0, "")]
                    .concat()
            }
            // The first page asks with an empty cookie, the second with ours.
            SEARCH if !request.controls.windows(2).any(|w| w == b"67") => [
                entry(
                    request.id,
                    "CN=a",
                    &[("objectGUID", &[&[0xFF, 1]]), ("proxyAddresses", &[b"smtp:z", b"SMTP:a"])],
                ),
                message(request.id, tlv(0x73, &tlv(4, b"ldap://other/DC=x")), Vec::new()),
                page(request.id, b"C"),
            ]
            .concat(),
            _ => [
                entry(request.id, "CN=g", &[("member", &[]), ("member;range=0-1", &[b"CN=a", b"CN=b"])]),
                page(request.id, b""),
            ]
            .concat(),
        })
        .await;
        let found =
            directory.search("DC=contoso,DC=test", Scope::Subtree, "(cn=*)", &["member"]).await.expect("two pages");
        assert_eq!(found.iter().map(|e| e.dn.as_str()).collect::<Vec<_>>(), ["CN=a", "CN=g"]);
        assert_eq!(found[0].values("objectGUID"), [vec![0xFF, 1]]);
        assert_eq!(found[0].texts("proxyAddresses"), ["smtp:z", "SMTP:a"]);
        assert_eq!(found[1].texts("member"), ["CN=a", "CN=b", "CN=c"]);
        assert_eq!(found[1].iter().count(), 1);
        let seen = keeper.of("ldap");
        assert_eq!(
            (seen[0].method.as_str(), &seen[0].request_body["authentication"]["simple"]),
            ("bind", &json!("***"))
        );
        assert_eq!(seen[1].url, "ldaps://dc1.contoso.test/DC=contoso,DC=test?member?sub?(cn=*)");
        assert_eq!((seen[1].status, &seen[1].response_body["entries"][0]["dn"]), (Some(0), &json!("CN=a")));
        let failure = directory.search("", Scope::Base, "(cn=", &[]).await.expect_err("no filter");
        assert_eq!(failure.kind, Kind::Validation);
    })
    .await;
}

#[tokio::test]
async fn a_modify_is_done_stale_or_in_doubt_and_the_connection_comes_back() {
    bounded(async {
        let (directory, kinds, _) = start(|request| match (request.kind, text(request.parts.first()).as_str()) {
            (BIND, _) => result(request.id, 0x61, 0, ""),
            (MODIFY, "CN=stale") => result(request.id, 0x67, 16, "00002085: AttrErr"),
            (MODIFY, "CN=lost") => Vec::new(),
            (MODIFY, _) => result(request.id, 0x67, 0, ""),
            _ => result(request.id, 0x65, 32, "0000208D: NameErr"),
        })
        .await;
        let mods = [Mod::Delete("homeMDB".into(), vec![b"CN=x".to_vec()])];
        assert!(directory.modify("CN=good", &mods).await.is_ok());
        let kind = |dn: &'static str| {
            let (directory, mods) = (directory.clone(), mods.clone());
            async move { directory.modify(dn, &mods).await.map_err(|f| (f.kind, f.target)) }
        };
        assert_eq!(kind("CN=stale").await, Err((Kind::Conflict, Some("CN=stale".into()))));
        assert_eq!(kind("CN=lost").await, Err((Kind::InDoubt, Some("CN=lost".into()))));
        assert_eq!(kind("CN=good").await, Ok(()));
        assert_eq!(directory.read("CN=gone").await.ok(), Some(None));
        let kinds = kinds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(kinds, [BIND, MODIFY, MODIFY, MODIFY, BIND, MODIFY, SEARCH]);
    })
    .await;
}

#[tokio::test]
async fn after_one_wrong_password_nothing_more_is_tried() {
    bounded(async {
        let (directory, kinds, _) = start(|request| {
            result(
                request.id,
                0x61,
                49,
                "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563",
            )
        })
        .await;
        for _ in 0..3 {
            let failure = directory.root().await.expect_err("a wrong password");
            assert_eq!(failure.kind, Kind::Auth);
            assert!(failure.message.contains("password of the directory account is wrong"), "{failure}");
        }
        assert_eq!(kinds.lock().unwrap_or_else(PoisonError::into_inner).len(), 1);
    })
    .await;
}
