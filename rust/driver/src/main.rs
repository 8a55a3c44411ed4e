//! The executable of an app. Every executable of every app is this program under another name: a table
//! in the bundle (`share/julia/app.json`) says which function of which package it calls. It is linked
//! against no libjulia, and opens the one in the bundle.

mod arguments;
mod bundle;
mod environment;
mod julia;
mod table;

use std::ffi::{CString, OsString};
use std::process::exit;

use bundle::Bundle;
use julia::Julia;
use table::Table;

fn main() {
    let code = run().unwrap_or_else(|why| {
        eprintln!("ERROR: {why}");
        1
    });
    exit(code);
}

/// Runs the app, and gives its exit code.
fn run() -> Result<i32, String> {
    let given: Vec<OsString> = std::env::args_os().collect();
    let bundle = Bundle::find(given.first())?;
    let table = Table::read(&bundle.table())?;
    let name = bundle.name();
    if name == table.julia {
        let julia = Julia::open(&bundle.file(&table.libjulia))?;
        return Ok(julia.run_as_julia(&c_strings(&given)?));
    }
    let function = table.function_of(&name)?;
    let arguments = arguments::split(given);

    let changed = environment::Changed::for_bundle(&bundle);
    let julia = Julia::open(&bundle.file(&table.libjulia))?;
    if arguments.of_julia.len() > 1 {
        julia.parse_options(&c_strings(&arguments.of_julia)?);
    }
    julia.initialise(
        &c_string(bundle.bin().as_os_str())?,
        &c_string(bundle.file(&table.sysimage).as_os_str())?,
    );
    // Processes that the app starts have the environment that it was given.
    changed.restore();

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

fn c_string(text: &std::ffi::OsStr) -> Result<CString, String> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(text).to_vec();
    #[cfg(not(unix))]
    let bytes = text.to_string_lossy().into_owned().into_bytes();
    CString::new(bytes).map_err(|_| format!("`{}` holds a NUL character", text.to_string_lossy()))
}
