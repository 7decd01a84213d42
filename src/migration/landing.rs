//! Where a message to one person would land if it were sent now: from inside the
//! old organization, from the cloud, from outside.
//!
//! The few rules of `who-delivers-what` that hold for a single mailbox in a
//! staged migration: TargetAddress wins over the mailbox beside it
//! (Microsoft, "Recipient resolution": a recipient with a target address is
//! handed on), a cloud mail user is sent on to its external address, and a name
//! that Exchange Online doesn't know is relayed only for an internal relay
//! domain. It knows nothing of filters, sizes, restrictions or mailbox rules.

use serde::Serialize;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// Somebody whose mailbox is on the old server.
    Inside,
    /// Somebody whose mailbox is in the cloud.
    Cloud,
    /// Anybody on the Internet.
    Outside,
}

impl Sender {
    /// Each.
    pub const ALL: [Sender; 3] = [Sender::Inside, Sender::Cloud, Sender::Outside];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Sender::Inside => "from inside",
            Sender::Cloud => "from the cloud",
            Sender::Outside => "from outside",
        }
    }
}

/// What an MX set leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The old servers.
    Old,
    /// Exchange Online.
    Cloud,
    /// Nobody can say from here.
    Elsewhere,
    /// Nothing.
    Nowhere,
}

/// What is known of the recipient.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The directory on premises has an object with the address.
    pub on_premises: bool,
    /// It has a mailbox there.
    pub old_mailbox: bool,
    /// TargetAddress.
    pub forwarded_to: Option<String>,
    /// Exchange Online has a mailbox with the address.
    pub cloud_mailbox: bool,
    /// Exchange Online knows the address as something else: a mail user.
    pub cloud_recipient: bool,
    /// The domain is an internal relay in the cloud, as far as it was read.
    pub relay: Option<bool>,
    /// Where the MX leads.
    pub entry: Entry,
}

/// Where a message lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lands {
    /// In the mailbox on the old server.
    Old,
    /// In the cloud mailbox.
    Cloud,
    /// Back with its sender.
    Returned,
    /// Nobody can say from here.
    Unknown,
}

impl Lands {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Lands::Old => "the old mailbox",
            Lands::Cloud => "the cloud mailbox",
            Lands::Returned => "back with its sender",
            Lands::Unknown => "unknown",
        }
    }
}

/// A message's end and its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Landing {
    /// Who sends it.
    pub from: Sender,
    /// Where it lands.
    pub lands: Lands,
    /// Its way, in a few words; empty if there is nothing to say.
    pub way: String,
}

/// Where a message would land.
pub fn landing(from: Sender, to: &Recipient) -> Landing {
    let mut way = Vec::new();
    let lands = match (from, to.entry) {
        (Sender::Inside, _) => at_old(to, &mut way, 0),
        (Sender::Cloud, _) => in_cloud(to, &mut way, 0),
        (Sender::Outside, entry) => match entry {
            Entry::Old => {
                way.push("the MX leads to the old servers".to_owned());
                at_old(to, &mut way, 0)
            }
            Entry::Cloud => {
                way.push("the MX leads to the cloud".to_owned());
                in_cloud(to, &mut way, 0)
            }
            Entry::Elsewhere => {
                way.push("the MX leads to somebody who decides".to_owned());
                Lands::Unknown
            }
            Entry::Nowhere => {
                way.push("the domain has no MX".to_owned());
                Lands::Returned
            }
        },
    };
    Landing { from, lands, way: way.join(", ") }
}

/// Handing over between both sides so often is a loop.
const HOPS: u8 = 2;

fn at_old(to: &Recipient, way: &mut Vec<String>, hops: u8) -> Lands {
    if hops >= HOPS {
        way.push("and so on: it loops".to_owned());
        return Lands::Returned;
    }
    match (&to.forwarded_to, to.old_mailbox) {
        (Some(target), _) => {
            way.push(format!("the old server forwards to {}", bare(target)));
            in_cloud(to, way, hops + 1)
        }
        (None, true) => Lands::Old,
        (None, false) if to.on_premises => {
            way.push("on premises the object has neither a mailbox nor a TargetAddress".to_owned());
            Lands::Returned
        }
        (None, false) => {
            way.push("the old server doesn't know the address".to_owned());
            Lands::Returned
        }
    }
}

fn in_cloud(to: &Recipient, way: &mut Vec<String>, hops: u8) -> Lands {
    if to.cloud_mailbox {
        return Lands::Cloud;
    }
    if to.cloud_recipient {
        way.push("in the cloud it is a mail user, sent on to the old servers".to_owned());
        return at_old(to, way, hops + 1);
    }
    match to.relay {
        Some(true) => {
            way.push("the cloud doesn't know the address and relays the domain".to_owned());
            at_old(to, way, hops + 1)
        }
        Some(false) => {
            way.push("the cloud doesn't know the address, and the domain is authoritative there".to_owned());
            Lands::Returned
        }
        None => {
            way.push("the cloud doesn't know the address".to_owned());
            Lands::Unknown
        }
    }
}

fn bare(target: &str) -> &str {
    target
        .get(..5)
        .filter(|p| p.eq_ignore_ascii_case("smtp:"))
        .map_or(target, |p| target.get(p.len()..).unwrap_or(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Recipient {
        Recipient {
            on_premises: true,
            old_mailbox: true,
            forwarded_to: None,
            cloud_mailbox: false,
            cloud_recipient: true,
            relay: Some(true),
            entry: Entry::Old,
        }
    }

    fn lands(to: &Recipient) -> [Lands; 3] {
        Sender::ALL.map(|from| landing(from, to).lands)
    }

    #[test]
    fn before_the_start_everything_lands_in_the_old_mailbox() {
        assert_eq!(lands(&person()), [Lands::Old; 3]);
        assert_eq!(lands(&Recipient { entry: Entry::Cloud, ..person() }), [Lands::Old; 3], "relayed home");
    }

    #[test]
    fn forwarding_wins_over_the_old_mailbox() {
        let target = Some("SMTP:ann@contoso.onmicrosoft.test".to_owned());
        let forwarded = Recipient { forwarded_to: target.clone(), cloud_mailbox: true, ..person() };
        assert_eq!(lands(&forwarded), [Lands::Cloud; 3]);
        let way = landing(Sender::Outside, &forwarded).way;
        assert_eq!(way, "the MX leads to the old servers, the old server forwards to ann@contoso.onmicrosoft.test");
        let unfilled = Recipient { forwarded_to: target, ..person() };
        assert_eq!(lands(&unfilled), [Lands::Returned; 3], "both sides hand it to each other");
        assert!(landing(Sender::Inside, &unfilled).way.ends_with("it loops"));
    }

    #[test]
    fn a_cloud_mailbox_without_forwarding_divides_the_mail() {
        let split = Recipient { cloud_mailbox: true, ..person() };
        assert_eq!(lands(&split), [Lands::Old, Lands::Cloud, Lands::Old]);
    }

    #[test]
    fn who_is_unknown_in_the_cloud_depends_on_the_domain() {
        let unknown = Recipient { cloud_recipient: false, entry: Entry::Cloud, ..person() };
        assert_eq!(lands(&unknown), [Lands::Old; 3]);
        let authoritative = Recipient { relay: Some(false), ..unknown.clone() };
        assert_eq!(lands(&authoritative), [Lands::Old, Lands::Returned, Lands::Returned]);
        assert_eq!(landing(Sender::Cloud, &Recipient { relay: None, ..unknown }).lands, Lands::Unknown);
    }

    #[test]
    fn without_an_mx_or_behind_somebody_else_nothing_is_claimed() {
        assert_eq!(landing(Sender::Outside, &Recipient { entry: Entry::Nowhere, ..person() }).lands, Lands::Returned);
        assert_eq!(landing(Sender::Outside, &Recipient { entry: Entry::Elsewhere, ..person() }).lands, Lands::Unknown);
    }
}
