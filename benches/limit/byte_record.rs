//! Reads a file with `csv::ByteRecord` and does nothing with it: the limit
//! against which `stagepost validate` is measured (`benches/whole`).

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut reader = csv::ReaderBuilder::new().from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let mut values = 0;
    while reader.read_byte_record(&mut record)? {
        values += record.len();
    }
    writeln!(std::io::stdout(), "{values}")
}
