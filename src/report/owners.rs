//! Who has to act on what a run found, and how to say it to somebody who doesn't
//! run servers.
//!
//! One table: words of the finding or the reason → owner, plain words, the next
//! step. What it doesn't know keeps its own words and goes to whoever the step
//! or the target points to, in the end to the migration lead. It judges nothing:
//! how bad a finding is, the run has said.

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Leads the migration and answers for the script.
    Lead,
    /// Keeps the directory of the old system.
    Directory,
    /// Keeps the Microsoft 365 tenant and its licences.
    Tenant,
    /// Keeps names, firewalls and lines.
    Network,
    /// Answers people's calls.
    HelpDesk,
    /// Decides and signs.
    Customer,
}

impl Owner {
    /// As the page says it.
    pub fn words(self) -> &'static str {
        match self {
            Owner::Lead => "migration lead",
            Owner::Directory => "directory administrator",
            Owner::Tenant => "tenant administrator",
            Owner::Network => "network administrator",
            Owner::HelpDesk => "help desk",
            Owner::Customer => "customer",
        }
    }
}

/// A finding in words that can be read aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Who acts.
    pub owner: Owner,
    /// What is so, without a full stop, in lower case.
    pub what: &'static str,
    /// What to do about it, as an instruction, in lower case.
    pub then: &'static str,
}

use Owner::{Customer, Directory, HelpDesk, Lead, Network, Tenant};

/// Words that all have to stand in the text, in lower case; the first line that
/// fits counts.
const TABLE: &[(&[&str], Owner, &str, &str)] = &[
    // Mailboxes.
    (
        &["hidden from address lists"],
        Directory,
        "the mailbox is hidden from the address book, where the move looks for it",
        "show it in the address book until it has moved",
    ),
    (
        &["source e-mail address", "couldn't be found"],
        Directory,
        "the mailbox was not found in the address book of the old system",
        "show it there, or correct its address in the list",
    ),
    (
        &["no email could be downloaded"],
        Lead,
        "the old server was too slow to copy the mailbox, or out of reach",
        "copy it in a later wave, with fewer mailboxes at a time",
    ),
    (&["job is poisoned"], Lead, "the copy broke down again and again", "give the mailbox a wave of its own"),
    (&["not made progress"], Lead, "the copy stood still", "give the mailbox a wave of its own"),
    (
        &["sign in to the user's on-premises"],
        Directory,
        "the account that copies may not open the mailbox",
        "give that account the right to it",
    ),
    (
        &["connect to the source mailbox"],
        Directory,
        "the account that copies may not open the mailbox",
        "give that account the right to it",
    ),
    (
        &["mapiexceptionnoaccess"],
        Directory,
        "the account that copies may not open the mailbox",
        "give that account the right to it",
    ),
    (&["voice mail"], Directory, "voice mail is still on for it", "switch voice mail off before the wave"),
    (&["unified messaging"], Directory, "voice mail is still on for it", "switch voice mail off before the wave"),
    (
        &["another object has it"],
        Directory,
        "another entry of the directory holds the same address",
        "take the address off the wrong entry",
    ),
    (
        &["two objects"],
        Directory,
        "another entry of the directory holds the same address",
        "take the address off the wrong entry",
    ),
    (
        &["on two directory objects"],
        Directory,
        "another entry of the directory holds the same address",
        "take the address off the wrong entry",
    ),
    (
        &["another cloud object holds"],
        Tenant,
        "somebody else in Microsoft 365 holds the same address",
        "take the address off the wrong entry",
    ),
    (
        &["no cloud user has"],
        Directory,
        "the person is not known to Microsoft 365",
        "bring the person into the synchronization",
    ),
    (
        &["no batch has made"],
        Tenant,
        "the person has a mailbox in Microsoft 365 already, from an earlier try",
        "decide which of the two mailboxes counts",
    ),
    (
        &["not a mail user"],
        Tenant,
        "something else holds the person's place in Microsoft 365",
        "clear that place, then try again",
    ),
    (
        &["no mail user yet"],
        Directory,
        "the person is not yet known to Microsoft 365",
        "bring the person into the synchronization",
    ),
    (
        &["no user of the tenant"],
        Directory,
        "the person is not known to Microsoft 365",
        "bring the person into the synchronization",
    ),
    (
        &["not known to the cloud"],
        Directory,
        "the person is not known to Microsoft 365",
        "bring the person into the synchronization",
    ),
    (
        &["no object on premises"],
        Lead,
        "no mailbox of the old system has this address",
        "correct the list, or take the line out",
    ),
    (
        &["primary address of the mailbox is", "stands in the list, too"],
        Lead,
        "two rows of the list are one person",
        "take the row with the second address out",
    ),
    (
        &["primary address of the mailbox is"],
        Lead,
        "the list names a person by a second address",
        "write the main address into the list",
    ),
    (
        &["the person signs in as"],
        HelpDesk,
        "people sign in with another name than their address",
        "tell them which one Outlook wants",
    ),
    (
        &["sign-in name", "not verified"],
        Directory,
        "people sign in with a name that Microsoft 365 can't take over",
        "give their accounts a name that ends like their address",
    ),
    (
        &["the account is disabled"],
        Directory,
        "the mailbox belongs to an account that is switched off",
        "decide whether it has to move",
    ),
    (
        &["works in the mailbox", "not in the list"],
        Lead,
        "who works in another's mailbox is not moved with it",
        "put both into the list",
    ),
    (
        &["synchronization passes the object over"],
        Directory,
        "the person is kept out of Microsoft 365 by a filter",
        "take the filter off the person",
    ),
    (
        &["is in the cloud, while others are"],
        Directory,
        "nobody of a whole department has come to Microsoft 365",
        "let the synchronization take that department along",
    ),
    (&["in the batch"], Lead, "another move holds the mailbox already", "end the other move first"),
    (&["usage location"], Tenant, "no country is set for the person, so no licence can be given", "set the country"),
    (&["mailbox holds", "allows"], Tenant, "the mailbox is larger than its licence allows", "give a larger licence"),
    (&["free seats of"], Tenant, "no licence is left for it", "buy licences, or free some"),
    (&["seats of", "needed"], Customer, "there are too few licences", "buy licences, or free some"),
    (&["mailbox is forwarded to"], Directory, "somebody forwards the mailbox elsewhere", "find out why, and end it"),
    (&["itempermanent"], HelpDesk, "damaged or very large messages stand in the way", "look through them together"),
    (&["itemspermanent"], HelpDesk, "damaged or very large messages stand in the way", "look through them together"),
    (&["never part of a batch"], Lead, "it was in none of the waves", "put it into a later wave"),
    (&["taken back from a batch"], Lead, "its copy failed, and it was given back whole", "try it in a later wave"),
    (&["released by the script"], Lead, "it was given back whole by the script", "try it in a later wave"),
    // Everybody.
    (
        &["inside,", "copy of the zone"],
        Network,
        "inside the company, names are answered from an old copy that hears of no changes",
        "change that copy by hand, once everybody has moved",
    ),
    (
        &["is journalled"],
        Tenant,
        "the journal of all messages ends with the move of their mail",
        "set one up in Microsoft 365 before the mail is switched over",
    ),
    (
        &["not copied", "too large"],
        HelpDesk,
        "some messages were not copied, being too large or broken",
        "save them from the old mailbox within 30 days",
    ),
    (
        &["will not be found by a new outlook profile"],
        HelpDesk,
        "who is left behind must not make a new Outlook profile",
        "tell them to keep theirs until they move",
    ),
    (
        &["unknown to the cloud"],
        Directory,
        "people are not known to Microsoft 365, and mail to them would come back",
        "bring them into the synchronization",
    ),
    (
        &["without its x.500 name"],
        Directory,
        "answers to old mail would come back",
        "repeat the last step for these mailboxes, which adds what is missing",
    ),
    (
        &["still on the old servers"],
        Lead,
        "mailboxes stay in the old system, and so the old servers stay, too",
        "move or retire these mailboxes",
    ),
    (
        &["service connection point"],
        Directory,
        "Outlook inside the company is still shown the way to the old servers",
        "clear that entry on the old servers after the last wave",
    ),
    (
        &["without a licence"],
        Tenant,
        "mailboxes have no licence and are closed after 30 days",
        "give them their licences",
    ),
    (
        &["mail of", "still goes to"],
        Network,
        "mail from outside still goes to the old servers",
        "switch the mail of the domain over",
    ),
    (
        &["spf record"],
        Network,
        "the public list of servers that may send for the domain is not complete, so mail may end in junk",
        "complete the list",
    ),
    (
        &["outbound connector"],
        Tenant,
        "Microsoft 365 has no way to people who have not moved",
        "set up that way before the mail is switched over",
    ),
    (
        &["inbound connector"],
        Tenant,
        "Microsoft 365 takes mail of the old servers for a stranger's",
        "make the old servers known to it",
    ),
    (&["accepted domain"], Tenant, "Microsoft 365 does not know the domain yet", "prove that the domain is yours"),
    (&["message trace"], Tenant, "a trial message did not arrive", "look for it in the trace of the service"),
    (&["refused a message to"], Network, "a trial message was refused", "look at that server and its rules"),
    (&["refuses mail for"], Network, "a trial message was refused", "look at that server and its rules"),
    (&["was not reached"], Network, "a server did not answer", "open the way to it"),
    (&["rpc proxy"], Network, "the old servers can't be reached from outside", "open the way to them"),
    (&["outlook anywhere"], Network, "the old servers can't be reached from outside", "open the way to them"),
    (&["reach the old server"], Network, "the old servers can't be reached from outside", "open the way to them"),
    (
        &["redirectaddr"],
        Network,
        "Outlook was not shown the way to the new mailbox",
        "look at the answer of the old server",
    ),
    (
        &["room", "user mailbox"],
        Tenant,
        "a room arrives as the mailbox of a person and answers no invitation",
        "turn it into a room again on the day of its move",
    ),
    (
        &["synchronization"],
        Directory,
        "the synchronization of the directory needs a look",
        "look at the server that synchronizes",
    ),
    (
        &["application may not call"],
        Tenant,
        "the migration may not do all it has to in Microsoft 365",
        "give it the missing role",
    ),
    (&["resolver"], Network, "nobody can say yet where the world sends mail", "name public name servers to ask"),
    (
        &["work in each other's mailboxes"],
        HelpDesk,
        "people who work in each other's mailboxes go in different waves",
        "tell them, or move them together",
    ),
];

/// Steps and who looks after what they find.
const STEPS: &[(&str, Owner)] = &[
    ("domain::", Network),
    ("directory::", Directory),
    ("validate", Directory),
    ("license::", Tenant),
    ("mailflow::", Network),
    ("set_mx", Network),
    ("autodiscover::", Network),
    ("endpoint", Network),
    ("convert_to_mail_user", Directory),
    ("permissions::", HelpDesk),
];

/// The plain words for a finding or a reason, if the table has some.
pub fn plain(text: &str) -> Option<Plain> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    TABLE.iter().find(|(words, ..)| words.iter().all(|w| text.contains(w))).map(|(_, owner, what, then)| Plain {
        owner: *owner,
        what,
        then,
    })
}

/// Who looks after a finding that the table doesn't know: by the step in which it
/// was made, then by what it is about, in the end the migration lead.
pub fn owner(step: &str, target: &str) -> Owner {
    if let Some((_, owner)) = STEPS.iter().find(|(name, _)| step.starts_with(name)) {
        return *owner;
    }
    let domain = target.contains('.') && !target.contains(['@', ' ', '/']);
    match target {
        _ if domain => Network,
        t if t.contains('@') => Directory,
        _ => Lead,
    }
}

/// Words that a customer need not know; the first page has none of them.
#[cfg(test)]
pub(crate) const JARGON: &[&str] = &[
    " mx",
    "batch",
    "targetaddress",
    "autodiscover",
    "dns",
    "connector",
    "ldap",
    "smtp",
    "mapi",
    "oauth",
    " rpc",
    "tenant’s",
    "directory object",
    " lab ",
    "exception",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_plain() {
        for (_, _, what, then) in TABLE {
            for text in [what, then] {
                let low = format!(" {}", text.to_lowercase());
                assert!(!JARGON.iter().any(|j| low.contains(j)), "{text}");
                assert!(
                    text.chars().next().is_some_and(|c| c.is_lowercase())
                        || text.starts_with("Microsoft")
                        || text.starts_with("Outlook"),
                    "{text}"
                );
                assert!(!text.ends_with('.'), "{text}");
            }
        }
    }

    #[test]
    fn known_words_have_an_owner_and_the_rest_goes_by_step_and_target() {
        let owner_of = |text: &str| plain(text).map(|p| p.owner);
        assert_eq!(owner_of("SyncTimeoutException: … because no email could be downloaded for 5 hours"), Some(Lead));
        assert_eq!(owner_of("the SPF record of contoso.test does not include x"), Some(Network));
        assert_eq!(owner_of("all 3 free seats of E3 are taken by rows before it"), Some(Tenant));
        assert_eq!(owner_of("the moon is full"), None);
        assert_eq!(owner("permissions::apply", ""), HelpDesk);
        assert_eq!(owner("preflight", "contoso.test"), Network);
        assert_eq!(owner("preflight", "ann@contoso.test"), Directory);
        assert_eq!(owner("preflight", ""), Lead);
    }

    #[test]
    fn every_trouble_that_the_service_is_known_for_has_plain_words_or_the_lead() {
        // The reasons for which the usual faults leave rows behind.
        for text in [
            "MigrationPermanentException: Error: Job is poisoned, poison count = 6.",
            "MigrationPermanentException: Error: The job has not made progress since the last report.",
            "Microsoft Exchange couldn't sign in to the user's on-premises account.",
            "A source e-mail address ann@contoso.test couldn't be found in the on-premises domain.",
            "the mailbox is hidden from address lists, where the service looks for it",
            "synchronization left smtp:a@b.test out of ProxyAddresses because another object has it",
        ] {
            assert!(plain(text).is_some(), "{text}");
        }
    }
}
