//! stub
use super::World;
use crate::wire::lab::Proof;
/// The verdict, from the world alone.
pub fn proof(_world: &World) -> Proof {
    Proof::default()
}
