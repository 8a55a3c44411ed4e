//! A package image, made into an object that can be put anywhere.

use std::path::{Path, PathBuf};

use object::elf;
use serde::{Deserialize, Serialize};

use crate::base;
use crate::dwarf::{self, Fix, Section, Value};
use crate::error::{Refused, refuse};
use crate::parts::{Parts, Placed};
use crate::read::{Image, Symbol};
use crate::relocations::{self, Pointers};
use crate::tables::Tables;
use crate::trampoline;
use crate::write::{Object, Place, Scope, SectionId, Target};

/// Indices of debug information, which debuggers can do without: they would have to be rewritten.
const INDICES: [&str; 6] = [
    ".debug_aranges",
    ".debug_pubnames",
    ".debug_pubtypes",
    ".debug_gnu_pubnames",
    ".debug_gnu_pubtypes",
    ".debug_names",
];

/// The symbol of the function at `offset` of the package image `id`.
///
/// ```
/// assert_eq!(pcrs_linked::package_symbol("jlp0123456789abcdef", 0x1f00), "jlp0123456789abcdef_1f00");
/// ```
pub fn package_symbol(id: &str, offset: u64) -> String {
    format!("{id}_{offset:x}")
}

/// What was written of a package image, for [`merge`](crate::merge).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageObject {
    /// The object file.
    pub file: PathBuf,
    /// The versions of Julia whose layout its tables have.
    pub julia: String,
    /// The parts of the image, with their offsets there.
    pub(crate) parts: Vec<Placed>,
    /// The names that it exports.
    pub(crate) exports: Vec<String>,
    /// The offsets of all versions of each function, by number.
    pub(crate) versions: Vec<Vec<u64>>,
    /// The functions, by number, whose version for the CPU has to be in a slot; and the slots'
    /// offsets.
    pub(crate) function_slots: Vec<(u32, u64)>,
    /// The offsets of its thread-local slots.
    pub(crate) slots: [u64; 3],
}

/// A package image that was read, checked and found good.
#[derive(Debug)]
pub struct Package {
    image: Image,
    id: String,
    heap: (u64, u64),
    tables: Tables,
    fixes: Vec<Fix>,
}

impl Package {
    /// Reads the package image `image`, whose symbols will begin with `id`.
    ///
    /// # Errors
    /// When it cannot be linked in.
    pub fn read(image: &Path, id: &str) -> Result<Self, Refused> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            refuse!("`{id}` cannot be the beginning of symbols");
        }
        let image = Image::open(image)?;
        let symbols = image.dynamic_symbols()?;
        let pointers = Pointers::of(&image, &symbols)?;
        let heap = base::heap(&image, &symbols)?;
        let tables = Tables::read(
            &image,
            &pointers,
            base::exported(&symbols, "jl_image_pointers")?.value,
        )?;
        base::constructors(&image, &pointers)?;
        let fixes = dwarf::fixes(&debug_sections(&image)?)?;
        let package = Package {
            heap,
            tables,
            fixes,
            id: id.into(),
            image,
        };
        // All else that may be refused is found out by making the object.
        package.object(&[])?;
        Ok(package)
    }

    /// Writes the object to the file `out`. `slots`: the offset of each slot for a function of
    /// another image, and the symbol of that function ([`base_symbol`](crate::base_symbol),
    /// [`package_symbol`] or one of Julia's libraries).
    ///
    /// # Errors
    /// When a slot lies outside of the image's data, or the file cannot be written.
    pub fn write(&self, slots: &[(u64, String)], out: &Path) -> Result<PackageObject, Refused> {
        let (object, parts) = self.object(slots)?;
        object.save(out)?;
        let symbols = self.image.dynamic_symbols()?;
        Ok(PackageObject {
            file: out.to_path_buf(),
            julia: self.tables.layout.julia.into(),
            parts: parts.placed,
            exports: base::exports(&symbols)
                .map(|symbol| String::from_utf8_lossy(symbol.name).into_owned())
                .collect(),
            versions: self.versions(),
            function_slots: self.function_slots(),
            slots: self.tables.slots,
        })
    }

    fn versions(&self) -> Vec<Vec<u64>> {
        let mut versions = vec![Vec::new(); self.tables.functions as usize];
        for shard in &self.tables.shards {
            for (number, found) in shard.function_numbers.iter().zip(shard.versions()) {
                if let Some(place) = versions.get_mut(*number as usize) {
                    *place = found;
                }
            }
        }
        versions
    }

    fn function_slots(&self) -> Vec<(u32, u64)> {
        let mut slots = Vec::new();
        for shard in &self.tables.shards {
            for (function, slot) in shard.in_slots.iter().zip(&shard.function_slots) {
                if let Some(number) = shard.function_numbers.get(*function as usize) {
                    slots.push((*number, *slot));
                }
            }
        }
        slots.sort_unstable();
        slots
    }

    fn object<'a>(&'a self, slots: &[(u64, String)]) -> Result<(Object<'a>, Parts), Refused> {
        let symbols = self.image.dynamic_symbols()?;
        let mut object = Object::default();
        let parts = Parts::of(&self.image, &self.id, self.heap, &mut object)?;
        self.define(&symbols, &parts, &mut object)?;
        relocations::convert(&self.image, &symbols, &parts, false, &mut object)?;
        self.fill(slots, &parts, &mut object)?;
        base::unwind_table(&self.image, &parts, &mut object)?;
        self.debug_information(&parts, &mut object)?;
        object.section(".note.GNU-stack", 0, 1, &[][..]);
        Ok((object, parts))
    }

    fn define<'a>(
        &'a self,
        symbols: &[Symbol<'a>],
        parts: &Parts,
        object: &mut Object<'a>,
    ) -> Result<(), Refused> {
        for symbol in self.image.all_symbols()? {
            let named = symbol.is_defined() && !symbol.name.is_empty();
            if !named || !matches!(symbol.kind, elf::STT_FUNC | elf::STT_OBJECT) {
                continue;
            }
            if let Some(at) = parts.place(symbol.value) {
                object.define(symbol.name, at, symbol.size, symbol.kind, Scope::Local);
            }
        }
        for addr in base::known_functions(&self.tables) {
            let Some(at) = parts.place(addr).filter(|_| parts.is_code(addr)) else {
                refuse!("a function is at {addr:#x}, where there is no code");
            };
            object.define(
                package_symbol(&self.id, addr).into_bytes(),
                at,
                0,
                elf::STT_FUNC,
                Scope::Hidden,
            );
        }
        for addr in self
            .tables
            .shards
            .iter()
            .flat_map(|shard| shard.globals.iter().chain(&shard.function_slots))
            .chain(&self.tables.slots)
        {
            if !parts.is_data(*addr) {
                refuse!("a global is at {addr:#x}, where there is no data");
            }
        }
        let Some(anchor) = parts
            .placed
            .first()
            .and_then(|first| parts.place(first.start))
        else {
            refuse!("it has neither code nor data");
        };
        object.define(
            self.id.as_bytes(),
            anchor,
            0,
            elf::STT_NOTYPE,
            Scope::Hidden,
        );
        base::define_exports(symbols, parts, object)
    }

    /// Fills slots: those for functions of other images, and its own for the thread's state with
    /// what fills them when it is called.
    fn fill<'a>(
        &self,
        slots: &[(u64, String)],
        parts: &Parts,
        object: &mut Object<'a>,
    ) -> Result<(), Refused> {
        let state = self.tables.slots[0];
        let trampoline = trampoline::SYMBOL.to_string();
        for (addr, symbol) in slots
            .iter()
            .map(|(addr, symbol)| (*addr, symbol))
            .chain([(state, &trampoline)])
        {
            let last = addr.wrapping_add(7);
            let Some(at) = parts
                .place(addr)
                .filter(|_| parts.is_data(addr) && parts.is_data(last) && addr % 8 == 0)
            else {
                refuse!("a slot for `{symbol}` is at {addr:#x}, where there is no data");
            };
            if addr == state {
                object.without_relocations_at(at);
            } else if object.is_relocated(at) {
                refuse!("a slot for `{symbol}` at {addr:#x} has a value already");
            }
            let id = object.symbol(symbol.clone().into_bytes(), false);
            object.relocate(at, elf::R_X86_64_64, Target::Symbol(id), 0);
        }
        Ok(())
    }

    fn debug_information<'a>(
        &'a self,
        parts: &Parts,
        object: &mut Object<'a>,
    ) -> Result<(), Refused> {
        let contents = debug_sections(&self.image)?;
        let mut ids: Vec<(Section, SectionId)> = Vec::new();
        for section in Section::ALL {
            let content = contents.get(section);
            if !content.is_empty() {
                ids.push((section, object.section(section.name(), 0, 1, content)));
            }
        }
        let find = |section: Section| match ids.iter().find(|(other, _)| *other == section) {
            Some((_, id)) => Ok(*id),
            None => refuse!(
                "its debug information needs {}, which it does not have",
                section.name()
            ),
        };
        for fix in &self.fixes {
            let at = Place {
                section: find(fix.section)?,
                offset: fix.offset,
            };
            match fix.value {
                Value::Address(addr) if dwarf::is_tombstone(addr) => {}
                Value::Address(addr) => match parts.place_or_end(addr) {
                    Some(target) => object.point(at, target),
                    None => refuse!(
                        "its debug information has the address {addr:#x}, which is not kept"
                    ),
                },
                Value::Offset(section, value) => {
                    let target = Place {
                        section: find(section)?,
                        offset: value,
                    };
                    object.relocate(at, elf::R_X86_64_32, Target::Place(target), 0);
                }
            }
        }
        Ok(())
    }
}

/// The sections of debug information that are known, the indices left out.
fn debug_sections(image: &Image) -> Result<dwarf::Sections<'_>, Refused> {
    let mut contents = dwarf::Sections::default();
    for section in base::debug_sections(image)? {
        let content = image.content(section)?;
        match Section::ALL
            .iter()
            .find(|known| known.name() == section.name)
        {
            Some(known) => contents.set(*known, content)?,
            // The compiler writes the end mark of some even where there is nothing.
            None if INDICES.contains(&section.name.as_str())
                || content.iter().all(|byte| *byte == 0) => {}
            None => refuse!(
                "it has debug information of a kind that is not known ({})",
                section.name
            ),
        }
    }
    Ok(contents)
}
