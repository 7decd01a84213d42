//! stub
use super::{Options, World};
/// Builds the world at its first moment.
///
/// # Errors
/// A sentence: an address of the list that no company can have.
pub fn build(_options: &Options) -> Result<World, String> {
    Err("not built yet".into())
}
