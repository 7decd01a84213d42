//! What no wire shows, as data: the one list that the verb prints, the page holds
//! and a test compares with the lab's own company.
//!
//! A fact stands here only if no service tells it in a set, or at all.

/// A fact that a survey leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Hidden {
    /// Where it stands in the file; `[]` for any entry, `*` for any end.
    pub path: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// Why no survey shows it.
    pub why: &'static str,
}

const fn hidden(path: &'static str, what: &'static str, why: &'static str) -> Hidden {
    Hidden { path, what, why }
}

/// All of them, in the order of the file.
pub const HIDDEN: &[Hidden] = &[
    hidden("list*", "who is to move", "it is nobody's but the project's: `--mailboxes`, or everybody"),
    hidden(
        "company.transport*",
        "gateways, limits, filters and relays around the old host",
        "they stand in devices and in the server's own settings",
    ),
    hidden("people[].items", "items of a mailbox", "only the store knows; `--statistics` brings it"),
    hidden("people[].bytes", "size of a mailbox", "only the store knows; `--statistics` brings it"),
    hidden(
        "people[].usage_location",
        "usage location of people whom the tenant doesn't have yet, or before their licence",
        "there is no user that could have one",
    ),
    hidden(
        "people[]",
        "people who are mail users already",
        "a mailbox that was converted by hand is one no more; it stands among the objects",
    ),
    hidden(
        "objects[].guid",
        "ids of servers and stores",
        "they are left out: nothing hangs on them, and a lab has its own",
    ),
    hidden(
        "permissions*",
        "who may open others' mailboxes or send as them",
        "only the store knows; `--statistics` brings it",
    ),
    hidden(
        "tenant.users[]",
        "users that were made by hand before synchronization took them over",
        "they look like all the others since then",
    ),
    hidden("tenant.users[].items", "items of cloud mailboxes", "one request for each mailbox would tell"),
    hidden("tenant.users[].legacy_dn", "X.500 names of users without mailbox or mail user", "nobody shows them"),
    hidden("tenant.domains[].type", "type of a domain that isn't verified", "it is no accepted domain yet"),
    hidden(
        "tenant.connectors[].hosts*",
        "hosts that an inbound connector is for",
        "the tenant names addresses and certificates",
    ),
    hidden(
        "tenant.connectors[].demands_tls",
        "whether a connector demands TLS 1.2",
        "the tenant's settings don't say versions",
    ),
    hidden("tenant.door.enforcement", "what the tenant does with mail of servers out of date", "no cmdlet tells it"),
    hidden("tenant.door.throttles_new", "whether the tenant slows new senders down", "no cmdlet tells it"),
    hidden("tenant.door.enhanced_filtering", "enhanced filtering of connectors", "it isn't asked for yet"),
    hidden("tenant.door.journal_archive", "archives of journal reports", "they are other products"),
    hidden("tenant.door.limit", "largest message of the tenant", "each mailbox has its own"),
    hidden("zones[].sets[]", "records of names that no other record mentions", "no server hands a whole zone out"),
    hidden("faults*", "which rows will fail, and the service's text", "it has not happened yet"),
    hidden("mess.former_dns*", "X.500 names of a former life that nobody kept", "only old mail has them"),
    hidden("mess.twice_listed*", "second addresses in the list", "the list is nobody's but the project's"),
    hidden("mess.unreadable*", "items that can't be copied", "it shows when they are copied"),
    hidden(
        "mess.filter",
        "the filter of synchronization",
        "it stands in the synchronization server, unless an extension attribute gives it away",
    ),
    hidden("mess.sessions", "how many sessions the old server allows", "it stands in the server's registry"),
    hidden("mess.synchronization_stops*", "when synchronization will stand still", "it has not happened yet"),
    hidden("mess.password_out*", "when the migration account's password runs out", "it has not happened yet"),
    hidden("mess.certificate_in_batch", "when the certificate runs out", "it has not happened yet"),
    hidden("mess.replica_lag_minutes", "how late other domain controllers hear of changes", "one controller is read"),
    hidden("mess.helpdesk", "whether somebody edits people meanwhile", "it has not happened yet"),
    hidden("mess.strict_senders*", "partners that publish p=reject", "who writes stands in the mail itself"),
    hidden("mess.large_senders*", "senders of large messages", "who writes stands in the mail itself"),
    hidden(
        "mess.own_senders*",
        "senders outside with an address of the company",
        "who writes stands in the mail itself",
    ),
    hidden("mess.devices*", "devices that send to the old server", "who writes stands in the mail itself"),
    hidden("mess.named*", "names of the messes", "they are the lab's own words"),
    hidden("settings*", "how doubts of the published facts are settled", "it is the rehearsal's to choose"),
];

/// Whether a place of the file (`people[ann@contoso.test].items`) is hidden.
pub fn is_hidden(path: &str) -> Option<&'static Hidden> {
    let mut bare = String::with_capacity(path.len());
    let mut inside = 0;
    for c in path.chars() {
        match c {
            '[' => {
                if inside == 0 {
                    bare.push_str("[]");
                }
                inside += 1;
            }
            ']' => inside -= 1,
            _ if inside == 0 => bare.push(c),
            _ => {}
        }
    }
    HIDDEN.iter().find(|h| match h.path.strip_suffix('*') {
        Some(front) => bare == front || bare.strip_prefix(front).is_some_and(|rest| rest.starts_with(['.', '['])),
        None => h.path == bare,
    })
}

/// The list as the table of `docs/survey.md`.
pub fn table() -> String {
    let mut out = String::from("| where | what | why |\n| --- | --- | --- |\n");
    for h in HIDDEN {
        out.push_str(&format!("| `{}` | {} | {} |\n", h.path, h.what, h.why));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_list() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/survey.md");
        let page = std::fs::read_to_string(path).expect("the page is there");
        let (before, rest) = page.split_once("<!-- hidden -->\n").expect("a place for the list");
        let (found, after) = rest.split_once("<!-- /hidden -->").expect("an end of it");
        if found != table() && std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write") {
            std::fs::write(path, format!("{before}<!-- hidden -->\n{}<!-- /hidden -->{after}", table()))
                .expect("it may be written");
            return;
        }
        assert_eq!(found, table(), "rewrite the page with STAGEPOST_GOLDEN=write cargo test the_page_has_the_list");
    }

    #[test]
    fn a_place_is_found_whatever_its_names() {
        for path in ["people[a[b]@x.test].items", "mess.former_dns[ann@x.test]", "faults", "tenant.users[a]", "list[3]"]
        {
            assert!(is_hidden(path).is_some(), "{path}");
        }
        for path in ["people[a].items_more", "people[a].name", "tenant.users[a].name", "listing", "company.name"] {
            assert!(is_hidden(path).is_none(), "{path}");
        }
    }
}
