//! What it costs in user space to hand one stream to many players: the pure server, no sockets.
//!
//! First a table of counts: allocations per frame, and bytes given to one player from a place of its
//! own. The former may not grow with the players, and of the latter there may be none: together they say
//! that nothing is copied per player. Then times: one element is one frame for one player.

mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::Rig;
use load::client::Protocol;
use std::collections::BTreeMap;

const PROTOCOLS: [Protocol; 4] = [Protocol::Rtmp, Protocol::Flv, Protocol::Ws, Protocol::Ts];
const PLAYERS: [usize; 4] = [1, 100, 1_000, 10_000];

/// What one second costs that can be counted.
struct Counts {
    frames: usize,
    writes: u64,
    bytes: u64,
    /// Bytes that not every player was given from the same place in memory.
    private: u64,
    allocations: u64,
    allocated: u64,
}

fn count(rig: &mut Rig, players: usize) -> Counts {
    let second = rig.next_second();
    let allocations = allocation_counter::measure(|| rig.run(&second, |_| {}));
    let second = rig.next_second();
    let mut places: BTreeMap<(*const u8, usize), usize> = BTreeMap::new();
    let mut writes = 0;
    rig.run(&second, |slices| {
        writes += 1;
        for slice in slices.as_io_slices() {
            *places.entry((slice.as_ptr(), slice.len())).or_default() += 1;
        }
    });
    let sum = |chosen: &dyn Fn(usize) -> bool| {
        places.iter().filter(|(_, n)| chosen(**n)).map(|((_, len), n)| (len * n) as u64).sum()
    };
    Counts {
        frames: second.len(),
        writes,
        bytes: sum(&|_| true),
        private: sum(&|n| n % players != 0),
        allocations: allocations.count_total,
        allocated: allocations.bytes_total,
    }
}

fn counts(_: &mut Criterion) {
    println!(
        "\nprotocol  players  writes/s/player  allocations/frame  allocated/frame  private bytes/s/player"
    );
    for protocol in PROTOCOLS {
        let mut least = u64::MAX;
        for players in PLAYERS {
            let counts = count(&mut Rig::new(protocol, players), players);
            let each = |n: u64| n as f64 / players as f64;
            println!(
                "{:>8} {players:>8} {:>16.1} {:>18.2} {:>16.0} {:>23.1}",
                protocol.name(),
                each(counts.writes),
                counts.allocations as f64 / counts.frames as f64,
                counts.allocated as f64 / counts.frames as f64,
                each(counts.private),
            );
            assert!(counts.bytes > 0, "no player received anything");
            assert_eq!(counts.private, 0, "frames were copied for single players");
            least = least.min(counts.allocations);
            assert!(counts.allocations <= least + counts.frames as u64, "allocations grow with the players");
        }
    }
    println!();
}

fn times(c: &mut Criterion) {
    for protocol in PROTOCOLS {
        let mut group = c.benchmark_group(format!("frame to {} player", protocol.name()));
        for players in PLAYERS {
            let mut rig = Rig::new(protocol, players);
            let frames = rig.next_second().len();
            group.throughput(Throughput::Elements((frames * players) as u64));
            group.bench_function(BenchmarkId::from_parameter(players), |b| {
                b.iter_custom(|seconds| {
                    (0..seconds)
                        .map(|_| {
                            let second = rig.next_second();
                            rig.time(&second)
                        })
                        .sum()
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = harness::short().sample_size(10);
    targets = counts, times
}
criterion_main!(benches);
