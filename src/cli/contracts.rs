//! `run --plan`: the plan is read and held against what it was made from before
//! anything is opened; a run against a real tenant needs one.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::args::Run;
use super::lists::Script;
use crate::base::{Failure, Kind, Result};
use crate::host::Library;
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
    script: &Script,
    library: &Library,
) -> Result<Option<Filed>> {
    let Some(path) = &args.plan else {
        return if profile.kind == Behind::Lab { Ok(None) } else { Err(needed(args, profile)) };
    };
    let filed = plan_file::read(path)?;
    let library = library.fresh();
    library.remember(&script.name, &script.text);
    plan_file::unchanged(&filed.plan, |pin| now(pin, here, script, &library))?;
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

/// What a pin of the plan is here and now.
fn now(pin: &Pin, here: &Path, script: &Script, library: &Library) -> Now {
    let sha = |bytes: &[u8]| Now::Hash(hex(&Sha256::digest(bytes)));
    let file = |name: &str| std::fs::read(here.join(name)).ok();
    match pin.kind.as_str() {
        "script" => sha(script.text.as_bytes()),
        "version" => sha(env!("CARGO_PKG_VERSION").as_bytes()),
        "module" => match library.find(&pin.name, Some(&script.name)) {
            Ok(found) => sha(found.text.as_bytes()),
            // A module's own `./` leads beside that module, which its origin tells.
            Err(_) => file(&pin.origin).map_or(Now::Gone, |bytes| sha(&bytes)),
        },
        _ => file(&pin.origin).or_else(|| file(&pin.name)).map_or(Now::Gone, |bytes| sha(&bytes)),
    }
}
