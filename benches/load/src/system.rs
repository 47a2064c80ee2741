//! What Linux tells about processes and processors (proc(5)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io::{self, Error};

/// A look at a process and at the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Processor seconds that the process has used, user and system.
    pub process: f64,
    /// Those of them in user space. The kernel tells them in ticks of 10 ms.
    pub user: f64,
    /// Processor seconds that this process has used.
    pub own: f64,
    /// Seconds in which the watched processor was not idle, for any process (stolen time too).
    pub core: f64,
}

impl Sample {
    /// What was used since `before`.
    pub fn since(self, before: Sample) -> Sample {
        Sample {
            process: self.process - before.process,
            user: self.user - before.user,
            own: self.own - before.own,
            core: self.core - before.core,
        }
    }
}

/// A process that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
    /// The processor to which it is pinned, if to a single one.
    core: Option<usize>,
}

impl Process {
    /// Watches the process `pid`. Fails if there is none.
    pub fn new(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let core = field(&status, "Cpus_allowed_list:").and_then(|list| list.parse().ok());
        Ok(Process { pid, core })
    }

    /// Looks now.
    pub fn sample(&self) -> io::Result<Sample> {
        Ok(Sample {
            process: cpu_seconds(&self.pid.to_string())?,
            user: times_in_ticks(&self.pid.to_string())?.0,
            own: cpu_seconds("self")?,
            core: self.core.map_or(Ok(0.0), core_seconds)?,
        })
    }

    /// True if it is pinned to a single processor, so that `Sample::core` means something.
    pub fn is_pinned(&self) -> bool {
        self.core.is_some()
    }

    /// Resident memory in KiB, summed over its mappings where the kernel does that: `VmRSS` may lag behind.
    pub fn rss_kib(&self) -> io::Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid));
        let exact = rollup.ok().and_then(|text| kib(&text, "Rss:"));
        exact.map_or_else(|| self.status_kib("VmRSS:"), Ok)
    }

    /// The most resident memory that it ever had, in KiB.
    pub fn peak_kib(&self) -> io::Result<u64> {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        kib(&status, name).ok_or_else(|| Error::other(format!("no {name} in /proc/{}/status", self.pid)))
    }
}

/// Pins this process to one processor.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Takes as many file descriptors as the system gives; tells how many.
pub fn raise_descriptors() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// What all threads of a process have used: `schedstat` knows it in nanoseconds, `stat` in ticks of 10 ms.
fn cpu_seconds(pid: &str) -> io::Result<f64> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let used = fs::read_to_string(task?.path().join("schedstat")).ok();
        match used.and_then(|text| text.split(' ').next()?.parse::<u64>().ok()) {
            Some(used) => nanos += used,
            None => return times_in_ticks(pid).map(|(user, system)| user + system),
        }
    }
    Ok(nanos as f64 / 1e9)
}

/// User and system seconds in `/proc/PID/stat`: fields 14 and 15, counted after the name, which may hold
/// spaces.
fn times_in_ticks(pid: &str) -> io::Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let times = after_name.and_then(|rest| {
        let mut fields = rest.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
        Some((seconds(fields.next()??), seconds(fields.next()??)))
    });
    times.ok_or_else(|| Error::other(format!("unreadable /proc/{pid}/stat")))
}

/// Everything in the line of a processor in `/proc/stat` but idle and waiting time.
fn core_seconds(core: usize) -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = field(&stat, &format!("cpu{core} "));
    let ticks = line.map(|line| {
        let fields = line.split_whitespace().map(|field| field.parse().unwrap_or(0));
        // user nice system idle iowait irq softirq steal; what follows is part of user already.
        fields.take(8).enumerate().filter(|(i, _)| *i != 3 && *i != 4).map(|(_, ticks)| ticks).sum()
    });
    ticks.map(seconds).ok_or_else(|| Error::other(format!("no cpu{core} in /proc/stat")))
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split(' ').next()?.parse().ok()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_watched() {
        let process = Process::new(std::process::id()).expect("it runs");
        assert!(process.rss_kib().expect("readable") > 100);
        assert!(process.peak_kib().expect("readable") > 100);
        let sample = process.sample().expect("readable");
        assert!(sample.process >= 0.0 && sample.own >= 0.0 && sample.user >= 0.0);
        let (user, system) = times_in_ticks("self").expect("readable");
        assert!((cpu_seconds("self").expect("readable") - user - system).abs() < 0.5);
        assert!(Process::new(u32::MAX).is_err());
    }
}
