//! Merges statement files and tells how long it took and how much memory.
//!
//! `merge [--trace] [--list] FILE...`

use std::time::Instant;

use pcrs_statements::{SourceFile, SourceKind, merge};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut kind = SourceKind::StatementFile;
    let mut list = false;
    let mut sources = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--trace") => kind = SourceKind::Trace,
            Some("--list") => list = true,
            _ => sources.push(SourceFile {
                path: argument.into(),
                kind,
            }),
        }
    }
    let start = Instant::now();
    let merged = merge(&sources)?;
    let seconds = start.elapsed().as_secs_f64();
    if list {
        for statement in merged.statements.iter() {
            println!("{}", statement.text);
        }
        for rejected in &merged.rejected {
            let path = sources[rejected.source as usize].path.display();
            println!(
                "# {path}:{}: {}: {}",
                rejected.line,
                rejected.reason.name(),
                rejected.text
            );
        }
        return Ok(());
    }
    println!(
        "lines={} statements={} duplicates={} rejected={} bytes={} seconds={seconds:.6} peak={}",
        merged.lines,
        merged.statements.len(),
        merged.duplicates,
        merged.rejected_total,
        merged.statements.text_bytes(),
        peak_memory().unwrap_or(0),
    );
    Ok(())
}

/// The most memory the process has had, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}
