//! Who delivers what: the table, and the way of one message through it.
//!
//! The rows are those of `who-delivers-what`: the decision table of section 6 by
//! their numbers, the rows of sections 1 to 5 that decide an outcome by names. A
//! row is data: where it holds, what happens, its mark and its source (`table`
//! and the files of rows beside it); `seen` reads the world, `way` follows a
//! message from host to host. It keeps no message and changes nothing: what
//! arrives is written down in `mail` and `post`.

mod asked;
mod between_rows;
mod cloud_rows;
mod group;
mod moments;
mod old_rows;
pub mod page;
mod seen;
pub mod table;
mod way;

pub use table::{Cloud, From, Old, Row, Step};
pub use way::{End, Letter, Way, reply_way, send, turned_away, way};

#[cfg(test)]
mod tests;
