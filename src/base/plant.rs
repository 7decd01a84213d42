//! Mistakes that a tool of this kind makes, planted one at a time, so that it
//! shows whether a rehearsal catches them.
//!
//! In the tests of this crate a thread can be told which mistake the host makes
//! on it, and whoever starts threads hands it on ([`here`]). Outside those tests
//! [`is`] is a constant `false`: no build that anybody can run holds a mistake,
//! and no option, file or variable switches one on. Nothing here is
//! process-wide, and the lab never asks: it must catch what it knows nothing of.

/// One list: the mistakes, what each needs to show, and one sentence for people.
macro_rules! plants {
    ($($plant:ident $ground:ident $name:literal $what:literal;)*) => {
        /// A mistake of the host.
        #[cfg_attr(not(test), allow(dead_code, reason = "some are made by code that tests alone compile"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Plant {
            $(#[doc = $what] $plant,)*
        }

        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[Planted] =
            &[$(Planted { plant: Plant::$plant, ground: Ground::$ground, name: $name, what: $what },)*];
    };
}

plants! {
    // What a converted object looks like.
    X500Dropped Calm "x500-dropped"
        "the old legacyExchangeDN does not become an X.500 address, so that answers to old mail come back";
    CloudX500Dropped Calm "cloud-x500-dropped"
        "the cloud mailbox's own X.500 name is not added on premises";
    GuidOrder Calm "guid-order"
        "ExchangeGuid is written in the order of its text, not of the directory";
    GuidAsText Calm "guid-as-text"
        "ExchangeGuid is written as text";
    ProxiesReplaced Calm "proxies-replaced"
        "the addresses are written anew instead of added to, and second addresses are gone";
    PrimaryReplaced Calm "primary-replaced"
        "the routing address takes the place of the primary address";
    HomeMdbLeft Calm "home-mdb-left"
        "homeMDB stays, so the old mailbox goes on living";
    PoliciesLeft Calm "policies-left"
        "msExchPoliciesIncluded stays";
    PolicyNotExcluded Calm "policy-not-excluded"
        "address policies are not switched off for the person";
    RoutingMissing Calm "routing-missing"
        "the routing address is no address of the mail user";
    TargetAtHome Calm "target-at-home"
        "TargetAddress is the person's own primary address, a loop";
    LegacyDnOverwritten Calm "legacy-dn-overwritten"
        "legacyExchangeDN is overwritten with the cloud's";
    MailRewritten Calm "mail-rewritten"
        "the attribute mail is set to the routing address";
    ModifyUnguarded Colleague "modify-unguarded"
        "the addresses are written as they were read, over what a colleague added meanwhile";
    // Who is converted, and when.
    FailedTakenForSynced Usual "failed-taken-for-synced"
        "a row that failed counts as copied and is converted";
    WatchEndsEarly Slow "watch-ends-early"
        "the first look at a batch is taken for its end";
    // The way back of a row that failed.
    ReleaseForgotten Usual "release-forgotten"
        "rows that failed stay forwarded";
    ReleaseWithoutAddress Usual "release-without-address"
        "only TargetAddress is taken away, and no address changes (KB4456110)";
    ReleaseUnsynced Usual "release-unsynced"
        "a release goes on before the synchronization has brought it to the cloud";
    MailLeftWaiting Usual "mail-left-waiting"
        "messages that wait in the cloud mailbox are not carried home";
    NewMessageId Usual "new-message-id"
        "messages are carried home under Message-IDs of our own";
    CarriedToTheCloud Usual "carried-to-the-cloud"
        "messages are handed to the host that the tenant names instead of the old server";
    MailboxKept Usual "mailbox-kept"
        "the cloud mailbox of a released row keeps its licence and stays open";
    ReleasesForgotten BrokenOff "releases-forgotten"
        "a script that runs again starts the rows anew that were given back";
    // Exchange Online.
    CsvAsBase64 Calm "csv-as-base64"
        "bytes travel as base64 text instead of a byte array";
    CsvHeader Calm "csv-header"
        "the column of the list is called Email";
    NextPageByGet Calm "next-page-by-get"
        "the next page of a cmdlet is asked for with GET";
    FirstPageOfCmdlets Calm "first-page-of-cmdlets"
        "only the first page of a cmdlet's answer is read";
    ConfirmLeftOut Calm "confirm-left-out"
        "Confirm is left out, and the service asks instead of doing";
    PasswordUnsealed Calm "password-unsealed"
        "the endpoint's password is packed, but not encrypted";
    StartedTwice Calm "started-twice"
        "a batch that runs already is started once more";
    BatchKept Calm "batch-kept"
        "batches are not removed in the end";
    MovedAgain Again "moved-again"
        "a script that runs again makes batches of those who have moved";
    // Graph and licences.
    FirstPageOfUsers Calm "first-page-of-users"
        "only the first page of the tenant's users is read";
    PeopleBySignIn Calm "people-by-sign-in"
        "people are found by their user principal names instead of their addresses";
    DomainsUnverified Calm "domains-unverified"
        "nobody verifies the domains";
    LocationMissing Calm "location-missing"
        "licences are given without a usage location";
    LicenceNever Calm "licence-never"
        "nobody is given a licence";
    LicenceLate Calm "licence-late"
        "licences come 31 days after the mailboxes were made";
    LicenceOfAnother Calm "licence-of-another"
        "the first product that comes along is given, not the one that was checked";
    PlansOff Calm "plans-off"
        "the licence is given with its mailbox plan switched off";
    OldTokenKept Calm "old-token-kept"
        "a token is used beyond its life";
    // The directory.
    FirstPageOfEntries Calm "first-page-of-entries"
        "only the first page of a directory search is read";
    NameUnescaped Calm "name-unescaped"
        "names with a comma lose the backslash before it";
    SyncNotAwaited Calm "sync-not-awaited"
        "nobody waits until the synchronization has made the people known to the cloud";
    // Names.
    MxDeletedFirst Calm "mx-deleted-first"
        "the MX set is deleted in one update and added in the next";
    MxAppended Calm "mx-appended"
        "the new MX stands beside the old one";
    MxOfFirstDomain Calm "mx-of-first-domain"
        "the mail of the first domain alone is switched";
    TtlUnwaited Calm "ttl-unwaited"
        "nobody waits for copies with the old time to live to run out";
    ZoneOfAnother Calm "zone-of-another"
        "the update of a name goes to the first zone that the profile knows";
    MxGuessed Calm "mx-guessed"
        "the MX is made from the domain's name instead of asked from the tenant";
    MxUnguarded ZoneColleague "mx-unguarded"
        "an update carries no prerequisite, and overwrites what a colleague did meanwhile";
    UpdateUnsigned Calm "update-unsigned"
        "updates of the zone are not signed";
    ProofReplacesTxt Calm "proof-replaces-txt"
        "the proof for the tenant takes the place of the other TXT records, SPF among them";
    AutodiscoverElsewhere Calm "autodiscover-elsewhere"
        "autodiscover leads to a name at the tenant's own domain";
    // What a journal and a guard are for.
    DoubtRepeated Killed "doubt-repeated"
        "a write whose answer was lost is sent again at once, and nobody looks what became of it";
    IntentAfterwards Killed "intent-afterwards"
        "the journal hears of a write only after it was sent";
    // Patience, and people's word.
    RetryAfterIgnored Trouble "retry-after-ignored"
        "what was throttled is sent again at once";
    RefusalUnheard Denied "refusal-unheard"
        "a refused approval is taken for a granted one";
}

/// A mistake and how it is told.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planted {
    /// Which.
    pub plant: Plant,
    /// What it takes to show.
    pub ground: Ground,
    /// Stable name.
    pub name: &'static str,
    /// One sentence without a full stop.
    pub what: &'static str,
}

/// What a mistake takes to show.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ground {
    /// Nothing.
    Calm,
    /// Rows whose copy fails.
    Usual,
    /// A mailbox whose copy takes days.
    Slow,
    /// Services that throttle often.
    Trouble,
    /// A colleague who edits a person's object while it is being converted.
    Colleague,
    /// A colleague who edits a zone while it is being changed.
    ZoneColleague,
    /// A refused approval.
    Denied,
    /// A second run after the first came to its end.
    Again,
    /// A second run after the first was refused half-way.
    BrokenOff,
    /// A run that dies, or whose answers are lost; no rehearsal of the planted
    /// mistakes but the harness of the crash points meets it.
    Killed,
}

#[cfg(test)]
thread_local!(static CHOSEN: std::cell::RefCell<Soil> = const { std::cell::RefCell::new(Soil::BARE) });

/// What is planted on a thread; nothing outside tests.
#[derive(Clone, Default)]
pub(crate) struct Soil {
    #[cfg(test)]
    plant: Option<Plant>,
    #[cfg(test)]
    page: Option<u32>,
    #[cfg(test)]
    life: Option<std::sync::Arc<super::crash::Life>>,
}

impl Soil {
    /// Nothing planted.
    #[cfg(test)]
    pub(crate) const BARE: Soil = Soil { plant: None, page: None, life: None };

    /// A host with this mistake, or none, that reads pages of so many rows: a
    /// small company has more than one, too.
    #[cfg(test)]
    pub(crate) const fn of(plant: Option<Plant>, page: u32) -> Soil {
        Soil { plant, page: Some(page), life: None }
    }

    /// The same, for a run whose life may end early.
    #[cfg(test)]
    pub(crate) fn living(self, life: std::sync::Arc<super::crash::Life>) -> Soil {
        Soil { life: Some(life), ..self }
    }

    /// From now on this thread works with it.
    pub(crate) fn spread(&self) {
        #[cfg(test)]
        CHOSEN.with(|chosen| chosen.replace(self.clone()));
    }
}

/// What is planted here, for the threads that are started here.
#[cfg(test)]
pub(crate) fn here() -> Soil {
    CHOSEN.with(|chosen| chosen.borrow().clone())
}

/// Whose life it is that this thread works for.
#[cfg(test)]
pub(crate) fn life() -> Option<std::sync::Arc<super::crash::Life>> {
    CHOSEN.with(|chosen| chosen.borrow().life.clone())
}

/// What is planted here: nothing.
#[cfg(not(test))]
pub(crate) const fn here() -> Soil {
    Soil {}
}

/// Whether the host makes this mistake on this thread.
#[cfg(test)]
pub(crate) fn is(plant: Plant) -> bool {
    CHOSEN.with(|chosen| chosen.borrow().plant == Some(plant))
}

/// Whether the host makes this mistake: never.
#[cfg(not(test))]
pub(crate) const fn is(_: Plant) -> bool {
    false
}

/// Rows of a page: as usual, or as few as a test wants.
#[cfg(test)]
pub(crate) fn page(usual: u32) -> u32 {
    CHOSEN.with(|chosen| chosen.borrow().page.unwrap_or(usual))
}

/// Rows of a page, as usual.
#[cfg(not(test))]
pub(crate) const fn page(usual: u32) -> u32 {
    usual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_stays_on_its_thread_unless_it_is_handed_on() {
        Soil::of(Some(Plant::GuidOrder), 7).spread();
        assert!(is(Plant::GuidOrder) && !is(Plant::GuidAsText));
        assert_eq!(page(1000), 7);
        let soil = here();
        let elsewhere = std::thread::spawn(|| is(Plant::GuidOrder)).join().expect("it ends");
        let handed = std::thread::spawn(move || {
            soil.spread();
            is(Plant::GuidOrder)
        });
        assert!(!elsewhere && handed.join().expect("it ends"));
        Soil::BARE.spread();
        assert!(!is(Plant::GuidOrder));
        assert_eq!(page(1000), 1000);
    }

    #[test]
    fn each_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|p| !p.what.ends_with('.')));
    }
}
