//! How fast a list is read: every rule that needs no directory, against the csv
//! crate's bare walk over the same bytes, which is the limit.
//!
//! `cargo bench --bench lists`; `STAGEPOST_BENCH_ROWS` changes the size of the
//! made file. The whole process is measured by `benches/whole`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stagepost::migration::encoding::decode;
use stagepost::migration::mend::mend;
use stagepost::migration::read::{File, Reading, examine};

fn rows() -> usize {
    std::env::var("STAGEPOST_BENCH_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

fn one_column(rows: usize) -> String {
    let body: String = (0..rows).map(|n| format!("given.family{n}@contoso.test\r\n")).collect();
    format!("EmailAddress\r\n{body}")
}

fn three_columns(rows: usize) -> String {
    let body: String = (0..rows).map(|n| format!("given.family{n}@contoso.test,Qx7-{n:07},False\r\n")).collect();
    format!("EmailAddress,Password,ForceChangePassword\r\n{body}")
}

/// Reads all rows with the csv crate and nothing else; how many there are.
fn walk(bytes: &[u8]) -> usize {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).is_ok_and(|more| more) {
        rows += record.len();
    }
    rows
}

fn lists(c: &mut Criterion) {
    let how = Reading::default();
    for (name, text) in [("one column", one_column(rows())), ("three columns", three_columns(rows()))] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
        let bytes = text.as_bytes();
        group.bench_function("ByteRecord", |b| b.iter(|| walk(black_box(bytes))));
        group.bench_function("all rules", |b| {
            b.iter(|| {
                let text = decode(black_box(bytes));
                examine(&[File::new("list.csv", bytes, &text)], &how)
            });
        });
        group.bench_function("mended copy", |b| b.iter(|| mend(&decode(black_box(bytes)), &how)));
        group.finish();
    }
}

criterion_group!(benches, lists);
criterion_main!(benches);
