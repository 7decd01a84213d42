//! The catalogue of what the service says when something goes wrong.
//!
//! Texts are those that administrators see (Microsoft Support articles, the
//! migration guides, field reports), cut into fragments that must occur in their
//! order, because names, times and whole sentences change. What is not known
//! here is not guessed: `explain` answers nothing, and the text stays as it is.

/// Whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lasting {
    /// The service tries again by itself.
    Transient,
    /// Somebody has to do something, then start again.
    Permanent,
    /// The cmdlet itself refused.
    Cmdlet,
}

impl Lasting {
    /// `transient`, `permanent`, `cmdlet`.
    pub fn word(self) -> &'static str {
        match self {
            Lasting::Transient => "transient",
            Lasting::Permanent => "permanent",
            Lasting::Cmdlet => "cmdlet",
        }
    }
}

/// One known error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// A stable word for scripts: `too_many_batches`.
    pub id: &'static str,
    /// Fragments in lower case that occur in this order.
    pub pattern: &'static [&'static str],
    /// Whether waiting helps.
    pub kind: Lasting,
    /// What is behind it.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// A text as the service prints it.
    pub example: &'static str,
}

use Lasting::{Cmdlet, Permanent, Transient};

macro_rules! known {
    ($($id:literal $kind:ident [$($part:literal),+] $cause:literal $remedy:literal $example:literal)+) => {
        /// Every known error; the first that fits is the answer.
        pub const CATALOGUE: &[Known] = &[$(Known {
            id: $id, pattern: &[$($part),+], kind: $kind, cause: $cause, remedy: $remedy, example: $example,
        }),+];
    };
}

known! {
    "too_many_batches" Cmdlet ["maximum number of migration batches"]
        "a tenant holds 100 batches"
        "remove finished ones, or make larger waves"
        "The maximum number of migration batches is already running. Please remove a batch before you add another one"
    "batch_exists" Cmdlet ["migration batch already exists"]
        "the name is in use, or its removal is still under way"
        "take another name, or wait some minutes"
        "The migration batch already exists."
    "outlook_anywhere" Cmdlet ["0x6ba"]
        "Outlook Anywhere refuses the sign-in, or its proxy can't reach port 6004 of the directory servers"
        "allow Basic authentication on Outlook Anywhere, open port 6004, and test with ExchangeServer and RPCProxyServer given"
        "Error 0x6ba (The RPC server is unavailable) from cli_NspiBind"
    "endpoint_unreachable" Cmdlet ["weren't able to connect to the remote server", "migration endpoint settings"]
        "the RPC proxy can't be reached, or its certificate is not trusted"
        "check name, firewall and certificate of the endpoint; a self-signed certificate is refused"
        "We weren't able to connect to the remote server. Please verify that the migration endpoint settings are correct and your certificate is valid, and then try again."
    "no_mrs_proxy" Cmdlet ["no mrsproxy was found"]
        "the MRS proxy is off, or the server's account is protected (adminCount)"
        "name the server explicitly; clear adminCount"
        "The ExchangeRemote endpoint settings could not be determined from the autodiscover response. No MRSProxy was found running at 'mail.contoso.com'."
    "mrs_forbidden" Transient ["mrsproxy.svc", "403"]
        "the MRS proxy is off or stuck"
        "disable and enable it again"
        "The call to 'https://mail.contoso.com/EWS/mrsproxy.svc' failed. Error details: The HTTP request was forbidden (403) Forbidden."
    "connection_timed_out" Cmdlet ["connection to the server", "timed out after"]
        "the port is closed or the service is down"
        "open it for the address ranges of Microsoft 365"
        "The connection to the server mail.contoso.com timed out after 00:00:15."
    "connection_failed" Cmdlet ["connection to the server", "could not be completed"]
        "the MRS proxy is off, a firewall is in the way, or the certificate is not trusted"
        "enable the MRS proxy on the web services directory and look at the certificate"
        "The connection to the server 'mail.contoso.com' could not be completed."
    "no_cloud_address" Permanent ["valid primary e-mail address couldn't be found"]
        "no mail user of the tenant has the address of the row as its primary one"
        "look at directory synchronization and at the primary address"
        "A valid primary e-mail address couldn't be found in the cloud-based service."
    "hidden_or_missing" Permanent ["source e-mail address", "couldn't be found in the on-premises"]
        "the mailbox is hidden from address lists, or the address is wrong"
        "show it, or correct the row, then start again"
        "A source e-mail address ann@contoso.com couldn't be found in the on-premises domain."
    "source_sign_in" Permanent ["couldn't sign in to the user's on-premises account"]
        "the migration account may not open the mailbox"
        "give it Receive As on the database or FullAccess on the mailbox"
        "Microsoft Exchange couldn't sign in to the user's on-premises account."
    "source_mailbox" Permanent ["couldn't connect to the source mailbox"]
        "the migration account may not open the mailbox"
        "give it Receive As on the database or FullAccess on the mailbox"
        "Couldn't connect to the source mailbox."
    "no_access" Permanent ["mapiexceptionnoaccess"]
        "the migration account may not open the mailbox"
        "give it Receive As on the database or FullAccess on the mailbox"
        "MapiExceptionNoAccess: Unable to open message store."
    "federated_password" Permanent ["windows live error", "0x80048210"]
        "ForceChangePassword is True for a federated user"
        "set it to False"
        "A Windows Live error occurred while provisioning for \"ann@contoso.com\". 0x80048210"
    "stale_address_list" Permanent ["is not a valid smtp address"]
        "the address list holds stale entries"
        "update the address list and make the batch anew"
        "\"/o=Contoso/cn=ann\" is not a valid SMTP address"
    "other_object" Permanent ["different type of active directory object already exists"]
        "a leftover object in the cloud"
        "delete it for good and start again"
        "A different type of Active Directory object already exists for \"ann@contoso.com\" in the target forest."
    "sync_timeout" Permanent ["no email could be downloaded for"]
        "the old server is too slow or can't be reached"
        "copy fewer mailboxes at a time and start the row again"
        "SyncTimeoutException: Email migration failed for this user because no email could be downloaded for 5 hours, 0 minutes."
    "poisoned" Permanent ["job is poisoned"]
        "the copy of this mailbox crashed again and again"
        "remove the row and put it into a new batch"
        "MigrationPermanentException: Error: Job is poisoned, poison count = 6."
    "no_progress" Permanent ["job has not made progress since"]
        "the copy of this mailbox stands still"
        "remove the row and put it into a new batch"
        "The job has not made progress since 8/20/2026 9:00:00 AM."
    "no_routing_address" Permanent ["doesn't have an smtp proxy matching"]
        "the routing address is missing on premises, or not synchronized"
        "add it to the address policy and run a cycle"
        "The target mailbox doesn't have an smtp proxy matching 'contoso.mail.onmicrosoft.com'"
    "not_accepted_domain" Permanent ["not an accepted domain for your organization"]
        "an address is of a domain that the tenant has not verified"
        "verify the domain or take the address off"
        "You can't use the domain because it's not an accepted domain for your organization."
    "already_pending" Permanent ["already has a pending request"]
        "a move request or another batch holds the mailbox"
        "remove that request or batch, then start again"
        "UserAlreadyBeingMigratedException: The user 'ann' already has a pending request. Please remove the existing request and resume the current batch or start a new batch for this user."
    "already_moving" Permanent ["is already being moved"]
        "a move request or another batch holds the mailbox"
        "remove that request or batch, then start again"
        "MigrationPermanentException: The onboarding move could not be created because user 'ann' is already being moved."
    "guid_not_synced" Permanent ["cannot find a recipient that has mailbox guid"]
        "the Exchange GUID is not in the cloud"
        "set it on premises, run a cycle, start again"
        "MigrationPermanentException: Cannot find a recipient that has mailbox GUID '00112233-4455-6677-8899-aabbccddeeff'."
    "multiple_entries" Permanent ["matches multiple entries"]
        "a soft-deleted or inactive mailbox has the same address"
        "name the object by its GUID, or remove the deleted one"
        "The operation couldn't be performed because 'ann' matches multiple entries."
    "archive" Permanent ["primaryonly parameter"]
        "the archive is in the cloud already"
        "move the primary mailbox only"
        "You must specify the PrimaryOnly parameter."
    "two_archives" Permanent ["archive database is not explicitly set"]
        "there are two archives"
        "set the archive domain"
        "The archive database is not explicitly set on the mailbox."
    "bad_items" Permanent ["toomanybaditemspermanentexception"]
        "more damaged items than allowed"
        "read the skipped items and approve them"
        "TooManyBadItemsPermanentException: The job encountered too many bad items."
    "missing_items" Permanent ["toomanymissingitemspermanentexception"]
        "more missing items than allowed"
        "read the skipped items and approve them"
        "TooManyMissingItemsPermanentException"
    "large_items" Permanent ["toomanylargeitemspermanentexception"]
        "items over 150 MB"
        "remove or export them, then start again"
        "TooManyLargeItemsPermanentException: MapiExceptionMaxSubmissionExceeded"
    "proxy_limit" Transient ["mrsproxyconnectionlimitreachedtransientexception"]
        "the proxy on premises takes no more connections"
        "raise its limit, or copy fewer mailboxes at a time"
        "MRSProxyConnectionLimitReachedTransientException: Current connections: 100, Connections limit: 100."
    "communication" Transient ["communicationerrortransientexception"]
        "a firewall takes the copy for a flood"
        "exempt the address ranges of Microsoft 365"
        "Transient error CommunicationErrorTransientException has occurred. The system will retry"
    "stalled" Transient ["stalleddueto"]
        "the service looks after its own health"
        "wait; nothing is to be done"
        "StalledDueToTarget_DiskLatency"
    "stalled_replication" Transient ["datamovereplicationconstraint"]
        "the service looks after its own health"
        "wait; nothing is to be done"
        "The job is stalled because DataMoveReplicationConstraint is not satisfied."
    "storage" Permanent ["storagepermanentexception"]
        "damaged views or folder properties"
        "start again with MoveOptions SkipFolderPromotedProperties, SkipFolderViews, SkipFolderRestrictions"
        "StoragePermanentException: Cannot save changes made to an item to store."
    "replication_lag" Transient ["target mailbox unlock operation was not replicated"]
        "replication lags after the completion"
        "wait an hour"
        "Target mailbox unlock operation was not replicated."
    "subscription_gone" Permanent ["subscription wasn't found"]
        "the request behind the row is gone"
        "stop the batch, wait for Stopped, start it"
        "A subscription wasn't found for this user."
    "request_gone" Permanent ["couldn't find a request that matches"]
        "the request behind the row is gone"
        "stop the batch, wait for Stopped, start it"
        "Couldn't find a request that matches the information provided."
    "no_recipient" Permanent ["recipient wasn't found for", "on the target"]
        "the row has no object in the cloud, or a group"
        "create it or correct the row"
        "A recipient wasn't found for ann@contoso.com on the target. Create a recipient of the appropriate type."
    "wrong_type" Permanent ["migration user type for", "is not correct"]
        "the object in the cloud is of another type"
        "look whether it is a mail user"
        "The migration user type for 'ann@contoso.com' is not correct. Please ensure it has RecipientTypeDetails:MailUser."
    "imap_sign_in" Permanent ["trouble signing in to this account"]
        "name or password of the row is wrong, or IMAP is off"
        "correct the row"
        "We had trouble signing in to this account. Confirm that you're using the correct user name and password."
    "mailbox_full" Permanent ["mailbox is full"]
        "the plan is too small"
        "give a larger plan, or clean the mailbox up"
        "This mailbox is full. Please free up some space so that email can be downloaded."
    "missing_column" Cmdlet ["is missing from the csv file"]
        "a required column is absent"
        "add it"
        "Column \"EmailAddress\" is missing from the CSV file. The import process can't continue because this column is required. Please edit the CSV file and re-submit it."
    "ragged_row" Cmdlet ["has the wrong number of columns"]
        "a row is not as wide as the header"
        "add the missing commas"
        "Row 17 has the wrong number of columns. Expected number: 3. Actual number: 2. Please edit this row and re-submit the file."
    "too_many_rows" Cmdlet ["csv file contains more than", "rows"]
        "the file has more rows than the service takes"
        "divide it"
        "The CSV file contains more than 50,000 rows. Please divide the file into two or more files and submit them separately."
    "empty_file" Cmdlet ["upload file can't be empty"]
        "the file is empty"
        "give the list that holds the mailboxes"
        "Upload file can't be empty"
    "last_sync_too_old" Cmdlet ["last sync date older than 7 days"]
        "the rows were not synced lately"
        "start the batch again and wait"
        "The migration batch can't be completed due to one or more users having a last sync date older than 7 days."
    "server_throttled" Transient ["4.7.230"]
        "mail from an out-of-date Exchange server is throttled when it comes through a connector"
        "update the server, pause the enforcement for the tenant, or send without that connector"
        "450 4.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online throttled for 5 mins/hr."
    "server_blocked" Permanent ["5.7.230"]
        "mail from an out-of-date Exchange server is blocked when it comes through a connector"
        "update the server, pause the enforcement for the tenant, or send without that connector"
        "550 5.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online blocked."
    "direct_send" Permanent ["5.7.68"]
        "the tenant refuses anonymous mail from its own domains that matches no connector"
        "make an inbound connector for the old servers, or switch RejectDirectSend off"
        "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources"
    "unknown_recipient" Permanent ["5.4.1", "recipient address rejected"]
        "the accepted domain is authoritative and the cloud doesn't know the recipient"
        "set the domain to InternalRelay until everybody is there, or create the recipient"
        "550 5.4.1 [ann@contoso.com]: Recipient address rejected: Access denied"
    "no_usage_location" Cmdlet ["invalid usage location"]
        "the person has no usage location"
        "set it, then give the licence"
        "License assignment cannot be done for user with invalid usage location."
    "no_licences" Cmdlet ["does not have any available licenses"]
        "all seats of the product are taken"
        "buy seats or free some"
        "Subscription with SKU 6fd2c87f does not have any available licenses."
    "synchronized_object" Cmdlet ["because the object is being synchronized"]
        "the attribute is mastered on premises"
        "change it in Active Directory and run a cycle"
        "The operation on mailbox \"ann\" failed because it's out of the current user's write scope. The action 'Set-Mailbox', 'EmailAddresses', can't be performed on the object 'ann' because the object is being synchronized from your on-premises organization."
}

/// What is known of a text, if anything. Case and typographic apostrophes
/// don't matter.
pub fn explain(text: &str) -> Option<&'static Known> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    CATALOGUE.iter().find(|known| {
        let mut rest = text.as_str();
        known.pattern.iter().all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

/// Whether waiting helps: by the catalogue, else by the name of the exception,
/// whose ending says it.
pub fn lasting(text: &str) -> Option<Lasting> {
    explain(text).map(|k| k.kind).or_else(|| {
        if text.contains("TransientException") {
            Some(Transient)
        } else if text.contains("PermanentException") {
            Some(Permanent)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_example_is_explained_by_its_own_entry() {
        for known in CATALOGUE {
            assert_eq!(explain(known.example).map(|k| k.id), Some(known.id), "{}", known.example);
            assert!(known.pattern.iter().all(|p| p.to_lowercase() == *p));
        }
        let ids: BTreeSet<_> = CATALOGUE.iter().map(|k| k.id).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        assert_eq!(explain("The moon is full."), None);
        assert_eq!(lasting("SomethingNewTransientException: hm"), Some(Transient));
        assert_eq!(lasting("The moon is full."), None);
        assert_eq!(
            explain("A valid primary e-mail address couldn\u{2019}t be found").map(|k| k.id),
            Some("no_cloud_address")
        );
    }
}
