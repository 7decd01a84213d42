//! Scenes of the moments, and the two rows that no message finds.

use super::*;
use crate::lab::post;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene("13", |w| history(w, |h, _| h.error = "no luck".into()), COLLEAGUE, "old"),
        scene(
            "14",
            |w| {
                cloud_mailbox(w);
                history(w, |h, now| (h.error, h.mailbox_made) = ("no right".into(), Some(now)));
            },
            IN_CLOUD,
            "cloud",
        ),
        scene(
            "15",
            |w| {
                forwarded(w);
                history(w, |h, now| (h.error, h.copy_began) = ("poisoned".into(), Some(now)));
            },
            COLLEAGUE,
            "cloud",
        ),
        scene(
            "34",
            |w| {
                forwarded(w);
                history(w, |h, _| h.batch = "wave-01".into());
            },
            COLLEAGUE,
            "cloud",
        ),
        scene(
            "35",
            |w| {
                cloud_mailbox(w);
                history(w, |h, _| h.batch = "wave-01".into());
            },
            COLLEAGUE,
            "old",
        ),
        scene(
            "36",
            |w| {
                forwarded(w);
                clear(w, "targetAddress");
            },
            COLLEAGUE,
            "old",
        ),
        scene(
            "36",
            |w| {
                forwarded(w);
                clear(w, "targetAddress");
            },
            IN_CLOUD,
            "cloud",
        ),
        scene("38", |w| history(w, |h, now| h.released = Some(now)), IN_CLOUD, "old"),
        scene(
            "39",
            |w| {
                cloud_mailbox(w);
                history(w, |h, now| h.copy_ended = Some(now));
            },
            COLLEAGUE,
            "old",
        ),
        scene(
            "40",
            |w| {
                mx_cloud(w);
                for domain in w.company.domains.clone() {
                    let host = w.company.mail_host.clone();
                    mx(w, &domain, &host);
                }
            },
            OUTSIDE,
            "old",
        ),
        scene(
            "old-keeps-copy",
            |w| {
                setting(w, "target_keeps_copy", "yes");
                forwarded(w);
            },
            COLLEAGUE,
            "cloud and old",
        ),
        scene(
            "old-journal",
            |w| w.company.transport.journal = Some(w.company.list[1].clone()),
            COLLEAGUE,
            "old and other old",
        ),
    ]
}

#[test]
fn moments_as_the_table_says() {
    check(&scenes());
}

#[test]
fn a_journal_in_the_cloud_needs_an_archive_for_it() {
    let mut world = home();
    forwarded(&mut world);
    world.company.transport.journal = Some(first(&world));
    assert_eq!(words(&world, &play(&world, Post { to: "second", ..COLLEAGUE })), "other old and 550 5.3.190");
    world.tenant.door.journal_archive = true;
    assert_eq!(words(&world, &play(&world, Post { to: "second", ..COLLEAGUE })), "other old and cloud");
}

#[test]
fn row_12_what_comes_to_the_old_mailbox_after_its_copy_stays_there() {
    let mut world = home();
    let address = first(&world);
    drive::batch(&mut world, "wave", std::slice::from_ref(&address));
    drive::run(&mut world, "wave");
    let before = mail::messages_in_cloud(&world, &address).len();
    post::record(&mut world, 0, Sender::Colleague, Landing::Old);
    drive::run(&mut world, "wave");
    drive::hours(&mut world, 1);
    assert_eq!(mail::messages_in_cloud(&world, &address).len(), before);
    assert_eq!(world.post.people[0].late.len(), 1);
    assert!(table::all().any(|r| r.name == "12" && r.stranded));
}

#[test]
fn row_21_a_reply_to_old_mail() {
    let mut world = home();
    let id = drive::user(&world, &first(&world));
    let name = world.tenant.users[&id].legacy_dn.clone();
    let mx = |_: &str| Some(Side::Old);
    let lost = reply_way(&world, Side::Old, &name, &mx);
    assert_eq!((lost.rows.as_slice(), words(&world, &lost).as_str()), (&["21"][..], "550 5.1.11"));
    let mut all = world.directory[&world.index.names[0]].entry.texts("proxyAddresses");
    all.push(format!("X500:{}", name.to_uppercase()));
    let address = first(&world);
    drive::modify(&mut world, &address, |e| {
        e.set("proxyAddresses", all.into_iter().map(String::into_bytes).collect());
    });
    assert_eq!(reply_way(&world, Side::Old, &name, &mx).rows, ["1"]);
}
