//! Measures the process and the machine, from `/proc`.

use crate::base::id::Ticket;
use crate::server::Input;
use crate::status::Vitals;
use std::fs;

/// CPU times at the last measurement, in clock ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    process: u64,
    machine_busy: u64,
    machine_all: u64,
}

/// Reads the vitals; CPU shares are taken between one reading and the next.
#[derive(Debug, Default)]
pub struct Gauge {
    before: Ticks,
}

impl Gauge {
    /// A gauge that has measured nothing yet: the first CPU shares are those since the start.
    pub fn new() -> Self {
        Gauge::default()
    }

    /// Measures, as the answer to `ticket`.
    pub fn read_as(&mut self, ticket: Ticket) -> Input<'static> {
        Input::Measured { ticket, vitals: Box::new(self.read()) }
    }

    /// Measures. What the system does not tell is zero.
    pub fn read(&mut self) -> Vitals {
        let mut vitals = Vitals {
            pid: std::process::id(),
            argv: fs::read_to_string("/proc/self/cmdline")
                .unwrap_or_default()
                .replace('\0', " ")
                .trim()
                .to_owned(),
            cwd: std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
            ..Vitals::default()
        };
        self.read_cpu(&mut vitals);
        read_memory(&mut vitals);
        read_load(&mut vitals);
        read_network(&mut vitals);
        vitals
    }

    fn read_cpu(&mut self, vitals: &mut Vitals) {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program stands in brackets and may hold spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        vitals.ppid = field(1) as u32;
        let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
        let cpu: Vec<u64> = numbers(machine.lines().next().unwrap_or_default());
        let all: u64 = cpu.iter().take(8).sum();
        let idle = cpu.get(3).copied().unwrap_or(0) + cpu.get(4).copied().unwrap_or(0);
        let now =
            Ticks { process: field(11) + field(12), machine_busy: all - idle.min(all), machine_all: all };
        let span = now.machine_all.saturating_sub(self.before.machine_all).max(1) as f64;
        let share = |now: u64, before: u64| now.saturating_sub(before) as f64 * 100.0 / span;
        vitals.system_cpu_percent = share(now.machine_busy, self.before.machine_busy);
        vitals.cpu_percent = share(now.process, self.before.process) * f64::from(vitals.cpus);
        self.before = now;
    }
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The value of `key` in a file of lines like `Key:  123 kB`.
fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| numbers(line).first().copied()).unwrap_or(0)
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn read_memory(vitals: &mut Vitals) {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    vitals.mem_kbyte = kib(&own, "VmRSS:");
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    vitals.mem_ram_kbyte = kib(&machine, "MemTotal:");
    let used = vitals.mem_ram_kbyte.saturating_sub(kib(&machine, "MemAvailable:"));
    vitals.mem_ram_percent = percent(used, vitals.mem_ram_kbyte);
    vitals.mem_swap_kbyte = kib(&machine, "SwapTotal:");
    let swapped = vitals.mem_swap_kbyte.saturating_sub(kib(&machine, "SwapFree:"));
    vitals.mem_swap_percent = percent(swapped, vitals.mem_swap_kbyte);
}

fn read_load(vitals: &mut Vitals) {
    let floats = |path: &str| -> Vec<f64> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    if let [one, five, fifteen, ..] = floats("/proc/loadavg")[..] {
        (vitals.load_1m, vitals.load_5m, vitals.load_15m) = (one, five, fifteen);
    }
    if let [uptime, idle] = floats("/proc/uptime")[..] {
        (vitals.uptime, vitals.idle_time) = (uptime, idle);
    }
}

fn read_network(vitals: &mut Vitals) {
    let devices = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    for line in devices.lines().filter_map(|line| line.split_once(':')).map(|(_, counters)| numbers(counters))
    {
        vitals.net_recv_bytes += line.first().copied().unwrap_or(0);
        vitals.net_send_bytes += line.get(8).copied().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_machine_tells_its_vitals() {
        let vitals = Gauge::new().read();
        assert_eq!(vitals.pid, std::process::id());
        assert!(vitals.ppid > 0 && vitals.mem_kbyte > 1000 && vitals.mem_ram_kbyte > vitals.mem_kbyte);
        assert!(vitals.uptime > 0.0 && vitals.cpus > 0);
        assert!((0.0..=100.0).contains(&vitals.mem_ram_percent));
    }
}
