//! What a viewer of HLS costs without sockets: from the bytes of a request to those of the response, as far
//! as a segment's bytes are copied by the kernel alone.

mod harness;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dacapo::base::id::ConnId;
use dacapo::config::Config;
use harness::Rig;
use load::client::Protocol;
use std::hint::black_box;

/// What a player asks for, with the headers that Chromium sends.
fn request(file: &str) -> Vec<u8> {
    format!(
        "GET /live/rig0/{file} HTTP/1.1\r\nHost: media.example:8080\r\nConnection: keep-alive\r\n\
         sec-ch-ua-platform: \"Linux\"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
         (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n\
         sec-ch-ua: \"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
         Accept: */*\r\nOrigin: http://media.example\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n\
         Sec-Fetch-Dest: empty\r\nReferer: http://media.example/\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
    )
    .into_bytes()
}

/// The whole answer to a request for `file`, which is there.
fn fetch(rig: &mut Rig, viewer: ConnId, file: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    rig.ask(viewer, &request(file), |slices| {
        slices.as_io_slices().iter().for_each(|slice| answer.extend_from_slice(slice));
    });
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    answer
}

fn viewers(c: &mut Criterion) {
    let mut rig = Rig::with(Config::default(), Protocol::Rtmp, 0);
    let viewer = rig.viewer();
    let playlist = String::from_utf8_lossy(&fetch(&mut rig, viewer, "index.m3u8")).into_owned();
    let segment = playlist.lines().find(|line| line.starts_with("seg-")).expect("a segment").to_owned();

    let mut group = c.benchmark_group("fetch");
    group.throughput(Throughput::Elements(1));
    for (name, file) in [("playlist", "index.m3u8"), ("segment", segment.as_str())] {
        let len = fetch(&mut rig, viewer, file).len();
        let request = request(file);
        let mut ask = || rig.ask(viewer, &request, |slices| _ = black_box(slices.len()));
        let allocations = allocation_counter::measure(&mut ask);
        println!(
            "\nfetch/{name}: {} allocations, {} bytes of them, for an answer of {len}\n",
            allocations.count_total, allocations.bytes_total
        );
        group.bench_function(name, |b| b.iter(&mut ask));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = harness::short();
    targets = viewers
}
criterion_main!(benches);
