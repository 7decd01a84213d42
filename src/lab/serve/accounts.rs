//! The two accounts of the old side that somebody may sign in with.
//!
//! One that may read and write the directory, and the migration account, which
//! may open mailboxes and write nothing but `targetAddress`. Names are taken as
//! UPN, as `DOMAIN\user` or as a distinguished name.

use crate::lab::World;
use crate::wire::attributes::dn_key;

/// Name of the account that stagepost writes the directory with.
pub const DIRECTORY: &str = "admin";
/// Name of the account that the service reads mailboxes with.
pub const MIGRATION: &str = "svc-migration";

/// Who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// Reads and writes the directory.
    Directory,
    /// Opens mailboxes, writes `targetAddress`.
    Migration,
}

/// Why nobody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No account of that name.
    NoSuchUser,
    /// Another password.
    BadPassword,
}

/// The first domain's NetBIOS name: `CONTOSO`.
pub fn netbios(world: &World) -> String {
    let first = world.company.domains.first().map_or("lab", String::as_str);
    first.split('.').next().unwrap_or("lab").to_uppercase()
}

/// `CONTOSO\svc-migration`.
pub fn migration_account(world: &World) -> String {
    format!("{}\\{MIGRATION}", netbios(world))
}

/// `CONTOSO\\admin`, and the like.
pub fn full_name(world: &World, account: Account) -> String {
    match account {
        Account::Directory => format!("{}\\{DIRECTORY}", netbios(world)),
        Account::Migration => migration_account(world),
    }
}

/// Checks a name and a password.
///
/// # Errors
/// Which of the two is wrong.
pub fn sign_in(world: &World, name: &str, password: &str) -> Result<Account, Denied> {
    let account = account(world, name).ok_or(Denied::NoSuchUser)?;
    let secret = match account {
        Account::Directory => "directory",
        Account::Migration => "migration",
    };
    match world.secrets.get(secret) {
        Some(known) if known == password => Ok(account),
        _ => Err(Denied::BadPassword),
    }
}

fn account(world: &World, name: &str) -> Option<Account> {
    let of = |user: &str| match user.to_lowercase().as_str() {
        DIRECTORY => Some(Account::Directory),
        MIGRATION => Some(Account::Migration),
        _ => None,
    };
    if let Some((domain, user)) = name.split_once('\\') {
        let known = domain.eq_ignore_ascii_case(&netbios(world))
            || world.company.domains.first().is_some_and(|d| d.eq_ignore_ascii_case(domain));
        return if known { of(user) } else { None };
    }
    if let Some((user, domain)) = name.rsplit_once('@') {
        let known = world.company.domains.iter().any(|d| d.eq_ignore_ascii_case(domain));
        return if known { of(user) } else { None };
    }
    let key = dn_key(name);
    if let Some(object) = world.directory.get(&key) {
        return of(&object.entry.text("sAMAccountName")?);
    }
    // The accounts need not be objects of the world.
    let base = dn_key(&world.company.base_dn);
    let user = key.strip_suffix(&base)?.strip_suffix(",cn=users,")?.strip_prefix("cn=")?;
    of(user)
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;

    #[test]
    fn every_form_of_the_name_is_taken() {
        let world = small::world();
        for name in ["admin@contoso.test", "CONTOSO\\Admin", "cn=admin,cn=Users,dc=contoso,dc=test"] {
            assert_eq!(sign_in(&world, name, "admin's word"), Ok(Account::Directory), "{name}");
        }
        assert_eq!(sign_in(&world, "contoso\\svc-migration", "Mov3r!"), Ok(Account::Migration));
        assert_eq!(sign_in(&world, "contoso\\svc-migration", "mov3r!"), Err(Denied::BadPassword));
        assert_eq!(sign_in(&world, "FABRIKAM\\admin", "admin's word"), Err(Denied::NoSuchUser));
    }
}
