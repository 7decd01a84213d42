//! Every read of a survey, as data: what is asked of whom, what the file lacks
//! without it, and which right shows it.
//!
//! It asks nobody; `gather` does.

/// Users, contacts, groups, query groups and folders with an address, and accounts
/// without mail: they hold names, too.
pub const OBJECTS: &str =
    "(|(&(objectClass=user)(sAMAccountName=*)(!(objectClass=computer)))(proxyAddresses=*)(mail=*)(targetAddress=*))";

/// Organization, servers, stores, service connection points, accepted domains.
pub const CONFIGURATION: &str = "(|(objectClass=msExchOrganizationContainer)(objectClass=msExchAdminGroup)(objectClass=msExchExchangeServer)(objectClass=msExchStorageGroup)(objectClass=msExchPrivateMDB)(objectClass=msExchPublicMDB)(objectClass=msExchAcceptedDomain)(objectClass=msExchRoutingSMTPConnector)(&(objectClass=serviceConnectionPoint)(serviceClassName=ms-Exchange-AutoDiscover-Service)))";

/// Attributes of the table that are never asked for: back links and stamps of the
/// server, pictures, descriptors of who may do what to an object, and whatever is or
/// was a secret.
pub const NOT_ASKED: &[&str] = &[
    "altRecipientBL",
    "attributeSecurityGUID",
    "distinguishedName",
    "homeMDBBL",
    "mAPIRecipient",
    "memberOf",
    "msExchBlockedSendersHash",
    "msExchDelegateListBL",
    "msExchSafeRecipientsHash",
    "msExchSafeSendersHash",
    "msExchUMPinChecksum",
    "msExchUMSpokenName",
    "nTSecurityDescriptor",
    "objectSid",
    "publicDelegatesBL",
    "replicationSensitivity",
    "schemaIDGUID",
    "thumbnailPhoto",
    "uSNChanged",
    "unicodePwd",
    "whenChanged",
];

/// What is asked beyond the table, of objects that are no mailbox.
pub const ALSO_ASKED: &[&str] = &[
    "groupType",
    "msExchDynamicDLBaseDN",
    "msExchDynamicDLFilter",
    "msExchMessageJournalRecipient",
    "msExchAcceptedDomainName",
    "msExchAcceptedDomainFlags",
];

/// Members of a Graph user.
pub const USER: &str = "id,userPrincipalName,displayName,proxyAddresses,usageLocation,assignedLicenses,onPremisesImmutableId,accountEnabled";

/// How a read is done.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// What the domain controller is, and which contexts it holds.
    Root,
    /// One paged search below the domain.
    Objects,
    /// One paged search of the configuration.
    Configuration,
    /// A collection of Graph.
    Graph(&'static str),
    /// Two collections of Graph for each custom domain.
    DomainRecords,
    /// A cmdlet, whether all rows must be asked for, and which properties.
    Exchange(&'static str, bool, &'static [&'static str]),
    /// The zones of the mail domains.
    Zones,
}

/// One read.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Stable name: `graph.users`.
    pub name: &'static str,
    /// What is read, for people.
    pub about: &'static str,
    /// What counts its rows: one, several.
    pub unit: (&'static str, &'static str),
    /// What the file lacks without it; empty of a read that there is no survey
    /// without.
    pub lack: &'static str,
    /// Which right shows it.
    pub right: &'static str,
    /// How.
    pub way: Way,
}

const DIRECTORY: &str = "let the profile's directory account read the domain and the configuration";
const EXCHANGE: &str = "give the application Exchange.ManageAsApp and a role that reads recipients, such as View-Only Organization Management";

const fn read(
    name: &'static str,
    about: &'static str,
    unit: (&'static str, &'static str),
    lack: &'static str,
    right: &'static str,
    way: Way,
) -> Read {
    Read { name, about, unit, lack, right, way }
}

/// All of them, in their order.
pub const READS: &[Read] = &[
    read("directory.root", "the domain controller", ("server", "servers"), "", DIRECTORY, Way::Root),
    read("directory.objects", "people, contacts, groups, folders", ("object", "objects"), "", DIRECTORY, Way::Objects),
    read(
        "directory.configuration",
        "organization, servers, stores",
        ("object", "objects"),
        "organization, servers and stores",
        DIRECTORY,
        Way::Configuration,
    ),
    read(
        "graph.domains",
        "domains of the tenant",
        ("domain", "domains"),
        "the tenant's domains and whether they are verified",
        "consent to Domain.Read.All",
        Way::Graph("/domains"),
    ),
    read(
        "graph.domain-records",
        "records that the tenant wants",
        ("domain", "domains"),
        "verification values and MX hosts of the tenant's domains",
        "consent to Domain.Read.All",
        Way::DomainRecords,
    ),
    read(
        "graph.skus",
        "licence products",
        ("product", "products"),
        "licence products and seats",
        "consent to Organization.Read.All",
        Way::Graph("/subscribedSkus"),
    ),
    read(
        "graph.users",
        "users of the tenant",
        ("user", "users"),
        "users of the tenant, usage locations and licences",
        "consent to User.Read.All",
        Way::Graph("/users"),
    ),
    read(
        "graph.deleted",
        "the recycle bin",
        ("user", "users"),
        "users in the tenant's recycle bin",
        "consent to User.Read.All",
        Way::Graph("/directory/deletedItems/microsoft.graph.user"),
    ),
    read(
        "exchange.recipients",
        "recipients of the tenant",
        ("recipient", "recipients"),
        "what the tenant's users are to Exchange Online",
        EXCHANGE,
        Way::Exchange(
            "Get-Recipient",
            true,
            &["ExternalDirectoryObjectId", "RecipientTypeDetails", "ExternalEmailAddress"],
        ),
    ),
    read(
        "exchange.mailboxes",
        "mailboxes of the tenant",
        ("mailbox", "mailboxes"),
        "mailboxes that are in the cloud already",
        EXCHANGE,
        Way::Exchange("Get-Mailbox", true, &["ExternalDirectoryObjectId", "ExchangeGuid", "LegacyExchangeDN"]),
    ),
    read(
        "exchange.mail-users",
        "mail users of the tenant",
        ("mail user", "mail users"),
        "X.500 names of the tenant's mail users",
        EXCHANGE,
        Way::Exchange("Get-MailUser", true, &["ExternalDirectoryObjectId", "LegacyExchangeDN"]),
    ),
    read(
        "exchange.migration-users",
        "rows of earlier batches",
        ("row", "rows"),
        "who is in a batch of an earlier try",
        EXCHANGE,
        Way::Exchange("Get-MigrationUser", true, &["Identity", "MailboxEmailAddress"]),
    ),
    read(
        "exchange.accepted-domains",
        "accepted domains",
        ("domain", "domains"),
        "types of the accepted domains",
        EXCHANGE,
        Way::Exchange("Get-AcceptedDomain", false, &[]),
    ),
    read(
        "exchange.inbound",
        "connectors to the tenant",
        ("connector", "connectors"),
        "connectors to the tenant",
        EXCHANGE,
        Way::Exchange("Get-InboundConnector", false, &[]),
    ),
    read(
        "exchange.outbound",
        "connectors from the tenant",
        ("connector", "connectors"),
        "connectors from the tenant",
        EXCHANGE,
        Way::Exchange("Get-OutboundConnector", false, &[]),
    ),
    read(
        "exchange.organization",
        "the tenant's mail settings",
        ("organization", "organizations"),
        "whether the tenant rejects direct sending",
        EXCHANGE,
        Way::Exchange("Get-OrganizationConfig", false, &[]),
    ),
    read(
        "dns.zones",
        "records of the mail domains",
        ("domain", "domains"),
        "the zones of the mail domains",
        "name two resolvers in the profile that answer for the world, and let UDP and TCP port 53 out",
        Way::Zones,
    ),
];
