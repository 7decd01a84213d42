//! Each switch makes another world.

use super::*;
use crate::lab::delivery::{End, From, Letter, Way, send, way};
use crate::lab::mail::Side;
use crate::lab::tenancy::ENTERPRISEPACK;
use crate::lab::transport::{Dmarc, Enforcement, Policy};
use crate::lab::world::{CloudUser, Recipient};
use crate::lab::{Faults, drive, licences, sync};

/// What a world shows of the first person, in a few words.
type Shows = fn(&mut World) -> String;

fn first(world: &World) -> String {
    world.company.list[0].clone()
}

fn user(world: &World) -> &CloudUser {
    &world.tenant.users[&drive::user(world, &first(world))]
}

fn moved(world: &mut World) {
    let list = world.company.list.clone();
    drive::batch(world, "wave", &list);
    drive::run(world, "wave");
}

fn colleague(world: &World, side: Side) -> Way {
    way(world, side, From::Colleague, &first(world), &|_| Some(Side::Old))
}

fn ends(way: &Way) -> String {
    match &way.end {
        End::Bounced(text) => text.split(' ').nth(1).unwrap_or_default().to_owned(),
        End::Queued(..) => "queued".into(),
        End::Cloud(_) => {
            format!("cloud{}{}", if way.junk { " junk" } else { "" }, if way.late > 0 { " late" } else { "" })
        }
        End::Old(_) => "old".into(),
        other => format!("{other:?}"),
    }
}

/// Disconnected after the grace, the row forwarded still.
fn delicensed(world: &mut World) {
    moved(world);
    drive::hours(world, 31 * 24);
    assert!(matches!(user(world).recipient, Recipient::Disconnected { .. }));
}

fn signed_mail(world: &mut World) -> String {
    moved(world);
    let to = first(world);
    let policy = Policy { spf: true, dkim: true, dmarc: Dmarc::None };
    let letter = Letter { policy, ..Letter::new(world, Side::Old, From::Outside, "a@partner.example", &to) };
    ends(&send(world, &letter, &|_| Some(Side::Old)))
}

fn undone(world: &mut World) -> String {
    moved(world);
    drive::hours(world, 2);
    let address = first(world);
    drive::modify(world, &address, |e| e.set("targetAddress", Vec::new()));
    drive::hours(world, 2);
    user(world).external.clone().split('@').nth(1).unwrap_or_default().to_owned()
}

fn of_a_leaver(world: &mut World) -> String {
    let address = first(world);
    drive::modify(world, &address, |e| e.set_text("userAccountControl", "514"));
    drive::hours(world, 1);
    moved(world);
    ends(&colleague(world, Side::Cloud))
}

fn late_user(world: &mut World) -> String {
    drive::hours(world, 40 * 24);
    moved(world);
    drive::hours(world, 48);
    match &user(world).recipient {
        Recipient::Mailbox(_) => "mailbox".into(),
        _ => "gone".into(),
    }
}

fn relicensed(world: &mut World) -> String {
    moved(world);
    drive::hours(world, 62 * 24);
    let address = first(world);
    drive::licence(world, &address);
    match &user(world).recipient {
        Recipient::Mailbox(m) => format!("mailbox with {} items", m.items),
        _ => "none".into(),
    }
}

fn stopped_flow(world: &mut World) -> String {
    moved(world);
    let address = first(world);
    drive::modify(world, &address, |e| e.set_text("msExchHideFromAddressLists", "TRUE"));
    drive::hours(world, 1);
    format!("hidden {}", user(world).hidden)
}

fn waiting_rows(world: &mut World) -> String {
    // One connection: the others wait.
    let endpoint = crate::lab::world::Endpoint {
        name: "on-premises".into(),
        kind: String::new(),
        exchange_server: String::new(),
        rpc_proxy: String::new(),
        user: String::new(),
        at_once: 1,
        permission: String::new(),
        authentication: String::new(),
    };
    world.tenant.endpoints.insert("on-premises".into(), endpoint);
    let list = world.company.list.clone();
    drive::batch(world, "wave", &list);
    crate::lab::batches::begin(world, "wave");
    for _ in 0..60 {
        drive::hours(world, 1);
        if world.slots.get("on-premises").is_some_and(|s| !s.waiting.is_empty()) {
            break;
        }
    }
    let forwarded = world.directory.values().filter(|o| o.entry.has("homeMDB") && o.entry.has("targetAddress")).count();
    format!("{forwarded} forwarded")
}

fn shared(world: &mut World) -> String {
    let address = first(world);
    drive::modify(world, &address, |e| e.set_text("msExchRecipientTypeDetails", "4"));
    moved(world);
    match &user(world).recipient {
        Recipient::Mailbox(m) => m.kind.clone(),
        _ => "none".into(),
    }
}

fn licensed_before(world: &mut World) -> String {
    let address = first(world);
    drive::modify(world, &address, |e| e.set("msExchMailboxGuid", Vec::new()));
    drive::hours(world, 1);
    drive::licence(world, &address);
    moved(world);
    world.tenant.batches["wave"].rows[0].status.clone()
}

fn pointing_home(world: &mut World) -> String {
    moved(world);
    drive::hours(world, 1);
    let id = drive::user(world, &first(world));
    let external = format!("{}@{}", user(world).alias, world.tenant.initial_domain);
    let person = world.tenant.users.get_mut(&id).expect("the user is there");
    person.recipient = Recipient::MailUser { external };
    ends(&colleague(world, Side::Cloud))
}

/// How each world shows that a switch is set, and what it shows for each value.
const WORLDS: &[(&str, Shows, [&str; 2])] = &[
    (
        "alt_vs_target",
        |w| {
            moved(w);
            let (address, name) = (first(w), w.index.names[1].clone());
            drive::modify(w, &address, |e| e.set_text("altRecipient", &name));
            colleague(w, Side::Old).rows[0].to_owned()
        },
        ["10", "alt-vs-target"],
    ),
    (
        "target_keeps_copy",
        |w| {
            moved(w);
            colleague(w, Side::Old).copies.len().to_string()
        },
        ["0", "1"],
    ),
    (
        "delicensed_object",
        |w| {
            delicensed(w);
            colleague(w, Side::Cloud).rows.last().copied().unwrap_or_default().to_owned()
        },
        ["18", "41"],
    ),
    (
        "grace_end",
        |w| {
            delicensed(w);
            ends(&colleague(w, Side::Cloud))
        },
        ["5.4.14", "cloud"],
    ),
    ("c2_outcome", pointing_home, ["5.4.14", "5.1.10"]),
    ("stale_external_address", undone, ["contoso.onmicrosoft.com", "contoso.test"]),
    (
        "tes_without_connector",
        |w| {
            moved(w);
            w.tenant.connectors.clear();
            w.tenant.door.enforcement = Enforcement::Delays;
            ends(&colleague(w, Side::Old))
        },
        ["cloud", "cloud late"],
    ),
    ("disabled_account_cloud", of_a_leaver, ["cloud", "5.7.129"]),
    ("dkim_survives_old_host", signed_mail, ["cloud junk", "cloud"]),
    (
        "cloud_hop_limit",
        |w| {
            pointing_home(w);
            colleague(w, Side::Cloud).rows.len().to_string()
        },
        ["20", "30"],
    ),
    (
        "attributed_unknown",
        |w| {
            let address = first(w);
            drive::modify(w, &address, |e| e.set_text("targetAddress", "SMTP:nobody@contoso.onmicrosoft.com"));
            ends(&colleague(w, Side::Old))
        },
        ["5.1.10", "5.4.1"],
    ),
    ("grace_counts_from", late_user, ["mailbox", "gone"]),
    ("relicensed_after_window", relicensed, ["mailbox with 0 items", "none"]),
    (
        "batch_mailbox_guid",
        |w| {
            let synced = user(w).synced_guid;
            moved(w);
            let own = match &user(w).recipient {
                Recipient::Mailbox(m) => Some(m.guid),
                _ => None,
            };
            format!("the same {}", own == synced)
        },
        ["the same false", "the same true"],
    ),
    ("other_guid_synced", stopped_flow, ["hidden true", "hidden false"]),
    ("forwarding_written", waiting_rows, ["3 forwarded", "1 forwarded"]),
    ("shared_and_room_rows", shared, ["UserMailbox", "SharedMailbox"]),
    ("existing_mailbox_in_batch", licensed_before, ["Synced", "Failed"]),
    (
        "mail_to_disconnected",
        |w| {
            delicensed(w);
            ends(&colleague(w, Side::Cloud))
        },
        ["5.4.14", "5.1.10"],
    ),
];

#[test]
fn each_switch_makes_another_world() {
    for (name, shows, expected) in WORLDS {
        let switch = switch_of(name).unwrap_or_else(|| panic!("no switch {name}"));
        for (value, expected) in switch.values.iter().zip(expected) {
            let mut world = drive::company(3, Faults::None);
            world.settings.set(name, value).expect("a value of the switch");
            drive::prepare(&mut world);
            assert_eq!(shows(&mut world), *expected, "{name}={value}");
        }
    }
    let untried: Vec<&str> =
        SWITCHES.iter().map(|s| s.name).filter(|name| !WORLDS.iter().any(|(n, ..)| n == name)).collect();
    assert!(untried.is_empty(), "no world shows {untried:?}");
}

#[test]
fn every_switch_is_told_whole() {
    let mut world = drive::company(1, Faults::None);
    world.settings.set_pair("grace_end = receives").expect("it is one");
    let told = told(&world);
    assert_eq!(told.len(), SWITCHES.len());
    for setting in &told {
        assert!(setting.about.ends_with('.') && setting.pilot.ends_with('.'), "{}", setting.name);
        assert_eq!(setting.usual, setting.name != "grace_end", "{}", setting.name);
        let switch = switch_of(&setting.name).expect("it was told");
        assert_eq!(switch.values.len(), 2, "{}", setting.name);
    }
    assert_eq!(world.settings.chosen().len(), 1);
    world.settings.set("grace_end", "disabled").expect("the usual value is one, too");
    assert_eq!(world.settings, Settings::default());
}

#[test]
fn what_is_no_setting_is_told_with_what_is_near() {
    let mut settings = Settings::default();
    let (said, remedy) = settings.set("grace_ends", "receives").expect_err("there is none");
    assert_eq!((said.as_str(), remedy.as_str()), ("the lab has no setting `grace_ends`", "did you mean `grace_end`?"));
    let (said, remedy) = settings.set("grace_end", "later").expect_err("there is none");
    assert!(said.contains("`later`") && remedy.contains("disabled, receives"), "{said} {remedy}");
    assert!(settings.set_pair("grace_end").is_err());
}

#[test]
fn the_clocks_of_a_licence_run_as_set() {
    let mut world = drive::company(2, Faults::None);
    drive::prepare(&mut world);
    moved(&mut world);
    let id = drive::user(&world, &first(&world));
    assert!(licences::grace_ends(&world, id).as_second() - world.now.as_second() > 29 * 86_400);
    let address = first(&world);
    drive::licence(&mut world, &address);
    licences::assign(&mut world, id, &[], &[ENTERPRISEPACK]).expect("it is held");
    sync::compute(&mut world, id);
    assert!(matches!(user(&world).recipient, Recipient::Disconnected { .. }));
}
