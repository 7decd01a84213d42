//! Shared mailboxes, rooms and forwardings with a copy become in the cloud what
//! they were on premises.
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
use super::shadow::exchange::Table;
use crate::base::{Kind, Result};
use crate::migration::waves;
use crate::wire::attributes::{Entry, address_key};
use crate::wire::invoke::{Param, get, text_of};

/// What Exchange Online calls the kind of mailbox that an object on premises is or
/// was, and the word of `Set-Mailbox -Type`; none for a person.
fn kind_of(entry: &Entry) -> Option<(&'static str, &'static str)> {
    match waves::Kind::of_number(entry.number("msExchRecipientTypeDetails"))? {
        waves::Kind::Person => None,
        waves::Kind::Shared => Some(("SharedMailbox", "Shared")),
        waves::Kind::Room => Some(("RoomMailbox", "Room")),
        waves::Kind::Equipment => Some(("EquipmentMailbox", "Equipment")),
    }
}

/// What a cloud mailbox has to get so that it is what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wish {
    /// What Exchange Online calls the kind, and the word of `Set-Mailbox -Type`.
    kind: Option<(&'static str, &'static str)>,
    /// Mail is forwarded, and a copy is kept: `deliverAndRedirect` is not among the
    /// attributes that are synchronized.
    both: bool,
}

impl Wish {
    fn of(entry: &Entry) -> Option<Wish> {
        let both = entry.has("altRecipient") && entry.is_true("deliverAndRedirect");
        let wish = Wish { kind: kind_of(entry), both };
        (wish != Wish::default()).then_some(wish)
    }
}

/// Gives cloud mailboxes what does not come by itself.
struct Keep {
    /// By address.
    wanted: BTreeMap<String, Wish>,
}

#[async_trait]
impl Change for Keep {
    fn operation(&self) -> &'static str {
        "mailbox_kind"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("Set-Mailbox -Type Regular, with a licence; -DeliverToMailboxAndForward $false")
    }
    fn targets(&self) -> Vec<String> {
        self.wanted.keys().cloned().collect()
    }
    fn settles_within(&self) -> i64 {
        600
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        // Few of a wave are no plain mailboxes: one small read each.
        let mut found = Vec::with_capacity(targets.len());
        for target in targets {
            let one = vec![("Identity".into(), Param::from(target.as_str()))];
            let row = match session.sees().invoke("Get-Mailbox", one).await {
                Ok(reply) => reply.rows.into_iter().next(),
                Err(f) if f.kind == Kind::NotFound => None,
                Err(f) => return Err(f),
            };
            found.push(self.compare(target, row.as_ref()));
        }
        Ok(found)
    }
    async fn predict(&self, session: &Session, due: &[Observed]) -> Result<()> {
        session.foresee(|shadow| {
            for one in due {
                let Some(wish) = self.wanted.get(&one.target) else { continue };
                let mut members = json!({});
                if let Some((kind, _)) = wish.kind {
                    members["RecipientTypeDetails"] = json!(kind);
                }
                if wish.both {
                    members["DeliverToMailboxAndForward"] = json!(true);
                }
                shadow.exchange.change(Table::Mailboxes, &address_key(&one.target), members);
            }
        });
        Ok(())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let Some(wish) = self.wanted.get(&observed.target) else { return Ok(()) };
        let mut params =
            vec![("Identity".into(), Param::from(observed.target.as_str())), ("Confirm".into(), Param::Bool(false))];
        if let Some((_, word)) = wish.kind {
            params.push(("Type".into(), Param::from(word)));
        }
        if wish.both {
            params.push(("DeliverToMailboxAndForward".into(), Param::Bool(true)));
        }
        session.services().exchange.invoke("Set-Mailbox", params).await.map(|_| ())
    }
}

impl Keep {
    fn compare(&self, target: &str, found: Option<&Value>) -> Observed {
        let wish = self.wanted.get(target).copied().unwrap_or_default();
        let kind = found.map(|row| text_of(get(row, "RecipientTypeDetails"))).unwrap_or_default();
        let both =
            found.is_some_and(|row| text_of(get(row, "DeliverToMailboxAndForward")).eq_ignore_ascii_case("true"));
        // Somebody has chosen another kind, or it is the wanted one; who has no
        // cloud mailbox is told so by the conversion.
        let kind_differs = wish.kind.is_some() && kind == "UserMailbox";
        let both_differs = wish.both && found.is_some() && !both;
        let verdict = match kind_differs || both_differs {
            true => Verdict::Differs(json!({
                "RecipientTypeDetails": wish.kind.map_or(kind.as_str(), |(kind, _)| kind),
                "DeliverToMailboxAndForward": wish.both,
            })),
            false => Verdict::Same,
        };
        let before =
            found.map_or(Value::Null, |_| json!({"RecipientTypeDetails": kind, "DeliverToMailboxAndForward": both}));
        Observed { target: target.to_owned(), before, verdict }
    }
}

const ATTRIBUTES: &[&str] = &["proxyAddresses", "msExchRecipientTypeDetails", "altRecipient", "deliverAndRedirect"];

/// Makes shared mailboxes and rooms among these addresses what they were, and lets
/// whoever forwards mail and keeps a copy keep it. What can't be changed is warned
/// about: the mailbox is in the cloud all the same. Whom this run has seen to is
/// not looked at again.
///
/// # Errors
/// Those of the gate; the directory can't be read.
pub async fn keep(session: &Arc<Session>, addresses: &[String]) -> Result<()> {
    let fresh: Vec<String> = {
        let memory = session.memory();
        addresses.iter().filter(|a| !memory.kept.contains(&address_key(a))).cloned().collect()
    };
    if fresh.is_empty() {
        return Ok(());
    }
    let entries = recipients::some(session, &fresh, ATTRIBUTES).await?;
    let of = |address: &String| Some((address.clone(), Wish::of(entries.get(&address_key(address))?)?));
    let wanted: BTreeMap<String, Wish> = fresh.iter().filter_map(of).collect();
    if !wanted.is_empty() {
        let step = session.step("mailbox_kind", plural(wanted.len(), "mailbox", "mailboxes"));
        let outcomes = gate::pass(session, &Keep { wanted }, None).await?;
        let changed = outcomes.iter().filter(|o| o.changed).count();
        for failure in outcomes.iter().filter_map(|o| o.result.as_ref().err()) {
            session
                .note(What::Warned { text: failure.message.clone(), hint: failure.hint.clone().unwrap_or_default() });
        }
        step.end(match changed {
            0 => "shared mailboxes, rooms and forwardings are what they were".to_owned(),
            n => format!("{n} made what they were: shared, room, or forwarding with a copy"),
        });
    }
    session.memory().kept.extend(fresh.iter().map(|a| address_key(a)));
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
    fn only_a_user_mailbox_gets_another_kind_and_only_who_keeps_a_copy_keeps_one() {
        let verdict = |wish: Wish, kind: Option<&str>, both: bool| {
            let change = Keep { wanted: BTreeMap::from([("a@x.test".into(), wish)]) };
            let row = kind.map(|kind| json!({"RecipientTypeDetails": kind, "DeliverToMailboxAndForward": both}));
            matches!(change.compare("a@x.test", row.as_ref()).verdict, Verdict::Differs(_))
        };
        let shared = Wish { kind: Some(("SharedMailbox", "Shared")), both: false };
        assert!(verdict(shared, Some("UserMailbox"), false));
        assert!(!verdict(shared, Some("SharedMailbox"), false) && !verdict(shared, Some("RoomMailbox"), false));
        assert!(!verdict(shared, None, false));
        let copy = Wish { kind: None, both: true };
        assert!(verdict(copy, Some("UserMailbox"), false));
        assert!(!verdict(copy, Some("UserMailbox"), true) && !verdict(copy, None, false));
        let mut entry = Entry::new("CN=x");
        entry.set_text("altRecipient", "CN=y");
        assert_eq!(Wish::of(&entry), None, "forwarded without a copy: that is synchronized");
        entry.set_text("deliverAndRedirect", "TRUE");
        assert_eq!(Wish::of(&entry), Some(copy));
    }
}
