//! `stagepost repl`: the prompt.

use super::Context;
use super::args::Repl;
use crate::base::Result;

pub(crate) fn repl(_context: &Context, _args: &Repl) -> Result<u8> {
    Ok(0)
}
