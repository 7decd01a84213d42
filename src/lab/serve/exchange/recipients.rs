//! Mailboxes and mail users of the tenant.
//!
//! What is mastered on premises cannot be set here; the refusal is the
//! service's. Filters are understood as far as equality and wildcards go.

use serde_json::{Value, json};

use super::batches::date;
use super::{Call, Outcome, Output, Refusal, not_found, refuse};
use crate::lab::world::{CloudUser, Mailbox, Recipient};
use crate::lab::{World, index};
use crate::wire::attributes::address_key;
use crate::wire::guid::Guid;
use crate::wire::invoke::{get, text_of};

/// Get-Mailbox.
pub fn mailboxes(call: &mut Call<'_>) -> Outcome {
    let details = call.arguments.many("RecipientTypeDetails").to_vec();
    let deleted = call.arguments.is_set("SoftDeletedMailbox");
    list(call, move |user| match &user.recipient {
        Recipient::Mailbox(mailbox) => !deleted && (details.is_empty() || details.contains(&mailbox.kind)),
        Recipient::Disconnected { .. } => deleted,
        _ => false,
    })
}

/// Get-MailUser.
pub fn mail_users(call: &mut Call<'_>) -> Outcome {
    let shows = shows(call);
    list(call, move |user| match user.recipient {
        Recipient::MailUser { .. } => true,
        Recipient::Disconnected { .. } => shows,
        _ => false,
    })
}

/// Whether a mailbox that lost its licence shows as a mail user.
fn shows(call: &Call<'_>) -> bool {
    call.world.settings.is("delicensed_object", "mail_user")
}

/// Get-Recipient.
pub fn recipients(call: &mut Call<'_>) -> Outcome {
    let shows = shows(call);
    let details = call.arguments.many("RecipientTypeDetails").to_vec();
    let types = call.arguments.many("RecipientType").to_vec();
    list(call, move |user| {
        let (kind, detail) = kind_of(user);
        !kind.is_empty()
            && (shows || !matches!(user.recipient, Recipient::Disconnected { .. }))
            && (types.is_empty() || types.iter().any(|t| t == kind))
            && (details.is_empty() || details.iter().any(|d| d == detail))
    })
}

fn list(call: &mut Call<'_>, wanted: impl Fn(&CloudUser) -> bool) -> Outcome {
    let conditions = match call.arguments.text("Filter") {
        Some(filter) => conditions(filter)?,
        None => Vec::new(),
    };
    let identity = call.arguments.text("Identity");
    let users = match identity {
        Some(identity) => named(call.world, identity),
        None => call.world.tenant.users.values().collect(),
    };
    let (dates, conditions): (Vec<Condition>, Vec<Condition>) = conditions.into_iter().partition(Condition::is_date);
    let holds = |user: &CloudUser| {
        // Nobody's whole row is made for a date that they miss.
        dates.iter().all(|c| mailbox(user).is_some_and(|m| c.is_after(m.created)))
            && (conditions.is_empty() || {
                let row = row(user);
                conditions.iter().all(|c| c.holds(&row))
            })
    };
    let mut users: Vec<&CloudUser> = users.into_iter().filter(|u| wanted(u) && holds(u)).collect();
    users.sort_by_cached_key(|u| u.alias.to_lowercase());
    match (identity, users.len()) {
        (Some(identity), 0) => Err(not_found(identity)),
        (Some(identity), 2..) => Err(refuse(
            "ManagementObjectAmbiguousException",
            format!("The operation couldn't be performed because '{identity}' matches multiple entries."),
        )),
        _ => Ok(call.show(users, row)),
    }
}

/// The users that an identity names; an address is looked up, the rest is read
/// through.
fn named<'a>(world: &'a World, identity: &str) -> Vec<&'a CloudUser> {
    match index::cloud_user(world, identity) {
        Some(id) => world.tenant.users.get(&id).into_iter().collect(),
        None => world.tenant.users.values().filter(|u| is(u, identity)).collect(),
    }
}

/// Whether an identity names a user: address, UPN, alias, name or GUID.
fn is(user: &CloudUser, identity: &str) -> bool {
    if let Some(guid) = Guid::parse(identity) {
        return user.id == guid || mailbox(user).is_some_and(|m| m.guid == guid);
    }
    let same = |text: &str| !text.is_empty() && text.eq_ignore_ascii_case(identity);
    let wanted = address_key(identity);
    same(&user.upn)
        || same(&user.alias)
        || same(&user.display_name)
        || same(&user.legacy_dn)
        || user.proxies.iter().any(|p| address_key(p) == wanted)
}

fn mailbox(user: &CloudUser) -> Option<&Mailbox> {
    match &user.recipient {
        Recipient::Mailbox(mailbox) | Recipient::Disconnected { mailbox, .. } => Some(mailbox),
        _ => None,
    }
}

/// RecipientType and RecipientTypeDetails.
fn kind_of(user: &CloudUser) -> (&'static str, &str) {
    match &user.recipient {
        Recipient::None => ("", ""),
        Recipient::MailUser { .. } | Recipient::Disconnected { .. } => ("MailUser", "MailUser"),
        Recipient::Mailbox(mailbox) => ("UserMailbox", &mailbox.kind),
    }
}

fn row(user: &CloudUser) -> Value {
    let (kind, detail) = kind_of(user);
    let external = match &user.recipient {
        Recipient::MailUser { external } | Recipient::Disconnected { external, .. } => {
            json!(format!("SMTP:{}", external.strip_prefix("SMTP:").unwrap_or(external)))
        }
        _ => Value::Null,
    };
    let guid = match &user.recipient {
        Recipient::Mailbox(mailbox) => mailbox.guid,
        _ => user.synced_guid.unwrap_or(Guid::NIL),
    };
    let created = mailbox(user).map(|m| m.created);
    let primary = crate::wire::attributes::primary_smtp(&user.proxies).unwrap_or_else(|| user.mail.clone());
    json!({
        "Identity": user.alias,
        "Name": user.alias,
        "Alias": user.alias,
        "DisplayName": user.display_name,
        "UserPrincipalName": user.upn,
        "PrimarySmtpAddress": primary,
        "WindowsEmailAddress": primary,
        "EmailAddresses": user.proxies,
        "ExternalEmailAddress": external,
        "ExternalDirectoryObjectId": user.id.to_string(),
        "Guid": user.id.to_string(),
        "ExchangeGuid": guid.to_string(),
        "LegacyExchangeDN": user.legacy_dn,
        "RecipientType": kind,
        "RecipientTypeDetails": detail,
        "IsDirSynced": true,
        "HiddenFromAddressListsEnabled": user.hidden,
        "SKUAssigned": !user.licences.is_empty(),
        "WhenMailboxCreated": created.map(|c| date(Some(c))),
        "ForwardingSmtpAddress": null,
        "DeliverToMailboxAndForward": mailbox(user).is_some_and(|m| m.both),
        "WhenSoftDeleted": match &user.recipient {
            Recipient::Disconnected { since, .. } => json!(date(Some(*since))),
            _ => Value::Null,
        },
    })
}

/// Get-MailboxStatistics.
pub fn mailbox_statistics(call: &mut Call<'_>) -> Outcome {
    let identity = call.arguments.text("Identity").unwrap_or_default();
    let user = named(call.world, identity).into_iter().find(|u| matches!(u.recipient, Recipient::Mailbox(_)));
    let (user, mailbox) = user.and_then(|u| Some((u, mailbox(u)?))).ok_or_else(|| not_found(identity))?;
    Ok(Output::rows(vec![json!({
        "DisplayName": user.display_name,
        "MailboxGuid": mailbox.guid.to_string(),
        "ItemCount": mailbox.items,
        "TotalItemSize": super::users::size(mailbox.items.saturating_mul(50_000)),
        "LastLogonTime": null,
    })]))
}

/// Set-Mailbox: its type, and a refusal for everything that is synchronized.
pub fn set_mailbox(call: &mut Call<'_>) -> Outcome {
    let identity = call.arguments.text("Identity").unwrap_or_default().to_owned();
    let found = named(call.world, &identity).into_iter().find(|u| matches!(u.recipient, Recipient::Mailbox(_)));
    let id = found.map(|u| u.id).ok_or_else(|| not_found(&identity))?;
    for name in ["EmailAddresses", "HiddenFromAddressListsEnabled", "DisplayName", "Alias", "WindowsEmailAddress"] {
        if call.arguments.has(name) {
            return Err(mastered_elsewhere(&identity, name));
        }
    }
    let kind = match call.arguments.text("Type") {
        Some("Regular") => "UserMailbox",
        Some("Shared") => "SharedMailbox",
        Some("Room") => "RoomMailbox",
        Some(_) => "EquipmentMailbox",
        None => "",
    };
    let named = call.arguments.has("DeliverToMailboxAndForward");
    let both = named.then(|| call.arguments.is_set("DeliverToMailboxAndForward"));
    let Some(user) = call.world.tenant.users.get_mut(&id) else { return Err(not_found(&identity)) };
    let address = user.mail.clone();
    let mut changed = false;
    if let Recipient::Mailbox(mailbox) = &mut user.recipient {
        if !kind.is_empty() && mailbox.kind != kind {
            mailbox.kind = kind.to_owned();
            changed = true;
        }
        if let Some(both) = both.filter(|b| *b != mailbox.both) {
            mailbox.both = both;
            changed = true;
        }
    }
    if !changed {
        let text = format!("The command completed successfully but no settings of '{identity}' have been modified.");
        return Ok(Output::warned(vec![text]));
    }
    let what = if both.is_some() { "mailbox-forwarding" } else { "mailbox-type" };
    call.world.wrote("exchange", &address, what);
    call.world.event(&address, &what.replace('-', "_"), kind);
    if let Some(place) = crate::lab::index::place_of(call.world, id) {
        crate::lab::mail::touch(call.world, place);
    }
    Ok(Output::default())
}

fn mastered_elsewhere(identity: &str, property: &str) -> Refusal {
    refuse(
        "InvalidOperationInDehydratedContextException",
        format!(
            "The operation on mailbox \"{identity}\" failed because it's out of the current user's write scope. The \
             action 'Set-Mailbox', '{property}', can't be performed on the object '{identity}' because the object is \
             being synchronized from your on-premises organization. This action should be performed on the object in \
             your on-premises organization."
        ),
    )
}

/// One comparison of a filter.
struct Condition {
    property: String,
    operator: String,
    value: String,
}

impl Condition {
    /// Whether it asks for mailboxes made after a moment.
    fn is_date(&self) -> bool {
        self.operator == "-gt"
    }

    fn is_after(&self, moment: jiff::Timestamp) -> bool {
        self.value.parse::<jiff::Timestamp>().is_ok_and(|than| moment > than)
    }

    fn holds(&self, row: &Value) -> bool {
        let member = get(row, &self.property);
        let texts: Vec<String> = match member {
            Value::Array(items) => items.iter().map(text_of).collect(),
            other => vec![text_of(other)],
        };
        let wanted = self.value.to_lowercase();
        let is = |text: &String| match self.operator.as_str() {
            "-like" => like(&text.to_lowercase(), &wanted),
            _ => text.to_lowercase() == wanted || address_key(text) == wanted,
        };
        match self.operator.as_str() {
            "-ne" => !texts.iter().any(is),
            _ => texts.iter().any(is),
        }
    }
}

fn like(text: &str, pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.trim_end_matches('*')),
        (Some(rest), None) => text.ends_with(rest),
        (None, Some(rest)) => text.starts_with(rest),
        (None, None) => text == pattern,
    }
}

/// Reads `A -eq 'x' -and B -like 'y*'`; parentheses around the whole are cut.
fn conditions(filter: &str) -> Result<Vec<Condition>, Refusal> {
    let bad = || {
        refuse(
            "ParsingException",
            format!(
                "Cannot process argument transformation on parameter 'Filter'. Invalid filter syntax: \"{filter}\"."
            ),
        )
    };
    let mut rest = filter.trim();
    while let Some(inner) = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')) {
        rest = inner.trim();
    }
    let mut conditions = Vec::new();
    while !rest.is_empty() {
        let (property, after) = rest.split_once(char::is_whitespace).ok_or_else(bad)?;
        let (operator, after) = after.trim_start().split_once(char::is_whitespace).ok_or_else(bad)?;
        let operator = operator.to_lowercase();
        let is_date = operator == "-gt" && property.eq_ignore_ascii_case("WhenMailboxCreated");
        if !is_date && !["-eq", "-ne", "-like"].contains(&operator.as_str()) {
            return Err(bad());
        }
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(bad)?;
        let (value, after) = take_quoted(after, quote).ok_or_else(bad)?;
        if is_date && value.parse::<jiff::Timestamp>().is_err() {
            return Err(bad());
        }
        conditions.push(Condition { property: property.to_owned(), operator, value });
        let after = after.trim();
        rest = match after.get(..4) {
            None if after.is_empty() => "",
            Some(and) if and.eq_ignore_ascii_case("-and") => after.get(4..).unwrap_or_default().trim(),
            _ => return Err(bad()),
        };
    }
    Ok(conditions)
}

/// A quoted text with doubled quotes inside, and what follows it.
fn take_quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text.strip_prefix(quote)?;
    loop {
        let (before, after) = rest.split_once(quote)?;
        out.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                out.push(quote);
                rest = more;
            }
            None => return Some((out, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_the_usual_form_are_understood() {
        let row = json!({"Name": "O'Hara", "EmailAddresses": ["SMTP:a@x.test", "smtp:b@x.test"]});
        let holds = |filter: &str| conditions(filter).expect("a good filter").iter().all(|c| c.holds(&row));
        assert!(holds("Name -eq 'o''hara'"));
        assert!(holds("(EmailAddresses -eq 'smtp:B@x.test' -and Name -like 'O*')"));
        assert!(!holds("EmailAddresses -ne 'b@x.test'"));
        assert!(conditions("WhenMailboxCreated -gt '2026-01-12T07:00:00Z'").is_ok_and(|c| c[0].is_date()));
        assert!(conditions("WhenMailboxCreated -gt 'yesterday'").is_err());
        assert!(conditions("Name -gt 'x'").is_err());
        assert!(conditions("Name is 'x'").is_err());
        assert!(conditions("Name -eq 'x' or").is_err());
    }
}
