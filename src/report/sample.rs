//! A made-up story for tests: two thousand mailboxes in twenty-one waves.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::story::{Parts, Story, exit_code};
use crate::run::narrate::{Note, What};
use crate::wire::lab::{Broken, Counts, Digest, Mess, Outcome, Probes, Proof, Row, Setting, Work};

/// What kind of end the sample comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Calm,
    Usual,
    Broken,
}

struct Maker {
    notes: Vec<Note>,
    now: Timestamp,
    id: u64,
}

impl Maker {
    fn say(&mut self, what: What) {
        self.notes.push(Note { time: self.now, what });
    }

    fn pass(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
    }

    fn step(&mut self, primitive: &str, subject: &str, minutes: i64, changed: u64, text: &str) {
        self.id += 1;
        let id = self.id;
        self.say(What::StepBegan { id, primitive: primitive.into(), subject: subject.into() });
        self.pass(minutes);
        self.say(What::StepEnded { id, ok: true, changed, text: text.into() });
    }

    /// A removal waits for the end of the 72 hours.
    fn remove(&mut self, subject: &str, switched: Timestamp) {
        self.id += 1;
        let id = self.id;
        let until = switched + SignedDuration::from_hours(72);
        self.say(What::StepBegan { id, primitive: "remove".into(), subject: subject.into() });
        if self.now < until {
            self.say(What::Waiting { reason: "72 hours since the MX change".into(), until });
            self.now = until;
        }
        self.pass(1);
        self.say(What::StepEnded { id, ok: true, changed: 1, text: "removed".into() });
    }

    fn approve(&mut self, text: &str) {
        self.say(What::Asked { text: text.into() });
        self.pass(60 * 24);
        self.say(What::Answered { text: text.into(), granted: true, by: "rehearsal".into() });
    }
}

const TROUBLE: [&str; 3] = [
    "SyncTimeoutException: Email migration failed for this user because no email could be downloaded for 5 hours, 0 minutes.",
    "A source e-mail address with the name couldn't be found",
    "MigrationPermanentException: Error: Job is poisoned, poison count = 6.",
];

/// The story.
pub fn story(mailboxes: usize, end: End) -> Story {
    let began: Timestamp = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
    let mut m = Maker { notes: Vec::new(), now: began, id: 0 };
    m.say(What::Began { script: "scripts/staged.rhai".into(), profile: "lab".into(), seed: Some(7) });
    m.step("preflight", "contoso.test", 1, 0, "Exchange 2007, staged migration");
    m.step("domain::verify", "contoso.test, fabrikam.test", 20, 2, "2 verified");
    m.step("directory::synchronize", &format!("{mailboxes} mailboxes"), 90, 0, "all found in the cloud");
    m.say(What::Finding {
        severity: "warning".into(),
        target: "room-12@contoso.test".into(),
        message: "a room arrives as a user mailbox".into(),
        hint: "turn it into a room again after its conversion".into(),
    });
    m.step("validate", &format!("{mailboxes} mailboxes"), 2, 0, "1 finding");
    m.step("endpoint", "on-premises", 3, 1, "created");
    m.step("mailflow::verify_coexistence", "contoso.test, fabrikam.test", 15, 0, "both sides reach each other");
    let mut rows: Vec<Row> = Vec::new();
    let mut wave = 0;
    while rows.len() < mailboxes {
        wave += 1;
        let size = if wave == 1 { 5 } else { 100 }.min(mailboxes - rows.len());
        let name = format!("wave-{wave:02}");
        let subject = format!("{name} ({size} mailboxes)");
        let first = rows.len();
        let mut failed = 0;
        for i in 0..size {
            let n = first + i;
            let address = format!(
                "{}.{}{n}@contoso.test",
                ["ann", "bob", "cid", "dora"][n % 4],
                ["lee", "o'neil", "müller"][n % 3]
            );
            let fails = end != End::Calm && n % 37 == 11;
            let busy = |n: usize| !fails && end != End::Calm && n % 29 == 2;
            failed += u64::from(fails);
            let hours = 14.0 + (n * 7919 % 97) as f64 / 9.0;
            rows.push(Row {
                address,
                outcome: if fails { Outcome::Whole } else { Outcome::Moved },
                reason: if fails { TROUBLE[n % 3].into() } else { String::new() },
                broken: Vec::new(),
                batch: name.clone(),
                hours_apart: (!fails).then_some(hours + 24.0),
                hours_without_old_mail: (!fails).then_some(hours),
                work_lost: u64::from(busy(n)) * (1 + n as u64 % 2),
                work_lost_words: if busy(n) { WORK[n % 2].into() } else { String::new() },
                junk: u64::from(!fails && end != End::Calm && n % 211 == 3),
                delayed: u64::from(!fails && end != End::Calm && n % 97 == 5),
            });
        }
        let free = (mailboxes + 50 - first) as u64;
        m.say(What::SeatsCounted { product: "ENTERPRISEPACK".into(), needed: size as u64, free });
        m.step("license::check", &subject, 1, 0, "seats, plans and usage locations fit");
        m.step("people::tell", &subject, 1, 0, "told");
        m.approve(&format!("New mail of {size} people will arrive only in the cloud. Start {name}?"));
        m.step("batch", &subject, 1, 1, "created");
        m.step("start", &subject, 10, 1, "started");
        m.step("watch", &subject, 60 * 20, 0, &format!("{} synced, {failed} failed", size as u64 - failed));
        m.say(What::SeatsGiven { product: "ENTERPRISEPACK".into(), given: size as u64 });
        m.step("license::assign", &subject, 5, size as u64, "assigned");
        for row in rows.iter().skip(first).filter(|r| r.outcome == Outcome::Whole) {
            m.say(What::LeftWhole { address: row.address.clone(), reason: row.reason.clone() });
        }
        m.step("release", &format!("{failed} mailboxes"), 2, failed, "released");
        m.approve(&format!("Convert {} mailboxes of {name}?", size as u64 - failed));
        m.step(
            "convert_to_mail_user",
            &format!("{} mailboxes", size as u64 - failed),
            6,
            size as u64 - failed,
            "converted",
        );
    }
    if end != End::Calm {
        m.say(What::Forced {
            guard: "mx-before-settled".into(),
            target: "fabrikam.test".into(),
            text: "3 mailboxes of the domain are neither moved nor left whole".into(),
            reason: "the customer closes the old site on Friday".into(),
        });
    }
    m.approve("Send the mail of all domains to the cloud?");
    m.step("set_mx", "contoso.test, fabrikam.test", 70, 2, "all resolvers answer the new host");
    let switched = m.now;
    m.step("mailflow::verify", "contoso.test, fabrikam.test", 12, 0, "arrives in the cloud");
    for n in 1..=wave {
        m.remove(&format!("wave-{n:02}"), switched);
    }
    m.step("autodiscover::set", "contoso.test, fabrikam.test", 65, 2, "leads to the cloud");
    m.step("decommission::check", "", 1, 0, "the old servers may go, one stays for the directory");
    if end == End::Broken {
        for row in rows.iter_mut().filter(|r| r.outcome == Outcome::Whole).take(3) {
            row.outcome = Outcome::Broken;
            row.broken.push(Broken {
                rule: "forwarded-unfilled".into(),
                text:
                    "targetAddress is `SMTP:x@contoso.onmicrosoft.com` while the cloud mailbox holds 12 of 4,310 items"
                        .into(),
            });
        }
    }
    let proof = proof(rows, began, m.now, end);
    let exit = exit_code(&proof, 0);
    m.say(What::Ended { ok: true, code: exit });
    let mut parts =
        Parts::new("Rehearsal of Contoso (contoso.test, fabrikam.test)", "scripts/staged.rhai", proof, m.notes);
    parts.profile = "lab".into();
    parts.seed = Some(7);
    parts.faults = if end == End::Calm { "none" } else { "usual" }.into();
    parts.threads = 2;
    parts.counts = counts();
    parts.digest = Some(Digest {
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        events: 48_211,
    });
    parts.wall_seconds = 4.23;
    parts.peak_memory = Some(183_400_000);
    parts.exit = exit;
    parts.report = Some("rehearsal/report.html".into());
    Story::new(parts)
}

const WORK: [&str; 2] = ["1 appointment accepted in the old mailbox", "1 message filed, 1 draft"];

/// Doubts as the lab words them.
fn settings() -> Vec<Setting> {
    let setting = |name: &str, value: &str, usual, about: &str, pilot: &str| Setting {
        name: name.into(),
        value: value.into(),
        usual,
        about: about.into(),
        pilot: pilot.into(),
    };
    vec![
        setting(
            "target_keeps_copy",
            "no",
            true,
            "whether a message that is forwarded from the old mailbox leaves a copy there",
            "send a message to one person of the pilot after the start and look into both mailboxes",
        ),
        setting(
            "grace_counts_from",
            "user creation",
            false,
            "whether the 30 days without a licence count from the new mailbox or from the new user",
            "leave one mailbox of the pilot without a licence and read its date in the admin centre",
        ),
        setting(
            "relicensed_after_window",
            "empty mailbox",
            true,
            "what somebody gets who has a licence again after the thirty days",
            "",
        ),
    ]
}

/// The lost and the late, as the judge names them.
fn spoilt(rows: &[Row], probes: &mut Probes) {
    probes.junk = rows.iter().map(|r| r.junk).sum();
    probes.delayed = rows.iter().map(|r| r.delayed).sum();
    for row in rows.iter().filter(|r| r.junk > 0).take(5) {
        let text = "the sender's server is not in the SPF record";
        probes.junk_sample.push(format!("{}, 2026-02-03T09:00:00Z: {text}", row.address));
    }
    for row in rows.iter().filter(|r| r.delayed > 0).take(5) {
        let text = "450 4.7.230 Connecting Exchange server version is out-of-date";
        probes.delayed_sample.push(format!("{}, 2026-02-03T09:00:00Z: {text}", row.address));
    }
    probes.returned_as_before = 4;
    probes.beside.push("the group all-staff@contoso.test, 2026-02-04T09:00:00Z: 550 5.4.1 access denied".into());
}

fn work(rows: &[Row]) -> Work {
    let losers: Vec<&Row> = rows.iter().filter(|r| r.work_lost > 0).collect();
    let lost = losers.iter().map(|r| r.work_lost).sum();
    Work {
        made: rows.len() as u64 * 31,
        lost,
        people: losers.len() as u64,
        kinds: if lost == 0 {
            BTreeMap::new()
        } else {
            [("appointments".to_owned(), lost / 2), ("messages filed".to_owned(), lost - lost / 2)].into()
        },
        sample: losers
            .iter()
            .take(5)
            .map(|r| format!("{}, 2026-02-03T10:12:00Z: {}", r.address, r.work_lost_words))
            .collect(),
        hindered: if lost == 0 {
            BTreeMap::new()
        } else {
            [("a delegate could not open the mailbox".to_owned(), 7)].into()
        },
    }
}

fn messes() -> Vec<Mess> {
    vec![
        Mess {
            name: "two-holders".into(),
            about: "an address is held by two entries of the directory".into(),
            who: vec!["ann.lee0@contoso.test".into(), "a.lee@contoso.test".into()],
        },
        Mess {
            name: "empty-room".into(),
            about: "a room accepts invitations by itself, and forgets them in the cloud".into(),
            who: vec!["room-12@contoso.test".into()],
        },
    ]
}

fn proof(rows: Vec<Row>, began: Timestamp, ended: Timestamp, end: End) -> Proof {
    let apart: Vec<f64> = rows.iter().filter_map(|r| r.hours_apart).collect();
    let without: Vec<f64> = rows.iter().filter_map(|r| r.hours_without_old_mail).collect();
    let median = |all: &[f64]| {
        let mut all = all.to_vec();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let worst = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    let sent = rows.len() as u64 * 44;
    let mut probes = Probes {
        sent,
        delivered: sent,
        delivered_old: sent / 3,
        delivered_cloud: sent - sent / 3,
        ..Probes::default()
    };
    if end != End::Calm {
        spoilt(&rows, &mut probes);
    }
    let all = |hours: &[f64]| hours.iter().sum();
    Proof {
        broken: Vec::new(),
        probes,
        work: work(&rows),
        settings: settings(),
        messes: if end == End::Calm { Vec::new() } else { messes() },
        hours_apart_total: all(&apart),
        hours_without_old_mail_total: all(&without),
        writes: rows.len() as u64 * 3 + 55,
        began: Some(began),
        ended: Some(ended),
        hours_apart_median: median(&apart),
        hours_apart_worst: worst(&apart),
        hours_without_old_mail_median: median(&without),
        hours_without_old_mail_worst: worst(&without),
        invented: (rows.len() as u64 * 7, rows.len() as u64 * 8),
        rows,
    }
}

fn counts() -> Counts {
    let mut requests: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (service, operation, n) in [
        ("entra", "POST /token", 61),
        ("exchange", "Get-MigrationUser", 1_204),
        ("exchange", "Get-MigrationBatch", 642),
        ("exchange", "New-MigrationBatch", 21),
        ("exchange", "Start-MigrationBatch", 21),
        ("graph", "GET /users", 318),
        ("graph", "POST /users/{id}/assignLicense", 2_000),
        ("ldap", "search", 412),
        ("ldap", "modify", 2_000),
        ("dns", "MX", 96),
        ("zone", "UPDATE", 4),
        ("smtp", "RCPT", 24),
    ] {
        requests.entry(service.into()).or_default().insert(operation.into(), n);
    }
    Counts { requests }
}
