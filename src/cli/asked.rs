//! Who answers the approvals of a verb: the options of the command line, and the
//! terminal.

use std::sync::Arc;

use super::Context;
use super::args::Answers;
use crate::base::{Cancel, Failure, Kind, Result};
use crate::run::approvals::{Beforehand, Person};
use crate::ui::Ui;
use crate::wire::profile::{Behind, Profile};

/// Whoever sits at the terminal.
pub(crate) struct AtTerminal(pub Arc<Ui>);

impl Person for AtTerminal {
    fn confirm(&self, question: &str, withdrawn: &Cancel) -> Option<bool> {
        self.0.confirm_until(question, withdrawn)
    }
    fn typed(&self, prompt: &str, withdrawn: &Cancel) -> Option<String> {
        self.0.typed_until(prompt, withdrawn)
    }
    fn is_there(&self) -> bool {
        self.0.can_ask()
    }
}

/// The answers of a verb that writes.
///
/// # Errors
/// `usage`: an option that would grant more than it says.
pub(crate) fn beforehand(context: &Context, profile: &Profile, answers: &Answers) -> Result<Beforehand> {
    if answers.yes && profile.kind != Behind::Lab {
        return Err(Failure::new(Kind::Usage, format!("--yes is for labs, and {} is none", profile.name))
            .hint("answer at the terminal, or name the texts with --approve"));
    }
    if [&answers.approve, &answers.deny].iter().any(|parts| parts.iter().any(|p| p.trim().is_empty())) {
        return Err(Failure::new(Kind::Usage, "an empty --approve or --deny would match every approval")
            .hint("name a part of the text; is a variable of the command line empty?"));
    }
    let mut approve = answers.approve.clone();
    if answers.yes {
        approve.push(String::new());
    }
    Ok(Beforehand {
        approve,
        deny: answers.deny.clone(),
        person: Some(Arc::new(AtTerminal(context.ui.clone()))),
        wait: answers.wait_for_approval,
        tenant_name: answers.tenant_name.clone(),
    })
}
