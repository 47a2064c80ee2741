//! Measurements of the process and the machine, from `/proc`.
//!
//! In: the files of `/proc`. Out: [`Vitals`]; a number that the system does not provide is zero. The kernel
//! makes these files when they are read, so reading them never waits for a disk.

use crate::base::id::Ticket;
use crate::server::Input;
use crate::status::Vitals;
use std::fs;

/// CPU times at a measurement, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    process: u64,
    machine_busy: u64,
    machine_all: u64,
}

/// Reads vitals. CPU shares are those between one reading and the next.
#[derive(Debug, Default)]
pub struct Gauge {
    before: Ticks,
}

impl Gauge {
    /// A gauge without a reading: its first CPU shares are those since the start.
    pub fn new() -> Self {
        Gauge::default()
    }

    /// Reads vitals, as the answer to `ticket`.
    pub fn read_as(&mut self, ticket: Ticket) -> Input<'static> {
        Input::Measured { ticket, vitals: Box::new(self.read()) }
    }

    /// Reads vitals.
    pub fn read(&mut self) -> Vitals {
        let mut vitals = Vitals {
            pid: std::process::id(),
            ppid: std::os::unix::process::parent_id(),
            argv: proc("self/cmdline").replace('\0', " ").trim_end().into(),
            cwd: std::env::current_dir().map(|path| path.display().to_string().into()).unwrap_or_default(),
            cpus: std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
            ..Vitals::default()
        };
        cpu(&mut vitals, &mut self.before, &proc("self/stat"), &proc("stat"));
        memory(&mut vitals, &proc("self/status"), &proc("meminfo"));
        load(&mut vitals, &proc("loadavg"), &proc("uptime"));
        network(&mut vitals, &proc("net/dev"));
        vitals
    }
}

fn proc(file: &str) -> String {
    let bytes = fs::read(format!("/proc/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sets the CPU shares since `before`, and `before` to the ticks of now. The machine's ticks are summed over
/// its processors and serve as the clock.
fn cpu(vitals: &mut Vitals, before: &mut Ticks, own: &str, machine: &str) {
    // Split behind the program's name, which is in parentheses and may hold spaces. utime and stime are
    // fields 14 and 15 of the whole line.
    let own: Vec<u64> = own.rsplit(')').next().unwrap_or_default().split(' ').map(number).collect();
    // user nice system idle iowait irq softirq steal; the fields behind them are included in user and nice.
    let all: Vec<u64> = machine.lines().next().unwrap_or_default().split_whitespace().map(number).collect();
    let tick = |fields: &[u64], place: usize| fields.get(place).copied().unwrap_or(0);
    let machine_all = all.iter().skip(1).take(8).sum();
    let idle = tick(&all, 4) + tick(&all, 5);
    let now = Ticks {
        process: tick(&own, 12) + tick(&own, 13),
        machine_busy: u64::saturating_sub(machine_all, idle),
        machine_all,
    };
    let span = now.machine_all.saturating_sub(before.machine_all);
    let share = |now: u64, before: u64| percent(now.saturating_sub(before), span);
    // 100 % is one core, as in `top`.
    vitals.cpu_percent = share(now.process, before.process) * f64::from(vitals.cpus);
    vitals.system_cpu_percent = share(now.machine_busy, before.machine_busy);
    *before = now;
}

fn memory(vitals: &mut Vitals, own: &str, machine: &str) {
    let (mem, swap) = (kib(machine, "MemTotal:"), kib(machine, "SwapTotal:"));
    vitals.mem_kbyte = kib(own, "VmRSS:");
    vitals.mem_ram_kbyte = mem;
    vitals.mem_ram_percent = percent(mem.saturating_sub(kib(machine, "MemAvailable:")), mem);
    vitals.mem_swap_kbyte = swap;
    vitals.mem_swap_percent = percent(swap.saturating_sub(kib(machine, "SwapFree:")), swap);
}

fn load(vitals: &mut Vitals, loadavg: &str, uptime: &str) {
    let floats =
        |text: &str| -> Vec<f64> { text.split_whitespace().map_while(|word| word.parse().ok()).collect() };
    if let [one, five, fifteen, ..] = floats(loadavg)[..] {
        (vitals.load_1m, vitals.load_5m, vitals.load_15m) = (one, five, fifteen);
    }
    if let [uptime, idle, ..] = floats(uptime)[..] {
        (vitals.uptime, vitals.idle_time) = (uptime, idle);
    }
}

/// Sums the counters of all network devices except loopback.
fn network(vitals: &mut Vitals, devices: &str) {
    let devices = devices.lines().filter_map(|line| line.split_once(':'));
    for (_, counters) in devices.filter(|(name, _)| name.trim() != "lo") {
        let counters: Vec<u64> = counters.split_whitespace().map(number).collect();
        vitals.net_recv_bytes += counters.first().copied().unwrap_or(0);
        vitals.net_send_bytes += counters.get(8).copied().unwrap_or(0);
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or(0)
}

/// The value of `key` among lines like `Key:  123 kB`.
fn kib(text: &str, key: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    value.and_then(|value| value.split_whitespace().next()).map_or(0, number)
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::{Gauge, Ticks, cpu, load, memory, network};
    use crate::status::Vitals;

    #[test]
    fn this_machine_tells_its_vitals() {
        let vitals = Gauge::new().read();
        assert_eq!(vitals.pid, std::process::id());
        assert!(vitals.ppid > 0 && vitals.mem_kbyte > 1000 && vitals.mem_ram_kbyte > vitals.mem_kbyte);
        assert!(vitals.uptime > 0.0 && vitals.cpus > 0);
        assert!((0.0..=100.0).contains(&vitals.mem_ram_percent));
        assert!(vitals.argv.contains("dacapo") && !vitals.argv.contains('\0'));
    }

    #[test]
    fn cpu_shares_are_those_since_the_last_reading() {
        let mut vitals = Vitals { cpus: 4, ..Vitals::default() };
        let mut before = Ticks { process: 100, machine_busy: 1_000, machine_all: 10_000 };
        let own = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 120 30 0 0 20 0 5 0 99 1000 50";
        let machine = "cpu  900 50 250 8700 500 0 0 0 77 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        cpu(&mut vitals, &mut before, own, machine);
        assert_eq!(before, Ticks { process: 150, machine_busy: 1_200, machine_all: 10_400 });
        // 50 of 400 ticks, which are those of four cores; 200 of 400.
        assert_eq!((vitals.cpu_percent, vitals.system_cpu_percent), (50.0, 50.0));
    }

    #[test]
    fn memory_is_what_is_not_available_to_others() {
        let mut vitals = Vitals::default();
        let machine = "MemTotal:  8000 kB\nMemFree:  1000 kB\nMemAvailable:  6000 kB\n\
                       SwapTotal:  1000 kB\nSwapFree:  900 kB\n";
        memory(&mut vitals, "Name:\tdacapo\nVmRSS:\t  1234 kB\n", machine);
        assert_eq!((vitals.mem_kbyte, vitals.mem_ram_kbyte, vitals.mem_swap_kbyte), (1_234, 8_000, 1_000));
        assert_eq!((vitals.mem_ram_percent, vitals.mem_swap_percent), (25.0, 10.0));
    }

    #[test]
    fn load_uptime_and_devices_are_read() {
        let mut vitals = Vitals::default();
        load(&mut vitals, "0.50 1.25 2.00 3/400 5678\n", "1000.50 3000.25\n");
        assert_eq!((vitals.load_1m, vitals.load_5m, vitals.load_15m), (0.5, 1.25, 2.0));
        assert_eq!((vitals.uptime, vitals.idle_time), (1000.5, 3000.25));
        let devices = "Inter-|   Receive\n face |bytes    packets\n    \
                       lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  \
                       eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n  \
                       eth1:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n";
        network(&mut vitals, devices);
        assert_eq!((vitals.net_recv_bytes, vitals.net_send_bytes), (110, 220));
    }

    #[test]
    fn what_the_system_does_not_tell_is_zero() {
        let mut vitals = Vitals { cpus: 1, ..Vitals::default() };
        cpu(&mut vitals, &mut Ticks::default(), "", "");
        memory(&mut vitals, "", "");
        load(&mut vitals, "", "");
        network(&mut vitals, "");
        assert_eq!(vitals, Vitals { cpus: 1, ..Vitals::default() });
    }
}
