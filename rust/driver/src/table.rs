//! What the executables of an app do: a file that `create_app` writes into the bundle.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The layout of the table.
const SCHEMA: u32 = 1;

#[derive(Debug, Deserialize)]
pub struct Table {
    schema: u32,
    /// The package, and its UUID.
    pub package: String,
    pub uuid: String,
    /// Functions of that package, by the name of the executable that calls each.
    executables: BTreeMap<String, String>,
    /// The executable that is an ordinary Julia, for workers.
    pub julia: String,
    /// Files of the bundle, from its folder on.
    pub libjulia: String,
    pub sysimage: String,
}

impl Table {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// When there is none, or it is not as this program has it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|e| format!("the app is not whole: `{shown}` cannot be read: {e}"))?;
        let table: Self = serde_json::from_str(&text)
            .map_err(|e| format!("the app is not whole: `{shown}` is no table of an app: {e}"))?;
        if table.schema == SCHEMA {
            Ok(table)
        } else {
            Err(format!(
                "`{shown}` has schema {}, this program reads {SCHEMA}: both have to come from one build",
                table.schema
            ))
        }
    }

    /// The function that the executable `name` calls. The only executable of an app may have any name.
    ///
    /// # Errors
    /// When the table does not say.
    pub fn function_of(&self, name: &str) -> Result<&str, String> {
        if let Some(function) = self.executables.get(name) {
            return Ok(function);
        }
        let mut functions = self.executables.values();
        if let (Some(only), None) = (functions.next(), functions.next()) {
            return Ok(only);
        }
        let known: Vec<_> = self.executables.keys().map(String::as_str).collect();
        Err(format!(
            "this app has no executable `{name}`: rename this file to one of {}",
            known.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(executables: &str) -> Table {
        let json = format!(
            r#"{{"schema":1,"package":"P","uuid":"u","executables":{executables},"julia":"julia",
                "libjulia":"lib/libjulia.so","sysimage":"lib/julia/sys.so"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn executables_are_known_by_their_names() {
        let table = table(r#"{"A":"one","B":"two"}"#);
        assert_eq!(table.function_of("B").unwrap(), "two");
        let refused = table.function_of("C").unwrap_err();
        assert!(
            refused.contains("rename this file to one of A, B"),
            "{refused}"
        );
    }

    #[test]
    fn the_only_one_may_have_another_name() {
        assert_eq!(table(r#"{"A":"one"}"#).function_of("Z").unwrap(), "one");
    }

    #[test]
    fn what_is_no_table_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.json");
        assert!(Table::read(&path).unwrap_err().contains("cannot be read"));
        fs::write(&path, "{}").unwrap();
        assert!(Table::read(&path).unwrap_err().contains("app.json"));
        let other = r#"{"schema":9,"package":"P","uuid":"u","executables":{},"julia":"julia",
            "libjulia":"l","sysimage":"s"}"#;
        fs::write(&path, other).unwrap();
        assert!(Table::read(&path).unwrap_err().contains("schema 9"));
    }
}
