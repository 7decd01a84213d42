//! The timeline as a drawing: lab dates from left to right, one row for each
//! step outside the waves and one for each wave.
