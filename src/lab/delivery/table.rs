//! What a row of the table is, and how one is found.
//!
//! The first row that fits decides; the files of rows are ordered by that, the
//! most particular first. A row knows no world: what it asks beyond the plain
//! columns stands in words beside the question, so that the page of the table
//! can be written from the rows themselves.

use super::seen::Seen;
use super::{between_rows, cloud_rows, moments, old_rows};
use crate::lab::mail::Side;

/// What an address is on premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Nobody.
    O0,
    /// A mailbox.
    O1,
    /// A mailbox with a target address.
    O2,
    /// A mail user or contact with a target address.
    O3,
    /// A mail user without one.
    O4,
    /// A group.
    OG,
    /// A mail-enabled public folder.
    OP,
    /// Several objects hold the address.
    Several,
    /// Nobody, in a domain that is not the company's.
    Foreign,
}

/// What an address is in the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Nobody.
    C0,
    /// A mail user with an address of the company's own domains.
    C1,
    /// A mail user with a routing address of this tenant.
    C2,
    /// A mail user or contact with a foreign address.
    C3,
    /// A mailbox.
    C4,
    /// A mailbox that is disconnected.
    C5,
    /// A synchronized group.
    CG,
    /// An address of a domain that the tenant doesn't accept.
    Foreign,
}

/// Who hands a message to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The internet.
    Outside,
    /// A colleague with a mailbox on that host.
    Colleague,
    /// The other host.
    OtherSide,
}

/// When a row is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Names the moment in which a message begins its way; decides nothing.
    Moment,
    /// As a host takes the message from another one.
    Door,
    /// As the host looks for the recipient.
    Recipient,
    /// Never: it stands in the table so that the table is whole.
    Apart,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes into the old mailbox, or into the folder.
    DeliverOld,
    /// It goes into the cloud mailbox.
    DeliverCloud,
    /// The same, but nobody processes it: a room that gets a stranger's request.
    Unanswered,
    /// It is sent to the target address.
    Target,
    /// It is sent to the target address, which is looked up here again.
    Chain,
    /// It goes to the alternate recipient only.
    Alternate,
    /// It is delivered, and the alternate recipient gets it, too.
    AlternateToo,
    /// Each member gets it.
    Expand,
    /// It goes to the old host over the connector.
    Connector,
    /// It goes where the public MX leads.
    Mx,
    /// It goes to the tenant.
    ToCloud,
    /// It goes to its own tenant again: a loop.
    Own,
    /// The table is asked again, as for the mail user that shows.
    MailUser,
    /// It leaves for a foreign address.
    Out,
    /// It comes back with a text; `{}` stands for the address.
    Refuse(&'static str),
    /// It waits in a queue for so many hours, then comes back with a text.
    Wait(u32, &'static str),
    /// It is held where only administrators look.
    Quarantine(&'static str),
    /// It goes on, into the junk folder in the end.
    Junk,
    /// It goes on, so many hours later.
    Late(u32),
    /// It goes on, and the old mailbox keeps a copy.
    KeepCopy,
    /// It goes on, and a journal report is sent.
    Journal,
    /// It goes on.
    On,
}

/// A question beyond the plain columns: in words, and as code.
#[derive(Clone, Copy)]
pub struct When(pub &'static str, pub fn(&Seen<'_>) -> bool);

impl std::fmt::Debug for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number in the decision table, or its name.
    pub name: &'static str,
    /// How sure it is: D documented, O observed, I inferred, U unconfirmed.
    pub mark: &'static str,
    /// Where it comes from (keys of `who-delivers-what`, section 8).
    pub source: &'static str,
    /// What it is about, for people.
    pub about: &'static str,
    /// When it is asked for.
    pub stage: Stage,
    /// Where the message is; any host for a moment.
    pub host: Option<Side>,
    /// Who handed it over; empty for anybody.
    pub from: &'static [From],
    /// On premises; empty for any.
    pub old: &'static [Old],
    /// In the tenant; empty for any.
    pub cloud: &'static [Cloud],
    /// The domain is an internal relay in the tenant.
    pub relay: Option<bool>,
    /// An outbound connector serves the domain.
    pub out: Option<bool>,
    /// Where the public MX of the domain leads.
    pub mx: Option<Side>,
    /// What else must hold.
    pub when: Option<When>,
    /// What happens.
    pub step: Step,
    /// The message lies where its recipient doesn't look now.
    pub stranded: bool,
    /// It would end so without any migration, too.
    pub anyway: bool,
}

/// A row that holds always, to be narrowed.
pub(super) const fn plain(name: &'static str, mark: &'static str, source: &'static str, about: &'static str) -> Row {
    Row {
        name,
        mark,
        source,
        about,
        stage: Stage::Recipient,
        host: None,
        from: &[],
        old: &[],
        cloud: &[],
        relay: None,
        out: None,
        mx: None,
        when: None,
        step: Step::On,
        stranded: false,
        anyway: false,
    }
}

impl Row {
    /// Whether the row holds for what a host sees.
    pub fn fits(&self, seen: &Seen<'_>) -> bool {
        (self.old.is_empty() || self.old.contains(&seen.old))
            && (self.cloud.is_empty() || self.cloud.contains(&seen.cloud))
            && (self.from.is_empty() || self.from.contains(&seen.from))
            && self.host.is_none_or(|h| h == seen.host)
            && self.relay.is_none_or(|x| x == seen.relay)
            && self.out.is_none_or(|x| x == seen.out)
            && self.mx.is_none_or(|x| Some(x) == seen.mx)
            && self.when.is_none_or(|When(_, asks)| asks(seen))
    }
}

/// The rows of a host's door, in order; all that fit hold, until one ends the way.
pub(super) fn door(host: Side) -> &'static [Row] {
    match host {
        Side::Old => between_rows::TO_OLD,
        Side::Cloud => between_rows::TO_CLOUD,
    }
}

/// The row that decides about a recipient.
pub(super) fn recipient(seen: &Seen<'_>) -> Option<&'static Row> {
    let rows = match seen.host {
        Side::Old => old_rows::ROWS,
        Side::Cloud => cloud_rows::ROWS,
    };
    rows.iter().find(|r| r.fits(seen))
}

/// The moments that a message begins in.
pub(super) fn moments<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = &'static Row> + 'a {
    moments::ROWS.iter().filter(move |r| r.fits(seen))
}

/// All rows, in the order of the page.
pub fn all() -> impl Iterator<Item = &'static Row> {
    moments::ROWS
        .iter()
        .chain(moments::APART)
        .chain(old_rows::ROWS)
        .chain(cloud_rows::ROWS)
        .chain(between_rows::TO_CLOUD)
        .chain(between_rows::TO_OLD)
}
