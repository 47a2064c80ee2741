//! Writes what fuzzing begins with, and what it found as recordings.
//!
//! ```text
//! seeds TARGET FOLDER         the seeds of a target, a file each
//! seeds list                  the names of all targets
//! seeds recording INPUT FILE  an input of the target `server` as a recording
//! ```

use dacapo::record;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => fuzz::TARGETS.iter().for_each(|target| println!("{}", target.name)),
        ["recording", input, file] => {
            let (header, entries) =
                fuzz::server::decode(&std::fs::read(input).expect("the input is readable"));
            std::fs::write(file, record::write(&header, &entries)).expect("the recording is writable");
        }
        [name, folder] => {
            let target = fuzz::target(name);
            std::fs::create_dir_all(folder).expect("the folder can be made");
            for (number, seed) in fuzz::seeds::of(target).into_iter().enumerate() {
                std::fs::write(Path::new(folder).join(format!("seed-{number:03}")), seed).expect("writable");
            }
        }
        _ => {
            eprintln!("seeds TARGET FOLDER | seeds list | seeds recording INPUT FILE");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
