//! Modify: in order, all or nothing, as strict as the schema.
//!
//! Deleting an exact value that is not there fails the whole request, which is
//! the guard that clients rely on. Texts have AD's shape: eight hexadecimal
//! digits of a Win32 code, then the class and the problem.

use super::super::accounts::Account;
use super::filter::same;
use super::message::{Change, Outcome, Verb};
use super::search::exists;
use crate::lab::World;
use crate::lab::sync;
use crate::wire::attributes::{Attribute, Entry, Syntax, attribute, dn_key, result};

/// Attributes that only the directory itself writes.
const SYSTEM: &[&str] = &[
    "objectGUID",
    "objectSid",
    "uSNChanged",
    "uSNCreated",
    "whenChanged",
    "whenCreated",
    "distinguishedName",
    "allowedAttributesEffective",
    "tokenGroups",
];
/// Attributes outside the table that a user object has all the same.
const PLAIN: &[&str] = &[
    "userPrincipalName",
    "sAMAccountName",
    "userAccountControl",
    "description",
    "info",
    "telephoneNumber",
    "title",
    "department",
    "company",
    "l",
    "co",
    "c",
    "st",
    "streetAddress",
    "postalCode",
    "physicalDeliveryOfficeName",
    "sn",
    "initials",
    "manager",
    "comment",
    "wWWHomePage",
    "facsimileTelephoneNumber",
    "mobile",
    "pager",
    "homePhone",
    "employeeID",
    "employeeNumber",
    "employeeType",
    "division",
    "msDS-ConsistencyGuid",
    "mS-DS-ConsistencyGuid",
];

fn fault(code: u16, hex: &str, problem: &str, name: &str) -> Outcome {
    let number = crate::lab::world::choose(0, "attribute id", &name.to_lowercase(), 0) & 0x000f_ffff;
    Outcome::new(
        code,
        format!(
            "{hex}: AtrErr: DSID-03190F80, #1:\n\t0: {hex}: DSID-03190F80, problem {problem}, data 0, Att {number:x} ({name})\n"
        ),
    )
}

/// Carries a modify out, or says why not.
pub fn run(world: &mut World, account: Account, dn: &str, changes: &[Change], permissive: bool) -> Outcome {
    let key = dn_key(dn);
    if dn.is_empty() {
        return Outcome::new(
            result::UNWILLING,
            "0000209A: SvcErr: DSID-031A1021, problem 5003 (WILL_NOT_PERFORM), data 0\n",
        );
    }
    let Some(object) = world.directory.get(&key) else {
        return match exists(world, &key) {
            Ok(()) => Outcome::new(
                result::UNWILLING,
                "00002035: SvcErr: DSID-031A1021, problem 5003 (WILL_NOT_PERFORM), data 0\n",
            ),
            Err(outcome) => outcome,
        };
    };
    if changes.is_empty() {
        return Outcome::new(
            result::PROTOCOL_ERROR,
            "00000057: LdapErr: DSID-0C090B73, comment: No modification given, data 0, v1db1",
        );
    }
    let before = object.entry.clone();
    let mut after = before.clone();
    for change in changes {
        if let Err(outcome) = apply(&mut after, account, change, permissive) {
            return outcome;
        }
    }
    if alike(&before, &after) {
        return Outcome::success();
    }
    world.usn += 1;
    let (usn, now) = (world.usn, world.now);
    if let Some(object) = world.directory.get_mut(&key) {
        object.entry = after;
        object.usn = usn;
        object.changed = now;
    }
    sync::directory_changed(world, &key, &before);
    Outcome::success()
}

/// Whether two images hold the same values, in any order.
fn alike(a: &Entry, b: &Entry) -> bool {
    let sorted = |entry: &Entry| -> Vec<(String, Vec<Vec<u8>>)> {
        entry
            .iter()
            .map(|(name, values)| {
                let mut values = values.to_vec();
                values.sort();
                (name.to_lowercase(), values)
            })
            .collect()
    };
    sorted(a) == sorted(b)
}

fn apply(entry: &mut Entry, account: Account, change: &Change, permissive: bool) -> Result<(), Outcome> {
    let name = change.attribute.split(';').next().unwrap_or_default();
    let schema = attribute(name);
    let known = schema.is_some() || entry.has(name) || PLAIN.iter().any(|p| p.eq_ignore_ascii_case(name));
    if SYSTEM.iter().any(|s| s.eq_ignore_ascii_case(name)) || schema.is_some_and(|s| s.link.is_some_and(|l| l % 2 == 1))
    {
        return Err(Outcome::new(
            result::CONSTRAINT,
            format!(
                "0000209A: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM), data 0, Att ({name}): owned by the system\n"
            ),
        ));
    }
    if ["cn", "name", "ou", "dc", "objectClass", "objectCategory"].iter().any(|n| n.eq_ignore_ascii_case(name)) {
        return Err(Outcome::new(
            result::UNWILLING,
            format!("00002016: UpdErr: DSID-031B0DFF, problem 6004 (CANT_ON_RDN), data 0, Att ({name})\n"),
        ));
    }
    if account == Account::Migration && !name.eq_ignore_ascii_case("targetAddress") {
        return Err(Outcome::new(
            result::INSUFFICIENT_ACCESS,
            "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n",
        ));
    }
    if !known {
        // AD answers 16 to an attribute that the schema does not have.
        return Err(Outcome::new(
            result::NO_SUCH_ATTRIBUTE,
            format!(
                "00000057: LdapErr: DSID-0C0910B4, comment: Error in attribute conversion operation ({name}), data 0, v1db1"
            ),
        ));
    }
    if change.verb != Verb::Delete {
        for value in &change.values {
            check(name, schema, value)?;
        }
    }
    let spelling = schema.map_or(name, |s| s.name);
    let mut values = entry.values(name).to_vec();
    let single = schema.is_some_and(|s| s.single);
    match change.verb {
        Verb::Add => {
            if change.values.is_empty() {
                return Err(Outcome::new(
                    result::PROTOCOL_ERROR,
                    "00000057: LdapErr: DSID-0C090B73, comment: Error in attribute conversion operation, data 0, v1db1",
                ));
            }
            for value in &change.values {
                if values.iter().any(|v| same(name, v, value)) {
                    if permissive {
                        continue;
                    }
                    return Err(fault(result::VALUE_EXISTS, "00002083", "1006 (ATT_OR_VALUE_EXISTS)", spelling));
                }
                if single && !values.is_empty() {
                    let code = if entry.has(name) { result::VALUE_EXISTS } else { result::CONSTRAINT };
                    let problem =
                        if entry.has(name) { "1006 (ATT_OR_VALUE_EXISTS)" } else { "1005 (CONSTRAINT_ATT_TYPE)" };
                    return Err(fault(code, "00002081", problem, spelling));
                }
                values.push(value.clone());
            }
        }
        Verb::Delete if change.values.is_empty() => {
            if values.is_empty() && !permissive {
                return Err(fault(result::NO_SUCH_ATTRIBUTE, "0000200A", "1001 (NO_ATTRIBUTE_OR_VAL)", spelling));
            }
            values.clear();
        }
        Verb::Delete => {
            for value in &change.values {
                match values.iter().position(|v| same(name, v, value)) {
                    Some(at) => {
                        values.remove(at);
                    }
                    None if permissive => {}
                    None => {
                        return Err(fault(
                            result::NO_SUCH_ATTRIBUTE,
                            "00002085",
                            "1001 (NO_ATTRIBUTE_OR_VAL)",
                            spelling,
                        ));
                    }
                }
            }
        }
        Verb::Replace => {
            if single && change.values.len() > 1 {
                return Err(fault(result::CONSTRAINT, "00002081", "1005 (CONSTRAINT_ATT_TYPE)", spelling));
            }
            values.clear();
            for value in &change.values {
                if values.iter().any(|v: &Vec<u8>| same(name, v, value)) {
                    return Err(fault(result::VALUE_EXISTS, "00002083", "1006 (ATT_OR_VALUE_EXISTS)", spelling));
                }
                values.push(value.clone());
            }
        }
    }
    entry.set(spelling, values);
    Ok(())
}

/// Whether a value fits the attribute's syntax and length.
fn check(name: &str, schema: Option<&'static Attribute>, value: &[u8]) -> Result<(), Outcome> {
    let syntax = |good: bool| {
        if good { Ok(()) } else { Err(fault(result::INVALID_SYNTAX, "0000200B", "1002 (INVALID_ATT_SYNTAX)", name)) }
    };
    if value.is_empty() {
        return syntax(false);
    }
    let Some(schema) = schema else { return Ok(()) };
    let text = std::str::from_utf8(value);
    match schema.syntax {
        Syntax::Text => syntax(text.is_ok())?,
        Syntax::Boolean => syntax(matches!(value, b"TRUE" | b"FALSE"))?,
        Syntax::Integer => syntax(text.is_ok_and(|t| t.parse::<i32>().is_ok()))?,
        Syntax::LargeInteger => syntax(text.is_ok_and(|t| t.parse::<i64>().is_ok()))?,
        Syntax::Dn => {
            let good = text.is_ok_and(|t| {
                crate::wire::attributes::split_dn(t)
                    .iter()
                    .all(|p| p.split_once('=').is_some_and(|(k, v)| !k.trim().is_empty() && !v.is_empty()))
            });
            syntax(good)?;
        }
        Syntax::Octets | Syntax::Other => {}
    }
    let length = match (schema.syntax, text) {
        (Syntax::Text, Ok(text)) => text.encode_utf16().count(),
        _ => value.len(),
    };
    let counted = matches!(schema.syntax, Syntax::Text | Syntax::Octets);
    match schema.range {
        Some((least, most)) if counted && !(least..=most).contains(&length) => {
            Err(fault(result::CONSTRAINT, "00002082", "1005 (CONSTRAINT_ATT_TYPE)", schema.name))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::small;
    use super::*;

    const ANN: &str = "cn=ann,ou=users,dc=contoso,dc=test";

    fn change(verb: Verb, attribute: &str, values: &[&str]) -> Change {
        Change { verb, attribute: attribute.into(), values: values.iter().map(|v| v.as_bytes().to_vec()).collect() }
    }

    fn run_one(world: &mut World, changes: &[Change]) -> (u16, String) {
        let outcome = run(world, Account::Directory, ANN, changes, false);
        (outcome.code, outcome.text.get(..8).unwrap_or_default().to_owned())
    }

    #[test]
    fn a_guard_that_fails_leaves_everything_as_it_was() {
        let mut world = small::world();
        let before = world.directory.get(ANN).expect("Ann is there").entry.clone();
        let changes = [
            change(Verb::Add, "targetAddress", &["SMTP:ann@contoso.onmicrosoft.com"]),
            change(Verb::Delete, "homeMDB", &["CN=Other,DC=contoso,DC=test"]),
        ];
        assert_eq!(run_one(&mut world, &changes), (16, "00002085".into()));
        assert_eq!(world.directory.get(ANN).map(|o| o.entry.clone()), Some(before));
        assert_eq!(world.usn, 1003);
    }

    #[test]
    fn each_broken_rule_has_its_code() {
        let mut world = small::world();
        let long = format!("SMTP:{}@contoso.test", "x".repeat(2000));
        let cases: [(Change, u16, &str); 10] = [
            (change(Verb::Add, "proxyAddresses", &["smtp:ANN@contoso.test"]), 20, "00002083"),
            (change(Verb::Add, "mailNickname", &["other"]), 20, "00002081"),
            (change(Verb::Replace, "targetAddress", &["SMTP:a@x", "SMTP:b@x"]), 19, "00002081"),
            (change(Verb::Add, "targetAddress", &[&long]), 19, "00002082"),
            (change(Verb::Delete, "targetAddress", &[]), 16, "0000200A"),
            (change(Verb::Replace, "msExchRecipientTypeDetails", &["many"]), 21, "0000200B"),
            (change(Verb::Replace, "msExchHideFromAddressLists", &["yes"]), 21, "0000200B"),
            (change(Verb::Replace, "objectGUID", &["1234567890123456"]), 19, "0000209A"),
            (change(Verb::Replace, "cn", &["anne"]), 53, "00002016"),
            (change(Verb::Replace, "msExchNonsense", &["x"]), 16, "00000057"),
        ];
        for (case, code, hex) in cases {
            let attribute = case.attribute.clone();
            assert_eq!(run_one(&mut world, &[case]), (code, hex.into()), "{attribute}");
        }
        let gone = run(
            &mut world,
            Account::Directory,
            "CN=nobody,OU=Users,DC=contoso,DC=test",
            &[change(Verb::Replace, "mail", &["x"])],
            false,
        );
        assert_eq!(gone.code, 32);
        let stranger = run(&mut world, Account::Migration, ANN, &[change(Verb::Replace, "mail", &["x@y.test"])], false);
        assert_eq!((stranger.code, stranger.text.get(..8)), (50, Some("00002098")));
    }

    #[test]
    fn the_exact_old_value_opens_and_the_number_grows() {
        let mut world = small::world();
        let changes = [
            change(Verb::Delete, "mail", &["ANN@contoso.test"]),
            change(Verb::Add, "mail", &["ann@contoso.onmicrosoft.com"]),
        ];
        assert_eq!(run_one(&mut world, &changes).0, 0);
        assert_eq!(world.usn, 1004);
        // Nothing that changes nothing counts.
        let same = [change(Verb::Replace, "mail", &["ann@contoso.onmicrosoft.com"])];
        assert_eq!(run_one(&mut world, &same).0, 0);
        assert_eq!(world.usn, 1004);
        let permissive = run(&mut world, Account::Directory, ANN, &[change(Verb::Delete, "targetAddress", &[])], true);
        assert_eq!(permissive.code, 0);
    }
}
