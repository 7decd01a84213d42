//! `run --plan`: the plan is read and held against what it was made from before
//! anything is opened; a run against a real tenant needs one.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::args::Run;
use crate::base::{Failure, Kind, Result};
use crate::run::plan::Pin;
use crate::run::plan_file::{self, Filed, Now};
use crate::wire::guid::hex;
use crate::wire::profile::{Behind, Profile};

/// The plan that binds the run, if one was given.
///
/// # Errors
/// `usage`: against a real tenant none was given, it can't be read, or it was made
/// from something else.
pub(crate) fn agreed(
    args: &Run,
    profile: &Profile,
    here: &Path,
    made_from: &[Pin],
) -> Result<Option<Filed>> {
    let Some(path) = &args.plan else {
        return if profile.kind == Behind::Lab { Ok(None) } else { Err(needed(args, profile)) };
    };
    let filed = plan_file::read(path)?;
    plan_file::unchanged(&filed.plan, |pin| now(pin, here, made_from))?;
    Ok(Some(filed))
}

/// What somebody has to type who wants to write to a real tenant.
fn needed(args: &Run, profile: &Profile) -> Failure {
    let (script, file) = (&args.script, args.profile.display());
    let list = args.mailboxes.as_ref().map(|l| format!(" --mailboxes {}", l.display())).unwrap_or_default();
    Failure::new(Kind::Usage, format!("{} is a real tenant, and a run against one needs a plan", profile.name)).hint(
        format!(
            "make one, read it, and run it:\n  stagepost plan {script} --profile {file}{list} --out plan.json\n  stagepost run {script} --profile {file}{list} --plan plan.json"
        ),
    )
}

/// What a pin of the plan is here and now: what the run would be made from, or a
/// file that only the script reads.
fn now(pin: &Pin, here: &Path, made_from: &[Pin]) -> Now {
    if let Some(same) = made_from.iter().find(|now| (&now.kind, &now.name) == (&pin.kind, &pin.name)) {
        return Now::Hash(same.sha256.clone());
    }
    let file = |name: &str| std::fs::read(here.join(name)).ok();
    file(&pin.origin).or_else(|| file(&pin.name)).map_or(Now::Gone, |bytes| Now::Hash(hex(&Sha256::digest(&bytes))))
}
