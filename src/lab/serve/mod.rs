//! To be written: the lab's servers.
