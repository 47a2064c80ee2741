//! What it costs to take in a stream: a publisher's bytes to frames in the ring of a server without players.

mod harness;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harness::Rig;
use load::client::Protocol;

fn ingest(c: &mut Criterion) {
    let mut rig = Rig::new(Protocol::Rtmp, 0);
    let second = rig.next_second();
    let allocations = allocation_counter::measure(|| rig.run(&second, |_| {}));
    let each = allocations.count_total as f64 / second.len() as f64;
    println!("\ningest: {each:.2} allocations per frame\n");

    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(second.len() as u64));
    group.bench_function("frame", |b| {
        b.iter_custom(|seconds| {
            (0..seconds)
                .map(|_| {
                    let second = rig.next_second();
                    rig.time(&second)
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = harness::short();
    targets = ingest
}
criterion_main!(benches);
