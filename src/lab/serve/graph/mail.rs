//! What lies in cloud mailboxes, and mail sent from them.
//!
//! The messages are those of the world. A user without a cloud mailbox answers
//! `MailboxNotEnabledForRESTAPI`, as reported from the field.

use serde_json::{Value, json};

use super::super::answer::{Answer, Request, http_date, iso};
use super::{Outcome, Refusal, bad_request, context, users};
use crate::lab::World;
use crate::lab::mail::{self, Side};
use crate::lab::world::{CloudUser, Mailbox, Message, MessageFate, Recipient};
use crate::wire::attributes::address_key;
use crate::wire::graph::{pairs, percent};
use crate::wire::guid::hex;

fn mailbox<'a>(world: &'a World, id: &str) -> Result<(&'a CloudUser, &'a Mailbox), Refusal> {
    let user = users::user(world, id)?;
    match &user.recipient {
        Recipient::Mailbox(mailbox) => Ok((user, mailbox)),
        _ => Err((
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.".into(),
        )),
    }
}

/// Everything in a user's mailbox, newest first.
fn all(world: &World, user: &CloudUser) -> Vec<Message> {
    let mut all = mail::messages_in_cloud(world, &user.mail);
    all.sort_by(|a, b| b.sent.cmp(&a.sent).then_with(|| a.id.cmp(&b.id)));
    all
}

/// A message of a user's mailbox by its Message-ID.
fn by_id(world: &World, user: &CloudUser, id: &str) -> Option<Message> {
    mail::message(world, id).filter(|message| match &message.fate {
        MessageFate::Cloud(address) => {
            let address = address_key(address);
            user.mail.to_lowercase() == address || user.proxies.iter().any(|p| address_key(p) == address)
        }
        _ => false,
    })
}

/// Identifiers carry the Message-ID, so that nothing has to be searched.
fn id_of(message: &Message) -> String {
    format!("AAMk{}", hex(message.id.as_bytes()))
}

fn message_id(id: &str) -> Option<String> {
    let digits = id.strip_prefix("AAMk")?;
    let bytes: Option<Vec<u8>> =
        (0..digits.len() / 2).map(|i| u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}

fn value(message: &Message) -> Value {
    let person = |address: &str| json!({"emailAddress": {"name": address, "address": address}});
    json!({
        "id": id_of(message),
        "internetMessageId": message.id,
        "subject": message.subject,
        "sentDateTime": iso(message.sent),
        "receivedDateTime": iso(message.sent),
        "from": person(&message.from),
        "toRecipients": [person(&message.to)],
        "parentFolderId": "inbox",
        "isRead": false,
        "internetMessageHeaders": [
            {"name": "Message-ID", "value": message.id},
            {"name": "Subject", "value": message.subject},
        ],
    })
}

/// GET /users/{id}/mailFolders/inbox.
pub fn inbox(world: &World, id: &str) -> Outcome {
    let (user, mailbox) = mailbox(world, id)?;
    let new = all(world, user).len() as u64;
    Ok(Answer::json(
        200,
        &json!({"id": "inbox", "displayName": "Inbox", "parentFolderId": "root", "childFolderCount": 0,
            "unreadItemCount": new, "totalItemCount": mailbox.items + new}),
    ))
}

/// GET /users/{id}/mailboxSettings.
pub fn settings(world: &World, id: &str) -> Outcome {
    let (_, mailbox) = mailbox(world, id)?;
    let purpose = match mailbox.kind.as_str() {
        "SharedMailbox" => "shared",
        "RoomMailbox" => "room",
        "EquipmentMailbox" => "equipment",
        _ => "user",
    };
    Ok(Answer::json(
        200,
        &json!({"@odata.context": context("users/mailboxSettings"), "userPurpose": purpose, "timeZone": "UTC"}),
    ))
}

/// GET /users/{id}/messages.
pub fn messages(world: &World, request: &Request, id: &str) -> Outcome {
    let (user, _) = mailbox(world, id)?;
    let top = match request.option("$top") {
        None => 10,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|n| (1..=1000).contains(n))
            .ok_or_else(|| (400, "ErrorInvalidUrlQuery", format!("The value '{text}' of $top is not valid.")))?,
    };
    let skip = match request.option("$skip") {
        None => 0,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| (400, "ErrorInvalidUrlQuery", format!("The value '{text}' of $skip is not valid.")))?,
    };
    let found: Vec<Message> = match request.option("$filter") {
        Some(filter) => {
            let wanted = filter.trim().strip_prefix("internetMessageId eq '").and_then(|r| r.strip_suffix('\''));
            let wanted = wanted.ok_or_else(|| {
                (400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.".to_owned())
            })?;
            by_id(world, user, &wanted.replace("''", "'")).into_iter().collect()
        }
        None => all(world, user),
    };
    let select = request.option("$select");
    let rows: Vec<Value> = found.iter().skip(skip).take(top).map(|m| selected(&value(m), select.as_deref())).collect();
    let next = skip + rows.len();
    let mut body = json!({"@odata.context": context("users/messages"), "value": rows});
    if next < found.len() && next > skip {
        let kept: String = pairs(&request.query)
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("$skip"))
            .map(|(name, value)| format!("{name}={}&", percent(value)))
            .collect();
        body["@odata.nextLink"] = json!(format!("https://{}{}?{kept}$skip={next}", request.host, request.path));
    }
    Ok(Answer::json(200, &body))
}

/// Keeps the selected members; the id always stays.
fn selected(value: &Value, select: Option<&str>) -> Value {
    let (Some(map), Some(select)) = (value.as_object(), select) else { return value.clone() };
    let wanted: Vec<&str> = select.split(',').map(str::trim).collect();
    let keep = |name: &str| name == "id" || wanted.iter().any(|w| w.eq_ignore_ascii_case(name));
    Value::Object(map.iter().filter(|(n, _)| keep(n)).map(|(n, v)| (n.clone(), v.clone())).collect())
}

fn one(world: &World, id: &str, message: &str) -> Result<Message, Refusal> {
    let (user, _) = mailbox(world, id)?;
    let found = message_id(message).and_then(|id| by_id(world, user, &id));
    found.ok_or_else(|| (404, "ErrorItemNotFound", "The specified object was not found in the store.".into()))
}

/// GET /users/{id}/messages/{message}.
pub fn message(world: &World, id: &str, message: &str) -> Outcome {
    Ok(Answer::json(200, &value(&one(world, id, message)?)))
}

/// GET /users/{id}/messages/{message}/$value.
pub fn mime(world: &World, id: &str, message: &str) -> Outcome {
    let message = one(world, id, message)?;
    let date = http_date(message.sent).replace("GMT", "+0000");
    let text = format!(
        "Received: from mail.lab.test by LAB0001.eurprd01.prod.outlook.com with Microsoft SMTP Server; {date}\r\n\
         From: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nA message of the rehearsal.\r\n",
        message.from, message.to, message.subject, message.id
    );
    Ok(Answer::text(200, "text/plain", text))
}

/// POST /users/{id}/sendMail: 202 and no id.
pub fn send(world: &mut World, request: &Request, id: &str) -> Outcome {
    let body = request.json().ok_or_else(|| bad_request("Unable to read JSON request payload."))?;
    let get = crate::wire::invoke::get;
    let message = get(body, "message");
    let subject = get(message, "subject").as_str().unwrap_or_default().to_owned();
    let recipients: Vec<String> = ["toRecipients", "ccRecipients", "bccRecipients"]
        .iter()
        .filter_map(|n| get(message, n).as_array())
        .flatten()
        .filter_map(|r| get(get(r, "emailAddress"), "address").as_str())
        .map(str::to_owned)
        .collect();
    if recipients.is_empty() {
        return Err((400, "ErrorInvalidRecipients", "At least one recipient isn't valid.".into()));
    }
    let (user, _) = mailbox(world, id)?;
    let (from, key) = (user.mail.clone(), user.id.to_string());
    for to in recipients {
        let number = world.choose_next("sendMail", &key);
        let message_id = format!("<{}@{}>", world.guid("sendMail", &number.to_string()), world.tenant.initial_domain);
        mail::submit(world, Side::Cloud, &from, &to, &message_id, &subject);
    }
    Ok(Answer::empty(202))
}
