//! The executable of an app. Every executable of every app is this program under another name: a table
//! in the bundle (`share/julia/app.json`) says which function of which package it calls. It is linked
//! against no libjulia, and opens the one in the bundle.

use std::ffi::{CString, OsString};
use std::process::exit;

use pcrs_driver::bundle::Bundle;
use pcrs_driver::environment::Changed;
use pcrs_driver::julia::Julia;
use pcrs_driver::table::Table;
use pcrs_driver::{arguments, c_string, tell};

fn main() {
    let code = run().unwrap_or_else(|why| {
        tell(&why);
        1
    });
    exit(code);
}

/// The Julia of the bundle, not started.
fn open(bundle: &Bundle, table: &Table) -> Result<Julia, String> {
    let julia = Julia::open(&bundle.file(&table.libjulia))?;
    #[cfg(all(unix, not(target_os = "macos")))]
    pcrs_driver::frames::keep_here();
    Ok(julia)
}

/// Runs the app, and gives its exit code.
fn run() -> Result<i32, String> {
    let given: Vec<OsString> = std::env::args_os().collect();
    let bundle = Bundle::find(given.first())?;
    let table = Table::read(&bundle.table())?;
    let name = bundle.name();
    if name == table.julia {
        let julia = open(&bundle, &table)?;
        return Ok(julia.run_as_julia(&c_strings(&given)?));
    }
    let function = table.function_of(&name)?;
    let arguments = arguments::split(given);

    // SAFETY: nothing has started a thread yet.
    let changed = unsafe { Changed::for_bundle(&bundle) };
    let julia = open(&bundle, &table)?;
    if arguments.of_julia.len() > 1 {
        julia.parse_options(&c_strings(&arguments.of_julia)?);
    }
    julia.initialise(
        &c_string(bundle.bin().as_os_str())?,
        &c_string(bundle.file(&table.sysimage).as_os_str())?,
    );
    // SAFETY: the threads that Julia has started wait for work, which only this one can give them.
    unsafe { changed.restore() };

    let program = arguments.of_app.first().cloned().unwrap_or_default();
    let mut values = vec![program];
    values.extend([&table.uuid, &table.package, function].map(OsString::from));
    values.extend(arguments.of_app.into_iter().skip(1));
    julia.set_arguments(&c_strings(&values)?);
    let code = julia.start();
    julia.finish(code);
    Ok(code)
}

fn c_strings(texts: &[OsString]) -> Result<Vec<CString>, String> {
    texts.iter().map(|text| c_string(text)).collect()
}
