//! `stagepost lab`: the lab as a process of its own, or its company as a file.

use super::args::Lab;
use super::{Context, companies, lists, rehearse, runtime};
use crate::base::{Failure, Kind, Result};

/// Serves until Ctrl-C; with `--write-company` it writes and ends.
pub(crate) fn lab(context: &Context, args: &Lab) -> Result<u8> {
    let list = match &args.mailboxes {
        Some(path) => Some(lists::list(context, path, false)?),
        None => None,
    };
    let file = companies::named(context, &args.world)?;
    let draft = companies::draft(&args.world, file.as_ref(), list.as_ref())?;
    if let Some(path) = &args.write_company {
        let people = companies::write(&draft, path)?;
        let people = crate::run::report::plural(people, "mailbox", "mailboxes");
        context.ui.status(&format!("{} with {people} stands in {}", draft.world.company.name, path.display()));
        return Ok(0);
    }
    std::fs::create_dir_all(&args.out).map_err(|e| {
        Failure::new(Kind::Local, format!("the folder {} can't be made", args.out.display()))
            .detail(e.to_string())
            .hint("name another one with --out")
    })?;
    let runtime = runtime(None)?;
    let lab = runtime.block_on(rehearse::start_lab(draft, &args.out))?;
    let profile = lab.profile();
    let ui = &context.ui;
    ui.status(&format!("{} is served on loopback, seed {}", profile.name, args.world.seed));
    if let Some(control) = &profile.lab {
        ui.status(&format!("control address: http://{}", control.control));
    }
    let rows: Vec<Vec<String>> = profile.map.iter().map(|(name, to)| vec![name.clone(), to.clone()]).collect();
    ui.table(&["name", "served at"], &rows);
    ui.print(&format!("{}\n", lab.profile_path().display()));
    ui.status("Ctrl-C ends it");
    runtime.block_on(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    runtime.block_on(lab.stop());
    Ok(0)
}
