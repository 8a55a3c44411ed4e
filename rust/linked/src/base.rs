//! A finished sysimage, made into an object that is linked again at its own addresses.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use object::elf;
use serde::{Deserialize, Serialize};

use crate::error::{Refused, refuse};
use crate::parts::{Parts, Placed};
use crate::read::{Image, Symbol};
use crate::relocations::{self, METADATA, Pointers};
use crate::tables::{Tables, Versions};
use crate::unwind;
use crate::write::{Object, Scope, Target};

/// The name of the object in the folder of a [`Base`].
pub(crate) const OBJECT: &str = "base.o";
const RECORD: &str = "base.json";
/// What the names of parts begin with.
const PREFIX: &str = "jlsb";

/// The symbols of an image's slots, which its code and that of later images share.
pub(crate) const SLOTS: [&str; 3] = [
    "jl_pgcstack_func_slot",
    "jl_pgcstack_key_slot",
    "jl_tls_offset",
];
pub(crate) const SMALL_TYPEOF: &str = "jl_small_typeof";

/// The symbol of the base's function at `offset`.
///
/// ```
/// assert_eq!(pcrs_linked::base_symbol(0x1f00), "jlsb_1f00");
/// ```
pub fn base_symbol(offset: u64) -> String {
    format!("jlsb_{offset:x}")
}

/// The symbol of the code that goes on to the version for the CPU of the base's function at `offset`.
pub(crate) fn called_symbol(offset: u64) -> String {
    format!("{}_called", base_symbol(offset))
}

/// The offset in a name that [`base_symbol`] has made.
pub(crate) fn offset_in_symbol(name: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(name.strip_prefix(b"jlsb_")?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// An unlinked sysimage: what `base.json` in its folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The image it was made of.
    pub image: PathBuf,
    /// The versions of Julia whose layout its tables have.
    pub julia: String,
    /// How many functions it has.
    pub functions: u32,
    /// How many globals it has.
    pub globals: u32,
    /// How many CPU targets it has code for.
    pub targets: u32,
    /// What Julia has written of them.
    pub(crate) target_ids: Vec<u8>,
    pub(crate) shards: Vec<BaseShard>,
    pub(crate) parts: Vec<Placed>,
    /// Its sections of debug information, which have to come first in the new image.
    pub(crate) debug: Vec<String>,
    /// The names that it exports.
    pub(crate) exports: Vec<String>,
}

/// What has to be known of a shard to choose a CPU target for it, or to add slots to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BaseShard {
    /// The numbers of its functions in the image.
    pub numbers: Vec<u32>,
    /// What it has for each CPU target.
    pub targets: Vec<Versions>,
    /// Which functions have slots, by place in the shard, and the offsets of these.
    pub slots: Vec<(u32, u64)>,
    /// The offsets of its globals.
    pub globals: Vec<u64>,
    /// The offset of each column's array.
    pub columns: Vec<u64>,
}

impl Base {
    /// Reads what [`unlink_base`] has written into `folder`.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn load(folder: &Path) -> Result<Self, Refused> {
        let file = folder.join(RECORD);
        let told = |e: &dyn std::fmt::Display| {
            Refused::new(format!("`{}` cannot be read: {e}", file.display()))
        };
        let text = std::fs::read(&file).map_err(|e| told(&e))?;
        serde_json::from_slice(&text).map_err(|e| told(&e))
    }
}

/// Makes `base.o` and `base.json` in the folder `out`, which has to exist, of the finished sysimage
/// `image`: one of Julia's own, one that a linker has made of a build's objects, or one that was
/// linked with [`merge`](crate::merge).
///
/// The two files do not depend on where `out` is.
///
/// # Errors
/// When the image is of a kind that is not known, or the files cannot be written.
///
/// ```no_run
/// # use std::path::Path;
/// let base = pcrs_linked::unlink_base(Path::new("lib/julia/sys.so"), Path::new("work"))?;
/// println!("{} functions of Julia {}", base.functions, base.julia);
/// # Ok::<(), pcrs_linked::Refused>(())
/// ```
pub fn unlink_base(image: &Path, out: &Path) -> Result<Base, Refused> {
    let file = Image::open(image)?;
    let symbols = file.dynamic_symbols()?;
    let pointers = Pointers::of(&file, &symbols)?;
    let heap = heap(&file, &symbols)?;
    let tables = Tables::read(
        &file,
        &pointers,
        exported(&symbols, "jl_image_pointers")?.value,
    )?;
    let mut object = Object::default();
    let parts = Parts::of(&file, PREFIX, heap, &mut object)?;
    constructors(&file, &pointers)?;

    let known = known_functions(&tables);
    define(&file, &symbols, &tables, &parts, &known, &mut object)?;
    relocations::convert(&file, &symbols, &parts, true, &mut object)?;
    unwind_table(&file, &parts, &mut object)?;
    let debug = debug_sections(&file)?;
    for section in &debug {
        object.section(section.name.as_str(), 0, 1, file.content(section)?);
    }
    object.section(".note.GNU-stack", 0, 1, &[][..]);

    let base = Base {
        image: image.to_path_buf(),
        julia: tables.layout.julia.into(),
        functions: tables.functions,
        globals: tables.globals,
        targets: tables.targets,
        target_ids: tables.target_ids.clone(),
        shards: tables
            .shards
            .iter()
            .map(|shard| BaseShard {
                numbers: shard.function_numbers.clone(),
                targets: shard.targets.clone(),
                slots: shard.slots().collect(),
                globals: shard.globals.clone(),
                columns: shard.columns.clone(),
            })
            .collect(),
        parts: parts.placed,
        debug: debug.iter().map(|section| section.name.clone()).collect(),
        exports: exports(&symbols)
            .map(|symbol| String::from_utf8_lossy(symbol.name).into_owned())
            .collect(),
    };
    object.save(&out.join(OBJECT))?;
    let record = out.join(RECORD);
    let told = |e: &dyn std::fmt::Display| {
        Refused::new(format!("`{}` cannot be written: {e}", record.display()))
    };
    let text = serde_json::to_vec(&base).map_err(|e| told(&e))?;
    std::fs::write(&record, text).map_err(|e| told(&e))?;
    Ok(base)
}

/// Start and end of an image's heap.
pub(crate) fn heap(image: &Image, symbols: &[Symbol]) -> Result<(u64, u64), Refused> {
    let data = exported(symbols, "jl_system_image_data")?;
    let size = image.u64(exported(symbols, "jl_system_image_size")?.value)?;
    if data.size != size || data.value.checked_add(size).is_none() {
        refuse!("its heap has {size} bytes, and its symbol {}", data.size);
    }
    Ok((data.value, data.value + size))
}

/// The symbol of this name that the image defines.
pub(crate) fn exported<'a, 's>(
    symbols: &'s [Symbol<'a>],
    name: &str,
) -> Result<&'s Symbol<'a>, Refused> {
    let found = symbols
        .iter()
        .find(|symbol| symbol.is_defined() && symbol.name == name.as_bytes());
    found.ok_or_else(|| Refused::new(format!("it is not an image of Julia: it has no `{name}`")))
}

/// What an image exports besides its own metadata and what linkers add.
pub(crate) fn exports<'a, 's>(symbols: &'s [Symbol<'a>]) -> impl Iterator<Item = &'s Symbol<'a>> {
    const LINKERS: [&[u8]; 9] = [
        b"_init",
        b"_fini",
        b"_edata",
        b"_end",
        b"__bss_start",
        b"_DYNAMIC",
        b"_GLOBAL_OFFSET_TABLE_",
        b"edata",
        b"end",
    ];
    symbols.iter().filter(|symbol| {
        symbol.is_defined()
            && symbol.bind != elf::STB_LOCAL
            && !METADATA.iter().any(|name| name.as_bytes() == symbol.name)
            && !LINKERS.contains(&symbol.name)
    })
}

/// The sections of debug information.
pub(crate) fn debug_sections(image: &Image) -> Result<Vec<&crate::read::Section>, Refused> {
    let found: Vec<_> = image
        .sections
        .iter()
        .filter(|s| !s.is_loaded() && s.name.starts_with(".debug_"))
        .collect();
    for section in image.sections.iter().filter(|s| !s.is_loaded()) {
        let compressed = section.name.starts_with(".debug_")
            && section.flags & u64::from(elf::SHF_COMPRESSED) != 0;
        if compressed || section.name.starts_with(".zdebug_") {
            refuse!("section {} is compressed", section.name);
        }
    }
    Ok(found)
}

/// Adds the unwind table, which the linker joins with those of other objects.
pub(crate) fn unwind_table<'a>(
    image: &'a Image,
    parts: &Parts,
    object: &mut Object<'a>,
) -> Result<(), Refused> {
    let Some(section) = image.section(".eh_frame") else {
        refuse!("it has no unwind table");
    };
    let bytes = image.content(section)?;
    let table = unwind::read(bytes, section.addr)?;
    let size = usize::try_from(table.size).unwrap_or(bytes.len());
    let id = object.section(".eh_frame", crate::write::CONSTANTS, 8, &bytes[..size]);
    for (offset, target) in table.pointers {
        let Some(place) = parts.place(target).filter(|_| parts.is_code(target)) else {
            refuse!("its unwind table has an entry for {target:#x}, which is no code");
        };
        object.relocate(
            crate::write::Place {
                section: id,
                offset,
            },
            elf::R_X86_64_PC32,
            Target::Place(place),
            0,
        );
    }
    Ok(())
}

/// All versions of all functions.
pub(crate) fn known_functions(tables: &Tables) -> BTreeSet<u64> {
    tables
        .shards
        .iter()
        .flat_map(|shard| shard.targets.iter().flat_map(Versions::own))
        .map(|(_, addr)| addr)
        .collect()
}

/// Checks that nothing but what every shared object has runs when the image is opened or closed:
/// that is left out.
pub(crate) fn constructors(image: &Image, pointers: &Pointers) -> Result<(), Refused> {
    let names = image.all_symbols()?;
    for section in image.sections.iter().filter(|section| section.is_loaded()) {
        let (usual, code): (&[u8], &[&[u8]]) = match section.kind {
            // jmp; the same behind endbr64
            elf::SHT_INIT_ARRAY => (b"frame_dummy", &[&[0xe9], &[0xf3, 0x0f, 0x1e, 0xfa, 0xe9]]),
            // cmpb $0, rip-relative; the same behind endbr64
            elf::SHT_FINI_ARRAY => (
                b"__do_global_dtors_aux",
                &[&[0x80, 0x3d], &[0xf3, 0x0f, 0x1e, 0xfa, 0x80, 0x3d]],
            ),
            elf::SHT_PREINIT_ARRAY => refuse!("it has code that runs before it is opened"),
            _ => continue,
        };
        let entries = pointers.within(section.addr, section.end());
        if entries.len() as u64 * 8 != section.size {
            refuse!("section {} has entries that are no pointers", section.name);
        }
        for (_, target) in entries {
            let named = names
                .iter()
                .any(|symbol| symbol.name == usual && symbol.value == *target);
            let unnamed = names.is_empty() && entries.len() == 1;
            let alike = || {
                code.iter().any(|code| {
                    image
                        .at(*target, code.len() as u64)
                        .is_ok_and(|at| *at == **code)
                })
            };
            if !(named || unnamed && alike()) {
                refuse!(
                    "it has code of its own that runs when it is opened or closed (at {target:#x})"
                );
            }
        }
    }
    Ok(())
}

/// Gives names to what later images refer to, and to everything else that has one.
fn define<'a>(
    image: &'a Image,
    symbols: &[Symbol<'a>],
    tables: &Tables,
    parts: &Parts,
    known: &BTreeSet<u64>,
    object: &mut Object<'a>,
) -> Result<(), Refused> {
    for symbol in image.all_symbols()? {
        if !symbol.is_defined()
            || symbol.name.is_empty()
            || !matches!(symbol.kind, elf::STT_FUNC | elf::STT_OBJECT)
        {
            continue;
        }
        // Those that an earlier link has made are made anew.
        if symbol.name.starts_with(b"jlsb_") {
            continue;
        }
        if let Some(at) = parts.place(symbol.value) {
            object.define(symbol.name, at, symbol.size, symbol.kind, Scope::Local);
        }
    }
    for addr in known {
        let Some(at) = parts.place(*addr).filter(|_| parts.is_code(*addr)) else {
            refuse!("a function is at {addr:#x}, where there is no code");
        };
        object.define(
            base_symbol(*addr).into_bytes(),
            at,
            0,
            elf::STT_FUNC,
            Scope::Hidden,
        );
    }
    for (i, shard) in (0..).zip(&tables.shards) {
        for (column, addr) in tables.layout.columns.iter().zip(&shard.columns) {
            let Some(at) = parts.place_or_end(*addr) else {
                refuse!(
                    "column {} of shard {i} is at {addr:#x}, which is not kept",
                    column.name()
                );
            };
            object.define(
                column.symbol(i).into_bytes(),
                at,
                0,
                elf::STT_OBJECT,
                Scope::Hidden,
            );
        }
        for addr in shard.globals.iter().chain(&shard.function_slots) {
            if !parts.is_data(*addr) {
                refuse!("a global is at {addr:#x}, where there is no data");
            }
        }
    }
    let slots = SLOTS
        .iter()
        .zip(&tables.slots)
        .chain([(&SMALL_TYPEOF, &tables.small_typeof)]);
    for (name, addr) in slots {
        let Some(at) = parts.place(*addr).filter(|_| parts.is_data(*addr)) else {
            refuse!("`{name}` is at {addr:#x}, where there is no data");
        };
        object.define(name.as_bytes(), at, 0, elf::STT_OBJECT, Scope::Hidden);
    }
    define_exports(symbols, parts, object)
}

/// Exports what the image exports.
pub(crate) fn define_exports<'a>(
    symbols: &[Symbol<'a>],
    parts: &Parts,
    object: &mut Object<'a>,
) -> Result<(), Refused> {
    for symbol in exports(symbols) {
        let name = String::from_utf8_lossy(symbol.name);
        if !matches!(
            symbol.kind,
            elf::STT_FUNC | elf::STT_OBJECT | elf::STT_NOTYPE
        ) {
            refuse!("it exports `{name}`, a symbol of a kind that is not known");
        }
        if SLOTS.contains(&&*name) || name == SMALL_TYPEOF {
            refuse!("it exports `{name}`, which is to be its own");
        }
        let Some(at) = parts.place_or_end(symbol.value) else {
            refuse!("it exports `{name}`, which is not kept");
        };
        let scope = if symbol.bind == elf::STB_WEAK {
            Scope::ExportedWeak
        } else {
            Scope::Exported
        };
        object.define(symbol.name, at, symbol.size, symbol.kind, scope);
    }
    Ok(())
}
