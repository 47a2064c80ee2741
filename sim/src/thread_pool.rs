//! A thread pool for many runs.
//!
//! In: seeds, and a function. Each thread takes the next seed when it has finished one. Out: results in the
//! order of the seeds, so that they do not depend on the number of threads. Never: shares state between two
//! runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, mpsc};
use std::thread;

/// How many threads this machine runs at a time.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does the `work` for all `numbers` with so many `threads`, and has it `told` in order. Numbers are taken
/// one by one, when a thread is free.
pub fn in_order<T: Send>(
    threads: usize,
    numbers: impl Iterator<Item = u64> + Send,
    work: impl Fn(u64) -> T + Sync,
    mut told: impl FnMut(T),
) {
    let numbers = Mutex::new(numbers.enumerate());
    let (done, news) = mpsc::channel();
    let next = || numbers.lock().expect("taking a number does not panic").next();
    let worker = |done: mpsc::Sender<(usize, T)>| {
        while let Some((place, number)) = next() {
            if done.send((place, work(number))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let done = done.clone();
            scope.spawn(|| worker(done));
        }
        drop(done);
        let (mut early, mut place) = (BTreeMap::new(), 0);
        for (at, result) in news {
            early.insert(at, result);
            while let Some(result) = early.remove(&place) {
                place += 1;
                told(result);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn what_came_is_told_in_the_order_of_the_numbers() {
        // The first number is done last: it waits until the others are.
        let done = AtomicU64::new(0);
        let work = |number| {
            while number == 10 && done.load(Ordering::Acquire) < 7 {
                std::hint::spin_loop();
            }
            done.fetch_add(1, Ordering::Release);
            number * number
        };
        let mut told = Vec::new();
        in_order(2, 10..18, work, |square| told.push(square));
        assert_eq!(told, (10..18).map(|number| number * number).collect::<Vec<u64>>());
    }

    #[test]
    fn one_thread_will_do_and_so_will_none() {
        for threads in [0, 1] {
            let mut told = Vec::new();
            in_order(threads, 1..=3, |number| number, |number| told.push(number));
            assert_eq!(told, [1, 2, 3]);
        }
    }
}
