//! The company's own data: its names, its people's lists and rights, what is in
//! store for its rows, and what is untidy in it.
//!
//! Data only; the rooms beside say what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::incidents::Incidents;
use super::transport::Transport;
use crate::wire::guid::Guid;

/// The company.
#[derive(Clone, Debug, Default)]
pub struct Company {
    /// `Contoso`.
    pub name: String,
    /// Mail domains, the main one first.
    pub domains: Vec<String>,
    /// `dc=contoso,dc=test`.
    pub base_dn: String,
    /// Primary addresses of the mailboxes that are to move, in list order.
    pub list: Vec<String>,
    /// `2003` or `2007`.
    pub exchange: String,
    /// Outside name of the RPC proxy and of SMTP: `mail.contoso.test`.
    pub mail_host: String,
    /// Name of the mailbox server: `EX07.contoso.test`.
    pub server: String,
    /// Name of the domain controller.
    pub domain_controller: String,
    /// (boss, delegate), both primary addresses: works in the boss's mailbox.
    pub delegates: Vec<(String, String)>,
    /// Rights on others' mailboxes beyond delegates, as a company file names them.
    pub permissions: Vec<Permission>,
    /// Row fates that the seed chose: primary address → fate.
    pub fates: BTreeMap<String, Fate>,
    /// Usage locations that a company file gives (empty: none), by `dn_key`.
    pub locations: BTreeMap<String, String>,
    /// What the tenant has of people before anything happens, by address in
    /// lower case.
    pub beforehand: BTreeMap<String, Beforehand>,
    /// Attribute and value that keep an object out of synchronization.
    pub filter: Option<(String, String)>,
    /// Most sessions that the old server allows at a time.
    pub sessions: Option<u64>,
    /// Items of a mailbox that can't be copied, by address in lower case.
    pub unreadable: BTreeMap<String, u64>,
    /// X.500 names of a former life that nobody kept, by address in lower case.
    pub former: BTreeMap<String, String>,
    /// Second addresses that stand in the list, too: the same person once more.
    pub twice: Vec<String>,
    /// Who is in a batch of an earlier try.
    pub earlier_batch: BTreeSet<String>,
    /// What happens at a time of its own.
    pub incidents: Incidents,
    /// Domains outside that publish p=reject.
    pub strict_senders: Vec<String>,
    /// Senders outside whose messages are larger than the old connector allows.
    pub large_senders: Vec<String>,
    /// Senders outside with an address of the company: shops, newsletters.
    pub own_senders: Vec<String>,
    /// Devices that send to the old server by its address.
    pub devices: Vec<String>,
    /// What is untidy: name of the mess → whom it concerns.
    pub messes: BTreeMap<String, Vec<String>>,
    /// How mail is set up, beyond the directory.
    pub transport: Transport,
}

/// What the tenant has of a person before anything happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beforehand {
    /// A licence, and no mailbox as long as the Exchange GUID is synchronized.
    Licensed,
    /// A licence and a mailbox of its own.
    Mailbox,
}

/// A user in the tenant's recycle bin.
#[derive(Clone, Debug)]
pub struct DeletedUser {
    /// Object id.
    pub id: Guid,
    /// userPrincipalName before the deletion.
    pub upn: String,
    /// displayName.
    pub name: String,
    /// When it was deleted.
    pub deleted: Timestamp,
}

/// A right on somebody's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Primary address of the mailbox.
    pub mailbox: String,
    /// Primary address of who has the right.
    pub holder: String,
    /// Open it and everything in it; else send as it.
    pub full: bool,
}

/// What the seed has in store for a row (beyond what its directory object says).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The copy breaks off with this text; forwarding stays on.
    CopyFails(String),
    /// Nothing is provisioned; the text is the service's.
    ProvisioningFails(String),
    /// The mailbox is made, but TargetAddress can't be written.
    TargetDenied(String),
}
