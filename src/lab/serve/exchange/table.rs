//! The cmdlets that the lab knows, as data: parameters, confirmation, function.
//!
//! Names and types are those of the cmdlets' pages for Exchange Online; what a
//! page declares for on-premises only is absent, so that it fails here first.

use super::bind::Kind::{Bool, Bytes, Credential, Guid, Int, Many, Span, Switch, Text, Time, Unlimited, Word, Words};
use super::bind::{Parameter, opt, req};
use super::{Call, Outcome, batches, endpoints, organization, recipients, users};

/// A cmdlet.
pub struct Cmdlet {
    /// In the spelling of its page.
    pub name: &'static str,
    /// Whether it asks for confirmation by itself.
    pub confirms: bool,
    /// Its own parameters; common ones come on top.
    pub parameters: &'static [Parameter],
    /// What it does.
    pub run: fn(&mut Call<'_>) -> Outcome,
}

const fn cmdlet(
    name: &'static str,
    confirms: bool,
    parameters: &'static [Parameter],
    run: fn(&mut Call<'_>) -> Outcome,
) -> Cmdlet {
    Cmdlet { name, confirms, parameters, run }
}

/// A cmdlet by name, without regard to case.
pub fn find(name: &str) -> Option<&'static Cmdlet> {
    ALL.iter().find(|c| c.name.eq_ignore_ascii_case(name))
}

const BATCH_STATUS: &[&str] = &[
    "Created", "Syncing", "Stopping", "Stopped", "Completed", "Failed", "Removing", "Synced", "IncrementalSyncing",
    "Completing", "CompletedWithErrors", "SyncedWithErrors", "Corrupted", "Waiting", "Starting",
];
const USER_STATUS: &[&str] = &[
    "Queued", "Syncing", "Failed", "Synced", "IncrementalFailed", "Completing", "Completed", "CompletionFailed",
    "Corrupted", "Provisioning", "ProvisionUpdating", "CompletionSynced", "Validating", "IncrementalSyncing",
    "IncrementalSynced", "CompletedWithWarnings", "Stopped", "IncrementalStopped", "Starting", "Stopping", "Removing",
];
const USER_SUMMARY: &[&str] = &["Active", "Failed", "Synced", "Completed", "Stopped"];
const AUTHENTICATION: &[&str] = &[
    "Basic", "Digest", "Ntlm", "Fba", "WindowsIntegrated", "LiveIdFba", "LiveIdBasic", "WSSecurity", "Certificate",
    "NegoEx", "OAuth", "Adfs", "Kerberos", "Negotiate", "LiveIdNegotiate", "Misconfigured",
];
const PERMISSION: &[&str] = &["Admin", "FullAccess"];
const SECURITY: &[&str] = &["None", "Ssl", "Tls"];
const RECIPIENT_TYPES: &[&str] = &["UserMailbox", "MailUser", "MailContact", "MailUniversalDistributionGroup"];
const RECIPIENT_DETAILS: &[&str] = &[
    "UserMailbox", "SharedMailbox", "RoomMailbox", "EquipmentMailbox", "MailUser", "MailContact",
    "MailUniversalDistributionGroup", "DiscoveryMailbox",
];

/// All of them, in the order of the pages.
pub const ALL: &[Cmdlet] = &[
    cmdlet(
        "New-MigrationBatch",
        false,
        &[
            req("Name", Text),
            opt("SourceEndpoint", Text),
            opt("TargetEndpoint", Text),
            opt("CSVData", Bytes),
            opt("TargetDeliveryDomain", Text),
            opt("AllowUnknownColumnsInCsv", Bool),
            opt("AutoStart", Switch),
            opt("StartAfter", Time),
            opt("AutoComplete", Switch),
            opt("CompleteAfter", Time),
            opt("TimeZone", Text),
            opt("NotificationEmails", Many),
            opt("ReportInterval", Span),
            opt("SkipReports", Switch),
            opt("ExcludeFolders", Many),
            opt("IncludeFolders", Many),
            opt("ContentFilter", Text),
            opt("PrimaryOnly", Switch),
            opt("ArchiveOnly", Switch),
            opt("SkipMerging", Many),
            opt("AdoptPreexisting", Switch),
            opt("RemoveOnCopy", Switch),
            opt("Users", Many),
            opt("UserIds", Many),
            opt("DisableOnCopy", Switch),
            opt("Partition", Text),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        batches::new,
    ),
    cmdlet(
        "Get-MigrationBatch",
        false,
        &[
            opt("Identity", Text),
            opt("DiagnosticInfo", Text),
            opt("Endpoint", Text),
            opt("IncludeReport", Switch),
            opt("Partition", Text),
            opt("ResultSize", Unlimited),
            opt("Status", Word(BATCH_STATUS)),
        ],
        batches::get,
    ),
    cmdlet(
        "Set-MigrationBatch",
        false,
        &[
            req("Identity", Text),
            opt("AddUsers", Switch),
            opt("AllowUnknownColumnsInCsv", Bool),
            opt("ApproveSkippedItems", Switch),
            opt("CompleteAfter", Time),
            opt("CSVData", Bytes),
            opt("MoveOptions", Many),
            opt("NotificationEmails", Many),
            opt("Partition", Text),
            opt("ReportInterval", Span),
            opt("SkipMerging", Many),
            opt("SkipMoving", Many),
            opt("SkipReports", Bool),
            opt("StartAfter", Time),
            opt("SyncNow", Switch),
            opt("Update", Switch),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        batches::set,
    ),
    cmdlet(
        "Start-MigrationBatch",
        false,
        &[opt("Identity", Text), opt("Partition", Text), opt("Confirm", Switch), opt("WhatIf", Switch)],
        batches::start,
    ),
    cmdlet(
        "Stop-MigrationBatch",
        true,
        &[opt("Identity", Text), opt("Partition", Text), opt("Confirm", Switch), opt("WhatIf", Switch)],
        batches::stop,
    ),
    cmdlet(
        "Complete-MigrationBatch",
        true,
        &[
            opt("Identity", Text),
            opt("Partition", Text),
            opt("SyncAndComplete", Switch),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        batches::complete,
    ),
    cmdlet(
        "Remove-MigrationBatch",
        true,
        &[opt("Identity", Text), opt("Partition", Text), opt("Confirm", Switch), opt("WhatIf", Switch)],
        batches::remove,
    ),
    cmdlet(
        "Get-MigrationUser",
        false,
        &[
            opt("Identity", Text),
            opt("EmailAddress", Text),
            opt("MailboxGuid", Guid),
            opt("BatchId", Text),
            opt("IncludeAssociatedUsers", Switch),
            opt("Partition", Text),
            opt("ResultSize", Unlimited),
            opt("Status", Word(USER_STATUS)),
            opt("StatusSummary", Word(USER_SUMMARY)),
        ],
        users::get,
    ),
    cmdlet(
        "Get-MigrationUserStatistics",
        false,
        &[
            req("Identity", Text),
            opt("DiagnosticInfo", Text),
            opt("IncludeReport", Switch),
            opt("IncludeSkippedItems", Switch),
            opt("LimitSkippedItemsTo", Int),
            opt("Partition", Text),
            opt("SkipSubscription", Switch),
        ],
        users::statistics,
    ),
    cmdlet(
        "New-MigrationEndpoint",
        false,
        &[
            req("Name", Text),
            opt("ExchangeOutlookAnywhere", Switch),
            opt("ExchangeRemoteMove", Switch),
            opt("IMAP", Switch),
            opt("Autodiscover", Switch),
            opt("Credentials", Credential),
            opt("EmailAddress", Text),
            opt("ExchangeServer", Text),
            opt("RpcProxyServer", Text),
            opt("NspiServer", Text),
            opt("RemoteServer", Text),
            opt("SourceMailboxLegacyDN", Text),
            opt("TestMailbox", Text),
            opt("Authentication", Word(AUTHENTICATION)),
            opt("MailboxPermission", Word(PERMISSION)),
            opt("AcceptUntrustedCertificates", Switch),
            opt("Port", Int),
            opt("Security", Word(SECURITY)),
            opt("MaxConcurrentMigrations", Unlimited),
            opt("MaxConcurrentIncrementalSyncs", Unlimited),
            opt("SkipVerification", Switch),
            opt("Partition", Text),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        endpoints::new,
    ),
    cmdlet(
        "Get-MigrationEndpoint",
        false,
        &[opt("Identity", Text), opt("Type", Text), opt("DiagnosticInfo", Text), opt("Partition", Text)],
        endpoints::get,
    ),
    cmdlet(
        "Set-MigrationEndpoint",
        false,
        &[
            req("Identity", Text),
            opt("AcceptUntrustedCertificates", Bool),
            opt("Authentication", Word(AUTHENTICATION)),
            opt("Credentials", Credential),
            opt("ExchangeServer", Text),
            opt("MailboxPermission", Word(PERMISSION)),
            opt("MaxConcurrentIncrementalSyncs", Unlimited),
            opt("MaxConcurrentMigrations", Unlimited),
            opt("NspiServer", Text),
            opt("Partition", Text),
            opt("Port", Int),
            opt("RemoteServer", Text),
            opt("RpcProxyServer", Text),
            opt("Security", Word(SECURITY)),
            opt("SkipVerification", Switch),
            opt("SourceMailboxLegacyDN", Text),
            opt("TestMailbox", Text),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        endpoints::set,
    ),
    cmdlet(
        "Remove-MigrationEndpoint",
        true,
        &[req("Identity", Text), opt("Partition", Text), opt("Confirm", Switch), opt("WhatIf", Switch)],
        endpoints::remove,
    ),
    cmdlet(
        "Test-MigrationServerAvailability",
        false,
        &[
            opt("Endpoint", Text),
            opt("ExchangeOutlookAnywhere", Switch),
            opt("ExchangeRemoteMove", Switch),
            opt("Imap", Switch),
            opt("Autodiscover", Switch),
            opt("Credentials", Credential),
            opt("EmailAddress", Text),
            opt("ExchangeServer", Text),
            opt("RPCProxyServer", Text),
            opt("RemoteServer", Text),
            opt("SourceMailboxLegacyDN", Text),
            opt("TestMailbox", Text),
            opt("Authentication", Word(AUTHENTICATION)),
            opt("MailboxPermission", Word(PERMISSION)),
            opt("AcceptUntrustedCertificates", Switch),
            opt("Port", Int),
            opt("Security", Word(SECURITY)),
            opt("Partition", Text),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        endpoints::test,
    ),
    cmdlet(
        "Get-MigrationConfig",
        false,
        &[opt("Identity", Text), opt("Partition", Text), opt("AllPartitions", Switch)],
        organization::migration_config,
    ),
    cmdlet("Get-MigrationStatistics", false, &[opt("DiagnosticInfo", Text), opt("Partition", Text)], users::totals),
    cmdlet(
        "Get-Mailbox",
        false,
        &[
            opt("Identity", Text),
            opt("Filter", Text),
            opt("ResultSize", Unlimited),
            opt("RecipientTypeDetails", Words(RECIPIENT_DETAILS)),
            opt("SoftDeletedMailbox", Switch),
            opt("Migration", Switch),
        ],
        recipients::mailboxes,
    ),
    cmdlet(
        "Get-MailboxStatistics",
        false,
        &[req("Identity", Text), opt("Archive", Switch), opt("IncludeSoftDeletedRecipients", Switch)],
        recipients::mailbox_statistics,
    ),
    cmdlet(
        "Get-MailUser",
        false,
        &[
            opt("Identity", Text),
            opt("Filter", Text),
            opt("ResultSize", Unlimited),
            opt("SoftDeletedMailUser", Switch),
        ],
        recipients::mail_users,
    ),
    cmdlet(
        "Get-Recipient",
        false,
        &[
            opt("Identity", Text),
            opt("Filter", Text),
            opt("ResultSize", Unlimited),
            opt("RecipientType", Words(RECIPIENT_TYPES)),
            opt("RecipientTypeDetails", Words(RECIPIENT_DETAILS)),
            opt("IncludeSoftDeletedRecipients", Switch),
        ],
        recipients::recipients,
    ),
    cmdlet(
        "Set-Mailbox",
        false,
        &[
            req("Identity", Text),
            opt("EmailAddresses", Many),
            opt("ForwardingSmtpAddress", Text),
            opt("DeliverToMailboxAndForward", Bool),
            opt("HiddenFromAddressListsEnabled", Bool),
            opt("DisplayName", Text),
            opt("Alias", Text),
            opt("WindowsEmailAddress", Text),
            opt("Type", Word(&["Regular", "Shared", "Room", "Equipment"])),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        recipients::set_mailbox,
    ),
    cmdlet(
        "Get-AcceptedDomain",
        false,
        &[opt("Identity", Text), opt("ResultSize", Unlimited)],
        organization::accepted_domains,
    ),
    cmdlet(
        "Set-AcceptedDomain",
        false,
        &[
            req("Identity", Text),
            opt("DomainType", Word(&["Authoritative", "InternalRelay"])),
            opt("MatchSubDomains", Bool),
            opt("SendingFromDomainDisabled", Bool),
            opt("SendingToDomainDisabled", Bool),
            opt("Confirm", Switch),
            opt("WhatIf", Switch),
        ],
        organization::set_accepted_domain,
    ),
    cmdlet(
        "Get-InboundConnector",
        false,
        &[opt("Identity", Text), opt("ResultSize", Unlimited)],
        organization::inbound_connectors,
    ),
    cmdlet(
        "Get-OutboundConnector",
        false,
        &[
            opt("Identity", Text),
            opt("IncludeTestModeConnectors", Bool),
            opt("IsTransportRuleScoped", Bool),
            opt("ResultSize", Unlimited),
        ],
        organization::outbound_connectors,
    ),
    cmdlet("Get-OrganizationConfig", false, &[], organization::organization_config),
];
