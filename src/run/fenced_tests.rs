//! Fences and the tenant's name at the gate: what is beyond is refused before
//! anything is written down as intended.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;

use super::super::approvals::Beforehand;
use super::super::bare::{self, MemoryJournal};
use super::super::gate::{self, Repeat, WayBack};
use super::super::narrate::{Keeper, What};
use super::*;
use crate::base::{Clock, Timestamp};

/// People of a directory, each to be given a TargetAddress.
#[derive(Default)]
struct Forward {
    people: Vec<(String, String)>,
    written: Mutex<Vec<String>>,
}

impl Forward {
    fn of(people: &[(&str, &str)]) -> Forward {
        let people = people.iter().map(|(a, dn)| ((*a).to_owned(), (*dn).to_owned())).collect();
        Forward { people, written: Mutex::default() }
    }
    fn written(&self) -> usize {
        self.written.lock().expect("nobody panicked").len()
    }
}

#[async_trait]
impl Change for Forward {
    fn operation(&self) -> &'static str {
        "forward"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Guarded
    }
    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }
    fn targets(&self) -> Vec<String> {
        self.people.iter().map(|(a, _)| a.clone()).collect()
    }
    async fn observe(&self, _: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let written = self.written.lock().expect("nobody panicked").clone();
        let one = |target: &String| {
            let dn = self.people.iter().find(|(a, _)| a == target).map(|(_, dn)| dn.clone());
            let done = written.contains(target);
            let before = if done { json!({"dn": dn, "targetAddress": ["x"]}) } else { json!({"dn": dn}) };
            let after = json!({"dn": dn, "targetAddress": ["x"]});
            let verdict = if done { Verdict::Same } else { Verdict::Differs(after) };
            Observed { target: target.clone(), before, verdict }
        };
        Ok(targets.iter().map(one).collect())
    }
    async fn apply(&self, _: &Session, observed: &Observed) -> Result<()> {
        self.written.lock().expect("nobody panicked").push(observed.target.clone());
        Ok(())
    }
}

const ANN: (&str, &str) = ("ann@contoso.com", "CN=Ann,OU=People,DC=contoso,DC=com");
const BOB: (&str, &str) = ("bob@contoso.com", "CN=Bob,OU=Board,DC=contoso,DC=com");
const CYD: (&str, &str) = ("cyd@contoso.com", "CN=Cyd,OU=People,DC=contoso,DC=com");

struct Bench {
    journal: Arc<MemoryJournal>,
    keeper: Arc<Keeper>,
    clock: Clock,
    fences: Fences,
    real: bool,
    approver: Beforehand,
}

impl Bench {
    fn new(fences: Fences) -> Bench {
        Bench {
            journal: Arc::default(),
            keeper: Arc::default(),
            clock: Clock::system(),
            fences,
            real: false,
            approver: Beforehand::default(),
        }
    }
    fn session(&mut self) -> Arc<Session> {
        let approver = Arc::new(std::mem::take(&mut self.approver));
        let (clock, fences, real) = (self.clock.clone(), self.fences.clone(), self.real);
        let handle = tokio::runtime::Handle::current();
        let session = bare::made(clock, self.keeper.clone(), handle, self.journal.clone(), approver, |parts| {
            parts.project.fences = Some(fences);
            if real {
                parts.profile.kind = crate::wire::profile::Behind::Real;
            }
        });
        session.recall().expect("readable");
        session
    }
    fn events(&self, kind: EventKind) -> usize {
        self.journal.0.lock().expect("nobody panicked").iter().filter(|e| e.kind == kind).count()
    }
}

fn lined(fences: Fences, fence: &str, line: usize) -> Fences {
    Fences { lines: [(fence.to_owned(), line)].into(), ..fences }
}

#[tokio::test]
async fn one_object_beyond_a_fence_refuses_the_set_and_names_fence_and_line() {
    let fences = Fences { search_base: Some("OU=People,DC=contoso,DC=com".into()), ..Fences::default() };
    let mut bench = Bench::new(lined(fences, "search_base", 31));
    let session = bench.session();
    let change = Forward::of(&[ANN, BOB, CYD]);
    let failure = gate::pass(&session, &change, None).await.expect_err("Bob lies beyond");
    assert_eq!(failure.kind, Kind::Refused);
    assert_eq!(
        failure.message,
        "the fence `search_base` holds `forward` back: CN=Bob,OU=Board,DC=contoso,DC=com does not lie below \
         OU=People,DC=contoso,DC=com"
    );
    assert_eq!(
        (failure.detail.as_deref(), failure.target.as_deref()),
        (Some("stagepost.toml:31: search_base"), Some(BOB.0))
    );
    assert_eq!((change.written(), bench.journal.0.lock().expect("nobody panicked").len()), (0, 0), "nothing at all");
    let inside = Forward::of(&[ANN, CYD]);
    gate::pass(&session, &inside, None).await.expect("both lie below");
    assert_eq!(inside.written(), 2);
}

#[tokio::test]
async fn attributes_are_those_that_would_differ() {
    let allowed =
        |names: &[&str]| Fences { attributes: names.iter().map(|n| (*n).into()).collect(), ..Fences::default() };
    let mut bench = Bench::new(allowed(&["proxyAddresses"]));
    let change = Forward::of(&[ANN]);
    let failure = gate::pass(&bench.session(), &change, None).await.expect_err("another attribute");
    assert!(failure.message.contains("targetAddress of CN=Ann"), "{}", failure.message);
    assert_eq!(change.written(), 0);
    let mut bench = Bench::new(allowed(&["TargetAddress"]));
    gate::pass(&bench.session(), &change, None).await.expect("it may be written");
}

#[tokio::test]
async fn the_most_objects_are_those_of_the_run_also_in_its_next_process() {
    let mut bench = Bench::new(Fences { most_objects: Some(2), ..Fences::default() });
    let session = bench.session();
    gate::pass(&session, &Forward::of(&[ANN]), None).await.expect("one");
    // The same person is one object, however often.
    gate::pass(&session, &Forward::of(&[ANN]), None).await.expect("still one");
    let next = bench.session();
    let change = Forward::of(&[BOB, CYD]);
    let failure = gate::pass(&next, &change, None).await.expect_err("three in all");
    assert!(
        failure.message.ends_with("this run has written to 1 object, and would write to 3 objects"),
        "{}",
        failure.message
    );
    assert_eq!((change.written(), failure.kind), (0, Kind::Refused));
    gate::pass(&next, &Forward::of(&[CYD]), None).await.expect("two in all");
}

#[tokio::test]
async fn nothing_is_written_in_forbidden_hours_and_a_set_ends_where_they_begin() {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let fences = Fences {
        forbidden_hours: vec!["Mon-Fri 08:00-18:00".into()],
        time_zone: Some("Europe/Berlin".into()),
        ..Fences::default()
    };
    let mut bench = Bench::new(fences);
    bench.clock = Clock::foreseen(at("2026-01-12T10:00:00Z"));
    let session = bench.session();
    let change = Forward::of(&[ANN]);
    let failure = gate::pass(&session, &change, None).await.expect_err("office hours");
    assert_eq!(
        failure.message,
        "the fence `forbidden_hours` holds `forward` back: it is Mon 11:00 in Europe/Berlin, within Mon-Fri 08:00-18:00"
    );
    assert_eq!(failure.hint.as_deref(), Some("nothing further is written; go on after Mon 18:00 (Europe/Berlin)"));
    assert_eq!((change.written(), bench.events(EventKind::Intent)), (0, 0));
    session.clock().sleep_until(at("2026-01-12T17:00:00Z")).await.expect("it waits for nobody");
    gate::pass(&session, &change, None).await.expect("the office is closed");
    // Each write takes time: the first ends before eight, the group after it would not.
    struct Slow(Forward);
    #[async_trait]
    impl Change for Slow {
        fn operation(&self) -> &'static str {
            "slow"
        }
        fn repeat(&self) -> Repeat {
            Repeat::Guarded
        }
        fn way_back(&self) -> WayBack {
            WayBack::Reversible
        }
        fn targets(&self) -> Vec<String> {
            self.0.targets()
        }
        async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
            self.0.observe(session, targets).await
        }
        async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
            session.clock().sleep(jiff::SignedDuration::from_hours(1)).await?;
            self.0.apply(session, observed).await
        }
    }
    session.clock().sleep_until(at("2026-01-13T06:30:00Z")).await.expect("it waits for nobody");
    let slow = Slow(Forward::of(&[ANN, BOB, CYD]));
    let failure = gate::pass(&session, &slow, None).await.expect_err("half past eight");
    assert_eq!((slow.0.written(), failure.kind), (1, Kind::Refused));
    assert_eq!(bench.events(EventKind::Intent), 2, "one before, and the first of the set");
}

#[tokio::test]
async fn a_time_zone_that_nobody_knows_refuses_every_write() {
    let fences = Fences {
        forbidden_hours: vec!["Mon 08:00-09:00".into()],
        time_zone: Some("Europe/Nowhere".into()),
        ..Fences::default()
    };
    let change = Forward::of(&[ANN]);
    let failure = gate::pass(&Bench::new(fences).session(), &change, None).await.expect_err("whose hours?");
    assert_eq!((failure.kind, change.written()), (Kind::Usage, 0));
}

#[tokio::test]
async fn a_real_tenant_is_named_once_before_the_first_write() {
    let mut bench = Bench::new(Fences::default());
    bench.real = true;
    let change = Forward::of(&[ANN]);
    let failure = gate::pass(&bench.session(), &change, None).await.expect_err("nobody can be asked");
    assert_eq!((failure.kind, change.written()), (Kind::Approval, 0));
    assert!(failure.hint.is_some_and(|h| h.contains("--tenant-name")));
    bench.approver.tenant_name = Some("fabrikam.onmicrosoft.com".into());
    let failure = gate::pass(&bench.session(), &change, None).await.expect_err("the wrong tenant");
    assert_eq!(failure.message, "`fabrikam.onmicrosoft.com` is not the tenant that nowhere leads to");
    assert_eq!((change.written(), bench.journal.0.lock().expect("nobody panicked").len()), (0, 0));
    bench.approver.tenant_name = Some(" Contoso.onmicrosoft.com ".into());
    gate::pass(&bench.session(), &change, None).await.expect("that is it");
    assert_eq!((change.written(), bench.events(EventKind::Named)), (1, 1));
    // Later runs of the project know it.
    gate::pass(&bench.session(), &Forward::of(&[CYD]), None).await.expect("named before");
    assert_eq!(bench.events(EventKind::Named), 1);
}

#[tokio::test]
async fn a_lab_is_not_asked_its_name() {
    let mut bench = Bench::new(Fences::default());
    gate::pass(&bench.session(), &Forward::of(&[ANN]), None).await.expect("a lab");
    assert_eq!(bench.events(EventKind::Named), 0);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_told_once_and_does_no_harm() {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let mut bench = Bench::new(Fences::default());
    bench.clock = Clock::foreseen(at("2026-01-14T09:00:00Z"));
    gate::pass(&bench.session(), &Forward::of(&[ANN]), None).await.expect("before");
    // Two days back, and the run goes on.
    bench.clock = Clock::foreseen(at("2026-01-12T09:00:00Z"));
    let session = bench.session();
    session.look_at_clock();
    gate::pass(&session, &Forward::of(&[BOB]), None).await.expect("after");
    let told: Vec<(String, String)> = bench
        .keeper
        .notes()
        .into_iter()
        .filter_map(|n| match n.what {
            What::Warned { text, hint } => Some((text, hint)),
            _ => None,
        })
        .collect();
    let [(text, hint)] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.contains("2026-01-12 09:00:00 UTC") && text.contains("2026-01-14 09:00:00 UTC"), "{text}");
    assert!(hint.contains("last longer"), "{hint}");
    let events = bench.journal.0.lock().expect("nobody panicked");
    let order: Vec<&str> = events.iter().map(|e| e.target.as_str()).collect();
    assert_eq!(order, [ANN.0, ANN.0, BOB.0, BOB.0], "in the order of commits, whatever the clock says");
    // A few minutes are no news: clocks of two machines differ.
    let mut near = Bench::new(Fences::default());
    near.journal = bench.journal.clone();
    drop(events);
    near.clock = Clock::foreseen(at("2026-01-14T08:56:00Z"));
    near.session().look_at_clock();
    assert!(near.keeper.notes().is_empty());
}

#[test]
fn what_a_write_touches_is_told_from_its_images() {
    let observed =
        |before: Value, after: Value| Observed { target: "x".into(), before, verdict: Verdict::Differs(after) };
    let set = |kind: &str| json!({"name": "autodiscover.contoso.com.", "type": kind, "ttl": 300, "values": ["a."]});
    let told = told(&observed(json!({"set": null, "beside": set("A")}), set("CNAME")));
    let kinds: Vec<&str> = told
        .iter()
        .map(|t| match &t.place {
            Place::Record { kind, .. } => kind.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(kinds, ["CNAME", "A"], "the address that gives way is written, too");
}
