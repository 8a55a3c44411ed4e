//! What the bytes of an image are: native code and data by their owners, the heap, and what else its
//! sections say. Nothing is guessed: what cannot be told apart is one row.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, FileKind, ReadCache, ReadRef};
use serde::{Deserialize, Serialize};

use crate::report::{Owner, SizePart, SizeRow};

/// The symbol of the heap, which says how long it is.
const HEAP: &[u8] = b"jl_system_image_data";

/// What the sections of a linked image are called that come from elsewhere (`rust/linked`): `.jlsb.N` those
/// of its base, and of packages' caches `.ID.N` with the identity that the image process gave them.
const OF_BASE: &str = "jlsb";

/// Addresses in an image that have one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    start: u64,
    end: u64,
    owner: Owner,
    package: Option<String>,
}

/// What is known of the images that were linked into one.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Packages by the identities of their caches.
    pub packages: BTreeMap<String, String>,
    /// Whose the parts of the base are, where that is a layer: they keep their addresses.
    pub layer: Vec<Region>,
}

/// The rows for the file `image`, largest first, and whose its loaded sections are. The rows sum to the
/// size of the file.
///
/// # Errors
/// When the file cannot be read.
pub fn of(image: &Path, origins: &Origins) -> io::Result<(Vec<SizeRow>, Vec<Region>)> {
    let file = File::open(image)?;
    let size = file.metadata()?.len();
    let data = ReadCache::new(file);
    let read = match FileKind::parse(&data) {
        Ok(FileKind::Elf64) => sections::<FileHeader64<Endianness>, _>(&data).ok(),
        Ok(FileKind::Elf32) => sections::<FileHeader32<Endianness>, _>(&data).ok(),
        _ => None,
    };
    let sections = read.filter(|sections| are_apart(sections, size));
    let Some(sections) = sections else {
        let whole = row((SizePart::File, None, None), size);
        return Ok((vec![whole], Vec::new()));
    };
    let mut sums: BTreeMap<(SizePart, Option<Owner>, Option<String>), u64> = BTreeMap::new();
    let mut regions = Vec::new();
    let mut rest = size;
    for section in sections {
        let (owner, package) = origins.of(&section);
        rest -= section.in_file;
        *sums.entry((SizePart::Heap, None, None)).or_default() += section.heap;
        let owned = matches!(section.part, SizePart::Code | SizePart::Data);
        let key = if owned {
            (section.part, Some(owner), package.clone())
        } else {
            (section.part, None, None)
        };
        *sums.entry(key).or_default() += section.in_file - section.heap;
        if owned && section.start < section.end {
            regions.push(Region {
                start: section.start,
                end: section.end,
                owner,
                package,
            });
        }
    }
    *sums.entry((SizePart::Other, None, None)).or_default() += rest;
    let sums = sums.into_iter().filter(|(_, bytes)| *bytes > 0);
    let mut rows: Vec<SizeRow> = sums.map(|(key, bytes)| row(key, bytes)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    Ok((rows, regions))
}

fn row((part, owner, package): (SizePart, Option<Owner>, Option<String>), bytes: u64) -> SizeRow {
    SizeRow {
        part,
        owner,
        package,
        bytes,
    }
}

impl Origins {
    fn of(&self, section: &Section) -> (Owner, Option<String>) {
        let name = section.name.strip_prefix('.').unwrap_or_default();
        let (first, _) = name.split_once('.').unwrap_or_default();
        if first == OF_BASE {
            let mut regions = self.layer.iter();
            let inside = |region: &&Region| (region.start..region.end).contains(&section.start);
            return match regions.find(inside) {
                // What the layer's build made is none of this one's.
                Some(region) if region.owner == Owner::Package => {
                    (Owner::Package, region.package.clone())
                }
                Some(region) if region.owner == Owner::New => (Owner::Layer, None),
                _ => (Owner::Base, None),
            };
        }
        match self.packages.get(first) {
            Some(package) => (Owner::Package, Some(package.clone())),
            None => (Owner::New, None),
        }
    }
}

/// A section of an ELF file.
#[derive(Debug)]
struct Section {
    name: String,
    part: SizePart,
    /// Addresses.
    start: u64,
    end: u64,
    offset: u64,
    /// Bytes that it takes in the file.
    in_file: u64,
    /// How many of them are the heap.
    heap: u64,
}

fn sections<'data, Elf, R>(data: R) -> object::Result<Vec<Section>>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let table = header.sections(endian, data)?;
    let mut sections = Vec::new();
    for section in table.iter() {
        let name = table.section_name(endian, section)?;
        let (kind, flags) = (section.sh_type(endian), section.sh_flags(endian).into());
        let name = String::from_utf8_lossy(name).into_owned();
        let size: u64 = section.sh_size(endian).into();
        let start: u64 = section.sh_addr(endian).into();
        let empty = matches!(kind, elf::SHT_NOBITS | elf::SHT_NULL);
        sections.push(Section {
            part: part(&name, kind, flags),
            start,
            end: start.saturating_add(size),
            offset: section.sh_offset(endian).into(),
            in_file: if empty { 0 } else { size },
            heap: 0,
            name,
        });
    }
    let symbols = table.symbols(endian, data, elf::SHT_DYNSYM)?;
    for symbol in symbols.iter() {
        if symbol.name(endian, symbols.strings()) == Ok(HEAP)
            && let Some(section) = sections.get_mut(usize::from(symbol.st_shndx(endian)))
        {
            section.heap = section.in_file.min(symbol.st_size(endian).into());
        }
    }
    Ok(sections)
}

fn part(name: &str, kind: u32, flags: u64) -> SizePart {
    let loaded = flags & u64::from(elf::SHF_ALLOC) != 0;
    let code = flags & u64::from(elf::SHF_EXECINSTR) != 0;
    match kind {
        elf::SHT_SYMTAB
        | elf::SHT_DYNSYM
        | elf::SHT_STRTAB
        | elf::SHT_HASH
        | elf::SHT_GNU_HASH
        | elf::SHT_GNU_VERSYM
        | elf::SHT_GNU_VERNEED
        | elf::SHT_GNU_VERDEF
        | elf::SHT_SYMTAB_SHNDX => SizePart::Symbols,
        elf::SHT_RELA | elf::SHT_REL | elf::SHT_RELR => SizePart::Relocations,
        elf::SHT_X86_64_UNWIND => SizePart::Unwind,
        elf::SHT_PROGBITS | elf::SHT_NOBITS | elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY => {
            let unwinds = [".eh_frame", ".gcc_except_table", ".ARM.ex", ".sframe"];
            if name.starts_with(".debug_") || name.starts_with(".zdebug_") {
                SizePart::DebugInformation
            } else if unwinds.iter().any(|prefix| name.starts_with(prefix)) {
                SizePart::Unwind
            } else if loaded && code {
                SizePart::Code
            } else if loaded {
                SizePart::Data
            } else {
                SizePart::Other
            }
        }
        _ => SizePart::Other,
    }
}

/// Whether no two sections share bytes of the file, and all are within its `size`: else a sum over them
/// would mean nothing.
fn are_apart(sections: &[Section], size: u64) -> bool {
    let filled = sections.iter().filter(|section| section.in_file > 0);
    let mut places: Vec<(u64, u64)> = filled.map(|s| (s.offset, s.in_file)).collect();
    places.sort_unstable();
    let mut end = 0;
    for (offset, length) in places {
        match offset.checked_add(length) {
            Some(next) if offset >= end && next <= size => end = next,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    #[test]
    fn the_parts_of_an_elf_file_sum_to_it() {
        let file = std::env::current_exe().unwrap();
        let (rows, regions) = of(&file, &Origins::default()).unwrap();
        let sum: u64 = rows.iter().map(|row| row.bytes).sum();
        assert_eq!(sum, file.metadata().unwrap().len());
        assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(row.bytes)));
        for part in [
            SizePart::Code,
            SizePart::Data,
            SizePart::Unwind,
            SizePart::Symbols,
            SizePart::Relocations,
            SizePart::Other,
        ] {
            let found: Vec<_> = rows.iter().filter(|row| row.part == part).collect();
            assert_eq!(found.len(), 1, "{part:?}");
            let owner = matches!(part, SizePart::Code | SizePart::Data).then_some(Owner::New);
            assert_eq!((found[0].owner, &found[0].package), (owner, &None));
        }
        assert!(!rows.iter().any(|row| row.part == SizePart::Heap));
        assert!(regions.iter().all(|region| region.start < region.end));
    }

    #[test]
    fn of_another_file_only_the_size_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.dll");
        std::fs::write(&file, b"no ELF file").unwrap();
        let (rows, regions) = of(&file, &Origins::default()).unwrap();
        assert_eq!(rows, [row((SizePart::File, None, None), 11)]);
        assert_eq!(regions, []);
    }

    #[test]
    fn sections_that_share_bytes_are_not_summed() {
        let section = |offset, in_file| Section {
            name: ".text".into(),
            part: SizePart::Code,
            start: 0,
            end: 0,
            offset,
            in_file,
            heap: 0,
        };
        assert!(are_apart(&[section(20, 10), section(10, 10)], 30));
        assert!(!are_apart(&[section(20, 10), section(10, 11)], 30));
        assert!(!are_apart(&[section(20, 10)], 29));
        assert!(!are_apart(&[section(u64::MAX, 10)], 29));
        assert!(are_apart(&[section(u64::MAX, 0)], 29));
    }

    #[test]
    fn sections_of_a_linked_image_have_owners() {
        let region = |start, owner, package: Option<&str>| Region {
            start,
            end: start + 0x100,
            owner,
            package: package.map(String::from),
        };
        let origins = Origins {
            packages: BTreeMap::from([("jlp0".into(), "Top".into())]),
            layer: vec![
                region(0x100, Owner::Base, None),
                region(0x200, Owner::Package, Some("Below")),
                region(0x300, Owner::New, None),
            ],
        };
        let owner = |name: &str, start| {
            origins.of(&Section {
                name: name.into(),
                part: SizePart::Code,
                start,
                end: start + 0x100,
                offset: 0,
                in_file: 0x100,
                heap: 0,
            })
        };
        assert_eq!(owner(".jlsb.0", 0x100), (Owner::Base, None));
        assert_eq!(
            owner(".jlsb.1", 0x200),
            (Owner::Package, Some("Below".into()))
        );
        assert_eq!(owner(".jlsb.2", 0x300), (Owner::Layer, None));
        assert_eq!(
            owner(".jlp0.0", 0x500),
            (Owner::Package, Some("Top".into()))
        );
        assert_eq!(owner(".text", 0x600), (Owner::New, None));
        // A base that is no layer.
        let section = Section {
            name: ".jlsb.0".into(),
            part: SizePart::Code,
            start: 0x200,
            end: 0x300,
            offset: 0,
            in_file: 0x100,
            heap: 0,
        };
        assert_eq!(Origins::default().of(&section), (Owner::Base, None));
    }
}
