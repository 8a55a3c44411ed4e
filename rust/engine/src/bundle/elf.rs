//! What a library or an executable says of others that it needs.

use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME, FileHeader64};
use object::read::elf::{Dyn, FileHeader};
use object::{Endianness, StringTable};

/// The first bytes of every such file.
pub const MAGIC: &[u8] = b"\x7fELF";

/// What stands in the dynamic section, and which versions of symbols are asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    pub soname: Option<String>,
    /// Names of libraries.
    pub needed: Vec<String>,
    /// Folders to look for them in, of RUNPATH or RPATH; `$ORIGIN` stands for the file's own.
    pub folders: Vec<String>,
    /// A library, and a version that it must have, such as `GLIBC_2.34`.
    pub versions: Vec<(String, String)>,
}

/// Reads the 64-bit file whose bytes are `data`.
///
/// # Errors
/// When it is none, or damaged.
pub fn read(data: &[u8]) -> Result<Dynamic, String> {
    read_file(data).map_err(|e| e.to_string())
}

fn read_file(data: &[u8]) -> object::Result<Dynamic> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let mut found = Dynamic::default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some((entries, strings)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, strings)?;
        for entry in entries.iter().filter(|entry| entry.is_string(endian)) {
            let value = text(entry.string(endian, strings)?);
            match entry.tag32(endian) {
                Some(DT_NEEDED) => found.needed.push(value),
                Some(DT_SONAME) => found.soname = Some(value),
                Some(DT_RUNPATH | DT_RPATH) => {
                    found.folders.extend(value.split(':').map(String::from));
                }
                _ => {}
            }
        }
    }
    if let Some((mut libraries, strings)) = sections.gnu_verneed(endian, data)? {
        let strings: StringTable<'_> = sections.strings(endian, data, strings)?;
        while let Some((library, mut versions)) = libraries.next()? {
            let library = text(library.file(endian, strings)?);
            while let Some(version) = versions.next()? {
                let version = text(version.name(endian, strings)?);
                found.versions.push((library.clone(), version));
            }
        }
    }
    Ok(found)
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn an_executable_names_its_libraries() {
        let data = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let dynamic = read(&data).unwrap();
        assert!(
            dynamic.needed.contains(&"libc.so.6".to_string()),
            "{dynamic:?}"
        );
        let of_libc = |(library, version): &(String, String)| {
            library == "libc.so.6" && version.starts_with("GLIBC_2.")
        };
        assert!(dynamic.versions.iter().any(of_libc), "{dynamic:?}");
    }

    #[test]
    fn what_is_cut_is_an_error() {
        let data = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(read(&data[..1000]).is_err());
        assert!(read(b"text").is_err());
    }
}
