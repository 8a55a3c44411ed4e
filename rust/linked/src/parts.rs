//! What of an image is kept: its loaded sections, without the heap and without what the linker
//! makes anew.

use object::elf;
use serde::{Deserialize, Serialize};

use crate::error::{Refused, refuse};
use crate::read::{Image, Section};
use crate::write::{CODE, CONSTANTS, DATA, Object, Place, SectionId};

/// The alignment of pages, in the file and in memory.
pub const PAGE: u64 = 0x1000;

/// A part of an image, at its own address, as the linker script has to place it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The name of its section.
    pub section: String,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The flags of the segment that it was in (`PF_R` and so on).
    pub flags: u32,
}

/// The parts of an image, as sections of an [`Object`].
#[derive(Debug)]
pub struct Parts {
    /// By address.
    pub placed: Vec<Placed>,
    sections: Vec<SectionId>,
    /// The image's serialized heap, which is left out.
    pub heap: (u64, u64),
    dropped: Vec<(u64, u64)>,
}

/// What is known about a loaded section.
enum Fate {
    Kept,
    /// The linker makes a new one, or nothing refers to it.
    Dropped,
}

fn fate(section: &Section) -> Result<Fate, Refused> {
    let name = section.name.as_str();
    if section.flags & u64::from(elf::SHF_TLS) != 0 {
        refuse!("it has thread-local storage of its own (section {name})");
    }
    if section.flags & u64::from(elf::SHF_COMPRESSED) != 0 {
        refuse!("section {name} is compressed");
    }
    match section.kind {
        elf::SHT_NOTE
        | elf::SHT_DYNSYM
        | elf::SHT_STRTAB
        | elf::SHT_HASH
        | elf::SHT_GNU_HASH
        | elf::SHT_GNU_VERSYM
        | elf::SHT_GNU_VERNEED
        | elf::SHT_RELA
        | elf::SHT_RELR
        | elf::SHT_DYNAMIC
        | elf::SHT_INIT_ARRAY
        | elf::SHT_FINI_ARRAY => Ok(Fate::Dropped),
        elf::SHT_X86_64_UNWIND => Ok(Fate::Dropped),
        elf::SHT_PROGBITS | elf::SHT_NOBITS => Ok(match name {
            ".eh_frame" | ".eh_frame_hdr" | ".tm_clone_table" | ".relro_padding" => Fate::Dropped,
            _ => Fate::Kept,
        }),
        kind => refuse!("section {name} is of a kind that is not known ({kind:#x})"),
    }
}

impl Parts {
    /// Takes `image` apart into sections of `object`, which are called `.PREFIX.NUMBER`. `heap`:
    /// start and end of what is left out.
    pub fn of<'a>(
        image: &'a Image,
        prefix: &str,
        heap: (u64, u64),
        object: &mut Object<'a>,
    ) -> Result<Self, Refused> {
        let mut parts = Parts {
            placed: Vec::new(),
            sections: Vec::new(),
            heap,
            dropped: Vec::new(),
        };
        let mut loaded: Vec<&Section> = image
            .sections
            .iter()
            .filter(|s| s.is_loaded() && s.size > 0)
            .collect();
        loaded.sort_by_key(|section| section.addr);
        let mut holds_heap = false;
        let mut end = 0;
        for section in loaded {
            if section.addr < end || section.addr.checked_add(section.size).is_none() {
                refuse!("section {} overlaps another", section.name);
            }
            end = section.end();
            if let Fate::Dropped = fate(section)? {
                parts.dropped.push((section.addr, section.end()));
                continue;
            }
            if section.addr <= heap.0 && heap.1 <= section.end() {
                holds_heap = true;
                parts.add(image, section, prefix, section.addr, heap.0, object)?;
                parts.add(image, section, prefix, heap.1, section.end(), object)?;
            } else if section.addr < heap.1 && heap.0 < section.end() {
                refuse!("its heap reaches into section {}", section.name);
            } else {
                parts.add(image, section, prefix, section.addr, section.end(), object)?;
            }
        }
        if !holds_heap {
            refuse!("its heap is in none of its sections");
        }
        if parts.placed.is_empty() {
            refuse!("it has neither code nor data");
        }
        Ok(parts)
    }

    fn add<'a>(
        &mut self,
        image: &'a Image,
        section: &Section,
        prefix: &str,
        start: u64,
        end: u64,
        object: &mut Object<'a>,
    ) -> Result<(), Refused> {
        if start == end {
            return Ok(());
        }
        let Some(load) = image
            .load(start)
            .filter(|load| end - load.addr <= load.size)
        else {
            refuse!("section {} is in no segment", section.name);
        };
        let flags = match load.flags & (elf::PF_X | elf::PF_W) {
            0 => CONSTANTS,
            elf::PF_X => CODE,
            elf::PF_W => DATA,
            _ => refuse!("section {} can be written and run", section.name),
        };
        let name = format!(".{prefix}.{}", self.placed.len());
        // As much alignment as its address has, so that the linker does not move it.
        let align = (start & start.wrapping_neg()).clamp(1, PAGE);
        let id = if section.kind == elf::SHT_NOBITS {
            object.zeros(name.clone(), flags, align, end - start)
        } else {
            object.section(name.clone(), flags, align, image.at(start, end - start)?)
        };
        self.sections.push(id);
        self.placed.push(Placed {
            section: name,
            start,
            end,
            flags: load.flags,
        });
        Ok(())
    }

    /// Where in the object an address is.
    pub fn place(&self, addr: u64) -> Option<Place> {
        let i = self
            .placed
            .partition_point(|part| part.start <= addr)
            .checked_sub(1)?;
        (addr < self.placed[i].end).then(|| Place {
            section: self.sections[i],
            offset: addr - self.placed[i].start,
        })
    }

    /// The same, for an address that may also be the end of a part.
    pub fn place_or_end(&self, addr: u64) -> Option<Place> {
        self.place(addr).or_else(|| {
            let i = self
                .placed
                .partition_point(|part| part.start <= addr)
                .checked_sub(1)?;
            (addr == self.placed[i].end).then(|| Place {
                section: self.sections[i],
                offset: addr - self.placed[i].start,
            })
        })
    }

    /// Whether an address is in what is left out because the linker makes it anew.
    pub fn is_dropped(&self, addr: u64) -> bool {
        self.dropped
            .iter()
            .any(|(start, end)| (*start..*end).contains(&addr))
    }

    /// Whether an address is in the heap.
    pub fn is_heap(&self, addr: u64) -> bool {
        (self.heap.0..self.heap.1).contains(&addr)
    }

    /// Whether an address is in code that is kept.
    pub fn is_code(&self, addr: u64) -> bool {
        self.flags(addr) & elf::PF_X != 0
    }

    /// Whether an address is in data that is kept and can be written.
    pub fn is_data(&self, addr: u64) -> bool {
        self.flags(addr) & elf::PF_W != 0
    }

    fn flags(&self, addr: u64) -> u32 {
        let i = self.placed.partition_point(|part| part.start <= addr);
        match i.checked_sub(1).map(|i| &self.placed[i]) {
            Some(part) if addr < part.end => part.flags,
            _ => 0,
        }
    }
}
