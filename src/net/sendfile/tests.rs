//! Tests of `sendfile` on real sockets: every byte arrives once, and the memory is bounded.

use super::{FILES_MAX, IDLE, PIECE_BYTES_MIN, Pages, SWEEP_EVERY, WRITES_MIN};
use crate::base::slices::Slices;
use crate::base::time::Instant;
use bytes::Bytes;
use mio::net::TcpStream;
use socket2::SockRef;
use std::io::{ErrorKind, Read};
use std::net::{self, TcpListener};

const NOW: Instant = Instant::ZERO;

/// A connection as the reactor has it, and its peer.
fn pair() -> (TcpStream, net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    // A piece has room.
    SockRef::from(&stream).set_send_buffer_size(1 << 20).unwrap();
    (TcpStream::from_std(stream), peer)
}

/// So many bytes that are nowhere twice in a row.
fn piece(len: usize, seed: usize) -> Bytes {
    (0..len).map(|at| (at * 7 + at / 251 + seed) as u8).collect::<Vec<u8>>().into()
}

/// What `pages` makes of a piece: bytes that it sent, or `None` if it left them to be written.
fn send(pages: &mut Pages, stream: &TcpStream, whole: &Bytes, now: Instant) -> Option<usize> {
    let mut slices = Slices::default();
    assert!(slices.push_shared(whole));
    pages.send(stream, &slices, now).map(|sent| sent.expect("the peer reads"))
}

/// Sends a piece so often that a file is made for it.
fn warm_up(pages: &mut Pages, whole: &Bytes) {
    let (stream, _peer) = pair();
    for _ in 0..WRITES_MIN {
        assert_eq!(send(pages, &stream, whole, NOW), None, "it is written until it is worth a file");
    }
}

#[test]
fn a_popular_piece_leaves_with_what_stands_around_it() {
    let mut pages = Pages::new(1 << 20);
    let (whole, other) = (piece(100_000, 1), piece(70_000, 2));
    warm_up(&mut pages, &whole);
    warm_up(&mut pages, &other);
    let (stream, mut peer) = pair();
    let mut slices = Slices::default();
    assert!(slices.push(b"head") && slices.push(b", ") && slices.push_shared(&whole));
    assert!(slices.push(b"between") && slices.push_shared(&other));
    assert!(slices.push(b"the") && slices.push(b" end"));
    let reader = std::thread::Builder::new().spawn(move || {
        let mut all = vec![0; 170_000 + 6 + 7 + 7];
        peer.read_exact(&mut all).unwrap();
        all
    });
    assert_eq!(pages.send(&stream, &slices, NOW).unwrap().unwrap(), slices.len());
    let expected = [&b"head, "[..], &whole, b"between", &other, b"the end"].concat();
    assert!(reader.unwrap().join().unwrap() == expected, "other bytes came than were sent");
}

#[test]
fn who_has_little_room_gets_every_byte_once() {
    let mut pages = Pages::new(4 << 20);
    let whole = piece(3_000_000, 3);
    warm_up(&mut pages, &whole);
    let (stream, mut peer) = pair();
    SockRef::from(&stream).set_send_buffer_size(16 << 10).unwrap();
    peer.set_nonblocking(true).unwrap();
    let (mut rest, mut heard, mut short) = (whole.clone(), Vec::new(), 0);
    let mut buffer = vec![0; 50_000];
    while heard.len() < whole.len() {
        if !rest.is_empty() {
            let mut slices = Slices::default();
            assert!(slices.push_shared(&rest));
            let sent = match pages.send(&stream, &slices, NOW) {
                Some(Ok(sent)) => sent,
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => 0,
                // The last bytes are no large piece.
                None if rest.len() < PIECE_BYTES_MIN => {
                    use std::io::Write;
                    (&stream).write(&rest).unwrap_or(0)
                }
                other => panic!("{other:?}"),
            };
            short += usize::from(sent < rest.len());
            rest = rest.slice(sent..);
        }
        match peer.read(&mut buffer) {
            Ok(len) => heard.extend_from_slice(&buffer[..len]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(heard == whole, "other bytes came than were sent");
    assert!(short > 3, "it was to be sent in pieces");
}

#[test]
fn what_nobody_has_or_wants_any_more_is_let_go() {
    let mut pages = Pages::new(1 << 20);
    assert_eq!(pages.deadline(), None);
    let (gone, idle, wanted) = (piece(70_000, 4), piece(80_000, 5), piece(90_000, 6));
    let (stream, peer) = pair();
    for whole in [&gone, &idle, &wanted] {
        warm_up(&mut pages, whole);
        assert_eq!(send(&mut pages, &stream, whole, NOW), Some(whole.len()));
    }
    assert_eq!((pages.pieces.len(), pages.bytes), (3, 240_000));
    drop(gone);
    let first = NOW + SWEEP_EVERY;
    assert_eq!(pages.deadline(), Some(first));
    pages.sweep(NOW);
    assert_eq!(pages.pieces.len(), 3, "it is not time yet");
    pages.sweep(first);
    assert_eq!((pages.pieces.len(), pages.bytes), (2, 170_000));
    drop(peer);
    let (stream, _peer) = pair();
    assert_eq!(send(&mut pages, &stream, &wanted, first), Some(90_000));
    pages.sweep(NOW + IDLE);
    assert_eq!((pages.pieces.len(), pages.bytes), (1, 90_000));
    drop((idle, wanted));
    pages.sweep(NOW + IDLE + SWEEP_EVERY);
    assert_eq!((pages.pieces.len(), pages.bytes, pages.deadline()), (0, 0, None));
}

#[test]
fn there_is_a_limit_and_past_it_pieces_are_written() {
    let mut pages = Pages::new(200_000);
    let (stream, _peer) = pair();
    let all = [piece(100_000, 7), piece(100_000, 8), piece(100_000, 9)];
    for whole in &all {
        warm_up(&mut pages, whole);
    }
    assert_eq!(send(&mut pages, &stream, &all[0], NOW), Some(100_000));
    let (stream, _peer) = pair();
    assert_eq!(send(&mut pages, &stream, &all[1], NOW), Some(100_000));
    assert_eq!(send(&mut pages, &stream, &all[2], NOW), None);
    assert_eq!((pages.pieces.len(), pages.bytes), (2, 200_000));
    assert_eq!(send(&mut Pages::new(0), &stream, &all[0], NOW), None);

    let mut pages = Pages::new(usize::MAX);
    let many: Vec<Bytes> = (0..FILES_MAX + 1).map(|seed| piece(PIECE_BYTES_MIN, seed)).collect();
    for whole in &many {
        for _ in 0..=WRITES_MIN {
            pages.look_up(whole, Some(whole), NOW);
        }
    }
    assert_eq!(pages.pieces.len(), FILES_MAX);
}

#[test]
fn what_is_small_or_only_lent_is_written() {
    let mut pages = Pages::new(1 << 20);
    let (stream, _peer) = pair();
    let (small, lent) = (piece(PIECE_BYTES_MIN - 1, 10), piece(PIECE_BYTES_MIN, 11));
    for _ in 0..3 * WRITES_MIN {
        assert_eq!(send(&mut pages, &stream, &small, NOW), None);
        let mut slices = Slices::default();
        assert!(slices.push(&lent));
        assert!(pages.send(&stream, &slices, NOW).is_none());
    }
}

#[test]
fn frames_are_written_however_popular_they_are() {
    let mut pages = Pages::new(1 << 20);
    let (stream, mut peer) = pair();
    let (frame, asked_for) = (piece(100_000, 13), piece(80_000, 14));
    for _ in 0..3 * WRITES_MIN {
        let mut slices = Slices::default();
        slices.frames_follow();
        assert!(slices.push_shared(&frame));
        assert!(pages.send(&stream, &slices, NOW).is_none());
    }
    warm_up(&mut pages, &asked_for);
    let mut slices = Slices::default();
    assert!(slices.push_shared(&asked_for));
    slices.frames_follow();
    assert!(slices.push_shared(&frame));
    let reader = std::thread::Builder::new().spawn(move || {
        let mut all = vec![0; 180_000];
        peer.read_exact(&mut all).unwrap();
        all
    });
    assert_eq!(pages.send(&stream, &slices, NOW).unwrap().unwrap(), 180_000);
    assert!(reader.unwrap().join().unwrap() == [asked_for, frame.clone()].concat());
    assert!(pages.holder(&frame).is_none());
}

#[test]
fn who_left_is_told_of() {
    let mut pages = Pages::new(1 << 20);
    let whole = piece(500_000, 12);
    warm_up(&mut pages, &whole);
    let (stream, peer) = pair();
    SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    let mut slices = Slices::default();
    assert!(slices.push_shared(&whole));
    // The first words may be taken before the network knows.
    let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    let told = (0..100).find_map(|_| pages.send(&stream, &slices, NOW).unwrap().err());
    assert!(kinds.contains(&told.expect("an error").kind()));
}
