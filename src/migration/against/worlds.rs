//! The smallest company that breaks each rule, and nothing else: Ann, of whom
//! everything is in order, with one thing changed.
//!
//! Plain facts, for the tests over all rules and for whoever wants to see what a
//! rule means. Nothing here is used by a check.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{InCloud, OnPremises, Situation, Tenant};
use crate::migration::kind::Kind;
use crate::migration::licences::Sku;
use crate::migration::list::Mailboxes;
use crate::wire::guid::Guid;

const INITIAL: &str = "contoso.onmicrosoft.com";
const GUID: Guid = Guid([7; 16]);
const GIB: u64 = 1 << 30;

/// A kind of migration, and what its list is judged by.
#[derive(Clone, Debug)]
pub struct World {
    /// The kind.
    pub kind: Kind,
    /// List and facts.
    pub situation: Situation,
}

/// Somebody with a mailbox on premises that any kind may move.
fn person(name: &str) -> OnPremises {
    OnPremises {
        dn: format!("CN={name},OU=Staff,DC=contoso,DC=test"),
        address: format!("{name}@contoso.test"),
        proxies: vec![format!("SMTP:{name}@contoso.test"), format!("smtp:{name}@contoso.mail.onmicrosoft.com")],
        alias: name.to_owned(),
        upn: format!("{name}@contoso.test"),
        has_mailbox: true,
        guid: Some(GUID),
        type_details: Some(1),
        legacy_dn: format!("/o=Contoso/cn={name}"),
        enabled: true,
        ..OnPremises::default()
    }
}

/// The same in the cloud: a mail user.
fn user(name: &str) -> InCloud {
    InCloud {
        id: name.to_owned(),
        upn: format!("{name}@contoso.test"),
        alias: name.to_owned(),
        proxies: vec![format!("SMTP:{name}@contoso.test"), format!("smtp:{name}@contoso.mail.onmicrosoft.com")],
        recipient_type: "MailUser".into(),
        guid: Some(GUID),
        usage_location: "DE".into(),
        ..InCloud::default()
    }
}

/// A product with a mailbox of 50 GB.
fn product(seats: u64) -> Sku {
    Sku {
        id: "product".into(),
        part: "EXCHANGESTANDARD".into(),
        for_users: true,
        status: "Enabled".into(),
        enabled: seats,
        warning: 0,
        consumed: 0,
        plans: vec![("plan".into(), "EXCHANGE_S_STANDARD".into())],
    }
}

/// A company in which these people may all go, by any kind.
pub(super) fn sound(kind: Kind, names: &[&str]) -> World {
    let mut users: Vec<InCloud> = names.iter().map(|name| user(name)).collect();
    match kind {
        Kind::Cutover => users.clear(),
        Kind::Imap => users.iter_mut().for_each(|u| {
            "UserMailbox".clone_into(&mut u.recipient_type);
            u.licensed = true;
            u.held.push("product".into());
        }),
        Kind::Staged | Kind::RemoteMove => {}
    }
    let verified = ["contoso.test", INITIAL, "contoso.mail.onmicrosoft.com"];
    let addresses: Vec<String> = names.iter().map(|name| format!("{name}@contoso.test")).collect();
    let situation = Situation {
        list: Mailboxes::from_addresses(&addresses),
        on_premises: if kind == Kind::Imap { Vec::new() } else { names.iter().map(|name| person(name)).collect() },
        in_cloud: users,
        batches: BTreeMap::new(),
        sizes: BTreeMap::new(),
        tenant: Tenant {
            verified: verified.iter().map(|d| (*d).to_owned()).collect::<BTreeSet<String>>(),
            initial: INITIAL.into(),
            synchronizes: Some(matches!(kind, Kind::Staged | Kind::RemoteMove)),
            skus: Some(vec![product(10)]),
        },
        sku: None,
        usage_location: None,
    };
    World { kind, situation }
}

/// Ann of a staged migration with her mailbox changed.
fn ann(change: impl FnOnce(&mut OnPremises)) -> World {
    let mut world = sound(Kind::Staged, &["ann"]);
    world.situation.on_premises.iter_mut().for_each(change_one(change));
    world
}

/// Ann of a kind of migration with her user of the tenant changed.
fn ann_in_cloud(kind: Kind, change: impl FnOnce(&mut InCloud)) -> World {
    let mut world = sound(kind, &["ann"]);
    world.situation.in_cloud.iter_mut().for_each(change_one(change));
    world
}

/// A change that is made to the first and to nobody else.
fn change_one<T>(change: impl FnOnce(&mut T)) -> impl FnMut(&mut T) {
    let mut change = Some(change);
    move |one| {
        if let Some(change) = change.take() {
            change(one);
        }
    }
}

/// A staged migration of Ann with something around her changed.
fn around(change: impl FnOnce(&mut Situation)) -> World {
    let mut world = sound(Kind::Staged, &["ann"]);
    change(&mut world.situation);
    world
}

pub(super) fn not_on_premises() -> World {
    around(|s| s.on_premises.clear())
}

pub(super) fn not_primary() -> World {
    around(|s| {
        s.list = Mailboxes::from_addresses(&["a.lee@contoso.test"]);
        s.on_premises.iter_mut().for_each(|o| o.proxies.push("smtp:a.lee@contoso.test".into()));
        s.in_cloud.iter_mut().for_each(|c| c.proxies.push("smtp:a.lee@contoso.test".into()));
    })
}

pub(super) fn hidden() -> World {
    ann(|o| o.hidden = true)
}

pub(super) fn not_in_cloud() -> World {
    around(|s| s.in_cloud.clear())
}

pub(super) fn wrong_recipient() -> World {
    ann_in_cloud(Kind::Staged, |c| c.recipient_type = "GuestMailUser".into())
}

pub(super) fn shared_address() -> World {
    around(|s| {
        let second = || "smtp:ann.lee@contoso.test".to_owned();
        s.on_premises.iter_mut().for_each(|o| o.proxies.push(second()));
        s.on_premises.push(OnPremises {
            dn: "CN=Ann Lee,OU=Contacts,DC=contoso,DC=test".into(),
            address: "ann@partner.example".into(),
            proxies: vec!["SMTP:ann@partner.example".into(), second()],
            ..OnPremises::default()
        });
    })
}

pub(super) fn conflict() -> World {
    ann_in_cloud(Kind::Staged, |c| c.conflicts = vec![("ProxyAddresses".into(), "smtp:ann.lee@contoso.test".into())])
}

pub(super) fn unverified() -> World {
    ann(|o| o.proxies.push("smtp:ann@contoso.local".into()))
}

pub(super) fn other_batch() -> World {
    around(|s| s.batches = BTreeMap::from([("ann@contoso.test".to_owned(), "test".to_owned())]))
}

pub(super) fn unified_messaging() -> World {
    ann(|o| o.um_enabled = true)
}

pub(super) fn system() -> World {
    ann(|o| o.system = true)
}

pub(super) fn no_mailbox() -> World {
    ann(|o| o.has_mailbox = false)
}

pub(super) fn forwarded() -> World {
    ann(|o| o.target_address = Some("SMTP:ann@elsewhere.test".into()))
}

pub(super) fn linked_mailbox() -> World {
    let mut world = ann(|o| o.type_details = Some(2));
    world.situation.in_cloud.clear();
    world
}

pub(super) fn no_alias() -> World {
    ann(|o| o.alias.clear())
}

pub(super) fn second_mailbox() -> World {
    ann_in_cloud(Kind::Staged, |c| {
        c.recipient_type = "UserMailbox".into();
        c.licensed = true;
        c.held.push("product".into());
    })
}

pub(super) fn no_x500() -> World {
    around(|s| {
        for person in &mut s.on_premises {
            person.has_mailbox = false;
            person.target_address = Some("SMTP:ann@contoso.mail.onmicrosoft.com".into());
        }
        s.in_cloud.iter_mut().for_each(|c| c.recipient_type = "UserMailbox".into());
    })
}

/// Three leavers whom nobody brought to the cloud, and Ann, who came.
pub(super) fn out_of_scope() -> World {
    let mut world = sound(Kind::Staged, &["bob", "cy", "di", "ann"]);
    for person in world.situation.on_premises.iter_mut().take(3) {
        person.dn = person.dn.replace("OU=Staff", "OU=Leavers");
    }
    world.situation.in_cloud.retain(|c| c.id == "ann");
    world.situation.list = Mailboxes::from_addresses(&["ann@contoso.test", "bob@contoso.test"]);
    world
}

pub(super) fn no_routing() -> World {
    ann_in_cloud(Kind::Staged, |c| {
        c.recipient_type = "UserMailbox".into();
        c.proxies.truncate(1);
    })
}

pub(super) fn upn_suffix() -> World {
    ann(|o| o.upn = "ann@contoso.local".into())
}

pub(super) fn upn_unlike() -> World {
    ann(|o| o.upn = "alee@contoso.test".into())
}

pub(super) fn disabled() -> World {
    ann(|o| o.enabled = false)
}

pub(super) fn delegate_left_out() -> World {
    let mut world = sound(Kind::Staged, &["ann", "bob"]);
    world.situation.list = Mailboxes::from_addresses(&["ann@contoso.test"]);
    world.situation.on_premises.iter_mut().for_each(change_one(|o: &mut OnPremises| {
        o.delegates = vec!["CN=bob,OU=Staff,DC=contoso,DC=test".into()];
    }));
    world
}

pub(super) fn no_cloud_mailbox() -> World {
    ann_in_cloud(Kind::Imap, |c| c.recipient_type = "MailUser".into())
}

pub(super) fn other_guid() -> World {
    ann_in_cloud(Kind::RemoteMove, |c| c.guid = None)
}

pub(super) fn synchronization() -> World {
    around(|s| s.tenant.synchronizes = Some(false))
}

pub(super) fn no_location() -> World {
    ann_in_cloud(Kind::Staged, |c| c.usage_location.clear())
}

pub(super) fn no_seat() -> World {
    let mut world = sound(Kind::Staged, &["ann", "bob"]);
    world.situation.tenant.skus = Some(vec![product(1)]);
    world
}

pub(super) fn too_large() -> World {
    around(|s| s.sizes = BTreeMap::from([("ann@contoso.test".to_owned(), 60 * GIB)]))
}
