//! The company file in the lab: its checks, the way from it to a world and back.
//!
//! The types are `wire::company`: a survey makes the same file and knows no lab.
//! Every fact may be left out: `load` makes it up from the seed and counts it.
//! What must be there is asked for in `check`, which can name all faults at once
//! where a parser stops at the first.

mod check;
mod cloud;
mod dn;
pub mod load;
pub mod mess;
mod place;
pub mod read;
mod surroundings;
pub mod write;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod tests;

pub use crate::wire::company::{
    BASE64, Breaks, CompanyFile, Connector, Domain, Kind, Object, Organization, Origin, Permission, Person, Plan,
    Recipient, Right, RowFault, Set, Sku, Tenant, User, VERSION, Zone,
};
pub use read::{Fault, read};
