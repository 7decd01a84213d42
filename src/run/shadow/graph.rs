//! What Graph will show of what a plan would change: users, domains, the
//! tenant's own record, seats.
//!
//! Members are laid over the service's own objects; a domain that is not there
//! yet is a whole one. It asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::unknown;
use crate::wire::graph::{pairs, unpercent};

/// The objects that are foreseen.
#[derive(Debug, Default)]
pub struct Graph {
    /// Members by object id.
    users: BTreeMap<String, Map<String, Value>>,
    /// Ids of users whom the tenant doesn't have yet.
    coming: BTreeSet<String>,
    /// Members by name in lower case.
    domains: BTreeMap<String, Map<String, Value>>,
    /// Domains that the tenant doesn't have yet.
    added: BTreeSet<String>,
    /// Seats taken or given back, by product in lower case.
    seats: BTreeMap<String, i64>,
}

impl Graph {
    /// Whether nothing was foreseen.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.domains.is_empty() && self.seats.is_empty()
    }

    /// Members of a user that will differ.
    pub fn user(&mut self, id: &str, members: Value) {
        if let Value::Object(members) = members {
            self.users.entry(id.to_lowercase()).or_default().extend(members);
        }
    }

    /// A user whom the tenant will have.
    pub fn add_user(&mut self, id: &str, members: Value) {
        self.coming.insert(id.to_lowercase());
        self.user(id, members);
    }

    /// Whether the tenant doesn't have a user yet.
    pub fn is_coming(&self, id: &str) -> bool {
        self.coming.contains(&id.to_lowercase())
    }

    /// A seat of a product that will be taken (1) or free (-1).
    pub fn seat(&mut self, sku: &str, by: i64) {
        *self.seats.entry(sku.to_lowercase()).or_default() += by;
    }

    /// A domain that the tenant will have.
    pub fn add_domain(&mut self, name: &str, members: Value) {
        self.added.insert(name.to_lowercase());
        self.domain(name, members);
    }

    /// Members of a domain that will differ.
    pub fn domain(&mut self, name: &str, members: Value) {
        if let Value::Object(members) = members {
            self.domains.entry(name.to_lowercase()).or_default().extend(members);
        }
    }

    /// Whether something of a domain will differ.
    pub fn concerns(&self, domain: &str) -> bool {
        self.domains.contains_key(&domain.to_lowercase())
    }

    /// What a path will answer that the service doesn't know yet.
    pub fn instead(&self, path: &str) -> Option<Value> {
        let (segments, _) = parts(path);
        let [kind, name, rest @ ..] = segments.as_slice() else { return None };
        let name = name.to_lowercase();
        if kind == "users" && rest.is_empty() && self.coming.contains(&name) {
            return Some(Value::Object(self.users.get(&name)?.clone()));
        }
        if kind != "domains" || !self.added.contains(&name) {
            return None;
        }
        match rest {
            [] => Some(Value::Object(self.domains.get(&name)?.clone())),
            [what] if what == "verificationDnsRecords" => {
                let proof = unknown::text(unknown::Of::Proof, &name);
                Some(json!({"value": [{"recordType": "Txt", "label": name, "text": proof}]}))
            }
            [what] if what == "serviceConfigurationRecords" => {
                let host = unknown::text(unknown::Of::MailHost, &name);
                Some(json!({"value": [
                    {"recordType": "Mx", "label": name, "mailExchange": host, "preference": 0},
                    {"recordType": "CName", "label": format!("autodiscover.{name}"), "canonicalName": "autodiscover.outlook.com"},
                ]}))
            }
            _ => None,
        }
    }

    /// One object, as a path will answer it.
    pub fn look_at(&self, path: &str, answer: &mut Value) {
        let (segments, selected) = parts(path);
        match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["users", id] => self.lay_user(id, &selected, answer),
            ["domains", name] => {
                if let Some(members) = self.domains.get(&name.to_lowercase()) {
                    lay(members, &selected, answer);
                }
            }
            _ => {
                if let Some(rows) = answer.get_mut("value").and_then(Value::as_array_mut) {
                    self.look(path, rows);
                }
            }
        }
    }

    /// The objects of a collection, as a path will list them.
    pub fn look(&self, path: &str, rows: &mut Vec<Value>) {
        let (segments, selected) = parts(path);
        match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["users"] => {
                rows.iter_mut().for_each(|row| self.look_at_user(&selected, row));
                let fresh = self.coming.iter().filter_map(|id| self.users.get(id));
                rows.extend(fresh.map(|members| Value::Object(members.clone())));
            }
            ["domains"] => {
                for row in rows.iter_mut() {
                    let name = row["id"].as_str().unwrap_or_default().to_lowercase();
                    if let Some(members) = self.domains.get(&name) {
                        lay(members, &selected, row);
                    }
                }
                let fresh = self.added.iter().filter_map(|name| self.domains.get(name));
                rows.extend(fresh.map(|members| Value::Object(members.clone())));
            }
            ["organization"] => rows.iter_mut().for_each(|row| self.look_at_tenant(row)),
            ["subscribedSkus"] => {
                for row in rows {
                    let sku = row["skuId"].as_str().unwrap_or_default().to_lowercase();
                    if let (Some(by), Some(taken)) = (self.seats.get(&sku), row["consumedUnits"].as_i64()) {
                        row["consumedUnits"] = json!(taken + by);
                    }
                }
            }
            _ => {}
        }
    }

    /// One user of a list with these members.
    fn look_at_user(&self, selected: &[String], row: &mut Value) {
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        self.lay_user(&id, selected, row);
    }

    fn lay_user(&self, id: &str, selected: &[String], user: &mut Value) {
        if let Some(members) = self.users.get(&id.to_lowercase()) {
            lay(members, selected, user);
        }
    }

    fn look_at_tenant(&self, row: &mut Value) {
        let Some(there) = row.get_mut("verifiedDomains").and_then(Value::as_array_mut) else { return };
        for (name, members) in &self.domains {
            let known = there.iter().any(|d| d["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)));
            if members.get("isVerified") == Some(&Value::Bool(true)) && !known {
                there.push(json!({"name": name, "isInitial": false, "isDefault": false, "type": "Managed"}));
            }
        }
    }
}

fn lay(members: &Map<String, Value>, selected: &[String], object: &mut Value) {
    let Some(object) = object.as_object_mut() else { return };
    for (name, value) in members {
        if object.contains_key(name) || selected.contains(name) {
            object.insert(name.clone(), value.clone());
        }
    }
}

/// Segments of a path and the members that it selects.
fn parts(path: &str) -> (Vec<String>, Vec<String>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let segments = path.split('/').filter(|s| !s.is_empty()).map(|s| unpercent(s, false)).collect();
    let selected = pairs(query).into_iter().find(|(name, _)| name == "$select").map(|(_, value)| value);
    (segments, selected.iter().flat_map(|s| s.split(',')).map(|s| s.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_laid_over_what_was_asked_for() {
        let mut shadow = Graph::default();
        shadow.user("A1", json!({"usageLocation": "DE", "assignedLicenses": [{"skuId": "s"}]}));
        let mut rows = vec![json!({"id": "a1", "usageLocation": null}), json!({"id": "b2", "usageLocation": "US"})];
        shadow.look("/users?$select=id,usageLocation&$top=999", &mut rows);
        assert_eq!(rows, [json!({"id": "a1", "usageLocation": "DE"}), json!({"id": "b2", "usageLocation": "US"})]);
        let mut one = json!({"id": "a1"});
        shadow.look_at("/users/a1?$select=id,assignedLicenses", &mut one);
        assert_eq!(one["assignedLicenses"][0]["skuId"], "s");
        assert!(one.get("usageLocation").is_none());
    }

    #[test]
    fn a_seat_and_a_verified_domain_are_counted() {
        let mut shadow = Graph::default();
        shadow.seat("S", 2);
        shadow.seat("s", -1);
        shadow.domain("Contoso.test", json!({"isVerified": true}));
        let mut skus = vec![json!({"skuId": "S", "consumedUnits": 4})];
        shadow.look("/subscribedSkus", &mut skus);
        assert_eq!(skus[0]["consumedUnits"], 5);
        let mut tenant = json!({"value": [{"id": "t", "verifiedDomains": [{"name": "x.onmicrosoft.com"}]}]});
        shadow.look_at("/organization?$select=id,verifiedDomains", &mut tenant);
        assert_eq!(tenant["value"][0]["verifiedDomains"][1]["name"], "contoso.test");
        shadow.look_at("/organization", &mut tenant);
        assert_eq!(tenant["value"][0]["verifiedDomains"].as_array().map(Vec::len), Some(2), "once");
    }

    #[test]
    fn a_domain_that_is_not_there_yet_answers_with_stand_ins() {
        let mut shadow = Graph::default();
        shadow.add_domain("new.test", json!({"id": "new.test", "isVerified": false}));
        shadow.domain("new.test", json!({"isVerified": true}));
        assert_eq!(shadow.instead("/domains/New.test").map(|d| d["isVerified"].clone()), Some(json!(true)));
        let proof = shadow.instead("/domains/new.test/verificationDnsRecords").expect("it is foreseen");
        assert!(unknown::in_text(proof["value"][0]["text"].as_str().unwrap_or_default()).is_some());
        assert_eq!(shadow.instead("/domains/old.test"), None);
        let mut all = Vec::new();
        shadow.look("/domains", &mut all);
        assert_eq!(all.len(), 1);
    }
}
