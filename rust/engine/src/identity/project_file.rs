//! What of a project file decides which packages are loaded, and how.

use std::path::Path;

use pcrs_cache::{Error, Key, KeyBuilder, read_file};

/// The text of the project file at `file` without comment lines, which Pkg writes too, and without
/// `[compat]`, by which Pkg chooses what the Manifest then says. Strings of many lines may hold lines that
/// only look so; no file of Pkg's has them.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let text = read_file(file)?;
    let has = |quotes| memchr::memmem::find(&text, quotes).is_some();
    if has(b"\"\"\"") || has(b"'''") {
        return Ok(text);
    }
    let mut in_compat = false;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> = lines
        .filter(|line| {
            if line.starts_with(b"[") {
                in_compat = line.starts_with(b"[compat]");
            }
            !in_compat && !line.is_empty() && !line.starts_with(b"#")
        })
        .collect();
    Ok(kept.join(&b'\n'))
}

/// Of what [`read`] gives.
///
/// # Errors
/// When the file cannot be read.
pub fn key(file: &Path) -> Result<Key, Error> {
    let mut key = KeyBuilder::new("project file/v1");
    key.field("text", read(file)?);
    Ok(key.finish())
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn comments_empty_lines_and_compat_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Project.toml");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            super::read(&file).unwrap()
        };
        let plain = read("a = 1\nb = 2");
        assert_eq!(read("# x\n\n a = 1\r\n\n# y\nb = 2\n"), plain);
        assert_ne!(read("a = 1\nb = 3"), plain);
        assert_ne!(read("a = 1b = 2"), plain);
        let text = "a = \"\"\"\n# no comment\n\"\"\"";
        assert_eq!(read(text), text.as_bytes());
        let plain = read("[deps]\nA = \"1\"\n[extras]\nB = \"2\"\n");
        assert_eq!(
            read("[deps]\nA = \"1\"\n\n[compat]\nA = \"0.3\"\n\n[extras]\nB = \"2\"\n"),
            plain
        );
        assert_ne!(
            read("[deps]\nA = \"1\"\n[compats]\nA = \"0.3\"\n[extras]\nB = \"2\"\n"),
            plain
        );
    }
}
