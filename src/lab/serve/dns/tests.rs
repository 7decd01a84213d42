//! The name servers, asked with the bytes that go over the wire.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError};
use hickory_proto::rr::{RecordType, TSigner};

use super::super::small;
use super::super::state::State;
use super::*;
use crate::wire::dns::{RecordSet, Swap, question, set_of, update};

const CLOUD: &str = "0 contoso-test.mail.protection.outlook.com.";

fn key() -> TSigner {
    signer(&[7; 32]).expect("32 bytes are a key")
}

fn ask(state: &State, server: &Server, name: &str, kind: RecordType, datagram: bool) -> Message {
    let bytes = question(5, name, kind, true).expect("a good name").to_vec().expect("a small message");
    let answer = answer(state, server, &bytes, datagram).expect("a question deserves an answer");
    Message::from_vec(&answer).expect("the answer is a message")
}

fn mx(state: &State, server: &Server) -> Option<RecordSet> {
    set_of(&ask(state, server, "contoso.test", RecordType::MX, true).answers, "contoso.test", RecordType::MX)
}

fn set(kind: RecordType, ttl: u32, values: &[&str]) -> RecordSet {
    RecordSet::new("contoso.test", kind, ttl, values.iter().map(|v| (*v).to_owned()).collect())
}

/// Sends an update signed with a key; the code, the signature's error, and
/// whether the answer's signature is good.
fn send(
    state: &State,
    mut message: Message,
    signer: Option<&TSigner>,
    time: i64,
) -> (ResponseCode, Option<TsigError>, bool) {
    let verifier = signer.and_then(|s| message.finalize(s, seconds(time)).expect("the message can be signed"));
    let bytes = message.to_vec().expect("a small message");
    let answer = answer(state, &Server::Authority(key()), &bytes, false).expect("an update deserves an answer");
    let reply = Message::from_vec(&answer).expect("the answer is a message");
    let error = reply.signature().and_then(|t| t.data.error);
    let verified = verifier.is_some_and(|mut v| v.verify(&answer).is_ok());
    (reply.metadata.response_code, error, verified)
}

fn swap(expected: Option<RecordSet>, wanted: Option<RecordSet>) -> Message {
    let kind = expected.as_ref().or(wanted.as_ref()).map_or(RecordType::MX, |s| s.kind);
    let swap = Swap { name: "contoso.test".into(), kind, expected, wanted };
    update(9, "contoso.test", &[swap]).expect("the values are good")
}

#[test]
fn the_zone_answers_with_authority() {
    let state = State::new(small::world());
    let authority = Server::Authority(key());
    let found = ask(&state, &authority, "Contoso.TEST", RecordType::MX, true);
    assert!(found.metadata.authoritative && !found.metadata.recursion_available);
    assert_eq!(mx(&state, &authority), Some(set(RecordType::MX, 3600, &["10 mail.contoso.test."])));
    let alias = ask(&state, &authority, "www.contoso.test", RecordType::A, true);
    assert_eq!(alias.answers.len(), 2);
    let empty = ask(&state, &authority, "mail.contoso.test", RecordType::MX, true);
    assert_eq!((empty.metadata.response_code, empty.authorities.len()), (ResponseCode::NoError, 1));
    let nobody = ask(&state, &authority, "nobody.contoso.test", RecordType::A, true);
    assert_eq!((nobody.metadata.response_code, nobody.authorities.len()), (ResponseCode::NXDomain, 1));
    assert_eq!(
        ask(&state, &authority, "example.test", RecordType::A, true).metadata.response_code,
        ResponseCode::Refused
    );
}

#[test]
fn what_does_not_fit_is_truncated_over_udp() {
    let state = State::new(small::world());
    let long = set(RecordType::TXT, 60, &[&"x".repeat(600)]);
    state
        .lock()
        .zones
        .get_mut("contoso.test.")
        .expect("the zone is there")
        .sets
        .insert(("contoso.test.".into(), "TXT".into()), long.clone());
    let authority = Server::Authority(key());
    let cut = ask(&state, &authority, "contoso.test", RecordType::TXT, true);
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = ask(&state, &authority, "contoso.test", RecordType::TXT, false);
    assert_eq!(set_of(&whole.answers, "contoso.test", RecordType::TXT), Some(long));
}

#[test]
fn a_swap_needs_the_whole_old_set_and_a_good_signature() {
    let state = State::new(small::world());
    let now = state.lock().now.as_second();
    let old = set(RecordType::MX, 3600, &["10 mail.contoso.test."]);
    let new = set(RecordType::MX, 300, &[CLOUD]);
    let good = |expected: &RecordSet, wanted: &RecordSet| swap(Some(expected.clone()), Some(wanted.clone()));

    let wrong = TSigner::new(vec![8; 32], TsigAlgorithm::HmacSha256, KEY.parse().expect("a name"), 300).expect("a key");
    let other =
        TSigner::new(vec![7; 32], TsigAlgorithm::HmacSha256, "other.".parse().expect("a name"), 300).expect("a key");
    let auth = ResponseCode::NotAuth;
    assert_eq!(send(&state, good(&old, &new), None, now), (ResponseCode::Refused, None, false));
    assert_eq!(send(&state, good(&old, &new), Some(&wrong), now), (auth, Some(TsigError::BadSig), false));
    assert_eq!(send(&state, good(&old, &new), Some(&other), now), (auth, Some(TsigError::BadKey), false));
    let late = send(&state, good(&old, &new), Some(&key()), now - 4000);
    assert_eq!((late.0, late.1), (auth, Some(TsigError::BadTime)));

    let stale = set(RecordType::MX, 3600, &["20 mail.contoso.test."]);
    assert_eq!(send(&state, good(&stale, &new), Some(&key()), now), (ResponseCode::NXRRSet, None, true));
    assert_eq!(send(&state, swap(None, Some(new.clone())), Some(&key()), now), (ResponseCode::YXRRSet, None, true));
    assert_eq!(state.lock().zones["contoso.test."].serial, 2026082001);

    assert_eq!(send(&state, good(&old, &new), Some(&key()), now), (ResponseCode::NoError, None, true));
    assert_eq!(state.lock().zones["contoso.test."].serial, 2026082002);
    assert_eq!(mx(&state, &Server::Authority(key())), Some(new.clone()));
    // nsupdate lives in the machine's time.
    let machine = jiff::Timestamp::now().as_second();
    assert_eq!(send(&state, good(&new, &old), Some(&key()), machine), (ResponseCode::NoError, None, true));
    // The same values with another time to live are a change of the whole set.
    let shorter = set(RecordType::MX, 60, &["10 mail.contoso.test."]);
    assert_eq!(send(&state, good(&old, &shorter), Some(&key()), now), (ResponseCode::NoError, None, true));
    assert_eq!(mx(&state, &Server::Authority(key())).map(|s| s.ttl), Some(60));
}

#[test]
fn a_cname_beside_other_data_is_ignored_in_silence() {
    let state = State::new(small::world());
    let now = state.lock().now.as_second();
    let owner = "autodiscover.contoso.test";
    let alias = RecordSet::new(owner, RecordType::CNAME, 300, vec!["autodiscover.outlook.com.".into()]);
    let address = RecordSet::new(owner, RecordType::A, 3600, vec!["192.0.2.7".into()]);
    let add = Swap { name: owner.into(), kind: RecordType::CNAME, expected: None, wanted: Some(alias.clone()) };
    let bare = update(1, "contoso.test", std::slice::from_ref(&add)).expect("good values");
    assert_eq!(send(&state, bare, Some(&key()), now).0, ResponseCode::NoError);
    let authority = Server::Authority(key());
    let still = ask(&state, &authority, owner, RecordType::A, true);
    assert_eq!(set_of(&still.answers, owner, RecordType::A), Some(address.clone()));

    let remove = Swap { name: owner.into(), kind: RecordType::A, expected: Some(address), wanted: None };
    let both = update(2, "contoso.test", &[remove, add]).expect("good values");
    assert_eq!(send(&state, both, Some(&key()), now).0, ResponseCode::NoError);
    let now_alias = ask(&state, &authority, owner, RecordType::CNAME, true);
    assert_eq!(set_of(&now_alias.answers, owner, RecordType::CNAME), Some(alias));
    let foreign = update(3, "outlook.com", &[]).expect("good values");
    assert_eq!(send(&state, foreign, Some(&key()), now).0, ResponseCode::Refused);
    let unknown = update(4, "example.test", &[]).expect("good values");
    assert_eq!(send(&state, unknown, Some(&key()), now).0, ResponseCode::NotAuth);
}

#[test]
fn a_resolver_keeps_what_it_has_until_it_runs_out() {
    let state = State::new(small::world());
    let (one, two) = (Server::Resolver("resolver-1".into()), Server::Resolver("resolver-2".into()));
    let old = Some(set(RecordType::MX, 3600, &["10 mail.contoso.test."]));
    assert_eq!(mx(&state, &one), old);
    let absent = ask(&state, &one, "new.contoso.test", RecordType::A, true);
    assert_eq!(absent.metadata.response_code, ResponseCode::NXDomain);
    {
        let mut world = state.lock();
        let zone = world.zones.get_mut("contoso.test.").expect("the zone is there");
        zone.sets.insert(("contoso.test.".into(), "MX".into()), set(RecordType::MX, 300, &[CLOUD]));
        let host = RecordSet::new("new.contoso.test", RecordType::A, 60, vec!["192.0.2.8".into()]);
        zone.sets.insert(("new.contoso.test.".into(), "A".into()), host);
        world.now = world.now.checked_add(jiff::SignedDuration::from_secs(1000)).expect("a later time");
    }
    assert_eq!(mx(&state, &two).map(|s| s.values), Some(vec![CLOUD.to_owned()]));
    assert_eq!(mx(&state, &one).map(|s| (s.ttl, s.values)), Some((2600, vec!["10 mail.contoso.test.".to_owned()])));
    // The absence was kept for the zone's 300 seconds only.
    assert_eq!(ask(&state, &one, "new.contoso.test", RecordType::A, true).answers.len(), 1);
    let elsewhere = ask(&state, &one, "outside.contoso.test", RecordType::A, true);
    assert!(elsewhere.metadata.recursion_available && elsewhere.answers.len() == 2);
}

#[test]
fn the_domain_controller_serves_its_copy_and_asks_the_world_for_the_rest() {
    let state = State::new(small::world());
    // Without a copy it is one more resolver.
    let before = ask(&state, &Server::Inside, "contoso.test", RecordType::MX, true);
    assert!(!before.metadata.authoritative && before.metadata.recursion_available);
    crate::lab::mess::copy_inside(&mut state.lock(), "contoso.test");
    let swapped =
        swap(Some(set(RecordType::MX, 3600, &["10 mail.contoso.test."])), Some(set(RecordType::MX, 300, &[CLOUD])));
    let now = state.lock().now.as_second();
    assert_eq!(send(&state, swapped, Some(&key()), now).0, ResponseCode::NoError);
    let inside = ask(&state, &Server::Inside, "contoso.test", RecordType::MX, true);
    assert!(inside.metadata.authoritative);
    let server = format!("10 {}", absolute(&state.lock().company.server));
    assert_eq!(mx(&state, &Server::Inside).map(|s| s.values), Some(vec![server]));
    assert_eq!(mx(&state, &Server::Authority(key())).map(|s| s.values), Some(vec![CLOUD.to_owned()]));
    let foreign = ask(&state, &Server::Inside, "example.test", RecordType::A, true);
    assert!(!foreign.metadata.authoritative);
}
