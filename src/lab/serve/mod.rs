//! stub
use super::World;
use crate::base::Result;
use crate::wire::profile::Profile;
use std::path::Path;
/// stub
pub struct Lab(Profile);
impl Lab {
    /// stub
    pub async fn start(_world: World, _folder: &Path) -> Result<Lab> {
        Err(crate::base::Failure::internal("stub"))
    }
    /// stub
    pub fn profile(&self) -> &Profile {
        &self.0
    }
    /// stub
    pub fn profile_path(&self) -> &Path {
        Path::new("")
    }
    /// stub
    pub fn domains(&self) -> Vec<String> {
        Vec::new()
    }
    /// stub
    pub async fn stop(self) {}
}
