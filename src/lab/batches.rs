//! stub
use super::World;
/// Begins (or begins again, for failed rows) the work on a batch that exists; `name` in lower case.
pub fn begin(_world: &mut World, _name: &str) {}
/// Stops a batch.
pub fn stop(_world: &mut World, _name: &str) {}
/// Removes a batch: listed as Removing, gone minutes later, the name taken until then.
pub fn remove(_world: &mut World, _name: &str) {}
