//! Mess of single people that a sound script handles: the row moves.

use super::{Becomes, Lay, Mess, add_address, edit, set};
use crate::lab::directory::{self, Person};
use crate::lab::world::{Beforehand, DeletedUser};
use crate::lab::{World, tenancy};
use crate::wire::attributes::{Entry, dn_key, domain_of};

const fn mess(
    name: &'static str,
    about: &'static str,
    wire: &'static str,
    script: &'static str,
    lay: fn(&mut World, &Person),
) -> Mess {
    Mess { name, about, wire, script, becomes: Becomes::Moved, lay: Lay::Person(lay) }
}

/// As [`mess`], where the lab writes the list itself.
const fn listed(
    name: &'static str,
    about: &'static str,
    wire: &'static str,
    script: &'static str,
    lay: fn(&mut World, &Person),
) -> Mess {
    Mess { lay: Lay::Listed(lay), ..mess(name, about, wire, script, lay) }
}

/// The records.
pub(super) const MESSES: &[Mess] = &[
    mess(
        "hand-made-user",
        "somebody made a cloud user of the same address by hand",
        "Graph: a user of the address without onPremisesImmutableId, until a cycle takes it over",
        "synchronization takes the user over by its address; `directory::synchronize` waits for it, `validate` sees one user",
        hand_made,
    ),
    mess(
        "licensed-early",
        "the person has a licence already, and no cloud mailbox because the Exchange GUID is synchronized",
        "Graph: assignedLicenses; Exchange: a mail user with SKUAssigned",
        "`license::assign` finds it held; the batch makes the mailbox",
        |w, p| {
            w.company.beforehand.insert(p.address.to_lowercase(), Beforehand::Licensed);
        },
    ),
    mess(
        "two-mailboxes",
        "the person has a licensed cloud mailbox beside the old one, since a licence came before the Exchange GUID was synchronized",
        "Exchange: a UserMailbox that no batch has made",
        "`validate` warns; the batch copies into the mailbox that is there, and `release` lets it give way",
        |w, p| {
            w.company.beforehand.insert(p.address.to_lowercase(), Beforehand::Mailbox);
        },
    ),
    listed(
        "twice-listed",
        "two lists were put together, and the person is in both: once by a second address",
        "the list: a row whose address LDAP knows as a second one",
        "`validate` sets the second row aside with the primary address; the person moves by the first",
        twice_listed,
    ),
    mess(
        "soft-deleted",
        "a deleted cloud user of the same name lies in the recycle bin with its mailbox",
        "Graph: /directory/deletedItems",
        "nothing: it has another anchor, so the synchronized person is a new user beside it",
        soft_deleted,
    ),
    mess(
        "shared-2003",
        "a shared mailbox of Exchange 2003 without a type number",
        "LDAP: no msExchRecipientTypeDetails, a disabled account with msExchMasterAccountSid",
        "it moves as a user mailbox and gets a licence like one",
        shared_2003,
    ),
    mess(
        "leaver",
        "a leaver's account is disabled, the mailbox is still read by others",
        "LDAP: userAccountControl 514; Graph: accountEnabled false",
        "it moves; sign-in stays refused",
        |w, p| {
            set(w, p, "userAccountControl", "514");
            set(w, p, "msExchUserAccountControl", "2");
        },
    ),
    mess(
        "forwarding",
        "mail is forwarded to an address outside, and a copy is kept",
        "LDAP: altRecipient, deliverAndRedirect TRUE",
        "that a copy is kept is not synchronized: `convert_to_mail_user` sets it in the cloud",
        forwarding,
    ),
    mess(
        "mail-differs",
        "`mail` differs from the primary address",
        "LDAP: mail is another than the SMTP: value",
        "goes by the primary address",
        |w, p| {
            let domain = domain_of(&p.address);
            set(w, p, "mail", &format!("{}.old@{domain}", p.account.to_lowercase()));
        },
    ),
    mess(
        "inside-upn",
        "the sign-in name has a suffix that no public domain has",
        "LDAP: userPrincipalName at .local; Graph: a sign-in name at onmicrosoft.com",
        "goes by addresses, never by sign-in names",
        |w, p| {
            let label = w.company.domains.first().and_then(|d| d.split('.').next()).unwrap_or("company").to_owned();
            set(w, p, "userPrincipalName", &format!("{}@{label}.local", p.account));
        },
    ),
    mess(
        "alias-blank",
        "the alias has a blank in it",
        "LDAP: mailNickname with a blank; the routing address is made without it",
        "takes the routing address from the cloud mailbox, never from the alias",
        |w, p| {
            let alias = p.alias.replacen('.', " ", 1);
            let alias = if alias.contains(' ') { alias } else { format!("{alias} x") };
            set(w, p, "mailNickname", &alias);
        },
    ),
    mess(
        "x500-case",
        "an X.500 address differs from the object's own name only by case",
        "LDAP: X500: in capitals beside legacyExchangeDN",
        "compares without case: to add the name again would be refused",
        |w, p| {
            let legacy = w.directory.get(&dn_key(&p.dn())).and_then(|o| o.entry.text("legacyExchangeDN"));
            add_address(w, p, &format!("X500:{}", legacy.unwrap_or_default().to_uppercase()));
        },
    ),
    mess(
        "former-life",
        "the mailbox was moved between organizations once, and its former X.500 name was never kept",
        "SMTP: replies to mail of that time come back (IMCEAEX), before the migration as after it",
        "nothing: what came back before is not counted as lost",
        |w, p| {
            let former = format!("/o=Former Company/ou=First/cn=Recipients/cn={}", p.account.to_lowercase());
            w.company.former.insert(p.address.to_lowercase(), former);
        },
    ),
    mess(
        "text-guid",
        "the sixteen bytes of a mailbox GUID happen to be text",
        "LDAP: msExchMailboxGuid reads as letters",
        "treats the attribute as bytes",
        |w, p| {
            let choice = w.choose("text-guid", &p.address.to_lowercase(), 0);
            let bytes: Vec<u8> =
                (0..16u32).map(|n| b'A' + u8::try_from(choice.rotate_left(n * 4) % 26).unwrap_or(0)).collect();
            edit(w, p, |e| e.set("msExchMailboxGuid", vec![bytes]));
        },
    ),
    mess(
        "many-items",
        "the mailbox holds 400,000 small items",
        "Exchange: a copy that goes on for two days",
        "`watch` waits for it; the wave's other rows are not held up",
        |w, p| size(w, p, 400_000, 3_600_000_000),
    ),
    mess(
        "unreadable-items",
        "some items are larger than 150 MB or broken, and can't be copied",
        "Exchange: SkippedItemCount of Get-MigrationUser",
        "`watch` names the mailbox and the number; they stay in the old mailbox",
        |w, p| {
            let count = 1 + w.choose("unreadable", &p.address.to_lowercase(), 0) % 4;
            w.company.unreadable.insert(p.address.to_lowercase(), count);
        },
    ),
    mess(
        "crossing",
        "an assistant works in a boss's mailbox by a right that only the old store knows",
        "nowhere over LDAP: full access stands in the store",
        "can't keep them in one wave; what they could not do meanwhile is counted",
        crossing,
    ),
];

pub(super) fn size(world: &mut World, person: &Person, items: u64, bytes: u64) {
    if let Some(object) = world.directory.get_mut(&dn_key(&person.dn())) {
        object.items = items;
        object.bytes = bytes;
    }
}

fn hand_made(world: &mut World, person: &Person) {
    let mut user = tenancy::blank(world, "hand-made", &person.address);
    user.display_name.clone_from(&person.display);
    user.upn = format!("{}@{}", person.alias.to_lowercase().replace(' ', ""), world.tenant.initial_domain);
    tenancy::enter(world, user);
}

fn twice_listed(world: &mut World, person: &Person) {
    let second = format!("{}.old@{}", person.account.to_lowercase(), domain_of(&person.address));
    add_address(world, person, &format!("smtp:{second}"));
    world.company.twice.push(second);
}

fn soft_deleted(world: &mut World, person: &Person) {
    let id = world.guid("deleted-user", &person.address.to_lowercase());
    let deleted = crate::lab::world::after(world.began, -9 * 86_400);
    world.tenant.deleted.push(DeletedUser { id, upn: person.address.clone(), name: person.display.clone(), deleted });
}

fn shared_2003(world: &mut World, person: &Person) {
    edit(world, person, |e| {
        e.set("msExchRecipientTypeDetails", Vec::new());
        e.set("msExchRecipientDisplayType", Vec::new());
        e.set_text("userAccountControl", "514");
        // The well-known SELF, S-1-5-10: nobody of another forest.
        e.set("msExchMasterAccountSid", vec![vec![1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0]]);
    });
}

fn forwarding(world: &mut World, person: &Person) {
    let base = directory::base(world);
    let common = format!("{} (private)", person.account);
    let mut entry = directory::plain(
        format!("CN={common},OU=Contacts,{base}"),
        &["top", "person", "organizationalPerson", "contact"],
    );
    let outside = format!("{}@private.example", person.account.to_lowercase());
    entry.set_text("displayName", &format!("{} (private)", person.display));
    entry.set_text("mail", &outside);
    entry.set_text("mailNickname", &format!("{}.private", person.account.to_lowercase()));
    entry.set_text("targetAddress", &format!("SMTP:{outside}"));
    entry.set("proxyAddresses", vec![format!("SMTP:{outside}").into_bytes()]);
    entry.set_text("msExchRecipientTypeDetails", "64");
    let dn = entry.dn.clone();
    directory::add(world, entry, 0, 0);
    edit(world, person, |e: &mut Entry| {
        e.set_text("altRecipient", &dn);
        e.set_text("deliverAndRedirect", "TRUE");
    });
}

fn crossing(world: &mut World, person: &Person) {
    let list = world.company.list.clone();
    let step = usize::try_from(world.choose("crossing", &person.address.to_lowercase(), 0) % 97).unwrap_or_default();
    let place = list.iter().position(|a| *a == person.address).unwrap_or_default();
    let Some(holder) = list.get((place + list.len() / 2 + step) % list.len()).filter(|a| **a != person.address) else {
        return;
    };
    world.company.permissions.push(crate::lab::world::Permission {
        mailbox: person.address.clone(),
        holder: holder.clone(),
        full: true,
    });
}
