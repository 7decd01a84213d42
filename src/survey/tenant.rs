//! From the rows of Graph and Exchange to the tenant's part of the file.
//!
//! Who came by synchronization is known by the anchor and stands with the person;
//! everybody else is a user of the tenant's own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::directory::{Other, Somebody};
use super::kept::Kept;
use crate::migration::licences::MailboxPlan;
use crate::wire::attributes::{address_key, domain_of};
use crate::wire::company::mess::{Deleted, InCloud, Untidy};
use crate::wire::company::transport::Door;
use crate::wire::company::{Connector, Domain, Plan, Recipient, Sku, Tenant, User};
use crate::wire::dns::relative;
use crate::wire::guid::Guid;
use crate::wire::invoke::{get, text_of};
use crate::wire::profile::Profile;

/// The tenant as it was read.
pub(super) struct Cloud<'a> {
    kept: &'a Kept,
    /// Users that carry an anchor.
    by_anchor: BTreeMap<String, &'a Value>,
    /// Recipient, mailbox and mail user by object id.
    recipients: BTreeMap<String, &'a Value>,
    mailboxes: BTreeMap<String, &'a Value>,
    mail_users: BTreeMap<String, &'a Value>,
    /// skuId → part number, and whether one of its plans holds a mailbox.
    products: BTreeMap<String, (String, Vec<String>)>,
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

fn texts(row: &Value, name: &str) -> Vec<String> {
    let list = get(row, name).as_array().into_iter().flatten();
    list.map(text_of).filter(|t| !t.is_empty()).collect()
}

fn by_id<'a>(kept: &'a Kept, read: &str) -> BTreeMap<String, &'a Value> {
    let id = |row: &Value| text_of(get(row, "ExternalDirectoryObjectId")).to_lowercase();
    kept.rows(read).iter().map(|row| (id(row), row)).filter(|(id, _)| !id.is_empty()).collect()
}

impl<'a> Cloud<'a> {
    /// What was read of it.
    pub(super) fn of(kept: &'a Kept) -> Cloud<'a> {
        let anchor =
            |u: &'a Value| Some((u["onPremisesImmutableId"].as_str().filter(|a| !a.is_empty())?.to_owned(), u));
        let product = |sku: &Value| {
            let plans = sku["servicePlans"].as_array().into_iter().flatten();
            let holds =
                plans.filter(|p| MailboxPlan::of(&text(p, "servicePlanName"), &text(p, "servicePlanId")).is_some());
            let holds = holds.map(|p| text(p, "servicePlanId").to_lowercase()).collect();
            (text(sku, "skuId").to_lowercase(), (text(sku, "skuPartNumber"), holds))
        };
        Cloud {
            kept,
            by_anchor: kept.rows("graph.users").iter().filter_map(anchor).collect(),
            recipients: by_id(kept, "exchange.recipients"),
            mailboxes: by_id(kept, "exchange.mailboxes"),
            mail_users: by_id(kept, "exchange.mail-users"),
            products: kept.rows("graph.skus").iter().map(product).collect(),
        }
    }

    /// Custom domains in lower case.
    pub(super) fn custom(&self) -> impl Iterator<Item = String> {
        super::directory::custom_domains(self.kept).into_iter()
    }

    /// The tenant's default domain, if it is one of the company's own.
    pub(super) fn default_domain(&self) -> Option<String> {
        let default = self.kept.rows("graph.domains").iter().find(|d| d["isDefault"] == true)?;
        let name = text(default, "id").to_lowercase();
        self.custom().any(|d| d == name).then_some(name)
    }

    fn user_of(&self, anchors: &[String]) -> Option<&'a Value> {
        anchors.iter().find_map(|a| self.by_anchor.get(a).copied())
    }

    /// Gives people what the tenant knows of them; answers the addresses of those
    /// that it knows.
    pub(super) fn settle(&self, people: &mut [Somebody]) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for person in people {
            let Some(user) = self.user_of(&person.anchors) else { continue };
            person.facts.usage_location = Some(text(user, "usageLocation"));
            known.extend(person.facts.address.clone());
        }
        known
    }

    fn id(user: &Value) -> String {
        text(user, "id").to_lowercase()
    }

    /// Part numbers of the products that somebody holds.
    fn licences(&self, user: &Value) -> Vec<String> {
        let held = user["assignedLicenses"].as_array().into_iter().flatten();
        held.filter_map(|l| Some(self.products.get(&text(l, "skuId").to_lowercase())?.0.clone())).collect()
    }

    /// Whether somebody holds a plan with a mailbox that is not switched off.
    fn is_licensed(&self, user: &Value) -> bool {
        user["assignedLicenses"].as_array().into_iter().flatten().any(|l| {
            let off: Vec<String> = texts(l, "disabledPlans").iter().map(|p| p.to_lowercase()).collect();
            let plans = self.products.get(&text(l, "skuId").to_lowercase());
            plans.is_some_and(|(_, plans)| plans.iter().any(|p| !off.contains(p)))
        })
    }

    /// RecipientTypeDetails; empty for who is nothing to Exchange.
    fn kind(&self, user: &Value) -> String {
        let row = self.recipients.get(&Self::id(user));
        row.map(|r| text_of(get(r, "RecipientTypeDetails"))).unwrap_or_default()
    }

    fn is_mailbox(&self, user: &Value) -> bool {
        self.mailboxes.contains_key(&Self::id(user)) || self.kind(user).ends_with("Mailbox")
    }

    /// The tenant's part of the file. `objects`: what is in the directory beside
    /// mailboxes; who of them has something in the cloud is there beforehand.
    pub(super) fn facts(&self, profile: &Profile, domains: &[String], objects: &[Other]) -> Tenant {
        let kept = self.kept;
        let initial = kept.rows("graph.domains").iter().find(|d| d["isInitial"] == true).map(|d| text(d, "id"));
        let converted: BTreeSet<String> = objects
            .iter()
            .filter_map(|o| self.user_of(&o.anchors))
            .filter(|u| self.is_mailbox(u) || self.is_licensed(u))
            .map(Self::id)
            .collect();
        let own = |user: &&Value| {
            user["onPremisesImmutableId"].as_str().is_none_or(str::is_empty) || converted.contains(&Self::id(user))
        };
        let fits = |address: &str| {
            let domain = domain_of(address);
            domain.ends_with(".onmicrosoft.com") || domains.contains(&domain)
        };
        let has = |read: &str| kept.read(read).is_some();
        let door = kept.rows("exchange.organization").first().map(|o| Door {
            reject_direct_send: get(o, "RejectDirectSend").as_bool().unwrap_or_default(),
            ..Door::default()
        });
        Tenant {
            id: Guid::parse(&profile.tenant.id).map(|g| g.to_string()),
            initial_domain: Some(initial.unwrap_or_else(|| profile.tenant.initial_domain.clone()).to_lowercase()),
            domains: has("graph.domains").then(|| self.custom().map(|d| self.domain(&d)).collect()),
            skus: has("graph.skus").then(|| kept.rows("graph.skus").iter().map(sku).collect()),
            connectors: (has("exchange.inbound") && has("exchange.outbound")).then(|| self.connectors(domains)),
            users: has("graph.users").then(|| {
                let users = kept.rows("graph.users").iter().filter(own);
                users.filter(|u| fits(&text(u, "userPrincipalName"))).map(|u| self.user(u)).collect()
            }),
            door: door.filter(|d| *d != Door::default()),
        }
    }

    fn domain(&self, name: &str) -> Domain {
        let is = |row: &&Value, member: &str| text_of(get(row, member)).eq_ignore_ascii_case(name);
        let row = self.kept.rows("graph.domains").iter().find(|d| is(d, "id"));
        let records = self.kept.rows("graph.domain-records").iter().find(|d| is(d, "domain"));
        let record = |list: &str, kind: &str| {
            let list = records?[list].as_array()?;
            list.iter().find(|r| text(r, "recordType").eq_ignore_ascii_case(kind)).cloned()
        };
        let accepted = self.kept.rows("exchange.accepted-domains").iter().find(|d| is(d, "DomainName"));
        // The lab knows two; an external relay hands on what it doesn't know, too.
        let kind = accepted.map(|d| match text_of(get(d, "DomainType")).as_str() {
            "Authoritative" => "Authoritative".to_owned(),
            _ => "InternalRelay".to_owned(),
        });
        Domain {
            name: Some(name.to_owned()),
            verified: row.and_then(|d| d["isVerified"].as_bool()),
            verification: record("verification", "Txt").map(|r| text(&r, "text")).filter(|t| !t.is_empty()),
            mx_host: record("service", "Mx").map(|r| relative(&text(&r, "mailExchange"))).filter(|h| !h.is_empty()),
            kind,
        }
    }

    fn connectors(&self, domains: &[String]) -> Vec<Connector> {
        let inbound = self.kept.rows("exchange.inbound").iter().map(|c| (c, false));
        let outbound = self.kept.rows("exchange.outbound").iter().map(|c| (c, true));
        let served = |list: Vec<String>| -> Vec<String> {
            let bare = list.into_iter().map(|d| {
                // `smtp:contoso.test;1`: kind, domain, cost.
                let d = d.split_once(':').map_or(d.as_str(), |(_, d)| d).split(';').next().unwrap_or_default();
                d.trim_start_matches("*.").to_lowercase()
            });
            bare.filter(|d| d == "*" || domains.contains(d)).collect()
        };
        inbound
            .chain(outbound)
            .map(|(c, outbound)| Connector {
                name: Some(text_of(get(c, "Name"))),
                outbound,
                kind: Some(text_of(get(c, "ConnectorType")))
                    .filter(|k| ["OnPremises", "Partner"].contains(&k.as_str())),
                domains: Some(served(texts(c, if outbound { "RecipientDomains" } else { "SenderDomains" }))),
                smart_hosts: Some(texts(c, "SmartHosts")),
                enabled: get(c, "Enabled").as_bool(),
                hosts: Vec::new(),
                treat_as_internal: get(c, "TreatMessagesAsInternal").as_bool().unwrap_or_default(),
                demands_tls: false,
            })
            .collect()
    }

    fn user(&self, user: &Value) -> User {
        let id = Self::id(user);
        let recipient = match self.kind(user).as_str() {
            _ if self.is_mailbox(user) => Recipient::Mailbox,
            "MailUser" | "GuestMailUser" => Recipient::MailUser,
            _ => Recipient::None,
        };
        let external = self.recipients.get(&id).map(|r| text_of(get(r, "ExternalEmailAddress")));
        let external = external.map(|e| e.split_once(':').map_or(e.clone(), |(_, a)| a.to_owned()));
        let exchange = self.mailboxes.get(&id).or_else(|| self.mail_users.get(&id));
        let of_exchange = |name: &str| exchange.map(|m| text_of(get(m, name))).filter(|t| !t.is_empty());
        User {
            address: Some(text(user, "userPrincipalName")),
            name: Some(text(user, "displayName")),
            proxies: Some(texts(user, "proxyAddresses")).filter(|p| !p.is_empty()),
            usage_location: Some(text(user, "usageLocation")),
            licences: self.licences(user),
            recipient,
            external: external.filter(|e| !e.is_empty()),
            items: None,
            id: Some(id).filter(|i| Guid::parse(i).is_some()),
            mailbox_guid: of_exchange("ExchangeGuid").filter(|_| recipient == Recipient::Mailbox),
            legacy_dn: of_exchange("LegacyExchangeDN"),
        }
    }

    /// The attribute and value that keep people out of synchronization, if they give
    /// themselves away: an extension attribute that nobody of the tenant has, with one
    /// value.
    fn filter(&self, people: &[Somebody], remarks: &mut Vec<String>) -> Option<String> {
        let mut held: BTreeMap<&str, (bool, BTreeSet<&str>)> = BTreeMap::new();
        for person in people {
            let is_known = self.user_of(&person.anchors).is_some();
            for (number, value) in person.facts.extension.iter().flatten() {
                let (known, values) = held.entry(number.as_str()).or_default();
                *known |= is_known;
                values.insert(value.as_str());
            }
        }
        let mut telling = held.iter().filter(|(_, (known, values))| !known && values.len() == 1);
        let (number, (_, values)) = telling.next().filter(|_| !self.by_anchor.is_empty())?;
        let value = values.first().filter(|_| telling.next().is_none())?;
        remarks.push(format!(
            "nobody with extensionAttribute{number}={value} has a user in the tenant: taken for the filter of \
             synchronization"
        ));
        Some(format!("extensionAttribute{number}={value}"))
    }

    /// What the tenant has of people beforehand.
    pub(super) fn mess(
        &self,
        people: &[Somebody],
        addresses: &BTreeSet<String>,
        domains: &[String],
        remarks: &mut Vec<String>,
    ) -> Option<Untidy> {
        let in_cloud = people.iter().filter_map(|p| {
            let user = self.user_of(&p.anchors)?;
            let what = match (self.is_mailbox(user), self.is_licensed(user)) {
                (true, _) => InCloud::Mailbox,
                (false, true) => InCloud::Licensed,
                _ => return None,
            };
            Some((p.facts.address.as_ref()?.to_lowercase(), what))
        });
        let spelled: BTreeMap<String, &String> =
            people.iter().filter_map(|p| p.facts.address.as_ref()).map(|a| (a.to_lowercase(), a)).collect();
        let rows = self.kept.rows("exchange.migration-users").iter().map(|row| {
            let address = text_of(get(row, "MailboxEmailAddress"));
            address_key(&if address.is_empty() { text_of(get(row, "Identity")) } else { address })
        });
        let earlier: BTreeSet<String> =
            rows.filter(|a| addresses.contains(a)).filter_map(|a| spelled.get(&a).map(|s| (*s).clone())).collect();
        let untidy = Untidy {
            in_cloud: in_cloud.collect(),
            filter: self.filter(people, remarks),
            earlier_batch: earlier.into_iter().collect(),
            inside_zones: self
                .kept
                .rows("dns.zones")
                .iter()
                .filter(|zone| zone["inside"] == true)
                .map(|zone| text(zone, "domain"))
                .collect(),
            deleted_users: self.kept.rows("graph.deleted").iter().filter_map(|u| deleted(u, domains)).collect(),
            ..Untidy::default()
        };
        (untidy != Untidy::default()).then_some(untidy)
    }
}

fn sku(row: &Value) -> Sku {
    let plans = row["servicePlans"].as_array().into_iter().flatten();
    Sku {
        part: Some(text(row, "skuPartNumber")),
        id: Some(text(row, "skuId").to_lowercase()),
        seats: row["prepaidUnits"]["enabled"].as_i64(),
        plans: Some(
            plans
                .map(|p| Plan { id: text(p, "servicePlanId").to_lowercase(), name: text(p, "servicePlanName") })
                .collect(),
        ),
    }
}

/// A user of the recycle bin; its name carries its id in front.
fn deleted(row: &Value, domains: &[String]) -> Option<Deleted> {
    let id = text(row, "id");
    let name = text(row, "userPrincipalName");
    let bare = id.replace('-', "");
    let name = match name.get(..bare.len()) {
        Some(front) if front.eq_ignore_ascii_case(&bare) => name.get(bare.len()..).unwrap_or_default().to_owned(),
        _ => name,
    };
    let domain = domain_of(&name);
    let fits = domains.contains(&domain) || domain.ends_with(".onmicrosoft.com");
    fits.then(|| Deleted { address: Some(name), name: text(row, "displayName"), id: Some(id.to_lowercase()) })
}
