//! The metadata of the new image: header, table of shards, slots, and a shard for the packages.

use object::elf;

use crate::base::{BaseShard, SLOTS, SMALL_TYPEOF, base_symbol, called_symbol};
use crate::calls::Call;
use crate::handover::UsedPackage;
use crate::package::package_symbol;
use crate::relocations::METADATA;
use crate::script;
use crate::tables::{Column, Layout, TAG, Versions};
use crate::trampoline::{self, Code};
use crate::write::{CONSTANTS, DATA, Object, Place, Scope, SectionId, Target};

/// A row of the table of shards.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// A shard that another object defines, by its number.
    Other(u32),
    /// A shard of the base, reduced to the functions that one CPU uses.
    Chosen {
        shard: u32,
        /// Their offsets, in order.
        functions: &'a [u64],
        /// Those that have slots, by place in the shard.
        in_slots: &'a [u32],
    },
    /// A shard of the base that gets more slots.
    Called {
        shard: u32,
        base: &'a BaseShard,
        /// What it has for each CPU target, with these slots among those that are filled.
        targets: &'a [Versions],
        /// All that is called.
        calls: &'a [Call],
    },
    /// All package images.
    Packages {
        packages: &'a [UsedPackage],
        /// The number of the first function, and of the first global.
        functions: u32,
        globals: u32,
    },
}

/// The object that holds the metadata.
pub struct Metadata {
    object: Object<'static>,
    layout: &'static Layout,
    text: SectionId,
    /// Constants without pointers.
    constants: SectionId,
    /// Constants with pointers.
    pointers: SectionId,
    /// Tables that are pointed to by this object's own, in the order of the rows.
    rows: Vec<Target>,
    targets: Place,
    /// The slots of what is called, in its order.
    slots: Vec<Place>,
    /// What needs an entry in the unwind table.
    code: Vec<Code>,
}

impl Metadata {
    /// `targets`: the serialized CPU targets.
    pub fn new(layout: &'static Layout, targets: &[u8]) -> Self {
        let mut object = Object::default();
        let text = trampoline::section(&mut object);
        let constants = object.section(".rodata", CONSTANTS, 16, Vec::new());
        let pointers = object.section(".data.rel.ro", DATA, 16, Vec::new());
        let targets = object.append(constants, 16, targets);
        Metadata {
            object,
            layout,
            text,
            constants,
            pointers,
            rows: Vec::new(),
            targets,
            slots: Vec::new(),
            code: Vec::new(),
        }
    }

    /// Adds a slot for each of these functions, and code by way of it.
    pub fn call(&mut self, calls: &[Call]) {
        if calls.is_empty() {
            return;
        }
        let section = self
            .object
            .section(".data", DATA, 8, vec![0; 8 * calls.len()]);
        let offsets = (0..calls.len() as u64).map(|i| 8 * i);
        self.slots = offsets.map(|offset| Place { section, offset }).collect();
        let (jumps, code) = trampoline::add_jumps(&mut self.object, self.text, &self.slots);
        for (call, jump) in calls.iter().zip(jumps) {
            let name = called_symbol(call.offset).into_bytes();
            self.object
                .define(name, jump, 0, elf::STT_FUNC, Scope::Hidden);
        }
        self.code.push(code);
    }

    /// Adds the next row.
    pub fn row(&mut self, row: Row) {
        for column in self.layout.columns {
            let target = match row {
                Row::Other(shard) => self.other(*column, shard),
                Row::Chosen {
                    shard,
                    functions,
                    in_slots,
                } => self.chosen(*column, shard, functions, in_slots),
                Row::Called {
                    shard,
                    base,
                    targets,
                    calls,
                } => self.called(*column, shard, base, targets, calls),
                Row::Packages {
                    packages,
                    functions,
                    globals,
                } => Target::Place(self.packages(*column, packages, functions, globals)),
            };
            self.rows.push(target);
        }
        self.settle();
    }

    /// A column of offsets and the one that these are relative to are one and the same table here:
    /// the offsets are then distances, which every linker can fill in. That table comes second.
    fn settle(&mut self) {
        let start = self.rows.len() - self.layout.columns.len();
        for (base, offsets) in [
            (Column::FunctionBase, Column::FunctionOffsets),
            (Column::GlobalBase, Column::GlobalOffsets),
        ] {
            if let (Some(base), Some(offsets)) =
                (self.layout.position(base), self.layout.position(offsets))
                && let Target::Place(table) = self.rows[start + offsets]
            {
                self.rows[start + base] = Target::Place(table);
            }
        }
    }

    fn other(&mut self, column: Column, shard: u32) -> Target {
        Target::Symbol(self.object.symbol(column.symbol(shard).into_bytes(), false))
    }

    fn chosen(
        &mut self,
        column: Column,
        shard: u32,
        functions: &[u64],
        in_slots: &[u32],
    ) -> Target {
        Target::Place(match column {
            Column::FunctionOffsets | Column::FunctionPointers => {
                let names: Vec<String> = functions
                    .iter()
                    .map(|offset| base_symbol(*offset))
                    .collect();
                self.functions(column, &names)
            }
            // one target, all of whose functions there are; those with slots are listed
            Column::CloneNumbers => {
                let mut words = vec![TAG | in_slots.len() as u32];
                words.extend(in_slots);
                self.words(&words)
            }
            _ => return self.other(column, shard),
        })
    }

    fn called(
        &mut self,
        column: Column,
        shard: u32,
        base: &BaseShard,
        targets: &[Versions],
        calls: &[Call],
    ) -> Target {
        let start = |column| self.layout.position(column).map(|i| base.columns[i]);
        // The base stays where it was.
        let anchor = (
            Target::Symbol(
                self.object
                    .symbol(Column::GlobalOffsets.symbol(shard).into_bytes(), false),
            ),
            start(Column::GlobalOffsets).unwrap_or_default(),
        );
        let from_anchor = |addr: u64| (anchor.0, addr.wrapping_sub(anchor.1).cast_signed());
        Target::Place(match column {
            Column::GlobalOffsets if start(Column::GlobalBase).is_some() => {
                let globals: Vec<_> = base.globals.iter().copied().map(from_anchor).collect();
                self.global_offsets(&globals)
            }
            Column::CloneSlots => {
                let of_base = base.slots.iter().map(|(function, slot)| {
                    let (target, addend) = from_anchor(*slot);
                    (*function, target, addend)
                });
                let new = calls.iter().zip(&self.slots);
                let new = new
                    .filter(|(call, _)| call.shard == shard)
                    .map(|(call, slot)| (call.function, Target::Place(*slot), 0));
                let mut slots: Vec<_> = of_base.chain(new).collect();
                slots.sort_by_key(|(function, ..)| *function);
                self.clone_slots(&slots)
            }
            Column::CloneOffsets => {
                let from = start(Column::FunctionBase).unwrap_or_default();
                let offsets: Vec<u32> = clones(targets)
                    .map(|addr| addr.wrapping_sub(from) as u32)
                    .collect();
                self.words(&offsets)
            }
            Column::ClonePointers => {
                let names: Vec<String> = clones(targets).map(base_symbol).collect();
                self.functions(Column::FunctionPointers, &names)
            }
            Column::CloneNumbers => self.words(&clone_numbers(targets)),
            _ => return self.other(column, shard),
        })
    }

    fn packages(
        &mut self,
        column: Column,
        packages: &[UsedPackage],
        functions: u32,
        globals: u32,
    ) -> Place {
        let count =
            |count: fn(&UsedPackage) -> usize| packages.iter().map(count).sum::<usize>() as u32;
        let function_count = count(|package| package.functions.len());
        let global_count = count(|package| package.globals.len());
        match column {
            Column::FunctionCount => {
                let bytes = u64::from(function_count).to_le_bytes();
                self.object.append(self.constants, 8, &bytes)
            }
            Column::FunctionOffsets | Column::FunctionPointers => {
                let names: Vec<String> = packages
                    .iter()
                    .flat_map(|package| {
                        package
                            .functions
                            .iter()
                            .map(|offset| package_symbol(&package.id, *offset))
                    })
                    .collect();
                self.functions(column, &names)
            }
            Column::FunctionNumbers => {
                self.words(&(functions..functions + function_count).collect::<Vec<u32>>())
            }
            Column::GlobalOffsets => {
                let object = &mut self.object;
                let globals: Vec<_> = packages
                    .iter()
                    .flat_map(|package| package.globals.iter().map(move |at| (package, *at)))
                    .map(|(package, offset)| anchor(object, package, offset))
                    .collect();
                self.global_offsets(&globals)
            }
            Column::GlobalNumbers => {
                self.words(&(globals..globals + global_count).collect::<Vec<u32>>())
            }
            // `settle` puts the table of offsets here
            Column::FunctionBase | Column::GlobalBase => self.targets,
            Column::CloneSlots => {
                let object = &mut self.object;
                let slots: Vec<_> = in_slots(packages)
                    .map(|slot| {
                        let (target, addend) = anchor(object, slot.package, slot.offset);
                        (slot.function, target, addend)
                    })
                    .collect();
                self.clone_slots(&slots)
            }
            Column::CloneOffsets => self.words(&[]),
            Column::ClonePointers => self.object.append(self.pointers, 8, &[]),
            Column::CloneNumbers => {
                let mut functions: Vec<u32> =
                    in_slots(packages).map(|slot| slot.function).collect();
                functions.dedup();
                let mut words = vec![TAG | functions.len() as u32];
                words.extend(functions);
                self.words(&words)
            }
        }
    }

    /// How many globals there are, and the distance of each.
    fn global_offsets(&mut self, globals: &[(Target, i64)]) -> Place {
        let mut words = vec![0; 1 + globals.len()];
        words[0] = globals.len() as u32;
        let table = self.words(&words);
        for (i, (target, addend)) in (1..).zip(globals) {
            self.distance(table, i, *target, *addend);
        }
        table
    }

    /// The functions that have slots, and where these are: relative to the globals' table on 1.10, which
    /// comes before, and to this one later.
    fn clone_slots(&mut self, slots: &[(u32, Target, i64)]) -> Place {
        let mut words = vec![slots.len() as u32];
        words.extend(slots.iter().flat_map(|(function, ..)| [*function, 0]));
        let table = self.words(&words);
        let row = self.rows.len() / self.layout.columns.len() * self.layout.columns.len();
        let base = match (
            self.layout.position(Column::GlobalBase),
            self.layout.position(Column::GlobalOffsets),
        ) {
            (Some(_), Some(offsets)) => match self.rows.get(row + offsets) {
                Some(Target::Place(table)) => *table,
                _ => unreachable!("globals come before slots in every layout"),
            },
            _ => table,
        };
        for (i, (_, target, addend)) in (0..).zip(slots) {
            let offset = table.offset + 8 + 8 * i;
            let from_base = offset.wrapping_sub(base.offset).cast_signed();
            self.object.relocate(
                Place {
                    section: table.section,
                    offset,
                },
                elf::R_X86_64_PC32,
                *target,
                addend.wrapping_add(from_base),
            );
        }
        table
    }

    fn words(&mut self, words: &[u32]) -> Place {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.object.append(self.constants, 4, &bytes)
    }

    /// A table of functions: pointers, or how many there are and the distance of each.
    fn functions(&mut self, column: Column, names: &[String]) -> Place {
        if column == Column::FunctionPointers {
            let table = self
                .object
                .append(self.pointers, 8, &vec![0; 8 * names.len()]);
            for (i, name) in (0..).zip(names) {
                let at = Place {
                    section: table.section,
                    offset: table.offset + 8 * i,
                };
                let symbol = self.object.symbol(name.clone().into_bytes(), false);
                self.object
                    .relocate(at, elf::R_X86_64_64, Target::Symbol(symbol), 0);
            }
            return table;
        }
        let mut words = vec![0; 1 + names.len()];
        words[0] = names.len() as u32;
        let table = self.words(&words);
        for (i, name) in (1..).zip(names) {
            let symbol = self.object.symbol(name.clone().into_bytes(), false);
            self.distance(table, i, Target::Symbol(symbol), 0);
        }
        table
    }

    /// Makes a word of a table the distance of `target` from its beginning.
    fn distance(&mut self, table: Place, word: u64, target: Target, addend: i64) {
        let at = Place {
            section: table.section,
            offset: table.offset + 4 * word,
        };
        self.object.relocate(
            at,
            elf::R_X86_64_PC32,
            target,
            addend.wrapping_add_unsigned(4 * word),
        );
    }

    /// A table of pointers.
    fn table(&mut self, targets: &[Target]) -> Place {
        let table = self
            .object
            .append(self.pointers, 16, &vec![0; 8 * targets.len()]);
        for (i, target) in (0..).zip(targets) {
            let at = Place {
                section: table.section,
                offset: table.offset + 8 * i,
            };
            self.object.relocate(at, elf::R_X86_64_64, *target, 0);
        }
        table
    }

    /// All that is left, and the object. `header`: its four numbers.
    pub fn finish(mut self, header: [u32; 4], packages: &[UsedPackage]) -> Object<'static> {
        let header_version = header[0];
        let header = self.words(&header);
        let rows = std::mem::take(&mut self.rows);
        let rows = self.table(&rows);
        let mut symbol =
            |name: &str| Target::Symbol(self.object.symbol(name.as_bytes().to_vec(), false));
        let slots = SLOTS.map(&mut symbol);
        let small_typeof = symbol(SMALL_TYPEOF);
        // Makes the linker take the heap, also out of an archive.
        symbol("jl_system_image_data");
        symbol("jl_system_image_size");
        let slots = self.table(&slots);
        let root = [
            Target::Place(header),
            Target::Place(rows),
            Target::Place(slots),
            small_typeof,
            Target::Place(self.targets),
        ];
        let root = self.table(&root);
        self.object.define(
            METADATA[0].as_bytes(),
            root,
            8 * 5,
            elf::STT_OBJECT,
            Scope::Exported,
        );

        let mut code = std::mem::take(&mut self.code);
        code.push(trampoline::add_handle_getter(&mut self.object, self.text));
        if !packages.is_empty() {
            let list = self
                .object
                .append(self.pointers, 16, &vec![0; 24 * packages.len()]);
            let all = packages
                .iter()
                .flat_map(|package| package.object.slots.map(|slot| (package, slot)));
            for (i, (package, slot)) in (0..).zip(all) {
                let at = Place {
                    section: list.section,
                    offset: list.offset + 8 * i,
                };
                let (target, addend) = anchor(&mut self.object, package, slot);
                self.object.relocate(at, elf::R_X86_64_64, target, addend);
            }
            code.push(trampoline::add(
                &mut self.object,
                self.text,
                list,
                packages.len() as u64,
            ));
        }
        trampoline::add_unwind(&mut self.object, &code);
        self.object.note(script::FIRST, "Julia", header_version);
        self.object.section(".note.GNU-stack", 0, 1, &[][..]);
        self.object
    }
}

/// The versions for all targets but the first.
fn clones(targets: &[Versions]) -> impl Iterator<Item = u64> + '_ {
    let rest = targets.iter().skip(1).flat_map(Versions::own);
    rest.map(|(_, addr)| addr)
}

/// The functions that each target lists, as Julia reads them.
fn clone_numbers(targets: &[Versions]) -> Vec<u32> {
    let mut words = Vec::new();
    for versions in targets {
        match versions {
            Versions::All { filled, .. } => {
                words.push(TAG | filled.len() as u32);
                words.extend(filled);
            }
            Versions::Some { base, listed } => {
                words.extend([listed.len() as u32, *base]);
                words.extend(listed.iter().map(|listed| match listed.fills {
                    true => TAG | listed.function,
                    false => listed.function,
                }));
            }
        }
    }
    words
}

/// A place in a package image: its symbol, which is where its first part begins, and the distance.
fn anchor(object: &mut Object<'static>, package: &UsedPackage, offset: u64) -> (Target, i64) {
    let first = package.object.parts.first().map_or(0, |part| part.start);
    let symbol = object.symbol(package.id.clone().into_bytes(), false);
    (
        Target::Symbol(symbol),
        offset.wrapping_sub(first).cast_signed(),
    )
}

/// A function of a package that has a slot.
struct InSlot<'a> {
    /// Its place in the shard of all packages.
    function: u32,
    package: &'a UsedPackage,
    /// The slot's.
    offset: u64,
}

/// All of them, by place.
fn in_slots(packages: &[UsedPackage]) -> impl Iterator<Item = InSlot<'_>> {
    let mut before = 0;
    packages.iter().flat_map(move |package| {
        let first = before;
        before += package.functions.len() as u32;
        let slots = package.object.function_slots.iter();
        slots.map(move |(number, offset)| InSlot {
            function: first + number,
            package,
            offset: *offset,
        })
    })
}
