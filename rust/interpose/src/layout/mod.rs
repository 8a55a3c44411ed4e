//! All that this library knows of Julia's memory: one table for each minor version.
//!
//! Where Julia has an exported function for something, it is called instead. Offsets of fields that
//! Julia's reflection knows are told by the image process's script ([`Told`]) and compared, so that
//! a Julia which has them elsewhere is found out before any of them is relied on.

mod v1_10;
mod v1_11;
mod v1_12;

use crate::trouble::{Trouble, ensure, there};

/// Offsets in a `jl_code_instance_t`.
pub struct CodeInstanceLayout {
    pub def: usize,
    /// The compiler it is of, from 1.11 on.
    pub owner: Option<usize>,
    pub next: usize,
    pub min_world: usize,
    pub max_world: usize,
    /// What the field of the flags is called.
    pub flags_name: &'static str,
    pub flags: usize,
    pub precompile: usize,
    pub invoke: usize,
    pub specptr: usize,
}

/// Offsets in a `jl_method_instance_t`.
pub struct MethodInstanceLayout {
    pub def: usize,
    pub cache: usize,
}

/// Offsets in a `jl_method_t`.
pub struct MethodLayout {
    pub name: usize,
    pub module: usize,
    pub primary_world: usize,
    /// Until 1.11.
    pub deleted_world: Option<usize>,
}

/// Offsets in `jl_options_t`.
#[derive(Clone, Copy)]
pub struct OptionsLayout {
    pub incremental: usize,
    /// Where it has to be changed (1.10 and 1.11).
    pub use_pkgimages: Option<usize>,
}

/// How `jl_register_fptrs` hands over the functions of an image: offsets in a `jl_image_fptrs_t`.
pub enum FunctionsLayout {
    /// 32-bit offsets from a base.
    Relative {
        base: usize,
        count: usize,
        offsets: usize,
        clones: usize,
        clone_offsets: usize,
        clone_indices: usize,
    },
    /// Addresses.
    Absolute {
        count: usize,
        pointers: usize,
        clones: usize,
        clone_pointers: usize,
        clone_indices: usize,
    },
}

/// A `jl_image_shard_t`: where it has its globals.
pub struct ShardLayout {
    pub size: usize,
    /// What the offsets are counted from; their own table, from 1.11 on.
    pub global_base: usize,
    pub global_offsets: usize,
    pub global_indices: usize,
}

/// What `jl_image_pointers` of an image points to, in all versions so far.
pub mod pointers {
    pub const HEADER: usize = 0;
    pub const SHARDS: usize = 8;
    pub const SMALL_TYPEOF: usize = 24;
    pub const TARGETS: usize = 32;
    /// Entries of `jl_small_typeof`: `(jl_max_tags << 4) / sizeof(void*)`.
    pub const SMALL_TYPES: usize = 128;
    /// In the header, as 32-bit numbers.
    pub const VERSION: usize = 0;
    pub const SHARD_COUNT: usize = 4;
    pub const FUNCTION_COUNT: usize = 8;
    pub const GLOBAL_COUNT: usize = 12;
    /// The only version of images so far.
    pub const IMAGE_VERSION: u32 = 1;
}

/// How a list of C++ lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorLayout {
    /// `std::vector`: begin, end, and the end of its room.
    Standard,
    /// LLVM's `SmallVector` with no room of its own: begin, and length and room of 32 bits.
    Small,
}

/// Which signatures Julia has for what is interposed, and what is to be done in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// 1.10 and 1.11: whole images are made by a process that was started for an incremental one. What code
    /// it has made stands in such lists.
    Incremental(VectorLayout),
    /// 1.12: inference lists what is emitted.
    Collected,
}

/// A minor version's table.
pub struct Layout {
    pub version: (u32, u32),
    pub flow: Flow,
    /// Julia leaves the native code of package images alone where a whole image is made (1.11: `imaging_mode` in
    /// `jl_restore_system_image_from_stream_` of staticdata.c, which on 1.10 is asked for the sysimage only).
    pub packages_without_code: bool,
    pub code_instance: CodeInstanceLayout,
    pub method_instance: MethodInstanceLayout,
    pub method: MethodLayout,
    /// `def` of a `Core.ABIOverride`, which a code instance may have instead of a method instance.
    pub abi_override_def: Option<usize>,
    pub options: OptionsLayout,
    pub functions: FunctionsLayout,
    pub shard: ShardLayout,
    /// Variables of libjulia-internal that hold the addresses of calling conventions, and the ids
    /// that stand for these in place of a function's number.
    pub conventions: &'static [(&'static str, i32)],
}

/// Of the code instance's flags: its code is from an image.
pub const FROM_IMAGE: u8 = 0b100;

static ALL: [&Layout; 3] = [&v1_10::LAYOUT, &v1_11::LAYOUT, &v1_12::LAYOUT];

impl Layout {
    /// The table of this minor version.
    pub fn of(version: (u32, u32)) -> Result<&'static Self, Trouble> {
        let found = ALL.into_iter().find(|layout| layout.version == version);
        there("layout-known", found, || {
            format!(
                "nothing is known of the memory of Julia {}.{}",
                version.0, version.1
            )
        })
    }

    /// Each field that Julia's reflection knows: type, name, offset.
    pub fn fields(&self) -> Vec<(&'static str, &'static str, usize)> {
        let ci = &self.code_instance;
        let mut fields = vec![
            ("CodeInstance", "def", ci.def),
            ("CodeInstance", "next", ci.next),
            ("CodeInstance", "min_world", ci.min_world),
            ("CodeInstance", "max_world", ci.max_world),
            ("CodeInstance", ci.flags_name, ci.flags),
            ("CodeInstance", "precompile", ci.precompile),
            ("CodeInstance", "invoke", ci.invoke),
            ("CodeInstance", "specptr", ci.specptr),
            ("MethodInstance", "def", self.method_instance.def),
            ("MethodInstance", "cache", self.method_instance.cache),
            ("Method", "name", self.method.name),
            ("Method", "module", self.method.module),
            ("Method", "primary_world", self.method.primary_world),
            ("JLOptions", "incremental", self.options.incremental),
        ];
        fields.extend(
            self.options
                .use_pkgimages
                .map(|offset| ("JLOptions", "use_pkgimages", offset)),
        );
        fields.extend(ci.owner.map(|offset| ("CodeInstance", "owner", offset)));
        fields.extend(
            self.method
                .deleted_world
                .map(|offset| ("Method", "deleted_world", offset)),
        );
        fields.extend(
            self.abi_override_def
                .map(|offset| ("ABIOverride", "def", offset)),
        );
        fields
    }
}

/// Which fields the script has told.
pub struct Told {
    fields: Vec<(&'static str, &'static str, usize)>,
    seen: Vec<bool>,
}

impl Told {
    /// None yet.
    pub fn new(layout: &Layout) -> Self {
        let fields = layout.fields();
        let seen = vec![false; fields.len()];
        Told { fields, seen }
    }

    /// Compares a field that the script tells; whether it is one that is used here.
    pub fn field(&mut self, ty: &str, field: &str, offset: usize) -> Result<bool, Trouble> {
        let known = self
            .fields
            .iter()
            .position(|known| (known.0, known.1) == (ty, field));
        let Some(known) = known else { return Ok(false) };
        let expected = self.fields[known].2;
        ensure("layout-field", offset == expected, || {
            format!("{ty}.{field} is at offset {offset}, not {expected}")
        })?;
        self.seen[known] = true;
        Ok(true)
    }

    /// Whether all were told.
    pub fn complete(&self) -> Result<(), Trouble> {
        let missing = self.seen.iter().position(|seen| !seen);
        ensure("layout-complete", missing.is_none(), || {
            let (ty, field, _) = missing.map_or(("", "", 0), |missing| self.fields[missing]);
            format!("the script has not told where {ty}.{field} is")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_to_be_told() {
        for layout in ALL {
            let mut told = Told::new(layout);
            assert!(told.complete().is_err());
            for (ty, field, offset) in layout.fields() {
                assert_eq!(told.field(ty, field, offset), Ok(true));
            }
            assert_eq!(told.complete(), Ok(()));
        }
    }

    #[test]
    fn a_field_elsewhere_is_trouble() {
        let mut told = Told::new(Layout::of((1, 10)).unwrap());
        assert_eq!(told.field("CodeInstance", "rettype", 1), Ok(false));
        let trouble = told.field("CodeInstance", "invoke", 1).unwrap_err();
        assert_eq!(
            trouble.to_string(),
            "CodeInstance.invoke is at offset 1, not 80"
        );
    }

    #[test]
    fn other_versions_are_not_known() {
        assert!(Layout::of((1, 9)).is_err());
        assert!(Layout::of((1, 13)).is_err());
    }
}
