//! The rules of a list against the directories, each one record: for which kinds
//! it is judged and how gravely, on which side, what it makes needless to say.
//!
//! Identifiers never change their meaning. What each says comes from the pages
//! named in its source. Nothing here judges; that is `judge` and `seats`.

use super::ids::*;
use super::record::{E, ListRule, NO, Side, W, grave, list_rule};
use super::worlds;

const KNOW: &str = "Microsoft, What you need to know about a staged migration";
const ERRORS: &str = "Microsoft, errors of staged migrations";
const DEFAULTS: &str = "Microsoft, default rules of directory synchronization";
const RESILIENCY: &str = "Microsoft, duplicate attribute resiliency";

/// What means nothing where the person is not the one on premises.
const CLOUD_SIDE: &[&str] = &[
    NOT_IN_CLOUD,
    WRONG_RECIPIENT,
    CONFLICT,
    SECOND_MAILBOX,
    OUT_OF_SCOPE,
    NO_ROUTING,
    OTHER_GUID,
    UPN_UNLIKE,
    DELEGATE_LEFT_OUT,
];

/// What means nothing where there is no mailbox of a person.
const OF_A_MAILBOX: &[&str] = &[
    NOT_PRIMARY,
    HIDDEN,
    NOT_IN_CLOUD,
    WRONG_RECIPIENT,
    SHARED_ADDRESS,
    CONFLICT,
    UNVERIFIED,
    UNIFIED_MESSAGING,
    FORWARDED,
    LINKED_MAILBOX,
    NO_ALIAS,
    SECOND_MAILBOX,
    OUT_OF_SCOPE,
    NO_ROUTING,
    UPN_SUFFIX,
    UPN_UNLIKE,
    DISABLED,
    DELEGATE_LEFT_OUT,
    OTHER_GUID,
];

/// What a user of the tenant can have only once there is one.
const OF_A_USER: &[&str] = &[NO_ROUTING, OTHER_GUID];

/// Every rule of a list against the directories, in the order of their numbers.
pub const LIST_RULES: &[ListRule] = &[
    list_rule(
        NOT_ON_PREMISES,
        Side::OnPremises,
        [E, E, E, NO],
        CLOUD_SIDE,
        [
            "an object on premises has the address",
            "a slip in the list, or a person who has left",
            "correct the row or take it out",
            ERRORS,
            "the list has ann@contoso.test, the directory does not",
        ],
        worlds::not_on_premises,
    ),
    list_rule(
        NOT_PRIMARY,
        Side::OnPremises,
        [E, W, W, NO],
        CLOUD_SIDE,
        [
            "the address is the primary one",
            "the list was made from user names or from an old address book",
            "write the primary SMTP address into the list, or take the row out if the list has it already",
            "Microsoft, CSV files for mailbox migration",
            "the list has a.lee@contoso.test, the primary address is ann@contoso.test",
        ],
        worlds::not_primary,
    ),
    list_rule(
        HIDDEN,
        Side::OnPremises,
        [E, NO, E, NO],
        &[],
        [
            "the mailbox is not hidden from address lists",
            "rooms, leavers and service accounts are often hidden",
            "show it, wait for the address list to be made anew, start, and hide it again afterwards",
            ERRORS,
            "msExchHideFromAddressLists is TRUE",
        ],
        worlds::hidden,
    ),
    list_rule(
        NOT_IN_CLOUD,
        Side::Cloud,
        [E, E, NO, NO],
        OF_A_USER,
        [
            "a mail user of the tenant has the address",
            "directory synchronization is off, filters the person away, or has not run yet",
            "bring the person into the scope of directory synchronization and run a cycle",
            KNOW,
            "no user of the tenant has ann@contoso.test",
        ],
        worlds::not_in_cloud,
    ),
    list_rule(
        WRONG_RECIPIENT,
        Side::Cloud,
        [E, E, E, NO],
        OF_A_USER,
        [
            "the cloud object is what the kind of migration starts from: a mail user, or the mailbox of an earlier try",
            "the address belongs to a guest or another recipient of the tenant; before a cutover, to a mail user that synchronization left",
            "give the address to a mail user; before a cutover, delete the left object for good",
            "Microsoft, What you need to know about a staged migration; KB2968722",
            "the cloud object of ann@contoso.test is a GuestMailUser",
        ],
        worlds::wrong_recipient,
    ),
    list_rule(
        SHARED_ADDRESS,
        Side::Both,
        [E, E, E, E],
        &[],
        [
            "an address belongs to one object",
            "a leftover contact, a copied account, a group of the same name",
            "take the address off the wrong object and run a cycle",
            RESILIENCY,
            "two objects hold smtp:ann.lee@contoso.test",
        ],
        worlds::shared_address,
    ),
    list_rule(
        CONFLICT,
        Side::Cloud,
        [E, E, NO, NO],
        &[NOT_IN_CLOUD, WRONG_RECIPIENT, SECOND_MAILBOX, OUT_OF_SCOPE, NO_ROUTING, OTHER_GUID],
        [
            "synchronization left nothing of the person in quarantine",
            "another cloud object holds the same address or user name",
            "solve the conflict in the tenant; an hourly sweep puts the value back",
            RESILIENCY,
            "ProxyAddresses smtp:ann.lee@contoso.test in conflict",
        ],
        worlds::conflict,
    ),
    list_rule(
        UNVERIFIED,
        Side::Both,
        [E, E, E, NO],
        &[UPN_SUFFIX],
        [
            "every address is of a domain that the tenant has verified",
            "an inside domain such as contoso.local, or one that was forgotten",
            "verify the domain or take the address off",
            "Microsoft Support, NotAcceptedDomainException",
            "smtp:ann@contoso.local",
        ],
        worlds::unverified,
    ),
    list_rule(
        OTHER_BATCH,
        Side::Cloud,
        [E, E, E, E],
        &[],
        [
            "the mailbox is in no other batch",
            "an earlier try, or somebody else's batch",
            "remove the mailbox from that batch, or the batch",
            "Microsoft Support, UserAlreadyBeingMigratedException",
            "ann@contoso.test is in the batch `test`",
        ],
        worlds::other_batch,
    ),
    list_rule(
        UNIFIED_MESSAGING,
        Side::OnPremises,
        [E, W, E, NO],
        &[],
        [
            "Unified Messaging is off",
            "voice mail is still on for the person",
            "switch it off with Disable-UMMailbox",
            "Microsoft, What you need to know about a staged migration; the guide to a cutover migration",
            "bit 1 of msExchUMEnabledFlags",
        ],
        worlds::unified_messaging,
    ),
    list_rule(
        SYSTEM,
        Side::OnPremises,
        [E, E, E, NO],
        OF_A_MAILBOX,
        [
            "the mailbox belongs to a person",
            "an export without a filter",
            "take the row out",
            "stagepost",
            "SystemMailbox{1f05a927-...}",
        ],
        worlds::system,
    ),
    list_rule(
        NO_MAILBOX,
        Side::OnPremises,
        [E, E, E, NO],
        OF_A_MAILBOX,
        [
            "the object on premises has a mailbox",
            "a contact, a mail user, or a mailbox that was removed",
            "take the row out",
            ERRORS,
            "the object has no homeMDB",
        ],
        worlds::no_mailbox,
    ),
    list_rule(
        FORWARDED,
        Side::Both,
        [E, W, W, NO],
        &[],
        [
            "nobody forwards the mailbox elsewhere by targetAddress",
            "an earlier move to another organization",
            "clear targetAddress if it is not needed any more: the service overwrites it",
            KNOW,
            "targetAddress is SMTP:ann@elsewhere.test",
        ],
        worlds::forwarded,
    ),
    list_rule(
        LINKED_MAILBOX,
        Side::OnPremises,
        [E, W, NO, NO],
        &[NOT_IN_CLOUD, OUT_OF_SCOPE],
        [
            "the mailbox is not linked to an account of another forest",
            "a resource forest",
            "synchronize both forests, or make it a user mailbox",
            DEFAULTS,
            "msExchRecipientTypeDetails is 2",
        ],
        worlds::linked_mailbox,
    ),
    list_rule(
        NO_ALIAS,
        Side::OnPremises,
        [E, E, NO, NO],
        &[NO_ROUTING, OTHER_GUID],
        [
            "the object has an alias",
            "mailNickname was emptied by hand",
            "give it its alias back: without one its Exchange attributes are not synchronized",
            DEFAULTS,
            "mailNickname is empty",
        ],
        worlds::no_alias,
    ),
    list_rule(
        SECOND_MAILBOX,
        Side::Both,
        [W, E, W, NO],
        &[],
        [
            "the person has one mailbox",
            "a licence was given before the Exchange GUID was synchronized",
            "ask the person what the cloud mailbox holds; taking its licence away makes it a mail user again",
            KNOW,
            "the cloud has a licensed mailbox that no batch has made",
        ],
        worlds::second_mailbox,
    ),
    list_rule(
        NO_X500,
        Side::OnPremises,
        [W, NO, NO, NO],
        &[],
        [
            "a converted object has kept its X.500 name",
            "it was converted by hand",
            "convert_to_mail_user of these mailboxes adds what is missing",
            "Microsoft, Convert Exchange 2007 mailboxes to mail-enabled users",
            "a mail user without x500: of its legacyExchangeDN",
        ],
        worlds::no_x500,
    ),
    list_rule(
        OUT_OF_SCOPE,
        Side::Both,
        [E, E, NO, NO],
        &[NOT_IN_CLOUD],
        [
            "the person is within the scope of directory synchronization",
            "the container is not selected, or the default rules pass such an object over",
            "select the container in the synchronization's settings, or move the object, and run a cycle",
            DEFAULTS,
            "nobody of OU=Leavers is in the cloud",
        ],
        worlds::out_of_scope,
    ),
    list_rule(
        NO_ROUTING,
        Side::Both,
        [E, E, NO, NO],
        &[],
        [
            "there is an address at tenant.onmicrosoft.com or tenant.mail.onmicrosoft.com to which the old side can send: staged, in the cloud; remote move, on both sides",
            "an address policy that was never applied, or somebody else holds the address",
            "add the address (for a remote move to the address policy on premises), and run a cycle",
            "Microsoft Support, no smtp proxy matching; KB2956029",
            "a cloud mailbox that has no address of the tenant",
        ],
        worlds::no_routing,
    ),
    list_rule(
        UPN_SUFFIX,
        Side::Both,
        [W, W, NO, NO],
        &[UPN_UNLIKE],
        [
            "people sign in with a name of a domain that the tenant has verified",
            "an inside suffix such as contoso.local",
            "give the account a suffix of a verified domain, or tell the person the name that the tenant made: alias and initial domain",
            "Microsoft, userPrincipalName population in Microsoft Entra ID",
            "userPrincipalName is ann@contoso.local",
        ],
        worlds::upn_suffix,
    ),
    list_rule(
        UPN_UNLIKE,
        Side::OnPremises,
        [W, W, NO, NO],
        &[],
        [
            "people sign in with their primary address",
            "the sign-in name is older than the address",
            "tell the person the sign-in name: Outlook asks for the address first, or make the two the same before the wave",
            "Microsoft, userPrincipalName population in Microsoft Entra ID",
            "userPrincipalName is alee@contoso.test, the primary address ann@contoso.test",
        ],
        worlds::upn_unlike,
    ),
    list_rule(
        DISABLED,
        Side::OnPremises,
        [W, W, W, NO],
        &[],
        [
            "the account of a person's mailbox is enabled",
            "a leaver whose mailbox others still read",
            "decide whether the mailbox has to move; whether the cloud takes mail for it without its account is in doubt",
            "Microsoft, users in directory synchronization; NDR 5.7.129",
            "bit 2 of userAccountControl",
        ],
        worlds::disabled,
    ),
    list_rule(
        DELEGATE_LEFT_OUT,
        Side::OnPremises,
        [W, W, NO, NO],
        &[],
        [
            "who works in another's mailbox moves with it",
            "a list cut by department or by name",
            "put both into one wave: between the two sides nobody can work in another's mailbox",
            "KB2807149",
            "publicDelegates names somebody who is not in the list",
        ],
        worlds::delegate_left_out,
    ),
    list_rule(
        NO_CLOUD_MAILBOX,
        Side::Cloud,
        [NO, NO, NO, E],
        &[TOO_LARGE],
        [
            "the tenant has a mailbox to copy into",
            "the user was made but has no licence, or the address is that of a group",
            "make the mailbox: give the user a licence, and wait until it is there",
            "Microsoft Support, troubleshoot issues with mailbox migration",
            "ann@contoso.test is a mail user",
        ],
        worlds::no_cloud_mailbox,
    ),
    list_rule(
        OTHER_GUID,
        Side::Both,
        [NO, E, NO, NO],
        &[],
        [
            "the cloud's mail user has the Exchange GUID of the mailbox",
            "the GUID is filtered away, or another mailbox was connected since",
            "let msExchMailboxGuid be synchronized, and run a cycle",
            "KB2956029",
            "the mail user has no ExchangeGuid",
        ],
        worlds::other_guid,
    ),
    list_rule(
        SYNCHRONIZATION,
        Side::Cloud,
        [E, E, E, NO],
        &[NOT_IN_CLOUD, OUT_OF_SCOPE],
        [
            "directory synchronization is on for staged migration and remote move, off for a cutover",
            "it was never set up, or left on from an earlier attempt",
            "switch it as the kind of migration needs it; switching it off takes up to three days",
            "Microsoft, Decide on a migration path",
            "onPremisesSyncEnabled is false",
        ],
        worlds::synchronization,
    ),
];

/// Every rule of licences, of a check beforehand and of the list.
pub const LICENCE_RULES: &[ListRule] = &[
    grave(list_rule(
        NO_LOCATION,
        Side::Cloud,
        [W, W, W, NO],
        &[NO_SEAT],
        [
            "a person has a usage location before a licence is given",
            "the directory carries none and stagepost.toml names none",
            "set usage_location in stagepost.toml, or the country of the person",
            "Microsoft Graph, user: assignLicense",
            "usageLocation is null",
        ],
        worlds::no_location,
    )),
    grave(list_rule(
        NO_SEAT,
        Side::Cloud,
        [W, W, W, NO],
        &[],
        [
            "there is a free seat for each mailbox of the wave",
            "fewer licences were bought than mailboxes are moved",
            "buy seats or free some, then run again",
            "Microsoft, 30 days of grace after the mailbox is made",
            "two mailboxes, one free seat",
        ],
        worlds::no_seat,
    )),
    list_rule(
        TOO_LARGE,
        Side::Both,
        [E, E, E, E],
        &[NO_SEAT],
        [
            "the old mailbox fits into the plan",
            "years of mail, and a small plan",
            "give the person a larger plan beforehand, or clean the mailbox up",
            "Microsoft, Exchange Online limits",
            "60 GB, and a plan of 50 GB",
        ],
        worlds::too_large,
    ),
];

/// Every rule that a list is judged by against the directories.
pub fn all() -> impl Iterator<Item = &'static ListRule> {
    LIST_RULES.iter().chain(LICENCE_RULES)
}

/// Looks a rule up by its identifier.
pub fn of(id: &str) -> Option<&'static ListRule> {
    all().find(|r| r.rule.id.eq_ignore_ascii_case(id))
}
