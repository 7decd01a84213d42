//! The services below the primitives: `exchange`, `graph`, `ldap`, `dns`.
//!
//! Whatever writes passes the same gate as the primitives do.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use super::types::texts;
use crate::base::{self, Failure, Result};
use crate::host::values::from_json;
use crate::run::raw;
use crate::services::directory::Scope;
use crate::services::dns::Ask;
use crate::wire::attributes::{Entry, Mod};
use crate::wire::dns::relative;
use crate::wire::guid::base64;
use crate::wire::invoke::{Param, Params};

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "exchange",
        name: "invoke",
        args: &[
            Arg::new("cmdlet", Kind::Text, "Any cmdlet of Exchange Online"),
            Arg::maybe("parameters", Kind::Map, "Its parameters by name"),
        ],
        returns: "array of map",
        summary: "Calls a cmdlet of Exchange Online",
        about: "Get-, Test- and Search- read; every other cmdlet writes: it has no before-image, is final, is never repeated by itself, and needs an approval.",
        failures: &[
            base::Kind::Auth,
            base::Kind::NotFound,
            base::Kind::Refused,
            base::Kind::InDoubt,
            base::Kind::Approval,
        ],
        effect: Effect::Writes,
        way_back: "none: a raw call has no before-image",
        example: "let domains = exchange::invoke(\"Get-AcceptedDomain\");\nprint(domains.len());",
        since: "0.1",
        methods_too: false,
        call: invoke,
    },
    Primitive {
        namespace: "graph",
        name: "get",
        args: &[Arg::new("path", Kind::Text, "Path and query below /v1.0, e.g. /users")],
        returns: "any value",
        summary: "Reads from Microsoft Graph",
        about: "Follows pages: a collection comes as an array, anything else as a map.",
        failures: &[base::Kind::Auth, base::Kind::NotFound, base::Kind::Refused],
        effect: Effect::Reads,
        way_back: "",
        example: "print(graph::get(\"/organization\").len());",
        since: "0.1",
        methods_too: false,
        call: graph_get,
    },
    Primitive {
        namespace: "graph",
        name: "post",
        args: &[Arg::new("path", Kind::Text, "Path below /v1.0"), Arg::new("body", Kind::Any, "Plain data")],
        returns: "any value",
        summary: "Sends a POST to Microsoft Graph",
        about: "Final, and needs an approval.",
        failures: &[base::Kind::Auth, base::Kind::Refused, base::Kind::InDoubt, base::Kind::Approval],
        effect: Effect::Writes,
        way_back: "for a new object of a collection: graph::delete of its id",
        example: "let answer = graph::post(\"/directoryObjects/getByIds\", #{ ids: [], types: [\"user\"] });\nprint(answer);",
        since: "0.1",
        methods_too: false,
        call: |call| graph_write(call, "POST"),
    },
    Primitive {
        namespace: "graph",
        name: "patch",
        args: &[Arg::new("path", Kind::Text, "Path below /v1.0"), Arg::new("body", Kind::Any, "Plain data")],
        returns: "any value",
        summary: "Sends a PATCH to Microsoft Graph",
        about: "Final, and needs an approval.",
        failures: &[
            base::Kind::Auth,
            base::Kind::NotFound,
            base::Kind::Refused,
            base::Kind::InDoubt,
            base::Kind::Approval,
        ],
        effect: Effect::Writes,
        way_back: "none: a raw call has no before-image",
        example: "let someone = graph::get(\"/users?$select=id&$top=1\")[0];\ngraph::patch(`/users/${someone.id}`, #{ usageLocation: \"DE\" });",
        since: "0.1",
        methods_too: false,
        call: |call| graph_write(call, "PATCH"),
    },
    Primitive {
        namespace: "graph",
        name: "delete",
        args: &[Arg::new("path", Kind::Text, "Path below /v1.0")],
        returns: "()",
        summary: "Sends a DELETE to Microsoft Graph",
        about: "Final, and needs an approval.",
        failures: &[
            base::Kind::Auth,
            base::Kind::NotFound,
            base::Kind::Refused,
            base::Kind::InDoubt,
            base::Kind::Approval,
        ],
        effect: Effect::Writes,
        way_back: "none: a raw call has no before-image",
        example: "try { graph::delete(\"/users/nobody@contoso.test\"); } catch (e) { print(e.kind); }",
        since: "0.1",
        methods_too: false,
        call: |call| graph_write(call, "DELETE"),
    },
    Primitive {
        namespace: "ldap",
        name: "search",
        args: &[
            Arg::new("filter", Kind::Text, "An LDAP filter, RFC 4515"),
            Arg::maybe(
                "options",
                Kind::Options,
                "`base` (the domain), `attributes` (array; all), `scope` (base, one, sub)",
            ),
        ],
        returns: "array of map",
        summary: "Searches Active Directory",
        about: "Each object is a map: dn, and arrays of text for its attributes; bytes come as base64.",
        failures: &[base::Kind::Auth, base::Kind::Refused, base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "let servers = ldap::search(\"(objectClass=user)\", #{ attributes: [\"mail\"] });\nprint(servers.len() > 0);",
        since: "0.1",
        methods_too: false,
        call: ldap_search,
    },
    Primitive {
        namespace: "ldap",
        name: "modify",
        args: &[
            Arg::new("dn", Kind::Text, "Distinguished name; commas inside a value are written \\\\,"),
            Arg::new(
                "changes",
                Kind::Array,
                "Maps with one of `add`, `remove`, `replace` (attribute name) and `values` (array)",
            ),
        ],
        returns: "map",
        summary: "Changes one object of Active Directory",
        about: "One modify, whole or not at all, with its whole before-image in the journal. Naming exact old values under `remove` guards it. Answers before and after.",
        failures: &[base::Kind::Conflict, base::Kind::NotFound, base::Kind::Refused],
        effect: Effect::Writes,
        way_back: "the inverse modify from the before-image",
        example: "let someone = ldap::search(\"(&(objectClass=user)(mail=*))\", #{ attributes: [\"mail\"] })[0];\nldap::modify(someone.dn, [#{ replace: \"telephoneNumber\", values: [\"+49 30 1234\"] }]);",
        since: "0.1",
        methods_too: false,
        call: ldap_modify,
    },
    Primitive {
        namespace: "dns",
        name: "lookup",
        args: &[
            Arg::new("name", Kind::Text, "A name"),
            Arg::new("kind", Kind::Text, "MX, TXT, CNAME, A, NS, SOA"),
            Arg::maybe("from", Kind::Text, "A resolver as host:port; the zone's own server if left out"),
        ],
        returns: "any value",
        summary: "Looks a record set up",
        about: "A map with values and ttl, or () if there is none.",
        failures: &[base::Kind::Unavailable, base::Kind::Timeout],
        effect: Effect::Reads,
        way_back: "",
        example: "print(dns::lookup(project().domains[0], \"MX\"));",
        since: "0.1",
        methods_too: false,
        call: dns_lookup,
    },
];

fn invoke(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let cmdlet = call.text(0)?;
    let mut params: Params = Vec::new();
    if call.has(1) {
        let Value::Object(map) = call.json(1)? else {
            return Err(Failure::new(base::Kind::Usage, "the parameters of a cmdlet are a map"));
        };
        for (name, value) in map {
            params.push((name, param(&value)?));
        }
    }
    let rows = call.wait(raw::invoke(&session, &cmdlet, params))?;
    Ok(from_json(&rows))
}

fn param(value: &Value) -> Result<Param> {
    Ok(match value {
        Value::Null => Param::Null,
        Value::Bool(b) => Param::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(i) => Param::Int(i),
            None => Param::Text(n.to_string()),
        },
        Value::String(t) => Param::Text(t.clone()),
        Value::Array(items) => Param::List(items.iter().map(param).collect::<Result<_>>()?),
        Value::Object(map) => {
            let mut table = BTreeMap::new();
            for (name, value) in map {
                table.insert(name.clone(), param(value)?);
            }
            Param::Table(table)
        }
    })
}

fn path_of(call: &Call) -> Result<String> {
    let path = call.text(0)?;
    if !path.starts_with('/') || path.contains("://") {
        return Err(Failure::new(base::Kind::Usage, format!("`{path}` is no path of Graph"))
            .hint("a path begins with a slash, below /v1.0: /users"));
    }
    Ok(path)
}

fn graph_get(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let path = path_of(call)?;
    let answer = call.wait(async {
        let first = session.sees().get(&path).await?;
        if first["value"].is_array() && first.get("@odata.nextLink").is_some() {
            return session.sees().get_all(&path).await.map(Value::Array);
        }
        Ok(match first.get("value") {
            Some(Value::Array(rows)) => Value::Array(rows.clone()),
            _ => first,
        })
    })?;
    Ok(from_json(&answer))
}

fn graph_write(call: &mut Call, method: &'static str) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let path = path_of(call)?;
    let body = if call.has(1) { call.json(1)? } else { Value::Null };
    let answer = call.wait(raw::graph(&session, method, &path, &body))?;
    Ok(from_json(&answer))
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SearchOptions {
    base: Option<String>,
    attributes: Option<Vec<String>>,
    scope: Option<String>,
}

fn ldap_search(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let filter = call.text(0)?;
    let options: SearchOptions = call.options(1)?;
    let scope = match options.scope.as_deref() {
        None | Some("sub") => Scope::Subtree,
        Some("one") => Scope::OneLevel,
        Some("base") => Scope::Base,
        Some(other) => {
            return Err(
                Failure::new(base::Kind::Usage, format!("`{other}` is no scope of a search")).hint("base, one or sub")
            );
        }
    };
    let entries = call.wait(async {
        let directory = &session.services().directory;
        let base = match options.base {
            Some(base) => base,
            None => directory.base().await?,
        };
        let names: Vec<&str> = options.attributes.iter().flatten().map(String::as_str).collect();
        let names = if names.is_empty() { vec!["*"] } else { names };
        session.sees().search(&base, scope, &filter, &names).await
    })?;
    Ok(entries.iter().map(entry_map).collect::<Array>().into())
}

fn entry_map(entry: &Entry) -> Dynamic {
    let mut map = Map::new();
    map.insert("dn".into(), entry.dn.clone().into());
    for (name, values) in entry.iter() {
        let shown: Vec<String> = values
            .iter()
            .map(|v| match std::str::from_utf8(v) {
                Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
                _ => base64(v),
            })
            .collect();
        map.insert(name.into(), texts(&shown));
    }
    map.into()
}

fn ldap_modify(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let dn = call.text(0)?;
    let Value::Array(changes) = call.json(1)? else {
        return Err(Failure::new(base::Kind::Usage, "the changes of a modify are an array of maps"));
    };
    let mods = changes.iter().map(one_mod).collect::<Result<Vec<Mod>>>()?;
    if mods.is_empty() {
        return Err(Failure::new(base::Kind::Usage, "a modify needs at least one change"));
    }
    let (before, after) = call.wait(raw::modify(&session, &dn, &mods))?;
    let mut map = Map::new();
    map.insert("changed".into(), (before != after).into());
    map.insert("before".into(), from_json(&before));
    map.insert("after".into(), from_json(&after));
    Ok(map.into())
}

fn one_mod(change: &Value) -> Result<Mod> {
    let values: Vec<Vec<u8>> = change["values"]
        .as_array()
        .map(|l| l.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned).into_bytes()).collect())
        .unwrap_or_default();
    let known = [("add", 0), ("remove", 1), ("replace", 2)];
    let found = known.iter().find_map(|(word, n)| change[*word].as_str().map(|name| (name.to_owned(), *n)));
    match found {
        Some((name, 0)) => Ok(Mod::Add(name, values)),
        Some((name, 1)) => Ok(Mod::Delete(name, values)),
        Some((name, _)) => Ok(Mod::Replace(name, values)),
        None => Err(Failure::new(base::Kind::Usage, "a change names its attribute under add, remove or replace")
            .hint("#{ replace: \"telephoneNumber\", values: [\"+49 30 1234\"] }")),
    }
}

fn dns_lookup(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let name = call.text(0)?;
    let kind = call.text(1)?;
    let kind = kind.to_uppercase().parse().map_err(|_| {
        Failure::new(base::Kind::Usage, format!("`{kind}` is no record type")).hint("MX, TXT, CNAME, A, NS or SOA")
    })?;
    let from = if call.has(2) { Some(call.text(2)?) } else { None };
    let ask = from.as_deref().map_or(Ask::Authority, Ask::Resolver);
    let found = call.wait(session.sees().lookup(&name, kind, ask))?;
    Ok(found.map_or(Dynamic::UNIT, |set| {
        let mut map = Map::new();
        map.insert("name".into(), relative(&set.name).into());
        map.insert("ttl".into(), i64::from(set.ttl).into());
        map.insert("values".into(), texts(&set.values));
        map.into()
    }))
}
