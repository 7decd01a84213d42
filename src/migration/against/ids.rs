//! The identifiers of the rules of a list against the directories. A number is
//! never given to another meaning; what each rule says stands in `rules`.

/// No object on premises has the address.
pub const NOT_ON_PREMISES: &str = "SP201";
/// It has, but as a second address.
pub const NOT_PRIMARY: &str = "SP202";
/// Hidden from address lists.
pub const HIDDEN: &str = "SP203";
/// No cloud object has the address.
pub const NOT_IN_CLOUD: &str = "SP204";
/// The cloud object is neither mail user nor mailbox of an earlier try.
pub const WRONG_RECIPIENT: &str = "SP205";
/// Two objects hold one address.
pub const SHARED_ADDRESS: &str = "SP206";
/// An address is in quarantine.
pub const CONFLICT: &str = "SP207";
/// An address of a domain that the tenant does not have.
pub const UNVERIFIED: &str = "SP208";
/// The row is in another batch.
pub const OTHER_BATCH: &str = "SP209";
/// Unified Messaging is on.
pub const UNIFIED_MESSAGING: &str = "SP210";
/// A system mailbox.
pub const SYSTEM: &str = "SP211";
/// There is an object on premises, but no mailbox.
pub const NO_MAILBOX: &str = "SP212";
/// Somebody else's forwarding.
pub const FORWARDED: &str = "SP213";
/// A linked mailbox.
pub const LINKED_MAILBOX: &str = "SP214";
/// No mailNickname.
pub const NO_ALIAS: &str = "SP215";
/// Two mailboxes: one on each side.
pub const SECOND_MAILBOX: &str = "SP216";
/// Converted without its X.500 name.
pub const NO_X500: &str = "SP217";
/// Outside the scope of synchronization.
pub const OUT_OF_SCOPE: &str = "SP218";
/// No address of the tenant to send to.
pub const NO_ROUTING: &str = "SP219";
/// Signs in with a suffix that the tenant has not verified.
pub const UPN_SUFFIX: &str = "SP220";
/// Signs in with another name than the address.
pub const UPN_UNLIKE: &str = "SP221";
/// The account is disabled.
pub const DISABLED: &str = "SP222";
/// Works with somebody who is not in the list.
pub const DELEGATE_LEFT_OUT: &str = "SP223";
/// The tenant has no mailbox to copy into.
pub const NO_CLOUD_MAILBOX: &str = "SP224";
/// The cloud knows another Exchange GUID.
pub const OTHER_GUID: &str = "SP225";
/// Directory synchronization is not as the kind needs it.
pub const SYNCHRONIZATION: &str = "SP226";
pub use crate::migration::licences::{NO_LOCATION, NO_SEAT, TOO_LARGE};
