//! Mess of single people that leaves the row behind, whole and with its reason.
//!
//! The service's texts are those that administrators saw (`staged-migration`,
//! section 10); where none was found the directory's own text stands.

use super::handled::size;
use super::{Becomes, Lay, Mess, add_address, edit, set};
use crate::lab::directory::{self, Person};
use crate::lab::world::{Beforehand, Fate, Recipient};
use crate::lab::{World, tenancy};
use crate::wire::attributes::{Entry, domain_of};

/// An object with this value is kept out by the lab's synchronization.
pub(super) const FILTER: (&str, &str) = ("extensionAttribute15", "NoSync");

const fn mess(
    name: &'static str,
    about: &'static str,
    wire: &'static str,
    script: &'static str,
    lay: fn(&mut World, &Person),
) -> Mess {
    Mess { name, about, wire, script, becomes: Becomes::Left, lay: Lay::Person(lay) }
}

const ASIDE: &str = "`validate` sets the row aside before its wave";
const RELEASED: &str = "started once more, then `release`: forwarding taken back, waiting mail carried home";

/// The records, in the order in which they are dealt out: one whose copy breaks
/// off stands in every five.
pub(super) const MESSES: &[Mess] = &[
    mess(
        "copy-timeout",
        "the copy gets nothing for five hours",
        "Exchange: ErrorSummary SyncTimeoutException",
        RELEASED,
        |w, p| {
            copy(
                w,
                p,
                "SyncTimeoutException: Email migration failed for this user because no email could be downloaded for 5 hours, 0 minutes.",
            );
        },
    ),
    mess(
        "hidden",
        "the mailbox is hidden from address lists",
        "LDAP: msExchHideFromAddressLists TRUE",
        ASIDE,
        |w, p| {
            set(w, p, "msExchHideFromAddressLists", "TRUE");
        },
    ),
    mess(
        "two-holders",
        "a second address of the person is on another object, too",
        "LDAP: two objects with one proxyAddresses value",
        ASIDE,
        two_holders,
    ),
    mess(
        "protected",
        "the account is protected, and its TargetAddress can't be written",
        "LDAP: adminCount 1; Exchange: the row fails after its cloud mailbox was made",
        "`release`: the cloud mailbox gives way",
        |w, p| {
            set(w, p, "adminCount", "1");
            let text = "MigrationPermanentException: Active Directory operation failed on the domain controller. This error is not retriable. Additional information: Insufficient access rights to perform the operation.";
            fate(w, p, Fate::TargetDenied(text.to_owned()));
        },
    ),
    mess(
        "sign-in",
        "the migration account may not open the mailbox",
        "Exchange: ErrorSummary, nothing provisioned",
        "nothing was made: the row stays as it is",
        |w, p| {
            fate(
                w,
                p,
                Fate::ProvisioningFails(
                    "Microsoft Exchange couldn't sign in to the user's on-premises account.".to_owned(),
                ),
            );
        },
    ),
    mess(
        "poisoned",
        "an item makes the copy crash again and again",
        "Exchange: ErrorSummary, poison count",
        RELEASED,
        |w, p| {
            copy(w, p, "MigrationPermanentException: Error: Job is poisoned, poison count = 6.");
        },
    ),
    mess("voice", "Unified Messaging is on", "LDAP: msExchUMEnabledFlags", ASIDE, |w, p| {
        set(w, p, "msExchUMEnabledFlags", "831");
        set(w, p, "msExchUMEnabledFlags2", "-1");
    }),
    mess(
        "contact-address",
        "a contact has the person's own address",
        "LDAP: a contact and a user with one primary address",
        ASIDE,
        |w, p| {
            contact(w, p, "partner", &p.address.clone());
        },
    ),
    mess(
        "linked",
        "a linked mailbox, whose account is in another forest",
        "LDAP: msExchRecipientTypeDetails 2; Graph: no user",
        ASIDE,
        |w, p| {
            set(w, p, "msExchRecipientTypeDetails", "2");
            set(w, p, "userAccountControl", "514");
        },
    ),
    mess(
        "stale-proxy",
        "an address of a domain that was given up years ago",
        "LDAP: proxyAddresses at a domain that the tenant has not verified",
        ASIDE,
        |w, p| {
            add_address(w, p, &format!("smtp:{}@former-name.example", p.account.to_lowercase()));
        },
    ),
    mess(
        "over-quota",
        "the mailbox is larger than any plan of the tenant holds",
        "Exchange: the copy stops at the quota",
        RELEASED,
        |w, p| {
            size(w, p, 90_000, 62_000_000_000);
            copy(
                w,
                p,
                "StoragePermanentException: This mailbox is full. Please free up some space so that email can be downloaded.",
            );
        },
    ),
    mess(
        "quarantine",
        "a cloud user made by hand has the address as a second one",
        "Graph: onPremisesProvisioningErrors, PropertyConflict",
        ASIDE,
        quarantine,
    ),
    mess(
        "not-in-address-list",
        "the address list of the old server doesn't find the mailbox yet",
        "Exchange: ErrorSummary, nothing provisioned",
        "nothing was made: the row stays as it is",
        |w, p| {
            fate(
                w,
                p,
                Fate::ProvisioningFails(format!(
                    "A source e-mail address {} couldn't be found in the on-premises domain.",
                    p.address
                )),
            );
        },
    ),
    mess("out-of-scope", "a filter keeps the object out of synchronization", "Graph: no user", ASIDE, |w, p| {
        w.company.filter = Some((FILTER.0.to_owned(), FILTER.1.to_owned()));
        set(w, p, FILTER.0, FILTER.1);
    }),
    mess(
        "no-alias",
        "the alias was emptied by hand",
        "LDAP: no mailNickname; Graph: a user without Exchange attributes",
        ASIDE,
        |w, p| {
            edit(w, p, |e| e.set("mailNickname", Vec::new()));
        },
    ),
    mess("no-progress", "the copy makes no progress", "Exchange: ErrorSummary", RELEASED, |w, p| {
        copy(w, p, "MigrationPermanentException: Error: The job has not made progress since the last report.");
    }),
    mess(
        "store-deleted",
        "the mailbox store that the object names was deleted",
        "LDAP: homeMDB names no object; Exchange: ErrorSummary",
        "nothing was made: the row stays as it is",
        |w, p| {
            edit(w, p, |e: &mut Entry| {
                let store = e.text("homeMDB").unwrap_or_default();
                e.set_text("homeMDB", &store.replacen("CN=Mailbox Database", "CN=Mailbox Database (old)", 1));
            });
            fate(
                w,
                p,
                Fate::ProvisioningFails(
                    "MigrationPermanentException: Couldn't connect to the source mailbox.".to_owned(),
                ),
            );
        },
    ),
    mess(
        "acquired",
        "mail is forwarded to an acquired company by an old TargetAddress",
        "LDAP: targetAddress at a foreign domain",
        ASIDE,
        |w, p| {
            set(w, p, "targetAddress", &format!("SMTP:{}@acquired.example", p.account.to_lowercase()));
        },
    ),
    mess(
        "by-hand",
        "somebody converted the mailbox by hand and forgot the X.500 names",
        "LDAP: a mail user without X500; replies to its old mail come back",
        "`validate` says that it has moved already and what is missing",
        by_hand,
    ),
    mess(
        "other-batch",
        "the mailbox is in a batch of an earlier try",
        "Exchange: Get-MigrationUser with another BatchId",
        ASIDE,
        |w, p| {
            w.company.earlier_batch.insert(p.address.clone());
        },
    ),
];

fn fate(world: &mut World, person: &Person, fate: Fate) {
    world.company.fates.insert(person.address.to_lowercase(), fate);
}

fn copy(world: &mut World, person: &Person, text: &str) {
    fate(world, person, Fate::CopyFails(text.to_owned()));
}

/// A contact that a leaver or a partner left behind.
fn contact(world: &mut World, person: &Person, word: &str, address: &str) {
    let base = directory::base(world);
    let mut entry = directory::plain(
        format!("CN={} ({word}),OU=Contacts,{base}", person.account),
        &["top", "person", "organizationalPerson", "contact"],
    );
    entry.set_text("displayName", &format!("{} ({word})", person.display));
    entry.set_text("mail", address);
    entry.set_text("targetAddress", "SMTP:somewhere.else@partner.example");
    entry.set("proxyAddresses", vec![format!("SMTP:{address}").into_bytes()]);
    directory::add(world, entry, 0, 0);
}

fn two_holders(world: &mut World, person: &Person) {
    let alias = format!("{}.former@{}", person.account.to_lowercase(), domain_of(&person.address));
    add_address(world, person, &format!("smtp:{alias}"));
    contact(world, person, "left", &alias);
}

/// No soft match on a second address, so the synchronized primary is quarantined.
fn quarantine(world: &mut World, person: &Person) {
    let address = format!("trial-{}@{}", person.alias.to_lowercase(), world.tenant.initial_domain);
    let mut user = tenancy::blank(world, "hand-made", &address);
    user.display_name = format!("{} (trial)", person.display);
    user.proxies.push(format!("smtp:{}", person.address));
    user.external.clone_from(&person.address);
    user.recipient = Recipient::MailUser { external: person.address.clone() };
    tenancy::enter(world, user);
}

fn by_hand(world: &mut World, person: &Person) {
    let target = format!("{}@{}", person.alias, world.tenant.initial_domain);
    edit(world, person, |e| {
        let gone = ["homeMDB", "homeMTA", "msExchHomeServerName", "mDBUseDefaults", "msExchMailboxSecurityDescriptor"];
        for name in gone.into_iter().chain(["msExchMailboxGuid", "msExchPoliciesIncluded"]) {
            e.set(name, Vec::new());
        }
        e.set_text("targetAddress", &format!("SMTP:{target}"));
        e.set_text("msExchRecipientTypeDetails", "128");
        e.set_text("msExchRecipientDisplayType", "6");
        let mut proxies = e.values("proxyAddresses").to_vec();
        proxies.push(format!("smtp:{target}").into_bytes());
        e.set("proxyAddresses", proxies);
    });
    world.company.beforehand.insert(person.address.to_lowercase(), Beforehand::Mailbox);
}
