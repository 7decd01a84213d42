//! What the seed has in store for some rows under the usual faults.
//!
//! Two to four percent of a list: copies that break off, accounts that the service
//! cannot open, mailboxes that no batch should have been given. The texts are those
//! that administrators saw (`staged-migration`, section 10).

use super::directory::{self, Person};
use super::world::{Fate, Recipient};
use super::{World, tenancy};
use crate::wire::attributes::{Entry, dn_key, domain_of};

/// How many rows of a list get into trouble under the usual faults.
pub fn troubled(rows: usize) -> usize {
    let least = match rows {
        0 => 0,
        1..20 => 1,
        _ => 2,
    };
    least.max((rows * 3 + 50) / 100)
}

/// Kinds of trouble, in the order in which they are dealt out.
const TROUBLES: &[&str] =
    &["copy-timeout", "hidden", "sign-in", "poisoned", "voice", "two-holders", "quarantine", "no-progress"];

/// Deals it out over the list.
pub fn deal(world: &mut World, people: &[Person]) {
    let mut order: Vec<(u64, usize)> = (0..people.len())
        .filter_map(|i| Some((world.choose("trouble", &people.get(i)?.address.to_lowercase(), 0), i)))
        .collect();
    order.sort_unstable();
    for (number, (_, place)) in order.into_iter().take(troubled(people.len())).enumerate() {
        let Some(person) = people.get(place) else { continue };
        let kind = TROUBLES.get(number % TROUBLES.len()).copied().unwrap_or_default();
        afflict(world, person, kind);
    }
}

fn afflict(world: &mut World, person: &Person, kind: &str) {
    let key = person.address.to_lowercase();
    let copy = |text: &str| Fate::CopyFails(text.to_owned());
    let fate = match kind {
        "copy-timeout" => Some(copy(
            "SyncTimeoutException: Email migration failed for this user because no email could be downloaded for 5 hours, 0 minutes.",
        )),
        "poisoned" => Some(copy("MigrationPermanentException: Error: Job is poisoned, poison count = 6.")),
        "no-progress" => {
            Some(copy("MigrationPermanentException: Error: The job has not made progress since the last report."))
        }
        "sign-in" => Some(Fate::ProvisioningFails(
            "Microsoft Exchange couldn't sign in to the user's on-premises account.".to_owned(),
        )),
        _ => None,
    };
    if let Some(fate) = fate {
        world.company.fates.insert(key, fate);
        return;
    }
    match kind {
        "hidden" => set(world, person, "msExchHideFromAddressLists", "TRUE"),
        "voice" => {
            set(world, person, "msExchUMEnabledFlags", "831");
            set(world, person, "msExchUMEnabledFlags2", "-1");
        }
        "two-holders" => {
            // A leaver's account that kept an address which the person has, too.
            let domain = domain_of(&person.address);
            let alias = format!("{}.former@{domain}", person.account.to_lowercase());
            let name = dn_key(&person.dn());
            if let Some(object) = world.directory.get_mut(&name) {
                let before = object.entry.clone();
                let mut values = object.entry.values("proxyAddresses").to_vec();
                values.push(format!("smtp:{alias}").into_bytes());
                object.entry.set("proxyAddresses", values);
                world.index.directory(&name, &before, &object.entry);
            }
            let mut entry = Entry::new(format!("CN={} (left),OU=Contacts,{}", person.account, directory::base(world)));
            entry.set(
                "objectClass",
                ["top", "person", "organizationalPerson", "contact"].iter().map(|c| c.as_bytes().to_vec()).collect(),
            );
            entry.set_text("cn", &format!("{} (left)", person.account));
            entry.set_text("displayName", &format!("{} (left)", person.display));
            entry.set_text("mail", &alias);
            entry.set_text("targetAddress", "SMTP:somewhere.else@partner.example");
            entry.set("proxyAddresses", vec![format!("SMTP:{alias}").into_bytes()]);
            directory::add(world, entry, 0, 0);
        }
        _ => {
            // Somebody made a mail user by hand and gave it the address as a second
            // one; no soft match on that, so the synchronized primary is quarantined.
            let address = format!("trial-{}@{}", person.alias.to_lowercase(), world.tenant.initial_domain);
            let mut user = tenancy::blank(world, "hand-made", &address);
            user.display_name = format!("{} (trial)", person.display);
            user.proxies.push(format!("smtp:{}", person.address));
            user.external = person.address.clone();
            user.recipient = Recipient::MailUser { external: person.address.clone() };
            tenancy::enter(world, user);
        }
    }
}

fn set(world: &mut World, person: &Person, name: &str, value: &str) {
    if let Some(object) = world.directory.get_mut(&dn_key(&person.dn())) {
        object.entry.set_text(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Faults, drive};

    #[test]
    fn two_to_four_percent_get_into_trouble() {
        for rows in [1, 2, 19, 20, 50, 51, 83, 100, 101, 300, 2000, 2001] {
            let count = troubled(rows);
            let within = rows < 50 || (count * 100 >= rows * 2 && count * 100 <= rows * 4);
            assert!(within && count >= 1 && (rows < 20 || count >= 2), "{count} of {rows}");
        }
    }

    #[test]
    fn every_kind_shows_in_the_world() {
        let world = drive::company(2000, Faults::Usual);
        let hidden = world.directory.values().filter(|o| o.entry.is_true("msExchHideFromAddressLists"));
        // The system mailbox is hidden, too.
        assert!(hidden.count() > 1);
        assert!(world.directory.values().any(|o| o.entry.has("msExchUMEnabledFlags")));
        assert!(world.index.old.values().any(|holders| holders.len() == 2));
        assert!(!world.index.quarantined.is_empty());
        let fates: Vec<&Fate> = world.company.fates.values().collect();
        assert!(fates.iter().any(|f| matches!(f, Fate::CopyFails(_))));
        assert!(fates.iter().any(|f| matches!(f, Fate::ProvisioningFails(_))));
    }
}
