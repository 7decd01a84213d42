//! Doubts of the published facts, as switches of the lab.
//!
//! Where Microsoft's pages disagree, or nobody has written down what happens, the
//! lab doesn't pretend to know: it has a switch with the value that is likelier,
//! and the other. The standard script passes under both, which a test holds.
//! Nothing is decided here; whoever acts asks [`Settings::is`].

use std::collections::BTreeMap;

use super::World;
use crate::wire::lab::Setting;

/// One doubt.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// Stable name.
    pub name: &'static str,
    /// What it may be; the first is the usual one.
    pub values: &'static [&'static str],
    /// What is in doubt, one sentence for an administrator.
    pub about: &'static str,
    /// What to try in a pilot to know, one sentence.
    pub pilot: &'static str,
    /// Where the doubt comes from (`who-delivers-what`, section 8, or
    /// `life-of-a-mailbox`, section 6).
    pub source: &'static str,
}

impl Switch {
    /// The value that the lab has by itself.
    pub fn usual(&self) -> &'static str {
        self.values.first().copied().unwrap_or_default()
    }
}

const fn switch(
    name: &'static str,
    values: &'static [&'static str],
    source: &'static str,
    about: &'static str,
    pilot: &'static str,
) -> Switch {
    Switch { name, values, about, pilot, source }
}

/// All switches, in the order in which they are told.
pub const SWITCHES: &[Switch] = &[
    switch(
        "alt_vs_target",
        &["target", "alternate"],
        "no source",
        "Whether the old host follows the target address or the alternate recipient of a mailbox that has both.",
        "Forward a pilot mailbox that has an alternate recipient, write to it, and see who gets the message.",
    ),
    switch(
        "target_keeps_copy",
        &["no", "yes"],
        "XT",
        "Whether the old mailbox keeps a copy of what its target address sends on.",
        "Write to a forwarded pilot mailbox and look into the old one.",
    ),
    switch(
        "delicensed_object",
        &["mail_user", "mail_disabled"],
        "MICH, I5712, DELI",
        "Whether a synchronized person whose licence is taken away shows as a mail user again, or takes no mail at all.",
        "Take the licence of a pilot mailbox away and ask Get-Recipient for it an hour later.",
    ),
    switch(
        "grace_end",
        &["disabled", "receives"],
        "KB3158794, 571, CMD",
        "Whether a mailbox without a licence stops taking mail at once, or takes it for the 30 days that it is kept.",
        "Take the licence of a pilot mailbox away, write to it, give the licence back and look.",
    ),
    switch(
        "c2_outcome",
        &["loop", "bounce"],
        "no source",
        "Whether mail to a mail user that points to its own tenant goes in circles until it is returned (5.4.14), or is returned at once (5.1.10).",
        "Nothing needs to be tried: both return the message; only the text differs.",
    ),
    switch(
        "stale_external_address",
        &["yes", "no"],
        "KB4456110",
        "Whether a mail user keeps its old external address when the target address is cleared and no other address changes.",
        "Clear the target address of a released pilot mailbox, synchronize, and read ExternalEmailAddress.",
    ),
    switch(
        "tes_without_connector",
        &["no", "yes"],
        "TES",
        "Whether the service also slows an out-of-date server down that sends without a connector.",
        "Send through the old host without the connector and read the delay in the message trace.",
    ),
    switch(
        "disabled_account_cloud",
        &["delivered", "refused"],
        "571",
        "Whether the cloud refuses mail for a user mailbox whose account is disabled on premises.",
        "Move a leaver's mailbox, whose account is disabled, in the pilot and write to it.",
    ),
    switch(
        "dkim_survives_old_host",
        &["no", "yes"],
        "SPF15, DMD",
        "Whether the signature of a sender outside is still good after the old host has sent a message on.",
        "Write to a forwarded pilot mailbox from a signed domain and read Authentication-Results.",
    ),
    switch(
        "cloud_hop_limit",
        &["20", "30"],
        "LOOP, CDSN",
        "After how many rounds the cloud gives up on a message that goes in circles.",
        "Nothing needs to be tried: the message is returned either way.",
    ),
    switch(
        "attributed_unknown",
        &["5.1.10", "5.4.1"],
        "DBEB, CDSN",
        "Whether the cloud refuses an unknown address at its edge (5.4.1) or returns it later (5.1.10) when the old host sends it over the connector.",
        "Send through the old host to a routing address that nobody has, and read the code.",
    ),
    switch(
        "grace_counts_from",
        &["mailbox", "user"],
        "X-stage, BENW, X500c",
        "Whether the 30 days without a licence count from the mailbox or from the user, who may be there for months.",
        "Leave one pilot mailbox without a licence, of a user who is older than 30 days, and look the next morning.",
    ),
    switch(
        "relicensed_after_window",
        &["empty_mailbox", "none"],
        "TC3262592, BENW",
        "Whether a licence that comes after the mailbox was purged makes an empty mailbox, or none.",
        "Nothing should be tried: give every licence within the 30 days.",
    ),
    switch(
        "batch_mailbox_guid",
        &["own", "synced"],
        "X-know, CODE2",
        "Whether the mailbox that a batch makes has a GUID of its own or the one that was synchronized from the old mailbox.",
        "Compare ExchangeGuid of a pilot mailbox with msExchMailboxGuid of its directory object.",
    ),
    switch(
        "other_guid_synced",
        &["ignored", "freezes"],
        "C7, S-archive",
        "Whether a synchronized GUID that differs from the cloud mailbox's is passed over, or stops all further changes of that person from arriving.",
        "Change an attribute of a pilot mailbox between copy and conversion, and see whether it arrives.",
    ),
    switch(
        "forwarding_written",
        &["before_copy", "after_copy_begins"],
        "X-know",
        "Whether the service writes the target address before it copies a mailbox, or when the copy has begun.",
        "Read targetAddress of the pilot rows while they wait for a connection.",
    ),
    switch(
        "shared_and_room_rows",
        &["user_mailbox", "keep_type"],
        "X500b",
        "Whether shared mailboxes and rooms arrive as user mailboxes or as what they were.",
        "Put one shared mailbox and one room into the pilot and read RecipientTypeDetails.",
    ),
    switch(
        "existing_mailbox_in_batch",
        &["accepted", "failed"],
        "X-know",
        "Whether a batch accepts a row whose cloud mailbox was made by a licence beforehand.",
        "Give no licence before the batch, or try it with one pilot mailbox.",
    ),
    switch(
        "mail_to_disconnected",
        &["loop", "bounce"],
        "no source",
        "Whether mail to a mailbox that lost its licence, and is forwarded to still, goes in circles (5.4.14) or is returned at once (5.1.10).",
        "Nothing needs to be tried: both return the message; only the text differs.",
    ),
];

/// The switch of a name.
pub fn switch_of(name: &str) -> Option<&'static Switch> {
    SWITCHES.iter().find(|s| s.name == name)
}

/// The values in force: those that are not usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, &'static str>);

impl Settings {
    /// Of names and values that were checked; what is unknown is passed over.
    pub fn of(chosen: &BTreeMap<String, String>) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in chosen {
            // `check` of the company file and `set` of the command line refuse it.
            let _ = settings.set(name, value);
        }
        settings
    }

    /// Sets a switch.
    ///
    /// # Errors
    /// A sentence and what to write instead: an unknown name or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), (String, String)> {
        let Some(switch) = switch_of(name) else {
            let known: Vec<&str> = SWITCHES.iter().map(|s| s.name).collect();
            return Err((format!("the lab has no setting `{name}`"), super::file::read::nearest(name, &known)));
        };
        let Some(value) = switch.values.iter().find(|v| **v == value) else {
            let said = format!("`{value}` is no value of the setting `{name}`");
            return Err((said, format!("write one of: {}", switch.values.join(", "))));
        };
        if *value == switch.usual() {
            self.0.remove(switch.name);
        } else {
            self.0.insert(switch.name, value);
        }
        Ok(())
    }

    /// Sets a switch as a command line has it, `NAME=VALUE`.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn set_pair(&mut self, pair: &str) -> Result<(), (String, String)> {
        let Some((name, value)) = pair.split_once('=') else {
            return Err((format!("`{pair}` sets nothing"), "write NAME=VALUE: grace_end=receives".into()));
        };
        self.set(name.trim(), value.trim())
    }

    /// The value in force.
    pub fn get(&self, name: &str) -> &'static str {
        let switch = switch_of(name);
        debug_assert!(switch.is_some(), "no setting {name}");
        self.0.get(name).copied().or_else(|| switch.map(Switch::usual)).unwrap_or_default()
    }

    /// Whether a switch has a value.
    pub fn is(&self, name: &str, value: &str) -> bool {
        debug_assert!(switch_of(name).is_some_and(|s| s.values.contains(&value)), "no setting {name}={value}");
        self.get(name) == value
    }

    /// What is not usual, as a company file writes it.
    pub fn chosen(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// All doubts and how this lab settles them.
pub fn told(world: &World) -> Vec<Setting> {
    let one = |switch: &Switch| Setting {
        name: switch.name.into(),
        value: world.settings.get(switch.name).into(),
        usual: world.settings.get(switch.name) == switch.usual(),
        about: switch.about.into(),
        pilot: switch.pilot.into(),
    };
    SWITCHES.iter().map(one).collect()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
