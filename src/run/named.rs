//! The tenant's name, typed once before the first write to it.
//!
//! A profile says where a run writes to, and the wrong profile is one word of the
//! command line away. So a person names the tenant that they mean before a project
//! writes to it for the first time. Labs are exempt. The name is kept in the
//! journal and not asked for again.

use serde_json::json;

use super::journal::Kind as EventKind;
use super::process;
use super::session::Session;
use crate::base::{Failure, Kind, Result};
use crate::wire::profile::Behind;

/// Lets a write go on to a tenant that was named.
///
/// # Errors
/// `approval`: another name was typed, or nobody can be asked. The journal can't
/// be written.
pub(super) async fn tenant(session: &Session) -> Result<()> {
    if session.profile().kind == Behind::Lab || session.planning().is_some() {
        return Ok(());
    }
    let wanted = plain(&session.profile().tenant.initial_domain);
    let is_named = || session.memory().past.named.contains(&wanted);
    if is_named() {
        return Ok(());
    }
    let _one = session.naming().lock().await;
    if is_named() {
        return Ok(());
    }
    let profile = &session.profile().name;
    let prompt = format!(
        "Nothing was written to the tenant of {profile} yet. Type the name of the tenant that you mean, its initial domain \
         (….onmicrosoft.com):"
    );
    let refused = |message: String| {
        Failure::new(Kind::Approval, message)
            .during("gate", "tenant name")
            .hint("nothing was written; look at --profile, then type the tenant's initial domain, or say it with --tenant-name")
    };
    let Some((typed, how)) = session.approver().typed(session, &prompt).await? else {
        return Err(refused(format!(
            "nobody has typed the name of {profile}'s tenant, which comes before the first write to it"
        )));
    };
    if plain(&typed) != wanted {
        return Err(refused(format!("`{}` is not the tenant that {profile} leads to", typed.trim())));
    }
    let body = json!({"by": process::user(), "host": process::host(), "how": how, "who": process::who()});
    session.record(EventKind::Named, "tenant_name", &wanted, body)
}

fn plain(name: &str) -> String {
    name.trim().trim_end_matches('.').to_lowercase()
}
