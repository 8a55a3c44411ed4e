//! What the linker is given: the new objects, those of the images below, and how they lie.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;

use crate::base::{self, Base};
use crate::calls;
use crate::error::{Refused, refuse};
use crate::handover::{Handover, UsedPackage};
use crate::metadata::{Metadata, Row};
use crate::parts::{PAGE, Placed};
use crate::read;
use crate::script;
use crate::shard::Shard;
use crate::tables::{HEADER_VERSION, Layout, all_versions, targets};

/// What to link, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInput {
    /// The object files, in this order. The last one has the heap; where that is the archive of the
    /// image process, it must not be given with `--whole-archive`.
    pub objects: Vec<PathBuf>,
    /// The linker script, which [`options`](LinkInput::options) name.
    pub script: PathBuf,
    /// What a compiler driver needs besides `-shared`, the objects, Julia's libraries and the name
    /// of the image.
    pub options: Vec<String>,
    /// The same for `ld.lld` or `lld -flavor gnu`, called without a driver. It is not given the C
    /// library, so undefined symbols are left to the dynamic linker, as in Julia's own use of it.
    pub bare_options: Vec<String>,
}

/// Joins the archive of an image process with the images below it. Writes into the folder `out`,
/// which has to exist.
///
/// `base_dir`: where [`unlink_base`](crate::unlink_base) has written; `handover`: what the image
/// process tells; `archive`: what it has written (`--output-o`).
///
/// # Errors
/// When the parts do not fit: another base, other counts, objects of another kind, a symbol that
/// two images export, more than an address space of 2 GiB.
pub fn merge(
    base_dir: &Path,
    handover: &Handover,
    archive: &Path,
    out: &Path,
) -> Result<LinkInput, Refused> {
    let base = Base::load(base_dir)?;
    let Some(layout) = Layout::of(&base.julia) else {
        refuse!("tables of Julia {} are not known", base.julia);
    };
    agree(&base, handover)?;

    let map = read::map(archive)?;
    let members = Members::read(&map)?;
    let told = Shard::read(members.metadata)?;
    let header = told.numbers("jl_image_header")?;
    let [version, shards, functions, globals] = header[..] else {
        refuse!("the header of the image process is cut off");
    };
    if version != HEADER_VERSION {
        refuse!("the header of the image process is of version {version}");
    }
    if shards as usize != members.texts.len() {
        refuse!(
            "the image process has written {} objects for {shards} shards",
            members.texts.len()
        );
    }
    if globals != handover.new_globals {
        refuse!(
            "the image process has written {globals} globals and tells of {}",
            handover.new_globals
        );
    }
    let target_ids = told.content("jl_dispatch_target_ids")?;
    let target_count = has_targets(&base, target_ids, &handover.packages)?;
    let read = members.texts.iter().map(|text| Shard::read(text));
    let texts = read.collect::<Result<Vec<_>, _>>()?;

    let mut metadata = Metadata::new(layout, &targets::joined(target_ids, &base.target_ids)?);
    if target_count == 1 {
        for i in 0..handover.base.shards {
            let chosen = (base.targets > 1)
                .then(|| chosen(&base, handover, i))
                .transpose()?;
            metadata.row(match &chosen {
                Some((functions, in_slots)) => Row::Chosen {
                    shard: i,
                    functions,
                    in_slots,
                },
                None => Row::Other(i),
            });
        }
    } else {
        let used: BTreeSet<u64> = texts.iter().flat_map(Shard::used).collect();
        let calls = calls::calls(&base, &used)?;
        metadata.call(&calls);
        for (shard, of_base) in (0..).zip(&base.shards) {
            let called: BTreeSet<u32> = calls
                .iter()
                .filter(|call| call.shard == shard)
                .map(|call| call.function)
                .collect();
            let called: Vec<u32> = called.into_iter().collect();
            metadata.row(Row::Called {
                shard,
                base: of_base,
                targets: &calls::filling(of_base, target_count, &called)?,
                calls: &calls,
            });
        }
    }
    let mut count = Count {
        functions: base.functions,
        globals: base.globals,
        shards: handover.base.shards,
    };
    if !handover.packages.is_empty() {
        metadata.row(Row::Packages {
            packages: &handover.packages,
            functions: count.functions,
            globals: count.globals,
        });
        for package in &handover.packages {
            count.add(package.functions.len(), package.globals.len())?;
        }
        count.shards += 1;
    }

    let mut objects = vec![base_dir.join(base::OBJECT)];
    objects.extend(
        handover
            .packages
            .iter()
            .map(|package| package.object.file.clone()),
    );
    for (i, text) in (0..).zip(&texts) {
        let number = count.shards + i;
        let (functions, globals) = (count.functions, count.globals);
        let bytes = text.renumbered(layout, i, number, functions, globals, target_count > 1)?;
        let file = out.join(format!("shard-{number}.o"));
        write(&file, &bytes)?;
        objects.push(file);
        metadata.row(Row::Other(number));
    }
    count.add(functions as usize, globals as usize)?;
    count.shards += shards;
    let file = out.join("metadata.o");
    metadata
        .finish(
            [HEADER_VERSION, count.shards, count.functions, count.globals],
            &handover.packages,
        )
        .save(&file)?;
    objects.push(file);
    let heap = handover.heap.as_deref().unwrap_or(archive);
    objects.push(heap.to_path_buf());

    let file = out.join("image.lds");
    write(
        &file,
        script::script(&place(&base, &handover.packages)?, &base.debug)?.as_bytes(),
    )?;
    let Some(name) = file.to_str() else {
        refuse!("`{}` is no name that a linker can be told", file.display());
    };
    Ok(LinkInput {
        options: options(name),
        bare_options: bare_options(name),
        script: file,
        objects,
    })
}

/// How much there is up to some point.
struct Count {
    functions: u32,
    globals: u32,
    shards: u32,
}

impl Count {
    fn add(&mut self, functions: usize, globals: usize) -> Result<(), Refused> {
        let sum = |a: u32, b: usize| {
            u32::try_from(b)
                .ok()
                .and_then(|b| a.checked_add(b))
                .filter(|sum| *sum < 1 << 31)
        };
        match (sum(self.functions, functions), sum(self.globals, globals)) {
            (Some(functions), Some(globals)) => {
                (self.functions, self.globals) = (functions, globals)
            }
            _ => refuse!("there are too many functions or globals"),
        }
        Ok(())
    }
}

/// Checks that the handover is about this base, and that the images fit together.
fn agree(base: &Base, handover: &Handover) -> Result<(), Refused> {
    let used = &handover.base;
    if !same_file(&used.path, &base.image) {
        refuse!(
            "the image process ran on `{}`, not on `{}`",
            used.path.display(),
            base.image.display()
        );
    }
    let told = (used.functions, used.globals, used.shards, used.targets);
    let found = (
        base.functions,
        base.globals,
        base.shards.len() as u32,
        base.targets,
    );
    if told != found {
        refuse!(
            "the image process tells of a base with {told:?} functions, globals, shards, targets; the file has {found:?}"
        );
    }
    if used.selected.len() != used.functions as usize {
        refuse!(
            "the image process tells of {} functions of {}",
            used.selected.len(),
            used.functions
        );
    }
    for shard in &base.shards {
        for (number, versions) in shard.numbers.iter().zip(all_versions(&shard.targets)) {
            let selected = used.selected.get(*number as usize);
            if !selected.is_some_and(|offset| versions.contains(offset)) {
                refuse!("the image process tells of no version of the base's function {number}");
            }
        }
    }
    let mut ids = HashSet::new();
    let mut exported: HashSet<&str> = base.exports.iter().map(String::as_str).collect();
    for package in &handover.packages {
        if !ids.insert(&package.id) {
            refuse!("`{}` is there twice", package.path.display());
        }
        if package.object.julia != base.julia {
            refuse!(
                "`{}` is of Julia {}, the base of {}",
                package.path.display(),
                package.object.julia,
                base.julia
            );
        }
        // Which version of each function is used has to be told, as slots have to be filled with it.
        let versions = package.object.versions.iter().zip(&package.functions);
        if versions
            .clone()
            .any(|(versions, offset)| !versions.contains(offset))
            || package.functions.len() > package.object.versions.len()
        {
            refuse!(
                "the image process tells of functions of `{}` that are none",
                package.path.display()
            );
        }
        let slots = &package.object.function_slots;
        if slots
            .iter()
            .any(|(function, _)| *function as usize >= package.functions.len())
        {
            refuse!(
                "the image process does not tell of all functions of `{}`",
                package.path.display()
            );
        }
        if let Some(name) = package
            .object
            .exports
            .iter()
            .find(|name| !exported.insert(name))
        {
            refuse!(
                "`{}` exports `{name}`, as another image does",
                package.path.display()
            );
        }
    }
    Ok(())
}

fn same_file(a: &Path, b: &Path) -> bool {
    let canonical =
        |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    a == b || canonical(a) == canonical(b)
}

/// For how many CPU targets there is new code; the base has to have code for the same ones, before others.
fn has_targets(base: &Base, ids: &[u8], packages: &[UsedPackage]) -> Result<u32, Refused> {
    let count = targets::count(ids)?;
    if count == 1 {
        return Ok(count);
    }
    if count == 0 || !targets::begins_with(&base.target_ids, ids)? {
        refuse!("the base has no code for just these {count} CPU targets");
    }
    if let Some(package) = packages.first() {
        refuse!("`{}` has code for one CPU", package.path.display());
    }
    Ok(count)
}

/// The functions of a shard of the base that this CPU uses, and which of them have slots.
fn chosen(base: &Base, handover: &Handover, shard: u32) -> Result<(Vec<u64>, Vec<u32>), Refused> {
    let Some(shard) = base.shards.get(shard as usize) else {
        refuse!("the base has no shard {shard}");
    };
    let mut functions = Vec::with_capacity(shard.numbers.len());
    for number in &shard.numbers {
        match handover.base.selected.get(*number as usize) {
            Some(offset) => functions.push(*offset),
            None => refuse!("the image process does not tell of function {number} of the base"),
        }
    }
    let mut in_slots: Vec<u32> = shard.slots.iter().map(|(function, _)| *function).collect();
    in_slots.dedup();
    Ok((functions, in_slots))
}

/// The parts of all images: the base's where they were, each package's behind those before it, at
/// their distances from each other.
fn place(base: &Base, packages: &[UsedPackage]) -> Result<Vec<Placed>, Refused> {
    let mut placed = base.parts.clone();
    let mut end = base
        .parts
        .iter()
        .map(|part| part.end)
        .max()
        .unwrap_or_default();
    for package in packages {
        let parts = &package.object.parts;
        let lowest = parts
            .iter()
            .map(|part| part.start)
            .min()
            .unwrap_or_default()
            / PAGE
            * PAGE;
        let to = end.next_multiple_of(PAGE);
        for part in parts {
            let moved = |addr: u64| {
                addr.checked_sub(lowest)
                    .and_then(|distance| distance.checked_add(to))
            };
            let (Some(start), Some(last)) = (moved(part.start), moved(part.end)) else {
                refuse!("`{}` has impossible addresses", package.path.display());
            };
            end = end.max(last);
            placed.push(Placed {
                section: part.section.clone(),
                start,
                end: last,
                flags: part.flags,
            });
        }
    }
    Ok(placed)
}

/// The members of an archive that `--output-o` has written.
struct Members<'a> {
    /// `text#N.o`, by number.
    texts: Vec<&'a [u8]>,
    metadata: &'a [u8],
}

impl<'a> Members<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let bad = |e: object::Error| {
            Refused::new(format!(
                "the archive of the image process cannot be read ({e})"
            ))
        };
        let (mut texts, mut metadata, mut heap) = (Vec::new(), None, false);
        for member in ArchiveFile::parse(bytes).map_err(bad)?.members() {
            let member = member.map_err(bad)?;
            let content = member.data(bytes).map_err(bad)?;
            let name = String::from_utf8_lossy(member.name());
            let number = name
                .strip_prefix("text#")
                .and_then(|name| name.strip_suffix(".o")?.parse::<u32>().ok());
            match (&*name, number) {
                ("metadata.o", _) if metadata.is_none() => metadata = Some(content),
                ("sysimg.o", _) if !heap => heap = true,
                (_, Some(number)) => texts.push((number, content)),
                _ => refuse!(
                    "the archive of the image process has a member that is not known (`{name}`)"
                ),
            }
        }
        texts.sort_by_key(|(number, _)| *number);
        if (0..).zip(&texts).any(|(i, (number, _))| i != *number) || texts.is_empty() {
            refuse!("the archive of the image process does not have all of its shards");
        }
        match metadata {
            Some(metadata) if heap => Ok(Members {
                texts: texts.into_iter().map(|(_, text)| text).collect(),
                metadata,
            }),
            _ => refuse!("the archive of the image process is not whole"),
        }
    }
}

fn write(file: &Path, content: &[u8]) -> Result<(), Refused> {
    std::fs::write(file, content)
        .map_err(|e| Refused::new(format!("`{}` cannot be written: {e}", file.display())))
}

/// Options of GNU ld and lld alike. Sections that the script does not know would be put anywhere;
/// dropping what seems unused would drop all of the base.
fn common(script: &str) -> Vec<String> {
    let mut options = vec![
        format!("--script={script}"),
        "--orphan-handling=error".into(),
        "--no-gc-sections".into(),
    ];
    for word in [
        "max-page-size=4096",
        "common-page-size=4096",
        "text",
        "norelro",
        "noexecstack",
    ] {
        options.extend(["-z".into(), word.into()]);
    }
    options.push("--eh-frame-hdr".into());
    options
}

/// Code of the images below may call mathematical functions of the C library, which not every
/// driver links to by itself, and before any object is read it is not clear that they are needed.
fn options(script: &str) -> Vec<String> {
    let mut options = vec!["-nostartfiles".to_string()];
    let more = ["-z", "defs", "--no-as-needed"].map(String::from);
    for word in common(script).into_iter().chain(more) {
        options.extend(["-Xlinker".into(), word]);
    }
    options.push("-lm".into());
    options
}

fn bare_options(script: &str) -> Vec<String> {
    common(script)
}
