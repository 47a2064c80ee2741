//! Simulated worlds of a process and its peers, and the interface that a run needs.

pub mod link;
pub mod net;
pub mod tiny;
pub mod turmoil;

use crate::checker::Failure;
use crate::disk::Disk;
use crate::plan::Deed;
use crate::shell::Shell;
use crate::trace::Trace;
use dacapo::server::Input;

/// A world with a server's process and peers in it.
pub trait World {
    /// The time in microseconds since its birth.
    fn now_us(&self) -> u64;
    /// A deed, by its number, is due at a time.
    fn plan(&mut self, at_us: u64, deed: usize);
    /// Runs until `until_us`, or until a deed is due, or until something does not hold.
    fn run(&mut self, until_us: u64);
    /// The deeds that are due.
    fn due(&mut self) -> Vec<usize>;
    /// Does to the network and its peers what `deed` says. False if it is about neither.
    fn deed(&mut self, deed: &Deed) -> bool;
    /// The server's process starts.
    fn start(&mut self, shell: Shell);
    /// The process is killed. What is left of it, if there was one.
    fn stop(&mut self) -> Option<(Disk, Trace)>;
    /// Looks at the process, or changes it, if there is one.
    fn with_shell<T>(&mut self, act: impl FnOnce(&mut Shell) -> T) -> Option<T>;
    /// The operator tells the server something.
    fn command(&mut self, input: Input<'static>);
    /// The network is kind to a person from now on: its link heals, and so do its later ones.
    fn heal(&mut self, place: usize);
    /// Nothing of this person is heard or dialled any more; its connection stays as it is.
    fn freeze(&mut self, place: usize);
    /// This person drops what it has and never comes back.
    fn remove(&mut self, place: usize);
    /// How many people there are.
    fn people(&self) -> usize;
    /// What the server did that it may never do, as a person's own model has it: the first such thing.
    fn grievance(&self) -> Option<Failure>;
    /// What a person has wanted since `since_us` and has not got.
    fn pending(&self, place: usize, since_us: u64) -> Option<String>;
}
