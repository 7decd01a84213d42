//! Shared mailboxes and rooms become in the cloud what they were on premises.
//!
//! A staged batch makes user mailboxes of all of them (`life-of-a-mailbox`, 2.1).
//! As such a room answers nobody, and whether the cloud takes mail for a user
//! mailbox of a disabled account is in doubt; shared mailboxes and rooms have no
//! other. It happens before the conversion, which overwrites their type number.
//! Who is a person is left alone, and so is a kind that somebody has set.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::narrate::What;
use super::recipients;
use super::report::plural;
use super::session::Session;
use crate::base::Result;
use crate::wire::attributes::{Entry, address_key};
use crate::wire::invoke::{Param, get, text_of};

/// msExchRecipientTypeDetails, before and after a conversion, what Exchange Online
/// calls it, and the word of `Set-Mailbox -Type`.
const KINDS: &[(i64, i64, &str, &str)] = &[
    (4, 34_359_738_368, "SharedMailbox", "Shared"),
    (16, 8_589_934_592, "RoomMailbox", "Room"),
    (32, 17_179_869_184, "EquipmentMailbox", "Equipment"),
];

/// What kind of mailbox an object on premises is or was; none for a person.
fn kind_of(entry: &Entry) -> Option<(&'static str, &'static str)> {
    let details = entry.number("msExchRecipientTypeDetails")?;
    let found = KINDS.iter().find(|(before, after, ..)| details == *before || details == *after);
    found.map(|(_, _, kind, word)| (*kind, *word))
}

/// Sets the kind of cloud mailboxes.
struct SetKind {
    /// Address → kind and word.
    wanted: BTreeMap<String, (&'static str, &'static str)>,
}

#[async_trait]
impl Change for SetKind {
    fn operation(&self) -> &'static str {
        "mailbox_kind"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("Set-Mailbox -Type Regular, with a licence")
    }
    fn targets(&self) -> Vec<String> {
        self.wanted.keys().cloned().collect()
    }
    fn settles_within(&self) -> i64 {
        600
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let all = vec![("ResultSize".into(), Param::from("Unlimited"))];
        let reply = session.services().exchange.invoke("Get-Mailbox", all).await?;
        let mut kinds: BTreeMap<String, String> = BTreeMap::new();
        for row in &reply.rows {
            let kind = text_of(get(row, "RecipientTypeDetails"));
            for address in get(row, "EmailAddresses").as_array().into_iter().flatten().map(text_of) {
                kinds.insert(address_key(&address), kind.clone());
            }
        }
        Ok(targets.iter().map(|target| self.compare(target, kinds.get(&address_key(target)))).collect())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let word = self.wanted.get(&observed.target).map_or("Regular", |(_, word)| *word);
        let params = vec![
            ("Identity".into(), Param::from(observed.target.as_str())),
            ("Type".into(), Param::from(word)),
            ("Confirm".into(), Param::Bool(false)),
        ];
        session.services().exchange.invoke("Set-Mailbox", params).await.map(|_| ())
    }
}

impl SetKind {
    fn compare(&self, target: &str, found: Option<&String>) -> Observed {
        let wanted = self.wanted.get(target).map_or("", |(kind, _)| *kind);
        let verdict = match found.map(String::as_str) {
            Some("UserMailbox") => Verdict::Differs(json!({"RecipientTypeDetails": wanted})),
            // Somebody has chosen another kind, or it is the wanted one; who has no
            // cloud mailbox is told so by the conversion.
            _ => Verdict::Same,
        };
        let before = found.map_or(Value::Null, |kind| json!({"RecipientTypeDetails": kind}));
        Observed { target: target.to_owned(), before, verdict }
    }
}

/// Makes shared mailboxes and rooms among these addresses what they were. What
/// can't be changed is warned about: the mailbox is in the cloud all the same.
///
/// # Errors
/// Those of the gate; the directory can't be read.
pub async fn keep(session: &Arc<Session>, addresses: &[String]) -> Result<()> {
    let entries = recipients::some(session, addresses, &["proxyAddresses", "msExchRecipientTypeDetails"]).await?;
    let of = |address: &String| Some((address.clone(), kind_of(entries.get(&address_key(address))?)?));
    let wanted: BTreeMap<String, (&str, &str)> = addresses.iter().filter_map(of).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let step = session.step("mailbox_kind", plural(wanted.len(), "mailbox", "mailboxes"));
    let outcomes = gate::pass(session, &SetKind { wanted }, None).await?;
    let changed = outcomes.iter().filter(|o| o.changed).count();
    for failure in outcomes.iter().filter_map(|o| o.result.as_ref().err()) {
        session.note(What::Warned { text: failure.message.clone(), hint: failure.hint.clone().unwrap_or_default() });
    }
    step.end(match changed {
        0 => "shared mailboxes and rooms are what they were".to_owned(),
        n => format!("{n} made what they were, not users"),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_before_and_after_the_conversion() {
        let of = |details: &str| {
            let mut entry = Entry::new("CN=x");
            entry.set_text("msExchRecipientTypeDetails", details);
            kind_of(&entry).map(|(_, word)| word)
        };
        assert_eq!((of("4"), of("8589934592"), of("32")), (Some("Shared"), Some("Room"), Some("Equipment")));
        assert_eq!((of("1"), of("2147483648"), of("128"), kind_of(&Entry::new("CN=x"))), (None, None, None, None));
    }

    #[test]
    fn only_a_user_mailbox_is_changed() {
        let change = SetKind { wanted: BTreeMap::from([("a@x.test".into(), ("SharedMailbox", "Shared"))]) };
        let verdict = |found: Option<&str>| change.compare("a@x.test", found.map(str::to_owned).as_ref()).verdict;
        assert!(matches!(verdict(Some("UserMailbox")), Verdict::Differs(_)));
        assert!(matches!(verdict(Some("SharedMailbox")), Verdict::Same));
        assert!(matches!(verdict(Some("RoomMailbox")), Verdict::Same));
        assert!(matches!(verdict(None), Verdict::Same));
    }
}
