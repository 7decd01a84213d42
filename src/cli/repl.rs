//! `stagepost repl`: the prompt.

use super::args::Repl;
use super::{Context, Ended};

pub(crate) fn repl(_context: &Context, _args: &Repl) -> Result<u8, Ended> {
    Ok(0)
}
