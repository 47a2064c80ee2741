//! Child processes: started without a shell, waited for, and ended when the server ends.
//!
//! In: a program and its arguments. Out: how it ended. One thread looks after all children. What they print
//! goes nowhere, and nothing can be typed to them.

use crate::base::id::Ticket;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Most child processes at a time.
pub const CHILDREN_MAX: usize = 64;

/// How often the thread looks whether a child has ended.
const LOOK: Duration = Duration::from_millis(50);

/// How a child ended: its exit code, `None` if a signal ended it, or why it could not run.
pub type Exit = Result<Option<i32>, String>;

/// A child to start.
#[derive(Debug)]
pub struct Job {
    /// Which question this is.
    pub ticket: Ticket,
    /// The program and its arguments.
    pub argv: Vec<String>,
}

/// Starts and reaps children until `jobs` is closed; then ends those that still run.
pub fn look_after(jobs: &Receiver<Job>, mut done: impl FnMut(Ticket, Exit)) {
    let mut children: Vec<(Ticket, Child)> = Vec::new();
    loop {
        let job = if children.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(LOOK)
        };
        match job {
            Ok(Job { ticket, .. }) if children.len() >= CHILDREN_MAX => {
                done(ticket, Err(format!("{CHILDREN_MAX} child processes run already")));
            }
            Ok(Job { ticket, argv }) => match start(&argv) {
                Ok(child) => children.push((ticket, child)),
                Err(error) => done(ticket, Err(error)),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        children.retain_mut(|(ticket, child)| match exit(child) {
            None => true,
            Some(exit) => {
                done(*ticket, exit);
                false
            }
        });
    }
    for (_, child) in &mut children {
        if let Err(error) = child.kill().and_then(|()| child.wait()) {
            log::warn!("a child process could not be ended: {error}");
        }
    }
}

fn start(argv: &[String]) -> Result<Child, String> {
    let (program, args) = argv.split_first().ok_or("no program was named")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| format!("cannot run {program}: {error}"))
}

fn exit(child: &mut Child) -> Option<Exit> {
    match child.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) => Some(Ok(status.code())),
        Err(error) => Some(Err(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::{CHILDREN_MAX, Exit, Job, look_after};
    use crate::base::id::Ticket;
    use std::collections::BTreeMap;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    /// Runs children and tells how those ended that did so before the last of `wanted` came.
    fn run(argvs: &[&[&str]], wanted: usize) -> BTreeMap<u64, Exit> {
        let (jobs, queue) = mpsc::sync_channel(argvs.len());
        let (sender, exits) = mpsc::channel();
        let keeper = thread::Builder::new().spawn(move || {
            look_after(&queue, |ticket, exit| sender.send((ticket.0, exit)).expect("the test listens"));
        });
        for (number, argv) in (0..).zip(argvs) {
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            jobs.send(Job { ticket: Ticket(number), argv }).expect("the thread lives");
        }
        let ended = (0..wanted).map(|_| exits.recv_timeout(Duration::from_secs(20)).expect("an end"));
        let ended = ended.collect();
        drop(jobs);
        keeper.expect("a thread").join().expect("it ends when nobody asks any more");
        ended
    }

    #[test]
    fn the_exit_code_comes_back() {
        let exits = run(&[&["true"], &["sh", "-c", "exit 7"], &["sh", "-c", "kill -9 $$"]], 3);
        assert_eq!(exits, BTreeMap::from([(0, Ok(Some(0))), (1, Ok(Some(7))), (2, Ok(None))]));
    }

    #[test]
    fn words_reach_the_program_as_they_are() {
        let exits = run(&[&["test", "$HOME; a b", "=", "$HOME; a b"]], 1);
        assert_eq!(exits[&0], Ok(Some(0)), "no shell takes them apart");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let exits = run(&[&["/no/such/program"], &[]], 2);
        let missing = "cannot run /no/such/program: No such file or directory (os error 2)";
        assert_eq!(exits[&0], Err(missing.to_owned()));
        assert_eq!(exits[&1], Err("no program was named".to_owned()));
    }

    #[test]
    fn too_many_are_refused_and_those_that_run_end_with_the_server() {
        let sleepers: Vec<&[&str]> = vec![&["sleep", "1000"]; CHILDREN_MAX + 1];
        let exits = run(&sleepers, 1);
        let refused = "64 child processes run already".to_owned();
        assert_eq!(exits, BTreeMap::from([(CHILDREN_MAX as u64, Err(refused))]));
    }
}
