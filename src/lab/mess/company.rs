//! Mess that concerns the company as a whole and no row.

use hickory_proto::rr::RecordType;
use jiff::Timestamp;

use super::{Becomes, Lay, Mess};
use crate::lab::World;
use crate::lab::directory::{self, Person};
use crate::lab::transport::{Dmarc, Policy};
use crate::lab::world::after;
use crate::wire::attributes::dn_key;
use crate::wire::dns::{RecordSet, absolute};

const fn mess(
    name: &'static str,
    about: &'static str,
    wire: &'static str,
    script: &'static str,
    lay: fn(&mut World, &[Person]) -> Vec<String>,
) -> Mess {
    Mess { name, about, wire, script, becomes: Becomes::Company, lay: Lay::Company(lay) }
}

/// As [`mess`], with the usual faults only.
const fn trouble(
    name: &'static str,
    about: &'static str,
    wire: &'static str,
    script: &'static str,
    lay: fn(&mut World, &[Person]) -> Vec<String>,
) -> Mess {
    Mess { lay: Lay::Trouble(lay), ..mess(name, about, wire, script, lay) }
}

/// The records.
pub(super) const MESSES: &[Mess] = &[
    mess(
        "few-sessions",
        "the old server allows few sessions at a time",
        "Exchange: rows wait for their copy though the endpoint would allow more at a time",
        "`watch` waits; the copy takes longer",
        |w, people| {
            // A large company has more servers than one.
            w.company.sessions = Some(16 + people.len() as u64 / 500 * 2);
            vec![w.company.server.clone()]
        },
    ),
    mess(
        "synchronization-stops",
        "synchronization stopped overnight, and nobody saw it until morning",
        "Graph: onPremisesLastSyncDateTime stands still for twelve hours",
        "waits, and says after three hours that nothing moves",
        |w, _| {
            // The evening of the fifth day.
            let from = evening(w, 4);
            w.company.incidents.synchronization_stops = Some((from, after(from, 12 * 3600)));
            vec!["directory synchronization".to_owned()]
        },
    ),
    mess(
        "replica-lags",
        "the old servers ask a domain controller that hears of changes a quarter of an hour later",
        "Autodiscover: the old mailbox is still offered after its conversion",
        "`convert_to_mail_user` asks again before it warns",
        |w, _| {
            w.company.incidents.replica_lag = 15 * 60;
            vec![w.company.server.clone()]
        },
    ),
    mess(
        "helpdesk",
        "the help desk edits people in the middle of the run",
        "LDAP: display names and addresses change between two looks",
        "every write names the exact values it takes away; what others wrote stays",
        |w, _| {
            w.company.incidents.helpdesk = true;
            vec!["the help desk".to_owned()]
        },
    ),
    trouble(
        "certificate",
        "the certificate of the outside name expires in the third wave, and is renewed the next day",
        "Exchange: rows stop, and fail after five hours without an item",
        "starts the failed rows once more",
        |w, _| {
            w.company.incidents.certificate_in_batch = Some(3);
            vec![w.company.mail_host.clone()]
        },
    ),
    trouble(
        "password",
        "the migration account's password expires on day 42, until somebody sets it anew",
        "Exchange: rows fail with a sign-in error",
        "starts the failed rows once more",
        |w, _| {
            let from = after(evening(w, 41), 11 * 3600);
            w.company.incidents.password_out = Some((from, after(from, 2 * 3600)));
            vec!["the migration account".to_owned()]
        },
    ),
    mess(
        "dynamic-group",
        "a group that is made by a query, which the cloud never hears of",
        "LDAP: msExchDynamicDistributionList; Graph: nothing of that address",
        "nothing; its mail goes the way of an unknown address",
        dynamic_group,
    ),
    mess(
        "mail-folder",
        "a public folder with an address, unknown to the cloud",
        "LDAP: objectClass publicFolder; Graph: nothing of that address",
        "nothing; its mail goes the way of an unknown address",
        mail_folder,
    ),
    mess(
        "members-only",
        "a group that takes mail of colleagues only",
        "LDAP: msExchRequireAuthToSendTo TRUE",
        "nothing: colleagues of the other side count as strangers meanwhile",
        members_only,
    ),
    mess(
        "strict-sender",
        "a partner publishes p=reject",
        "SMTP: mail that the old server passes on fails its check, once the mail leads to the cloud",
        "the forwarding ends with the mail switch: what is left goes by old copies of the record",
        |w, _| {
            let policy = Policy { spf: true, dkim: true, dmarc: Dmarc::Reject };
            w.company.transport.senders.insert("strict-bank.example".to_owned(), policy);
            w.company.strict_senders.push("strict-bank.example".to_owned());
            vec!["strict-bank.example".to_owned()]
        },
    ),
    mess(
        "large-messages",
        "a partner sends messages that are larger than the old connector allows",
        "SMTP: 5.3.4 of the old server",
        "nothing: they came back before, and arrive once the mail leads to the cloud",
        |w, _| {
            w.company.large_senders.push("plans@architect.example".to_owned());
            vec!["plans@architect.example".to_owned()]
        },
    ),
    mess(
        "own-domain-outside",
        "a web shop sends with an address of the company, and the old gateway refuses it",
        "SMTP: 5.7.1 of the old server to senders of the own domain",
        "nothing: they came back before",
        |w, _| {
            w.company.transport.refuses_own_outside = true;
            let main = w.company.domains.first().cloned().unwrap_or_default();
            w.company.own_senders = vec![format!("shop@{main}")];
            w.company.own_senders.clone()
        },
    ),
    mess(
        "journaling",
        "every message of one store is copied to a journal mailbox",
        "LDAP: msExchMessageJournalRecipient of the store",
        "`preflight` says so: what goes to the cloud directly is not journalled there by itself",
        journaling,
    ),
    mess(
        "inside-zone",
        "the domain controller serves a copy of the zone, made long ago, to whoever is inside",
        "DNS: the domain controller answers for the domain with authority, and with other records than the world sees",
        "never asks it whether something is done; `preflight`, `autodiscover::set` and `decommission::check` say what it answers and what must be changed there by hand",
        |w, _| {
            let domain = main_domain(w);
            copy_inside(w, &domain);
            vec![domain]
        },
    ),
    mess(
        "spf-full",
        "the sender policy of the domain asks for ten lookups already",
        "DNS: TXT with includes, ten lookups in all",
        "adds nothing to it; the mail check counts the lookups",
        spf_full,
    ),
    mess(
        "devices",
        "scanners send to the old server by its address",
        "SMTP: mail of devices at the old server every working day",
        "nothing; who still sends there at the end stands in the report",
        |w, _| {
            let main = w.company.domains.first().cloned().unwrap_or_default();
            w.company.devices = (1..=2).map(|n| format!("scanner{n}@{main}")).collect();
            w.company.devices.clone()
        },
    ),
    trouble(
        "too-few-seats",
        "fewer licences were bought than people move",
        "Graph: prepaidUnits of subscribedSkus",
        "`license::check` sets aside who would stay without one, before the wave",
        too_few_seats,
    ),
];

/// Seven in the evening of a day.
fn evening(world: &World, day: i64) -> Timestamp {
    after(world.began, day * 86_400 + 12 * 3600)
}

fn main_domain(world: &World) -> String {
    world.company.domains.first().cloned().unwrap_or_default()
}

fn dynamic_group(world: &mut World, _: &[Person]) -> Vec<String> {
    let address = format!("all.staff@{}", main_domain(world));
    let dn = format!("CN=All Staff,OU=Contacts,{}", directory::base(world));
    let mut entry = directory::plain(dn, &["top", "msExchDynamicDistributionList"]);
    entry.set_text("displayName", "All Staff");
    entry.set_text("mail", &address);
    entry.set_text("mailNickname", "all.staff");
    entry.set_text("msExchDynamicDLFilter", "(&(mailNickname=*)(objectClass=user)(homeMDB=*))");
    entry.set_text("msExchRecipientTypeDetails", "1024");
    finish(world, entry, address)
}

fn mail_folder(world: &mut World, _: &[Person]) -> Vec<String> {
    let address = format!("invoices@{}", main_domain(world));
    let address = if taken(world, &address) { format!("folder.invoices@{}", main_domain(world)) } else { address };
    let dn = format!("CN=Invoices,CN=Microsoft Exchange System Objects,{}", directory::base(world));
    let mut entry = directory::plain(dn, &["top", "publicFolder"]);
    entry.set_text("displayName", "Invoices");
    entry.set_text("mail", &address);
    entry.set_text("mailNickname", "folder.invoices");
    entry.set_text("msExchRecipientTypeDetails", "4096");
    finish(world, entry, address)
}

fn members_only(world: &mut World, people: &[Person]) -> Vec<String> {
    let address = format!("board.circle@{}", main_domain(world));
    let dn = format!("CN=Board Circle,OU=Contacts,{}", directory::base(world));
    let mut entry = directory::plain(dn, &["top", "group"]);
    entry.set_text("sAMAccountName", "board.circle");
    entry.set_text("displayName", "Board Circle");
    entry.set_text("mail", &address);
    entry.set_text("mailNickname", "board.circle");
    entry.set_text("groupType", "8");
    entry.set_text("msExchRequireAuthToSendTo", "TRUE");
    entry.set("member", people.iter().take(3).map(|p| p.dn().into_bytes()).collect());
    finish(world, entry, address)
}

fn taken(world: &World, address: &str) -> bool {
    world.index.old.contains_key(&address.to_lowercase())
}

/// Enters an object with its one address, unless somebody has that.
fn finish(world: &mut World, mut entry: crate::wire::attributes::Entry, address: String) -> Vec<String> {
    if taken(world, &address) || world.directory.contains_key(&dn_key(&entry.dn)) {
        return Vec::new();
    }
    entry.set("proxyAddresses", vec![format!("SMTP:{address}").into_bytes()]);
    directory::add(world, entry, 0, 0);
    vec![address]
}

fn journaling(world: &mut World, _: &[Person]) -> Vec<String> {
    let journal = format!("CN=Journal,OU=Service Accounts,{}", directory::base(world));
    let mut entry = directory::plain(journal.clone(), &["top", "person", "organizationalPerson", "contact"]);
    let main = main_domain(world);
    entry.set_text("displayName", "Journal");
    entry.set_text("mail", &format!("journal@archive.{main}"));
    entry.set_text("targetAddress", &format!("SMTP:journal@archive.{main}"));
    if world.directory.contains_key(&dn_key(&journal)) {
        return Vec::new();
    }
    directory::add(world, entry, 0, 0);
    let store = directory::store_dn(world);
    let Some(object) = world.directory.get_mut(&dn_key(&store)) else { return Vec::new() };
    object.entry.set_text("msExchMessageJournalRecipient", &journal);
    vec![store]
}

/// The domain controller gets a copy of a zone as it stands, but for what such a
/// copy has of its own: mail goes to the mailbox server by its inside name.
pub fn copy_inside(world: &mut World, domain: &str) {
    let owner = absolute(domain);
    let Some(mut zone) = world.zones.get(&owner).cloned() else { return };
    let mut put = |kind: RecordType, value: String| {
        zone.sets.insert((owner.clone(), kind.to_string()), RecordSet::new(&owner, kind, 3600, vec![value]));
    };
    put(RecordType::MX, format!("10 {}", absolute(&world.company.server)));
    put(RecordType::NS, absolute(&world.company.domain_controller));
    zone.updates = false;
    world.inside.insert(owner, zone);
}

/// Ten lookups: the cloud's own, and what a company collects over the years.
fn spf_full(world: &mut World, _: &[Person]) -> Vec<String> {
    let domain = main_domain(world);
    let owner = absolute(&domain);
    let services = ["newsletter", "crm", "payroll", "survey", "shop", "tickets", "printing"];
    let includes: Vec<String> = services.iter().map(|s| format!("include:spf.{s}.example")).collect();
    let text = format!(
        "v=spf1 mx a:{} ip4:{} {} include:spf.protection.outlook.com -all",
        world.company.mail_host,
        crate::lab::tenancy::MAIL_ADDRESS,
        includes.join(" ")
    );
    let Some(zone) = world.zones.get_mut(&owner) else { return Vec::new() };
    let key = (owner.clone(), RecordType::TXT.to_string());
    let Some(set) = zone.sets.get(&key) else { return Vec::new() };
    // The domain's other texts stay; the policy is the one that begins so.
    let mut values: Vec<String> = set.values.iter().filter(|v| !v.starts_with("v=spf1")).cloned().collect();
    values.push(text);
    let set = RecordSet::new(&owner, RecordType::TXT, set.ttl, values);
    zone.sets.insert(key, set);
    vec![domain]
}

/// One short of those who are left when the others have been set aside.
fn too_few_seats(world: &mut World, people: &[Person]) -> Vec<String> {
    if people.len() < 400 {
        return Vec::new();
    }
    // Who has a mailbox beforehand holds a seat, though the row is left.
    let company = &world.company;
    let names = super::left::MESSES.iter().filter_map(|m| company.messes.get(m.name));
    let left = names.flatten().filter(|a| !company.beforehand.contains_key(&a.to_lowercase())).count();
    let id = crate::lab::tenancy::ENTERPRISEPACK;
    let taken = world.seats_taken.get(&id).copied().unwrap_or_default();
    let Some(sku) = world.tenant.skus.iter_mut().find(|s| s.id == id) else { return Vec::new() };
    sku.seats = taken + (people.len() as u64).saturating_sub(left as u64 + 1);
    vec![sku.part.clone()]
}
